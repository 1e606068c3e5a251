"""The RTO of a plan as deadlines in Airflow, and what the triggerer does when one of them passes.

Airflow imports this module wherever a plan has an RTO: it imports nothing that takes time.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

from drs_provider import clock
from drs_provider.airflow_internals.dag_parts import AsyncCallback, DeadlineAlert
from drs_provider.airflow_internals.deadlines import RunAskedFor
from drs_provider.formatting import timespan
from drs_provider.plan.model import Notification, RecoveryPlan
from drs_provider.rules.run import names

if TYPE_CHECKING:
    from drs_provider.notify.notice import RunSummary
    from drs_provider.rules.run.handover import Document
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.rules.run.state import RunSnapshot

EARLY, DUE = 80, 100
"""Per cent of the RTO at which people are warned."""


def deadline_alerts(plan: RecoveryPlan) -> list[DeadlineAlert]:
    """Return the alerts of a plan with an RTO: one when it passes, and an earlier one where somebody asks for it.

    They count from the instant at which the run was asked for, some tenths of a second before its start, and end with
    the run.
    """
    if plan.rto is None:
        return []
    targets = [wish.model_dump(mode="json") for wish in plan.notify if "rto_at_risk" in wish.on]
    common = {
        "plan": plan.name,
        "title": plan.title or plan.name,
        "rto_seconds": plan.rto.total_seconds(),
        "targets": json.dumps(targets, sort_keys=True),
    }
    return [
        DeadlineAlert(
            reference=RunAskedFor(),
            interval=plan.rto * share / 100,
            callback=AsyncCallback(tell_rto_at_risk, kwargs={**common, "share": share}),
            name=f"RTO {timespan(plan.rto)}" if share == DUE else f"{share} % of RTO {timespan(plan.rto)}",
        )
        for share in ((EARLY, DUE) if targets else (DUE,))
    ]


class AlertFacts(TypedDict):
    """What an alert carries, as Airflow keeps it."""

    plan: str
    title: str
    rto_seconds: float
    share: int
    targets: str


@dataclass(frozen=True)
class Alert:
    """What an alert knows of its plan; ``targets`` are those who ask for it, as JSON."""

    plan: str
    title: str
    rto_seconds: float
    share: int
    targets: str

    @property
    def notifications(self) -> list[Notification]:
        """Those who ask for it."""
        from pydantic import TypeAdapter

        return TypeAdapter(list[Notification]).validate_json(self.targets)


class DagRunFacts(TypedDict, total=False):
    """What Airflow tells a callback about the run."""

    dag_id: str
    dag_run_id: str
    run_after: str
    triggering_user_name: str | None
    conf: Mapping[str, object] | None


async def tell_rto_at_risk(*, context: Mapping[str, DagRunFacts], **alert: Unpack[AlertFacts]) -> str:
    """Tell that time runs out; runs in the triggerer. Returns one sentence, which Airflow keeps with the callback."""
    run = context["dag_run"]
    return await asyncio.to_thread(tell, run, Alert(**alert), RunLeft(run["dag_id"], run["dag_run_id"]))


class RunLeft:
    """What the tasks of a run left behind, read and written from the triggerer."""

    def __init__(self, dag_id: str, run_id: str) -> None:
        self.dag_id, self.run_id = dag_id, run_id

    def get(self, task_id: str, key: str) -> object:
        """Return what a task left under a key; None: nothing."""
        from drs_provider.airflow_internals.tasks import read_xcom
        from drs_provider.services.signed import believed

        value = read_xcom(key, task_id=task_id, dag_id=self.dag_id, run_id=self.run_id)
        return believed(value, self._place(task_id, key))

    def put(self, key: str, document: "Document") -> None:
        """Leave something with the preflight task, for the report: an alert has no task of its own."""
        from drs_provider.airflow_internals.tasks import write_xcom
        from drs_provider.services.signed import keys

        value = keys().seal(document.to_json(), self._place(names.PREFLIGHT_TASK, key))
        write_xcom(key, value, task_id=names.PREFLIGHT_TASK, dag_id=self.dag_id, run_id=self.run_id)

    def _place(self, task_id: str, key: str) -> "Origin":
        from drs_provider.rules.run.handover.signature import Origin

        return Origin(self.dag_id, self.run_id, task_id, key)

    def states(self) -> Mapping[str, str | None]:
        """Return the states of the run's tasks."""
        from drs_provider.airflow_internals.tasks import task_states

        return task_states(dag_id=self.dag_id, run_id=self.run_id)


def tell(run: DagRunFacts, alert: Alert, left: RunLeft) -> str:
    """Tell those who asked for it, once, and only while there is something left to launch."""
    from drs_provider.notify.delivery import deliver, letters_of
    from drs_provider.notify.news import news_of_rto
    from drs_provider.rules.purpose import LAUNCHES_NOTHING, find_purpose
    from drs_provider.rules.run.handover import Notifications, PreflightResult
    from drs_provider.rules.run.state import state_of

    summary = _summary(run, alert.plan, alert.title)
    if (purpose := find_purpose(summary.mode)) and not purpose.launches:
        return f"{LAUNCHES_NOTHING}: no notification is needed"
    preflight = PreflightResult.read(left.get(names.PREFLIGHT_TASK, PreflightResult.KEY))
    notice = news_of_rto(
        summary,
        state_of(_snapshot(left)),
        chosen=preflight.chosen_waves if preflight else (),
        rto_seconds=alert.rto_seconds,
        share=alert.share,
        since=datetime.fromisoformat(str(run["run_after"])),
        at=clock.now(),
    )
    if notice is None:
        return "every wave has ended: no notification is needed"
    key = Notifications.RTO_KEYS[alert.share == DUE]
    wishes = alert.notifications
    if not wishes or left.get(names.PREFLIGHT_TASK, key):
        return "no receiver for this event, or all notifications are sent already"
    records = deliver(letters_of(notice, wishes))
    left.put(key, Notifications(records=tuple(records)))
    sent = sum(record.outcome == "sent" for record in records)
    return f"{sent} of {len(records)} notifications sent: {notice.headline}"


def _snapshot(left: RunLeft) -> "RunSnapshot":
    from drs_provider.rules.run.state import RunSnapshot, outline_of_tasks, tasks_from_states

    states = left.states()
    return RunSnapshot(outline_of_tasks(states), tasks_from_states(states), left.get)


def _summary(run: DagRunFacts, plan: str, title: str) -> "RunSummary":
    from airflow.sdk import conf

    from drs_provider.notify.notice import RunSummary

    params = run.get("conf") or {}
    return RunSummary(
        plan=plan,
        title=title,
        mode=str(params.get("mode") or "drill"),
        dag_id=run["dag_id"],
        run_id=run["dag_run_id"],
        airflow=(conf.get("api", "base_url", fallback="") or "").rstrip("/"),
        triggered_by=run.get("triggering_user_name"),
        reason=str(params["reason"]) if params.get("reason") else None,
    )
