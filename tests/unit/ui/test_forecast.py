"""When a run is likely to end: from what preflight found, what is launched already, and earlier runs."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.report.evidence import JobEvidence
from drs_provider.report.measure import measure
from drs_provider.report.result import PredictionReport
from drs_provider.rules.run.handover import Launch, LaunchedJob, PreflightResult
from drs_provider.rules.run.state import (
    LeftDocuments,
    RunSnapshot,
    RunState,
    RunStatus,
    TaskSnapshot,
    WaveState,
    WaveStatus,
)
from drs_provider.rules.run.state.run_state import CleanupState, PreflightState
from drs_provider.rules.run.state.snapshot import RunOutline, WaveOutline
from drs_provider.rules.run.state.vocabulary import CleanupStatus, PreflightStatus
from drs_provider.ui.forecast import USUAL, Forecast, Forecasts, RunSoFar, expected_end, forecasts_from, run_so_far
from kit.evidence import a_passed_drill

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def preflight(*waves, quotas=None):
    """Give what preflight left of a chain of waves: for each how many servers it launches ahead, and in its turn."""
    return PreflightResult.from_json(
        {
            "version": 2,
            "plan": "shop",
            "digest": "d",
            "checked_at": NOW.isoformat(),
            "needs_approval": False,
            "passed": True,
            "mode": "drill",
            "launch": "ahead",
            "quotas": quotas or {},
            "waves": {
                f"w{number}": {
                    "selected": True,
                    "targets": [
                        {
                            "aws_conn_id": "aws_default",
                            "region": "us-west-2",
                            "servers": [
                                {"server_id": f"s-{number}-{n}", "hostname": f"h{number}-{n}", "ahead": n < ahead}
                                for n in range(ahead + in_turn)
                            ],
                        }
                    ],
                }
                for number, (ahead, in_turn) in enumerate(waves, start=1)
            },
        }
    )


def wave(number, status=WaveStatus.WAITING, **more):
    return WaveState(f"w{number}", (f"w{number - 1}",) if number > 1 else (), status, **more)


def so_far(*waves, found=None, ahead=None, **more):
    state = RunState(
        RunStatus.RUNNING, PreflightState(PreflightStatus.PASSED), CleanupState(CleanupStatus.WAITING), waves=waves
    )
    return RunSoFar(state, found, ahead or {}, **more)


def job(wave, began, servers=1):
    members = tuple(f"s-{wave}-{n}" for n in range(servers))
    return LaunchedJob(job_id=f"drsjob-{wave}", servers=members, created_at=ago(began))


def left(run, forecasts=USUAL):
    end = expected_end(run, forecasts, NOW)
    return None if end is None else (end - NOW).total_seconds()


THREE = (wave(1), wave(2), wave(3))
JOBS = {f"w{n}": (job(n, 100),) for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("run", "seconds"),
    [
        pytest.param(so_far(*THREE), 3 * 535, id="before preflight: a job for each wave"),
        pytest.param(so_far(*THREE, found=preflight(*[(0, 1)] * 3)), 3 * 535, id="in waves"),
        pytest.param(so_far(*THREE, found=preflight(*[(1, 0)] * 3)), 535 + 3 * 30, id="ahead, nothing begun"),
        pytest.param(
            so_far(*THREE, found=preflight(*[(1, 0)] * 3), ahead=JOBS), 435 + 3 * 30, id="ahead, its jobs run"
        ),
        pytest.param(
            so_far(
                wave(1, WaveStatus.LAUNCHED, started_at=ago(600), ended_at=ago(20)),
                wave(2, WaveStatus.LAUNCHING, started_at=ago(18)),
                wave(3),
                found=preflight(*[(1, 0)] * 3),
                ahead={name: (job(name[1:], 610),) for name in JOBS},
            ),
            12 + 30,
            id="ahead, the second wave boots",
        ),
        pytest.param(
            so_far(*THREE, found=preflight(*[(1, 0)] * 3), left_to_turn=["w1", "w2", "w3"]),
            3 * 535,
            id="nothing could be launched ahead",
        ),
        pytest.param(
            so_far(*THREE, found=preflight((1, 0), (0, 1), (1, 0)), ahead={"w1": JOBS["w1"], "w3": JOBS["w3"]}),
            435 + 30 + 535 + 30,
            id="one wave in its turn",
        ),
        pytest.param(
            so_far(
                wave(1),
                found=preflight((2, 0), quotas={"us-west-2 (aws_default)": {"jobs": 1, "servers_per_job": 1}}),
            ),
            535 + 30,
            id="of quotas of another place nothing is known",
        ),
        pytest.param(
            so_far(wave(1), wave(2, WaveStatus.SKIPPED), wave(3), found=preflight(*[(1, 0)] * 3), ahead=JOBS),
            435 + 2 * 30,
            id="who waits for a skipped wave waits for what that waits for",
        ),
        pytest.param(so_far(wave(1, WaveStatus.FAILED), wave(2)), None, id="a wave failed"),
        pytest.param(so_far(wave(1, WaveStatus.LAUNCHED, ended_at=ago(5))), None, id="nothing is left to wait for"),
    ],
)
def test_the_end_of_a_run_is_foretold_as_it_launches(run, seconds):
    assert left(run) == seconds


def test_an_earlier_run_counts_only_where_it_launched_in_the_same_way():
    forecasts = Forecasts(
        in_waves=Forecast("a drill in waves", waves=dict.fromkeys(("w1", "w2", "w3"), 700.0)),
        ahead=Forecast("a drill ahead", waves={"w1": 40.0, "w2": 20.0, "w3": 20.0}, jobs={"w1": 600.0}),
    )

    assert left(so_far(*THREE, found=preflight(*[(0, 1)] * 3)), forecasts) == 3 * 700
    assert left(so_far(*THREE, found=preflight(*[(1, 0)] * 3), ahead=JOBS), forecasts) == 500 + 40 + 20 + 20


def ran_ahead(report):
    """Let a report tell of a run whose jobs all began at once, and whose waves were started then."""
    began = report.run.started_at
    there = began + timedelta(seconds=600)
    waves, before = [], there
    for number, found in enumerate(report.waves):
        jobs = (JobEvidence(job_id=f"drsjob-{number}", created_at=began, ended_at=there),)
        ready = before + timedelta(seconds=20)
        times = {"jobs": jobs, "started_at": began, "ended_at": there, "ready_at": ready, "steps": ()}
        waves.append(found.model_copy(update=times))
        before = ready
    prediction = PredictionReport(launch="ahead", predicted_seconds=600, in_waves_seconds=1_200)
    return report.model_copy(update={"waves": tuple(waves), "prediction": prediction})


def test_of_a_run_that_launched_ahead_the_jobs_and_the_boots_are_kept():
    report = measure(a_passed_drill())
    ahead = ran_ahead(report)

    found = forecasts_from([ahead, report])
    assert found.in_waves == forecasts_from([report]).in_waves
    assert set(found.ahead.jobs.values()) == {600.0}
    assert all(seconds == 20.0 for name, seconds in found.ahead.waves.items() if name != "monitoring")
    assert forecasts_from([report, ahead]) == found


@pytest.mark.parametrize(
    ("state", "has_jobs", "in_turn"),
    [
        (None, False, []),
        ("running", False, []),
        ("deferred", False, []),
        ("success", True, []),
        ("skipped", True, []),
        ("skipped", False, ["w1"]),
        ("upstream_failed", False, ["w1"]),
    ],
)
def test_what_was_not_launched_ahead_is_launched_in_its_turn(state, has_jobs, in_turn):
    task, launch = "w1.launch_ahead", Launch(jobs=(job(1, 100),), aws_conn_id="aws_default", region="us-west-2")
    documents = {(task, Launch.KEY): launch.to_json()} if has_jobs else {}
    snapshot = RunSnapshot(
        RunOutline(waves=(WaveOutline("w1", aheads=(task,), starts=("w1.start_recovery",), watch="w1.recovery_job"),)),
        tasks={task: TaskSnapshot(state)},
        left=lambda name, key: documents.get((name, key)),
    )

    found = run_so_far(so_far(wave(1)).state, snapshot, LeftDocuments(snapshot))
    assert list(found.left_to_turn) == in_turn
    assert [launched.job_id for launched in found.ahead["w1"]] == (["drsjob-1"] if has_jobs else [])
