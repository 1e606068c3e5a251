"""The verbs that steer a run, over a run whose waves are launched ahead of their turn."""

from datetime import UTC, datetime

from drs_provider.rules.run.handover import (
    FailureMessage,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
)
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.airflow_api import DagRunRecord
from drs_provider.services.run_control import RunControl
from kit.in_memory_airflow import InMemoryAirflow

AT = datetime(2026, 11, 22, 5, tzinfo=UTC)
DAG, RUN = "drs.shop", "manual__2026-11-22T05:00:00+00:00"
UPSTREAM = {
    "preflight.check": set(),
    "web.launch_settings": {"preflight.check"},
    "web.launch_ahead": {"web.launch_settings"},
    "web.start_recovery": {"web.launch_ahead", "web.launch_settings"},
    "web.recovery_job": {"web.start_recovery"},
    "web.announce": {"web.recovery_job"},
    "finish.report": {"web.announce"},
    "finish.verdict": {"finish.report"},
}
SERVER = PreflightServer(server_id="s-1", hostname="web1", ahead=True, is_started=True)
PLACE = PreflightTarget(aws_conn_id="here", region="us-west-2", servers=(SERVER,))
PREFLIGHT = PreflightResult(
    plan="shop",
    digest="abc",
    passed=True,
    mode="recovery",
    checked_at=AT,
    needs_approval=False,
    waves={"web": PreflightWave(selected=True, targets=(PLACE,))},
)


def broken_at(task, words="the worker is gone"):
    """An Airflow in which a recovery has failed at a task, and nothing behind that has run."""
    names = list(UPSTREAM)
    states = dict.fromkeys(names[: names.index(task)], "success") | {task: "failed"}
    states = {name: states.get(name, "upstream_failed") for name in names} | {"finish.report": "success"}
    documents = {("preflight.check", PreflightResult.KEY): PREFLIGHT.to_json()}
    documents[task, FailureMessage.KEY] = FailureMessage(message=words).to_json()
    return InMemoryAirflow(
        DAG,
        UPSTREAM,
        [DagRunRecord(DAG, RUN, "failed", conf={"mode": "recovery"}, asked_for_at=AT, started_at=AT)],
        {name: TaskSnapshot(state, AT) for name, state in states.items()},
        documents,
        waves=("web",),
    )


def changes(airflow, what):
    return [change[1:] for change in airflow.changed if change[0] == what]


def test_a_wave_that_is_left_out_is_not_launched_ahead_either_once_what_failed_before_it_runs_again():
    airflow = broken_at("web.launch_settings")
    RunControl(airflow).go_on("shop", "web", None, "not tonight")

    ordered = {task for task, kind in changes(airflow, "keep") if kind == "continue"}
    assert ordered == {"web.launch_settings", "web.launch_ahead", "web.start_recovery", "web.recovery_job"}
    assert changes(airflow, "clear") == [("web.launch_settings", "web.start_recovery")]


def test_a_failed_launch_ahead_is_why_its_wave_is_not_started():
    (wave,) = RunControl(broken_at("web.launch_ahead")).look("shop").waves

    assert (wave.status.value, wave.cause.value, wave.reason) == ("not_started", "task", "the worker is gone")


def test_a_wave_runs_again_with_its_launch_ahead_that_has_failed():
    airflow = broken_at("web.launch_ahead")
    RunControl(airflow).retry("shop", "web", None, None)

    assert changes(airflow, "clear") == [("web.launch_ahead", "web.start_recovery")]


def test_a_run_goes_on_past_a_wave_whose_launch_ahead_has_failed():
    airflow = broken_at("web.launch_ahead")
    RunControl(airflow).go_on("shop", "web", None, "not tonight")

    ordered = [task for task, kind in changes(airflow, "keep") if kind == "continue"]
    assert sorted(ordered) == ["web.launch_ahead", "web.recovery_job", "web.start_recovery"]
    assert changes(airflow, "clear") == [("web.launch_ahead", "web.start_recovery")]


def test_a_wave_whose_servers_are_left_as_they_are_is_not_launched_ahead_again():
    airflow = broken_at("web.recovery_job")
    RunControl(airflow).go_on("shop", "web", None, "by hand")

    assert "web.launch_ahead" in [task for task, kind in changes(airflow, "keep") if kind == "continue"]
    assert changes(airflow, "clear") == [("web.recovery_job",)]
