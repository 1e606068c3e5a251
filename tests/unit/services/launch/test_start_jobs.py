"""A launch comes to the point where every server is in one job, whatever happens on the way."""

from datetime import timedelta

import pytest
from drs_provider.exceptions import (
    AccessDenied,
    AwsError,
    Conflict,
    JobVanished,
    PreparedKept,
    QuotaExceeded,
    RunRefused,
    ServiceUnavailable,
)
from drs_provider.rules.launch.native_plans import NativeExecution
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.tags import EXPIRES, MODE, PLAN, RUN, TRY, job_tags, written
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request
from kit.fake_drs import NOW, FakeDrs, MemoryStore

SERVERS = ("s-1", "s-2", "s-3")


class Try:
    """One run of the task: a fresh process that shares the store and DRS with the ones before it."""

    def __init__(self, drs, store, *, max_tries=0, servers=SERVERS, minutes=5, **more):
        request = Request(
            dag_id="d",
            run_id="r",
            wave="w",
            servers=servers,
            is_drill=more.pop("is_drill", True),
            replace_live_instances=more.pop("replace_live_instances", False),
            since=NOW - timedelta(days=1),
            **more,
        )
        self.slept: list[float] = []
        memory = Memory(store, max_tries=max_tries)
        now = lambda: NOW + timedelta(minutes=minutes)  # noqa: E731
        self.start = JobStart(drs, memory, request, now=now, sleep=self.slept.append)

    def run(self):
        return self.start.run()


def up(drs, *servers, is_drill=True):
    """The instances of the first job, as DRS shows them once they are there."""
    for server in servers:
        drs.add_instance(server, drs.all_jobs[0]["jobID"], is_drill=is_drill)


def summary(jobs):
    return [(job.job_id[-1], list(job.servers), job.adopted) for job in jobs]


@pytest.fixture
def drs():
    return FakeDrs()


@pytest.fixture
def store():
    return MemoryStore()


@pytest.mark.parametrize(
    ("minutes", "launch", "refused"),
    [
        pytest.param(None, "PENDING", True, id="its job runs"),
        pytest.param(5, "LAUNCHED", True, id="DRS may not show its instances yet"),
        pytest.param(5, "FAILED", False, id="it has launched nothing"),
        pytest.param(5, "TERMINATED", False, id="it is cleaned up"),
        pytest.param(-60, "LAUNCHED", False, id="its instances are gone for long"),
    ],
)
def test_a_drill_that_another_airflow_began_at_the_same_moment_is_not_waited_for(drs, store, minutes, launch, refused):
    tags = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1, installation="dublin")
    job = drs.add_job(SERVERS, tags={**tags, MODE: "drill", EXPIRES: written(NOW + timedelta(hours=2))})
    if minutes is not None:
        drs.end(job, launch, at=NOW + timedelta(minutes=minutes))
    mine = Try(drs, store, installation="paris", minutes=6)

    if not refused:
        assert summary(mine.run()) == [("1", [*SERVERS], False)]
        return
    with pytest.raises(RunRefused) as error:
        mine.run()

    assert str(error.value) == (
        "another Airflow (installation dublin) holds s-1, s-2, s-3: its drill r of d is not over, until 2026-01-01 "
        "14:00 UTC at the latest. Wait for its end there; once that Airflow is down, or the plan is paused there, take "
        f"the run over: drs takeover d --start --run {tags[RUN]}. Nothing of this job was started"
    )
    assert drs.starts == []
    # Whoever takes it over on purpose goes on with its job.
    if minutes is None:
        assert summary(Try(drs, MemoryStore(), installation="paris", continues=tags[RUN]).run()) == [
            ("0", [*SERVERS], True)
        ]


def test_a_drill_of_another_airflow_whose_instances_were_terminated_is_over(drs, store):
    tags = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1, installation="dublin")
    job = drs.add_job(SERVERS, tags={**tags, MODE: "drill", EXPIRES: written(NOW + timedelta(hours=2))})
    drs.end(job, at=NOW + timedelta(minutes=1))
    later = NOW + timedelta(minutes=2)
    drs.end(drs.add_job(SERVERS, created=later, kind="TERMINATE"), "TERMINATED", at=later)

    assert summary(Try(drs, store, installation="paris").run()) == [("2", [*SERVERS], False)]


