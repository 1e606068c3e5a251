"""Every trigger survives the way through Airflow's database."""

import importlib
import inspect
import pkgutil

import drs_provider.triggers
import pytest
from airflow.sdk.module_loading import import_string
from airflow.sdk.serde import deserialize, serialize
from airflow.triggers.base import BaseTrigger
from drs_provider.triggers.dag_runs import DagRunTrigger
from drs_provider.triggers.failback import DrsFailbackTrigger
from drs_provider.triggers.final_sync import FinalSyncTrigger
from drs_provider.triggers.instances import DrsInstancesTrigger
from drs_provider.triggers.jobs import DrsJobTrigger
from drs_provider.triggers.one_shot import LambdaOnce, WebhookOnce
from drs_provider.triggers.probes import HttpProbe, TcpProbe
from drs_provider.triggers.readiness import DrsReadinessTrigger
from drs_provider.triggers.ssm import SsmTrigger

AWS = {"aws_conn_id": "aws_default", "region_name": "us-west-2", "verify": None, "config": {"read_timeout": 10}}
DEADLINE = "2026-01-01T12:00:00+00:00"
WHOSE = {"dag_id": "drs.shop", "run_id": "r", "task_id": "database.promote", "attempt": 1}
EXAMPLES = {
    DrsJobTrigger: {
        "watches": [{"aws": AWS, "job_ids": ["drsjob-1"]}],
        "since": DEADLINE,
        "deadline": DEADLINE,
        "until": "any",
        "rank": "drill",
        "shown_for": WHOSE,
    },
    DrsInstancesTrigger: {
        "awaited": [{"aws": AWS, "jobs": {"s-1": "drsjob-1"}}],
        "ready": "status_checks",
        "deadline": DEADLINE,
        "shown_by": "2026-01-01T11:00:00+00:00",
        "look_at": "2026-01-01T10:00:15+00:00",
        "stopped_until": "2026-01-01T10:00:30+00:00",
    },
    SsmTrigger: {
        "what": "commands",
        "watched": [{"aws_conn_id": None, "region_name": "us-west-2", "ids": ["c-1"]}],
        "deadline": DEADLINE,
    },
    HttpProbe: {
        "url": "https://shop.example/health",
        "deadline": DEADLINE,
        "expect_status": 200,
        "expect_text": None,
        "expect_json": {"checks.0.status": "up"},
        "verify_tls": True,
        "keep_answer": True,
    },
    TcpProbe: {"host": "10.0.1.10", "port": 5432, "deadline": DEADLINE},
    LambdaOnce: {
        "whose": WHOSE,
        "deadline": DEADLINE,
        "repeatable": False,
        "aws_conn_id": "aws_default",
        "region_name": None,
        "function": "promote",
        "payload": "{}",
    },
    WebhookOnce: {
        "whose": WHOSE,
        "deadline": DEADLINE,
        "repeatable": True,
        "http_conn_id": "chat",
        "payload": "{}",
        "event_id": "e-1",
    },
    DagRunTrigger: {"dag_id": "dns_switch", "run_id": "drs__shop", "deadline": DEADLINE},
    FinalSyncTrigger: {
        "places": [{"aws": AWS, "servers": {"s-1": "db1"}}],
        "marks": {"s-1": {"newest_id": "pit-1", "lag_seconds": 2.0}},
        "quiesced_at": DEADLINE,
        "until": DEADLINE,
        "poll_seconds": 20.0,
    },
    DrsReadinessTrigger: {
        "server_ids": ["s-1"],
        "mode": "drill",
        "max_lag_seconds": 900.0,
        "replace_live_instances": False,
        "aws": AWS,
        "deadline": DEADLINE,
        "poll_seconds": 30.0,
        "replace_drills": True,
        "dag_id": "drs.shop",
    },
    DrsFailbackTrigger: {
        "watches": [{"aws": AWS, "origin": {**AWS, "region_name": None}, "server_ids": ["s-1"]}],
        "goal": "reprotected",
        "deadline": DEADLINE,
        "poll_seconds": 20.0,
        "acts": False,
        "shown_for": WHOSE,
    },
}


def every_trigger():
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(drs_provider.triggers.__path__, "drs_provider.triggers.")
    ]
    return {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, BaseTrigger)
        and thing.__module__ == module.__name__
        and not inspect.isabstract(thing)
    }


def test_every_trigger_of_the_package_has_an_example_here():
    assert every_trigger() == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_a_trigger_is_the_same_after_it_was_stored(kind):
    path, arguments = kind(**EXAMPLES[kind]).serialize()
    again = import_string(path)(**deserialize(serialize(arguments)))

    assert import_string(path) is kind
    assert arguments == EXAMPLES[kind]
    assert again.serialize() == (path, arguments)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_nothing_happens_in_aws_when_a_trigger_is_killed(kind):
    # Airflow also kills a trigger that moves to another triggerer, while its task goes on.
    assert kind.on_kill is BaseTrigger.on_kill
    assert kind.cleanup is BaseTrigger.cleanup
