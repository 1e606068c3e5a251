"""What is said of servers that were launched ahead of their wave, as the wave goes on."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import (
    FailureMessage,
    FoundLaunch,
    FoundLaunches,
    Launch,
    LaunchedJob,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
    RunOrder,
    ServerResults,
)
from drs_provider.rules.run.state.run_state import state_of
from drs_provider.rules.run.state.snapshot import RunSnapshot, left_in, outline_of_edges, tasks_from_states

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
EDGES = {
    "preflight.check": set(),
    "db.start_recovery": {"preflight.check"},
    "db.recovery_job": {"db.start_recovery"},
    "web.launch_ahead": {"preflight.check", "db.launch_ahead"},
    "db.launch_ahead": {"preflight.check"},
    "web.start_recovery": {"db.recovery_job", "web.launch_ahead"},
    "web.recovery_job": {"web.start_recovery"},
    "finish.look_over": {"web.recovery_job"},
    "finish.report": {"finish.look_over"},
}
LOOKED_OVER = (
    "prepared, not started: its instance i-1 of job-2 is STOPPED, protected from termination; no task waited for it"
)
STOP = "cancelled by ann: wrong network"


def part(name):
    servers = (PreflightServer(server_id=f"s-{name}", hostname=name, ahead=True, is_started=True),)
    return PreflightWave(selected=True, targets=(PreflightTarget(aws_conn_id="aws", region="", servers=servers),))


PREFLIGHT = PreflightResult(
    plan="shop",
    digest="d",
    passed=True,
    mode="recovery",
    checked_at=NOW,
    needs_approval=False,
    waves={"db": part("db1"), "web": part("web1")},
)
LAUNCHED = Launch(jobs=(LaunchedJob(job_id="job-2", servers=("s-web1",)),))
AHEAD = {"preflight.check": "success", "db.launch_ahead": "success", "web.launch_ahead": "success"}
BROKEN = {**AHEAD, "db.recovery_job": "failed", "web.start_recovery": "upstream_failed"}


def web1(states, *, run_state="running", **left):
    documents = {"preflight.check": PREFLIGHT, "web.launch_ahead": LAUNCHED, **left}
    found = {(task, document.KEY): document.to_json() for task, document in documents.items()}
    edges = outline_of_edges(EDGES)
    wave = state_of(RunSnapshot(edges, tasks_from_states(states), left_in(found), run_state=run_state)).wave("web")
    (server,) = wave.servers
    return wave.status, server.status, server.reason, server.job_id


def found(**what):
    launch = FoundLaunch(job_id="job-2", **what)
    return {"finish.look_over": FoundLaunches(servers={"s-web1": launch})}


@pytest.mark.parametrize(
    ("states", "more", "expected"),
    [
        (AHEAD, {}, ("waiting", "prepared", None, "job-2")),
        ({**AHEAD, "web.start_recovery": "running"}, {}, ("launching", "prepared", None, "job-2")),
        (
            {**AHEAD, "web.start_recovery": "success", "web.recovery_job": "deferred"},
            {"web.start_recovery": LAUNCHED},
            ("launching", "launching", None, "job-2"),
        ),
        (BROKEN, {"run_state": "failed"}, ("not_started", "prepared", "prepared, not started", "job-2")),
        ({**AHEAD, "web.launch_ahead": None}, {}, ("waiting", "waiting", None, None)),
        (
            {**BROKEN, "finish.look_over": "skipped"},
            {"run_state": "failed", **found(instance_id="i-1", instance_state="STOPPED", protected=True)},
            (
                "not_started",
                "prepared",
                LOOKED_OVER,
                "job-2",
            ),
        ),
        (
            {**BROKEN, "finish.look_over": "skipped"},
            {"run_state": "failed", **found(is_running_job=True)},
            ("not_started", "unknown", "its job job-2 still runs, and nobody waits for it", "job-2"),
        ),
        (
            {**BROKEN, "finish.look_over": "skipped"},
            {"run_state": "failed", **found(instance_id="i-1", instance_state="RUNNING", protected=True)},
            (
                "not_started",
                "launched",
                "its instance i-1 of job-2 is RUNNING, protected from termination; no task waited for it",
                "job-2",
            ),
        ),
    ],
    ids=["waits", "starts", "is taken up", "is not reached", "cleared", "looked over", "still launches", "was started"],
)
def test_a_server_is_prepared_until_its_wave_takes_it_up(states, more, expected):
    assert web1(states, **more) == expected


def test_a_wave_that_a_person_ended_before_its_instances_were_started_is_cancelled():
    result = ServerResult("s-web1", "web1", True, "failed", reason=f"prepared, not started: {STOP}")
    states = {**AHEAD, "web.start_recovery": "success", "web.recovery_job": "failed"}
    documents = {
        ("preflight.check", PREFLIGHT.KEY): PREFLIGHT.to_json(),
        ("web.start_recovery", LAUNCHED.KEY): LAUNCHED.to_json(),
        ("web.recovery_job", ServerResults.KEY): ServerResults(servers=(result,)).to_json(),
        ("web.recovery_job", RunOrder.KEY): RunOrder(kind="cancel", message=STOP).to_json(),
        ("web.recovery_job", FailureMessage.KEY): FailureMessage(message="job-2: web1 failed").to_json(),
    }
    snapshot = RunSnapshot(outline_of_edges(EDGES), tasks_from_states(states), left_in(documents))
    wave = state_of(snapshot).wave("web")

    assert (wave.status, wave.reason) == ("cancelled", STOP)


def test_what_is_launched_ahead_makes_no_wave_wait_for_another():
    edges = {**EDGES, "web.start_recovery": {"web.launch_ahead"}}

    assert {wave.name: wave.depends_on for wave in outline_of_edges(edges).waves} == {"db": (), "web": ()}
    assert {wave.name: wave.aheads for wave in outline_of_edges(edges).waves} == {
        "db": ("db.launch_ahead",),
        "web": ("web.launch_ahead",),
    }
