"""How long the instances of a drill live, and when a drill is too expensive."""

from datetime import timedelta
from pathlib import Path

import pytest
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rules.preflight.cost import Estimate, Machine, read_prices
from drs_provider.rules.preflight.drill_forecast import (
    USUAL_CLEAN_UP,
    estimate_drill,
    fingerprint_of,
    lifetimes,
    too_expensive,
)
from drs_provider.rules.run.handover import ServerFingerprint
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.timing import JOB_DURATION
from drs_provider.rules.settings.candidates import Candidate

HOUR = timedelta(hours=1)
PLAN = RecoveryPlan.model_validate(
    {
        "kind": "RecoveryPlan",
        "name": "shop",
        "drill": {"network": "shared", "keep_for": "1h"},
        "waves": [
            {"name": "database", "groups": ["db"]},
            {"name": "web", "groups": ["web"], "depends_on": ["database"], "delay_before": "5m"},
        ],
    }
)
GROUPS = {
    name: ProtectionGroup.model_validate({"kind": "ProtectionGroup", "name": name, "region": "us-west-2"})
    for name in ("db", "web")
}
SHAPE = compile_shape(RunnablePlan(PLAN, GROUPS, Path("shop.yaml"), "digest"))
PRICES = read_prices({"day": "2026-01-15", "hour": {"m5.large": 1.0}, "gib_month": {"gp3": 0}, "vcpu_hour": 0.5})


def test_what_is_launched_first_lives_longest():
    web = JOB_DURATION + timedelta(minutes=5) + HOUR + USUAL_CLEAN_UP

    assert lifetimes(SHAPE) == {"database": JOB_DURATION + web, "web": web}


def test_only_servers_of_which_something_is_known_are_priced():
    machines = {"s-1": Machine("s-1", "db1", "m5.large")}

    found = estimate_drill(SHAPE, machines, {"database": ["s-1", "s-2"], "web": []}, PRICES)

    assert found.hourly == {"s-1": 1.0}
    assert found.parts[0] == ("1 x m5.large", round(lifetimes(SHAPE)["database"].total_seconds() / 3600, 4), True)


@pytest.mark.parametrize(
    ("max_cost", "is_certain", "said"),
    [
        (None, True, None),
        (5, True, None),
        (
            4,
            True,
            (
                "the drill would cost about $5.00, and drill.max_cost allows $4.00; most of it: volumes $5.00. Keep it "
                "shorter (drill.keep_for), choose smaller types (drill_launch), drill fewer waves, or raise max_cost"
            ),
        ),
        (
            4,
            False,
            (
                "the drill would cost about $5.00 (guessed in part: the table of prices does not name every type), and "
                "drill.max_cost allows $4.00; most of it: volumes $5.00. Keep it shorter (drill.keep_for), choose "
                "smaller types (drill_launch), drill fewer waves, or raise max_cost"
            ),
        ),
    ],
)
def test_a_drill_may_cost_what_its_plan_allows(max_cost, is_certain, said):
    estimate = Estimate(5.0, is_certain, "2026-01-15", (("volumes", 5.0, True),))

    assert too_expensive(max_cost, estimate) == said


def test_a_server_of_which_nothing_is_known_has_an_empty_fingerprint():
    assert fingerprint_of(Candidate("s-1", {})) == ServerFingerprint(hostname="s-1")