def test_the_live_drill_of_another_airflow_is_no_earlier_drill_of_the_plan(drs, store):
    tags = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1, installation="dublin")
    job = drs.add_job(SERVERS, tags={**tags, MODE: "drill", EXPIRES: written(NOW + timedelta(hours=2))})
    drs.end(job)
    up(drs, *SERVERS)

    with pytest.raises(RunRefused) as error:
        Try(drs, store, installation="paris").run()

    assert "s-1 has i-00000000000000000 (launched 5m ago by job drsjob-00000000000000000, run r of d of Airflow " in (
        str(error.value)
    )
    assert drs.starts == []


def test_a_wave_larger_than_a_job_is_cut_into_full_chunks_in_order(drs, store):
    drs.limits = Quotas(servers_per_job=2)

    assert summary(Try(drs, store).run()) == [("0", ["s-1", "s-2"], False), ("1", ["s-3"], False)]
    assert [job["tags"]["drs-orchestrator:chunk"] for job in drs.all_jobs] == ["0", "1"]


def test_once_a_person_has_ended_it_no_further_job_is_started_and_those_that_exist_are_handed_over(drs, store):
    drs.limits = Quotas(servers_per_job=1)
    one = Try(drs, store)
    one.start.ended = lambda: len(drs.starts) == 2

    assert summary(one.run()) == [("0", ["s-1"], False), ("1", ["s-2"], False)]
    assert drs.starts == [("s-1",), ("s-2",)]


def test_a_wait_for_room_that_a_person_ends_returns_what_was_started_before_it(drs, store):
    drs.limits = Quotas(servers_in_jobs=2)
    assert isinstance(Try(drs, store).run(), MustWait)
    ended = Try(drs, store)
    ended.start.ended = lambda: True

    assert summary(ended.run()) == [("0", ["s-1", "s-2"], True)]
    assert len(drs.starts) == 1


@pytest.mark.parametrize("key", ["drs_jobs", "drs_launch"])
def test_a_worker_killed_before_it_remembers_the_job_adopts_it_when_tried_again(drs, store, key):
    store["drs_launch"] = {"attempt": 1}
    store.killed_at = key
    with pytest.raises(SystemExit):
        Try(drs, store).run()

    assert summary(Try(drs, store).run()) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


def test_a_worker_killed_after_one_of_two_jobs_starts_only_the_other(drs, store):
    drs.limits = Quotas(servers_per_job=2)

    def die():
        raise SystemExit("killed")

    drs.answers = [lambda: None, die]
    with pytest.raises(SystemExit):
        Try(drs, store).run()

    assert Try(drs, store, minutes=6).run() == MustWait(
        "an earlier try may have started a job for 1 servers, and DRS may not show it for two minutes: nothing is "
        "started before that",
        (),
        "all",
    )
    assert summary(Try(drs, store, minutes=7).run()) == [("0", ["s-1", "s-2"], True), ("1", ["s-3"], False)]
    assert drs.starts == [("s-1", "s-2"), ("s-3",), ("s-3",)]


def test_a_lost_answer_to_a_job_that_stays_invisible_starts_no_other_for_two_minutes(drs, store):
    hidden = []

    def lose():
        hidden.append(drs.add_job(SERVERS, tags=job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)))
        drs.all_jobs.clear()
        drs.end(hidden[0], "FAILED")
        return ServiceUnavailable("StartRecovery", "ReadTimeoutError", "no answer")

    drs.answers = [lose]

    assert Try(drs, store).run() == MustWait(
        "StartRecovery: ReadTimeoutError: no answer. Whether the job was started is not known yet", (), "all"
    )
    assert isinstance(Try(drs, store, minutes=6).run(), MustWait)
    drs.all_jobs.extend(hidden)
    assert summary(Try(drs, store, minutes=7).run()) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


@pytest.mark.parametrize("refusal", [QuotaExceeded, Conflict])
def test_after_a_refusal_of_aws_nothing_is_looked_for(drs, store, refusal):
    drs.answers = [lambda: refusal("StartRecovery", "code", "no")]
    assert isinstance(Try(drs, store).run(), MustWait)
    again = Try(drs, store, minutes=6)

    assert summary(again.run()) == [("0", list(SERVERS), False)]
    assert again.slept == []


