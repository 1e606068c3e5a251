"""What fails a failback at its end: what runs in its origin unprotected, or was launched there and is no more."""

import pytest
from drs_provider.rules.failback.left_behind import left_behind
from drs_provider.rules.failback.next_step import next_reprotection
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.launch.results import ServerResult
from kit.circles import A2, A4, B1, circle, failback_server, instance, where

READY = {"west_instances": [instance()], "east": [failback_server()]}
BACK = {**READY, "east_instances": [instance(A4, A2)]}
STALLED = {"west_instances": [instance()], "east": [failback_server("STALLED", error="AGENT_NOT_SEEN")]}
LAUNCHED = ServerResult(B1, "db1", True, "launched", instance_id=A4)
FAILED = ServerResult(B1, "db1", True, "failed", reason="no capacity")
SKIPPED = "not failed back: its wave has launched nothing in this run"


@pytest.mark.parametrize(
    ("cloud", "result", "words", "fails"),
    [
        (READY, None, SKIPPED, False),
        (STALLED, None, SKIPPED, False),
        ({"west_instances": [instance()]}, None, SKIPPED, False),
        (READY, FAILED, "not failed back: no capacity", False),
        (READY, LAUNCHED, f"its instance {A4} was launched by this run and is no more", True),
        (BACK, LAUNCHED, "why", True),
        (BACK, FAILED, "why", True),
        (BACK, None, "why", True),
        ({"west_instances": [instance(), instance(A2)]}, None, "why", True),
    ],
    ids=[
        "left out",
        "left out, stalled",
        "not copied",
        "failed",
        "gone",
        "back",
        "back late",
        "not ours",
        "nobody knows",
    ],
)
def test_only_what_was_launched_in_its_origin_fails_the_protection(cloud, result, words, fails):
    found = left_behind({B1: "why"}, {B1: where(**cloud)}, {B1: result} if result else {})

    assert found.left == {B1: words}
    assert found.unprotected == ({B1} if fails else set())


def test_what_was_not_launched_is_not_waited_for_although_its_copy_may_go_on():
    found = circle(**STALLED)
    state = state_of(found)
    step = next_reprotection(state, found)

    assert (state.stage, state.passes, step.kind) == (Stage.STUCK, True, "refused")
    assert step.why.startswith("it was not launched in its origin: fail it back first (")
