"""What the tasks of a run have left so far, read from inside one of them."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.exceptions import HandoverUnreadable, RunRefused
from drs_provider.operators.other_tasks import newest_try_of, pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.purpose import (
    ALL_PURPOSES,
    LAUNCHES_NOTHING,
    Purpose,
    find_purpose,
    launches_nothing,
    purpose_of,
)
from drs_provider.rules.run import names
from drs_provider.services.signed import keys, leave, opened

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import CleanedUp, Document, PreflightResult, RunOrder
    from drs_provider.rules.run.shape import RunShape
    from drs_provider.rules.run.state import RunOutline, RunSnapshot

_log = logging.getLogger(__name__)
_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")

SomeDocument = TypeVar("SomeDocument", bound="Document")


class RunReader:
    """Task states and typed documents of the run that a task belongs to.

    :ivar states: Airflow's state of every task of the run, by task id; None: nothing has happened yet
    :ivar disbelieved: what lies where a task of this run leaves something and was not written by it, and why
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.ti = context["ti"]
        self.disbelieved: dict[str, str] = {}
        self._newest: dict[str, int | None] = {}
        run_id = context["dag_run"].run_id
        states = self.ti.get_task_states(dag_id=self.ti.dag_id, run_ids=[run_id])
        self.states: dict[str, str | None] = {k: v and str(v) for k, v in states.get(run_id, {}).items()}

    def left(self, task_id: str, key: str) -> object:
        """Give what a task left for others under a key, as JSON; None: nothing, or nothing that it wrote itself."""
        from drs_provider.rules.run.handover import GivenOrders
        from drs_provider.rules.run.handover.signature import Origin

        if key == GivenOrders.KEY:  # in a store that only the report task can read
            return None
        place = Origin(self.ti.dag_id, self.ti.run_id, task_id, key)
        value = self.ti.xcom_pull(task_ids=task_id, key=key)
        if value and (problem := keys().problem(value, place, newest_try=self._newest_try(task_id))):
            if str(place) not in self.disbelieved:
                _log.warning("%s is not believed: %s", place, problem)
            self.disbelieved[str(place)] = problem
            return None
        return value

    def read(self, task_id: str, document: type[SomeDocument]) -> SomeDocument | None:
        """Read a document that a task left; None: it left none.

        :raises HandoverUnreadable: it left something else, or what a newer release writes
        """
        return pull_newest(self.context, task_id, document)

    def _outline(self, shape: "RunShape | None") -> "RunOutline":
        from drs_provider.rules.run.state import outline_of_edges, outline_of_shape

        mode = dict(self.context.get("params") or {}).get("mode")
        return outline_of_shape(shape, mode=mode) if shape else outline_of_edges(_edges(self.context), mode=mode)

    def _newest_try(self, task_id: str) -> int | None:
        if task_id not in self._newest:
            self._newest[task_id] = newest_try_of(self.context, task_id)
        return self._newest[task_id]

    def preflight(self) -> "PreflightResult | None":
        """Read what preflight found, passed or not."""
        from drs_provider.rules.run.handover import PreflightResult

        return self.read(names.PREFLIGHT_TASK, PreflightResult)

    def snapshot(self, shape: "RunShape | None" = None, *, is_last_look: bool = False) -> "RunSnapshot":
        """Take the snapshot that the state of the run is computed from.

        :param shape: the compiled plan; None: the waves and their tasks are read from the edges of the DAG
        :param is_last_look: nothing more will begin although Airflow's run goes on
        """
        from drs_provider.rules.run.state import RunSnapshot, tasks_from_states

        return RunSnapshot(self._outline(shape), tasks_from_states(self.states), self.left, is_last_look=is_last_look)


def snapshot_of(context: Context, shape: "RunShape | None" = None, *, is_last_look: bool = False) -> "RunSnapshot":
    """Take the snapshot of the run that a task belongs to; see :meth:`RunReader.snapshot`."""
    return RunReader(context).snapshot(shape, is_last_look=is_last_look)


