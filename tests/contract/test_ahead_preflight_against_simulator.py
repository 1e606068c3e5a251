"""Preflight of a plan that launches ahead: who is launched when, and with which settings, against the simulator."""

from datetime import UTC, datetime

import pytest
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.preflight.check import Preflight
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)

WHERE = "us-west-2 of connection aws_default"
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/24"}},
                    "servers": [{"count": 6, "id": "s-{n:017d}", "hostname": "web{n}", "launch": {"subnet": "prod"}}],
                }
            ],
        }
    ],
}
ACTION = {
    "actionId": "00000000-0000-4000-8000-000000000001",
    "name": "check",
    "actionVersion": "$DEFAULT",
    "actionCode": "AWS-RunShellScript",
    "order": 1001,
    "active": True,
    "optional": False,
    "category": "OTHER",
    "description": "checks",
    "parameters": {},
}


def sid(number):
    return f"s-{number:017d}"


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET, speed=60)


@pytest.fixture
def preflight(simulator, tmp_path, monkeypatch):
    hook = LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2")

    def take(*, mode="drill", of_plan="launch: ahead", of_web="", launch="{}", replace=False, chosen="ahead"):
        (tmp_path / "shop.yaml").write_text(
            f"kind: ProtectionGroup\nname: db\nregion: us-west-2\nservers: [{sid(1)}, {sid(2)}]\n---\n"
            f"kind: ProtectionGroup\nname: web\nregion: us-west-2\nservers: [{sid(3)}, {sid(4)}]\n"
            f"launch: {launch}\n---\n"
            f"kind: RecoveryPlan\nname: shop\ndrill: {{network: shared}}\n{of_plan}\n"
            f"waves: [{{name: db, groups: [db]}}, {{name: web, groups: [web]{of_web}}}]\n"
        )
        library = read_folder(tmp_path)
        assert library.problems == ()
        request = RunRequest(
            mode, "latest", ("db", "web"), (), replace_live_instances=replace, reason="r", launch=chosen
        )
        shape = compile_shape(library.plans["shop"], request)
        found = Preflight(shape, request, ("drs.shop", "manual__1"), datetime.now(UTC)).take(lambda _: hook)
        assert found.refusals == []
        return found, PreflightResult.from_json(found.result().to_json())

    return take


def ahead(result):
    return {server.hostname: server.is_started for server in result.servers() if server.ahead}


def said(found):
    return [note for note in found.notes if "ahead" in note]


def test_every_server_is_launched_ahead_and_stopped(preflight):
    found, result = preflight()

    assert ahead(result) == {"web1": True, "web2": True, "web3": True, "web4": True}
    assert {server.settings["disposition"] for server in result.servers()} == {"stopped"}
    assert result.launch == "ahead"
    assert said(found) == [
        f"wave db in {WHERE}: 2 servers launched ahead, stopped",
        f"wave web in {WHERE}: 2 servers launched ahead, stopped",
    ]


def test_a_plan_that_launches_in_waves_is_left_as_it_was(preflight):
    found, result = preflight(of_plan="launch: in_waves")

    assert ahead(result) == {}
    assert [server.settings for server in result.servers()] == [{}] * 4
    assert said(found) == []


def test_who_starts_the_run_may_have_it_launch_in_waves(preflight):
    found, result = preflight(chosen="in_waves")

    assert (ahead(result), result.launch, said(found)) == ({}, "in_waves", [])
    assert [server.settings for server in result.servers()] == [{"disposition": "started"}] * 4
    assert {server.is_started for server in result.servers()} == {True}


def test_a_wave_may_stay_behind(preflight):
    _, result = preflight(of_web=", launch: in_waves")

    assert ahead(result) == {"web1": True, "web2": True}
    assert result.server(sid(3)).settings == {}


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        ("{disposition: started}", {"web1": True, "web2": True}),
        ("{disposition: stopped}", {"web1": True, "web2": True, "web3": False, "web4": False}),
    ],
)
def test_the_plans_own_disposition_counts(preflight, launch, expected):
    _, result = preflight(launch=launch)

    assert ahead(result) == expected


def test_what_drs_has_as_disposition_does_not_keep_a_wave_from_starting_its_servers(preflight, simulator):
    simulator.client("drs").update_launch_configuration(sourceServerID=sid(1), launchDisposition="STOPPED")
    found, result = preflight()

    assert ahead(result)["web1"] is True
    assert not [finding for finding in found.findings if getattr(finding, "rule", "") == "stopped"]


def test_launch_actions_need_a_running_instance(preflight, simulator):
    drs = simulator.client("drs")
    for number, active in ((1, True), (2, False), (3, True)):
        drs.put_launch_action(resourceId=sid(number), **{**ACTION, "active": active})
        if number != 3:
            drs.update_launch_configuration(sourceServerID=sid(number), postLaunchEnabled=True)
    found, result = preflight()

    assert ahead(result) == {"web2": True, "web3": True, "web4": True}
    assert said(found)[:2] == [
        f"wave db in {WHERE}: 1 server launched ahead, stopped",
        f"wave db in {WHERE}: launched in its turn, not ahead: web1: its DRS launch actions need a running instance",
    ]


def test_launch_actions_that_nobody_may_look_up_are_taken_for_some(preflight, simulator):
    simulator.client("drs").update_launch_configuration(sourceServerID=sid(1), postLaunchEnabled=True)
    simulator.fault({"service": "drs", "operation": "ListLaunchActions", "do": "access_denied"})
    _, result = preflight()

    assert ahead(result) == {"web2": True, "web3": True, "web4": True}


def test_launch_actions_of_the_plan_count_too(preflight):
    _, result = preflight(launch="{actions: [{code: AWS-RunShellScript, name: hello}]}")

    assert ahead(result) == {"web1": True, "web2": True}


def test_nothing_that_lives_is_replaced_before_its_turn(preflight, simulator):
    drs = simulator.client("drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": sid(1)}])
    drs.start_recovery(sourceServers=[{"sourceServerID": sid(2)}], isDrill=True)
    simulator.clock(advance="30m")
    live = {item["sourceServerID"]: item["recoveryInstanceID"] for item in drs.describe_recovery_instances()["items"]}
    found, result = preflight(mode="recovery", replace=True)

    assert ahead(result) == {"web2": True, "web3": True, "web4": True}
    assert said(found)[1] == (
        f"wave db in {WHERE}: launched in its turn, not ahead: web1: its launch terminates {live[sid(1)]}, which lives "
        "until then"
    )
