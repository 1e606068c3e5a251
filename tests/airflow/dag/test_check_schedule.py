"""Checks by a plan's own schedule: a small DAG beside the plan's starts them, once each, and says why it does not."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from drs_provider.airflow_internals.task_runner import comms, set_supervisor_comms
from drs_provider.dag.check_schedule import StartCheck
from drs_provider.dag.factory import dags_of_folder
from kit.dag_runs import SHOP

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DUE = datetime(2026, 11, 30, 6, tzinfo=UTC)
SCHEDULED = SHOP.replace("rto: 45m\n", "rto: 45m\ncheck: {schedule: '0 6 * * *', timezone: Europe/Berlin}\n")
STARTED = comms.OKResponse(ok=True)


class Airflow:
    """What the task asks Airflow, and what it is answered."""

    def __init__(self, *, is_paused=False, answer=STARTED, going_on=0):
        self.is_paused, self.answer, self.triggered, self.going_on = is_paused, answer, [], going_on

    def send(self, msg=None):
        if isinstance(msg, comms.TriggerDagRun):
            self.triggered.append(msg)
            return self.answer
        if isinstance(msg, comms.GetDRCount):
            assert (msg.dag_id, msg.states) == ("drs.shop", ["queued", "running"])
            return comms.DRCount(count=self.going_on)
        return SimpleNamespace(is_paused=self.is_paused)


def start(airflow, *, late=timedelta(0), run_type="scheduled", clear_number=0):
    run = SimpleNamespace(run_type=run_type, run_after=DUE, start_date=DUE + late, clear_number=clear_number)
    with set_supervisor_comms(airflow):
        return StartCheck(task_id="start_check", plan="shop").execute({"dag_run": run})


def dags_of(plans, only=None, monkeypatch=None):
    if only:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", only)
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "start_check")
    return {dag.dag_id: dag for dag in dags_of_folder(plans, dag_file=plans / "recovery_plans.py")}


def test_a_plan_that_schedules_checks_has_a_second_dag_with_one_task_and_its_own_schedule(plans):
    (plans / "shop.yaml").write_text(SCHEDULED)

    dags = dags_of(plans)
    check = dags["drs.shop.check"]

    assert set(dags) == {"drs.shop", "drs.shop.check", "drs.sweeper"}
    assert (check.timetable.expression, str(check.timetable.timezone)) == ("0 6 * * *", "Europe/Berlin")
    assert (check.catchup, [task.task_id for task in check.tasks]) == (False, ["start_check"])
    assert type(dags["drs.shop"].timetable).__name__ == "NullTimetable"
    assert dags["drs.shop"].params["mode"] == "drill"


def test_a_plan_that_schedules_drills_only_has_no_such_dag(plans):
    (plans / "shop.yaml").write_text(SHOP.replace("{network: shared}", "{network: shared, schedule: '@weekly'}"))

    assert set(dags_of(plans)) == {"drs.shop", "drs.sweeper"}


def test_the_dag_is_built_alone_when_one_task_of_it_runs(plans, monkeypatch):
    (plans / "shop.yaml").write_text(SCHEDULED)

    assert set(dags_of(plans, only="drs.shop.check", monkeypatch=monkeypatch)) == {"drs.shop.check"}


def test_airflow_reads_back_what_it_has_written_of_the_dag(plans):
    (plans / "shop.yaml").write_text(SCHEDULED)

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dags_of(plans)["drs.shop.check"]))

    assert (dag.dag_id, dag.timetable._expression) == ("drs.shop.check", "0 6 * * *")


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="in time"),
        pytest.param({"late": timedelta(minutes=15)}, id="a quarter of an hour late"),
        pytest.param({"late": timedelta(hours=9), "run_type": "manual"}, id="by a person"),
        pytest.param({"going_on": 1}, id="beside a drill"),
        pytest.param({"answer": comms.ErrorResponse(error="DAGRUN_ALREADY_EXISTS", detail={})}, id="started before"),
    ],
)
def test_a_tick_starts_a_check_under_an_id_of_its_own(facts):
    airflow = Airflow(**{name: facts.pop(name) for name in ("answer", "going_on") if name in facts})

    run_id = start(airflow, **facts)

    (asked,) = airflow.triggered
    assert run_id == asked.run_id == "drs__check__2026-11-30T06:00:00+00:00"
    assert (asked.dag_id, asked.conf, asked.reset_dag_run) == ("drs.shop", {"mode": "check"}, False)
    assert asked.logical_date != DUE  # a drill of the same moment has that one


def test_a_person_who_clears_the_task_gets_another_check():
    airflow = Airflow()

    assert start(airflow, late=timedelta(hours=9), clear_number=1) == "drs__check__2026-11-30T06:00:00+00:00__1"
    assert len(airflow.triggered) == 1


@pytest.mark.parametrize(
    ("airflow", "facts", "words"),
    [
        pytest.param(
            Airflow(),
            {"late": timedelta(minutes=15, seconds=1)},
            "not checked: this check was due 15m 01s ago by the plan's schedule, and what is missed is not caught up: "
            "wait for the next one, or start one now (drs run start shop --mode check)",
            id="late",
        ),
        pytest.param(
            Airflow(going_on=2),
            {},
            "not checked: 2 runs of drs.shop go on or wait, and a recovery must not wait behind a check",
            id="the plan has enough to do",
        ),
    ],
)
def test_a_check_for_which_it_is_not_the_time_is_skipped(airflow, facts, words):
    with pytest.raises(AirflowSkipException) as skipped:
        start(airflow, **facts)

    assert (str(skipped.value), airflow.triggered) == (words, [])


@pytest.mark.parametrize(
    ("airflow", "facts", "words"),
    [
        pytest.param(
            Airflow(is_paused=True),
            {},
            "not checked: drs.shop is paused, so nothing of it would begin. Resume it, or pause drs.shop.check too for "
            "as long",
            id="the plan is paused",
        ),
        pytest.param(
            Airflow(answer=comms.ErrorResponse(error="GENERIC_ERROR", detail={"reason": "no"})),
            {},
            "not checked: Airflow did not start drs__check__2026-11-30T06:00:00+00:00 of drs.shop: "
            "ErrorType.GENERIC_ERROR: {'reason': 'no'}",
            id="Airflow says no",
        ),
    ],
)
def test_a_check_that_is_not_started_says_why_and_is_no_success(airflow, facts, words):
    with pytest.raises(AirflowFailException) as failed:
        start(airflow, **facts)

    assert str(failed.value) == words


def test_a_started_check_stands_on_the_page_of_plans(run, simulator, plans):
    """The conf of its run says what it is, as the conf of one that a person starts; ``newest_checks`` goes by that."""
    airflow = Airflow()
    start(airflow)
    (asked,) = airflow.triggered

    ended = run(SCHEDULED, **asked.conf)

    assert (ended.report["run"]["mode"], ended.report["verdict"]) == ("check", "checked")
