"""What the test of a newcomer's installation reads from the page, and what it takes for an alarm."""

import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from demo import first_drill
from demo.first_drill import PAGE, Newcomer, NotAsWritten, commands, complaints, last_lines, password_in

ROOT = Path(__file__).parents[3]


@pytest.fixture
def newcomer(tmp_path):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    return Newcomer(tmp_path / "venv", tmp_path, None, None)


def test_a_command_that_never_ends_is_ended_with_all_that_it_has_started(newcomer, tmp_path, monkeypatch):
    monkeypatch.setattr(first_drill, "LONGEST_DRILL", 0.5)
    monkeypatch.setattr(first_drill, "GRACE", 0.5)
    line = "sleep 300 & echo $! > child; echo waiting; wait"

    with pytest.raises(NotAsWritten) as caught:
        newcomer.run(line)

    assert str(caught.value) == f"{line}: has not ended after 1 s\nwaiting\n"
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not is_alive(child):
            break
        time.sleep(0.05)
    assert not is_alive(child)


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_ends_is_told_with_its_code_and_words(newcomer):
    done = newcomer.run("echo out; echo no >&2; exit 3")

    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "no\n")


def test_a_drill_is_not_waited_for_for_ever(newcomer, tmp_path):
    drs = tmp_path / "venv" / "bin" / "drs"
    drs.write_text('#!/bin/sh\necho "$@" >> asked\n')
    drs.chmod(0o755)

    newcomer.follow("drs run start hello --wait")

    assert (tmp_path / "asked").read_text() == "run start hello --wait --timeout 900\n"


def test_the_ends_of_both_logs_are_shown():
    said = {"airflow": "".join(f"{number}\n" for number in range(100)), "drs-simulator": "up\n"}

    assert last_lines(said.__getitem__) == [*(f"airflow | {number}" for number in range(60, 100)), "drs-simulator | up"]


def a_python(folder, lacks=""):
    """A Python as version 9.9 that lacks a module, or none."""
    folder.mkdir()
    python = folder / "python9.9"
    python.write_text(f'#!/bin/sh\ncase "$2" in *{lacks or "nothing-like-it"}*) exit 1;; esac\nexit 0\n')
    python.chmod(0o755)
    return python


@pytest.mark.parametrize("lacks", ["ctypes", "ensurepip", "lzma", "sqlite3", "ssl"])
def test_a_python_that_was_built_without_a_library_is_passed_over(tmp_path, lacks):
    a_python(tmp_path / "first", lacks)
    whole = a_python(tmp_path / "second")
    path = f"{tmp_path}/first:{tmp_path}/second:{os.environ['PATH']}"

    found = [
        subprocess.run(
            ["bash", "-c", ". .ci/pythons; first_python 9.9"],
            cwd=ROOT,
            env={"PATH": where, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        for where in (path, path.replace(f"{tmp_path}/second:", ""))
    ]

    assert [(done.returncode, done.stdout) for done in found] == [(0, f"{whole}\n"), (1, "")]


@pytest.mark.parametrize(("is_ci", "code"), [("true", 0), ("", 1)])
@pytest.mark.parametrize(
    ("script", "words"), [(".ci/matrix", "no cell has run"), (".ci/install", "no list was installed")]
)
def test_a_machine_without_the_python_is_a_notice_in_continuous_integration_only(tmp_path, script, words, is_ci, code):
    done = subprocess.run(
        [ROOT / script, "lock@9.99"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CI": is_ci},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (
        code,
        "lock: left out, this machine has no Python 9.99\n",
        f"{words}\n",
    )


def test_the_commands_of_the_page_are_found_in_their_order():
    assert commands(PAGE.read_text(encoding="utf-8")) == [
        "drs init recovery",
        "drs-simulator --example --speed 60",
        "airflow standalone",
        "export DRS_AIRFLOW_USER=admin DRS_AIRFLOW_PASSWORD=…",
        "drs run resume hello",
        "drs run start hello --wait",
    ]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("## The first drill\n\n```bash\na  # why\n\n# only words\nb --c '#'\n```\n", ["a", "b --c '#'"]),
        (
            "```bash\nx\n```\n## The first drill\n```bash\na\n```\n\n```bash\nb\n```\n## Next\n```bash\nc\n```\n",
            ["a", "b"],
        ),
        ("## The first drill\n```yaml\nno: command\n```\n```bash\na\n```\n", ["a"]),
    ],
)
def test_commands_are_those_below_the_heading_and_no_others(page, found):
    assert commands(page) == found


@pytest.mark.parametrize("page", ["", "## The first drill\n", "## The first drills\n```bash\na\n```\n"])
def test_a_page_that_has_no_commands_any_more_is_said(page):
    with pytest.raises(NotAsWritten, match=r"^install\.md has no commands below '## The first drill'$"):
        commands(page)


@pytest.mark.parametrize(
    ("said", "password"),
    [
        ("", None),
        ("standalone | Starting Airflow Standalone\n", None),
        ("Simple auth manager | Password for user 'admin': Xy1_-\n", "Xy1_-"),
        ("Password for user 'ada': no\nPassword for user 'admin': yes", "yes"),
    ],
)
def test_the_password_is_read_where_airflow_says_it(said, password):
    assert password_in(said) == password


@pytest.mark.parametrize(
    "line",
    [
        'scheduler | File "/venv/lib/python3.13/site-packages/drs_provider/ui/plugin.py", line 7, in <module>',
        "triggerer | 2026-11-30T12:21:57Z [warning  ] the plan could not be kept [drs_provider.dag.plan_store] loc=x",
        "2026-11-30T12:21:57Z [error    ] no such store [drs_provider.report.store] loc=store.py:1",
        "No connection ID provided. Fallback on boto3 credential strategy (region_name='us-east-1')",
    ],
)
def test_what_would_alarm_a_newcomer_is_found(line):
    assert complaints(f"[info     ] fine [drs_provider.x]\n{line}\n# Errors: 0\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "api-server | [info     ] Uvicorn running on http://0.0.0.0:38339 [uvicorn.error] loc=server.py:234",
        "scheduler | [error    ] Executor reported that the task instance drs.hello.preflight.check failed",
        "scheduler | Traceback (most recent call last):",
    ],
)
def test_what_a_busy_airflow_says_of_itself_is_no_alarm_of_ours(line):
    assert complaints(line) == []


def test_readme_and_page_install_the_same_in_the_same_way():
    readme, page = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/install.md"))

    assert re.search(r"pip install \. \./simulator --constraint constraints\.txt", readme)
    assert re.search(r"pip install DRS DRS/simulator --constraint constraints\.txt", page)
    assert "drs init recovery" in readme


def test_the_lists_that_are_installed_are_there_and_their_pythons_are_promised():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    cells = re.search(r"(?m)^INSTALLS \?= (.+)$", makefile)[1].split()
    tested = set(re.search(r"(?m)^PYTHONS := (.+)$", makefile)[1].split())

    for cell in cells:
        name, _, pythons = cell.partition("@")
        assert (ROOT / "requirements" / "constraints" / f"{name}.txt").exists()
        assert set(pythons.split(",")) <= tested
    assert (
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"] == ">=3.11"
    )
