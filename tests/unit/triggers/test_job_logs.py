"""Looks at job logs for the board: few, beside everything else, and whatever becomes of them nobody waits or fails."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, ServiceUnavailable, Throttled
from drs_provider.rules.run.handover import LaunchPhases
from drs_provider.triggers.job_logs import JOBS_AT_A_LOOK, JobLogs, Logged
from drs_provider.triggers.job_poller import JobWatcher
from drs_provider.triggers.jobs import DrsJobTrigger
from drs_provider.triggers.phase_record import PhaseRecord

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WHOSE = {"dag_id": "drs.shop", "run_id": "r", "task_id": "web.recovery_job", "attempt": 1}
THROTTLED = Throttled("DescribeJobLogItems", "ThrottlingException", "slow down")
GONE = ServiceUnavailable("DescribeJobLogItems", "ConnectTimeoutError", "no answer")
DENIED = AccessDenied("DescribeJobLogItems", "AccessDeniedException", "no")


def a_job(number, status="STARTED", created=NOW):
    return {
        "jobID": f"drsjob-{number}",
        "status": status,
        "creationDateTime": created.isoformat(),
        "participatingServers": [{"sourceServerID": f"s-{number}", "launchStatus": "PENDING"}],
    }


async def at_once(work):
    await asyncio.sleep(0)
    return work()


class World:
    """DRS with jobs that run for so many seconds, and whose logs say what they are asked to say."""

    def __init__(self, *, seconds=540, jobs=1, log=None):
        self.now, self.seconds, self.count = NOW, seconds, jobs
        self.log = log or (lambda _job_id: [])
        self.looks = []
        self.asked = 0
        self.written = []

    def jobs(self, job_ids):
        self.asked += 1
        status = "COMPLETED" if self.now - NOW >= timedelta(seconds=self.seconds) else "STARTED"
        return [job for number in range(self.count) if (job := a_job(number, status))["jobID"] in job_ids]

    def ask_log(self, job_id):
        self.looks.append((job_id, (self.now - NOW).total_seconds()))
        found = self.log(job_id)
        if isinstance(found, Exception):
            raise found
        return [
            {"logDateTime": NOW.isoformat(), "event": event, "eventData": {"sourceServerID": f"s-{job_id[7:]}"}}
            for event in found
        ]

    async def sleep(self, seconds):
        for _ in range(10):  # what runs beside the loop gets its turn before time passes
            await asyncio.sleep(0)
        self.now += timedelta(seconds=seconds)

    def watch(self, *, shown=True, write=None, in_thread=at_once):
        async def watching():
            logs = JobLogs(self.ask_log, now=lambda: self.now, in_thread=in_thread)
            watcher = JobWatcher(self.jobs, sleep=self.sleep, now=lambda: self.now, jitter=lambda: 1.0, logs=logs)
            trigger = DrsJobTrigger(
                watches=[{"aws": {}, "job_ids": [f"drsjob-{number}" for number in range(self.count)]}],
                since=NOW.isoformat(),
                deadline=(NOW + timedelta(hours=1)).isoformat(),
            )
            if shown:
                trigger.record = PhaseRecord(WHOSE, in_thread=at_once, write=write or self.written.append)
            return await trigger.watch([watcher], now=lambda: self.now)

        return asyncio.run(watching())


def test_the_log_of_a_job_is_read_a_quarter_as_often_as_the_job_itself():
    world = World()

    event = world.watch()

    assert event["outcome"] == "ended"
    assert 20 <= len(world.looks) <= 31
    assert len(world.looks) * 4 < world.asked + 10


def test_many_jobs_cost_a_bounded_number_of_looks_and_each_has_its_turn():
    alone, many = World(), World(jobs=20)
    alone.watch()

    many.watch()

    assert len(many.looks) <= JOBS_AT_A_LOOK * len(alone.looks)
    assert {job_id for job_id, _ in many.looks} == {f"drsjob-{number}" for number in range(20)}
    assert [job_id for job_id, _ in many.looks[:3]] == ["drsjob-0", "drsjob-1", "drsjob-10"]


def test_nobody_reads_a_log_for_a_task_that_no_board_shows():
    world = World()

    assert (world.watch(shown=False)["outcome"], world.looks) == ("ended", [])


def test_what_is_left_for_the_board_is_written_only_where_it_is_new():
    phases = iter([["JOB_START"], ["JOB_START"], ["SNAPSHOT_START"], ["SNAPSHOT_START"]])
    world = World(log=lambda _job_id: next(phases, ["CONVERSION_START"]))

    world.watch()

    assert [left.events("drsjob-0") for left in world.written] == [
        {"s-0": "JOB_START"},
        {"s-0": "SNAPSHOT_START"},
        {"s-0": "CONVERSION_START"},
    ]
    assert all(isinstance(left, LaunchPhases) for left in world.written)
    assert world.written[0].events("drsjob-9") == {}


@pytest.mark.parametrize(
    ("error", "looks"),
    [
        pytest.param(DENIED, 1, id="not allowed: an hour of peace"),
        pytest.param(KeyError("logDateTime"), 1, id="a defect: likewise"),
        pytest.param(THROTTLED, 5, id="throttled: two minutes of peace"),
        pytest.param(GONE, 5, id="no answer: two minutes too"),
    ],
)
def test_a_log_that_cannot_be_read_changes_nothing_of_the_wait(error, looks):
    world, quiet = World(log=lambda _job_id: error), World()
    quiet.watch(shown=False)

    event = world.watch()

    assert (event["outcome"], event["detail"]) == ("ended", "")
    assert len(world.looks) == looks
    assert world.written == []
    assert world.asked == quiet.asked


def test_a_refused_look_says_once_what_the_board_does_instead(caplog):
    with caplog.at_level(logging.WARNING):
        World(log=lambda _job_id: DENIED).watch()

    assert [record.message for record in caplog.records] == [
        (
            "The log of drsjob-0 cannot be read, the board estimates the phases: DescribeJobLogItems: "
            "AccessDeniedException: no (add the permission to the role of the Airflow connection; docs/permissions.md "
            "lists them all)"
        )
    ]


def test_a_log_that_never_answers_keeps_nobody_from_the_end_of_the_job():
    async def never(_work):
        await asyncio.sleep(3600)

    world = World()

    assert world.watch(in_thread=never)["outcome"] == "ended"
    assert world.written == []


def test_a_phase_that_cannot_be_written_changes_nothing_of_the_wait(caplog):
    def write(_phases):
        raise ConnectionError("the API server is away")

    world = World(log=lambda _job_id: ["CONVERSION_START"])

    assert world.watch(write=write)["outcome"] == "ended"
    assert "The phases of the jobs are not shown for now: the API server is away" in caplog.text


def test_a_phase_whose_write_failed_is_written_with_the_next_look_though_nothing_is_new():
    answers = iter([ConnectionError("the API server is away")])
    world = World(log=lambda _job_id: ["CONVERSION_START"])

    def write(phases):
        if error := next(answers, None):
            raise error
        world.written.append(phases)

    assert world.watch(write=write)["outcome"] == "ended"
    (phases,) = world.written
    assert phases.jobs["drsjob-0"].servers == {"CONVERSION_START": ("s-0",)}


def test_a_last_phase_whose_write_failed_is_tried_once_more_at_the_end():
    written, answers = [], iter([ConnectionError("the API server is away")])

    def write(phases):
        if error := next(answers, None):
            raise error
        written.append(phases)

    async def note():
        record = PhaseRecord(WHOSE, in_thread=at_once, write=write)
        record.note(Logged(NOW, "drsjob-1", {"s-1": "JOB_START"}))
        await asyncio.sleep(0)
        await record.close()

    asyncio.run(note())
    assert [sorted(phases.jobs) for phases in written] == [["drsjob-1"]]


def test_what_a_log_said_says_of_which_job_and_when():
    assert Logged(NOW, "drsjob-1", {"s-1": "JOB_START"}).job_id == "drsjob-1"
