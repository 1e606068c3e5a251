"""``drs roles``: what it shows, and what it refuses."""

import json

import pytest
from drs_provider.airflow_internals import auth_managers
from drs_provider.cli.main import main

PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
waves: [{name: db, groups: [db]}]
"""


@pytest.fixture
def plans(tmp_path):
    (tmp_path / "shop.yaml").write_text(PLAN)
    return str(tmp_path)


def test_the_roles_are_shown_with_their_rights_on_the_plans(capsys, plans):
    assert main(["roles", "show", "--plans", plans, "--format", "json"]) == 0

    roles = {name: {tuple(each) for each in found} for name, found in json.loads(capsys.readouterr().out).items()}
    assert list(roles) == [
        "DRS administrator",
        "DRS recovery manager",
        "DRS plan manager",
        "DRS operator",
        "DRS read-only",
    ]
    own = {("can_read", f"DAG:drs.shop{suffix}") for suffix in ("", ".failback", ".check")}
    assert all(own <= found for found in roles.values())
    writes = {found for found in roles["DRS read-only"] if found[0] != "can_read"}
    assert writes == {("can_edit", "My Profile"), ("can_edit", "My Password")}
    assert roles["DRS read-only"] < roles["DRS operator"] < roles["DRS recovery manager"] < roles["DRS administrator"]
    assert ("can_create", "DAG Runs") not in roles["DRS plan manager"]
    written = {found for role in roles.values() for found in role if found[1] in {"XComs", "Task Instances"}}
    assert written == {("can_read", "XComs"), ("can_read", "Task Instances")}


def test_the_roles_are_shown_in_words(capsys, plans):
    assert main(["roles", "show", "--plans", plans]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "DRS operator: starts drills and checks, steers runs, answers what it is asked" in lines
    assert "  DAG:drs.shop: can_read and can_edit" in lines


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_was_given_is_told(capsys, plans, monkeypatch, dry_run):
    def sync(roles, *, dry_run):
        return {role: [permissions[0]] if role == "DRS operator" else [] for role, permissions in roles.items()}

    monkeypatch.setattr(auth_managers, "sync_fab_roles", sync)

    assert main(["roles", "sync", "--plans", plans, *(["--dry-run"] if dry_run else [])]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert f"DRS operator: {'would be given' if dry_run else 'was given'} 1 permission" in lines
    assert "DRS read-only: has all its permissions" in lines


def no_fab(*_, **__):
    raise auth_managers.NoFabAuthManager("SimpleAuthManager")


def no_provider(*_, **__):
    raise ModuleNotFoundError("No module named 'airflow.providers.fab'")


@pytest.mark.parametrize(
    ("sync", "said"),
    [
        (
            no_fab,
            (
                "drs roles: this Airflow's auth manager is SimpleAuthManager, which has no roles that can be made "
                "here: only FabAuthManager has. docs/security.md says what to do with others; drs roles show lists the "
                "permissions\n"
            ),
        ),
        (
            no_provider,
            (
                "drs roles: the FAB provider cannot be imported here: install apache-airflow-providers-fab, or run "
                "this where Airflow's API server runs (No module named 'airflow.providers.fab')\n"
            ),
        ),
    ],
)
def test_an_airflow_with_other_roles_is_refused_with_words(capsys, plans, monkeypatch, sync, said):
    monkeypatch.setattr(auth_managers, "sync_fab_roles", sync)

    assert main(["roles", "sync", "--plans", plans]) == 2
    assert capsys.readouterr().err == said


def test_a_folder_that_is_not_there_is_said(capsys, tmp_path):
    assert main(["roles", "show", "--plans", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"drs roles: {tmp_path / 'none'}: there is no such folder; name the plans with --plans\n"
    )
