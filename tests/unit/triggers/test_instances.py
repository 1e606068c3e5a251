"""One look at recovery instances per period, for all triggers of a process."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, Throttled
from drs_provider.triggers.instance_poller import InstanceDesk, Look
from drs_provider.triggers.instances import DrsInstancesTrigger

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_instance(server, state, job="drsjob-1"):
    return {"sourceServerID": server, "ec2InstanceID": f"i-{server}", "ec2InstanceState": state, "jobID": job}


class World:
    """What DRS will say, look by look, and a clock that moves only when somebody sleeps."""

    def __init__(self, *states):
        self.states, self.asked, self.slept, self.now = list(states), [], [], NOW
        self.unhealthy = {}

    def ask(self, servers):
        self.asked.append(list(servers))
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return Look([an_instance(server, state) for server in servers], self.unhealthy)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now = max(self.now, NOW + timedelta(seconds=sum(self.slept) / self.sleepers))
        await asyncio.sleep(0)

    def seconds(self):
        return (self.now - NOW).total_seconds()

    def wait(self, *triggers):
        self.sleepers = len(triggers)

        async def together():
            desk = InstanceDesk(self.ask, clock=self.seconds)
            arguments = {"now": lambda: self.now, "sleep": self.sleep, "jitter": lambda: 1.0}
            return await asyncio.gather(*(trigger.wait([desk], **arguments) for trigger in triggers))

        return [event["outcome"] for event in asyncio.run(together())]


def trigger(*servers, ready="running", job="drsjob-1", **instants):
    return DrsInstancesTrigger(
        **{name: (NOW + after).isoformat() for name, after in instants.items()},
        awaited=[{"aws": {}, "jobs": dict.fromkeys(servers, job)}],
        ready=ready,
        deadline=(NOW + timedelta(minutes=5)).isoformat(),
    )


def test_many_triggers_look_once_a_period_at_all_their_servers():
    world = World("PENDING", "PENDING", "RUNNING")

    assert world.wait(*(trigger(f"s-{number}") for number in range(50))) == ["settled"] * 50
    assert len(world.asked) <= 4
    assert [len(asked) for asked in world.asked[1:]] == [50] * (len(world.asked) - 1)


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        pytest.param({}, "settled", id="it runs"),
        pytest.param({"job": "drsjob-2"}, "timed_out", id="the instance is of another job"),
        pytest.param({"ready": "status_checks"}, "timed_out", id="it runs and its checks do not pass"),
    ],
)
def test_what_a_wave_waits_for_decides(arguments, outcome):
    world = World("RUNNING")
    world.unhealthy = {"i-s-1": "system ok, instance initializing"}

    assert world.wait(trigger("s-1", **arguments)) == [outcome]


@pytest.mark.parametrize(
    ("job", "state", "outcome", "looked_for"),
    [
        pytest.param("drsjob-2", "RUNNING", "settled", timedelta(minutes=2), id="no instance of the job is shown"),
        pytest.param("drsjob-1", "PENDING", "timed_out", timedelta(minutes=5), id="it is shown, and on its way"),
    ],
)
def test_an_instance_that_is_not_shown_is_not_awaited_for_ever(job, state, outcome, looked_for):
    world = World(state)

    assert world.wait(trigger("s-1", job=job, shown_by=timedelta(minutes=2))) == [outcome]
    assert abs(world.now - NOW - looked_for) <= timedelta(seconds=10)


@pytest.mark.parametrize(
    ("state", "instants", "looked_for"),
    [
        pytest.param("STOPPED", {}, timedelta(0), id="nobody has started it"),
        pytest.param("STOPPED", {"stopped_until": timedelta(seconds=30)}, timedelta(seconds=30), id="just started"),
        pytest.param("STOPPING", {"stopped_until": timedelta(seconds=30)}, timedelta(seconds=30), id="just stopped"),
        pytest.param("RUNNING", {"stopped_until": timedelta(seconds=30)}, timedelta(0), id="it runs at once"),
        pytest.param("PENDING", {"look_at": timedelta(seconds=16)}, timedelta(seconds=16), id="another is asked again"),
        pytest.param("STOPPED", {"look_at": timedelta(seconds=16)}, timedelta(seconds=16), id="nothing is on its way"),
    ],
)
def test_what_was_started_may_still_be_called_stopped_and_what_was_refused_is_looked_at_again(
    state, instants, looked_for
):
    world = World(state)

    assert world.wait(trigger("s-1", **instants)) == ["settled"]
    assert world.now - NOW == looked_for


@pytest.mark.parametrize(
    ("state", "instants", "outcome", "told_at"),
    [
        pytest.param("PENDING", {"near_at": timedelta(seconds=60)}, "near", timedelta(seconds=60), id="it may be soon"),
        pytest.param("RUNNING", {"near_at": timedelta(seconds=60)}, "settled", timedelta(0), id="it is there already"),
        pytest.param(
            "PENDING",
            {"near_at": timedelta(seconds=4), "look_at": timedelta(seconds=16)},
            "settled",
            timedelta(seconds=16),
            id="a refused start is to be asked again first",
        ),
    ],
)
def test_who_waits_is_told_once_that_the_end_is_near(state, instants, outcome, told_at):
    world = World(state)

    assert world.wait(trigger("s-1", **instants)) == [outcome]
    assert world.now - NOW == told_at


def test_throttling_slows_the_looks_down_and_a_refusal_ends_them():
    throttled = World(Throttled("DescribeRecoveryInstances", "ThrottlingException", "slow down"), "RUNNING")
    refused = World(AccessDenied("DescribeRecoveryInstances", "AccessDeniedException", "no"))

    assert (throttled.wait(trigger("s-1")), throttled.slept) == (["settled"], [1.0])
    assert (refused.wait(trigger("s-1")), refused.slept) == (["refused"], [])


def test_more_servers_than_a_call_takes_are_looked_at_less_often():
    world = World("PENDING", "RUNNING")

    assert world.wait(trigger(*(f"s-{number}" for number in range(1000)))) == ["settled"]
    assert world.slept == [10.0]


def test_a_look_ages_by_the_clock_of_the_loop_as_the_pauses_between_looks_do():
    looks = []

    class Loop(asyncio.SelectorEventLoop):
        """A loop whose time jumps, as in a rehearsal."""

        jumped = 0.0

        def time(self):
            return super().time() + self.jumped

    def ask(servers):
        looks.append(tuple(servers))
        return Look([], {})

    async def ask_twice():
        desk = InstanceDesk(ask)
        await desk.ask(["s-1"])
        await desk.ask(["s-1"])
        loop.jumped += 3600
        await desk.ask(["s-1"])

    loop = Loop()
    try:
        loop.run_until_complete(ask_twice())
    finally:
        loop.close()

    assert len(looks) == 2
