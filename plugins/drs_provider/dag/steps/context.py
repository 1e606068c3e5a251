"""Where a step stands in its plan, and what has to hold before it may do anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.definitions.context import Context

from drs_provider.dag.run_reader import preflight_result
from drs_provider.exceptions import DrsProviderError, PlanChanged, RunRefused
from drs_provider.plan.model import Pause
from drs_provider.rules.run.approvals import ANSWER, Policy, ensure_answered, ensure_approved
from drs_provider.rules.run.controls import CANCEL, ORDER, read_order
from drs_provider.rules.run.keys import STEP
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.rules.run.placeholders import KnownServer


class NotNow(DrsProviderError):
    """The step has nothing to do in this run; the task is skipped, and what follows goes on."""


@dataclass(frozen=True)
class AskedBefore:
    """An approval step that stands before other tasks. ``launched_by``: counts only if this task left a result."""

    task_id: str
    launched_by: str | None = None


@dataclass(frozen=True)
class Place:
    """A step's surroundings. ``wave`` is None for the plan's own steps.

    :param watch_task_ids: the tasks that know the servers of the waves, by wave; steps-only waves have none
    :param targets: accounts and Regions, those of the wave first
    :param asked_before: approval steps whose recorded answers this step relies on
    """

    plan: str
    title: str
    digest: str
    wave: str | None
    side: Literal["before", "after"]
    watch_task_ids: Mapping[str, str]
    start_task_ids: Sequence[str] = ()
    targets: Sequence[Target] = ()
    policy: Policy | None = None
    approval_task_ids: Sequence[str] = ()
    pause: Pause | None = None
    pause_task_id: str = ""
    asked_before: Sequence[AskedBefore] = field(default=())

    def enter(self, context: Context, when: str) -> dict[str, Any]:
        """Return what preflight left. Raises RunRefused where nothing may be done, NotNow where nothing is to do."""
        order = read_order(context["task_state_store"].get(ORDER))
        if order:
            context["ti"].xcom_push(key=ORDER, value=order.words)
            raise RunRefused(order.words) if order.kind == CANCEL else NotNow(order.words)
        preflight = preflight_result(context, self.plan)
        if preflight["digest"] != self.digest:
            raise PlanChanged(self.plan, preflight["digest"], self.digest)
        self._take_part(context, preflight)
        if when not in ("always", preflight["mode"]):
            raise NotNow(f"this run is a {preflight['mode']}, and the step is for a {when}")
        self._ensure_agreed(context, preflight)
        return preflight

    def _take_part(self, context: Context, preflight: Mapping[str, Any]) -> None:
        if self.wave is None:
            return
        found = preflight["waves"][self.wave]
        if not found["selected"]:
            raise NotNow(f"wave {self.wave} was not chosen for this run")
        if self.wave not in self.watch_task_ids:
            return
        if not any(part["servers"] for part in found["targets"]):
            raise NotNow(f"wave {self.wave} has no server left to launch")
        if self.side == "after":
            self._ensure_launched(context)

    def _ensure_launched(self, context: Context) -> None:
        orders = (context["ti"].xcom_pull(task_ids=task, key=ORDER) for task in self.start_task_ids)
        if words := next((str(one) for one in orders if one), None):
            raise NotNow(words)
        watch = self.watch_task_ids[str(self.wave)]
        if not context["ti"].xcom_pull(task_ids=watch, key="servers"):
            raise RunRefused(
                f"wave {self.wave} has not launched anything that is recorded (a task that is marked as successful "
                f"launches nothing): clear {watch} with everything downstream"
            )

    def _ensure_agreed(self, context: Context, preflight: Mapping[str, Any]) -> None:
        """Look for the recorded answers of those who were asked, as the task that starts a wave does."""
        ti = context["ti"]
        if self.policy is not None and preflight["needs_approval"]:
            ensure_approved(
                self.policy,
                {task: ti.xcom_pull(task_ids=task, key=ANSWER) for task in self.approval_task_ids},
                triggered_by=getattr(context["dag_run"], "triggering_user_name", None),
                checked_at=preflight["checked_at"],
            )
        if self.pause is not None:
            ensure_answered(self.pause, self.pause_task_id, ti.xcom_pull(task_ids=self.pause_task_id, key=ANSWER))
        ensure_steps_approved(context, self.asked_before)

    def servers(self, context: Context, preflight: Mapping[str, Any]) -> "list[KnownServer]":
        """Return every server of the run, with the recovery instance of those that are launched by now."""
        from drs_provider.rules.run.placeholders import KnownServer

        found = []
        for wave, part in preflight["waves"].items():
            watch = self.watch_task_ids.get(wave)
            results = (
                context["ti"].xcom_pull(task_ids=watch, key="servers") if watch and part["selected"] else None
            ) or ()
            by_id = {one["server_id"]: one for one in results}
            for target in part["targets"]:
                for server in target["servers"]:
                    result = by_id.get(server["server_id"]) or {}
                    is_there = result.get("status") == "launched"
                    found.append(
                        KnownServer(
                            server["server_id"],
                            server["hostname"],
                            wave,
                            target["aws_conn_id"],
                            target["region"],
                            result.get("instance_id") if is_there else None,
                            None if is_there or not result else result.get("reason") or str(result.get("status")),
                        )
                    )
        return found


def ensure_steps_approved(context: Context, asked: Sequence[AskedBefore]) -> None:
    """Raise RunRefused unless every approval step that was to be asked before has left its answers."""
    ti = context["ti"]
    for one in asked:
        if one.launched_by and not ti.xcom_pull(task_ids=one.launched_by, key="servers"):
            continue
        if not ti.xcom_pull(task_ids=one.task_id, key=STEP):
            raise RunRefused(
                f"{one.task_id} has left no answer (a task that is marked as successful approves nothing). Nothing "
                f"was done; clear {one.task_id} with everything downstream to ask"
            )
