"""The rounds of a wave: what is launched next, what is waited for, and what its instances are like."""

import logging
from datetime import timedelta

import pytest
from drs_provider.exceptions import AccessDenied, QuotaExceeded, RunRefused
from drs_provider.rules.launch.next_launch import NOTHING_STARTED, Judge, LaunchNext, NextLaunch, Try
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.results import ServerResult, tolerance
from drs_provider.rules.launch.tags import TRY, job_tags
from drs_provider.rules.run.handover import (
    FollowedJobs,
    InstanceCheck,
    LaterLaunches,
    Launch,
    LaunchedJob,
    PreflightResult,
    Tries,
    WaitingSince,
)
from drs_provider.services.launch.launch_memory import Memory
from drs_provider.services.launch.start_jobs import MustWait
from drs_provider.services.launch.wave_rounds import NoRoom, NothingStarted, WaveRounds, WaveRun
from drs_provider.services.store import load
from kit.fake_drs import NOW, FakeDrs, MemoryStore

HERE = {"aws_conn_id": "aws_default", "region": "us-west-2"}
START = "db.start_recovery"
IDENTITY = {"dag_id": "drs.shop", "run_id": "r", "wave": "db"}


class Drs(FakeDrs):
    """The fake with what is asked about EC2 instances; ``subnets`` by instance id."""

    def __init__(self, **more):
        super().__init__(**more)
        self.subnets: dict[str, str] = {}
        self.protected: list[str] = []

    def ec2_instances(self, instance_ids):
        return {name: {"InstanceId": name, "SubnetId": self.subnets.get(name)} for name in instance_ids}

    def protect(self, instance_ids):
        self.protected += instance_ids
        return dict.fromkeys(instance_ids)


class Guard:
    """What the task knows of the run around it; ``calls`` are those of the guard, in their order."""

    def __init__(self):
        self.words: str | None = None
        self.taken: str | None = None
        self.calls: list[tuple] = []

    def order(self):
        return self.words

    def ensure_not_taken_over(self, hook):
        self.calls.append(("not taken over",))
        if self.taken:
            raise RunRefused(self.taken)

    def ensure_may_launch(self, server_ids):
        """Every server may be."""

    def ensure_safe(self, launched, hook, settings):
        self.calls.append(("safe", launched.start_task_id, tuple(settings)))

    def in_this_run(self, launched, settings):
        return settings

    def marks(self, launched):
        return {}


def preflight(*servers, mode="drill", more=()):
    part = {**HERE, "servers": [{"hostname": f"host-{server['server_id']}", **server} for server in servers]}
    return PreflightResult.from_json(
        {
            "plan": "shop",
            "digest": "abc",
            "passed": True,
            "mode": mode,
            "checked_at": NOW.isoformat(),
            "needs_approval": False,
            "waves": {"db": {"selected": True, "targets": [part, *more]}},
        }
    )


TWO_STAGES = preflight({"server_id": "s-1"}, {"server_id": "s-2", "order": 2})
ASTRAY = (
    "the drill's instance is not in the requested place, perhaps in production: subnet_id is subnet-b, expected "
    "subnet-a"
)
NEXT = (NextLaunch(1, ("s-2",), again=False),)


class World:
    """A wave whose start has launched ``s-1``; every ``leg`` is a fresh process that shares store and cloud."""

    def __init__(self, found=TWO_STAGES, **more):
        self.found, self.more = found, more
        self.drs, self.store, self.guard = Drs(), MemoryStore(), Guard()
        self.first = self.drs.add_job(["s-1"], tags=job_tags(**IDENTITY, chunk=0, attempt=1))
        self.drs.end(self.first)
        self.now = NOW

    def leg(self, **more):
        job = LaunchedJob(job_id=self.first["jobID"], servers=("s-1",), created_at=NOW)
        arguments = {
            "plan": "shop",
            "wave": "db",
            "digest": "abc",
            "retries": 0,
            "run": WaveRun("drs.shop", "r", NOW),
            "preflight": self.found,
            "launches": {START: Launch(**HERE, jobs=(job,))},
            "store": self.store,
            "memory": Memory(self.store, max_tries=0),
            "guard": self.guard,
            "hook_of": lambda _: self.drs,
            "clock": lambda: self.now,
            **self.more,
            **more,
        }
        return WaveRounds(**arguments)


