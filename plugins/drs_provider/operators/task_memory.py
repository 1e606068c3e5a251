"""What a task remembers between its tries and legs, signed: Airflow lets people edit the task state store."""

from dataclasses import replace
from typing import Any, Final, cast

from airflow.sdk import Context

from drs_provider.airflow_internals import TaskStore
from drs_provider.services.signed import SignedStore, origin

_ON_BEHALF_OF: Final = "drs_on_behalf_of"


def task_memory(context: Context) -> SignedStore:
    """Return the task state store of the running task; what others wrote into it is refused by name."""
    place = replace(origin(context["ti"], ""), stored_in="task_state_store")
    other = cast("dict[str, Any]", context).get(_ON_BEHALF_OF)
    return SignedStore(TaskStore(context), place, context["ti"].try_number, prefix=f"{other}:" if other else "")


def on_behalf_of(context: Context, task_id: str) -> Context:
    """Return a context in which the running task acts for another one, with a memory apart from its own."""
    return cast("Context", {**context, _ON_BEHALF_OF: task_id})


def as_itself(context: Context) -> Context:
    """Return the context of the running task: people's orders are its own, whomever it acts for."""
    return cast("Context", {name: value for name, value in context.items() if name != _ON_BEHALF_OF})
