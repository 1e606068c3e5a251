"""One DescribeJobs per account, Region and period for all triggers of a process."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, ServiceUnavailable, Throttled
from drs_provider.triggers.job_poller import JobWatcher, Refused, Seen, Trouble
from drs_provider.triggers.jobs import DrsJobTrigger

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_job(job_id, status="STARTED", launch="PENDING", created=NOW):
    return {
        "jobID": job_id,
        "status": status,
        "creationDateTime": created.isoformat(),
        "participatingServers": [{"sourceServerID": "s-1", "launchStatus": launch}],
    }


class World:
    """What DescribeJobs will answer, call by call, and a clock that moves only when somebody sleeps."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[list[str]] = []
        self.slept: list[float] = []
        self.now = NOW

    def ask(self, job_ids):
        self.asked.append(list(job_ids))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [job for job in answer if job["jobID"] in job_ids]

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def watcher(self):
        return JobWatcher(self.ask, sleep=self.sleep, now=lambda: self.now, jitter=lambda: 1.0)


def trigger(*job_ids, until="all", deadline=timedelta(hours=1), rank="", tells_ending=False):
    return DrsJobTrigger(
        watches=[{"aws": {}, "job_ids": list(job_ids)}],
        since=NOW.isoformat(),
        deadline=(NOW + deadline).isoformat(),
        until=until,
        rank=rank,
        tells_ending=tells_ending,
    )


def watch(world, *triggers):
    async def together():
        watcher = world.watcher()
        return await asyncio.gather(*(trigger.watch([watcher], now=lambda: world.now) for trigger in triggers)), watcher

    return asyncio.run(together())


def test_many_triggers_ask_once_per_period():
    ended = [a_job(f"drsjob-{n}", "COMPLETED", "LAUNCHED") for n in range(50)]
    running = [a_job(f"drsjob-{n}") for n in range(50)]
    world = World(running, running, ended)

    events, _ = watch(world, *(trigger(f"drsjob-{n}") for n in range(50)))

    assert [event["outcome"] for event in events] == ["ended"] * 50
    assert len(world.asked) == 3
    assert all(len(asked) == 50 for asked in world.asked)


def test_a_trigger_hears_of_its_own_jobs_only():
    world = World([a_job("drsjob-1", "COMPLETED"), a_job("drsjob-2")], [a_job("drsjob-2", "COMPLETED")])

    events, _ = watch(world, trigger("drsjob-1"), trigger("drsjob-2"))

    assert [event["job_ids"] for event in events] == [["drsjob-1"], ["drsjob-2"]]
    assert world.asked == [["drsjob-1", "drsjob-2"], ["drsjob-2"]]


def test_the_watcher_dies_with_its_last_subscriber_and_lives_again_with_the_next():
    world = World([a_job("drsjob-1", "COMPLETED")])

    async def twice():
        watcher = world.watcher()
        now = lambda: world.now  # noqa: E731
        first = await trigger("drsjob-1").watch([watcher], now=now)
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        second = await trigger("drsjob-1").watch([watcher], now=now)
        return first, left, second

    first, left, second = asyncio.run(twice())

    assert first == second
    assert left == []
    assert len(world.asked) == 2


def test_throttling_and_lost_connections_slow_the_watcher_down_and_never_end_it():
    world = World(
        Throttled("DescribeJobs", "ThrottlingException", "slow down", retry_after_seconds=7),
        ServiceUnavailable("DescribeJobs", "ConnectTimeoutError", "no answer"),
        [a_job("drsjob-1", "COMPLETED")],
    )

    events, _ = watch(world, trigger("drsjob-1"))

    assert events[0]["outcome"] == "ended"
    assert world.slept[:2] == [7.0, 2.0]


def test_being_denied_ends_the_waiting_at_once_for_everybody():
    world = World(AccessDenied("DescribeJobs", "AccessDeniedException", "no"))

    events, _ = watch(world, trigger("drsjob-1"), trigger("drsjob-2"))

    assert [event["outcome"] for event in events] == ["refused", "refused"]
    assert events[0]["detail"] == (
        "DescribeJobs: AccessDeniedException: no (add the permission to the role of the Airflow connection; "
        "docs/permissions.md lists them all)"
    )


