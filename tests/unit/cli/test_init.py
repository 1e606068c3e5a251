"""``drs init`` writes what a first drill needs, all of it or nothing."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from drs_provider.cli.init import starter_files
from drs_provider.cli.main import main

ROOT = Path(__file__).parents[3]
WRITTEN = [
    "dags/recovery_plans.py",
    "plans/hello.yaml",
    "plans/groups/hello.yaml",
    ".env",
    "plans/schema/recovery-plan.json",
    "plans/schema/protection-group.json",
]


def settings_of(file, tmp_path):
    """What a shell has after it has read the file."""
    shown = subprocess.run(
        ["bash", "-c", 'set -aeu; . "$0"; env -0', file],
        capture_output=True,
        text=True,
        check=True,
        env={},
        cwd=tmp_path,
    ).stdout
    return dict(line.split("=", 1) for line in shown.split("\0") if line)


def test_all_is_written_and_what_comes_next_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "recovery"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [f"recovery/{name}" for name in WRITTEN]
    assert lines[6:] == [
        "",
        "Next, against the simulator (drs-simulator is a package of its own; docs/install.md):",
        "  drs-simulator --example --speed 60     in a terminal of its own",
        f"  set -a; . {tmp_path}/recovery/.env; set +a",
        "  airflow standalone                     prints the password of its user admin",
        "In another terminal, with the same settings and that password:",
        "  drs run resume hello                   new DAGs begin paused",
        "  drs run start hello --wait             a drill; Airflow's page 'Recovery plans' shows it, too",
    ]
    found = {path.relative_to("recovery").as_posix() for path in Path("recovery").rglob("*") if path.is_file()}
    assert found == set(WRITTEN)


def test_its_plan_is_valid_and_all_is_what_the_repository_has(tmp_path, capsys):
    assert main(["init", str(tmp_path)]) == 0
    capsys.readouterr()

    assert main(["validate", str(tmp_path / "plans")]) == 0
    assert capsys.readouterr().out == "1 plan, no problem\n"
    for name in WRITTEN:
        if name != ".env":
            assert (tmp_path / name).read_text() == (ROOT / name).read_text(), name


@pytest.mark.parametrize("name", ["recovery", "a b", "it's", "$HOME", "ü"])
def test_a_shell_reads_the_settings_wherever_the_folder_is(name, tmp_path, capsys):
    folder = tmp_path / name
    assert main(["init", str(folder)]) == 0

    settings = settings_of(folder / ".env", tmp_path)
    assert {key: settings[key] for key in ("DRS_PLANS_FOLDER", "DRS_REPORTS", "AIRFLOW__CORE__DAGS_FOLDER")} == {
        "DRS_PLANS_FOLDER": f"{folder}/plans",
        "DRS_REPORTS": f"{folder}/reports",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{folder}/dags",
    }
    assert json.loads(settings["AIRFLOW_CONN_AWS_DEFAULT"]) == {
        "conn_type": "aws",
        "login": "demo",
        "password": "demo",
        "extra": {"region_name": "us-west-2", "endpoint_url": "http://127.0.0.1:5555"},
    }
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_what_is_commented_out_can_be_taken_as_it_is(tmp_path):
    text = starter_files(tmp_path)[".env"]
    taken = [line[1:] for line in text.splitlines() if line[:1] == "#" and line[1:2] not in {" ", ""}]
    (tmp_path / "taken").write_text("\n".join(taken))

    settings = settings_of(tmp_path / "taken", tmp_path)
    assert json.loads(settings["AIRFLOW_CONN_AWS_DEFAULT"])["extra"]["role_arn"].endswith(":role/drs-recovery")
    assert settings["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"


@pytest.mark.parametrize("there", WRITTEN)
def test_nothing_is_overwritten_and_then_nothing_is_written(there, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine")

    assert main(["init", "."]) == 2
    assert capsys.readouterr() == (
        "",
        f"drs init: {there}: already there, so nothing was written; name another folder, or move these away\n",
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_second_time_names_all_that_is_there(tmp_path, capsys):
    assert main(["init", str(tmp_path)]) == 0
    capsys.readouterr()

    assert main(["init", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert [name for name in WRITTEN if name not in said] == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")

    assert main(["init", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"drs init: {tmp_path}/file/dags/recovery_plans.py: cannot be written: Not a directory\n"
    )
