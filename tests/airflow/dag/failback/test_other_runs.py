"""Two runs of one way back: what each is told of the other by Airflow, and which of them is refused."""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time import comms, task_runner
from drs_provider.dag.factory import build_dag
from drs_provider.dag.failback.build import build_failback_dag
from drs_provider.dag.failback.cut_over.start import StartBack
from drs_provider.dag.failback.cut_over.stop_originals import StopOriginals
from drs_provider.dag.failback.drill.launch import StartDrillBack
from drs_provider.dag.failback.other_runs import ensure_alone, other_ways_back, problems_beside
from drs_provider.exceptions import RunRefused
from drs_provider.plan.loader import read_folder
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.purpose import FAILBACK, FAILBACK_DRILL, REPROTECT
from kit.failback_plans import SHOP

pytestmark = pytest.mark.airflow

DAG_ID = "drs.shop.failback"
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
EARLIER, LATER = AT - timedelta(hours=1), AT + timedelta(seconds=1)
SILENT = (
    "Airflow does not say which other runs of drs.shop.failback go on, and two must not take the same servers (no "
    "route). Clear this task to ask again"
)


class Airflow:
    """Runs by id: state, state of preflight, of the verdict, conf, and when it was to begin."""

    def __init__(self, **runs):
        self.runs = {"own": ("running", "running", None, {}, AT), **runs}

    def get_dr_count(self, *, dag_id, states, run_ids=None):
        assert dag_id == DAG_ID
        return sum(run[0] in states for name, run in self.runs.items() if run_ids is None or name in run_ids)

    def get_task_states(self, *, dag_id, task_ids):
        assert (dag_id, task_ids) == (DAG_ID, ["finish.verdict", "preflight.check"])
        return {
            name: {"preflight.check": checked, "finish.verdict": verdict}
            for name, (_, checked, verdict, _, _) in self.runs.items()
        }

    def send(self, message):
        assert isinstance(message, comms.GetDagRun)
        state, _, _, conf, at = self.runs[message.run_id]
        return comms.DagRunResult(
            dag_id=message.dag_id,
            run_id=message.run_id,
            logical_date=None,
            data_interval_start=None,
            data_interval_end=None,
            run_after=at,
            start_date=at,
            end_date=None,
            run_type="manual",
            state=state,
            conf=conf,
            consumed_asset_events=[],
            partition_key=None,
        )


@pytest.fixture
def context(monkeypatch):
    def context(mode="failback", waves=("db",), **runs):
        airflow = Airflow(**runs)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", airflow, raising=False)
        run = SimpleNamespace(dag_id=DAG_ID, run_id="own", run_after=AT)
        return {"ti": airflow, "dag_run": run, "params": {"mode": mode, "waves": list(waves)}}

    return context


def run(mode="failback", *, state="running", checked="success", verdict=None, at=EARLIER, **conf):
    return (state, checked, verdict, {"mode": mode, **conf}, at)


def told(context):
    return {
        found.run_id: (found.purpose, found.waves, found.has_passed, found.is_earlier)
        for found in other_ways_back(context)
    }


def test_every_run_that_is_not_over_and_was_not_refused_is_told_of(context):
    found = told(
        context(
            passed=run(waves=["db", "web"]),
            looks=run("failback_drill", checked="deferred", at=LATER),
            waits=run(state="queued", checked=None, at=LATER),
            refused=run(checked="failed"),
            over=run(state="success", verdict="success"),
            cleared=run(verdict="success"),
            unset=("running", "success", None, {}, EARLIER),
            strange=run("sideways"),
        )
    )
    assert found == {
        "passed": (FAILBACK, ("db", "web"), True, True),
        "looks": (FAILBACK_DRILL, (), False, False),
        "waits": (FAILBACK, (), False, False),
        "cleared": (FAILBACK, (), True, True),
        "unset": (REPROTECT, (), True, True),
    }


