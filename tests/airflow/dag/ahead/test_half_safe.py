"""Runs that launch ahead where something that they rely on is not as it should be; in simulated time."""

import dataclasses
from datetime import timedelta

import pytest
from drs_provider import clock
from drs_provider.dag.waves.launch_ahead import LaunchAhead
from drs_provider.dag.waves.settings import ApplyWaveSettings
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.exceptions import RunRefused
from drs_provider.hooks.drs import DrsHook

from benchmarks.kill_sweep.judge import problems
from benchmarks.kill_sweep.kinds import DB, WEB, kind_of
from benchmarks.kill_sweep.lives import dag_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

KIND = kind_of("ahead")
AHEAD = ("database.launch_ahead", "web.launch_ahead")


def with_plan(*edits, **more):
    plan = KIND.plan
    for was, now in edits:
        assert was in plan
        plan = plan.replace(was, now)
    return dataclasses.replace(KIND, plan=plan, **more)


def launches(record):
    """By server, its launch jobs as they went: created and ended at."""
    found = {}
    for job in record.jobs:
        for server in job["participatingServers"]:
            found.setdefault(server["sourceServerID"], []).append((job["creationDateTime"], job["endDateTime"]))
    return found


def in_turn(record):
    """Whether the second server was launched once, and after the launch of the first had ended."""
    found = launches(record)
    ((_, ended),), ((began, _),) = found[DB], found[WEB]
    return began >= ended


@pytest.fixture
def nothing_applied(monkeypatch):
    """Somebody marks the tasks that apply launch settings as successful: they leave no record."""
    monkeypatch.setattr(ApplyWaveSettings, "execute", lambda *_, **__: None)


@pytest.mark.usefixtures("nothing_applied")
def test_what_drs_would_start_at_once_is_not_launched_ahead_but_in_its_turn(live):
    record, runs = live()

    assert list(problems(KIND.expected, record)) == []
    assert {name: runs[-1].states[name] for name in AHEAD} == dict.fromkeys(AHEAD, "skipped")
    assert in_turn(record)


@pytest.mark.usefixtures("nothing_applied")
def test_servers_that_boot_later_are_launched_at_once_only_where_drs_leaves_them_stopped(live):
    one = with_plan(
        (f"servers: [{DB}]", f"servers: [{DB}, {{id: {WEB}, order: 2}}]"),
        (f"kind: ProtectionGroup\nname: web\nregion: us-west-2\nservers: [{WEB}]\n---\n", ""),
        ("  - {name: web, groups: [web]}\n", ""),
    )
    record, runs = live(kind=one)

    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    assert runs[-1].states["database.launch_ahead"] == "skipped"
    assert in_turn(record)


def test_an_error_that_nobody_expects_leaves_the_launch_to_the_wave(live, monkeypatch):
    def finish(self, context, launch):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(LaunchAhead, "finish", finish)
    record, runs = live()

    assert list(problems(KIND.expected, record)) == []
    assert {name: runs[-1].states[name] for name in AHEAD} == dict.fromkeys(AHEAD, "skipped")
    assert not in_turn(record)  # its jobs had been started, and were taken up


def test_the_end_of_a_run_knows_the_jobs_that_were_started_ahead(tmp_path):
    plan = with_plan(
        ("rpo: 5m", "rpo: 5m\nrecovery: {commit: {approvers: [ann, bob]}}"),
        ("network: shared", "network: shared, keep_for: 1h, max_cost: 100"),
    )
    tasks = dag_of(plan, tmp_path).task_dict
    known = {
        name: set(task.start_task_ids)
        for name, task in tasks.items()
        if name.startswith("finish.") and hasattr(task, "start_task_ids")
    }
    everything = {*AHEAD, "database.start_recovery", "web.start_recovery"}

    assert known == dict.fromkeys(["finish.keep", "finish.commit", "finish.roll_back", "finish.clean_up"], everything)


