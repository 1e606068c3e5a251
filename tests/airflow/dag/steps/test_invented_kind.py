"""A kind of step that is added with one module and one line is known everywhere."""

import json
from datetime import UTC, datetime

import pytest
from drs_provider.cli.main import main
from drs_provider.dag.factory import build_dag
from drs_provider.plan.loader import read_folder
from drs_provider.plan.schema import schemas
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.ui.board import board_of
from drs_provider.ui.read_model import RunData
from kit.added_step_kind import added
from kit.step_world import shop

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

MODULE = "kit.invented_step"
LINE = f'from drs_provider.plan.step_kinds import STEP_KINDS; STEP_KINDS["gong"] = "{MODULE}"\n'
NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
PLAN = shop("""\
  - name: alarm
    groups: [db]
    after: [{kind: gong, name: sound, inscription: "{{ plan.name }}"}]
""")


@pytest.fixture
def gong():
    with added("gong", MODULE):
        yield


def plan_of(tmp_path, text=PLAN):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "shop.yaml").write_text(text)
    return read_folder(tmp_path / "own")


def test_without_its_line_nobody_knows_it(tmp_path):
    (problem,) = plan_of(tmp_path).problems

    assert problem.what == "no kind called 'gong' here"


@pytest.mark.usefixtures("gong")
def test_with_its_line_a_plan_may_have_it_and_its_mistakes_are_found(tmp_path):
    text = PLAN.replace("inscription", "inscripion")

    said = [f"{problem.where}: {problem.what} ({problem.hint})" for problem in plan_of(tmp_path, text).problems]

    assert said == [
        "waves.alarm.after.sound: inscription is missing ()",
        "waves.alarm.after.sound: unknown key 'inscripion' (did you mean 'inscription'?)",
    ]


@pytest.mark.usefixtures("gong")
def test_the_schema_describes_it():
    gong = schemas()["recovery-plan"]["$defs"]["Gong"]

    assert gong["properties"]["inscription"]["description"] == "What stands on it."


@pytest.mark.usefixtures("gong")
def test_it_runs_and_stands_in_the_report_and_on_the_board(run, tmp_path):
    ended = run(PLAN)

    (step,) = ended.report["waves"][0]["steps"]
    assert (ended.tasks["alarm.sound"], ended.report["verdict"]) == ("success", "passed")
    assert {key: step[key] for key in ("name", "kind", "state", "summary", "attempts")} == {
        "name": "sound",
        "kind": "gong",
        "state": "succeeded",
        "summary": "sounded: shop",
        "attempts": 1,
    }
    (html,) = (tmp_path / "reports").rglob("report.html")
    assert "sounded: shop" in html.read_text()
    dag = build_dag(plan_of(tmp_path).plans["shop"], tmp_path)
    (shown,) = board_of(board_data(dag, {"alarm.sound": "deferred"}), NOW).waves[0].after
    assert (shown.name, shown.kind, shown.status) == ("sound", "gong", "running")


def board_data(dag, states):
    return RunData(
        dag_id="drs.shop",
        run_id="r",
        state="running",
        started_at=NOW,
        tasks={task: TaskSnapshot(state, NOW, NOW) for task, state in states.items()},
        upstream={task.task_id: frozenset(task.upstream_task_ids) for task in dag.tasks},
        classes={task.task_id: task.task_type for task in dag.tasks},
        left={},
    )


@pytest.mark.usefixtures("gong")
def test_a_rehearsal_runs_it(tmp_path, monkeypatch, capsys):
    plan_of(tmp_path)
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "sitecustomize.py").write_text(LINE)  # the rehearsal has processes of its own
    monkeypatch.syspath_prepend(str(tmp_path / "line"))

    code = main(["rehearse", "shop", "--format", "json", "--plans", str(tmp_path / "own")])

    (step,) = json.loads(capsys.readouterr().out)["waves"][0]["steps"]
    assert (code, step["kind"], step["state"], step["assumed"], step["summary"]) == (
        0,
        "gong",
        "success",
        False,
        "sounded: shop",
    )
    assert 2 <= step["end_seconds"] - step["start_seconds"] < 10
