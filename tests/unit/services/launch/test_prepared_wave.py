"""A wave of servers that were launched stopped: what is started when, and what is said of the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, AwsError, RunRefused, Throttled
from drs_provider.rules.ahead.next_start import CAPACITY_PATIENCE, HELD, MOST_STARTS, SETTLES_WITHIN
from drs_provider.rules.launch.results import ServerResult, tolerance
from drs_provider.rules.run.handover import InstanceStarts, PreflightServer
from drs_provider.services.launch.prepared_wave import PreparedWave, SeenLaunch
from drs_provider.services.store import load

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Store(dict):
    def set(self, key, value):
        self[key] = value


class Ec2:
    """EC2 of one account and Region: states by instance id."""

    def __init__(self, **states):
        self.states = {name.replace("_", "-"): state for name, state in states.items()}
        self.refuses = {}
        self.calls = []

    def instance_states(self, names):
        return {name: self.states[name] for name in names if name in self.states}

    def repeated(self, operation, attempt):
        assert operation == "ec2:StartInstances"
        return attempt()

    def start_instances(self, names):
        self.calls.append(list(names))
        for name in names:
            if name in self.refuses:
                raise self.refuses[name]
        self.states.update(dict.fromkeys(names, "pending"))
        return {}


class Wave:
    def __init__(self, *servers, ready="running", tolerates="0", **more):
        self.now, self.store, self.ec2, self.more = NOW, Store(), Ec2(), more
        self.servers, self.ready, self.tolerates = servers, ready, tolerates
        self.ec2.states = {f"i-{server.server_id}": "stopped" for server in servers}

    def seen(self, **over):
        results, pending = [], set()
        for server in self.servers:
            name = f"i-{server.server_id}"
            state = self.ec2.states.get(name, "terminated").upper()
            more = over.get(server.server_id, {})
            status = "launched" if state in ("STOPPED", "RUNNING") else "failed"
            if state == "PENDING" or (state == "RUNNING" and more):
                pending.add(server.server_id)
            result = ServerResult(
                server.server_id, server.hostname, server.critical, status, instance_id=name, instance_state=state
            )
            results.append(ServerResult(**{**{f: getattr(result, f) for f in result.__dataclass_fields__}, **more}))
        return [SeenLaunch(self.ec2, results, frozenset(pending))]

    def go_on(self, *, order=None, **over):
        allows = tolerance(self.tolerates)
        wave = PreparedWave(self.servers, self.ready, allows, self.store, lambda: self.now, **self.more)
        return wave.go_on(self.seen(**over), order=order)


def server(name, *, order=1, critical=True, is_started=True):
    return PreflightServer(
        server_id=name, hostname=name, group="g", critical=critical, order=order, ahead=True, is_started=is_started
    )


def outcomes(found):
    return {result.server_id: (result.status, result.reason) for result in found.results}


def test_a_wave_is_started_in_one_call_and_then_awaited():
    wave = Wave(server("a"), server("b"))
    first = wave.go_on()
    second = wave.go_on()
    wave.ec2.states = dict.fromkeys(wave.ec2.states, "running")
    third = wave.go_on()

    assert (first.started, wave.ec2.calls) == (("a", "b"), [["i-a", "i-b"]])
    assert dict(first.awaited) == {"a": "its start was asked for", "b": "its start was asked for"}
    assert (second.started, dict(second.awaited)) == ((), {"a": "its instance boots", "b": "its instance boots"})
    assert (third.started, dict(third.awaited)) == ((), {})
    assert outcomes(third) == {"a": ("launched", None), "b": ("launched", None)}
    assert len(wave.ec2.calls) == 1


def test_stages_are_started_one_after_the_other():
    wave = Wave(server("db"), server("app", order=2))
    first = wave.go_on()
    wave.ec2.states["i-db"] = "running"
    second = wave.go_on()

    assert (first.started, second.started) == (("db",), ("app",))
    assert dict(first.awaited) == {"db": "its start was asked for"}


def test_what_the_plan_wants_stopped_is_left_alone():
    wave = Wave(server("a", is_started=False))
    found = wave.go_on()

    assert (found.started, dict(found.awaited), wave.ec2.calls) == ((), {}, [])
    assert outcomes(found) == {"a": ("launched", None)}


def test_an_order_of_a_person_starts_nothing_and_says_so():
    wave = Wave(server("a"), server("b"), server("c"), server("d", is_started=False))
    wave.ec2.states |= {"i-b": "running", "i-c": "pending"}
    found = wave.go_on(order="cancelled by ann")

    assert (found.started, dict(found.awaited), wave.ec2.calls) == ((), {"c": "its instance boots"}, [])
    assert outcomes(found) == {
        "a": ("failed", "prepared, not started: cancelled by ann"),
        "b": ("launched", None),
        "c": ("failed", None),
        "d": ("launched", None),
    }


def test_a_launch_that_drs_calls_failed_is_never_started():
    wave = Wave(server("a"))
    found = wave.go_on(a={"status": "failed", "reason": "LAUNCH_FAILED: x"})

    assert (found.started, dict(found.awaited)) == ((), {})
    assert outcomes(found) == {"a": ("failed", "LAUNCH_FAILED: x")}


def test_status_checks_are_awaited():
    wave = Wave(server("a"), ready="status_checks")
    wave.ec2.states["i-a"] = "running"
    checks = {"a": {"status": "failed", "reason": "system ok, instance initializing"}}
    waiting, done = wave.go_on(**checks), wave.go_on()

    assert dict(waiting.awaited) == {"a": "EC2's status checks say: system ok, instance initializing"}
    assert outcomes(done) == {"a": ("launched", None)}


def test_one_that_ec2_has_no_capacity_for_is_asked_again_and_then_given_up():
    wave = Wave(server("a"), server("b"))
    wave.ec2.refuses["i-b"] = AwsError("ec2:StartInstances", "InsufficientInstanceCapacity", "none left")
    first = wave.go_on()
    wave.ec2.states["i-a"] = "running"
    paused = wave.go_on()
    wave.now += CAPACITY_PATIENCE / 2
    again = wave.go_on()
    wave.now += CAPACITY_PATIENCE
    over = wave.go_on()

    assert first.started == ("a",)
    assert wave.ec2.states["i-b"] == "stopped"
    assert "no capacity for it now" in paused.awaited["b"]
    assert paused.look_at is not None
    assert (again.started, wave.ec2.calls[-1]) == ((), ["i-b"])
    assert dict(over.awaited) == {}
    assert outcomes(over)["a"] == ("launched", None)
    status, reason = outcomes(over)["b"]
    assert status == "failed"
    assert "InsufficientInstanceCapacity" in reason


def test_who_may_not_start_is_told_so_and_nothing_is_awaited():
    wave = Wave(server("a"))
    wave.ec2.refuses["i-a"] = AccessDenied("ec2:StartInstances", "UnauthorizedOperation", "no")
    found = wave.go_on()

    assert (found.started, dict(found.awaited)) == ((), {})
    assert "UnauthorizedOperation" in outcomes(found)["a"][1]


def test_aws_that_does_not_answer_is_no_verdict_and_nothing_is_remembered():
    wave = Wave(server("a"))
    wave.ec2.refuses["i-a"] = Throttled("ec2:StartInstances", "RequestLimitExceeded", "slow down")
    with pytest.raises(Throttled):
        wave.go_on()

    assert load(wave.store, InstanceStarts) is None
    wave.ec2.refuses.clear()
    assert wave.go_on().started == ("a",)


def test_an_instance_that_stops_by_itself_is_started_again_and_given_up_in_the_end():
    wave = Wave(server("a"))
    starts = 0
    for _ in range(MOST_STARTS + 2):
        starts += len(wave.go_on().started)
        wave.ec2.states["i-a"] = "stopped"
        wave.now += SETTLES_WITHIN + timedelta(seconds=1)

    assert starts == MOST_STARTS
    assert outcomes(wave.go_on())["a"] == ("failed", "its instance stops by itself, after 3 starts")


def test_what_failed_before_holds_up_what_boots_after_it():
    wave = Wave(server("db"), server("app", order=2))
    wave.ec2.states.pop("i-db")
    found = wave.go_on()

    assert (found.started, dict(found.awaited)) == ((), {})
    assert outcomes(found)["app"] == ("failed", HELD)
    assert outcomes(found)["db"][0] == "failed"


def test_nobody_knows_is_not_lowered_to_failed():
    wave = Wave(server("a"))
    unknown = {"a": {"status": "unknown", "reason": "look in EC2", "instance_state": None}}
    found = wave.go_on(**unknown)

    assert outcomes(found) == {"a": ("unknown", "look in EC2")}
    assert found.started == ()


def test_a_cleared_task_starts_again_what_ec2_had_refused():
    wave = Wave(server("a"))
    wave.ec2.refuses["i-a"] = AccessDenied("ec2:StartInstances", "UnauthorizedOperation", "no")
    first = wave.go_on()
    wave.ec2.refuses.clear()
    same = wave.go_on()
    wave.more["max_tries"] = 6
    cleared = wave.go_on()

    assert (first.started, same.started, cleared.started) == ((), (), ("a",))


def test_nothing_is_started_where_nothing_may_be_and_it_is_asked_only_before_a_start():
    asked = []

    def refuse(hook):
        asked.append(hook)
        raise RunRefused("a recovery has begun")

    wave = Wave(server("a"), ensure_may_start=refuse)
    with pytest.raises(RunRefused, match="a recovery has begun"):
        wave.go_on()
    wave.ec2.states["i-a"] = "running"
    over = wave.go_on()

    assert (asked, wave.ec2.calls) == ([wave.ec2], [])
    assert outcomes(over) == {"a": ("launched", None)}


def test_what_may_be_launched_again_holds_up_those_that_boot_after_it_and_nobody_waits_for_it():
    said = []

    def may_relaunch(result):
        said.append(result.reason)
        return "no machine" in (result.reason or "")

    wave = Wave(server("a"), server("b", order=2), tolerates="100%", may_relaunch=may_relaunch)
    wave.ec2.refuses["i-a"] = AwsError("ec2:StartInstances", "Unsupported", "no machine")
    found = wave.go_on()

    assert (found.started, dict(found.awaited)) == ((), {})
    assert outcomes(found) == {
        "a": ("failed", "EC2 refused its start: ec2:StartInstances: Unsupported: no machine"),
        "b": ("failed", "prepared, not started"),
    }
    assert said[-2:] == ["ec2:StartInstances: Unsupported: no machine", None]


def test_what_ec2_starts_while_drs_still_calls_it_stopped_is_awaited_for_a_while():
    wave = Wave(server("a"))
    seen = wave.seen()
    wave.ec2.states["i-a"] = "pending"
    found = PreparedWave(wave.servers, "running", tolerance("0"), wave.store, lambda: NOW).go_on(seen)

    assert (found.started, dict(found.awaited)) == ((), {"a": "its start was asked for"})
    assert (found.look_at, found.stopped_until) == (None, NOW + SETTLES_WITHIN)


@pytest.mark.parametrize("ready", ["launched", "running", "status_checks"])
def test_an_instance_that_runs_and_is_not_ready_is_awaited_and_its_reason_is_told(ready):
    wave = Wave(server("a"), ready=ready)
    wave.ec2.states["i-a"] = "running"
    found = wave.go_on(a={"status": "failed", "reason": "not yet"})
    said = {"status_checks": "EC2's status checks say: not yet"}.get(ready, "not yet")

    assert dict(found.awaited) == {"a": said}


def test_what_nobody_has_seen_in_its_place_is_not_started_and_is_awaited():
    wave = Wave(server("a"), server("b"))
    (seen,) = wave.seen()
    hidden = SeenLaunch(seen.hook, seen.results, frozenset(["a"]), unproven=frozenset(["a"]))
    prepared = PreparedWave(wave.servers, "running", tolerance("0"), wave.store, lambda: NOW)
    found = prepared.go_on([hidden])

    assert (found.started, wave.ec2.calls) == (("b",), [["i-b"]])
    assert found.awaited["a"] == "DRS does not show its instance yet"
    assert found.stopped_until == NOW + SETTLES_WITHIN
    assert prepared.go_on(wave.seen()).started == ("a",)


def test_people_see_what_is_prepared_boots_is_refused_and_is_up():
    wave = Wave(server("a"), server("b"), server("c"), server("d", order=2), tolerates="100%")
    wave.ec2.states["i-b"] = "running"
    wave.ec2.refuses["i-c"] = AwsError("ec2:StartInstances", "InsufficientInstanceCapacity", "none left")
    found = wave.go_on()

    assert dict(found.phases) == {
        "a": "INSTANCE_BOOTS",
        "b": "INSTANCE_UP",
        "c": "START_REFUSED",
        "d": "INSTANCE_PREPARED",
    }
    wave.ec2.states.pop("i-a")
    assert wave.go_on().phases["a"] == ""


def test_why_an_instance_is_kept_stands_behind_why_it_was_refused():
    wave = Wave(server("a"), why_kept=lambda result: "It is kept." if result.reason else "")
    wave.ec2.refuses["i-a"] = AwsError("ec2:StartInstances", "Unsupported", "no machine")

    assert outcomes(wave.go_on())["a"] == (
        "failed",
        "EC2 refused its start: ec2:StartInstances: Unsupported: no machine. It is kept.",
    )