def up(server):
    return ServerResult(server, f"host-{server}", True, "launched", instance_id=f"i-{server}", job_id="j")


def test_the_next_stage_is_launched_once_and_a_later_leg_knows_its_job():
    world = World()
    step = world.leg().next_step([up("s-1")], allows=tolerance("0"))

    assert step == LaunchNext(NEXT, {})
    assert [world.leg().launch(step.launches) for _ in range(2)] == [None, NothingStarted()]
    assert world.drs.starts == [("s-2",)]
    assert world.guard.calls[:2] == [("not taken over",), ("safe", START, ("s-2",))]
    (watched,) = world.leg().watched
    assert [(job.job_id[-1], job.servers) for job in watched.jobs] == [("0", ("s-1",)), ("1", ("s-2",))]
    assert world.leg().later_launches() == LaterLaunches(
        launches=(Launch(**HERE, jobs=(watched.jobs[1],)),),
    )


def test_a_drill_that_a_recovery_has_taken_over_launches_nothing_more():
    world = World()
    world.guard.taken = "a recovery began"

    with pytest.raises(RunRefused, match="a recovery began"):
        world.leg().launch(NEXT)

    assert world.drs.starts == []


def test_a_recovery_looks_for_no_other_recovery():
    world = World(preflight({"server_id": "s-1"}, {"server_id": "s-2", "order": 2}, mode="recovery"))
    world.drs.source_servers = lambda ids: [
        {"sourceServerID": server, "dataReplicationInfo": {"dataReplicationState": "CONTINUOUS"}} for server in ids
    ]

    world.leg().launch(NEXT)

    assert world.guard.calls == [("safe", START, ("s-2",))]
    assert world.drs.starts == [("s-2",)]


def test_a_later_job_of_a_server_decides_its_outcome():
    world = World()
    again = world.drs.add_job(["s-1"], tags=job_tags(**IDENTITY, chunk=0, attempt=2), created=NOW)
    jobs = [{"job_id": again["jobID"], "servers": ["s-1"], "created_at": NOW.isoformat(), "attempt": 2, **HERE}]
    world.store[FollowedJobs.KEY] = jobs

    assert [(job.job_id[-1], job.servers) for job in world.leg().watched[0].jobs] == [("0", ()), ("1", ("s-1",))]


def test_where_there_is_no_room_the_wave_waits_since_its_first_look_and_not_for_ever():
    world = World(preflight({"server_id": "s-1"}, {"server_id": "s-2", "order": 2}))
    stranger = world.drs.add_job(["s-9"])
    world.drs.limits = Quotas(jobs=1)

    full = world.leg().launch(NEXT)

    assert isinstance(full, NoRoom)
    assert full.wait == MustWait(
        "no room in the account: 1 of 1 concurrent jobs are running, 1 more server waits", (stranger["jobID"],), "any"
    )
    world.leg().wait_for_room(full.wait)
    world.now += timedelta(hours=6)
    world.leg().wait_for_room(full.wait)
    assert load(world.store, WaitingSince) == WaitingSince(since=NOW)
    world.now += timedelta(seconds=1)
    with pytest.raises(QuotaExceeded) as late:
        world.leg().wait_for_room(full.wait)
    assert "waited 6h: no room in the account" in str(late.value)


def test_what_was_launched_ends_the_wait_for_room():
    world = World()
    world.leg().wait_for_room(MustWait("no room", (), "any"))

    assert world.leg().launch(NEXT) is None
    assert load(world.store, WaitingSince) == WaitingSince()


