"""The judge of the kill sweep finds every rule broken in doctored records, and nothing in one that kept them."""

from dataclasses import replace

import pytest

from benchmarks.kill_sweep.judge import Expected, Record, problems
from benchmarks.kill_sweep.mortal_run import Death, Killed, is_read

BOTH = frozenset({"s-1", "s-2"})
RECOVERED = {"i-9": ("s-9", "running")}
CALLS = [
    {"operation": "StartRecovery", "request": {}, "status": 200},
    {"operation": "TerminateRecoveryInstances", "request": {"recoveryInstanceIDs": ["i-1", "i-2"]}, "status": 200},
]
RIGHT = Record(
    calls=CALLS,
    jobs=[{"type": "LAUNCH", "participatingServers": [{"sourceServerID": "s-1"}, {"sourceServerID": "s-2"}]}],
    instances={**RECOVERED, "i-1": ("s-1", "terminated"), "i-2": ("s-2", "shutting-down")},
    before=RECOVERED,
    sources={"s-1": "running", "s-2": "running"},
    failback_servers={},
    replication={"s-1": "CONTINUOUS", "s-2": "CONTINUOUS"},
    protected={},
    settings={"s-1": "m5"},
    settings_before={"s-1": "m5"},
    states={"finish.verdict": "success"},
    report={"commit": {"status": "rolled_back"}},
)
BACK = Expected(launched=BOTH, commit="rolled_back")
REVERSED = Expected(reversed=frozenset({"s-9"}))
WAY_BACK = replace(
    RIGHT,
    jobs=[],
    instances=RECOVERED,
    calls=[{"operation": "ReverseReplication", "request": {"recoveryInstanceID": "i-9"}, "status": 200}],
    failback_servers={"i-9": ["CONTINUOUS"]},
    report={},
)


def test_a_run_that_kept_every_rule_has_no_problem():
    assert list(problems(BACK, RIGHT)) == []
    assert list(problems(REVERSED, WAY_BACK)) == []


@pytest.mark.parametrize(
    ("expected", "record", "found"),
    [
        (
            BACK,
            replace(RIGHT, jobs=[*RIGHT.jobs, {"type": "LAUNCH", "participatingServers": [{"sourceServerID": "s-1"}]}]),
            ["s-1 was launched 2 times"],
        ),
        (BACK, replace(RIGHT, jobs=[]), ["launched were [], expected ['s-1', 's-2']"]),
        (
            BACK,
            replace(RIGHT, instances={**RIGHT.instances, "i-9": ("s-9", "terminated")}),
            ["i-9 of s-9, which was there before, is terminated"],
        ),
        (
            BACK,
            replace(RIGHT, instances={"i-1": ("s-1", "terminated")}),
            ["i-9 of s-9, which was there before, is gone"],
        ),
        (
            BACK,
            replace(
                RIGHT,
                calls=[{"operation": "TerminateRecoveryInstances", "request": {"recoveryInstanceIDs": ["i-9"]}}],
            ),
            ["it asked to terminate ['i-9'], which were there before"],
        ),
        (
            replace(BACK, commit="committed"),
            replace(RIGHT, report={"commit": {"status": "committed"}}),
            ["it asked to terminate ['i-1', 'i-2']"],
        ),
        (
            BACK,
            replace(RIGHT, instances={**RIGHT.instances, "i-1": ("s-1", "running")}),
            ["up are ['s-1'], expected []"],
        ),
        (
            replace(BACK, is_up=True),
            replace(
                RIGHT,
                instances={**RECOVERED, "i-1": ("s-1", "running"), "i-2": ("s-2", "running")},
                protected={"i-1": False, "i-2": True, "i-9": False},
            ),
            ["without termination protection are ['i-1']"],
        ),
        (
            BACK,
            replace(RIGHT, sources={"s-1": "stopped", "s-2": "running"}),
            ["the source of s-1 is stopped, expected running"],
        ),
        (
            replace(BACK, sources_stopped=BOTH),
            replace(RIGHT, sources={"s-1": "stopped", "s-2": "running"}),
            ["the source of s-2 is running, expected stopped"],
        ),
        (BACK, replace(RIGHT, replication={"s-1": "DISCONNECTED"}), ["the replication of s-1 is DISCONNECTED"]),
        (
            BACK,
            replace(RIGHT, calls=[*CALLS, {"operation": "StopReplication", "request": {}}]),
            ["it called StopReplication"],
        ),
        (BACK, replace(RIGHT, settings={"s-1": "m6"}), ["launch settings are {'s-1': 'm6'}, were {'s-1': 'm5'}"]),
        (
            BACK,
            replace(RIGHT, report={"commit": {"status": "incomplete"}}),
            ["the report says incomplete of commit or roll back, expected rolled_back"],
        ),
        (
            BACK,
            replace(
                RIGHT,
                states={"finish.verdict": "failed", "web.start_recovery": "failed"},
                report={**RIGHT.report, "verdict": "failed", "verdict_reason": "no."},
            ),
            ["the run ended as failed: no.; ['finish.verdict', 'web.start_recovery']"],
        ),
        (BACK, replace(RIGHT, broken="it hangs"), ["it broke off: it hangs"]),
        (
            REVERSED,
            replace(WAY_BACK, calls=[*WAY_BACK.calls, *WAY_BACK.calls]),
            ["ReverseReplication was served more than once for ['i-9']"],
        ),
        (REVERSED, replace(WAY_BACK, calls=[]), ["ReverseReplication was served for [], expected ['i-9']"]),
        (
            REVERSED,
            replace(WAY_BACK, failback_servers={"i-9": ["CONTINUOUS", "INITIAL_SYNC"]}),
            ["FAILBACK servers of i-9 are ['CONTINUOUS', 'INITIAL_SYNC']"],
        ),
    ],
)
def test_every_rule_that_is_broken_is_found(expected, record, found):
    assert list(problems(expected, record)) == found


def test_a_refused_reversal_is_none():
    refused = {"operation": "ReverseReplication", "request": {"recoveryInstanceID": "i-9"}, "status": 409}
    assert list(problems(REVERSED, replace(WAY_BACK, calls=[refused, *WAY_BACK.calls]))) == []


def test_settings_that_another_airflow_cannot_know_are_no_fault():
    record = replace(RIGHT, settings={"s-1": "m6"})
    assert list(problems(BACK, record, is_elsewhere=True)) == []


def test_a_process_dies_after_the_call_and_does_nothing_any_more():
    death = Death(2, writes_only=True)
    death.after("drs", "StartRecovery")
    death.after("drs", "DescribeJobs")
    with pytest.raises(Killed):
        death.after("ec2", "ModifyInstanceAttribute")
    with pytest.raises(Killed):
        death.ensure_alive()
    assert (death.struck, death.calls) == (
        "call 2, ec2:ModifyInstanceAttribute",
        ["drs:StartRecovery", "ec2:ModifyInstanceAttribute"],
    )


@pytest.mark.parametrize(("operation", "reads"), [("DescribeJobs", True), ("GetCallerIdentity", True), ("Tag", False)])
def test_what_changes_nothing_is_a_read(operation, reads):
    assert is_read(operation) is reads
