"""Ten steps wait in a triggerer that is killed with -9: none is lost, and none with an effect is done twice."""

import sys

import pytest

from benchmarks.chaos.killer import Killer
from benchmarks.chaos.scenarios import Kill

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

AUTOMATIONS, LAMBDAS, WAITS = 5, 2, 3


@pytest.fixture
def slower(stack):
    """The stack at a speed at which the steps wait for some twenty seconds."""
    stack.speed(60)
    yield stack
    stack.speed(600)


def test_ten_waiting_steps_survive_the_death_of_the_triggerer(slower):
    killer = Killer(slower)
    run = slower.airflow.trigger("drs.ten", {"mode": "drill"})

    def states():
        return [state for task, state in slower.states("ten", run).items() if task.endswith(".does")]

    def is_over():
        killer.tend()
        return slower.airflow.run("drs.ten", run)["state"] in ("success", "failed")

    slower.until(lambda: states().count("deferred") == AUTOMATIONS + LAMBDAS + WAITS, states)
    slower.check(3)
    killer.kill(Kill(0.0, "triggerer", 0.5))
    slower.until(is_over, states)

    done = done_of(slower.simulator.calls(), "StartAutomationExecution")
    assert slower.airflow.run("drs.ten", run)["state"] == "success"
    assert (len(done), set(done.values())) == (AUTOMATIONS, {1})


def done_of(calls, operation):
    """How often each request of an operation with an effect was done, by its client token."""
    done = {}
    for call in calls:
        if call["operation"] == operation and call["committed"]:
            token = call["request"].get("ClientToken")
            done[token] = done.get(token, 0) + 1
    return done
