"""Plans over several accounts, one of which does not answer: a recovery goes on without it, a drill does not begin."""

import json
import os
from datetime import timedelta

import pytest
from kit.dag_runs import calls

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GROUPS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: mail
region: eu-central-1
aws_conn_id: aws_there
servers: [s-00000000000000021]
---
kind: ProtectionGroup
name: relay
region: eu-central-1
aws_conn_id: aws_there
select: {tags: {Tier: relay}}
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {Tier: web}}
---
"""
PLAN = f"""{GROUPS}kind: RecoveryPlan
name: shop
drill: {{network: shared}}
waves:
  - {{name: first, groups: [db, mail]}}
  - {{name: relays, groups: [relay]}}
  - {{name: web, groups: [web]}}
"""
GO = {"mode": "recovery", "confirm": "shop", "reason": "eu-central-1 is gone"}
WHERE = "eu-central-1 of connection aws_there"
CALLER = "arn:aws:sts::111122223333:user/moto"
ROLE = "arn:aws:iam::444455556666:role/dr-operator"
REFUSED = (
    f"sts:AssumeRole: AccessDenied: {CALLER} may not take {ROLE} of connection aws_there. Check that the role exists, "
    f"that its trust policy names {CALLER} or its account, that the ExternalId there is that of the connection (the "
    f"connection sends one), and that {CALLER} has permission for sts:AssumeRole on the role (docs/accounts.md has the "
    "whole way from a connection to a role)"
)


@pytest.fixture
def wrong_external_id(simulator, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_THERE"])
    connection["extra"]["assume_role_kwargs"]["ExternalId"] = "wrong"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_THERE", json.dumps(connection))


def statuses(ended):
    return {
        wave["name"]: (wave["state"], {server["hostname"]: server["status"] for server in wave["servers"]})
        for wave in ended.report["waves"]
    }


@pytest.mark.usefixtures("wrong_external_id")
def test_a_recovery_goes_on_without_an_account_that_refuses_its_role(run, simulator):
    ended = run(PLAN, **GO)

    lost = "s-00000000000000021"
    assert statuses(ended) == {
        "first": ("completed_with_exceptions", {"db1": "launched", lost: "not_started"}),
        "relays": ("skipped", {}),
        "web": ("launched", {"web1": "launched", "web2": "launched"}),
    }
    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert ended.report["verdict_reason"] == (
        f"Wave first: {lost} lost: {WHERE} does not answer: {REFUSED}; "
        f"wave relays: what group relay selects lost: {WHERE} does not answer: {REFUSED}. "
        "Next step: when the account and Region answer again, start a new run of this wave."
    )
    warned = [
        (f["server_id"], f["what"], f["next_step"])
        for f in ended.report["preflight"]["findings"]
        if f["rule"] == "lost"
    ]
    again = "the run goes on without it; when its account and Region answer again: drs run start shop --mode recovery"
    assert warned == [
        (lost, f"lost: {WHERE} does not answer: {REFUSED}", f"{again} --wave first"),
        ("group relay", f"lost: {WHERE} does not answer: {REFUSED}", f"{again} --wave relays"),
    ]
    assert [call["region"] for call in calls(simulator, "StartRecovery")] == ["us-west-2", "us-west-2"]
    operations = [call["operation"] for call in simulator.calls()]
    assert "AssumeRole" not in operations[operations.index("StartRecovery") :]


@pytest.mark.usefixtures("wrong_external_id")
def test_a_drill_is_refused_by_name_and_launches_nothing_anywhere(run, simulator):
    ended = run(PLAN)

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == (
        f"the run of shop is refused, 1 reason; nothing was launched:\n  - {WHERE}: {REFUSED}"
    )
    assert calls(simulator, "StartRecovery") == []


@pytest.mark.usefixtures("wrong_external_id")
@pytest.mark.parametrize(
    ("network", "conf"),
    [
        pytest.param("shared", GO, id="a recovery"),
        pytest.param("shared", {}, id="a drill"),
        pytest.param("isolated", {}, id="a drill in a network of its own"),
    ],
)
def test_only_the_accounts_of_the_chosen_waves_are_asked_from_beginning_to_end(run, simulator, network, conf):
    ended = run(PLAN.replace("network: shared", f"network: {network}"), **conf, waves=["web"])

    assert {server: status for server, status in ended.servers.items() if status != "skipped"} == {
        "web1": "launched",
        "web2": "launched",
    }
    assert (ended.state, ended.report["verdict_reason"]) == ("success", "Waves first, relays were skipped.")
    assert {call["operation"] for call in simulator.calls() if call["region"] == "eu-central-1"} == set()
    assert calls(simulator, "AssumeRole") == []
    assert ended.tasks["finish.clean_up_2"] == "skipped"


@pytest.mark.usefixtures("wrong_external_id")
def test_a_recovery_of_nothing_but_lost_servers_is_refused(run, simulator):
    ended = run(PLAN, **GO, waves=["relays"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == (
        f"the run of shop is refused, 1 reason; nothing was launched:\n  - {WHERE}: {REFUSED}"
    )


def test_a_connection_that_does_not_exist_is_never_the_machines_own_account(run, simulator, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_AWS_THERE")

    ended = run(PLAN, **GO)

    none = "Airflow's connections: NotFound: there is none called aws_there: create it, or leave aws_conn_id out"
    assert statuses(ended)["first"] == (
        "completed_with_exceptions",
        {"db1": "launched", "s-00000000000000021": "not_started"},
    )
    assert f"{WHERE} does not answer: {none}" in ended.report["verdict_reason"]


@pytest.mark.parametrize("operation", ["DescribeSourceServers", "DescribeJobs"])
def test_a_region_that_is_down_is_lost_whenever_it_falls_silent(run, simulator, monkeypatch, operation):
    monkeypatch.setattr("drs_provider.dag.preflight_check.PATIENCE_SECONDS", 0.5)
    simulator.fault({"region": "eu-central-1", "service": "drs", "operation": operation, "do": "outage"})

    ended = run(PLAN, **GO)

    assert {wave: state for wave, (state, _) in statuses(ended).items()} == {
        "first": "completed_with_exceptions",
        "relays": "skipped",
        "web": "launched",
    }
    down = f"{WHERE} does not answer: {operation}: ServiceUnavailable: drs is unavailable in eu-central-1"
    assert down in ended.report["verdict_reason"]


def test_somebody_excluded_who_may_be_where_nobody_answers_is_a_warning_and_no_refusal(run, wrong_external_id):
    ended = run(PLAN, **GO, exclude_servers=["mail1"])

    assert ended.state == "success"
    (warned,) = [f for f in ended.report["preflight"]["findings"] if f["server_id"] == "mail1"]
    assert (warned["what"], warned["next_step"]) == (
        "it was asked to be left out, and no account and Region that answers has it",
        "check its spelling; where nobody answers nothing is launched",
    )


def test_somebody_misspelt_is_refused_all_the_same(run, wrong_external_id):
    ended = run(PLAN, **GO, exclude_servers=["webb1"])

    assert "exclude_servers: no server called 'webb1' (did you mean 'web1'?)" in ended.said("preflight.check")


@pytest.mark.parametrize("asked", [{"replace_live_instances": True}, {"point_in_time": "yesterday"}])
def test_a_run_that_is_refused_before_it_began_does_not_wait_for_an_account_that_is_silent(run, simulator, asked):
    simulator.fault({"account": "444455556666", "do": "outage"})

    ended = run(PLAN, **asked)

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert {state for name, state in ended.tasks.items() if "clean_up" in name} == {"skipped"}
    assert calls(simulator, "DescribeJobs") == []


def test_a_drill_that_waited_for_a_silent_account_in_vain_is_over_at_once(run, simulator, monkeypatch):
    monkeypatch.setattr("drs_provider.dag.preflight_check.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("drs_provider.dag.preflight_check.MAX_WAIT", timedelta(0))
    simulator.fault({"region": "eu-central-1", "service": "drs", "do": "outage"})

    ended = run(PLAN, retried=["preflight.check"])

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == (
        "DescribeSourceServers: ServiceUnavailable: drs is unavailable in eu-central-1"
    )
    assert {state for name, state in ended.tasks.items() if "clean_up" in name} == {"skipped"}
    assert calls(simulator, "DescribeJobs") == []
