"""Obeying a person's order while a run goes on: to start nothing more, or to leave out a wave."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider.rules.run.controls import CANCEL, ORDER, read_order
from drs_provider.services.launch_memory import Memory

_OVER = ("failed", "skipped", "upstream_failed", "removed")
"""States of a start task that leaves nothing to be watched."""


def obey_before_a_start(context: Context) -> None:
    """End a start task that has launched nothing yet, where a person has ordered so.

    :raises AirflowSkipException: the wave is left out; or the run was cancelled, and what another account or Region of
        the same wave launches must still be watched
    :raises AirflowFailException: the run was cancelled, and nothing of the wave was launched
    """
    ti, store = context["ti"], context["task_state_store"]
    if Memory(store, max_tries=ti.max_tries).is_under_way():
        return
    if order := read_order(store.get(ORDER)):
        ti.xcom_push(key=ORDER, value=order.words)
        if order.kind == CANCEL and not _others_launch(context):
            raise AirflowFailException(order.words)
        raise AirflowSkipException(order.words)


def cancelled_start(context: Context) -> str | None:
    """Give the words of the order by which a start task shall launch nothing more, and leave them for the report."""
    order = read_order(context["task_state_store"].get(ORDER))
    if order is None or order.kind != CANCEL:
        return None
    context["ti"].xcom_push(key=ORDER, value=order.words)
    return order.words


def cancelled_watch(context: Context, start_task_ids: Sequence[str]) -> str | None:
    """Give the words of the order by which a wave that is watched launches nothing more: its own, or its starts'."""
    own = read_order(context["task_state_store"].get(ORDER))
    obeyed = (context["ti"].xcom_pull(task_ids=task, key=ORDER) for task in start_task_ids)
    words = own.words if own else next((str(one) for one in obeyed if str(one).startswith("cancelled")), None)
    if words is not None:
        context["ti"].xcom_push(key=ORDER, value=words)
    return words


def _others_launch(context: Context) -> bool:
    """Whether another start task of the wave has launched something, or still may have."""
    ti: Any = context["ti"]
    run_id = context["dag_run"].run_id
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    stem = ti.task_id.rpartition(".")[0] + ".start_recovery"
    return any(
        str(state) not in _OVER
        for task, state in states.items()
        if task != ti.task_id and (task == stem or task.startswith(f"{stem}_"))
    )