def test_a_refusal_that_nobody_knows_is_not_believed_when_the_job_is_there(drs, store):
    def commit_and_refuse():
        drs.add_job(SERVERS, tags=job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1))
        return AwsError("StartRecovery", "TeapotException", "I am a teapot")

    drs.answers = [commit_and_refuse]

    assert summary(Try(drs, store).run()) == [("0", list(SERVERS), True)]


def test_a_refusal_that_nobody_knows_is_believed_when_there_is_no_job(drs, store):
    drs.answers = [lambda: AwsError("StartRecovery", "TeapotException", "I am a teapot")]
    try_ = Try(drs, store)

    with pytest.raises(AwsError, match="I am a teapot"):
        try_.run()

    assert try_.slept == []


def test_two_orchestrators_of_one_run_that_cut_it_differently_share_its_servers(drs, store):
    def the_other_was_faster():
        drs.add_job(SERVERS[:1], tags=job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1))
        return Conflict("StartRecovery", "ConflictException", "busy")

    drs.answers = [the_other_was_faster]

    assert summary(Try(drs, store).run()) == [("0", ["s-1"], True), ("1", ["s-2", "s-3"], False)]
    assert drs.starts == [SERVERS, ("s-2", "s-3")]


def test_a_clear_after_others_have_launched_again_counts_on_from_their_try(drs, store):
    Try(drs, store, max_tries=0).run()
    drs.end(drs.all_jobs[0], "FAILED")
    for attempt in (2, 3):
        tags = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=attempt)
        drs.end(drs.add_job(SERVERS, tags=tags), "FAILED")

    assert summary(Try(drs, store, max_tries=1).run()) == [("3", list(SERVERS), False)]
    assert drs.all_jobs[3]["tags"][TRY] == "4"


def a_strangers_recovery(drs, *, minutes_ago, by="START_RECOVERY"):
    job = drs.add_job(["s-2"])
    job["initiatedBy"] = by
    drs.end(job, at=NOW + timedelta(minutes=5 - minutes_ago))
    return job


def test_an_instance_that_another_recovery_has_launched_and_drs_does_not_show_yet_is_waited_for(drs, store):
    job = a_strangers_recovery(drs, minutes_ago=9)

    assert Try(drs, store).run() == MustWait(
        "just recovered, and DRS does not show the instance yet, which a launch would terminate: "
        f"s-2 by {job['jobID']}",
        (),
        "all",
    )

    drs.add_instance("s-2", job["jobID"], is_drill=False)
    with pytest.raises(RunRefused):
        Try(drs, store).run()
    assert drs.starts == []


@pytest.mark.parametrize("why", ["a drill", "long ago", "gone", "terminated since", "replaced"])
def test_what_another_job_has_launched_stands_in_nobodys_way(drs, store, why):
    by = "START_DRILL" if why == "a drill" else "START_RECOVERY"
    job = a_strangers_recovery(drs, minutes_ago=11 if why == "long ago" else 1, by=by)
    if why == "gone":
        drs.add_instance("s-2", job["jobID"], is_drill=False, state="TERMINATED")
    if why == "terminated since":
        drs.end(drs.add_job(["s-2"], kind="TERMINATE", created=NOW + timedelta(minutes=4)), "TERMINATED")

    replaced = why == "replaced"
    assert len(Try(drs, store, is_drill=not replaced, replace_live_instances=replaced).run()) == 1


def test_a_job_that_failed_within_a_second_is_adopted_by_a_retry_and_not_started_again(drs, store):
    store.killed_at = "drs_jobs"
    with pytest.raises(SystemExit):
        Try(drs, store).run()
    drs.end(drs.all_jobs[0], "FAILED")

    assert summary(Try(drs, store).run()) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


def test_a_job_that_is_still_invisible_is_looked_for_before_another_is_started(drs, store):
    hidden = []

    def commit_and_die():
        hidden.append(drs.add_job(SERVERS, tags=job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)))
        drs.all_jobs.clear()
        raise SystemExit("killed")

    drs.answers = [commit_and_die]
    with pytest.raises(SystemExit):
        Try(drs, store).run()
    retry = Try(drs, store)
    drs.before_look = lambda: len(retry.slept) == 3 and not drs.all_jobs and drs.all_jobs.extend(hidden)

    assert summary(retry.run()) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


