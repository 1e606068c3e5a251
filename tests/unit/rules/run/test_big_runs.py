"""Runs of thousands of servers: what is said of them stays short, and nobody goes through all of it for each server."""

from collections import UserDict
from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import JobFailed
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import Launch, LaunchedJob, PreflightResult, ServerResults, WaveVerdict
from drs_provider.rules.run.state import (
    LeftDocuments,
    RunSnapshot,
    TaskSnapshot,
    WaveStatus,
    left_in,
    outline_of_edges,
    state_of,
)

MANY = 2000
NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
CHAIN = {
    "preflight.check": frozenset(),
    "web.start_recovery": frozenset({"preflight.check"}),
    "web.recovery_job": frozenset({"web.start_recovery"}),
}
IDS = [f"s-{number:017d}" for number in range(MANY)]


class CountedTasks(UserDict):
    """Tasks of a run that say how often somebody went through all of them."""

    gone_through = 0

    def __iter__(self):
        self.gone_through += 1
        return super().__iter__()


def preflight():
    servers = [{"server_id": server, "hostname": f"web{number}"} for number, server in enumerate(IDS)]
    target = {"aws_conn_id": "aws_default", "region": "us-west-2", "servers": servers}
    return PreflightResult.from_json(
        {
            "version": 2,
            "plan": "shop",
            "digest": "d",
            "passed": True,
            "mode": "drill",
            "needs_approval": False,
            "checked_at": NOW.isoformat(),
            "waves": {"web": {"selected": True, "targets": [target]}},
        }
    )


def results(status="launched", reason=None, **more):
    return tuple(
        ServerResult(server, f"web{number}", critical=True, status=status, reason=reason, **more)
        for number, server in enumerate(IDS)
    )


def snapshot(watch="success", launched=None, verdict=None, known=None):
    states = {"preflight.check": "success", "web.start_recovery": "success", "web.recovery_job": watch}
    tasks = CountedTasks({task: TaskSnapshot(state) for task, state in states.items()})
    tasks.update({f"web.servers_{number}": TaskSnapshot("success") for number in range(1000)})
    job = LaunchedJob(job_id="drsjob-1", servers=tuple(IDS[:100]))
    left = {
        ("preflight.check", "preflight"): preflight().to_json(),
        ("web.start_recovery", "launch"): Launch(jobs=(job,)).to_json(),
    }
    if launched is not None:
        left["web.recovery_job", "servers"] = ServerResults(servers=launched).to_json()
    if verdict:
        left["web.recovery_job", "return_value"] = WaveVerdict(verdict=verdict).to_json()
    return RunSnapshot(outline_of_edges(CHAIN), tasks, left_in(left), run_state="running")


def test_nobody_goes_through_all_tasks_for_each_server():
    found = snapshot("deferred")

    (wave,) = state_of(found).waves

    assert (wave.status, len(wave.servers)) == (WaveStatus.LAUNCHING, MANY)
    assert found.tasks.gone_through < 20


def test_a_document_is_read_once_for_all_looks_at_the_same_value():
    found, known = snapshot("success", results(), "launched"), {}
    first = LeftDocuments(found, known)
    read = (first.preflight(), first.results("web.recovery_job"))

    again = LeftDocuments(found, known)
    other = LeftDocuments(snapshot("success", results("failed", "full"), "launched"), known)

    assert (again.preflight() is read[0], again.results("web.recovery_job") is read[1]) == (True, True)
    assert {result.status for result in other.results("web.recovery_job")} == {"failed"}


@pytest.mark.parametrize(
    ("launched", "verdict", "words"),
    [
        (
            results("failed", "no capacity"),
            "completed_with_exceptions",
            "; ".join(f"web{n}: no capacity" for n in range(12)) + " and 1988 more",
        ),
        (results()[:1], "launched", f"not launched: {', '.join(f'web{n}' for n in range(1, 13))} and 1987 more"),
    ],
    ids=["failed", "absent"],
)
def test_a_wave_names_some_of_its_many_servers_that_are_not_well(launched, verdict, words):
    (wave,) = state_of(snapshot("success", launched, verdict)).waves

    assert (wave.status, wave.reason) == (WaveStatus.COMPLETED_WITH_EXCEPTIONS, words)
    assert len(wave.servers) == MANY


def test_an_error_names_some_of_the_servers_that_failed():
    error = JobFailed("drsjob-1", {f"web{number}": "no capacity" for number in range(MANY)})

    assert str(error).splitlines() == [
        "drsjob-1: 2000 servers failed:",
        *(f"  - web{number}: no capacity" for number in range(40)),
        "  and 1960 more, in the log of this task",
    ]
    assert len(error.failures) == MANY
    assert str(JobFailed("drsjob-1", {"web1": "no capacity"})) == "drsjob-1: 1 server failed:\n  - web1: no capacity"
