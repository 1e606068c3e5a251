"""Planned migrations whose sources are EC2 instances: people agree to each, and it is stopped after its last sync."""

import json
from pathlib import Path

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.dag_runs import calls, instances
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "migration", "confirm": "shop", "reason": "the data centre moves"}
ORIGIN = "us-east-1"
ACCOUNT = "111122223333"


def _server(number, hostname, tier):
    return {
        "id": f"s-{number:017d}",
        "hostname": hostname,
        "tags": {"App": "shop", "Tier": tier},
        "lag": "2s",
        "origin": {"region": ORIGIN},
    }


FLEET = {
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": [
                        *(_server(number, f"db{number}", "db") for number in (1, 2)),
                        {**_server(3, "db3", "db"), "origin": None},
                        *(_server(number, f"web{number - 10}", "web") for number in (11, 12)),
                    ],
                }
            ],
        }
    ]
}
del FLEET["accounts"][0]["regions"][0]["servers"][2]["origin"]

EVERYTHING = (Path(__file__).parents[2] / "golden" / "migration.yaml").read_text()
YES = {
    "preflight.approval": [("ann", "Approve")],
    "preflight.stop_approval": [("bob", "Approve")],
    "preflight.stop_approval_2": [("cyd", "Approve")],
    "web.pause": [("ann", "Continue")],
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    """An hour, in which a recovery point ages out, takes a minute: sources are stopped, and no new one comes."""
    return start_drs_simulator(FLEET, speed=60)


@pytest.fixture(autouse=True)
def _connection_to_the_origin(simulator, monkeypatch):
    connect(simulator, monkeypatch, ACCOUNT)


def connect(simulator, monkeypatch, account):
    """Let the connection for the origin be of an account."""
    endpoints = {"endpoint_url": simulator.url, "service_config": {"sts": {"endpoint_url": simulator.url}}}
    login = {"conn_type": "aws", "login": account, "password": "secret"}
    extra = {"region_name": ORIGIN, **endpoints}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ORIGIN", json.dumps({**login, "extra": extra}))


def sources(simulator):
    pages = simulator.client("ec2", region_name=ORIGIN).get_paginator("describe_instances").paginate()
    found = [instance for page in pages for each in page["Reservations"] for instance in each["Instances"]]
    return {
        next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "Name"): (
            instance["InstanceId"],
            instance["State"]["Name"],
        )
        for instance in found
    }


@pytest.mark.timeout(500)
def test_a_whole_migration_with_every_field_stops_its_sources_and_loses_nothing(run, simulator):
    before = sources(simulator)
    assert {state for _, state in before.values()} == {"running"}

    with People(YES) as people:
        ended = run(EVERYTHING, **GO)

    assert {name: state for name, (_, state) in sources(simulator).items()} == dict.fromkeys(before, "stopped")
    assert (ended.state, ended.report["verdict"]) == ("success", "completed")
    lost = {
        s["hostname"]: (s["rpo_seconds"], s["point"], s["synced"]) for w in ended.report["waves"] for s in w["servers"]
    }
    assert ended.report["objectives"]["rpo"]["measured_seconds"] == 0.0, lost
    named = {server["hostname"]: server for wave in ended.report["waves"] for server in wave["servers"]}
    assert {name: server["source_stopped"] for name, server in named.items()} == {
        "db3": None,
        **{name: instance for name, (instance, _) in before.items()},
    }
    assert [wave["quiesced"]["steps"] for wave in ended.report["waves"]] == [["freeze"], ["freeze", "drain"]]
    assert ended.tasks["before_waves.only-drills"] == "skipped"
    assert ended.tasks["after_waves.switch"] == "success"
    order = [call["operation"] for call in simulator.calls() if call["operation"] in ("StopInstances", "StartRecovery")]
    assert order == ["StopInstances", "StartRecovery", "StartRecovery", "StopInstances", "StartRecovery"]
    assert all(
        server["recoverySnapshotID"]
        for call in calls(simulator, "StartRecovery")
        for server in call["request"]["sourceServers"]
    )
    question = next(body for task, _, body in people.asked if task == "preflight.stop_approval")
    for name, (instance, _) in before.items():
        assert f"| {name} | `{instance}` | us-east-1 | {ACCOUNT} |" in question
    assert "Not stopped, for their sources are no EC2 instances: db3." in question
    assert set(instances(simulator).values()) == {"running"}


def test_nobody_agrees_to_the_stop_and_nothing_is_stopped_or_launched(run, simulator):
    with People({**YES, "preflight.stop_approval_2": [("cyd", "Reject")]}):
        ended = run(EVERYTHING, **GO)

    assert ended.said("preflight.stop_approval_2") == (
        "cyd rejected the stop of the sources; nothing was stopped or launched"
    )
    assert ended.report["verdict"] == "cancelled"
    assert {state for _, state in sources(simulator).values()} == {"running"}
    assert calls(simulator, "StopInstances") == calls(simulator, "StartRecovery") == []


def test_a_connection_to_another_account_is_refused_before_anybody_is_asked(run, simulator, monkeypatch):
    connect(simulator, monkeypatch, "444455556666")

    ended = run(EVERYTHING, **GO)

    assert "its source cannot be stopped: db1 (i-" in ended.said("preflight.check")
    assert "the connection for the origin is in account 444455556666" in ended.said("preflight.check")
    assert calls(simulator, "StopInstances") == []