def test_a_second_airflow_with_an_empty_database_adopts_what_the_tags_say(drs):
    Try(drs, MemoryStore()).run()
    drs.end(drs.all_jobs[0], "LAUNCHED", s_2="FAILED")

    assert summary(Try(drs, MemoryStore()).run()) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


def test_a_clear_after_a_failure_launches_the_failed_servers_only(drs, store):
    Try(drs, store, max_tries=0).run()
    drs.end(drs.all_jobs[0], "LAUNCHED", s_2="FAILED")
    up(drs, "s-1", "s-3")

    jobs = Try(drs, store, max_tries=1).run()

    assert summary(jobs) == [("0", ["s-1", "s-3"], True), ("1", ["s-2"], False)]
    assert drs.all_jobs[1]["tags"][TRY] == "2"


def test_a_crash_during_the_relaunch_adopts_the_relaunch(drs, store):
    Try(drs, store, max_tries=0).run()
    drs.end(drs.all_jobs[0], "FAILED")
    store.killed_at = "drs_jobs"
    with pytest.raises(SystemExit):
        Try(drs, store, max_tries=1).run()
    drs.end(drs.all_jobs[1], "FAILED")

    jobs = Try(drs, store, max_tries=1).run()

    assert summary(jobs) == [("1", list(SERVERS), True)]
    assert len(drs.starts) == 2


def test_a_clear_after_a_success_or_while_the_job_runs_starts_nothing(drs, store):
    Try(drs, store, max_tries=0).run()
    running = Try(drs, store, max_tries=1).run()
    drs.end(drs.all_jobs[0])
    up(drs, *SERVERS)
    ended = Try(drs, store, max_tries=2).run()

    assert summary(running) == summary(ended) == [("0", list(SERVERS), True)]
    assert len(drs.starts) == 1


@pytest.mark.parametrize("is_drill", [True, False])
@pytest.mark.parametrize("state", ["TERMINATED", "NOT_FOUND", None])
def test_a_clear_launches_again_what_was_launched_and_is_gone(drs, store, state, is_drill):
    Try(drs, store, max_tries=0, is_drill=is_drill).run()
    drs.end(drs.all_jobs[0])
    up(drs, "s-1", is_drill=is_drill)
    for server in ("s-2", "s-3") if state else ():
        drs.add_instance(server, drs.all_jobs[0]["jobID"], state=state, is_drill=is_drill)

    jobs = Try(drs, store, max_tries=1, is_drill=is_drill).run()

    assert summary(jobs) == [("0", ["s-1"], True), ("1", ["s-2", "s-3"], False)]
    again = Try(drs, store, max_tries=1, is_drill=is_drill).run()
    assert summary(again) == [("0", ["s-1"], True), ("1", ["s-2", "s-3"], True)]


def test_a_clear_waits_for_an_instance_that_drs_may_not_show_yet(drs, store):
    Try(drs, store, max_tries=0).run()
    drs.end(drs.all_jobs[0], at=NOW + timedelta(minutes=1))
    up(drs, "s-1", "s-2")

    waits = Try(drs, store, max_tries=1).run()

    assert waits.why == f"launched before, and DRS does not show the instance yet: s-3 by {drs.all_jobs[0]['jobID']}"
    assert len(drs.starts) == 1
    up(drs, "s-3")
    assert summary(Try(drs, store, max_tries=1).run()) == [("0", list(SERVERS), True)]


def test_a_clear_never_launches_over_what_another_recovery_has_put_in_the_place_of_ours(drs, store):
    Try(drs, store, max_tries=0, is_drill=False).run()
    drs.end(drs.all_jobs[0])
    up(drs, "s-1", "s-3")
    drs.add_instance("s-2", "drsjob-of-others", is_drill=False)

    with pytest.raises(RunRefused, match=r"^a launch would terminate 1 live recovered instance: s-2 has i-"):
        Try(drs, store, max_tries=1, is_drill=False).run()
    assert len(drs.starts) == 1


def test_a_retry_without_a_clear_takes_no_servers_for_gone(drs, store):
    Try(drs, store, max_tries=3).run()
    drs.end(drs.all_jobs[0])

    assert summary(Try(drs, store, max_tries=3).run()) == [("0", list(SERVERS), True)]


