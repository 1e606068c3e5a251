"""The tasks that tell people how a run goes. They stand beside the waves, and nothing but the report waits for them.

All of them are teardowns: they run whatever happened, also after somebody has marked the run as failed, and whatever
becomes of them says nothing about the run. Approvals and pauses tell about themselves, see ``dag/people/ask.py``.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import DAG, BaseOperator, ObjectStoragePath, TaskGroup, conf
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.configuration import reports_location
from drs_provider.dag.run_reader import RunReader, tasks_of, wave_state, waves_now
from drs_provider.notify.delivery import DEFAULT, DeliveryPolicy, LinkFor, deliver, letters_of, unsent, wanted
from drs_provider.notify.messages import ended, paused, started, wave_completed, wave_failed
from drs_provider.notify.notice import Notice, Question, RunSummary
from drs_provider.plan.model import Notification
from drs_provider.rules.run.keys import ASKED, ERROR, PREFLIGHT, TOLD
from drs_provider.rules.run.names import FINISH_GROUP, NOTIFICATIONS, PREFLIGHT_GROUP, PREFLIGHT_TASK
from drs_provider.rules.run.shape import RunShape

if TYPE_CHECKING:
    from drs_provider.report.result import RunReport

log = logging.getLogger(__name__)

_STORE = "drs_told"
"""Entry of the task state store: the same list, which survives retries; a cleared task tells again."""


class Asking(Protocol):
    """What is told of a task that asks people."""

    plan: str
    title: str
    options: list[str]
    notify: Sequence[Notification]


def facts_of(context: Context, plan: str, title: str) -> RunSummary:
    """Collect what every notice says about its run."""
    dag_run, params = context["dag_run"], context["params"]
    return RunSummary(
        plan=plan,
        title=title,
        mode=str(params.get("mode") or "drill"),
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        airflow=(conf.get("api", "base_url", fallback="") or "").rstrip("/"),
        triggered_by=getattr(dag_run, "triggering_user_name", None),
        reason=params.get("reason") or None,
    )


def tell(
    context: Context,
    notice: Notice,
    notifications: Sequence[Notification],
    *,
    link_for: LinkFor = lambda _: None,
    patience: DeliveryPolicy = DEFAULT,
) -> list[dict[str, Any]]:
    """Send a notice to all who asked for it and have not got it yet; leave the records in XCom."""
    ti, store = context["ti"], context["task_state_store"]
    kept: Any = store.get(_STORE) or {}
    before: list[dict[str, Any]] = kept.get("told", []) if kept.get("max_tries") == ti.max_tries else []
    records = deliver(unsent(letters_of(notice, notifications, link_for), before), patience)
    again = {(one["key"], one["id"]) for one in records}
    told: Any = [*(one for one in before if (one["key"], one["id"]) not in again), *records]
    store.set(_STORE, {"max_tries": ti.max_tries, "told": told}, retention=NEVER_EXPIRE)
    ti.xcom_push(key=TOLD, value=told)
    return told


def tell_question(context: Context, task: Asking, people: Sequence[str], *, text: str, otherwise: str) -> None:
    """Tell that people are asked; never raises. Once for each time that the question begins to wait."""
    ti = context["ti"]
    try:
        if not wanted(task.notify, "paused"):
            return
        asked = ti.xcom_pull(task_ids=ti.task_id, key=ASKED)
        question = Question(
            ti.task_id, text, tuple(people), tuple(task.options), until=asked["until"], otherwise=otherwise
        )
        run = facts_of(context, task.plan, task.title)
        notice = paused(run, question, wave=getattr(task, "wave", None), at=datetime.now(UTC))
        tell(context, notice, task.notify, link_for=_links(context, people, notice.run.airflow, asked["until"]))
    except Exception:  # whatever it is: the question has to be asked
        log.exception("this could not be told; people are asked all the same")


def _links(context: Context, people: Sequence[str], airflow: str, until: str) -> LinkFor:
    """Make answer links for those who are asked by name, where the rule of this Airflow lets them count."""
    from drs_provider.notify.answer_links import Permit, is_made, rule_of, seal

    ti: Any = context["ti"]
    key = conf.get("api", "secret_key", fallback="")
    made = is_made(rule_of(os.environ), conf.get("core", "auth_manager", fallback=""))

    def link_for(person: str) -> str | None:
        if not (key and airflow and made) or person not in people:
            return None
        permit = Permit(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, str(ti.id), person, until)
        return f"{airflow}/drs/answers/{seal(permit, key)}"

    return link_for


class Tell(BaseOperator):
    """Tell those who asked for it what happened; never fail."""

    ui_color = "#eef3e2"
    ui_fgcolor = "#27331a"

    def __init__(self, *, plan: str, title: str, notify: Sequence[Notification], **kwargs: Any) -> None:
        super().__init__(
            task_id=NOTIFICATIONS,
            task_display_name="Notifications",
            retries=1,
            retry_delay=timedelta(seconds=5),
            priority_weight=1,
            weight_rule="absolute",
            on_failure_callback=None,
            **kwargs,
        )
        self.plan, self.title, self.notify = plan, title, tuple(notify)

    def execute(self, context: Context) -> None:
        """Send, and leave what became of it in XCom under ``told``."""
        told: list[dict[str, Any]] = []
        try:
            notice = self.notice(context, facts_of(context, self.plan, self.title))
            if notice is not None and wanted(self.notify, notice.event):
                told = tell(context, notice, self.notify)
                self.told(context, told)
        except Exception:  # whatever it is: a recovery does not fail because nobody could be told of it
            self.log.exception("this could not be told; the run goes on")
            return
        if not told:
            raise AirflowSkipException("nothing to tell, or nobody asked for it")

    def notice(self, context: Context, run: RunSummary) -> Notice | None:
        """Say what there is to tell; None: nothing."""
        raise NotImplementedError

    def told(self, context: Context, records: Sequence[Mapping[str, Any]]) -> None:
        """Do what has to be done after telling."""


class TellStart(Tell):
    """Tell that preflight has passed and the run goes on."""

    def notice(self, context: Context, run: RunSummary) -> Notice | None:
        """Say what is launched; a run that preflight refused says so at its end."""
        preflight = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
        if not preflight or not preflight["passed"]:
            return None
        return started(run, preflight, at=datetime.now(UTC))


class TellWave(Tell):
    """Tell that a wave has completed or has failed. A wave that never began is told about at the end of the run."""

    def __init__(self, *, wave: str, end_task_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wave, self.end_task_ids = wave, tuple(end_task_ids)

    def notice(self, context: Context, run: RunSummary) -> Notice | None:
        """Judge by the states of the wave's tasks, as the waves behind it do."""
        left, now = RunReader(context), datetime.now(UTC)
        preflight = left.of(PREFLIGHT_TASK, PREFLIGHT)
        if not preflight or wave_state(left.states, self.wave) == "left out":
            return None
        waves = waves_now(context, preflight)
        this = next((one for one in waves if one.name == self.wave), None)
        if this is None:
            return None
        others = [one for one in waves if one.name != self.wave]
        if all(left.state(task) in ("success", "skipped") for task in self.end_task_ids) and this.state == "done":
            return wave_completed(run, this, others=others, at=now)
        broken = self._broken(left)
        if not broken:
            return None
        said = left.of(broken[0], ERROR)
        why = said if isinstance(said, str) else f"{broken[0]} failed; see its log"
        results = left.of(f"{self.wave}.recovery_job", "servers") or ()
        failures = [
            (one["hostname"] or one["server_id"], one["reason"] or one["status"])
            for one in results
            if one["status"] != "launched"
        ]
        return wave_failed(run, this, why=why, failures=failures, others=others, at=now)

    def _broken(self, left: RunReader) -> list[str]:
        """Return the failed tasks of the wave itself."""
        return [task for task in tasks_of(left.states, self.wave) if left.state(task) == "failed"]


