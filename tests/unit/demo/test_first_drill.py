"""What the test of a newcomer's installation reads from the page, and what it takes for an alarm."""

import re
import tomllib
from pathlib import Path

import pytest

from demo.first_drill import PAGE, NotAsWritten, commands, complaints, password_in

ROOT = Path(__file__).parents[3]


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
