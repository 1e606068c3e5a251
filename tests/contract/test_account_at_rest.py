"""An account in which nobody does anything compares as unchanged, whatever DRS goes on saying of it."""

import pytest

from benchmarks.whole_account import account, differences

SERVER = "s-0hello00000000001"


@pytest.mark.parametrize("is_drill", [True, False])
def test_a_recovered_server_that_is_left_alone_is_no_difference(simulator, is_drill):
    simulator.client("drs").start_recovery(isDrill=is_drill, sourceServers=[{"sourceServerID": SERVER}])
    simulator.advance("30m")
    before = account(simulator)

    simulator.advance("3h")

    assert differences(before, account(simulator)) == []
