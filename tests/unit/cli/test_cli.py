"""The ``drs`` command says what is wrong and ends with 0, 1 or 2; never with a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import drs_provider
import pytest
from drs_provider.cli.main import main
from kit.plan_files import GROUPS, PLAN, WAVES

GOOD = PLAN + "drill: {network: shared}\n" + WAVES
ROOT = Path(__file__).parents[3]
PLUGINS = Path(drs_provider.__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "groups.yaml").write_text(GROUPS)
    (tmp_path / "plans" / "good.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRS_PLANS_FOLDER", raising=False)
    return tmp_path / "plans"


def started(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    command = [sys.executable, "-m", "drs_provider.cli", *arguments]
    return subprocess.run(command, env=environment, text=True, check=False, **options)


def test_good_plans_are_validated_with_0(capsys):
    assert main(["validate", "plans"]) == 0
    assert capsys.readouterr().out == "1 plan, no problem\n"


def test_problems_are_validated_with_1(folder, capsys):
    (folder / "bad.yaml").write_text("kind: Plan\n")

    assert main(["validate", "plans"]) == 1
    said = capsys.readouterr()
    assert said.out == "plans/bad.yaml:1:7: kind: no kind called 'Plan' (known: ProtectionGroup, RecoveryPlan)\n"
    assert said.err == "1 problem in 1 file\n"


def test_only_what_is_asked_for_is_told(folder):
    (folder / "bad.yaml").write_text("kind: Plan\n")

    assert main(["validate", "plans/good.yaml"]) == 0
    assert main(["validate", "plans/good.yaml", "plans/bad.yaml"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "nowhere.yaml"], "drs validate: nowhere.yaml: there is no such file or folder\n"),
        (["validate", "empty"], "drs validate: empty: the folder holds no .yaml or .yml file\n"),
        (["graph", "q"], "drs graph: no plan called 'q' in plans (known: p)\n"),
        (["graph", "nowhere.yaml"], "drs graph: nowhere.yaml: there is no such file\n"),
        (["graph", "plans/groups.yaml"], "drs graph: plans/groups.yaml: the file holds no plan, only groups\n"),
        (
            ["graph", "p", "--plans", "nowhere"],
            "drs graph: nowhere: there is no such folder; name one with --plans or DRS_PLANS_FOLDER\n",
        ),
        (["schema", "--write", "plans/good.yaml"], "drs schema: plans/good.yaml: cannot be written: File exists\n"),
    ],
)
def test_wrong_use_ends_with_2(arguments, said, capsys, tmp_path):
    (tmp_path / "empty").mkdir()

    assert main(arguments) == 2
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("arguments", [[], ["valdate"], ["validate"], ["validate", "plans", "--format", "xml"]])
def test_arguments_that_make_no_sense_end_with_2(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2


def test_problems_can_be_read_by_a_program(folder, capsys):
    (folder / "bad.yaml").write_text("kind: Plan\n")

    assert main(["validate", "plans", "--format", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert list(said["plans"]) == ["p"]
    assert (said["valid"], said["problems"]) == (
        False,
        [
            {
                "path": "plans/bad.yaml",
                "line": 1,
                "column": 7,
                "where": "kind",
                "what": "no kind called 'Plan'",
                "hint": "known: ProtectionGroup, RecoveryPlan",
            }
        ],
    )


def test_a_plan_is_drawn_by_name_or_by_file(capsys):
    assert main(["graph", "p"]) == 0
    by_name = capsys.readouterr().out
    assert main(["graph", "plans/good.yaml"]) == 0

    assert capsys.readouterr().out == by_name
    assert by_name.startswith("p (DAG drs.p)\n")


def test_a_plan_is_drawn_for_mermaid(capsys):
    assert main(["graph", "p", "--format", "mermaid"]) == 0
    assert capsys.readouterr().out.startswith("flowchart LR\n")


@pytest.mark.parametrize("plan", ["q", "plans/broken.yaml"])
def test_a_broken_plan_is_not_drawn_but_explained(folder, plan, capsys):
    (folder / "broken.yaml").write_text(GOOD.replace("name: p", "name: q").replace("g1", "g9"))

    assert main(["graph", plan]) == 1
    assert capsys.readouterr().err == (
        "plans/broken.yaml:4:28: waves.a.groups[0]: no group called 'g9' (known: g1, g2, g3)\n"
    )


def test_the_plans_folder_comes_from_the_environment(tmp_path, folder, monkeypatch):
    folder.rename(tmp_path / "recovery")
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(tmp_path / "recovery"))

    assert main(["graph", "p"]) == 0


def test_schemas_are_printed_and_written(tmp_path, capsys):
    assert main(["schema"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["recovery-plan", "protection-group"]
    assert main(["schema", "--write", "out"]) == 0
    for name in ("recovery-plan", "protection-group"):
        assert (tmp_path / "out" / f"{name}.json").read_text() == (ROOT / f"plans/schema/{name}.json").read_text()


def test_the_command_starts_as_a_module():
    done = started("--version", capture_output=True)

    assert (done.returncode, done.stdout) == (0, f"drs {drs_provider.__version__}\n")


@pytest.mark.parametrize("arguments", [["schema"], ["validate", "plans"], ["graph", "p"]])
def test_a_reader_that_goes_away_is_no_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = started(*arguments, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


def test_a_closed_stdout_is_no_traceback():
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m drs_provider.cli validate plans >&-"],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_said_in_a_line():
    with Path("/dev/full").open("w") as full:
        done = started("schema", stdout=full, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (2, "drs schema: [Errno 28] No space left on device\n")


def test_a_terminal_without_unicode_shows_what_it_can(folder):
    (folder / "bad.yaml").write_text(GOOD.replace("name: p", "name: q") + "nonsense: 1\n")
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "drs_provider.cli", "validate", "plans"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.endswith("notify, owner, ?)\n")
