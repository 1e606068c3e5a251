"""What is said of servers that an execution of a native DRS recovery plan holds."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.launch.native_plans import NativeExecution, holding, native_findings, speaks_of_a_plan
from drs_provider.rules.purpose import DRILL, RECOVERY

ARN = "arn:aws:drs:us-west-2:111122223333:recovery-plan/rp-1/execution/rpe-7"
GOLD = NativeExecution(ARN, "gold", "RECOVERY", frozenset({"s-1", "s-2", "s-9"}), datetime(2026, 1, 1, 11, tzinfo=UTC))
NAMES = {"s-1": "db1", "s-2": "db2", "s-3": "db3"}


def test_a_drill_is_refused_and_a_recovery_warned_server_by_server():
    held = "it is held by the native DRS recovery plan gold (execution rpe-7, recovery, since 2026-01-01 11:00 UTC); "
    drill, recovery = (
        [f"{finding.severity}: {finding}" for finding in native_findings([GOLD], NAMES, purpose)]
        for purpose in (DRILL, RECOVERY)
    )

    assert drill == [
        f"refusal: {name}: {held}start again when that execution has ended, or cancel it in the DRS console"
        for name in ("db1 (s-1)", "db2 (s-2)")
    ]
    assert recovery == [
        f"warning: {name}: {held}the launch waits 30m for it at most and fails then: cancel that execution in the DRS "
        "console"
        for name in ("db1 (s-1)", "db2 (s-2)")
    ]


def test_only_an_execution_that_holds_a_server_is_named():
    assert holding([GOLD], ["s-3", "s-2"]) == f"s-2 held by {GOLD}"
    assert holding([GOLD], ["s-3"]) is None
    assert str(NativeExecution(ARN, "gold", "DRILL", frozenset())) == (
        "the native DRS recovery plan gold (execution rpe-7, drill)"
    )


@pytest.mark.parametrize(
    ("message", "speaks"),
    [
        ("Source server s-1 is part of a Recovery Plan execution that is in progress", True),
        ("One or more of the Source Servers included in API call are currently being processed by a Job", False),
    ],
)
def test_the_words_of_drs_tell_a_plan_from_a_job(message, speaks):
    assert speaks_of_a_plan(message) is speaks
