"""The RTO of a plan as deadlines in Airflow, and what the triggerer does when one of them passes.

Airflow imports this module wherever a plan has an RTO: it imports nothing that takes time.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drs_provider.airflow_internals.authoring import AsyncCallback, DeadlineAlert, DeadlineReference
from drs_provider.formatting import timespan
from drs_provider.plan.model import RecoveryPlan

EARLY, DUE = 80, 100
"""Per cent of the RTO at which people are warned."""

PREFLIGHT_TASK, _PREFLIGHT = "preflight.check", "preflight"


def deadline_alerts(plan: RecoveryPlan) -> list[DeadlineAlert]:
    """Return the alerts of a plan with an RTO: one when it passes, and an earlier one where somebody asks for it.

    They count from the instant at which the run was queued, some tenths of a second before its start. Airflow drops
    them when the run ends in time.
    """
    if plan.rto is None:
        return []
    targets = [one.model_dump(mode="json") for one in plan.notify if "rto_at_risk" in one.on]
    common = {
        "plan": plan.name,
        "title": plan.title or plan.name,
        "rto_seconds": plan.rto.total_seconds(),
        "targets": json.dumps(targets, sort_keys=True),
    }
    return [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=plan.rto * share / 100,
            callback=AsyncCallback(tell_rto_at_risk, kwargs={**common, "share": share}),
            name=f"RTO {timespan(plan.rto)}" if share == DUE else f"{share} % of RTO {timespan(plan.rto)}",
        )
        for share in ((EARLY, DUE) if targets else (DUE,))
    ]


async def tell_rto_at_risk(*, context: Mapping[str, Any], **alert: Any) -> str:
    """Tell that time runs out; runs in the triggerer. Returns one sentence, which Airflow keeps with the callback."""
    run = context["dag_run"]
    return await asyncio.to_thread(tell, run, Alert(**alert), RunLeft(run["dag_id"], run["dag_run_id"]))


@dataclass(frozen=True)
class Alert:
    """What an alert knows of its plan; ``targets`` are those who ask for it, as JSON."""

    plan: str
    title: str
    rto_seconds: float
    share: int
    targets: str


class RunLeft:
    """What the tasks of a run left behind, read and written from the triggerer."""

    def __init__(self, dag_id: str, run_id: str) -> None:
        self.dag_id, self.run_id = dag_id, run_id

    def get(self, key: str) -> Any:
        """Return what lies under a key of the preflight task; None: nothing."""
        from drs_provider.airflow_internals.tasks import read_xcom

        return read_xcom(key, task_id=PREFLIGHT_TASK, dag_id=self.dag_id, run_id=self.run_id)

    def put(self, key: str, value: Any) -> None:
        """Leave something there for the report: an alert has no task of its own."""
        from drs_provider.airflow_internals.tasks import write_xcom

        write_xcom(key, value, task_id=PREFLIGHT_TASK, dag_id=self.dag_id, run_id=self.run_id)

    def states(self) -> Mapping[str, str | None]:
        """Return the states of the run's tasks."""
        from drs_provider.airflow_internals.tasks import task_states

        return task_states(dag_id=self.dag_id, run_id=self.run_id)


def tell(run: Mapping[str, Any], alert: Alert, left: RunLeft) -> str:
    """Tell those who asked for it, once, and only while there is something left to launch."""
    from drs_provider.notify.delivery import deliver, letters_of
    from drs_provider.notify.messages import rto_at_risk
    from drs_provider.rules.run.keys import TOLD_OF_RTO

    waves = _waves_now(left)
    if waves and not any(wave.state in ("running", "waiting") for wave in waves):
        return "every wave has ended: nobody has to be told"
    key, targets = TOLD_OF_RTO[alert.share == DUE], json.loads(alert.targets)
    if not targets or left.get(key):
        return "nobody asked to be told, or everybody has been told already"
    notice = rto_at_risk(
        _facts(run, alert.plan, alert.title),
        rto_seconds=alert.rto_seconds,
        share=alert.share,
        waves=waves,
        since=datetime.fromisoformat(str(run.get("queued_at") or run["run_after"])),
        at=datetime.now(UTC),
    )
    records = deliver(letters_of(notice, _notifications(targets)))
    left.put(key, records)
    sent = sum(one["outcome"] == "sent" for one in records)
    return f"{sent} of {len(records)} were told: {notice.headline}"


def _facts(run: Mapping[str, Any], plan: str, title: str) -> Any:
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
        reason=params.get("reason") or None,
    )


def _notifications(targets: Sequence[Mapping[str, Any]]) -> list[Any]:
    from pydantic import TypeAdapter

    from drs_provider.plan.model import Notification

    return TypeAdapter(list[Notification]).validate_python([_tuples(one) for one in targets])


def _tuples(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in written.items()}


def _waves_now(left: RunLeft) -> list[Any]:
    from drs_provider.dag.run_reader import wave_state
    from drs_provider.notify.messages import WaveNow

    preflight = left.get(_PREFLIGHT)
    if not preflight:
        return []
    states = left.states()
    return [
        WaveNow(name, wave_state(states, name), sum(len(part["servers"]) for part in wave["targets"]))
        for name, wave in preflight["waves"].items()
        if wave["selected"]
    ]
