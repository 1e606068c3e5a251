"""Recoveries that launch ahead, and are killed at, taken over or cleared; in simulated time."""

import dataclasses
import re

import pytest
from drs_provider.dag import hand_over

from benchmarks.kill_sweep.judge import problems
from benchmarks.kill_sweep.kinds import DB, STRANGER, WEB, kind_of
from benchmarks.kill_sweep.lives import report_of
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


POINTS = (5, 8, 10, 14)
"""Of the calls that change something: a StartRecovery, the first start, a setting that goes back, the second start."""


def starts_of(record):
    """The servers whose instances were started, in the order of their first starts."""
    servers = {name: server for name, (server, _) in record.instances.items()}
    order = [
        servers[name]
        for call in record.calls
        if call["operation"] == "StartInstances" and call["committed"]
        for name in call["request"]["InstanceIds"]
    ]
    return list(dict.fromkeys(order))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["killed", "taken over"])
@pytest.mark.parametrize("at", POINTS)
def test_a_death_after_a_call_starts_nothing_twice_and_forgets_nothing(live, swept_simulator, at, elsewhere):
    """Where its Airflow is lost too, another one with an empty database goes on from what the cloud says."""
    record, _ = live(Death(at=at, writes_only=True), elsewhere=elsewhere)

    assert list(problems(kind_of("ahead").expected, record, is_elsewhere=elsewhere)) == []
    assert starts_of(record) == [DB, WEB]
    assert dispositions(swept_simulator) == {"STARTED"}


def dispositions(simulator):
    """Whether DRS starts what anybody launches of the servers from now on."""
    drs = simulator.client("drs")
    return {drs.get_launch_configuration(sourceServerID=server)["launchDisposition"] for server in (DB, WEB)}


def test_a_recovery_in_waves_of_the_same_plan_is_launched_wave_by_wave_and_started(live, swept_simulator):
    """An earlier run has broken off and left the setting by which DRS leaves instances stopped."""
    swept_simulator.client("drs").update_launch_configuration(sourceServerID=WEB, launchDisposition="STOPPED")
    kind = kind_of("ahead")
    record, runs = live(kind=dataclasses.replace(kind, conf={**kind.conf, "launch": "in_waves"}))

    assert list(problems(kind.expected, record)) == []
    assert starts_of(record) == []
    assert {name: runs[-1].states[name] for name in ("database.launch_ahead", "web.launch_ahead")} == {
        "database.launch_ahead": "skipped",
        "web.launch_ahead": "skipped",
    }
    assert dispositions(swept_simulator) == {"STARTED"}


def test_retrying_the_failed_wave_starts_what_was_prepared(live, swept_simulator, tmp_path):
    swept_simulator.fault({"hostname": "db1", "do": "fail_at", "event": "CONVERSION_START", "error": "x", "count": 1})
    said = {}

    def then(run):
        waves = report_of(tmp_path, run)["waves"]
        said.update({s["hostname"]: (s["status"], s["reason"]) for wave in waves for s in wave["servers"]})
        run.clear(["database.start_recovery"])
        return True

    record, _ = live(then=then)

    status, reason = said["web1"]
    assert (said["db1"], status) == (("failed", "CONVERSION_FAIL: x"), "prepared")
    assert re.fullmatch(
        r"prepared, not started: its instance i-\w+ of drsjob-\w+ is STOPPED, protected from termination; no task "
        "waited for it",
        reason,
    )
    assert list(problems(kind_of("ahead").expected, record)) == [f"{DB} was launched 2 times"]
    assert record.report["verdict_reason"] == "All 2 servers in 2 waves were launched."
    assert starts_of(record) == [WEB]  # the other is launched again in its turn, and started by DRS


def test_jobs_that_drs_shows_late_are_not_started_twice(live, swept_simulator):
    swept_simulator.fault({"do": "invisible_for", "seconds": 110})
    record, runs = live()

    assert list(problems(kind_of("ahead").expected, record)) == []
    assert len([call for call in record.calls if call["operation"] == "StartRecovery"]) == 2
    assert starts_of(record) == [DB, WEB]
    assert runs[-1].states["web.launch_ahead"] == "success"


