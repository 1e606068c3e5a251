"""The tasks that tell people how a run goes. They stand beside the waves, and nothing but the report waits for them.

All of them are teardowns: they run whatever happened, also after somebody has marked the run as failed, and whatever
becomes of them says nothing about the run. Approvals and pauses tell about themselves, see ``dag/people/ask.py``.
What is worth telling is decided in ``notify.news``.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import DAG, BaseOperator, Context, ObjectStoragePath, TaskGroup, conf
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.configuration import airflow_secret, answer_links, reports_location
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.model import Notification
from drs_provider.rules.run.names import ASIDE_GROUP, FINISH_GROUP, NOTIFICATIONS, PREFLIGHT_GROUP, REPORT_TASK
from drs_provider.rules.run.shape import RunShape
from drs_provider.services.signed import leave, pull

if TYPE_CHECKING:
    from drs_provider.notify.delivery import DeliveryPolicy, LinkFor
    from drs_provider.notify.notice import Notice, RunSummary
    from drs_provider.report.result import RunReport
    from drs_provider.rules.run.handover import NotificationRecord

log = logging.getLogger(__name__)


class Asking(Protocol):
    """What is told of a task that asks people."""

    plan: str
    title: str
    options: list[str]
    notify: Sequence[Notification]


def summary_of(context: Context, plan: str, title: str) -> "RunSummary":
    """Collect what every notice says about its run."""
    from drs_provider.notify.notice import RunSummary

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
    notice: "Notice",
    notifications: Sequence[Notification],
    *,
    link_for: "LinkFor | None" = None,
    policy: "DeliveryPolicy | None" = None,
) -> "tuple[NotificationRecord, ...]":
    """Send a notice to all who asked for it and have not got it yet; leave the records in XCom."""
    from drs_provider.notify.delivery import DEFAULT, deliver, letters_of, merged, unsent
    from drs_provider.rules.run.handover import HandoverUnreadable, Notifications, NotificationsSoFar
    from drs_provider.services.store import load, save

    ti, store = context["ti"], task_memory(context)
    kept = None
    with suppress(HandoverUnreadable):  # somebody is told twice then, rather than nobody
        kept = load(store, NotificationsSoFar)
    before = kept.records if kept and kept.max_tries == ti.max_tries else ()
    letters = letters_of(notice, notifications, link_for) if link_for else letters_of(notice, notifications)
    records = merged(before, deliver(unsent(letters, before), policy or DEFAULT))
    save(store, NotificationsSoFar(max_tries=ti.max_tries, records=records))
    leave(ti, Notifications(records=records))
    return records


def tell_question(context: Context, task: Asking, people: Sequence[str], *, text: str, otherwise: str) -> None:
    """Tell that people are asked; never raises. Once for each time that the question begins to wait."""
    from drs_provider.notify.delivery import wanted
    from drs_provider.notify.messages import paused
    from drs_provider.notify.notice import Question
    from drs_provider.rules.run.handover import Asked

    ti = context["ti"]
    try:
        if not wanted(task.notify, "paused"):
            return
        asked = pull(ti, ti.task_id, Asked)
        if asked is None:
            return
        until = asked.until.isoformat()
        question = Question(ti.task_id, text, tuple(people), tuple(task.options), until=until, otherwise=otherwise)
        run = summary_of(context, task.plan, task.title)
        notice = paused(run, question, wave=getattr(task, "wave", None), at=clock.now())
        tell(context, notice, task.notify, link_for=_links(context, people, notice.run.airflow, until))
    except Exception:  # whatever it is: the question has to be asked
        log.exception("the notification failed; the question is asked anyway")


def _links(context: Context, people: Sequence[str], airflow: str, until: str) -> "LinkFor":
    """Make answer links for those who are asked by name, where the rule of this Airflow lets them count."""
    from drs_provider.notify.answer_links import Permit, is_made, rule_of, seal

    ti: Any = context["ti"]
    key = airflow_secret("api", "secret_key")
    made = is_made(rule_of(answer_links()), conf.get("core", "auth_manager", fallback=""))

    def link_for(person: str) -> str | None:
        if not (key and airflow and made) or person not in people:
            return None
        permit = Permit(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, str(ti.id), person, until)
        return f"{airflow}/drs/answers#{seal(permit, key)}"  # behind #: no server and no proxy logs it

    return link_for


class Tell(BaseOperator):
    """Tell those who asked for it what happened; never fail."""

    ui_color = "#eef3e2"
    ui_fgcolor = "#27331a"

    def __init__(
        self,
        *,
        plan: str,
        title: str,
        notify: Sequence[Notification],
        task_id: str = NOTIFICATIONS,
        task_display_name: str = "Notifications",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            task_id=task_id,
            task_display_name=task_display_name,
            retries=1,
            retry_delay=timedelta(seconds=5),
            priority_weight=1,
            weight_rule="absolute",
            on_failure_callback=None,
            **kwargs,
        )
        self.plan, self.title, self.notify = plan, title, tuple(notify)

    def execute(self, context: Context) -> None:
        """Send, and leave what became of it in XCom, as ``Notifications``."""
        from drs_provider.notify.delivery import wanted

        told: tuple[NotificationRecord, ...] = ()
        try:
            notice = self.notice(context, summary_of(context, self.plan, self.title))
            if notice is not None and wanted(self.notify, notice.event):
                told = tell(context, notice, self.notify)
                self.told(context, told)
        except Exception:  # whatever it is: a recovery does not fail because nobody could be told of it
            self.log.exception("the notification failed; the run continues")
            return
        if not told:
            raise AirflowSkipException("no notification to send, or no receiver for it")

    def notice(self, context: Context, run: "RunSummary") -> "Notice | None":
        """Say what there is to tell; None: nothing."""
        raise NotImplementedError

    def told(self, context: Context, records: "Sequence[NotificationRecord]") -> None:
        """Do what has to be done after telling."""


class TellStart(Tell):
    """Tell that preflight has passed and the run goes on."""

    def notice(self, context: Context, run: "RunSummary") -> "Notice | None":
        """Say what is launched; a run that preflight refused says so at its end."""
        from drs_provider.dag.run_reader import RunReader
        from drs_provider.notify.news import news_of_start

        return news_of_start(run, RunReader(context).preflight(), at=clock.now())


class TellWave(Tell):
    """Tell that a wave has completed or has failed. A wave that never began is told about at the end of the run."""

    def __init__(self, *, wave: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wave = wave

    def notice(self, context: Context, run: "RunSummary") -> "Notice | None":
        """Judge by the state of the wave."""
        from drs_provider.dag.run_reader import RunReader
        from drs_provider.notify.news import news_of_wave
        from drs_provider.rules.run.state import state_of

        reader = RunReader(context)
        preflight = reader.preflight()
        chosen = preflight.chosen_waves if preflight else ()
        return news_of_wave(run, self.wave, state_of(reader.snapshot()), chosen=chosen, at=clock.now())


class TellEnd(Tell):
    """Tell how the run has ended, and put into its report to whom."""

    def notice(self, context: Context, run: "RunSummary") -> "Notice | None":
        """Say what the report says; nothing of a drill that a schedule started too late: it was not meant to be."""
        from drs_provider.dag.run_reader import late_tick
        from drs_provider.notify.messages import ended

        if late_tick(context) is not None:
            return None
        return ended(run, self._report(context), at=clock.now())

    def told(self, context: Context, records: "Sequence[NotificationRecord]") -> None:
        """Add to the report what could not be known when it was written."""
        from drs_provider.notify.delivery import merged
        from drs_provider.report.store import write_report

        report = self._report(context)
        if report is not None:
            whole = report.model_copy(update={"notifications": merged(report.notifications, records)})
            write_report(whole, ObjectStoragePath(reports_location()))

    def _report(self, context: Context) -> "RunReport | None":
        from drs_provider.report.store import read_kept, read_report
        from drs_provider.rules.run.handover import KeptReport, WrittenReport

        ti, dag_run = context["ti"], context["dag_run"]
        written = pull(ti, REPORT_TASK, WrittenReport)
        if written is None:
            return None  # what lies in the folder is of an earlier start of this run
        if written.problem:
            return read_kept(pull(ti, REPORT_TASK, KeptReport))
        return read_report(ObjectStoragePath(reports_location()), dag_run.dag_id, dag_run.run_id)


def add_notifications(dag: DAG, shape: RunShape) -> None:
    """Put the tasks that tell into the DAG of a plan; nothing is wired yet."""
    common: dict[str, Any] = {"dag": dag, "plan": shape.plan.name, "title": shape.title, "notify": shape.plan.notify}
    if shape.start_notifications_task:
        TellStart(task_group=_group(dag, PREFLIGHT_GROUP), **common).as_teardown()
    for wave in shape.waves:
        if wave.notifications_task:
            title = f"{wave.name.replace('-', ' ').capitalize()}: notifications"
            aside = {"task_id": wave.notifications_task, "task_display_name": title}
            TellWave(wave=wave.name, task_group=_group(dag, ASIDE_GROUP), **aside, **common).as_teardown()
    if shape.end_notifications_task:
        TellEnd(task_group=_group(dag, FINISH_GROUP), **common).as_teardown()


def _group(dag: DAG, name: str) -> TaskGroup:
    group = dag.task_group.children[name]
    if not isinstance(group, TaskGroup):
        raise TypeError(f"{name} is no task group")
    return group