def test_a_retry_without_a_clear_never_starts_a_known_failure_again(drs, store):
    Try(drs, store, max_tries=3).run()
    drs.end(drs.all_jobs[0], "FAILED")

    assert summary(Try(drs, store, max_tries=3).run()) == [("0", list(SERVERS), True)]


@pytest.mark.parametrize(
    ("is_drill", "advice"),
    [
        (True, "Leave these servers out: a drill never replaces what is recovered"),
        (False, "Leave these servers out, or set replace_live_instances=True to terminate them"),
    ],
)
def test_a_live_recovered_instance_is_never_replaced_by_a_drill_or_a_recovery(drs, store, is_drill, advice):
    drs.add_instance("s-2", is_drill=False)

    with pytest.raises(RunRefused) as caught:
        Try(drs, store, is_drill=is_drill).run()

    assert str(caught.value) == (
        "a launch would terminate 1 live recovered instance: s-2 has i-00000000000000000. Nothing of this job was "
        f"started. {advice}"
    )
    assert drs.starts == []


def test_what_was_recovered_a_minute_ago_is_never_to_be_replaced_by_advice(drs, store):
    job = a_strangers_recovery(drs, minutes_ago=1)
    drs.add_instance("s-2", job["jobID"], is_drill=False)

    with pytest.raises(RunRefused) as caught:
        Try(drs, store, is_drill=False).run()

    assert str(caught.value) == (
        "a launch would terminate 1 live recovered instance: s-2 has i-00000000000000000. Nothing of this job was "
        f"started. They have just been recovered by job {job['jobID']}: see there, and leave these servers out"
    )
    assert drs.starts == []


def test_a_drill_that_is_told_to_replace_is_no_request_at_all(drs, store):
    drs.add_instance("s-2", is_drill=False)

    with pytest.raises(RunRefused) as caught:
        Try(drs, store, replace_live_instances=True)

    assert str(caught.value) == (
        "replace_live_instances is for recoveries: a drill never terminates a live recovered instance. Switch it off, "
        "and leave out the servers that have one (exclude_servers)"
    )


def a_drill_of(drs, *, plan="drs.other", expires=None):
    tags = {RUN: "somebody", PLAN: plan, **({MODE: "drill", EXPIRES: written(expires)} if expires else {})}
    job = drs.add_job(["s-2"], tags=tags if plan else None, created=NOW - timedelta(hours=2))
    drs.end(job)
    return drs.add_instance("s-2", job["jobID"])


STRANGERS = [
    pytest.param({"plan": None}, id="not by this package"),
    pytest.param({"plan": "another_dag"}, id="another DAG"),
    pytest.param({"expires": NOW + timedelta(hours=1)}, id="a drill of another plan that may go on"),
]


@pytest.mark.parametrize("whose", STRANGERS)
def test_a_drill_is_never_started_over_somebody_elses_drill_instance(drs, store, whose):
    name = a_drill_of(drs, **whose)

    with pytest.raises(RunRefused) as caught:
        Try(drs, store).run()

    assert str(caught.value) == (
        f"a launch would terminate 1 drill instance of somebody else: s-2 has {name} (launched 2h 05m ago by job "
        "drsjob-00000000000000000). Nothing of this job was started. Ask whose it is and wait until it is gone, leave "
        "these servers out, or set replace_drills=True to terminate it"
    )
    assert drs.starts == []


@pytest.mark.parametrize(
    ("whose", "more"),
    [
        *((case.values[0], {"replace_drills": True}) for case in STRANGERS),
        *((case.values[0], {"is_drill": False}) for case in STRANGERS),
        ({"plan": "d"}, {}),
        ({"expires": NOW - timedelta(hours=1)}, {}),
    ],
)
def test_a_drill_instance_is_replaced_where_it_may_be(drs, store, whose, more):
    a_drill_of(drs, **whose)

    assert len(Try(drs, store, **more).run()) == 1


