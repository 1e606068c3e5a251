"""What people read of a plan's drills before they start one."""

import pytest
from drs_provider.dag.docs import drill_in_words
from drs_provider.plan.model import RecoveryPlan
from pydantic import TypeAdapter

ESTIMATED = (
    "(drill.keep_for and drill.max_cost of the plan). What it will cost is estimated by preflight, in whose log it "
    "stands before anything is launched; the report has the estimate and the measured cost."
)


@pytest.mark.parametrize(
    ("drill", "place", "stay", "cap"),
    [
        ({}, "in a network of its own", "is cleaned up right after its last wave", "has no cap on its cost"),
        (
            {"network": "shared", "keep_for": "4h"},
            "in the network of a recovery, beside production",
            "is kept for 4h after its last wave",
            "has no cap on its cost",
        ),
        (
            {"network": {"vpc": "vpc-0123456789abcdef0"}, "max_cost": 50, "keep_for": "90m"},
            "in the standing drill network vpc-0123456789abcdef0",
            "is kept for 1h30m after its last wave",
            "is refused if it would cost more than $50.00",
        ),
        (
            {"network": "isolated", "max_cost": 12.5},
            "in a network of its own",
            "is cleaned up right after its last wave",
            "is refused if it would cost more than $12.50",
        ),
    ],
)
def test_a_drill_is_told_with_its_place_its_stay_and_its_cost(drill, place, stay, cap):
    plan = {"kind": "RecoveryPlan", "name": "shop", "drill": drill, "waves": [{"name": "web", "groups": ["web"]}]}
    said = drill_in_words(TypeAdapter(RecoveryPlan).validate_python(plan))
    assert said == f"A drill of this plan lands {place}. It {stay} and {cap} {ESTIMATED}"