def test_a_failed_server_is_launched_again_in_its_next_try_and_the_report_learns_why(caplog):
    world = World(preflight({"server_id": "s-1"}), retries=1)
    world.drs.end(world.first, "FAILED")
    failed = ServerResult("s-1", "host-s-1", True, "failed", job_id=world.first["jobID"], reason="CONVERSION: bad")

    with caplog.at_level(logging.WARNING):
        step = world.leg().next_step([failed], allows=tolerance("0"))
    world.leg().launch(step.launches)

    assert caplog.messages == ["host-s-1 is launched again as before: CONVERSION: bad"]
    assert world.drs.all_jobs[1]["tags"][TRY] == "2"
    assert world.leg().earlier_tries() == Tries(
        servers={"s-1": (Try(world.first["jobID"], "CONVERSION: bad", "again"),)}
    )


GONE = "DRS launched it, but its instance i-00000000000000000 is NOT_FOUND"


@pytest.mark.parametrize("state", ["NOT_FOUND", "TERMINATED", "STOPPED"])
def test_a_server_that_drs_calls_launched_and_that_is_not_there_is_launched_again_as_often_as_the_plan_says(state):
    world = World(preflight({"server_id": "s-1"}), retries=1)

    def failed(job):
        name = f"i-of-{job['jobID']}"
        return ServerResult("s-1", "h", True, "failed", name, state, job_id=job["jobID"], reason=GONE)

    step = world.leg().next_step([failed(world.first)], allows=tolerance("0"))

    assert step.launches == (NextLaunch(2, ("s-1",), again=True),)
    assert world.leg().launch(step.launches) is None
    assert world.drs.starts == [("s-1",)]
    again = world.drs.all_jobs[1]
    assert again["tags"][TRY] == "2"
    world.drs.end(again)
    assert isinstance(world.leg().next_step([failed(again)], allows=tolerance("0")), Judge)
    assert world.drs.starts == [("s-1",)]


def test_a_server_whose_job_still_runs_is_not_launched_beside_it():
    world = World(preflight({"server_id": "s-1"}), retries=1)
    world.first.update(status="STARTED")

    assert isinstance(world.leg().launch([NextLaunch(2, ("s-1",), again=True)]), NoRoom)
    assert world.drs.starts == []


def test_a_launch_that_starts_nothing_is_said_so_that_the_wave_ends():
    world = World()
    world.guard.words = "cancelled by ann"

    assert world.leg().launch(NEXT) == NothingStarted()
    assert world.drs.starts == []


@pytest.mark.parametrize("stopped", [NOTHING_STARTED, "not launched: the 20m of the wave's timeout are over"])
def test_what_is_not_launched_any_more_is_judged_with_the_reason(stopped):
    step = World().leg().next_step([up("s-1")], allows=tolerance("0"), stopped=stopped)

    assert step == Judge((ServerResult("s-2", "host-s-2", True, "failed", reason=stopped),))


def test_what_nobody_knows_is_never_launched_again():
    world = World(preflight({"server_id": "s-1"}), retries=3)
    unknown = ServerResult(
        "s-1", "host-s-1", True, "unknown", job_id=world.first["jobID"], reason="no job, no instance"
    )

    assert isinstance(world.leg().next_step([unknown], allows=tolerance("0")), Judge)


def test_all_rounds_of_a_wave_share_one_deadline_and_waiting_for_room_does_not_count():
    world, timeout = World(), timedelta(minutes=20)
    assert world.leg().deadline(timeout) == NOW + timeout
    world.now += timedelta(minutes=15)
    assert world.leg().deadline(timeout) == NOW + timeout
    world.leg().wait_for_room(MustWait("no room", (), "any"))
    world.now += timedelta(minutes=30)
    assert world.leg().deadline(timeout) == NOW + timeout + timedelta(minutes=30)
    world.leg().launch(NEXT)
    world.now += timedelta(minutes=10)
    assert world.leg().deadline(timeout) == NOW + timeout + timedelta(minutes=30)
    assert world.leg(max_tries=1).deadline(timeout) == world.now + timeout, "a cleared task begins anew"