def preflight_result(context: Context, plan: str, *, acts: bool = True) -> "PreflightResult":
    """Read what preflight left for this run.

    It is signed, and still not the run's own word: a signed record of an earlier look, or of another start, would be
    believed by its signature. So mode, waves, servers, data and permissions are compared with what Airflow keeps with
    the run, which nobody can edit.

    :param acts: whether the caller does something in the cloud; only then the record is compared
    :raises AirflowSkipException: it acts, and the run is for looking only
    :raises RunRefused: it has not passed, or was changed; one that was only marked as successful leaves nothing
    """
    from drs_provider.rules.run.checked_scope import deviations
    from drs_provider.rules.run.handover import PreflightResult

    found = pull_newest(context, names.PREFLIGHT_TASK, PreflightResult)
    if found is None or not found.passed:
        raise RunRefused(
            f"preflight of {plan} has not passed in this run (a task that is marked as successful checks nothing): "
            f"clear {names.PREFLIGHT_TASK} to check again"
        )
    if found.plan != plan:
        raise RunRefused(
            f"the record of preflight is one of {found.plan}, not of {plan}. Nothing is done. Clear "
            f"{names.PREFLIGHT_TASK} to check again"
        )
    asked = find_purpose(dict(context.get("params") or {}).get("mode"))
    if acts and asked and asked.only_looks:
        raise AirflowSkipException(LAUNCHES_NOTHING)
    if wrong := [str(deviation) for deviation in deviations(found, dict(context.get("params") or {}))] if acts else []:
        raise RunRefused(
            f"preflight of {plan} {'; it '.join(wrong)}: the record of preflight was changed after it was written. "
            "Nothing is done. Find out who changed it (Airflow's audit log), then clear "
            f"{names.PREFLIGHT_TASK} to check again"
        )
    if acts and found.purpose.only_looks:
        raise AirflowSkipException(LAUNCHES_NOTHING)
    return found


def installation_of_run(context: Context) -> str:
    """Return the id of the Airflow that the run is of, as it was when the run began.

    Where nothing says so, as where the record of preflight was deleted or edited, it is what this Airflow is now: what
    the run has made under another name is then not found by it, nor is anything of another Airflow.
    """
    from drs_provider.rules.run.handover import PreflightResult, RunInstallation
    from drs_provider.services.signed import pull_believed

    if found := pull_believed(context["ti"], [names.PREFLIGHT_TASK], PreflightResult):
        return found[0].installation
    if named := pull_believed(context["ti"], [names.PREFLIGHT_TASK], RunInstallation):
        return named[0].id
    from drs_provider.operators.installation import this_installation

    return this_installation()


def skip_where_nothing_is_launched(context: Context) -> None:
    """Skip what has nothing to do in a run that launches nothing, also where somebody has cleared just this task.

    :raises AirflowSkipException: this is such a run
    """
    purpose = find_purpose(dict(context.get("params") or {}).get("mode"))
    if purpose and not purpose.launches:
        raise AirflowSkipException(launches_nothing(purpose))


def purpose_of_run(context: Context) -> Purpose:
    """Say what a run is for, as its own parameters say it, there or back.

    :raises PreflightRefused: they name no kind of run
    """
    return purpose_of(context["params"]["mode"], ALL_PURPOSES)


def order_of(context: Context) -> "RunOrder | None":
    """Read what a person has ordered this task, by the pages or the command line; None: nothing.

    What somebody wrote there past both is not obeyed: it may be anybody's, under any name.
    """
    from drs_provider.rules.run.controls import read_order
    from drs_provider.rules.run.handover import NotBelieved, RunOrder

    try:
        return read_order(task_memory(context).get(RunOrder.KEY))
    except HandoverUnreadable as error:
        _log.warning("an order is not obeyed: %s", error)
        leave(context["ti"], NotBelieved(documents={error.where: error.problem}))
        return None


def _edges(context: Context) -> dict[str, set[str]]:
    return {task.task_id: set(task.upstream_task_ids) for task in context["dag"].tasks}


def cleaned_up(context: Context) -> "tuple[CleanedUp, ...]":
    """Read what clean-up or roll back have done before the run was cleared; nothing, where nobody has cleared it."""
    from drs_provider.rules.run.handover import CleanedUp, RolledBack

    if not getattr(context["dag_run"], "clear_number", 0):
        return ()
    reader = RunReader(context)
    tasks = names.tasks_that(reader.states, names.FINISH_GROUP, names.CLEAN_UP)
    back = names.tasks_that(reader.states, names.FINISH_GROUP, names.ROLL_BACK)
    done = [found for task in tasks if (found := reader.read(task, CleanedUp))]
    done += [gone.as_clean_up() for task in back if (gone := reader.read(task, RolledBack))]
    return tuple(found for found in done if found.terminated)


