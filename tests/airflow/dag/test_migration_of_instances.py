"""Planned migrations whose sources are EC2 instances: people agree to each, and it is stopped after its last sync."""

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.dag_runs import calls, instances
from kit.migrations import ACCOUNT, EVERYTHING, FLEET, GO, connect, sources
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

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
