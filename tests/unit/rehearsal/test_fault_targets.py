"""Faults that hit nobody are mistakes, with the reason; those that may not, or had no turn, are none."""

import pytest
from drs_provider.rehearsal.fault_targets import FleetServer, idle_faults

FLEET = (
    FleetServer("s-1", "db1", {"Tier": "db"}),
    FleetServer("s-2", "web1", {"Tier": "web"}),
)
NOTHING = "nothing that it describes happened in this run; look at its operation, event, job, service and time"


@pytest.mark.parametrize(
    ("fault", "well", "said"),
    [
        ({"hostname": "db1", "do": "fail_at", "strikes": 1, "id": "fault-1"}, True, []),
        (
            {"hostname": "db01", "do": "fail_at", "strikes": 0, "id": "fault-1"},
            True,
            [
                (
                    """fault {"hostname": "db01", "do": "fail_at"} hit nobody: the fleet has no server """
                    """db01 (did you mean 'db1'?)"""
                )
            ],
        ),
        (
            {"hostname": ["mail*", "x"], "do": "fail_at", "strikes": 0},
            False,
            [
                (
                    """fault {"hostname": ["mail*", "x"], "do": "fail_at"} hit nobody: the fleet has """
                    """no server mail* or x """
                    "(known: db1, web1)"
                )
            ],
        ),
        (
            {"servers": ["s-9"], "do": "fail_at", "strikes": 0, "probability": 0.5},
            True,
            [
                (
                    """fault {"servers": ["s-9"], "do": "fail_at", "probability": 0.5} hit nobody: the """
                    """fleet has no server """
                    "s-9 (did you mean 's-2'?)"
                )
            ],
        ),
        (
            {"tags": {"Tier": "mail"}, "do": "fail_at", "strikes": 0},
            True,
            ["""fault {"tags": {"Tier": "mail"}, "do": "fail_at"} hit nobody: no server of the fleet has these tags"""],
        ),
        (
            {"hostname": "web*", "do": "fail_at", "strikes": 0},
            True,
            ["""fault {"hostname": "web*", "do": "fail_at"} hit nobody: """ + NOTHING],
        ),
        (
            {"operation": "Nothing", "do": "throttle", "strikes": 0},
            True,
            ["""fault {"operation": "Nothing", "do": "throttle"} hit nobody: """ + NOTHING],
        ),
        ({"hostname": "web*", "do": "fail_at", "strikes": 0}, False, []),
        ({"hostname": "web*", "do": "fail_at", "strikes": 0, "probability": 0.1}, True, []),
    ],
)
def test_a_fault_that_hit_nobody_is_said_with_its_reason(fault, well, said):
    assert idle_faults([fault], FLEET, has_ended_well=well) == said