@pytest.mark.parametrize("network", ["shared", "isolated"])
def test_an_instance_of_a_drill_that_drs_does_not_show_is_not_started_before_it_does(live, monkeypatch, network):
    seen, shown = DrsHook.recovery_instances, []

    def recovery_instances(self, **more):
        found = list(seen(self, **more))
        hidden = [instance for instance in found if instance["sourceServerID"] == WEB]
        if hidden and not shown:
            shown.append(clock.now() + timedelta(minutes=3))
        return found if not shown or clock.now() >= shown[0] else [each for each in found if each not in hidden]

    monkeypatch.setattr(DrsHook, "recovery_instances", recovery_instances)
    drill = with_plan(("network: shared", f"network: {network}"), conf={"mode": "drill"})
    record, _ = live(kind=drill)

    assert record.report["verdict"] == "passed", record.report["verdict_reason"]
    mine = {name for name, (server, _) in record.instances.items() if server == WEB}
    (start,) = (
        call
        for call in record.calls
        if call["operation"] == "StartInstances" and mine & {*call["request"]["InstanceIds"]}
    )
    assert start["at"] >= shown[0].timestamp()


BREAKS = {"hostname": "db1", "do": "fail_at", "event": "CONVERSION_START", "error": "x", "count": 1}
DENIED = {"service": "drs", "operation": "UpdateLaunchConfiguration", "servers": [WEB], "do": "access_denied"}


def disposition(simulator, server):
    return simulator.client("drs").get_launch_configuration(sourceServerID=server)["launchDisposition"]


def test_a_recovery_whose_wave_is_not_reached_leaves_nobodys_later_launch_stopped(live, swept_simulator):
    swept_simulator.fault(BREAKS)
    record, runs = live()

    assert runs[-1].states["web.start_recovery"] == "upstream_failed"
    assert [disposition(swept_simulator, server) for server in (DB, WEB)] == ["STARTED", "STARTED"]
    assert "Warning" not in record.report["verdict_reason"]


def test_a_launch_setting_that_cannot_be_set_back_is_a_warning_and_keeps_no_other(live, swept_simulator):
    swept_simulator.fault(BREAKS)

    def people(run):
        run.before_leg = lambda name: swept_simulator.fault(DENIED) if name == "finish.look_over" else None

    record, runs = live(people=people)

    assert runs[-1].states["finish.look_over"] == "skipped"
    assert [disposition(swept_simulator, server) for server in (DB, WEB)] == ["STARTED", "STOPPED"]
    assert " Warning: DRS leaves stopped what is launched of web1 (" in record.report["verdict_reason"]
    assert "UpdateLaunchConfiguration" in record.report["verdict_reason"]


def test_a_wave_that_was_not_reached_is_launched_again_once_its_instances_are_gone(live, swept_simulator):
    swept_simulator.fault(BREAKS)

    def then(run):
        ec2 = swept_simulator.client("ec2")
        found = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["stopped"]}])
        names = [each["InstanceId"] for part in found["Reservations"] for each in part["Instances"]]
        for name in names:
            ec2.modify_instance_attribute(InstanceId=name, DisableApiTermination={"Value": False})
        ec2.terminate_instances(InstanceIds=names)
        swept_simulator.advance("15m")
        run.clear(["database.start_recovery"])
        return True

    record, _ = live(then=then)

    assert record.report["verdict_reason"] == "All 2 servers in 2 waves were launched."
    assert {server: len(jobs) for server, jobs in launches(record).items()} == {DB: 2, WEB: 2}


def test_a_plan_that_is_edited_before_a_start_starts_nothing_more(live, monkeypatch):
    prepare = WatchWave._prepare  # of an early start as well

    def edited(self, context, launches):
        self.__dict__["digest"] = "of another plan" if self.wave == "web" else self.digest
        prepare(self, context, launches)

    monkeypatch.setattr(WatchWave, "_prepare", edited)
    record, _ = live()

    (web,) = record.report["waves"][1]["servers"]
    assert web["reason"].startswith("prepared, not started: plan shop was edited during this run: started with ")
    assert started(record) == {DB}


def test_what_is_known_of_a_wave_is_left_where_nothing_of_it_may_be_started(live, monkeypatch):
    def refuse(*_):
        raise RunRefused("its network is not isolated any more")

    monkeypatch.setattr("drs_provider.dag.waves.guard.WaveGuard.ensure_may_start", refuse)
    record, _ = live(kind=with_plan(conf={"mode": "drill"}))

    (db,) = record.report["waves"][0]["servers"]
    assert (db["status"], db["reason"]) == ("failed", "prepared, not started: its network is not isolated any more")
    assert db["instance_id"] in record.instances
    assert started(record) == set()


def started(record):
    """The servers whose instances were started."""
    calls = (call for call in record.calls if call["operation"] == "StartInstances" and call["committed"])
    return {record.instances[name][0] for call in calls for name in call["request"]["InstanceIds"]}
