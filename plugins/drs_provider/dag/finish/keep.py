"""The task that keeps a drill's environment for people, until they end it or its time is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.left_alone import is_left_alone
from drs_provider.dag.run_reader import order_of
from drs_provider.dag.target_region import target_in_run
from drs_provider.dag.waves.job_tags import jobs_of_run, traces_hook
from drs_provider.exceptions import DrsProviderError
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.run.controls import END, EXTEND
from drs_provider.rules.run.handover import (
    Document,
    KeptDrill,
    KeptDrillMemory,
    Launch,
    PreflightResult,
    RunOrder,
    ServerResults,
    Superseded,
    Untagged,
)
from drs_provider.rules.run.names import LAUNCH_AHEAD, PREFLIGHT_TASK, RELAUNCH_AHEAD, does
from drs_provider.services.signed import leave, pull, sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.shape import PlanTarget

_Document = TypeVar("_Document", bound=Document)


class KeepDrill(HITLOperator):
    """Leave what a drill has launched for people to look at: for ``drill.keep_for``, or as long as they extend it.

    It waits in Airflow's ``awaiting_input`` state and holds no worker. Skipped at once where there is nothing to look
    at or nobody wants to: in a recovery, when nothing was launched, when the run was cancelled, and when a recovery
    has taken the servers. A drill that failed is kept too: that is when people look. The clean-up comes after it in
    every case, also when this task fails or somebody ends the run.

    Returns a ``KeptDrill`` as JSON (``rules.run.handover``).
    """

    template_fields: Sequence[str] = ()
    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(
        self,
        *,
        plan: str,
        keep_for: timedelta,
        places: "Sequence[PlanTarget]",
        digest: str,
        start_task_ids: Sequence[str],
        watch_task_ids: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(
            subject=f"The drill of {plan} is up",
            options=[END, *EXTEND],
            defaults=END,
            response_timeout=keep_for,
            **kwargs,
        )
        self.plan, self.keep_for = plan, keep_for
        self.places, self.digest = tuple(places), digest
        self.start_task_ids, self.watch_task_ids = tuple(start_task_ids), dict(watch_task_ids)

    def execute(self, context: Context) -> Any:
        """Ask whether to end; go on with what is left of the time on a retry."""
        from drs_provider.rules.cleanup import kept_drill

        kept = self._known(context)
        if kept and kept.ended_at:
            return sealed(context["ti"], kept)  # Airflow tried again although the answer had ended the task
        waves = self._waves_to_show(context)
        now = clock.now()
        if kept is None:
            kept = kept_drill.begun(self.keep_for, now=now)
            self._keep(context, kept)
        results = ((wave, _read(context, self.watch_task_ids[wave], ServerResults)) for wave in waves)
        servers = [(wave, server) for wave, result in results if result for server in result.servers]
        self.subject = kept_drill.question_subject(self.plan)
        self.body = kept_drill.question_text(self.keep_for, kept, servers)
        self.response_timeout = kept_drill.time_left(kept, now=now)
        return super().execute(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, JsonValue]:
        """End, or extend and ask again; when nobody answers in time, the drill ends."""
        from drs_provider.rules.cleanup import kept_drill

        now = clock.now()
        kept = self._known(context) or KeptDrill(until=now)
        chosen = None if event.get("timedout") or "error" in event else str(event["chosen_options"][0])
        who = (event.get("responded_by_user") or {}).get("name")
        if chosen is not None and kept_drill.is_extension(chosen):
            longer = kept_drill.extended(kept, chosen, who=who, at=now)
            self.log.info("%s extended the drill to %s", who or "somebody", longer.until.isoformat())
            self._keep(context, longer)
            self._move_expiry(context, kept_drill.expiry(longer))
            asked: dict[str, JsonValue] = self.execute(context)
            return asked
        over = kept_drill.ended(kept, who=who if chosen else None, now=now)
        self._keep(context, over)
        self.log.info("the drill ends: %s", f"ended by {who}" if chosen else "its time is over")
        return sealed(context["ti"], over)

    def _waves_to_show(self, context: Context) -> Sequence[str]:
        """Return the waves of the plan; skip the task where nothing is kept."""
        from drs_provider.rules.cleanup.kept_drill import why_not_kept

        preflight = _read(context, PREFLIGHT_TASK, PreflightResult)
        waves = tuple(wave for wave in preflight.waves if wave in self.watch_task_ids) if preflight else ()
        # What launches ahead of the waves is not cleared with them, and may have obeyed what was taken back since.
        in_turn = [task for task in self.start_task_ids if not does(task, LAUNCH_AHEAD, RELAUNCH_AHEAD)]
        taken = (_read(context, task, Superseded) for task in in_turn)
        obeying = (*in_turn, *(self.watch_task_ids[wave] for wave in waves))
        reason = why_not_kept(
            preflight,
            is_launched=any(_read(context, task, Launch) for task in self.start_task_ids),
            superseded=next((found for found in taken if found), None),
            orders=[order_of(context), *(_obeyed(context, task) for task in obeying)],
        )
        if reason:
            raise AirflowSkipException(reason)
        return waves

    def _move_expiry(self, context: Context, expires: datetime) -> None:
        """Write a later expiry to the run's jobs and instances, wherever it may have some."""
        from drs_provider.services.drill.expiry import move_expiry

        failed: dict[str, str] = {}
        for place in self.places:
            if is_left_alone(context, place, self.digest):
                continue
            try:
                hook = traces_hook(target_in_run(context, place.target))
                failed |= move_expiry(hook, jobs_of_run(hook, context), expires)
            except DrsProviderError as error:
                failed[str(place.target)] = str(error)
        for name, why in failed.items():
            self.log.warning("%s keeps its old expiry: %s", name, why)
        if failed:
            leave(context["ti"], Untagged(resources=failed))

    @staticmethod
    def _known(context: Context) -> KeptDrill | None:
        """Return what is remembered of this task since it was begun, or cleared."""
        from drs_provider.services.store import load

        memory = load(task_memory(context), KeptDrillMemory)
        return memory.kept if memory and memory.max_tries == context["ti"].max_tries else None

    @staticmethod
    def _keep(context: Context, kept: KeptDrill) -> None:
        from drs_provider.services.store import save

        save(task_memory(context), KeptDrillMemory(max_tries=context["ti"].max_tries, kept=kept))
        leave(context["ti"], kept)


def _obeyed(context: Context, task_id: str) -> RunOrder | None:
    return _read(context, task_id, RunOrder)


def _read(context: Context, task_id: str, document: type[_Document]) -> _Document | None:
    return pull(context["ti"], task_id, document)
