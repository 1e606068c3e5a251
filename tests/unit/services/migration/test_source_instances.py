"""Starting the instances of sources where EC2 does not start all of them: the others start, and who waits is said."""

import pytest
from drs_provider.exceptions import AccessDenied, AwsError, RunRefused, ServiceUnavailable
from drs_provider.hooks.error_mapping import NO_CAPACITY, refusal_of
from drs_provider.rules.launch.next_launch import lacks_capacity
from drs_provider.rules.migration.source_instances import NamedSource
from drs_provider.services.migration.source_instances import change_sources

DENIED = (
    "ec2:StartInstances: UnauthorizedOperation: no (add the permission to the role of the Airflow connection; "
    "docs/permissions.md lists them all)"
)
ACCOUNT, REGION = "111122223333", "us-east-1"


def no_room(code="InsufficientInstanceCapacity"):
    answer = {"Error": {"Code": code, "Message": "none left"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return refusal_of("ec2:StartInstances", answer)


class Ec2:
    """EC2 of the origin: what it refuses to start, and why, by instance."""

    def __init__(self, refuses=(), **states):
        self.states = {f"i-{name}": state for name, state in states.items()}
        self.refuses = dict(refuses)
        self.calls = []

    def caller_account(self):
        return ACCOUNT

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
        return dict.fromkeys(names, "pending")

    def stop_instances(self, names):
        raise AssertionError(names)


def start(ec2):
    named = [NamedSource(f"s-{name}", name, name, ACCOUNT, REGION) for name in ec2.states]
    return change_sources("start", named, {source.server_id: source for source in named}, lambda _: ec2)


@pytest.mark.parametrize("code", NO_CAPACITY)
def test_one_that_ec2_has_no_capacity_for_waits_and_all_others_start(code):
    names = [f"{number:02d}" for number in range(20)]
    ec2 = Ec2({"i-07": no_room(code)}, **dict.fromkeys(names, "stopped"))

    look = start(ec2)

    assert set(look.asked) == ec2.states.keys() - {"i-07"}
    assert (look.done, set(look.left)) == ((), ec2.states.keys())
    assert look.no_capacity == {"i-07": f"ec2:StartInstances: {code}: none left"}
    assert {name for name, state in ec2.states.items() if state == "stopped"} == {"i-07"}

    ec2.refuses.clear()
    ec2.states = {name: "running" if state == "pending" else state for name, state in ec2.states.items()}
    again = start(ec2)

    assert (again.asked, again.left, again.no_capacity) == (("i-07",), ("i-07",), {})
    assert len(again.done) == 19
    assert ec2.calls[-1] == ["i-07"]


@pytest.mark.parametrize("code", NO_CAPACITY)
def test_missing_capacity_is_nothing_that_the_same_call_does_better_at_once_and_is_known_as_such(code):
    assert not no_room(code).retryable
    assert lacks_capacity(code)


@pytest.mark.parametrize(
    ("refusal", "said", "calls"),
    [
        (
            AwsError("ec2:StartInstances", "UnsupportedOperation", "its volume is gone"),
            "i-a: ec2:StartInstances: UnsupportedOperation: its volume is gone; it was asked to start i-b",
            [["i-a", "i-b"], ["i-a"], ["i-b"]],
        ),
        (
            AccessDenied("ec2:StartInstances", "UnauthorizedOperation", "no"),
            f"i-a: {DENIED}; i-b: {DENIED}",
            [["i-a", "i-b"]],
        ),
    ],
)
def test_another_refusal_is_final_and_says_what_was_started_all_the_same(refusal, said, calls):
    ec2 = Ec2({"i-a": refusal}, a="stopped", b="stopped")

    with pytest.raises(RunRefused) as refused:
        start(ec2)

    assert str(refused.value) == f"EC2 does not start {said}. Correct the cause, then clear this task"
    assert ec2.calls == calls


def test_a_call_without_an_answer_is_left_to_be_repeated():
    ec2 = Ec2({"i-a": ServiceUnavailable("ec2:StartInstances", "ReadTimeoutError", "?")}, a="stopped", b="stopped")

    with pytest.raises(ServiceUnavailable):
        start(ec2)

    assert len(ec2.calls) == 1


def test_one_that_still_stops_is_started_once_it_has_stopped():
    ec2 = Ec2(a="stopping", b="stopped")

    look = start(ec2)

    assert (look.asked, look.left, ec2.calls) == (("i-b",), ("i-a", "i-b"), [["i-b"]])