def test_a_defect_of_ours_does_not_leave_anybody_waiting_for_ever():
    world = World(KeyError("jobID"))

    events, _ = watch(world, trigger("drsjob-1"))

    assert (events[0]["outcome"], events[0]["detail"]) == ("refused", "watching DRS jobs failed: KeyError('jobID')")


def test_a_new_job_may_be_invisible_for_two_minutes_and_then_has_vanished():
    world = World([])

    events, _ = watch(world, trigger("drsjob-1"))

    assert events[0] == {"outcome": "vanished", "job_ids": ["drsjob-1"], "detail": ""}
    assert timedelta(minutes=2) < world.now - NOW < timedelta(minutes=2, seconds=5)


def test_a_job_that_somebody_has_deleted_does_not_end_the_wait_for_the_others():
    running, ended = [a_job("drsjob-2")], [a_job("drsjob-2", "COMPLETED")]
    world = World(*[running] * 400, ended)

    events, _ = watch(world, trigger("drsjob-1", "drsjob-2"))

    assert events == [{"outcome": "vanished", "job_ids": ["drsjob-1"], "detail": ""}]
    assert len(world.asked) == 401


def test_whoever_waits_for_any_job_to_end_hears_of_a_deleted_one():
    world = World([a_job("drsjob-2")])

    events, _ = watch(world, trigger("drsjob-1", "drsjob-2", until="any"))

    assert events[0]["outcome"] == "vanished"


def test_the_deadline_ends_the_waiting():
    world = World([a_job("drsjob-1")])

    events, _ = watch(world, trigger("drsjob-1", deadline=timedelta(seconds=30)))

    assert events[0] == {
        "outcome": "timed_out",
        "job_ids": ["drsjob-1"],
        "detail": "deadline 2026-01-01T12:00:30+00:00",
    }


def test_until_any_the_first_end_is_enough_and_until_all_it_is_not():
    answers = (
        [a_job("drsjob-1", "COMPLETED"), a_job("drsjob-2")],
        [a_job("drsjob-1", "COMPLETED"), a_job("drsjob-2", "COMPLETED")],
    )

    any_event, _ = watch(World(*answers), trigger("drsjob-1", "drsjob-2", until="any"))
    all_event, _ = watch(World(*answers), trigger("drsjob-1", "drsjob-2", until="all"))

    assert any_event[0]["job_ids"] == ["drsjob-1"]
    assert all_event[0]["job_ids"] == ["drsjob-1", "drsjob-2"]


@pytest.mark.parametrize(
    ("job", "period"),
    [
        (a_job("drsjob-1"), 0.5),
        (a_job("drsjob-1", created=NOW - timedelta(minutes=3)), 3.0),
        (a_job("drsjob-1", created=NOW - timedelta(minutes=9)), 3.0),
        (a_job("drsjob-1", launch="LAUNCHED", created=NOW - timedelta(minutes=9)), 0.5),
    ],
)
def test_the_period_is_that_of_the_most_urgent_job(job, period):
    old = a_job("drsjob-2", created=NOW - timedelta(hours=1))
    done = [a_job("drsjob-1", "COMPLETED"), a_job("drsjob-2", "COMPLETED")]
    world = World([job, old], done)

    watch(world, trigger("drsjob-1", "drsjob-2"))

    assert world.slept[0] == period


