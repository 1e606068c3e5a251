"""The verbs that steer a run, over a run of the way back: it is found, and its reversals get the orders."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import RunRefused, UsageError
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.run.handover import (
    FailbackOutcome,
    FailbackProgress,
    FailbackServer,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
)
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.airflow_api import DagRunRecord, NotThere
from drs_provider.services.run_control import RunControl, RunStart
from kit.in_memory_airflow import InMemoryAirflow
from kit.recorded_runs import recorded

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)
DAG, RUN = "drs.shop.failback", "manual__2026-11-22T05:00:00+00:00"
SHORT = short_run_id(DAG, RUN)
DB, SECOND, WEB = "db.reverse_replication", "db.reverse_replication_2", "web.reverse_replication"
UPSTREAM = {
    "preflight.check": set(),
    DB: {"preflight.check"},
    SECOND: {"preflight.check"},
    WEB: {"preflight.check"},
    "finish.report": {DB, SECOND, WEB},
    "finish.verdict": {"finish.report"},
}
PLACE = PreflightTarget(
    aws_conn_id="here", region="us-west-2", servers=(PreflightServer(server_id="s-1", hostname="db1"),)
)
PREFLIGHT = PreflightResult(
    plan="shop",
    digest="abc",
    passed=True,
    mode="reprotect",
    checked_at=AT,
    needs_approval=False,
    waves={"db": PreflightWave(selected=True, targets=(PLACE,)), "web": PreflightWave(selected=True, targets=(PLACE,))},
)
COPYING = FailbackProgress(at=AT, servers=(FailbackServer(server_id="s-1", hostname="db1", stage="copying"),))
READY = FailbackOutcome(is_complete=True, done={"s-1": "ready"})


def way_back(db="deferred", web="deferred", run="running"):
    """An Airflow in which a run of the way back has come so far."""
    tasks = {"preflight.check": "success", DB: db, SECOND: db, WEB: web, "finish.report": None, "finish.verdict": None}
    documents = {("preflight.check", PreflightResult.KEY): PREFLIGHT.to_json()}
    for task in (DB, SECOND, WEB):
        documents[task, COPYING.KEY] = COPYING.to_json()
        if tasks[task] == "success":
            documents[task, READY.KEY] = READY.to_json()
    return InMemoryAirflow(
        DAG,
        UPSTREAM,
        [DagRunRecord(DAG, RUN, run, conf={"mode": "reprotect"}, asked_for_at=AT, started_at=AT)],
        {task: TaskSnapshot(state, AT if state else None) for task, state in tasks.items()},
        documents,
        waves=("db", "web"),
    )


class BothWays:
    """The plan's own DAG and that of its way back, each with its runs."""

    address, user = InMemoryAirflow.address, InMemoryAirflow.user

    def __init__(self, there, back):
        self.ways, self.changed, self.plan_dags = {there.dag_id: there, DAG: back}, back.changed, there.plan_dags

    def __getattr__(self, name):
        def asked(dag_id, *rest, **more):
            if dag_id not in self.ways:
                raise NotThere("not found")
            return getattr(self.ways[dag_id], name)(dag_id, *rest, **more)

        return asked


def both_ways():
    return BothWays(InMemoryAirflow.of(recorded("passed")), way_back())


@pytest.mark.parametrize(
    ("plan", "run"),
    [("shop.failback", None), (DAG, None), ("shop.failback", SHORT), ("shop", SHORT), ("shop", RUN), ("drs.shop", RUN)],
)
def test_a_run_of_the_way_back_is_found_by_its_id_and_by_the_name_of_its_dag(plan, run):
    found = RunControl(both_ways()).look(plan, run)

    assert (found.plan, found.run_id, found.short_id, found.mode) == ("shop.failback", RUN, SHORT, "reprotect")
    assert found.command("cancel") == f"drs run cancel shop.failback {SHORT}"
    assert [wave.status.value for wave in found.waves] == ["copying", "copying"]


def test_without_an_id_the_plans_own_run_is_meant_and_a_strange_id_is_wrong_use():
    airflow = both_ways()

    assert RunControl(airflow).look("shop").plan == "shop"
    with pytest.raises(UsageError, match=r"^shop has no run called 'other' "):
        RunControl(airflow).look("shop", "other")
    with pytest.raises(UsageError, match=r"^shop has no run called 'other' "):
        RunControl(InMemoryAirflow.of(recorded("passed"))).look("shop", "other")


