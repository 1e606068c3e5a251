"""No server is launched twice for one intent, and waiting costs one call, against the simulator."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.rules.launch.jobs import Ended, read_job
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import JobStart, MustWait, Request
from drs_provider.triggers.jobs import DrsJobTrigger
from kit.fake_drs import MemoryStore

HELLO = ("s-0hello00000000001", "s-0hello00000000002")


def a_try(hook, store, *, max_tries=0, **more):
    request = Request(
        dag_id="d",
        run_id="r",
        wave="w",
        servers=HELLO,
        is_drill=True,
        replace_live_instances=False,
        since=datetime.now(UTC) - timedelta(hours=1),
        **more,
    )
    memory = Memory(store, max_tries=max_tries)
    return JobStart(hook, memory, request, now=lambda: datetime.now(UTC), sleep=lambda _: None)


def calls(simulator, operation):
    return [call for call in simulator.calls() if call["operation"] == operation]


@pytest.mark.parametrize("outcome", ["runs", "ended", "failed within a second"])
def test_a_worker_killed_between_the_call_and_the_note_of_it_adopts_the_job(hook, simulator, outcome):
    if outcome == "failed within a second":
        simulator.fault({"service": "drs", "do": "fail_silently"})
    store = MemoryStore()
    store.killed_at = "drs_jobs"
    with pytest.raises(SystemExit):
        a_try(hook, store).run()
    if outcome != "runs":
        simulator.advance("20m")

    jobs = a_try(hook, store).run()

    assert [(sorted(job.servers), job.adopted) for job in jobs] == [(list(HELLO), True)]
    assert len(calls(simulator, "StartRecovery")) == 1


def test_a_clear_after_a_known_failure_launches_the_failed_server_only(hook, simulator):
    simulator.fault({"service": "drs", "hostname": "hello2", "do": "fail_at", "event": "CONVERSION_START", "count": 1})
    store = MemoryStore()
    a_try(hook, store).run()
    simulator.advance("20m")

    jobs = a_try(hook, store, max_tries=1).run()

    assert [(job.servers, job.adopted) for job in jobs] == [((HELLO[0],), True), ((HELLO[1],), False)]
    assert len(calls(simulator, "StartRecovery")) == 2


def test_a_server_that_a_strangers_job_holds_is_waited_for_and_its_drill_instance_is_spared(hook, simulator):
    simulator.clock(speed=1)  # the job must still run when it is looked at
    stranger = hook.start_recovery(HELLO[:1], is_drill=True, tags={})

    waiting = a_try(hook, MemoryStore()).run()

    assert isinstance(waiting, MustWait)
    assert waiting.job_ids == (stranger["jobID"],)
    simulator.advance("20m")
    with pytest.raises(RunRefused, match="a launch would terminate 1 drill instance of somebody else"):
        a_try(hook, MemoryStore()).run()
    assert len(calls(simulator, "StartRecovery")) == 1
    assert len(a_try(hook, MemoryStore(), replace_drills=True).run()) == 1


def test_a_lost_answer_to_a_job_that_drs_does_not_show_yet_starts_no_second_one(hook, simulator):
    simulator.clock(speed=1)
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})
    simulator.fault({"service": "drs", "do": "invisible_for", "seconds": "30m"})
    simulator.fault({"service": "drs", "do": "fail_silently"})  # so that nothing holds the servers any more
    store = MemoryStore()

    waits = [a_try(hook, store).run(), a_try(hook, store).run()]
    simulator.advance("40m")
    jobs = a_try(hook, store).run()

    assert [type(wait) for wait in waits] == [MustWait, MustWait]
    assert [(sorted(job.servers), job.adopted) for job in jobs] == [(list(HELLO), True)]
    assert len(calls(simulator, "StartRecovery")) == 1


def test_an_instance_that_a_stranger_has_just_recovered_is_safe_before_drs_shows_it(hook, simulator):
    simulator.clock(speed=1)
    simulator.fault({"service": "drs", "do": "invisible_for", "seconds": "30m"})
    hook.start_recovery(HELLO[:1], is_drill=False, tags={})
    simulator.advance("35m")  # the job is shown and has ended, its instance is still to be described
    assert hook.recovery_instances(source_server_ids=HELLO) == ()

    waiting = a_try(hook, MemoryStore()).run()
    simulator.advance("30m")

    assert isinstance(waiting, MustWait)
    with pytest.raises(RunRefused):
        a_try(hook, MemoryStore()).run()
    assert len(calls(simulator, "StartRecovery")) == 1


def test_recovery_points_that_age_out_before_the_job_is_started_are_chosen_afresh(hook, simulator):
    """A throttled start may take minutes, and DRS keeps the points of every ten minutes for an hour."""
    newest = {server: hook.newest_recovery_snapshot(server)["snapshotID"] for server in HELLO}
    gone = dict.fromkeys(HELLO, "pit-00000000000000000")
    chosen = [gone, newest, newest]
    start = a_try(hook, MemoryStore())
    start.points = lambda _: chosen.pop(0)

    (job,) = start.run()

    assert (sorted(job.servers), job.adopted) == (list(HELLO), False)
    asked = [call["request"]["sourceServers"] for call in calls(simulator, "StartRecovery")]
    assert [{each["sourceServerID"]: each["recoverySnapshotID"] for each in servers} for servers in asked] == [
        gone,
        newest,
    ]


def test_a_recovery_point_that_is_gone_and_has_no_other_is_refused(hook, simulator):
    start = a_try(hook, MemoryStore())
    start.points = lambda _: dict.fromkeys(HELLO, "pit-00000000000000000")

    with pytest.raises(AwsError, match=r"Recovery snapshot pit-0+ of .* does not exist"):
        start.run()
    assert len(calls(simulator, "StartRecovery")) == 1


def test_two_orchestrators_of_one_run_start_every_server_once(hook, simulator):
    first, second = (a_try(hook, MemoryStore()).run() for _ in range(2))

    assert [job.job_id for job in first] == [job.job_id for job in second]
    assert [job.adopted for job in (*first, *second)] == [False, True]


def test_many_waiting_tasks_ask_as_often_as_one(hook, simulator, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    job = hook.start_recovery(HELLO, is_drill=True, tags={})["jobID"]
    asked = len(calls(simulator, "DescribeJobs"))
    now = datetime.now(UTC)
    aws = {"aws_conn_id": None, "region_name": "us-west-2", "verify": None, "config": None}

    async def fire(trigger):
        return await anext(trigger.run())

    async def together():
        triggers = [
            DrsJobTrigger(
                watches=[{"aws": aws, "job_ids": [job]}],
                since=now.isoformat(),
                deadline=(now + timedelta(seconds=60)).isoformat(),
            )
            for _ in range(20)
        ]
        return await asyncio.gather(*(fire(trigger) for trigger in triggers))

    events = asyncio.run(together())

    assert {event.payload["outcome"] for event in events} == {"ended"}
    assert isinstance(read_job(hook.jobs([job])[0]), Ended)
    # At speed 600 the job takes about a second, so about two or three looks; twenty triggers alone would be forty.
    assert len(calls(simulator, "DescribeJobs")) - asked < 12
