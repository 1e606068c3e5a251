"""What a DRS job and its log say about each of its servers."""

import itertools
import random
from datetime import UTC, datetime

import botocore.session
import pytest
from drs_provider.rules.launch.jobs import (
    SILENT_FAILURE,
    UNEXPLAINED_FAILURE,
    Ended,
    Running,
    ServerTimeline,
    failure_reason,
    holders,
    phase,
    read_job,
    read_job_log,
)
from hypothesis import given
from hypothesis import strategies as st

DRS = botocore.session.get_session().get_service_model("drs")
JOB_STATUSES = [*DRS.shape_for("JobStatus").enum, "SOMETHING_NEW"]
LAUNCH_STATUSES = [*DRS.shape_for("LaunchStatus").enum, "SOMETHING_NEW"]
SERVER, OTHER = "s-0123456789abcdef0", "s-0123456789abcdef1"


def a_job(status, *launch_statuses, job_id="drsjob-1", **more):
    servers = [
        {"sourceServerID": server, "launchStatus": launch}
        for server, launch in zip((SERVER, OTHER), launch_statuses, strict=False)
    ]
    return {"jobID": job_id, "status": status, "participatingServers": servers, **more}


def line(at, event, server=SERVER, **data):
    event_data = {**({"sourceServerID": server} if server else {}), **data}
    return {"logDateTime": f"2026-01-01T00:00:{at:02d}.000Z", "event": event, "eventData": event_data}


@pytest.mark.parametrize(("job", "launch"), list(itertools.product(JOB_STATUSES, LAUNCH_STATUSES)))
def test_only_a_completed_job_with_a_launched_server_has_launched_it(job, launch):
    state = read_job(a_job(job, launch))

    assert isinstance(state, Ended) == (job == "COMPLETED")
    assert (isinstance(state, Ended) and state.launched == (SERVER,)) == ((job, launch) == ("COMPLETED", "LAUNCHED"))


@pytest.mark.parametrize("launch", LAUNCH_STATUSES)
def test_a_server_of_an_ended_job_is_either_launched_or_failed(launch):
    state = read_job(a_job("COMPLETED", launch, "LAUNCHED"))

    assert sorted((*state.launched, *state.failed)) == [SERVER, OTHER]


@pytest.mark.parametrize(
    ("launch", "ended"),
    [("PENDING", False), ("IN_PROGRESS", False), ("LAUNCHED", True), ("FAILED", True), ("TERMINATED", True)],
)
def test_a_running_job_knows_whether_a_server_has_ended(launch, ended):
    assert read_job(a_job("STARTED", "PENDING", launch)).any_server_ended is ended


def test_a_job_without_servers_or_dates_is_still_read():
    assert read_job({"jobID": "drsjob-1"}) == Running("drsjob-1", "PENDING", {})
    assert read_job({"jobID": "drsjob-1", "status": "COMPLETED"}) == Ended("drsjob-1", (), (), None)


def test_the_end_of_a_job_is_an_instant():
    job = a_job("COMPLETED", "LAUNCHED", endDateTime="2026-01-01T00:09:00.5+00:00")

    assert read_job(job).ended_at == datetime(2026, 1, 1, 0, 9, 0, 500000, tzinfo=UTC)


LOG = [
    line(0, "JOB_START", server=None),
    line(1, "SNAPSHOT_START"),
    line(2, "SNAPSHOT_START", server=OTHER),
    line(3, "SNAPSHOT_END"),
    line(4, "CONVERSION_START"),
    line(5, "LAUNCH_END", targetInstanceID="i-1"),
    line(6, "CONVERSION_FAIL", server=OTHER, rawError="InsufficientInstanceCapacity: none left"),
    line(7, "JOB_END", server=None),
]