def is_cleared(context: Context) -> bool:
    """Tell whether anybody has cleared tasks of this run, as it went or after its end."""
    return bool(getattr(context["dag_run"], "clear_number", 0))


def run_type_of(dag_run: Any) -> str:
    """Give Airflow's word for how a run came to be: ``manual``, ``scheduled``."""
    return str(getattr(dag_run.run_type, "value", dag_run.run_type))


def late_tick(context: Context) -> "timedelta | None":
    """Say how late a schedule has started this run; None: in time, or a person or another DAG has started it.

    A run that a person has cleared is theirs.
    """
    from drs_provider.rules.run.request import lateness

    dag_run = context["dag_run"]
    due, began = getattr(dag_run, "run_after", None), getattr(dag_run, "start_date", None)
    if run_type_of(dag_run) != "scheduled" or bool(getattr(dag_run, "clear_number", 0)) or due is None:
        return None
    return lateness(due, began or clock.now())


def began_at(context: Context) -> datetime:
    """Say when the run began; one that was cleared after its end counts from its first start."""
    dag_run = context["dag_run"]
    began = dag_run.start_date or dag_run.run_after
    return min(dag_run.run_after, began) if getattr(dag_run, "clear_number", 0) else began


def active_runs_beside(context: Context, task_id: str) -> dict[str, str | None]:
    """Give every other run of this DAG that is queued or goes on, with the state of a task of it.

    Runs that have said their verdict are asked for last: somebody may have cleared tasks of them.
    """
    from drs_provider.rules.run.run_view import ACTIVE

    ti, own = context["ti"], context["dag_run"]
    missing = ti.get_dr_count(dag_id=own.dag_id, states=list(ACTIVE)) - 1  # this run is one of them
    found: dict[str, str | None] = {}
    if missing < 1:
        return found
    states = ti.get_task_states(dag_id=own.dag_id, task_ids=[names.VERDICT_TASK, task_id])
    runs = [run_id for run_id in sorted(states, reverse=True) if run_id != own.run_id]
    for run_id in sorted(runs, key=lambda run_id: str(states[run_id].get(names.VERDICT_TASK)) in _ENDED):
        if len(found) == missing:
            break
        if ti.get_dr_count(dag_id=own.dag_id, run_ids=[run_id], states=list(ACTIVE)):
            state = states[run_id].get(task_id)
            found[run_id] = state and str(state)
    return found


def active_run_of(context: Context, key: str, run_ids: Sequence[str]) -> str | None:
    """Give a run of this DAG, other than the task's own, that is not over and is, or continues, the run of a key.

    Both are looked for in what Airflow itself says: tags of jobs can be lost, and a run that only adopted jobs has
    none of its own.

    :param run_ids: what the jobs of the run say that it is called
    """
    from drs_provider.operators.installation import this_installation
    from drs_provider.rules.launch.tags import run_key
    from drs_provider.rules.run.handover import PreflightResult
    from drs_provider.rules.run.handover.signature import Origin
    from drs_provider.rules.run.run_view import ACTIVE

    ti, own, here = context["ti"], context["dag_run"], this_installation()
    if ti.get_dr_count(dag_id=own.dag_id, states=list(ACTIVE)) <= 1:
        return None  # that is this run
    verdicts = ti.get_task_states(dag_id=own.dag_id, task_ids=[names.VERDICT_TASK])
    open_runs = {run_id for run_id, states in verdicts.items() if str(states.get(names.VERDICT_TASK)) not in _ENDED}
    for run_id in sorted({*open_runs, *run_ids} - {own.run_id}):
        if not ti.get_dr_count(dag_id=own.dag_id, run_ids=[run_id], states=list(ACTIVE)):
            continue
        if run_id in run_ids or key in (run_key(own.dag_id, run_id), run_key(own.dag_id, run_id, here)):
            return run_id
        place = Origin(own.dag_id, run_id, names.PREFLIGHT_TASK, PreflightResult.KEY)
        left = ti.xcom_pull(task_ids=place.task_id, key=place.key, run_id=run_id)
        try:
            found = opened(left, PreflightResult, place)
        except HandoverUnreadable as error:
            _log.warning("run %s counts as one that continues run %s, for nobody can tell: %s", run_id, key, error)
            return run_id
        if found and key in (found.continue_run, run_key(own.dag_id, run_id, found.installation)):
            return run_id
    return None
