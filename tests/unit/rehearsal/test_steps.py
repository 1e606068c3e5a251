"""Steps of a plan, and the tasks that they become."""

import pytest
from drs_provider.plan.model import RecoveryPlan
from drs_provider.rehearsal.steps import planned_steps, task_of

PLAN = RecoveryPlan.model_validate(
    {
        "kind": "RecoveryPlan",
        "name": "shop",
        "before": [{"kind": "lambda", "name": "freeze", "function": "freeze", "when": "recovery"}],
        "after": [{"kind": "wait", "name": "settle", "for": "2m"}],
        "waves": [
            {
                "name": "db",
                "groups": ["db"],
                "before": [{"kind": "approval", "name": "ask", "message": "Go?", "approvers": ["ann"]}],
                "after": [{"kind": "tcp", "name": "answers", "host": "db", "port": 5432}],
            }
        ],
    }
)
STEPS = {one.step.name: one for one in planned_steps(PLAN)}


def test_steps_come_in_the_order_of_the_plan():
    assert [(one.where, one.place) for one in STEPS.values()] == [
        ("plan: freeze", "before"),
        ("wave db: ask", "before"),
        ("wave db: answers", "after"),
        ("plan: settle", "after"),
    ]


def test_only_what_stays_in_the_simulator_is_run():
    assert {name for name, one in STEPS.items() if one.is_run} == {"ask", "settle"}
    assert [STEPS["freeze"].takes_place(mode) for mode in ("drill", "recovery")] == [False, True]


@pytest.mark.parametrize(
    ("name", "tasks", "found"),
    [
        ("ask", ["db.ask", "web.ask"], "db.ask"),
        ("ask", ["web.ask"], None),
        ("settle", ["after.settle", "db.settle"], "after.settle"),
        ("settle", ["settle"], "settle"),
        ("settle", ["before.settle", "steps_after.settle"], "steps_after.settle"),
        ("freeze", ["db.freeze"], None),
    ],
)
def test_the_task_of_a_step_is_found_by_the_contract_of_names(name, tasks, found):
    assert task_of(STEPS[name], tasks, ["db", "web"]) == found
