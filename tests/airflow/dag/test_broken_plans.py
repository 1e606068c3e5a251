"""A plan whose own files are broken in mid-run: what goes on goes on, nothing new begins, and everybody is told."""

import logging
from pathlib import Path
from threading import Event

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time import supervisor
from drs_provider.dag import plan_store as kept_plans
from drs_provider.dag.factory import dags_of_folder
from drs_provider.dag.plan_store import keep_plan
from drs_provider.plan.loader import read_folder
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from kit.dag_runs import SHOP, Run, calls, instances
from kit.fake_context import fake_context

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DAG_FILE = Path(__file__).parents[3] / "dags" / "recovery_plans.py"
NO_YAML = SHOP.replace("waves:\n", "waves: [\n")
WRONG = SHOP.replace("rto: 45m", "rto: soon")
OTHER = """\
kind: ProtectionGroup
name: other
servers: [s-00000000000000077]
---
kind: RecoveryPlan
name: other
drill: {network: shared}
waves: [{name: one, groups: [other]}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A plans folder of which the plan has been kept."""
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(SHOP)
    (plans / "other.yaml").write_text(OTHER)
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(plans))
    monkeypatch.setenv("DRS_REPORTS", str(tmp_path / "reports"))
    keep_plan(read_folder(plans).plans["shop"], plans, run_id="manual__one")
    return plans


def bag():
    return DagBag(str(DAG_FILE))


def kept_file(folder):
    return folder.parent / "reports" / "kept_plans" / "shop.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            NO_YAML,
            "20:3: YAML: a value is missing here, or it wants quotes",
            id="no YAML",
        ),
        pytest.param(
            WRONG, "16:6: rto: expected a duration such as 90s, 15m, 1h30m, 1d, 13w or PT45M, found 'soon'", id="wrong"
        ),
    ],
)
def test_a_plan_whose_file_is_broken_stays_as_the_newest_run_began_with_it(folder, text, said):
    before = bag().dags["drs.shop"]
    (folder / "shop.yaml").write_text(text)

    found = bag()

    assert set(found.dags) == {"drs.shop", "drs.other", "drs.sweeper"}
    assert [(Path(file).name, error) for file, error in found.import_errors.items()] == [
        ("shop.yaml", f"{folder}/shop.yaml:{said}")
    ]
    dag = found.dags["drs.shop"]
    assert {task_id: task.upstream_task_ids for task_id, task in dag.task_dict.items()} == {
        task_id: task.upstream_task_ids for task_id, task in before.task_dict.items()
    }
    notice, _, rest = dag.doc_md.partition("\n\n")
    assert rest == before.doc_md
    assert notice.replace("\\", "") == (
        f"**The file of this plan has problems:** {folder}/shop.yaml:{said}. This is the version that run manual__one "
        "started with. Runs that have started continue with it; no new run starts until the file is corrected."
    )
    mode = dag.params.get_param("mode").schema["description_md"]
    assert mode == f"{notice}\n\n{before.params.get_param('mode').schema['description_md']}"


def test_a_task_start_reads_what_was_kept_too(folder, monkeypatch):
    (folder / "shop.yaml").write_text(NO_YAML)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "drs.shop")

    found = bag()

    assert (set(found.dags), found.import_errors) == ({"drs.shop"}, {})


@pytest.mark.parametrize("minutes", [45, 50])
def test_a_mended_plan_is_read_from_its_file_again(folder, minutes):
    began_with = bag().dags["drs.shop"].task_dict["web.start_recovery"].digest
    (folder / "shop.yaml").write_text(NO_YAML)
    meanwhile = bag().dags["drs.shop"].task_dict["web.start_recovery"].digest
    (folder / "shop.yaml").write_text(SHOP.replace("rto: 45m", f"rto: {minutes}m"))

    found = bag()

    assert found.import_errors == {}
    assert "has problems" not in found.dags["drs.shop"].doc_md
    # By this every wave knows whether it may go on.
    mended = found.dags["drs.shop"].task_dict["web.start_recovery"].digest
    assert (meanwhile == began_with, mended == began_with) == (True, minutes == 45)


