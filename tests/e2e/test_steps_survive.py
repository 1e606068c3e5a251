"""Ten steps wait in a triggerer that is killed with -9: none is lost, and none with an effect is done twice."""

import sys
import time

import pytest
import yaml

from benchmarks.chaos.campaign import AIRFLOW
from benchmarks.chaos.killing import Killer
from benchmarks.chaos.scenarios import Kill
from demo.ports import any_port
from demo.stack import Settings, Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]

AUTOMATIONS, LAMBDAS, WAITS = 5, 2, 3
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [{"hostname": "db1", "id": "s-0db00000000000001"}],
                }
            ],
            "ssm": {"documents": {"Shop-Slow": {"type": "Automation", "takes": "20m", "steps": ["promote"]}}},
            "lambda_functions": {"slow": {"behaviour": "sleep", "takes": "10m"}},
        }
    ]
}


def a_plan():
    kinds = [{"kind": "ssm_automation", "document": "Shop-Slow", "region": "us-west-2"}] * AUTOMATIONS
    kinds += [{"kind": "lambda", "function": "slow", "repeatable": True, "region": "us-west-2"}] * LAMBDAS
    kinds += [{"kind": "wait", "for": "25s"}] * WAITS
    waves = [
        {"name": f"step-{number}", "depends_on": [], "before": [{**kind, "name": "does"}]}
        for number, kind in enumerate(kinds)
    ]
    plan = {"kind": "RecoveryPlan", "name": "ten", "drill": {"network": "shared"}, "waves": waves}
    return yaml.safe_dump(plan, sort_keys=False)


def test_ten_waiting_steps_survive_the_death_of_the_triggerer(tmp_path):
    plans, fleet = tmp_path / "plans", tmp_path / "fleet.yaml"
    plans.mkdir()
    (plans / "ten.yaml").write_text(a_plan())
    fleet.write_text(yaml.safe_dump(FLEET))
    settings = Settings(
        state=tmp_path / "state", plans=plans, fleets=(fleet,), speed=60, port=any_port(), airflow=AIRFLOW
    )
    with Stack(settings) as stack:
        stack.await_dag("drs.ten")
        killer, until = Killer(stack), time.monotonic() + 240
        run = stack.airflow.trigger("drs.ten", {"mode": "drill"})

        def states():
            return [one["state"] for one in stack.airflow.tasks("drs.ten", run) if one["task_id"].endswith(".does")]

        while states().count("deferred") < AUTOMATIONS + LAMBDAS + WAITS:
            assert time.monotonic() < until, states()
            stack.check(0.3)
        stack.check(3)
        killer.kill(Kill(0.0, "triggerer", 0.5))
        while (state := stack.airflow.run("drs.ten", run)["state"]) not in ("success", "failed"):
            assert time.monotonic() < until, states()
            killer.tend()
            stack.check(0.5)
        calls = stack.simulator.calls()

    assert (state, set(states_of(calls, "StartAutomationExecution").values())) == ("success", {1})
    assert len(states_of(calls, "StartAutomationExecution")) == AUTOMATIONS


def states_of(calls, operation):
    """How often each request of an operation with an effect was done, by its client token."""
    done = {}
    for call in calls:
        if call["operation"] == operation and call["committed"]:
            token = call["request"].get("ClientToken")
            done[token] = done.get(token, 0) + 1
    return done