def test_a_subscriber_that_joins_late_need_not_wait_for_a_long_period():
    old = a_job("drsjob-1", created=NOW - timedelta(hours=1))
    world = World([old], [old, a_job("drsjob-2", "COMPLETED")])
    asleep = asyncio.Event

    async def joining():
        fell_asleep = asleep()

        async def sleep(seconds):
            world.slept.append(seconds)
            if seconds > 1:
                fell_asleep.set()
                await asyncio.sleep(3600)

        watcher = JobWatcher(world.ask, sleep=sleep, now=lambda: world.now, jitter=lambda: 1.0)
        first = asyncio.ensure_future(trigger("drsjob-1").watch([watcher], now=lambda: world.now))
        await fell_asleep.wait()
        second = await trigger("drsjob-2").watch([watcher], now=lambda: world.now)
        first.cancel()
        return second

    assert asyncio.run(joining())["outcome"] == "ended"
    assert world.slept[:2] == [3.0, 0.5]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        pytest.param([("STARTED", "LAUNCHED"), ("STARTED", "FAILED")], "ending", id="every server has ended"),
        pytest.param([("COMPLETED", "LAUNCHED"), ("STARTED", "LAUNCHED")], "ending", id="one job has ended, one soon"),
        pytest.param([("COMPLETED", "LAUNCHED"), ("COMPLETED", "FAILED")], "ended", id="both jobs have ended"),
        pytest.param([("STARTED", "LAUNCHED"), ("STARTED", "PENDING")], "timed_out", id="a server goes on"),
    ],
)
def test_who_asks_is_told_seconds_before_the_jobs_end(answers, outcome):
    jobs = [a_job(f"drsjob-{n}", *answer) for n, answer in enumerate(answers, start=1)]
    short = timedelta(minutes=1)

    (event,), _ = watch(World(jobs), trigger("drsjob-1", "drsjob-2", tells_ending=True, deadline=short))
    (other,), _ = watch(World(jobs), trigger("drsjob-1", "drsjob-2", deadline=short))

    assert event["outcome"] == outcome
    assert other["outcome"] == ("ended" if outcome == "ended" else "timed_out")


def test_jobs_of_two_accounts_are_watched_through_two_watchers():
    here, there = World([a_job("drsjob-1", "COMPLETED")]), World([a_job("drsjob-2")], [a_job("drsjob-2", "COMPLETED")])
    both = DrsJobTrigger(
        watches=[{"aws": {"a": 1}, "job_ids": ["drsjob-1"]}, {"aws": {"a": 2}, "job_ids": ["drsjob-2"]}],
        since=NOW.isoformat(),
        deadline=(NOW + timedelta(hours=1)).isoformat(),
    )

    async def watching():
        return await both.watch([here.watcher(), there.watcher()], now=lambda: NOW)

    event = asyncio.run(watching())

    assert (event["outcome"], sorted(event["job_ids"])) == ("ended", ["drsjob-1", "drsjob-2"])
    assert {tuple(asked) for asked in here.asked} == {("drsjob-1",)}


def test_what_subscribers_hear_says_what_it_is():
    error = Throttled("DescribeJobs", "ThrottlingException", "slow")

    assert (Seen(NOW, {}).jobs, Trouble(error, 1.0).pause_seconds, Refused(error).error) == ({}, 1.0, error)


@pytest.mark.parametrize(
    ("ranks", "slept"),
    [
        pytest.param(["drill", "recovery"], [20.0], id="the recovery was told of the same room"),
        pytest.param(["recovery", "drill"], [20.0], id="in any order"),
        pytest.param(["drill", "drill"], [], id="drills among themselves"),
        pytest.param(["recovery", "recovery"], [], id="recoveries among themselves"),
        pytest.param(["drill", ""], [], id="beside a task that only watches its job"),
    ],
)
def test_a_drill_that_could_go_on_lets_a_recovery_start_first(ranks, slept):
    world = World([a_job("drsjob-1", "COMPLETED")])

    events, _ = watch(world, *(trigger("drsjob-1", until="any", rank=rank) for rank in ranks))

    assert [event["outcome"] for event in events] == ["ended", "ended"]
    assert [pause for pause in world.slept if pause == 20.0] == slept


def test_a_drill_stands_back_for_a_recovery_that_waits_on_and_for_one_that_has_just_gone():
    world = World([a_job("drsjob-1", "COMPLETED"), a_job("drsjob-2")])
    watcher = world.watcher()

    async def one_after_the_other():
        first = watcher.recovery_goes_first
        with watcher.recovery_waiting():
            during = watcher.recovery_goes_first
        world.now += timedelta(seconds=19)
        after = watcher.recovery_goes_first
        world.now += timedelta(seconds=1)
        return [first, during, after, watcher.recovery_goes_first]

    assert asyncio.run(one_after_the_other()) == [False, True, True, False]