def test_a_cancel_orders_every_reversal_that_has_not_ended_to_stop():
    airflow = BothWays(InMemoryAirflow.of(recorded("passed")), way_back(db="success"))
    answered = RunControl(airflow).cancel("shop", SHORT, "tomorrow").message

    assert airflow.changed == [
        ("keep", WEB, "cancel"),
        ("record", "finish.report", "cancel"),
        ("note", "cancelled by ada: tomorrow"),
    ]
    assert answered == (
        f"{RUN} of shop.failback is cancelled, and will end as failed in Airflow within ten minutes: nothing more is "
        "reversed; DRS goes on copying what was, and another run goes on with it; then the report is written"
    )


def test_a_cancel_is_too_late_once_every_server_is_ready():
    airflow = way_back(db="success", web="success")
    with pytest.raises(RunRefused) as refused:
        RunControl(airflow).cancel("shop.failback", None, None)

    assert airflow.changed == []
    assert str(refused.value) == (
        f"too late to cancel {RUN} of shop.failback: every server is ready; its report is written, drs run wait "
        f"shop.failback {SHORT} waits for that"
    )


def test_a_wave_is_left_out_also_while_it_is_copied():
    airflow = way_back()
    answered = RunControl(airflow).skip("shop.failback", "db", None, None).message

    assert airflow.changed[:2] == [("keep", DB, "skip"), ("keep", SECOND, "skip")]
    assert answered == (
        "wave db is left out within ten minutes: nothing more of it is reversed or followed; DRS goes on copying what "
        "was reversed"
    )


def test_a_failed_wave_is_retried_by_its_reversals_and_nothing_goes_on_past_it():
    airflow = way_back(db="failed", web="success", run="failed")
    with pytest.raises(RunRefused, match=r"^nothing waits for wave db of the way back, so there is nothing to contin"):
        RunControl(airflow).go_on("shop.failback", "db", None, "why")
    answered = RunControl(airflow).retry("shop.failback", "db", None, None).message

    assert airflow.changed[:3] == [("keep", DB, "none"), ("keep", SECOND, "none"), ("clear", DB, SECOND)]
    assert answered == ("wave db runs again: what was reversed is kept and not copied again, the others are reversed")


MODES_BACK = ("reprotect", "failback_drill", "failback")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            RunStart("drill"),
            "shop.failback has no runs of the mode drill, but of " + " or ".join(MODES_BACK),
        ),
        (RunStart("failback"), "a failback brings production up: confirm it with the plan's name, shop"),
        (
            RunStart("failback", confirm="shop.failback"),
            "a failback brings production up: confirm it with the plan's name, shop",
        ),
        (RunStart("reprotect", waves=["dbb"]), "no wave called 'dbb' (did you mean 'db'?)"),
    ],
    ids=["a mode of the plan", "not confirmed", "confirmed by the name of the way back", "an unknown wave"],
)
def test_a_way_back_is_started_with_its_own_modes_only(start, said):
    airflow = way_back()
    with pytest.raises(UsageError) as caught:
        RunControl(airflow).start("shop.failback", start)

    assert (str(caught.value), airflow.changed) == (said, [])


@pytest.mark.parametrize(
    "start", [RunStart("reprotect", reason="home"), RunStart("failback", confirm="shop", reason="home", waves=["db"])]
)
def test_a_way_back_is_started_also_beside_a_run_that_its_preflight_has_to_judge(start):
    airflow, said = way_back(), []

    RunControl(airflow, said.append).start("shop.failback", start)

    assert airflow.changed == [("trigger", start.conf)]
    assert said == [
        f"starting a {start.mode} of shop.failback: {'1 wave of 2, db' if start.waves else 'all its waves'}"
    ]


def test_a_wait_for_a_way_back_is_for_its_end():
    over = way_back(db="success", web="success", run="success")
    control = RunControl(over)
    ended = control.wait(control.look(DAG, RUN), None, lambda _: None)

    assert not ended.is_active
