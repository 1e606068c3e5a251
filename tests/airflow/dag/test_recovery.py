"""Real recoveries against the simulator: what a person must say first, where the data comes from, what stays."""

from datetime import UTC, datetime, timedelta

import pytest
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

SID = "s-000000000000000{}"
DB, WEB = [SID.format(f"{n:02d}") for n in (1, 2, 3)], [SID.format(n) for n in (11, 12)]
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}


def pinned(call):
    return {server["sourceServerID"]: server.get("recoverySnapshotID") for server in call["request"]["sourceServers"]}


def points(report):
    return {s["hostname"]: s["point"]["why"] for wave in report["waves"] for s in wave["servers"] if s["point"]}


def test_a_recovery_from_broken_sources_pins_the_newest_points_and_stays_up(run, simulator):
    for hostname, fault in (("db1", "disconnect"), ("db2", "stall"), ("db3", "stall"), ("web1", "stall")):
        simulator.fault({"service": "drs", "hostname": hostname, "do": fault})
    simulator.advance("30m")

    ended = run(SHOP.replace("rpo: 5m\n", ""), **GO)

    assert ended.state == "success"
    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "completed",
        "All 5 servers in 2 waves were launched.",
    )
    first, second = calls(simulator, "StartRecovery")
    assert (first["request"]["isDrill"], second["request"]["isDrill"]) == (False, False)
    named = {**pinned(first), **pinned(second)}
    assert {server_id: bool(point) for server_id, point in named.items()} == {
        **dict.fromkeys([*DB, WEB[0]], True),
        WEB[1]: False,
    }
    assert points(ended.report) == dict.fromkeys(["db1", "db2", "db3", "web1"], "source_unreachable")
    assert ended.report["preflight"]["skew_seconds"] >= 0
    assert set(instances(simulator).values()) == {"running"}
    assert ended.tasks["finish.clean_up"] == "skipped"
    assert calls(simulator, "TerminateRecoveryInstances") == []


def test_a_drill_after_a_real_recovery_is_refused_and_a_person_can_still_replace(run, simulator, tmp_path):
    drs, ec2 = simulator.client("drs"), simulator.client("ec2")
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server_id} for server_id in WEB])
    simulator.advance("30m")
    for instance in instances(simulator):
        ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})

    refused = run(SHOP, waves=["web"])

    assert (refused.state, refused.report["verdict"]) == ("failed", "refused")
    assert refused.said("preflight.check").count("it has a live recovered instance") == 2
    assert len(calls(simulator, "StartRecovery")) == 1
    (tmp_path / "reports").rename(tmp_path / "first")

    ended = run(SHOP, **GO, waves=["web"], replace_live_instances=True)

    assert (ended.state, ended.report["verdict"]) == ("success", "completed_with_exceptions")
    assert ended.report["verdict_reason"] == "Wave database was skipped."
    assert [instance for instance in instances(simulator).values() if instance != "terminated"] == [
        "running",
        "running",
    ]


def test_everything_as_of_one_instant(run, simulator):
    as_of = (datetime.now(UTC) - timedelta(seconds=60)).replace(microsecond=0)

    ended = run(SHOP.replace("rpo: 5m\n", ""), point_in_time=as_of.isoformat())

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert set(points(ended.report).values()) == {"point_in_time"}
    chosen = [datetime.fromisoformat(s["point"]["at"]) for w in ended.report["waves"] for s in w["servers"]]
    assert len(chosen) == 5
    assert all(at <= as_of for at in chosen)
    assert datetime.fromisoformat(ended.report["run"]["point_in_time"]) == as_of
    assert all(all(pinned(call).values()) for call in calls(simulator, "StartRecovery"))


def test_an_instant_before_every_recovery_point_refuses_the_run(run, simulator):
    ended = run(SHOP, **GO, point_in_time="2020-01-31T14:05:00Z", exclude_servers=["web2"])

    said = ended.said("preflight.check")
    assert ended.report["verdict"] == "refused"
    assert said.startswith("the run of shop is refused, 4 reasons; nothing was launched:\n")
    assert (
        "db1 (s-00000000000000001): there is no recovery point at or before 2020-01-31 14:05:00 UTC; choose a later "
        "point in time, or leave the server out"
    ) in said
    assert calls(simulator, "StartRecovery") == []


def test_a_recovery_without_the_typed_name_is_refused_before_any_call(run, simulator):
    ended = run(SHOP, mode="recovery", confirm="ship", reason=" ")

    assert ended.state == "failed"
    assert ended.said("preflight.check") == (
        "the run of shop is refused, 2 reasons; nothing was launched:\n"
        "  - mode is recovery: type the plan's name, shop, into 'confirm'\n"
        "  - mode is recovery: write into 'reason' why production is recovered; it is in the report"
    )
    assert [call for call in simulator.calls() if call["service"] == "drs"] == []