@pytest.mark.parametrize("dag_id", [None, "drs.shop"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda file: file.unlink(), id="nothing is kept"),
        pytest.param(lambda file: file.write_text("x"), id="what is kept is garbled"),
        pytest.param(lambda file: file.write_bytes(b"\xff\xfe\0"), id="what is kept is no text"),
        pytest.param(lambda file: file.write_text(file.read_text().replace("0001", "0009")), id="another plan"),
        pytest.param(lambda file: (file.unlink(), file.mkdir()), id="a folder"),
        pytest.param(lambda file: (file.unlink(), file.parent.rmdir(), file.parent.write_text("")), id="no folder"),
    ],
)
@pytest.mark.parametrize("text", [NO_YAML, WRONG], ids=["no YAML", "wrong"])
def test_where_nothing_usable_is_kept_a_broken_plan_has_no_dag_and_takes_no_other_along(
    folder, monkeypatch, spoil, text, dag_id
):
    (folder / "shop.yaml").write_text(text)
    spoil(kept_file(folder))
    if dag_id:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)

    assert set(bag().dags) == (set() if dag_id else {"drs.other", "drs.sweeper"})


def test_a_store_that_cannot_be_asked_takes_no_dag_along(folder, monkeypatch, caplog):
    (folder / "shop.yaml").write_text(NO_YAML)
    monkeypatch.setenv("DRS_REPORTS", "nowhere://reports")

    assert set(bag().dags) == {"drs.other", "drs.sweeper"}
    assert [record.getMessage()[:57] for record in caplog.records if "stored" in record.getMessage()] == [
        "the stored plans in nowhere://reports cannot be read: Val"
    ]


def test_a_plan_is_kept_in_an_object_store_as_well(folder, monkeypatch):
    monkeypatch.setenv("DRS_REPORTS", "memory://reports/drs")
    keep_plan(read_folder(folder).plans["shop"], folder, run_id="manual__two")
    (folder / "shop.yaml").write_text(NO_YAML)

    assert "run manual__two started" in bag().dags["drs.shop"].doc_md.replace("\\", "")


@pytest.fixture
def silent_store(folder, monkeypatch):
    """A store that does not answer before the end of the test."""
    end = Event()

    class Store(MemoryFileSystem):
        protocol = "silent"

        def ls(self, *_, **__):
            end.wait()
            return []

        exists = info = makedirs = mkdir = open = ls

    register_implementation("silent", Store, clobber=True)
    monkeypatch.setenv("DRS_REPORTS", "silent://reports/drs")
    monkeypatch.setattr(kept_plans, "MOST_SECONDS", 0.2)
    yield
    end.set()


@pytest.mark.usefixtures("silent_store")
def test_a_store_that_does_not_answer_holds_nobody_up(folder, caplog):
    keep_plan(read_folder(folder).plans["shop"], folder, run_id="manual__two")
    (folder / "shop.yaml").write_text(NO_YAML)

    assert set(bag().dags) == {"drs.other", "drs.sweeper"}
    assert [
        record.getMessage()[:94]
        for record in caplog.records
        if " cannot be read" in record.getMessage() or "kept" in record.getMessage()
    ] == [
        "the plan could not be kept in silent://reports/drs/kept_plans (no answer in 0.2 s). The run co",
        "the stored plans in silent://reports/drs cannot be read: TimeoutError('no answer in 0.2 s')",
    ]


@pytest.mark.parametrize("dag_id", [None, "drs.shop", "drs.nobody"])
def test_a_folder_without_problems_never_asks_for_what_was_kept(folder, monkeypatch, caplog, dag_id):
    monkeypatch.setenv("DRS_REPORTS", "nowhere://reports")
    if dag_id:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)

    bag()

    assert [record.getMessage() for record in caplog.records if "kept" in record.getMessage()] == []


@pytest.mark.parametrize(
    "text", [None, OTHER.replace("other", "more").replace("77", "78")], ids=["deleted", "taken out"]
)
def test_a_plan_that_is_gone_has_no_dag_whatever_is_kept(folder, text):
    (folder / "shop.yaml").unlink()
    if text:
        (folder / "shop.yaml").write_text(text)
    (folder / "broken.yaml").write_text("kind: [")

    assert "drs.shop" not in bag().dags


def test_the_newest_run_is_the_one_that_counts(folder):
    (folder / "shop.yaml").write_text(SHOP.replace("rto: 45m", "rto: 50m"))
    keep_plan(read_folder(folder).plans["shop"], folder, run_id="manual__two")
    (folder / "shop.yaml").write_text(NO_YAML)

    words = bag().dags["drs.shop"].doc_md.replace("\\", "")

    assert "run manual__two started" in words
    assert "RTO** 50m" in words
    assert [path.name for path in kept_file(folder).parent.iterdir()] == ["shop.yaml"]


