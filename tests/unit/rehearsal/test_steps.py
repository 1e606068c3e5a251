"""Steps of a plan, and the tasks that they become."""

import argparse
from datetime import timedelta
from pathlib import Path

import pytest
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rehearsal.step_doubles import length_of_steps, steps_take
from drs_provider.rehearsal.steps import StandIn, StepDecision, World, decide
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import compile_shape

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
GROUP = ProtectionGroup.model_validate(
    {"kind": "ProtectionGroup", "name": "db", "region": "us-west-2", "servers": ["s-00000000000000001"]}
)


def steps_of(plan):
    """The steps of a plan as they stand in its compiled form."""
    return compile_shape(RunnablePlan(plan, {"db": GROUP}, Path("shop.yaml"), "digest")).steps


STEPS = {step.step.name: step for step in steps_of(PLAN)}


def test_steps_come_in_the_order_of_the_plan():
    assert [(step.where, step.side) for step in STEPS.values()] == [
        ("plan: freeze", "before"),
        ("wave db: ask", "before"),
        ("wave db: answers", "after"),
        ("plan: settle", "after"),
    ]


def test_steps_take_place_in_the_modes_that_they_are_for():
    assert [StepDecision(STEPS["freeze"]).takes_place(mode) for mode in ("drill", "recovery")] == [False, True]


HERE = ("111122223333", "us-west-2")
WORLD = World(
    {Target("aws_default", "us-west-2"): HERE},
    frozenset({"db1", "s-00000000000000001"}),
    {"AWS-RunShellScript": "Command", "AWS-StopEC2Instance": "Automation"},
    {HERE: frozenset({"Shop-Check"})},
    {HERE: frozenset({"warm"})},
)
SHELL = {"kind": "ssm_command", "document": "AWS-RunShellScript"}


@pytest.mark.parametrize(
    ("step", "assumed", "made_up"),
    [
        ({"kind": "wait", "for": "2m"}, None, None),
        ({"kind": "approval", "message": "Go?", "approvers": ["ann"]}, None, None),
        (SHELL, None, None),
        ({**SHELL, "document": "Shop-Check", "instances": ["db1"]}, None, None),
        ({**SHELL, "document": "arn:aws:ssm:us-west-2:111122223333:document/Shop-Check"}, None, None),
        ({**SHELL, "document": "Shop-Other"}, None, StandIn("documents", "Shop-Other", HERE, "Command")),
        ({"kind": "ssm_automation", "document": "AWS-StopEC2Instance"}, None, None),
        (
            {"kind": "ssm_automation", "document": "AWS-RunShellScript"},
            None,
            StandIn("documents", "AWS-RunShellScript", HERE, "Automation"),
        ),
        ({"kind": "lambda", "function": "warm"}, None, None),
        ({"kind": "lambda", "function": "arn:aws:lambda:us-west-2:111122223333:function:warm:live"}, None, None),
        ({"kind": "lambda", "function": "cool"}, None, StandIn("lambda", "cool", HERE)),
        (
            {"kind": "lambda", "function": "{{ plan.name }}-warm"},
            "which function it invokes is known only in a run",
            None,
        ),
        ({**SHELL, "instances": ["i-0abc", "db1"]}, "it names what this fleet does not have: i-0abc", None),
        (
            {**SHELL, "parameters": {"commands": ["ping {{ server('db9').private_ip }}"]}},
            None,
            None,
        ),
        ({"kind": "tcp", "host": "{{ server('db9').private_ip }}", "port": 1}, None, None),
        ({"kind": "webhook", "http_conn_id": "chat", "payload": {"a": "{{ server('db9').instance_id }}"}}, None, None),
        (
            {"kind": "dag", "dag_id": "switch_dns", "conf": {"a": "{{ server('db9').instance_id }}"}},
            "it would run another DAG",
            None,
        ),
        ({**SHELL, "parameters": {"commands": ["ping {{ server('db1').private_ip }}"]}}, None, None),
        ({**SHELL, "aws_conn_id": "other"}, "nothing in this rehearsal stands for other", None),
        (
            {**SHELL, "aws_conn_id": "aws_default", "region": "eu-west-1"},
            "nothing in this rehearsal stands for aws_default in eu-west-1",
            None,
        ),
        ({"kind": "tcp", "host": "db", "port": 5432}, "it would connect to an address outside of the simulator", None),
        ({"kind": "http", "url": "https://db/"}, "it would ask an address outside of the simulator", None),
        ({"kind": "webhook", "http_conn_id": "chat"}, "it would send a real request", None),
        ({"kind": "dag", "dag_id": "switch_dns"}, "it would run another DAG", None),
    ],
)
def test_a_step_is_run_where_the_simulator_answers_it_and_assumed_where_not(step, assumed, made_up):
    wave = {"name": "db", "groups": ["db"], "after": [{"name": "does", **step}]}
    plan = RecoveryPlan.model_validate({"kind": "RecoveryPlan", "name": "shop", "waves": [wave]})
    (one,) = steps_of(plan)
    finds_nobody = "db9" in str(step) and assumed is None
    assert decide(one, WORLD) == StepDecision(one, assumed, made_up, finds_nobody=finds_nobody)


def test_how_long_steps_take_is_said_for_all_and_by_name():
    takes = steps_take([length_of_steps(text) for text in ("10s", "switch-dns=5m", "20s")])
    assert (takes.of("switch-dns"), takes.of("other")) == (timedelta(minutes=5), timedelta(seconds=20))
    assert steps_take([]).of("other") == timedelta(0)
    with pytest.raises(argparse.ArgumentTypeError, match="soon"):
        length_of_steps("switch-dns=soon")