class TellEnd(Tell):
    """Tell how the run has ended, and put into its report to whom."""

    def notice(self, context: Context, run: RunSummary) -> Notice | None:
        """Say what the report says."""
        return ended(run, self._report(context), at=datetime.now(UTC))

    def told(self, context: Context, records: Sequence[Mapping[str, Any]]) -> None:
        """Add to the report what could not be known when it was written."""
        from drs_provider.report.evidence import NotificationRecord
        from drs_provider.report.store import write_report

        report = self._report(context)
        if report is not None:
            ours = tuple(NotificationRecord.model_validate(one) for one in records)
            kept = tuple(one for one in report.notifications if one not in ours)
            whole = report.model_copy(update={"notifications": (*kept, *ours)})
            write_report(whole, ObjectStoragePath(reports_location()))

    def _report(self, context: Context) -> "RunReport | None":
        from drs_provider.report.store import read_report

        if not context["ti"].xcom_pull(task_ids="finish.report"):
            return None  # what lies in the folder is of an earlier start of this run
        dag_run = context["dag_run"]
        return read_report(ObjectStoragePath(reports_location()), dag_run.dag_id, dag_run.run_id)


def add_notifications(dag: DAG, shape: RunShape) -> None:
    """Put the tasks that tell into the DAG of a plan; nothing is wired yet."""
    common: dict[str, Any] = {"dag": dag, "plan": shape.plan.name, "title": shape.title, "notify": shape.plan.notify}
    if shape.start_notifications_task:
        TellStart(task_group=_group(dag, PREFLIGHT_GROUP), **common).as_teardown()
    for wave in shape.waves:
        if wave.notifications_task:
            group = _group(dag, wave.name)
            TellWave(wave=wave.name, end_task_ids=wave.end_tasks, task_group=group, **common).as_teardown()
    if shape.end_notifications_task:
        TellEnd(task_group=_group(dag, FINISH_GROUP), **common).as_teardown()


def _group(dag: DAG, name: str) -> TaskGroup:
    group = dag.task_group.children[name]
    if not isinstance(group, TaskGroup):
        raise TypeError(f"{name} is no task group")
    return group