def test_a_plan_that_cannot_be_kept_is_said_and_fails_nothing(folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRS_REPORTS", str(tmp_path / "file"))

    with caplog.at_level(logging.WARNING):
        keep_plan(read_folder(folder).plans["shop"], folder, run_id="manual__two")

    (said,) = caplog.records
    assert said.getMessage() == (
        f"the plan could not be kept in file://{tmp_path}/file/kept_plans ([Errno 20] Not a directory: "
        f"'{tmp_path}/file/kept_plans'). The run continues; but if a file of its plan becomes invalid meanwhile, it "
        "stops until the file is corrected"
    )


@pytest.fixture
def started_anew(plans, monkeypatch):
    """Let every task read its plan when it starts, as on a worker; and let something happen once a task has ended."""
    acts = {}
    plain = supervisor.run_task_in_process
    starts = []

    def run_task(ti, task):
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", ti.dag_id)
        (dag,) = dags_of_folder(plans, dag_file=DAG_FILE)
        monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID")
        starts.append((ti.task_id, "has problems" in dag.doc_md))
        fresh = dag.task_dict[ti.task_id]
        if not hasattr(fresh, "partial_kwargs"):
            fresh.retries = 0  # a retry waits
        ended = plain(ti=ti, task=fresh)
        acts.pop(ti.task_id, lambda: None)()
        return ended

    monkeypatch.setattr(supervisor, "run_task_in_process", run_task)
    return acts, starts


def run_of_shop(tmp_path, **conf):
    before = {*(tmp_path / "reports").rglob("report.json")}
    dag_run = bag().dags["drs.shop"].test(run_conf={"mode": "drill", **conf})
    (report,) = {*(tmp_path / "reports").rglob("report.json")} - before
    return Run(dag_run, report.parent)


@pytest.mark.usefixtures("airflow_db")
def test_a_run_whose_plan_is_broken_on_the_way_goes_on_and_ends_well(plans, simulator, tmp_path, started_anew):
    acts, starts = started_anew
    (plans / "shop.yaml").write_text(SHOP)
    acts["database.start_recovery"] = lambda: (plans / "shop.yaml").write_text(NO_YAML)
    acts["finish.clean_up"] = lambda: (plans / "shop.yaml").write_text(f"# mended\n{SHOP}")

    ended = run_of_shop(tmp_path)

    assert (ended.state, ended.report["verdict"]) == ("success", "passed")
    assert set(ended.servers.values()) == {"launched"}
    assert set(instances(simulator).values()) <= {"terminated"}
    broken = {task for task, is_broken in starts if is_broken}
    assert {"database.recovery_job", "web.start_recovery", "web.recovery_job", "finish.clean_up"} <= broken
    assert not {"preflight.check", "database.start_recovery", "finish.report", "finish.verdict"} & broken


def refused(folder, place, what):
    return (
        "the run of shop is refused, 1 reason; nothing was launched:\n"
        f"  - {folder}/shop.yaml:{place}: {what}\n\n"
        "No run starts while a file of its plan has problems. Fix what is named above, or restore the file; "
        f"drs validate {folder}/shop.yaml shows whether it is valid. Then start a new run. Runs of shop that have "
        "started continue with the plan that they started with"
    )


@pytest.mark.usefixtures("airflow_db")
def test_no_recovery_begins_while_a_file_of_its_plan_has_problems(plans, simulator, tmp_path):
    (plans / "shop.yaml").write_text(SHOP)
    keep_plan(read_folder(plans).plans["shop"], plans, run_id="manual__one")
    (plans / "shop.yaml").write_text(WRONG)

    ended = run_of_shop(tmp_path, mode="recovery", confirm="shop", reason="fire")

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == refused(
        plans, "16:6", "rto: expected a duration such as 90s, 15m, 1h30m, 1d, 13w or PT45M, found 'soon'"
    )
    assert calls(simulator, "StartRecovery") == []
    assert '"run": "manual__one"' in kept_file(plans).read_text()


@pytest.mark.parametrize("run_type", ["manual", "scheduled"])
def test_no_drill_begins_either(folder, run_type):
    (folder / "shop.yaml").write_text(NO_YAML)
    dag = bag().dags["drs.shop"]
    params = {name: param.value for name, param in dag.params.items()}

    context = fake_context(dag_id="drs.shop", task_id="preflight.check")
    context["dag_run"].run_type = run_type
    with pytest.raises(AirflowFailException) as failed:
        dag.task_dict["preflight.check"].execute({**context, "params": params})

    assert str(failed.value) == refused(folder, "20:3", "YAML: a value is missing here, or it wants quotes")
