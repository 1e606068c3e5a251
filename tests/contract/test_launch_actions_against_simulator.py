"""DRS launch actions declared, applied, run, put back and judged, against the simulator over HTTP."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from drs_provider.exceptions import ServiceUnavailable
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.hooks.tagged_networks import TaggedNetworksHook
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.rules.run.handover import Launch, LaunchedJob
from drs_provider.rules.settings.launch_actions import TAG
from drs_provider.services.drill.sweep import sweep
from drs_provider.services.launch.job_results import find
from kit.fake_drs import MemoryStore

ONE = "s-0hello00000000001"
REGISTER = {
    "code": "AWS-RunShellScript",
    "name": "register",
    "optional": False,
    "parameters": {"commands": "dr.register"},
}
CHECK = {"code": "AWS-RunShellScript", "name": "check", "optional": True, "parameters": {}}
ACTIONS = ("PutLaunchAction", "DeleteLaunchAction")


@pytest.fixture(scope="module")
def clients(one_simulator):
    once = {"retries": {"total_max_attempts": 1}}
    hook = LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2", config=once)
    return SimpleNamespace(drs=one_simulator.client("drs"), ssm=one_simulator.client("ssm"), hook=hook)


@pytest.fixture
def aws(simulator, clients):
    clients.ssm.put_parameter(Name="dr.register", Value="echo registered", Type="String", Overwrite=True)
    return clients


def execute(aws, kind, **more):
    task = kind(task_id="t", aws_conn_id=None, region_name="us-west-2", **more)
    task.__dict__["hook"] = aws.hook
    ti = SimpleNamespace(
        dag_id="drs.shop",
        run_id="manual__1",
        task_id="t",
        map_index=None,
        try_number=1,
        max_tries=0,
        xcom_push=lambda **_: None,
    )
    return task.execute({"ti": ti, "task_state_store": MemoryStore()})["servers"]


def apply(aws, *actions, **more):
    return execute(aws, DrsApplyLaunchSettingsOperator, settings={ONE: {"actions": list(actions)}}, **more)


def live(aws):
    return [(action["name"], action["active"]) for action in aws.drs.list_launch_actions(resourceId=ONE)["items"]]


def tags(aws):
    return aws.drs.describe_source_servers(filters={"sourceServerIDs": [ONE]})["items"][0]["tags"]


def sent(simulator, since=0):
    return [call["operation"] for call in simulator.calls(since) if call["operation"] in ACTIONS]


def test_actions_are_applied_once_in_their_order_and_switched_on(aws, simulator):
    drift = apply(aws, REGISTER, CHECK)
    mark = len(simulator.calls())
    again = apply(aws, REGISTER, CHECK)

    assert drift == {
        ONE: [
            {"field": "post_launch", "was": False, "now": True},
            {"field": "actions", "was": [], "now": ["register", "check"]},
        ]
    }
    assert again == {ONE: []}
    assert live(aws) == [("register", True), ("check", True)]
    assert aws.drs.get_launch_configuration(sourceServerID=ONE)["postLaunchEnabled"] is True
    assert sent(simulator, mark) == []


def test_two_that_change_places_never_ask_for_the_same_one(aws):
    apply(aws, REGISTER, CHECK)

    drift = apply(aws, CHECK, REGISTER)

    assert live(aws) == [("check", True), ("register", True)]
    assert drift[ONE] == [{"field": "actions", "was": ["register", "check"], "now": ["check", "register"]}]


def test_somebody_else_s_action_is_left_alone(aws):
    theirs = {
        "resourceId": ONE, "actionCode": "AWS-RunShellScript", "order": 1000, "optional": True, "active": True,
        "actionId": "00000000-0000-4000-8000-000000000001", "name": "theirs", "actionVersion": "$DEFAULT",
        "category": "OTHER", "description": "",
    }  # fmt: skip
    aws.drs.put_launch_action(**theirs)

    apply(aws, CHECK)
    apply(aws)

    assert live(aws) == [("theirs", True)]


def test_a_drill_s_actions_are_put_back_after_a_crash(aws, simulator):
    apply(aws, REGISTER)
    simulator.fault({"service": "drs", "operation": "PutLaunchAction", "do": "server_error", "count": 1})

    with pytest.raises(ServiceUnavailable):
        apply(aws, CHECK, is_temporary=True)
    apply(aws, CHECK, is_temporary=True)
    assert live(aws) == [("register", False), ("check", True)]
    assert TAG in tags(aws)
    restored = execute(aws, DrsRestoreLaunchSettingsOperator, source_server_ids=[ONE])

    assert restored == {ONE: [{"field": "actions", "was": ["check"], "now": ["register"]}]}
    assert live(aws) == [("register", True)]
    assert TAG not in tags(aws)


def test_the_sweeper_puts_back_what_a_dead_drill_left_and_forgets_the_drill(aws):
    apply(aws, REGISTER)
    apply(aws, CHECK, is_temporary=True)
    hook = TaggedNetworksHook(aws_conn_id=None, region_name="us-west-2")

    early, late = sweep(hook, datetime.now(UTC)), sweep(hook, datetime.now(UTC) + timedelta(days=3))

    assert (early.done, early.left) == ((), {})
    assert (len(late.done), late.left) == (1, {})
    assert live(aws) == [("register", True)]
    assert not [name for name in tags(aws) if name.startswith("drs-orchestrator:")]


def test_a_next_drill_makes_the_actions_of_a_dead_one_its_own(aws):
    apply(aws, REGISTER)
    apply(aws, CHECK, is_temporary=True, lifetime=timedelta(hours=-1))

    apply(aws, CHECK, is_temporary=True, lifetime=timedelta(hours=1))

    swept = sweep(TaggedNetworksHook(aws_conn_id=None, region_name="us-west-2"), datetime.now(UTC))
    assert (swept.done, swept.left) == ((), {})
    assert live(aws) == [("register", False), ("check", True)]


def test_a_document_or_a_parameter_that_does_not_exist_is_refused_before_anything_is_changed(aws, simulator):
    wrong = {**REGISTER, "code": "No-Such-Document", "parameters": {"commands": "dr.nothing"}}

    with pytest.raises(AirflowFailException) as refused:
        apply(aws, wrong)

    assert str(refused.value) == (
        "the launch settings are refused, 2 reasons; nothing was changed:\n"
        f"  - hello1 ({ONE}): launch action register: there is no SSM document No-Such-Document in this Region; create "
        "it, or correct actions\n"
        f"  - hello1 ({ONE}): launch action register: there is no SSM parameter dr.nothing in this Region; put the "
        "value into SSM Parameter Store under this name"
    )
    assert sent(simulator) == []


def test_an_optional_action_that_fails_is_an_exception_and_no_failure(aws, simulator):
    apply(aws, REGISTER, CHECK)
    simulator.fault({"service": "drs", "action": "check", "do": "fail", "error": "exit 3"})
    job = aws.drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": ONE}])["job"]["jobID"]
    simulator.advance("30m")

    launch = Launch(jobs=(LaunchedJob(job_id=job, servers=(ONE,)),), region="us-west-2")
    found = find(launch, aws.hook, ready="running", members={})

    assert found.pending == {}
    assert [(result.status, result.failed_actions) for result in found.results] == [("launched", ("check",))]
    assert found.results[0].as_json()["actions"] == [
        {"name": "register", "status": "SUCCEEDED", "optional": False, "reason": None},
        {"name": "check", "status": "FAILED", "optional": True, "reason": "exit 3"},
    ]