def test_a_launch_that_is_refused_ahead_is_asked_again_in_the_turn_of_its_wave(live, swept_simulator):
    swept_simulator.fault(
        {"service": "drs", "operation": "StartRecovery", "servers": [DB], "do": "access_denied", "count": 1}
    )
    record, runs = live()

    assert list(problems(kind_of("ahead").expected, record)) == []
    assert {name: runs[-1].states[name] for name in ("database.launch_ahead", "web.launch_ahead")} == {
        "database.launch_ahead": "skipped",
        "web.launch_ahead": "success",
    }
    assert starts_of(record) == [DB, WEB]


def test_where_quotas_do_not_suffice_the_wave_whose_turn_comes_first_is_launched_first(live, swept_simulator):
    swept_simulator.fault({"do": "quota_used", "in_jobs": 499})
    record, _ = live()

    assert list(problems(kind_of("ahead").expected, record)) == []
    assert [s["sourceServerID"] for job in record.jobs for s in job["participatingServers"]] in ([DB, WEB], [WEB, DB])
    ends = {job["participatingServers"][0]["sourceServerID"]: job for job in record.jobs}
    assert ends[WEB]["creationDateTime"] >= ends[DB]["endDateTime"]
    assert starts_of(record) == [DB, WEB]


def a_drill(network="shared"):
    kind = kind_of("ahead")
    plan = kind.plan.replace("network: shared", f"network: {network}")
    return dataclasses.replace(kind, plan=plan, conf={"mode": "drill"})


@pytest.mark.parametrize("task", ["web.start_recovery"])
def test_a_drill_starts_nothing_more_once_a_recovery_has_taken_a_server_that_is_prepared(
    live, swept_simulator, monkeypatch, task
):
    monkeypatch.setattr(hand_over, "is_dag_paused", lambda _: True)  # the wave is left to its own tasks
    begun = []

    def people(run):
        def recover(name):
            if name == task and not begun:
                drs = swept_simulator.client("drs")
                begun.append(drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": WEB}])["job"]["jobID"])

        run.before_leg = recover

    record, _ = live(kind=a_drill(), people=people)

    assert record.report["verdict"] == "superseded", record.report["verdict_reason"]
    assert starts_of(record) == [DB]
    assert record.settings[STRANGER] == record.settings_before[STRANGER]
    assert [state for name, (server, state) in record.instances.items() if server == STRANGER] == ["running"]
    assert {state for server, state in record.instances.values() if server == DB} <= {"terminated"}


def test_nothing_is_handed_over_once_a_recovery_has_taken_a_server_that_is_prepared(live, swept_simulator, monkeypatch):
    start_now, begun = hand_over._start_now, []

    def meanwhile(starts, context, handed):
        drs = swept_simulator.client("drs")
        begun.append(drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": WEB}])["job"]["jobID"])
        return start_now(starts, context, handed)

    monkeypatch.setattr(hand_over, "_start_now", meanwhile)
    record, _ = live(kind=a_drill())

    assert len(begun) == 1
    assert record.report["verdict"] == "superseded", record.report["verdict_reason"]
    assert starts_of(record) == [DB]


@pytest.mark.parametrize("at", [0, "ec2:StartInstances"])
def test_a_drill_in_a_network_of_its_own_starts_there_and_leaves_nothing(live, swept_simulator, at):
    before = sorted(vpc["VpcId"] for vpc in swept_simulator.client("ec2").describe_vpcs()["Vpcs"])
    record, _ = live(Death(at=at), kind=a_drill("isolated"))

    assert record.report["verdict"] == "passed", record.report["verdict_reason"]
    assert [job["type"] for job in record.jobs].count("LAUNCH") == 2
    assert starts_of(record) == [DB, WEB]
    assert record.settings == record.settings_before
    assert dispositions(swept_simulator) == {"STARTED"}
    assert {state for name, (_, state) in record.instances.items() if name not in record.before} <= {"terminated"}
    assert sorted(vpc["VpcId"] for vpc in swept_simulator.client("ec2").describe_vpcs()["Vpcs"]) == before
