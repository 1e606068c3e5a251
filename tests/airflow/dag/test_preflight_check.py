"""What preflight refuses before it asks anybody: a drill that is over, a missed tick, a wrong starter."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider.dag.factory import build_dag
from drs_provider.dag.notifications.tasks import TellEnd
from drs_provider.dag.run_reader import late_tick
from drs_provider.dag.task_times import began_of_task
from drs_provider.exceptions import Throttled
from drs_provider.plan.loader import read_folder
from kit.dag_runs import SHOP
from kit.fake_drs import MemoryStore
from kit.signatures import signed

pytestmark = pytest.mark.airflow

NOW = datetime.now(UTC)
GONE = {"instance_id": "i-1", "server_id": "s-1"}


class Ti:
    """The task instance of a run whose clean-up has left something, or nothing."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "drs.shop", "r", "preflight.check", -1, 1, 0

    def __init__(self, cleaned):
        self.pushed = {}
        self.cleaned = {task: signed(done, "drs.shop", "r", task, key="return_value") for task, done in cleaned.items()}

    def get_task_states(self, *, dag_id, run_ids):
        return {run_ids[0]: {"preflight.check": "running", **dict.fromkeys(self.cleaned, "success")}}

    def xcom_push(self, *, key, value):
        self.pushed[key] = value

    def xcom_pull(self, *, task_ids, key):
        return self.cleaned.get(task_ids) if key == "return_value" else None


@pytest.fixture
def dag(tmp_path):
    (tmp_path / "shop.yaml").write_text(SHOP)
    return build_dag(read_folder(tmp_path).plans["shop"], tmp_path)


def a_context(dag, ti, params=None, **run):
    form = {name: param.value for name, param in dag.params.items()} | (params or {})
    return {"params": form, "ti": ti, "task_state_store": MemoryStore(), "dag_run": SimpleNamespace(**run)}


def checked(dag, *, cleaned=None, params=None, **run):
    facts = {"dag_id": "drs.shop", "run_id": "r", "run_type": "manual", "clear_number": 0, "run_after": NOW}
    facts |= {"logical_date": None}  # as of a run that the command line starts
    context = a_context(dag, Ti(cleaned or {}), params, **{**facts, "start_date": NOW, **run})
    with pytest.raises(AirflowFailException) as failed:
        dag.task_dict["preflight.check"].execute(context)
    return str(failed.value)


OVER = (
    "what this run had launched was cleaned up, or rolled back: start a new run of shop, drs run start shop. "
    "Nothing was launched"
)


@pytest.mark.parametrize("task", ["finish.clean_up", "finish.clean_up_2"])
def test_the_run_of_a_drill_that_was_cleaned_up_is_not_begun_anew(dag, task):
    assert checked(dag, cleaned={task: {"version": 2, "terminated": [GONE]}}, clear_number=1) == OVER


@pytest.mark.parametrize(
    ("cleaned", "cleared"),
    [
        ({"finish.clean_up": {"version": 2, "terminated": []}}, 1),
        ({}, 1),
        ({"finish.clean_up": {"version": 2, "terminated": [GONE]}}, 0),
    ],
    ids=["nothing was launched", "the run had no clean-up yet", "nobody has cleared it"],
)
def test_other_runs_are_checked_as_usual(dag, cleaned, cleared):
    said = checked(dag, cleaned=cleaned, clear_number=cleared, params={"mode": "test"})

    assert "mode 'test' is neither 'drill' nor 'recovery' nor 'migration' nor 'check'" in said


def test_a_refusal_stays_the_last_word_where_nothing_more_can_be_noted(dag, monkeypatch):
    def leave(self, *, key, value):
        if key == "refused_at_first":
            raise RuntimeError("no answer")

    monkeypatch.setattr(Ti, "xcom_push", leave)

    assert "mode 'test' is neither 'drill' nor 'recovery' nor 'migration' nor 'check'" in checked(
        dag, params={"mode": "test"}
    )


LATE = {"run_type": "scheduled", "run_after": NOW - timedelta(hours=15)}


def test_a_missed_tick_of_a_schedule_starts_nothing(dag):
    assert checked(dag, **LATE).splitlines() == [
        "the run of shop is refused, 1 reason; nothing was launched:",
        (
            "  - this drill was due 15h ago by the plan's schedule, and what is missed is not caught up: wait for "
            "the next one, or start one now (drs run start shop)"
        ),
    ]


@pytest.mark.parametrize(
    ("run", "late"),
    [
        (LATE, True),
        ({**LATE, "start_date": None}, True),
        ({**LATE, "clear_number": 1}, False),
        ({**LATE, "run_type": "manual"}, False),
        ({**LATE, "run_type": "operator_triggered"}, False),
        ({**LATE, "run_after": NOW - timedelta(minutes=14)}, False),
        ({**LATE, "start_date": NOW - timedelta(hours=15)}, False),
    ],
    ids=["late", "not begun", "cleared by a person", "manual", "another DAG", "in time", "waits since for AWS"],
)
def test_late_is_what_a_schedule_starts_long_after_it_was_due(run, late):
    facts = {"clear_number": 0, "start_date": NOW, **run}

    assert (late_tick({"dag_run": SimpleNamespace(**facts)}) is not None) is late


def test_nobody_is_told_of_the_end_of_a_tick_that_was_missed():
    task = TellEnd(task_group=None, plan="shop", title="Shop", notify=())
    facts = {"clear_number": 0, "start_date": NOW, **LATE}

    assert task.notice({"dag_run": SimpleNamespace(**facts)}, None) is None


@pytest.mark.parametrize("run_type", ["scheduled", "operator_triggered", "asset_triggered", "backfill"])
def test_a_recovery_is_started_by_a_person_only(dag, run_type):
    said = checked(dag, run_type=run_type, params={"mode": "recovery", "confirm": "shop", "reason": "fire"})

    assert f"this run is {run_type}" in said or f"this one is {run_type}" in said


def test_a_drill_may_come_from_a_person_a_schedule_another_dag_or_an_asset_event(dag):
    allowed = {str(getattr(kind, "value", kind)) for kind in dag.allowed_run_types}

    assert allowed == {"manual", "scheduled", "operator_triggered", "asset_triggered"}


def test_a_cleared_preflight_waits_for_aws_as_long_as_a_first_one(dag, monkeypatch):
    task, ti = dag.task_dict["preflight.check"], Ti({})
    facts = {"dag_id": "drs.shop", "run_id": "r", "run_type": "manual", "clear_number": 0, "run_after": NOW}
    context = a_context(dag, ti, start_date=NOW - timedelta(hours=9), **facts)
    refusal = Throttled("DescribeSourceServers", "ThrottlingException", "slow down")
    monkeypatch.setattr(type(task), "_look", lambda *_: (_ for _ in ()).throw(refusal))
    with pytest.raises(TaskDeferred):
        task.execute(context)

    began = began_of_task(context)
    monkeypatch.setattr("drs_provider.clock.now", lambda: began + timedelta(hours=3))
    with pytest.raises(AirflowFailException, match="slow down"):
        task.execute(context)

    ti.max_tries = 1
    with pytest.raises(TaskDeferred):
        task.execute(context)