@pytest.mark.parametrize("by", ["server", "account"])
def test_a_drill_is_never_launched_into_an_existing_instance(drs, store, by):
    if by == "server":
        drs.into["s-2"] = "i-there"
    else:
        drs.templates.append({"launchIntoSourceInstance": True})
        drs.sources["s-2"] = {
            "sourceServerID": "s-2",
            "sourceProperties": {"identificationHints": {"hostname": "db1", "awsInstanceID": "i-there"}},
            "sourceCloudProperties": {"originRegion": drs.region},
        }

    with pytest.raises(RunRefused) as caught:
        Try(drs, store).run()

    expected = {
        "server": "s-2 (s-2): DRS would launch it into the existing instance i-there instead of a new one (its launch "
        "settings say so, launchIntoEC2InstanceID); clear 'launch into instance' in the server's launch settings in "
        "DRS",
        "account": "db1 (s-2): DRS would launch it into its source instance i-there instead of a new one (the "
        "account's launch configuration template says so, launchIntoSourceInstance); switch launchIntoSourceInstance "
        "off in the account's default launch settings in DRS",
    }
    assert str(caught.value) == (
        f"a drill launches new instances only, and nothing of this job was started: {expected[by]}, or leave these "
        "servers out"
    )
    assert drs.starts == []
    assert len(Try(drs, store, is_drill=False).run()) == 1


@pytest.mark.parametrize("state", ["TERMINATED", "NOT_FOUND"])
def test_an_instance_that_is_gone_stands_in_nobodys_way(drs, store, state):
    drs.add_instance("s-2", is_drill=False, state=state)

    assert len(Try(drs, store).run()) == 1


def test_a_live_recovered_instance_is_replaced_if_a_person_said_so(drs, store):
    drs.add_instance("s-2", is_drill=False)

    assert len(Try(drs, store, is_drill=False, replace_live_instances=True).run()) == 1


class TestWhatTheRunPrepared:
    """Instances that the run itself launched stopped, of which somebody says whether they were ever started."""

    def relaunch(self, drs, store, *said, **more):
        name, says = drs.add_instance("s-2", is_drill=False), list(said)
        again = Try(drs, store, is_drill=False, **more)
        again.start.never_started = lambda live: {name} if live and says.pop(0) else set()
        return name, again

    def test_it_is_replaced_where_nobody_ever_started_it(self, drs, store):
        name, again = self.relaunch(drs, store, True, True)

        assert len(again.run()) == 1
        assert (drs.unprotected, drs.starts) == ([name], [SERVERS])

    def test_it_is_not_where_it_may_have_been_started_at_the_last_moment(self, drs, store):
        name, again = self.relaunch(drs, store, True, False)

        with pytest.raises(PreparedKept) as caught:
            again.run()

        assert str(caught.value) == (
            f"a launch would terminate what may have been started in this moment: s-2 has {name}. Nothing of this job "
            "was started. See in EC2 whether it runs; if not, terminate it there and clear this task"
        )
        assert (drs.starts, hasattr(drs, "unprotected")) == ([], False)

    def test_it_stays_where_aws_keeps_its_protection(self, drs, store, monkeypatch):
        name, again = self.relaunch(drs, store, True, True)
        denied = AccessDenied("ec2:ModifyInstanceAttribute", "UnauthorizedOperation", "no")

        def unprotect(names):
            raise denied

        monkeypatch.setattr(drs, "unprotect", unprotect)
        with pytest.raises(PreparedKept) as caught:
            again.run()

        assert str(caught.value) == (
            f"a launch replaces {name}, and its termination protection cannot be switched off: {denied}. Nothing of "
            "this job was started"
        )
        assert drs.starts == []

    def test_beside_one_that_may_run_none_is_replaced(self, drs, store):
        name, again = self.relaunch(drs, store, True, True)
        other = drs.add_instance("s-3", is_drill=False)

        with pytest.raises(RunRefused) as caught:
            again.run()

        assert str(caught.value).startswith(f"a launch would terminate 1 live recovered instance: s-3 has {other}. ")
        assert name not in str(caught.value)
        assert (drs.starts, hasattr(drs, "unprotected")) == ([], False)

    def test_it_stays_protected_while_there_is_no_room(self, drs, store):
        drs.limits = Quotas(jobs=1)
        drs.add_job(["s-9"])
        _, again = self.relaunch(drs, store, True)

        assert isinstance(again.run(), MustWait)
        assert (drs.starts, hasattr(drs, "unprotected")) == ([], False)

    def test_a_person_who_lets_live_instances_be_replaced_is_not_asked_again(self, drs, store):
        name, again = self.relaunch(drs, store, True, False, replace_live_instances=True)

        assert len(again.run()) == 1
        assert (drs.unprotected, drs.starts) == ([name], [SERVERS])


