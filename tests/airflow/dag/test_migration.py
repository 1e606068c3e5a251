"""Planned migrations against the simulator: writes stop, everything arrives, and only then anything is launched."""

from datetime import datetime

import pytest
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "migration", "confirm": "shop", "reason": "the data centre moves"}
QUIESCE = "before: [{kind: wait, name: freeze, for: 1s, when: migration}]\n"


def plan(more="", text=SHOP):
    return text + QUIESCE + more


def test_a_migration_launches_from_points_younger_than_the_last_write(run, simulator):
    ended = run(plan(), **GO)

    assert ended.state == "success"
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "completed",
        "All 5 servers in 2 waves were launched.",
    )
    assert ended.tasks["before_waves.freeze"] == "success"
    assert ended.tasks["database.final_sync"] == "success"
    launched = [s for wave in ended.report["waves"] for s in wave["servers"]]
    assert {s["point"]["why"] for s in launched} == {"quiesced"}
    for wave in ended.report["waves"]:
        assert wave["quiesced"]["steps"] == ["freeze"]
        assert wave["quiesced"]["doubts"] == []
        for server in wave["servers"]:
            stopped = datetime.fromisoformat(wave["quiesced"]["at"])
            assert datetime.fromisoformat(server["point"]["at"]) > stopped
    assert ended.report["objectives"]["rpo"]["measured_seconds"] == 0.0
    assert ended.report["objectives"]["rpo"]["why"] == (
        "0 s, proven: every server holds a recovery point that was made after its writes had stopped"
    )
    for call in calls(simulator, "StartRecovery"):
        assert call["request"]["isDrill"] is False
        assert all(server["recoverySnapshotID"] for server in call["request"]["sourceServers"])
    assert set(instances(simulator).values()) == {"running"}
    assert calls(simulator, "StopInstances") == []


def test_a_migration_is_refused_where_a_source_does_not_replicate(run, simulator):
    simulator.fault({"service": "drs", "hostname": "db1", "do": "stall"})
    simulator.advance("30m")

    ended = run(plan(), **GO)

    assert ended.report["verdict"] == "refused"
    assert "db1 (s-00000000000000001): STALLED" in ended.said("preflight.check")
    assert "a migration needs CONTINUOUS" in ended.said("preflight.check")
    assert calls(simulator, "StartRecovery") == []


def test_a_plan_that_stops_no_writes_has_no_migration(run, simulator):
    ended = run(SHOP, **GO)

    assert ended.said("preflight.check") == (
        "the run of shop is refused, 1 reason; nothing was launched:\n"
        "  - nothing stops the writes of plan shop in a migration, so data would be lost. Give the plan a step with "
        "when: migration in before that stops them, or start a recovery"
    )
    assert calls(simulator, "StartRecovery") == []


def test_a_drill_and_a_recovery_of_such_a_plan_are_as_ever(run, simulator, tmp_path):
    ended = run(plan())

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert ended.tasks["before_waves.freeze"] == "skipped"
    assert ended.tasks["database.final_sync"] == "skipped"
    (tmp_path / "reports").rename(tmp_path / "first")

    recovered = run(plan(), **{**GO, "mode": "recovery"})

    assert (recovered.state, recovered.report["verdict"]) == ("success", "completed")
    assert recovered.tasks["database.final_sync"] == "skipped"
    assert recovered.report["waves"][0]["quiesced"] is None