def test_an_edited_plan_launches_nothing_more_and_says_so(caplog):
    world = World(digest="other")

    step = world.leg().next_step([up("s-1")], allows=tolerance("0"))

    assert [(result.server_id, result.reason) for result in step.missing] == [("s-2", caplog.messages[-1])]
    assert caplog.messages[-1].startswith("plan shop was edited during this run: started with abc, now other.")


def test_a_cancelled_wave_takes_up_what_it_has_begun_itself_and_starts_no_more():
    world = World()
    world.drs.add_job(["s-2"], tags=job_tags(**IDENTITY, chunk=0, attempt=1))

    assert world.leg().follow_begun()
    assert [job.servers for job in world.leg().watched[0].jobs] == [("s-1",), ("s-2",)]
    assert not world.leg().follow_begun()
    assert world.drs.starts == []


def test_once_a_person_has_ended_it_a_launch_that_waits_starts_nothing():
    world = World()
    world.guard.words = "cancelled by ann"

    world.leg().launch(NEXT)

    assert world.drs.starts == []


@pytest.mark.parametrize(
    ("subnet", "mode", "status", "reason"),
    [
        ("subnet-a", "drill", "launched", None),
        (
            "subnet-b",
            "drill",
            "failed",
            ASTRAY,
        ),
        ("subnet-b", "recovery", "launched", None),
    ],
)
def test_a_drills_instance_must_be_where_it_was_asked_to_be(subnet, mode, status, reason):
    world = World(preflight({"server_id": "s-1", "settings": {"subnet_id": "subnet-a"}}, mode=mode))
    name = world.drs.add_instance("s-1", world.first["jobID"], is_drill=mode == "drill")
    world.drs.subnets[name] = subnet

    (result,), checks = world.leg().look_after_instances([up("s-1")])

    assert (result.status, result.reason) == (status, reason)
    assert world.drs.protected == ([name] if mode == "recovery" else [])
    assert checks.servers["s-1"].protected is (mode == "recovery")


def test_an_instance_that_cannot_be_protected_is_said_and_fails_nothing():
    world = World(preflight({"server_id": "s-1"}, mode="recovery"))
    name = world.drs.add_instance("s-1", world.first["jobID"], is_drill=False)
    refusal = AccessDenied("ec2:ModifyInstanceAttribute", "UnauthorizedOperation", "no")
    world.drs.protect = lambda names: dict.fromkeys(names, refusal)

    (result,), checks = world.leg().look_after_instances([up("s-1")])

    assert result.status == "launched"
    assert checks.servers == {
        "s-1": InstanceCheck(instance_id=name, is_drill=False, protected=False, not_protected=str(refusal))
    }


@pytest.mark.parametrize(("base", "counted"), [(1, True), (2, False)])
def test_tries_before_the_turn_count_unless_the_start_has_begun_anew_and_their_settings_are_known(base, counted):
    world = World(preflight({"server_id": "s-1", "settings": {"subnet_id": "subnet-a"}}))
    world.drs.add_instance("s-1", world.first["jobID"])
    (name,) = (instance["ec2InstanceID"] for instance in world.drs.recovery_instances(source_server_ids=("s-1",)))
    world.drs.subnets[name] = "subnet-b"
    job = LaunchedJob(job_id=world.first["jobID"], servers=("s-1",), created_at=NOW)
    tries = {"s-1": (Try("drsjob-0", "no capacity", "fallback", {"subnet_id": "subnet-b"}),)}
    rounds = world.leg(launches={START: Launch(**HERE, attempt=base, jobs=(job,))})
    rounds.remember_tries([Tries(base=1, servers=tries)])

    assert (rounds.tries_of_this_start() is not None) is counted
    ((result,), _) = rounds.look_after_instances([up("s-1")])
    assert result.status == "launched", "it is where its last launch was to be, not in production"