@given(st.randoms(use_true_random=False))
def test_a_log_in_any_order_gives_the_same_timelines(shuffler: random.Random):
    shuffled = LOG.copy()
    shuffler.shuffle(shuffled)

    timelines = read_job_log(shuffled)

    assert [event.event for event in timelines[SERVER].events] == [
        "SNAPSHOT_START",
        "SNAPSHOT_END",
        "CONVERSION_START",
        "LAUNCH_END",
    ]
    assert timelines[SERVER].target_instance == "i-1"
    assert timelines[OTHER].error == "InsufficientInstanceCapacity: none left"
    assert set(timelines) == {SERVER, OTHER}


def test_an_event_that_nobody_knows_is_kept_and_is_no_failure():
    timeline = read_job_log([line(1, "SOMETHING_NEW")])[SERVER]

    assert [event.event for event in timeline.events] == ["SOMETHING_NEW"]
    assert timeline.failed_event is None


@pytest.mark.parametrize("event", DRS.shape_for("JobLogEvent").enum)
def test_every_event_of_the_model_that_sounds_like_failure_is_one(event):
    timeline = read_job_log([line(1, event)])[SERVER]
    sounds_bad = event.endswith(("FAIL", "FAILED")) or event in ("SERVER_SKIPPED", "JOB_CANCEL")
    # Networks are no servers: their events carry no server id and are judged elsewhere.
    assert (timeline.failed_event == event) == (sounds_bad and "NETWORK" not in event)


@pytest.mark.parametrize(
    ("log", "participating", "said"),
    [
        pytest.param(
            [line(6, "LAUNCH_FAILED", rawError="VcpuLimitExceeded")],
            {"launchStatus": "FAILED"},
            "LAUNCH_FAILED: VcpuLimitExceeded",
            id="DRS's own words go first",
        ),
        pytest.param(
            [line(1, "SNAPSHOT_START"), line(2, "SNAPSHOT_END")],
            {"launchStatus": "FAILED"},
            SILENT_FAILURE,
            id="silent within a second",
        ),
        pytest.param(None, {"launchStatus": "FAILED"}, SILENT_FAILURE, id="not even in the log"),
        pytest.param(
            [line(1, "SNAPSHOT_FAIL")],
            {"launchStatus": "FAILED"},
            f"SNAPSHOT_FAIL: {UNEXPLAINED_FAILURE}",
            id="a failure event without words",
        ),
        pytest.param(
            [line(4, "CONVERSION_START"), line(5, "CONVERSION_END")],
            {"launchStatus": "FAILED"},
            UNEXPLAINED_FAILURE,
            id="late and silent",
        ),
        pytest.param(
            [line(5, "LAUNCH_END")],
            {
                "launchStatus": "FAILED",
                "launchActionsStatus": {
                    "runs": [
                        {"action": {"name": "register"}, "status": "FAILED", "failureReason": "exit 1"},
                        {"action": {"name": "mount"}, "status": "SUCCEEDED"},
                    ]
                },
            },
            "launch action register failed: exit 1 (the instance exists)",
            id="a launch action that must succeed",
        ),
        pytest.param(None, None, "the job does not name this server: DRS left it out", id="left out"),
    ],
)
def test_the_reason_of_a_failure_is_said_as_well_as_it_is_known(log, participating, said):
    timeline = read_job_log(log)[SERVER] if log else None

    assert failure_reason(timeline, participating) == said


def test_the_phase_of_jobs_is_one_line():
    jobs = [read_job(a_job("STARTED", "PENDING", "LAUNCHED")), read_job(a_job("COMPLETED", "LAUNCHED", "FAILED"))]

    assert phase(jobs) == ("2 jobs: 1 STARTED, 1 ended; servers: 1 LAUNCHED, 1 PENDING, 1 launched, 1 not launched")


def test_only_running_jobs_hold_their_servers():
    jobs = [a_job("COMPLETED", "FAILED", job_id="drsjob-old"), a_job("STARTED", "PENDING", job_id="drsjob-new")]

    assert [job["jobID"] for job in holders(jobs, [SERVER])] == ["drsjob-new"]
    assert holders(jobs, [OTHER]) == ()


def test_a_timeline_of_nothing_is_empty():
    assert read_job_log([]) == {}
    assert ServerTimeline(SERVER).events == ()
