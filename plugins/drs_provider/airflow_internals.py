"""Every touch of what Airflow does not promise."""

from airflow.sdk.definitions.context import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE
from pydantic import JsonValue


class TaskStore:
    """The task state store of the running task, as ``services.store.Store``: what is kept in it never expires.

    It outlives retries and clears. Airflow 3.3 documents ``context["task_state_store"]``; that it takes
    ``NEVER_EXPIRE`` by identity stands in its code only.
    """

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    def get(self, key: str) -> object:
        """Return what is kept under the key; None: nothing is."""
        return self._store.get(key)

    def set(self, key: str, value: JsonValue) -> None:
        """Keep a value until it is replaced."""
        self._store.set(key, value, retention=NEVER_EXPIRE)
