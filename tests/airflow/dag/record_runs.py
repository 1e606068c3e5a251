"""Records runs for ``tests/kit/recorded_runs.py``. No test: ``python -m pytest tests/airflow/dag/record_runs.py``.

Each function is one run. Recordings are of real tasks against the simulator; only ids and times differ from one
recording to the next.
"""

import json
import re
import tempfile
import time
from pathlib import Path

import pytest
from drs_provider.rules.run.handover import RunOrder
from kit import recorded_runs
from kit.dag_runs import SHOP, meanwhile
from kit.orders import order
from kit.people import People
from kit.step_world import GROUPS

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GO = {"mode": "recovery", "confirm": "shop", "reason": "the region is dark"}
_FOLDER = re.compile(rf"{re.escape(tempfile.gettempdir())}/pytest-of-[^/]+/pytest-\d+/[^/]+")
WORDS = "cancelled by ann: wrong network"
TWO_ACCOUNTS = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: mail
region: eu-central-1
aws_conn_id: aws_there
select: {tags: {Tier: mail}}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves:
  - {name: everything, groups: [db, mail]}
"""
STEPS = (
    GROUPS
    + """\
kind: RecoveryPlan
name: shop
drill: {network: shared}
before: [{kind: wait, name: breathe, for: 1s}]
waves:
  - name: database
    groups: [db]
    after:
      - {kind: lambda, name: warm, function: nobody, on_failure: continue}
      - {kind: lambda, name: promote, function: nobody}
      - {kind: wait, name: settle, for: 1s}
  - name: web
    groups: [web]
  - name: checks
    depends_on: []
    after:
      - {kind: wait, name: first, for: 1s}
      - {kind: wait, name: only-in-recoveries, for: 1s, when: recovery}
      - {kind: lambda, name: shout, function: nobody, on_failure: continue}