def test_a_full_quota_is_waited_for_and_what_was_started_is_kept(drs, store):
    drs.limits = Quotas(servers_per_job=2, servers_in_jobs=2)

    assert Try(drs, store).run() == MustWait(
        "no room in the account: 2 of 2 servers are in running jobs, 1 more server waits",
        (drs.all_jobs[0]["jobID"],),
        "any",
    )

    drs.end(drs.all_jobs[0])
    assert summary(Try(drs, store).run()) == [("0", ["s-1", "s-2"], True), ("1", ["s-3"], False)]


def test_a_quota_that_aws_sees_fuller_than_we_is_waited_for(drs, store):
    other = drs.add_job(["s-9"])
    drs.answers = [lambda: QuotaExceeded("StartRecovery", "ServiceQuotaExceededException", "full")]

    assert Try(drs, store).run() == MustWait(
        "StartRecovery: ServiceQuotaExceededException: full (a quota of the account and Region is full: room comes "
        "when running jobs end)",
        (other["jobID"],),
        "any",
    )


def test_servers_that_another_job_holds_are_waited_for(drs, store):
    other = drs.add_job(["s-3"], kind="TERMINATE")

    assert Try(drs, store).run() == MustWait(
        f"servers are held by running jobs: {other['jobID']}", (other["jobID"],), "all"
    )
    assert drs.starts == []


def test_a_conflict_that_nobody_explains_is_waited_for_without_a_job(drs, store):
    drs.answers = [lambda: Conflict("StartRecovery", "ConflictException", "busy")]

    assert Try(drs, store).run() == MustWait("StartRecovery: ConflictException: busy", (), "all")


def test_a_job_that_drs_has_forgotten_is_never_started_again(drs, store):
    Try(drs, store).run()
    drs.all_jobs.clear()

    with pytest.raises(JobVanished) as caught:
        Try(drs, store, max_tries=1).run()

    assert caught.value.job_ids == ("drsjob-00000000000000000",)
    assert len(drs.starts) == 1


def test_a_job_just_started_may_be_invisible_for_two_minutes(drs, store):
    first = Try(drs, store)
    first.start.now = lambda: NOW
    first.run()
    drs.all_jobs.clear()
    again = Try(drs, store)
    again.start.now = lambda: NOW + timedelta(seconds=119)

    assert summary(again.run()) == [("0", list(SERVERS), True)]


def test_a_users_tags_travel_along_but_never_replace_those_that_identify_the_job(drs, store):
    tags = {"Team": "a", "drs-orchestrator:plan": "web-shop", "drs-orchestrator:run": "forged"}
    Try(drs, store, tags=tags).run()

    ours = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)
    assert drs.all_jobs[0]["tags"] == {**ours, "Team": "a", "drs-orchestrator:plan": "web-shop"}


def test_room_that_no_full_job_fits_into_is_filled_with_a_smaller_one(drs, store):
    drs.limits = Quotas(servers_per_job=2, servers_in_jobs=4)
    drs.add_job(["s-8"])

    assert summary(Try(drs, store).run()) == [("1", ["s-1", "s-2"], False), ("2", ["s-3"], False)]


def test_a_quota_that_was_raised_after_preflight_ends_the_wait(drs, store):
    drs.add_job(["s-9"])
    drs.limits = Quotas(jobs=3)

    assert summary(Try(drs, store, quotas=Quotas(jobs=1)).run()) == [("1", list(SERVERS), False)]


def test_a_refusal_for_want_of_room_leaves_no_job_to_look_for(drs, store):
    drs.answers = [lambda: QuotaExceeded("StartRecovery", "ServiceQuotaExceededException", "full")]
    Try(drs, store).run()

    again = Try(drs, store)
    assert summary(again.run()) == [("0", list(SERVERS), False)]
    assert again.slept == []


def test_a_drill_gives_way_to_a_recovery_that_runs_beside_it_and_a_recovery_does_not(drs, store):
    other = drs.add_job(["s-9"])
    other["initiatedBy"] = "START_RECOVERY"

    assert Try(drs, store).run() == MustWait(
        f"a real recovery runs in this account and Region, and drills give way to it: {other['jobID']}",
        (other["jobID"],),
        "all",
    )
    assert drs.starts == []
    assert len(Try(drs, MemoryStore(), is_drill=False).run()) == 1


