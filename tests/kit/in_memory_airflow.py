"""An Airflow in memory, as the verbs that steer a run ask it: one plan, its runs, and everything that was changed."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from drs_provider.rules.run import controls
from drs_provider.rules.run.handover import Asked, GivenOrders
from drs_provider.rules.run.names import REPORT_TASK
from drs_provider.rules.run.run_view import PendingQuestion
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.airflow_api import DagRunRecord, NotThere, PlanDagRecord

ASKED_AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


@dataclass
class InMemoryAirflow:
    """``changed`` lists what was asked to change: the verb and what it was given."""

    dag_id: str
    upstream_tasks: dict
    records: list
    snapshots: dict = field(default_factory=dict)
    documents: dict = field(default_factory=dict)
    waves: tuple = ()
    is_paused: bool = False
    pending: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    address: str = "http://airflow.test"
    user: str | None = "ada"
    refuses_to_clear: Exception | None = None

    @classmethod
    def of(cls, run):
        """The Airflow in which a recorded run took place."""
        record = DagRunRecord(
            run.dag_id,
            run.run_id,
            run.state,
            conf=run.conf,
            asked_for_at=_instant(run.started_at),
            started_at=_instant(run.started_at),
            ended_at=_instant(run.ended_at),
        )
        tasks = {
            task: TaskSnapshot(found["state"], _instant(found["started_at"]), _instant(found["ended_at"]))
            for task, found in run.tasks.items()
        }
        pending = [
            PendingQuestion(task, Asked.read(run.documents[task, Asked.KEY]).subject, ("Approve", "Reject"), ASKED_AT)
            for task in run.questions
        ]
        return cls(run.dag_id, run.upstream, [record], tasks, run.documents, pending=pending)

    def dag(self, dag_id):
        if dag_id != self.dag_id:
            raise NotThere("not found")
        return PlanDagRecord(self.dag_id, self.is_paused, "drill", self.waves)

    def plan_dags(self):
        return [self.dag(self.dag_id)]

    def upstream(self, dag_id):
        return self.upstream_tasks

    def runs(self, dag_id, limit):
        return self.records[:limit]

    def run(self, dag_id, run_id):
        found = [record for record in self.records if record.run_id == run_id]
        if not found:
            raise NotThere("not found")
        return found[0]

    def tasks(self, dag_id, run_id):
        return self.snapshots

    def xcom_keys(self, dag_id, run_id):
        return set(self.documents)

    def xcom(self, dag_id, run_id, task_id, key):
        return self.documents.get((task_id, key))

    stored = xcom

    def questions(self, dag_id, run_id):
        return self.pending

    def trigger(self, dag_id, conf, note):
        self.changed.append(("trigger", dict(conf)))
        self.records.insert(0, replace(self.records[0], run_id="started", state="queued", conf=conf))
        return self.records[0]

    def set_paused(self, dag_id, *, paused):
        self.changed.append(("pause" if paused else "resume",))
        self.is_paused = paused

    def mark(self, dag_id, run_id, task_id, state):
        self.changed.append(("mark", task_id, state))

    def clear(self, dag_id, run_id, task_ids):
        if self.refuses_to_clear:
            raise self.refuses_to_clear
        self.changed.append(("clear", *task_ids))
        return list(task_ids)

    def order(self, dag_id, run_id, order):
        worded = {
            "cancel": controls.cancellation,
            "skip": partial(controls.skip, order.wave),
            "continue": partial(controls.go_on, order.wave),
        }
        given = worded.get(order.kind, partial(controls.retry, order.wave))(self.user, order.reason)
        self.changed += [("keep", task, given.kind) for task in order.tasks]
        place = (REPORT_TASK, GivenOrders.KEY)
        if order.is_recorded and REPORT_TASK in self.snapshots:
            one_more = controls.given(order.kind, self.user, order.reason, at=ASKED_AT, wave=order.wave)
            known = controls.read_given(self.documents.get(place)).with_order(one_more)
            self.documents = {**self.documents, place: known.to_json()}
            self.changed.append(("record", REPORT_TASK, order.kind))
        return given.message

    def give_back(self, dag_id, run_id, orders):
        self.changed += [("keep", task, order["kind"]) for task, order in orders.items()]

    def write_note(self, dag_id, run_id, note):
        self.changed.append(("note", note))

    def answer(self, dag_id, run_id, task, options, params):
        self.changed.append(("answer", task[0], *options))


def _instant(text):
    return datetime.fromisoformat(text) if text else None
