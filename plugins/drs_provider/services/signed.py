"""Leaving and reading the documents between tasks, signed: an edited one is refused by name."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol, TypeVar

from pydantic import JsonValue

from drs_provider import configuration
from drs_provider.exceptions import HandoverUnreadable, RunRefused
from drs_provider.rules.run.handover import Document
from drs_provider.rules.run.handover.signature import Keys, Origin, keys_of

SomeDocument = TypeVar("SomeDocument", bound=Document)

RETURNED = "return_value"
"""Airflow's key for what a task returns."""

_NO_KEY = (
    "this Airflow has no key to sign what its tasks leave for each other: set [drs] signing_key (or DRS_SIGNING_KEY) "
    "to the same long random text on all of its machines; [core] fernet_key serves too where it is set"
)


class RunningTask(Protocol):
    """What is needed of Airflow's task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int | None
    try_number: int

    def xcom_push(self, key: str, value: JsonValue) -> None:
        """Leave a value under a key."""

    def xcom_pull(self, task_ids: str, key: str) -> object:
        """Read what a task of this run left."""


@cache
def keys() -> Keys:
    """Return the keys of this installation.

    :raises RunRefused: Airflow's configuration has none
    """
    found = keys_of(configuration.signing_secrets())
    if found is None:
        raise RunRefused(_NO_KEY)
    return found


def leave(ti: RunningTask, document: Document, key: str | None = None) -> None:
    """Leave a document for other tasks, under its own key or another one."""
    key = key or document.KEY
    ti.xcom_push(key=key, value=sealed(ti, document, key))


def sealed(ti: RunningTask, document: Document, key: str = RETURNED) -> dict[str, JsonValue]:
    """Return a document's signed JSON, for a task that returns it."""
    return keys().seal(document.to_json(), _origin(ti).under(key), attempt=ti.try_number)


def found(ti: RunningTask, task_id: str, document: type[SomeDocument], key: str | None = None) -> SomeDocument | None:
    """Read a document that an unmapped task of this run left; None: it left none.

    :raises HandoverUnreadable: what lies there was not written by that task, or cannot be read
    """
    key = key or document.KEY
    origin = Origin(ti.dag_id, ti.run_id, task_id, key)
    return opened(ti.xcom_pull(task_ids=task_id, key=key), document, origin)


def all_found(ti: RunningTask, task_ids: Sequence[str], document: type[SomeDocument]) -> list[SomeDocument]:
    """Read a document from each of some tasks that left it."""
    return [left for task_id in task_ids if (left := found(ti, task_id, document)) is not None]


def opened(value: object, document: type[SomeDocument], origin: Origin) -> SomeDocument | None:
    """Verify a document and read it; None: there is none. Raises HandoverUnreadable."""
    if value is None:
        return None
    if problem := keys().problem(value, origin):
        raise HandoverUnreadable(document.TITLE, str(origin), problem, _next_step(origin))
    return document.from_json(value)


def believed(value: object, origin: Origin) -> object:
    """Return what lies at a place, for those who only show it; None where it is not to be believed."""
    return None if value is None or keys().problem(value, origin) else value


def _origin(ti: RunningTask) -> Origin:
    return Origin(ti.dag_id, ti.run_id, ti.task_id, "", -1 if ti.map_index is None else ti.map_index)


def _next_step(origin: Origin) -> str:
    if origin.stored_in == "task_state_store":
        return f"Delete this entry of the task's state store and clear {origin.task_id}; Airflow's audit log says who wrote it"
    return f"Clear {origin.task_id}, to write it again; Airflow's audit log says who edited it"
