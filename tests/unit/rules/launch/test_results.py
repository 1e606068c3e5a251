"""What became of every server of a launch."""

from datetime import UTC, datetime

import botocore.session
import pytest
from drs_provider.rules.launch.job_assignment import JobShare
from drs_provider.rules.launch.jobs import SILENT_FAILURE
from drs_provider.rules.launch.results import Evidence, LaunchMember, assemble, instance_state

DRS = botocore.session.get_session().get_service_model("drs")
JOB, SERVER = "drsjob-1", "s-1"
LAUNCH = [JobShare(JOB, (SERVER,), None)]
MEMBERS = {SERVER: LaunchMember(SERVER, "db1")}
LOG = [
    {
        "logDateTime": "2026-01-01T00:08:50+00:00",
        "event": "LAUNCH_END",
        "eventData": {"sourceServerID": SERVER, "targetInstanceID": "i-1"},
    }
]


def evidence(launch="LAUNCHED", instance_state="RUNNING", **more):
    instance = {
        "recoveryInstanceID": "i-1",
        "ec2InstanceID": "i-1",
        "sourceServerID": SERVER,
        "jobID": more.pop("instance_job", JOB),
        "ec2InstanceState": instance_state,
        "pointInTimeSnapshotDateTime": "2026-01-01T00:00:00Z",
    }
    job = {
        "jobID": JOB,
        "status": "COMPLETED",
        "participatingServers": [{"sourceServerID": SERVER, "launchStatus": launch}],
    }
    return Evidence({JOB: job}, {JOB: LOG}, [instance] if instance_state else [], **more)


def result(found, ready="running"):
    results, pending = assemble(LAUNCH, MEMBERS, found, ready=ready)
    return results[0], pending


def test_a_launched_server_is_told_with_everything_that_is_known_of_it():
    one, pending = result(evidence())

    assert pending == ()
    assert one.as_json() == {
        "server_id": SERVER,
        "hostname": "db1",
        "critical": True,
        "status": "launched",
        "instance_id": "i-1",
        "instance_state": "RUNNING",
        "point_in_time": "2026-01-01T00:00:00Z",
        "job_id": JOB,
        "reason": None,
        "events": [{"at": "2026-01-01T00:08:50+00:00", "event": "LAUNCH_END"}],
        "actions": [],
    }


@pytest.mark.parametrize("launch", [s for s in DRS.shape_for("LaunchStatus").enum if s != "LAUNCHED"] + ["NEW"])
@pytest.mark.parametrize("ready", ["launched", "running", "status_checks"])
def test_a_server_that_drs_does_not_call_launched_has_failed_even_if_its_instance_runs(launch, ready):
    one, pending = result(evidence(launch), ready)

    assert (one.status, pending) == ("failed", ())


@pytest.mark.parametrize(
    ("state", "ready", "more", "expected"),
    [
        ("RUNNING", "running", {}, "ready"),
        ("RUNNING", "status_checks", {"unhealthy": {"i-1": "system impaired, instance ok"}}, "pending"),
        ("RUNNING", "status_checks", {}, "ready"),
        ("PENDING", "running", {}, "pending"),
        ("PENDING", "launched", {}, "ready"),
        ("STOPPED", "running", {}, "broken"),
        ("STOPPED", "running", {"stopped_on_purpose": {SERVER}}, "ready"),
        ("STOPPED", "launched", {}, "ready"),
        ("TERMINATED", "launched", {}, "broken"),
        ("NOT_FOUND", "running", {}, "broken"),
        ("SHUTTING-DOWN", "running", {}, "broken"),
        (None, "running", {}, "pending"),
        (None, "launched", {}, "pending"),
    ],
)
def test_an_instance_is_what_the_wave_waits_for_or_may_become_it_or_will_not(state, ready, more, expected):
    one, pending = result(evidence(instance_state=state, **more), ready)

    assert (one.status == "launched") == (expected == "ready")
    assert pending == ((SERVER,) if expected == "pending" else ())


@pytest.mark.parametrize("state", [*DRS.shape_for("EC2InstanceState").enum, "NEW"])
def test_only_running_is_running(state):
    instance = {"ec2InstanceState": state}
    found = instance_state(instance, ready="running", stopped_on_purpose=False, unhealthy=False)

    assert (found == "ready") == (state == "RUNNING")


@pytest.mark.parametrize(
    ("found", "ready", "said"),
    [
        (evidence("FAILED"), "running", f"{SILENT_FAILURE}"),
        (evidence(instance_state="STOPPED"), "running", "DRS launched it, but its instance i-1 is STOPPED"),
        (evidence(instance_state=None), "running", "DRS launched it, but shows no recovery instance of this job"),
        (
            evidence(unhealthy={"i-1": "system impaired, instance ok"}),
            "status_checks",
            "its instance i-1 runs, but EC2's status checks say: system impaired, instance ok",
        ),
    ],
)
def test_a_failure_says_why(found, ready, said):
    one, _ = result(found, ready)
    expected = said if said != SILENT_FAILURE else one.reason

    assert (one.status, one.reason) == ("failed", expected)


