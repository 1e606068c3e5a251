"""Obeying a person's order in a wave: to start nothing more, to leave it out, or to let the run go on past it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.dag.run_reader import order_of
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.run import names
from drs_provider.services.signed import leave, pull_all

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import RunOrder

_OVER = ("failed", "skipped", "upstream_failed", "removed")
"""States of a start task that leaves nothing to be watched."""


def obey_before_a_start(context: Context) -> None:
    """End a start task that has launched nothing yet, where a person has ordered so.

    :raises AirflowSkipException: the wave is left out; or the run was cancelled, and what another account or Region of
        the same wave launches must still be watched
    :raises AirflowFailException: the run was cancelled, and nothing of the wave was launched
    """
    from drs_provider.services.launch.launch_memory import Memory

    if Memory(task_memory(context), max_tries=context["ti"].max_tries).is_under_way():
        return
    if order := order_of(context):
        _leave(context, order)
        if order.is_cancellation and not _others_launch(context):
            raise AirflowFailException(order.message)
        raise AirflowSkipException(order.message)


def cancelled_start(context: Context) -> str | None:
    """Give the words of the order by which a start task shall launch nothing more, and leave them for the report."""
    order = order_of(context)
    if order is None or not (order.is_cancellation or order.passes_over):
        return None
    _leave(context, order)
    return order.message


def cancelled_watch(context: Context, start_task_ids: Sequence[str]) -> str | None:
    """Give the words of the order by which a wave that is watched launches nothing more: its own, or its starts'."""
    order = order_of(context) or _obeyed_cancellation(context, start_task_ids)
    if order is None:
        return None
    _leave(context, order)
    return order.message


def _obeyed_cancellation(context: Context, start_task_ids: Sequence[str]) -> "RunOrder | None":
    from drs_provider.rules.run.handover import RunOrder

    obeyed = pull_all(context["ti"], start_task_ids, RunOrder)
    return next((order for order in obeyed if order.is_cancellation), None)


def _leave(context: Context, order: "RunOrder") -> None:

    leave(context["ti"], order)


def _others_launch(context: Context) -> bool:
    """Whether another start task of the wave has launched something, or still may have."""
    ti, run_id = context["ti"], context["dag_run"].run_id
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    own = names.read_task(ti.task_id)
    starts = names.tasks_that(states, own.group, own.name)
    return any(str(states[task]) not in _OVER for task in starts if task != ti.task_id)
