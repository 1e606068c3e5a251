"""What a task remembers between its tries and legs, signed: Airflow lets people edit the task state store."""

from dataclasses import replace

from airflow.sdk import Context

from drs_provider.airflow_internals import TaskStore
from drs_provider.services.signed import SignedStore, origin


def task_memory(context: Context) -> SignedStore:
    """Return the task state store of the running task; what others wrote into it is refused by name."""
    place = replace(origin(context["ti"], ""), stored_in="task_state_store")
    return SignedStore(TaskStore(context), place, context["ti"].try_number)