def test_what_one_task_launched_in_another_account_is_not_missed_in_this_one(store):
    here, there = FakeDrs(), FakeDrs()
    Try(here, store, servers=("s-1",)).run()
    Try(there, store, servers=("s-2",), minutes=20).run()

    assert summary(Try(there, store, servers=("s-3",), minutes=30).run()) == [("1", ["s-3"], False)]


def test_a_lost_answer_in_one_account_is_not_forgotten_for_a_start_in_another(store):
    here, there = FakeDrs(), FakeDrs()
    here.answers = [lambda: ServiceUnavailable("StartRecovery", "ReadTimeoutError", "no answer")]
    assert isinstance(Try(here, store, servers=("s-1",)).run(), MustWait)
    Try(there, store, servers=("s-2",)).run()

    assert isinstance(Try(here, store, servers=("s-1",), minutes=6).run(), MustWait)
    assert len(here.starts) == 1


def busy():
    return Conflict("StartRecovery", "ConflictException", "busy")


HELD = (
    "s-2 held by the native DRS recovery plan gold (execution rpe-1, drill, since 2026-01-01 11:00 UTC): waiting 30m "
    "for its end at most"
)


def test_an_execution_of_a_native_plan_is_named_waited_for_and_not_for_ever(drs, store):
    drs.executions = [
        NativeExecution("arn:x/execution/rpe-1", "gold", "DRILL", frozenset({"s-2", "s-9"}), NOW - timedelta(hours=1))
    ]

    drs.answers = [busy]
    assert Try(drs, store, minutes=0).run() == MustWait(HELD, (), "all")
    drs.answers = [busy]
    assert Try(drs, store, minutes=29).run() == MustWait(HELD, (), "all")
    drs.answers = [busy]
    with pytest.raises(RunRefused) as caught:
        Try(drs, store, minutes=30).run()

    assert str(caught.value) == (
        "waited 30m, and it goes on: s-2 held by the native DRS recovery plan gold (execution rpe-1, drill, since "
        "2026-01-01 11:00 UTC). Nothing of this job was started. Cancel that execution in the DRS console or wait for "
        "its end, then clear this task"
    )
    drs.answers = [busy]
    assert Try(drs, store, minutes=31).run() == MustWait(HELD, (), "all"), "a cleared task waits anew"
    assert len(Try(drs, store, minutes=40).run()) == 1
    drs.end(drs.all_jobs[0], "FAILED")
    drs.answers = [busy]
    assert Try(drs, store, minutes=90, max_tries=1).run() == MustWait(HELD, (), "all"), "the first wait is over"


def test_the_words_of_drs_about_a_native_plan_count_where_plans_may_not_be_listed(drs, store):
    said = "Source server s-2 is part of a Recovery Plan execution that is in progress"
    drs.answers = [lambda: Conflict("StartRecovery", "ConflictException", said)]

    assert Try(drs, store).run() == MustWait(
        f"StartRecovery: ConflictException: {said}: waiting 30m for its end at most", (), "all"
    )


def test_a_conflict_that_a_job_explains_is_waited_for_as_before(drs, store):
    drs.executions = [NativeExecution("arn:x/execution/rpe-1", "gold", "DRILL", frozenset({"s-9"}))]
    drs.answers = [busy]

    assert Try(drs, store).run() == MustWait("StartRecovery: ConflictException: busy", (), "all")


def test_what_the_run_itself_has_cleaned_up_is_not_waited_for(drs, store):
    Try(drs, store, max_tries=0).run()
    drs.end(drs.all_jobs[0], at=NOW + timedelta(minutes=1))
    drs.all_jobs[0]["initiatedBy"] = "START_DRILL"
    cleared = Try(drs, store, max_tries=1)
    cleared.start.cleaned = {drs.all_jobs[0]["jobID"]}

    assert summary(cleared.run()) == [("1", list(SERVERS), False)]


def test_what_an_attempt_has_started_is_held_until_the_task_is_cleared(drs, store):
    assert Memory(store, max_tries=0).held() == frozenset()
    Try(drs, store).run()

    assert Memory(store, max_tries=0).held() == frozenset(SERVERS)
    assert Memory(store, max_tries=1).held() == frozenset()
    Memory(store, max_tries=1).attempt(1)
    assert Memory(store, max_tries=1).held() == frozenset(), "the second attempt has started nothing yet"