@pytest.mark.parametrize(
    ("mode", "beside", "begins"),
    [
        ("failback", run(), False),
        ("failback", run(waves=["web"]), True),
        ("failback", run("failback_drill"), False),
        ("failback", run("reprotect"), True),
        ("failback", run(checked=None, at=LATER), True),
        ("failback", run(state="success", verdict="success"), True),
        ("failback_drill", run(at=LATER), False),
        ("failback_drill", run("failback_drill"), True),
        ("reprotect", run(), True),
    ],
)
def test_a_run_begins_beside_nothing_that_it_would_clash_with(context, mode, beside, begins):
    assert (problems_beside(context(mode, other=beside), "shop") == ()) is begins


def test_the_later_of_two_failbacks_gives_way_also_after_preflight(context):
    ensure_alone(context(other=run(at=LATER)), "shop")
    with pytest.raises(RunRefused, match="failback other goes on, with wave db of this run"):
        ensure_alone(context(other=run(at=EARLIER)), "shop")
    with pytest.raises(RunRefused, match="failback other goes on, with wave db of this run: a drill"):
        ensure_alone(context("failback_drill", other=run(at=LATER)), "shop")


def test_an_airflow_that_does_not_answer_is_named_and_stops_nothing_whose_writes_are_stopped(context, caplog):
    def silent(mode):
        found = context(mode)
        found["ti"].get_dr_count = lambda **_: (_ for _ in ()).throw(ConnectionError("no route"))
        return found

    assert problems_beside(silent("failback"), "shop") == (SILENT,)
    assert problems_beside(silent("reprotect"), "shop") == ()
    with pytest.raises(RunRefused) as refused:
        ensure_alone(silent("failback_drill"), "shop")
    assert str(refused.value) == SILENT
    with caplog.at_level(logging.WARNING):
        ensure_alone(silent("failback"), "shop")
    assert f"{SILENT}. This run goes on, as preflight has seen no other" in caplog.text


@pytest.fixture
def dags(tmp_path):
    (tmp_path / "shop.yaml").write_text(SHOP)
    plan = read_folder(tmp_path).plans["shop"]
    return build_dag(plan, tmp_path), build_failback_dag(plan, tmp_path, AT)


def test_as_many_runs_of_a_way_back_go_on_at_once_as_of_its_plan(dags):
    assert [dag.max_active_runs for dag in dags] == [4, 4]


def test_a_drill_looks_for_a_failback_right_before_it_launches(dags, context):
    start = next(task for task in dags[1].tasks if isinstance(task, StartDrillBack))
    start.servers = ()
    with pytest.raises(RunRefused, match="failback other goes on"):
        start.points_of(context("failback_drill", other=run()), [])


READY = SimpleNamespace(states={"s-1": SimpleNamespace(stage=Stage.READY, failback_server="s-2")})


def test_a_failback_looks_for_an_earlier_one_right_before_it_launches(dags, context):
    start = next(task for task in dags[1].tasks if isinstance(task, StartBack))
    with pytest.raises(RunRefused, match="failback other goes on"):
        start._ensure_quiet(context(other=run(at=EARLIER)), None, READY, ["s-1"])


def test_a_failback_looks_for_an_earlier_one_right_before_it_stops_anything(dags, context, monkeypatch):
    monkeypatch.setattr("drs_provider.services.failback.cut_over.originals_in", lambda *_: {})
    stop = next(task for task in dags[1].tasks if isinstance(task, StopOriginals))
    server = SimpleNamespace(server_id="s-1", back=SimpleNamespace(original="i-1"))
    with pytest.raises(RunRefused, match="failback other goes on"):
        stop._named(context(other=run(at=EARLIER)), None, READY, [server])


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", ["failback", "failback_drill"])
def test_preflight_refuses_a_run_beside_a_failback(go_back, simulator, monkeypatch, mode):
    monkeypatch.setattr("drs_provider.dag.failback.other_runs._others", lambda _: iter([_other()]))

    ended = go_back(mode=mode, confirm="shop", reason="the Region is back")

    assert ended.state == "failed"
    assert "failback elsewhere goes on, with waves database and web of this run" in ended.said("preflight.check")


def _other():
    from drs_provider.rules.failback.other_runs import OtherWayBack

    return OtherWayBack("elsewhere", FAILBACK)
