"""The task that keeps a drill's environment for people, until they end it or its time is over."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.dag.docs import COLOURS
from drs_provider.dag.waves.tagging import jobs_of_run, tag_launched, traces_hook
from drs_provider.exceptions import DrsProviderError
from drs_provider.formatting import escaped, parse_instant, timespan
from drs_provider.rules.launch.tags import EXPIRES, end_of_life, read_mark, written
from drs_provider.rules.run.controls import END, EXTEND, ORDER, by_of
from drs_provider.rules.run.keys import LAUNCH, PREFLIGHT, SUPERSEDED, UNTAGGED
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.timing import CLEAN_UP, SLACK

KEPT: Final = "kept"
"""XCom key: ``{"began_at", "until", "ended_at", "by", "extended"}``; instants as text, ``ended_at`` None while kept."""

_KEPT: Final = "drs_kept"
"""The same in the task state store, with the tries that Airflow allowed: a retry goes on, a clear begins anew."""

_MOST_SHOWN: Final = 40


class KeepDrill(HITLOperator):
    """Leave what a drill has launched for people to look at: for ``drill.keep_for``, or as long as they extend it.

    It waits in Airflow's ``awaiting_input`` state and holds no worker. Skipped at once where there is nothing to look
    at or nobody wants to: in a recovery, when nothing was launched, when the run was cancelled, and when a recovery
    has taken the servers. A drill that failed is kept too: that is when people look. The clean-up comes after it in
    every case, also when this task fails or somebody ends the run.
    """

    template_fields: Sequence[str] = ()
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(
        self, *, plan: str, keep_for: timedelta, targets: Sequence[Target], start_task_ids: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(
            subject=f"The drill of {plan} is up",
            options=[END, *EXTEND],
            defaults=END,
            response_timeout=keep_for,
            **kwargs,
        )
        self.plan, self.keep_for, self.targets = plan, keep_for, tuple(targets)
        self.start_task_ids = tuple(start_task_ids)

    def execute(self, context: Context) -> Any:
        """Ask whether to end; go on with what is left of the time on a retry."""
        kept = self._known(context)
        if kept and kept["ended_at"]:
            return kept  # Airflow tried again although the answer had ended the task
        preflight = self._skip_where_nothing_is_kept(context)
        now = datetime.now(UTC)
        if not kept:
            until = now + self.keep_for
            kept = {
                "began_at": now.isoformat(),
                "until": until.isoformat(),
                "ended_at": None,
                "by": None,
                "extended": 0,
            }
            self._keep(context, kept)
        until = parse_instant(kept["until"])
        self.subject = f"The drill of {self.plan} is up until {until:%Y-%m-%d %H:%M} UTC"
        self.body = self._text(context, preflight)
        self.response_timeout = max(until - now, timedelta(seconds=1))
        return super().execute(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """End, or extend and ask again; when nobody answers in time, the drill ends."""
        kept = self._known(context) or {"began_at": None, "until": datetime.now(UTC).isoformat(), "extended": 0}
        by = None if event.get("timedout") or "error" in event else event["chosen_options"][0]
        who = (event.get("responded_by_user") or {}).get("name")
        if by in EXTEND:
            until = parse_instant(kept["until"]) + by_of(str(by))
            self.log.info("%s extended the drill to %s", who or "somebody", until.isoformat())
            self._keep(context, {**kept, "until": until.isoformat(), "by": who, "extended": kept["extended"] + 1})
            self._move_expiry(context, until + CLEAN_UP + SLACK)
            return self.execute(context)
        ended = {**kept, "ended_at": datetime.now(UTC).isoformat(), "by": who if by else None}
        self._keep(context, ended)
        self.log.info("the drill ends: %s", f"{who} said so" if by else "its time is over")
        return ended

    def _skip_where_nothing_is_kept(self, context: Context) -> Mapping[str, Any]:
        ti = context["ti"]
        preflight: Any = ti.xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
        if not preflight or preflight["mode"] != "drill":
            raise AirflowSkipException("no drill, so nothing is kept until somebody ends it")
        if not any(ti.xcom_pull(task_ids=task, key=LAUNCH) for task in self.start_task_ids):
            raise AirflowSkipException("nothing was launched, so there is nothing to look at")
        for task in self.start_task_ids:
            if words := ti.xcom_pull(task_ids=task, key=SUPERSEDED):
                raise AirflowSkipException(f"{words}: the drill is cleaned up at once")
        for task in (*self.start_task_ids, *(f"{wave}.recovery_job" for wave in preflight["waves"])):
            if str(ti.xcom_pull(task_ids=task, key=ORDER)).startswith("cancelled"):
                raise AirflowSkipException("the run was cancelled: the drill is cleaned up at once")
        found: Mapping[str, Any] = preflight
        return found

    def _text(self, context: Context, preflight: Mapping[str, Any]) -> str:
        lines = [
            f"What the drill has launched stays up for people to look at ({timespan(self.keep_for)} by the plan).",
            "",
            f"*{END}* cleans it up now, *Extend* keeps it so much longer. Without an answer it goes at that time.",
            "",
            "| server | wave | outcome | instance |",
            "|---|---|---|---|",
        ]
        ti = context["ti"]
        rows = [
            f"| {escaped(server['hostname'])} | {wave} | {server['status']} | {server['instance_id'] or '-'} |"
            for wave in preflight["waves"]
            for server in ti.xcom_pull(task_ids=f"{wave}.recovery_job", key="servers") or ()
        ]
        more = [f"| and {len(rows) - _MOST_SHOWN} more | | | |"] if len(rows) > _MOST_SHOWN else []
        return "\n".join([*lines, *rows[:_MOST_SHOWN], *more])

    def _move_expiry(self, context: Context, expires: datetime) -> None:
        """Write a later expiry to the run's jobs and instances; a sweeper elsewhere goes by nothing else."""
        failed: dict[str, str] = {}
        for target in self.targets:
            try:
                hook = traces_hook({"aws_conn_id": target.aws_conn_id, "region": target.region})
                jobs = jobs_of_run(hook, context)
                marks = [mark for job in jobs if (mark := read_mark(job.get("tags")))]
                latest = end_of_life(marks)
                tags = {EXPIRES: written(max(expires, latest) if latest else expires)}
                refused = hook.tag_all({str(job["jobID"]): str(job["arn"]) for job in jobs}, tags)
                failed |= {name: str(error) for name, error in refused.items()}
                failed |= tag_launched(hook, [str(job["jobID"]) for job in jobs], tags)[1]
            except DrsProviderError as error:
                failed[str(target)] = str(error)
        for name, why in failed.items():
            self.log.warning("%s keeps its old expiry: %s", name, why)
        if failed:
            context["ti"].xcom_push(key=UNTAGGED, value=failed)

    def _known(self, context: Context) -> dict[str, Any] | None:
        found: Any = context["task_state_store"].get(_KEPT) or {}
        return found["kept"] if found.get("max_tries") == context["ti"].max_tries else None

    def _keep(self, context: Context, kept: Mapping[str, Any]) -> None:
        value: Any = {"max_tries": context["ti"].max_tries, "kept": dict(kept)}
        context["task_state_store"].set(_KEPT, value, retention=NEVER_EXPIRE)
        context["ti"].xcom_push(key=KEPT, value=dict(kept))
