"""Runs whose report cannot be written: a good recovery ends as it went, and a drill does not begin."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_provider.dag.report_place import look_at_report_place, words_for
from drs_provider.report.result import RunReport
from drs_provider.rules.preflight.report_place import ReportPlace
from drs_provider.rules.run.handover import KeptReport, WrittenReport
from drs_provider.rules.run.names import REPORT_TASK, VERDICT_TASK
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[4]
GO = {"mode": "recovery", "confirm": "shop", "reason": "us-east-1 is dark"}
PLAN = SHOP.replace("rpo: 5m\n", "")


@pytest.fixture(params=["file", "s3"])
def unwritable(request, plans, tmp_path, monkeypatch):
    """A place for reports below a file, or an object store whose package is not installed; the words for it."""
    (tmp_path / "file").write_text("no folder")
    place = str(tmp_path / "file" / "reports") if request.param == "file" else "s3://bucket/reports"
    monkeypatch.setenv("DRS_REPORTS", place)
    monkeypatch.setattr("drs_provider.dag.finish.group._PAUSES", ())
    return "nothing can be written to file://" if request.param == "file" else "install airflow-provider-drs[s3]"


def started(plans, **conf):
    (plans / "shop.yaml").write_text(PLAN)
    dag = DagBag(str(ROOT / "dags" / "recovery_plans.py")).dags["drs.shop"]
    for task in dag.tasks:
        if not hasattr(task, "partial_kwargs"):
            task.retries = 0
    return dag.test(run_conf={"mode": "drill", **conf})


def left(ended, task_id, document):
    task = next(ti for ti in ended.get_task_instances() if ti.task_id == task_id)
    return document.read(task.xcom_pull(task_id, key=document.KEY))


def test_a_good_recovery_ends_well_and_keeps_its_report(plans, airflow_db, simulator, unwritable):
    ended = started(plans, **GO)

    states = {ti.task_id: str(ti.state) for ti in ended.get_task_instances()}
    assert (str(ended.state), states[VERDICT_TASK], states[REPORT_TASK]) == ("success", "success", "success")
    assert set(instances(simulator).values()) == {"running"}
    written, kept = left(ended, REPORT_TASK, WrittenReport), left(ended, REPORT_TASK, KeptReport)
    assert (written.verdict, written.json_path) == ("completed", "")
    assert unwritable in written.problem
    assert written.where.endswith("XCom report of the report task holds it")
    report = RunReport.model_validate(kept.report)
    assert (report.verdict, len(report.waves), kept.is_shortened) == ("completed", 2, False)
    assert any("its report cannot be written" in finding.what for finding in report.preflight.findings)


def test_a_drill_whose_proof_cannot_be_written_does_not_begin(plans, airflow_db, simulator, unwritable):
    ended = started(plans)

    assert str(ended.state) == "failed"
    assert calls(simulator, "StartRecovery") == []
    report = RunReport.model_validate(left(ended, REPORT_TASK, KeptReport).report)
    assert report.verdict == "refused"
    assert unwritable in report.preflight.findings[0].what


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        (
            "s3://dr/reports",
            ImportError("Install s3fs to access S3"),
            (
                "s3://dr/reports needs a package that is not installed: install airflow-provider-drs[s3] where "
                "Airflow's tasks and pages run (Install s3fs to access S3)"
            ),
        ),
        (
            "gs://dr/reports",
            ValueError("Protocol not known: gs"),
            (
                "gs://dr/reports needs a package that is not installed: install the Airflow provider for gs:// where "
                "Airflow's tasks and pages run (Protocol not known: gs)"
            ),
        ),
        (
            "file:///reports",
            PermissionError(13, "Permission denied"),
            "nothing can be written to file:///reports: [Errno 13] Permission denied",
        ),
        ("s3://dr", TimeoutError("no answer in 10 s"), "nothing can be written to s3://dr: no answer in 10 s"),
    ],
)
def test_why_nothing_can_be_written_is_said_in_words(place, error, words):
    assert words_for(place, error) == words


def test_a_folder_is_doubted_under_executors_with_several_machines_only(tmp_path, monkeypatch):
    monkeypatch.setenv("DRS_REPORTS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert look_at_report_place() == ReportPlace(folder=str(tmp_path), executors=("CeleryExecutor",))
    monkeypatch.setenv("DRS_REPORTS", Path(tmp_path).as_uri())
    assert look_at_report_place() == ReportPlace(folder=None, executors=("CeleryExecutor",))
    monkeypatch.setenv("DRS_REPORTS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    assert list(look_at_report_place().findings("shop", "refusal")) == []
    monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
    assert look_at_report_place() == ReportPlace(folder=str(tmp_path), executors=("KubernetesExecutor",))