after: [{kind: wait, name: rest, for: 1s}]
"""
)
PEOPLE = SHOP.replace(
    "  - {name: web, groups: [web]}\n",
    "  - {name: web, groups: [web], delay_before: 1s, "
    "pause_before: {message: Go on?, approvers: [ann, bob], timeout: 5m}}\n",
).replace("rto: 45m", "recovery: {approval: {required: 1, approvers: [ann, bob], timeout: 5m}}\nrto: 45m")


def _fetched(dag, run_id):
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from drs_provider.ui.xcom_values import unwrapped
    from sqlalchemy import select

    def mine(model):
        return (model.dag_id == dag.dag_id, model.run_id == run_id)

    def text(at):
        return at and at.isoformat()

    with create_session() as session:
        run = session.scalar(select(DagRun).where(*mine(DagRun)))
        tasks = list(session.scalars(select(TaskInstance).where(*mine(TaskInstance)).order_by(TaskInstance.task_id)))
        left = session.scalars(select(XComModel).where(*mine(XComModel), XComModel.map_index == -1))
        documents = {
            (document.task_id, document.key): unwrapped(XComModel.deserialize_value(document)) for document in left
        }
        store = session.scalars(
            select(TaskStateStoreModel).where(
                *mine(TaskStateStoreModel), TaskStateStoreModel.key == recorded_runs.FOLLOWED
            )
        )
        documents |= {(document.task_id, document.key): unwrapped(json.loads(document.value)) for document in store}
        open_questions = session.scalars(select(HITLDetail).where(HITLDetail.responded_at.is_(None)))
        asked = {question.ti_id for question in open_questions}
        return {
            "dag_id": dag.dag_id,
            "run_id": run_id,
            "state": str(run.state),
            "conf": run.conf or {},
            "started_at": text(run.start_date),
            "ended_at": text(run.end_date),
            "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
            "classes": {task.task_id: task.task_type for task in dag.tasks},
            "tasks": {
                task.task_id: {
                    "state": task.state and str(task.state),
                    "started_at": text(task.start_date),
                    "ended_at": text(task.end_date),
                }
                for task in tasks
                if task.map_index < 0
            },
            "squares": {f"{task.task_id}_{task.map_index}": str(task.state) for task in tasks if task.map_index >= 0},
            "documents": [
                {"task": task, "key": key, "value": value} for (task, key), value in sorted(documents.items())
            ],
            "questions": sorted(task.task_id for task in tasks if task.id in asked),
        }


def _short(found):
    """Leave out what no state hangs on, what makes a recording long, and where it was made."""
    dull = ("drs_job_link", "drs_instance_link", "events", "looked_at", "settings_found")

    def cut(value):
        if isinstance(value, dict):
            return {key: cut(held) for key, held in value.items() if key not in dull}
        if isinstance(value, str):
            return _FOLDER.sub("", value)
        return [cut(held) for held in value] if isinstance(value, list) else value

    return cut(found)


def _write(name, found, plan, report):
    reported = report and {
        "verdict": report["verdict"],
        "verdict_reason": report["verdict_reason"],
        "waves": {wave["name"]: wave["state"] for wave in report["waves"]},
        "wave_reasons": {wave["name"]: wave["state_reason"] for wave in report["waves"]},
        "servers": {server["server_id"]: server["status"] for wave in report["waves"] for server in wave["servers"]},
        "steps": {
            step["task"]: step["state"]
            for step in [*report["steps"], *(step for wave in report["waves"] for step in wave["steps"])]
        },
        "cleanup": report["cleanup"]["state"],
    }
    recorded_runs.FOLDER.mkdir(exist_ok=True)
    text = json.dumps({**_short(found), "plan": plan, "reported": reported}, indent=1, default=str)
    (recorded_runs.FOLDER / f"{name}.json").write_text(f"{text}\n")


@pytest.fixture
def dag_of(plans, airflow_db, simulator):
    from airflow.dag_processing.dagbag import DagBag

    def dag_of(text):
        (plans / "shop.yaml").write_text(text)
        dag = DagBag(str(Path(__file__).parents[3] / "dags" / "recovery_plans.py")).dags["drs.shop"]
        for task in dag.tasks:
            if not hasattr(task, "partial_kwargs"):
                task.retries = 0
        return dag

    return dag_of


@pytest.fixture
def record(dag_of, tmp_path):
    def record(name, text, **conf):
        dag = dag_of(text)
        run = dag.test(run_conf={"mode": "drill", **conf})
        (report,) = (tmp_path / "reports").rglob("report.json")
        _write(name, _fetched(dag, run.run_id), text, json.loads(report.read_text()))

    return record


def order_at(monkeypatch, operator, leg):
    """Order a cancel when a task wakes up, as ``drs run cancel`` does."""
    wake_up = getattr(operator, leg)

    def ordered(self, context, *arguments, **more):
        order(context, RunOrder(kind="cancel", message=WORDS))
        return wake_up(self, context, *arguments, **more)

    ordered.__name__ = wake_up.__name__
    monkeypatch.setattr(operator, leg, ordered)


def test_passed(record):
    record("passed", SHOP)


def test_passed_in_two_accounts(record):
    record("two-accounts", TWO_ACCOUNTS)


def test_failed(record, simulator):
    simulator.fault(
        {"service": "drs", "hostname": "db2", "do": "fail_at", "event": "CONVERSION_START", "error": "NoCapacity"}
    )
    record("failed", SHOP)


def test_tolerated(record, simulator):
    simulator.fault({"service": "drs", "hostname": "db3", "do": "fail_silently"})
    record("tolerated", SHOP, exclude_servers=["web1"])


def test_only_one_wave(record):
    record("one-wave", SHOP, waves=["web"])


def test_refused(record, simulator):
    simulator.fault({"service": "drs", "hostname": "web1", "do": "stall"})
    record("refused", SHOP.replace("{id: s-00000000000000003, critical: false}", "s-00000000000000099"))


def test_cancelled_before_anything_was_launched(record, simulator, monkeypatch):
    from drs_provider.dag.waves.group import StartWave

    simulator.fault({"do": "quota_used", "in_jobs": 498})
    order_at(monkeypatch, StartWave, "resume_start")
    record("cancelled-at-once", SHOP)


def test_cancelled_on_the_way(record, simulator, monkeypatch):
    from drs_provider.dag.waves.watch import WatchWave

    simulator.fault({"do": "quota_used", "in_jobs": 499})
    order_at(monkeypatch, WatchWave, "room_found")
    text = SHOP.replace("  - s-00000000000000002\n", "  - {id: s-00000000000000002, order: 2}\n")
    record("cancelled-on-the-way", text.replace("critical: false", "order: 2"))


def test_superseded(record, simulator):
    drs = simulator.client("drs")
    servers = [{"sourceServerID": "s-00000000000000011"}]
    meanwhile(simulator, lambda: drs.start_recovery(isDrill=False, sourceServers=servers))
    record("superseded", SHOP)


def test_steps_failed(record):
    record("steps-failed", STEPS)


def test_retried_in_a_boot_order(record, simulator):
    simulator.fault({"service": "drs", "hostname": "db2", "do": "fail_at", "event": "LAUNCH_START", "count": 1})
    text = SHOP.replace("  - s-00000000000000002\n", "  - {id: s-00000000000000002, order: 2}\n")
    record("retried", text.replace("groups: [db]}", "groups: [db], retry_failed: 1}"))


def test_taken_over(record, simulator):
    from drs_provider.rules.launch.tags import job_tags, run_key

    tags = job_tags(dag_id="drs.shop", run_id="scheduled__old", wave="database", chunk=0, attempt=1)
    servers = [{"sourceServerID": f"s-0000000000000000{number}"} for number in (1, 2, 3)]
    simulator.client("drs", region_name="us-west-2").start_recovery(isDrill=True, sourceServers=servers, tags=tags)
    record("taken-over", SHOP, continue_run=run_key("drs.shop", "scheduled__old"))


def test_launching(dag_of, simulator):
    dag = dag_of(SHOP)
    seen = {}

    def take():
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session

        with create_session() as session:
            run_id = session.query(DagRun).filter(DagRun.dag_id == dag.dag_id).order_by(DagRun.id.desc()).first().run_id
        found = _fetched(dag, run_id)
        while found["tasks"]["database.recovery_job"]["state"] != "deferred":
            time.sleep(0.05)
            found = _fetched(dag, run_id)
        seen["launching"] = found

    thread = meanwhile(simulator, take)
    dag.test(run_conf={"mode": "drill"})
    thread.join()
    _write("launching", seen["launching"], SHOP, None)


class Photographer(People):
    """People before whose answer the run is recorded."""

    def __init__(self, answers, take):
        super().__init__(answers)
        self.take = take

    def _answer(self, session, detail):
        task = detail.task_instance
        if task.state == "awaiting_input":
            self.take(task.task_id, task.run_id)
        super()._answer(session, detail)


def test_waiting_for_people(dag_of, tmp_path):
    dag = dag_of(PEOPLE)
    seen = {}

    def take(task, run_id):
        seen.setdefault(task, _fetched(dag, run_id))

    answers = {"preflight.approval": [("ann", "Approve")], "web.pause": [("bob", "Stop")]}
    with Photographer(answers, take):
        run = dag.test(run_conf=GO)
    _write("waiting-for-approval", seen["preflight.approval"], PEOPLE, None)
    _write("waiting-in-a-pause", seen["web.pause"], PEOPLE, None)
    (report,) = (tmp_path / "reports").rglob("report.json")
    _write("stopped", _fetched(dag, run.run_id), PEOPLE, json.loads(report.read_text()))


def test_rejected(dag_of, tmp_path):
    dag = dag_of(PEOPLE)
    with People({"preflight.approval": [("ann", "Reject")]}):
        run = dag.test(run_conf=GO)
    (report,) = (tmp_path / "reports").rglob("report.json")
    _write("rejected", _fetched(dag, run.run_id), PEOPLE, json.loads(report.read_text()))