def test_the_instance_of_an_earlier_job_is_not_this_launchs():
    one, pending = result(evidence(instance_job="drsjob-0"))

    assert (one.status, pending, one.instance_id) == ("failed", (SERVER,), "i-1")
    assert one.instance_state is None


def test_a_server_that_the_job_does_not_name_has_failed():
    found = evidence()
    found.jobs[JOB]["participatingServers"].clear()
    one, _ = result(found)

    assert (one.status, one.reason) == ("failed", "the job does not name this server: DRS left it out")


def test_a_server_whose_launch_actions_still_run_is_waited_for():
    run = {"action": {"name": "check", "optional": True}, "status": "IN_PROGRESS"}
    seen = evidence()
    seen.jobs[JOB]["participatingServers"][0]["launchActionsStatus"] = {"runs": [run]}

    one, pending = result(seen)

    assert pending == (SERVER,)
    assert (one.status, one.reason) == ("failed", "its launch actions have not ended: check")


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (9, ("failed", (SERVER,), "DRS launched it, but shows no recovery instance of this job")),
        (10, ("failed", (), "DRS launched it, but its instance i-1 is gone: it was terminated since")),
    ],
)
def test_an_instance_that_drs_does_not_show_long_after_its_job_is_not_awaited(minutes, expected):
    found = evidence(instance_state=None)
    found.jobs[JOB]["endDateTime"] = "2026-01-01T00:10:00+00:00"
    now = datetime(2026, 1, 1, 0, 10 + minutes, tzinfo=UTC)

    (server,), pending = assemble(LAUNCH, MEMBERS, found, ready="running", now=now)

    assert (server.status, pending, server.reason) == expected


LATER = datetime(2026, 1, 1, 0, 20, tzinfo=UTC)


def hidden(state):
    found = evidence(instance_state=None, **({"hidden": {"i-1": state}} if state else {}))
    found.jobs[JOB]["endDateTime"] = "2026-01-01T00:10:00+00:00"
    return found


@pytest.mark.parametrize("ready", ["launched", "running", "status_checks"])
def test_an_instance_that_ec2_has_and_drs_does_not_show_is_unknown_and_not_failed(ready):
    (server,), pending = assemble(LAUNCH, MEMBERS, hidden("running"), ready=ready, now=LATER)

    assert (server.status, server.instance_id, server.instance_state, pending) == ("unknown", "i-1", "RUNNING", ())
    assert server.reason == (
        "DRS does not show its instance i-1, which EC2 calls running: look in EC2 before you launch it again"
    )


@pytest.mark.parametrize("ready", ["launched", "running", "status_checks"])
def test_what_became_of_a_launch_without_any_instance_is_unknown_once_it_would_be_shown(ready):
    found = hidden(None)
    found.logs[JOB] = [{**LOG[0], "eventData": {"sourceServerID": SERVER}}]
    _, pending = assemble(LAUNCH, MEMBERS, found, ready=ready, now=datetime(2026, 1, 1, 0, 11, tzinfo=UTC))
    (server,), late = assemble(LAUNCH, MEMBERS, found, ready=ready, now=LATER)

    assert (pending, late, server.status) == ((SERVER,), (), "unknown")
    assert server.reason == (
        "DRS says that it is launched, and neither shows an instance of this job nor names one in its log: look "
        "in EC2 before you launch it again"
    )


FORGOTTEN = (
    "DRS no longer knows drsjob-1, which was to launch it, and shows no recovery instance of that job: look in "
    "EC2 before you launch it again"
)


def forgotten(found):
    return Evidence({}, {}, found.instances, found.stopped_on_purpose, found.unhealthy)


@pytest.mark.parametrize(
    ("found", "ready", "status", "reason"),
    [
        (evidence(), "running", "launched", None),
        (evidence(), "launched", "launched", None),
        (
            evidence(unhealthy={"i-1": "impaired"}),
            "status_checks",
            "failed",
            "its instance i-1 runs, but EC2's status checks say: impaired",
        ),
        (
            evidence(instance_state="TERMINATED"),
            "running",
            "failed",
            "DRS launched it, but its instance i-1 is TERMINATED",
        ),
        (
            evidence(instance_state=None),
            "launched",
            "unknown",
            FORGOTTEN,
        ),
        (
            evidence(instance_job="drsjob-9"),
            "running",
            "unknown",
            FORGOTTEN,
        ),
    ],
)
def test_what_a_deleted_job_launched_is_told_by_its_instances(found, ready, status, reason):
    one, _ = result(forgotten(found), ready)

    assert (one.status, one.reason) == (status, reason)


@pytest.mark.parametrize("launch", ["PENDING", "IN_PROGRESS", "LAUNCHED"])
def test_a_job_that_nobody_waits_for_any_longer_says_nothing_yet(launch):
    found = evidence(launch=launch)
    found.jobs[JOB]["status"] = "STARTED"

    one, pending = result(found)

    assert (one.status, pending) == ("unknown", ())
    assert one.reason == f"drsjob-1 still runs and says {launch}: nobody waits for it any longer"
