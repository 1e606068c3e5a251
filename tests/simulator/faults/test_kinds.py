"""What a fault may name is what a launch has."""

from typing import get_args

from drs_simulator.faults.kinds import FailAt
from drs_simulator.world.stages import FAILURE_OF


def test_a_launch_may_fail_at_every_stage_that_leaves_a_line():
    hidden = {"INSTANCE_PENDING"}

    assert set(get_args(FailAt.model_fields["event"].annotation)) == set(FAILURE_OF) - hidden
