"""What DRS has launched in the origin without showing it is never taken for what is still to be launched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.failback.circle import circles_of
from drs_provider.rules.failback.cut_over import Original, why_not_stopped
from drs_provider.rules.failback.launchable import launchable
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.launch.existing_instance import ExistingInstance
from drs_provider.rules.launch.jobs import UNSEEN_FOR
from kit.circles import A1, A2, A4, B1, DRILL, EAST, JOB, OTHER, WEST, facts, failback_server, instance, job, server

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
LOOK = (
    "in the origin, and DRS shows no instance of that, neither a live nor a gone one: production may run on it. Look "
    "in EC2 there: if production does, keep everything, and protect that instance by hand; if it does not, terminate "
    "it, delete the FAILBACK server, and reverse again"
)
BY_JOB = f"job {JOB} has launched FAILBACK server {A2} {LOOK}"


def ended(minutes=0.0, status="LAUNCHED", *, name=JOB, begun=30, of=A2, **more):
    """Give a job of the origin that ended so many minutes ago, and was begun so many before that."""
    at = AT - timedelta(minutes=minutes)
    return {
        **job(of, "COMPLETED", **more),
        "jobID": name,
        "creationDateTime": (at - timedelta(minutes=begun)).isoformat(),
        "endDateTime": at.isoformat(),
        "participatingServers": [{"sourceServerID": of, "launchStatus": status}],
    }


def said(kind="RECOVERY", result="SUCCEEDED", status="LAUNCHED", job_id="drsjob-0000000000000000e"):
    """Give what a FAILBACK server says of its last launch."""
    begun = {"type": kind, "jobID": job_id, "apiCallDateTime": (AT - timedelta(days=9)).isoformat()}
    return {"lastLaunchResult": result, "lifeCycle": {"lastLaunch": {"initiated": begun, "status": status}}}


def seen(*jobs, shown=(), at=AT, state="CONTINUOUS", **own):
    recovery = facts(WEST, (server(),), (instance(state="CONTINUOUS"),))
    origin = replace(facts(EAST, (failback_server(state, **own),), shown, jobs), at=at)
    found = circles_of([B1], recovery, {EAST: origin})[B1]
    return state_of(found), found


def shown(name=A1, job_id=JOB, **more):
    return {**instance(name, A2, **more), **({"jobID": job_id} if job_id else {})}


YOUNG = [
    (ended(0),),
    (ended(8.9),),
    (ended(1), ended(5, "FAILED", name="drsjob-0000000000000000b", begun=2)),
    (ended(5), ended(1, "FAILED", name="drsjob-0000000000000000b", begun=2)),
    (ended(5), ended(1, name="drsjob-0000000000000000b", begun=2, initiated_by="START_DRILL")),
    (ended(5), ended(1, "FAILED", name="drsjob-0000000000000000b", begun=2, kind="TERMINATE")),
    (ended(1), ended(50, "TERMINATED", name="drsjob-0000000000000000b", kind="TERMINATE")),
    (ended(1), ended(0, "TERMINATED", name="drsjob-0000000000000000b", of=OTHER, begun=0, kind="TERMINATE")),
]


@pytest.mark.parametrize("jobs", YOUNG)
def test_what_was_launched_a_moment_ago_is_being_launched_until_drs_shows_it(jobs):
    state, circle = seen(*jobs)

    assert (state.stage, launchable(state, circle, "failback").is_launched) == (Stage.LAUNCHING, True)
    assert state.notes[-1] == f"job {JOB} has launched it in the origin, and DRS does not show its instance yet"


@pytest.mark.parametrize("at", [None, AT - timedelta(days=1)])
def test_nobody_who_knows_no_time_takes_it_for_over(at):
    assert seen(ended(60), at=at)[0].stage is Stage.LAUNCHING


@pytest.mark.parametrize("minutes", [9, UNSEEN_FOR.total_seconds() / 60, 23 * 60])
def test_what_drs_does_not_show_in_time_is_for_people(minutes):
    state, circle = seen(ended(minutes))

    assert (state.stage, state.stuck_at, state.why, state.passes) == (Stage.STUCK, Stage.LAUNCHING, BY_JOB, False)
    assert launchable(state, circle, "failback").why_not == launchable(state, circle, "drill").why_not == BY_JOB


@pytest.mark.parametrize(
    ("own", "by"),
    [
        (said(), "job drsjob-0000000000000000e has launched"),
        (said(status=None), "job drsjob-0000000000000000e has launched"),
        (said(job_id=""), "DRS says that a recovery has launched"),
    ],
)
def test_a_server_itself_tells_of_a_launch_that_is_older_than_the_jobs(own, by):
    for jobs in ((), (ended(20, "FAILED"),), (ended(20, initiated_by="START_DRILL"),)):
        state, _ = seen(*jobs, **own)

        assert (state.stage, state.why) == (Stage.STUCK, f"{by} FAILBACK server {A2} {LOOK}")


READY = [
    ("nothing was launched", (), {}),
    ("it failed", (ended(1, "FAILED"),), {}),
    ("it was a drill's", (ended(1, initiated_by="START_DRILL"),), {}),
    ("it was another server's", (ended(1, of=OTHER),), {}),
    ("it was terminated", (ended(9), ended(1, "TERMINATED", begun=0, kind="TERMINATE")), {}),
    ("DRS shows that it is gone", (ended(1),), {"shown": [shown(ec2="TERMINATED")]}),
    ("DRS shows that it is gone, and no job", (ended(1),), {"shown": [shown(job_id="", ec2="TERMINATED")]}),
    ("the server says that it failed", (), said(result="FAILED", status="FAILED")),
    ("the server says that it was a drill", (), said("DRILL")),
    ("the server says that it was terminated", (), said(status="TERMINATED")),
    ("the job that the server names has failed", (ended(1, "FAILED"),), said(job_id=JOB)),
    ("older, and shown as gone", (), {**said(job_id=JOB), "shown": [shown(ec2="TERMINATED")]}),
]


@pytest.mark.parametrize(("jobs", "given"), [row[1:] for row in READY], ids=[row[0] for row in READY])
def test_what_was_not_launched_or_is_no_more_is_ready(jobs, given):
    assert seen(*jobs, **given)[0].stage is Stage.READY


def test_an_instance_of_another_job_hides_nothing():
    gone = shown(A4, "drsjob-0000000000000000b", ec2="TERMINATED")
    drill = shown(DRILL, "", is_drill=True)

    assert seen(ended(60), shown=[gone])[0].stage is Stage.STUCK
    assert seen(ended(60), shown=[drill])[0].stage is Stage.STUCK


def test_what_is_shown_runs_there_whatever_the_server_says_of_it():
    assert seen(ended(1), shown=[shown()])[0].stage is Stage.FAILED_BACK
    assert seen(shown=[shown()], **said())[0].stage is Stage.FAILED_BACK


@pytest.mark.parametrize("state", ["STOPPED", "DISCONNECTED", "BACKLOG"])
def test_only_what_would_be_launched_is_kept_from_it(state):
    assert seen(ended(60), state=state)[0] == replace(seen(state=state)[0])


@pytest.mark.parametrize("given", [{"jobs": (ended(1),)}, {"jobs": (ended(60),)}, {"jobs": (), **said()}])
def test_its_original_is_never_stopped(given):
    jobs = given.pop("jobs")
    state, circle = seen(*jobs, **given)
    into = Original(A1, ExistingInstance(A1, "server"), {"State": {"Name": "running"}})

    assert why_not_stopped(state, circle, into, A1, stops=True) == f"it is {state.stage}: {A1} is not stopped any more"
