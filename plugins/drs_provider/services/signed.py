"""Leaving and reading the documents between tasks, signed: an edited one is refused by name.

The documents themselves are imported when a task runs, not when Airflow reads a DAG file.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from pydantic import JsonValue

from drs_provider import configuration
from drs_provider.exceptions import HandoverUnreadable, RunRefused

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import Document
    from drs_provider.rules.run.handover.signature import Keys, Origin
    from drs_provider.services.store import Store

_log = logging.getLogger(__name__)

D = TypeVar("D", bound="Document")

RETURNED: Final = "return_value"
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

    def xcom_pull(self, *, task_ids: str, key: str) -> object:
        """Read what a task of this run left."""


@cache
def keys() -> "Keys":
    """Return the keys of this installation.

    :raises RunRefused: Airflow's configuration has none
    """
    from drs_provider.rules.run.handover.signature import keys_of

    made = keys_of(configuration.signing_secrets())
    if made is None:
        raise RunRefused(_NO_KEY)
    return made


def leave(ti: RunningTask, document: "Document", key: str | None = None) -> None:
    """Leave a document for other tasks, under its own key or another one."""
    key = key or document.KEY
    ti.xcom_push(key=key, value=sealed(ti, document, key))


def sealed(ti: RunningTask, document: "Document", key: str = RETURNED) -> dict[str, JsonValue]:
    """Return a document's signed JSON, for a task that returns it."""
    return keys().seal(document.to_json(), origin(ti, key), attempt=ti.try_number)


def pull(
    ti: RunningTask, task_id: str, document: type[D], key: str | None = None, *, newest_try: int | None = None
) -> D | None:
    """Read a document that an unmapped task of this run left; None: it left none.

    :param newest_try: what an earlier try has written is refused; see ``operators.other_tasks``
    :raises HandoverUnreadable: what lies there was not written by that task, or cannot be read
    """
    from drs_provider.rules.run.handover.signature import Origin

    key = key or document.KEY
    place = Origin(ti.dag_id, ti.run_id, task_id, key)
    return opened(ti.xcom_pull(task_ids=task_id, key=key), document, place, newest_try=newest_try)


def pull_all(ti: RunningTask, task_ids: Iterable[str], document: type[D]) -> list[D]:
    """Read a document from each of some tasks that left it."""
    return [left for task_id in task_ids if (left := pull(ti, task_id, document)) is not None]


def pull_believed(ti: RunningTask, task_ids: Iterable[str], document: type[D]) -> list[D]:
    """Read a document from each of some tasks, for one who can do without: what is not believed is passed over."""
    found = []
    for task_id in task_ids:
        try:
            left = pull(ti, task_id, document)
        except HandoverUnreadable as error:
            _log.warning("passed over: %s", error)
        else:
            found += [left] if left is not None else []
    return found


def opened(value: object, document: type[D], place: "Origin", *, newest_try: int | None = None) -> D | None:
    """Verify a document and read it; None: there is none. Raises HandoverUnreadable."""
    if not value:
        return None
    if problem := keys().problem(value, place, newest_try=newest_try):
        raise HandoverUnreadable(document.TITLE, str(place), problem, place.next_step)
    return document.from_json(value)


def believed(value: object, place: "Origin") -> object:
    """Return what lies at a place, for those who only show it; None where it is not to be believed."""
    return None if not value or problem_of(value, place) else value


def problem_of(value: object, place: "Origin") -> str | None:
    """Say why what lies at a place is not to be believed, also where there is no key to tell; None: it is."""
    try:
        return keys().problem(value, place)
    except RunRefused as error:
        return str(error)


def origin(ti: RunningTask, key: str) -> "Origin":
    """Name the place of what a task leaves under a key."""
    from drs_provider.rules.run.handover.signature import Origin

    return Origin(ti.dag_id, ti.run_id, ti.task_id, key, -1 if ti.map_index is None else ti.map_index)


@dataclass(frozen=True)
class SignedStore:
    """A task's memory whose entries nobody else can write: the task state store, signed.

    :ivar inner: where the values lie
    :ivar place: the place of an entry; its key is put in
    :ivar prefix: of the keys of what the task keeps for another one
    """

    inner: "Store"
    place: "Origin"
    attempt: int = 0
    prefix: str = ""

    def get(self, key: str) -> object:
        """Return what is kept under the key; None: nothing is.

        :raises HandoverUnreadable: it was not written by this task
        """
        name = self.prefix + key
        value, place = self.inner.get(name), self.place.under(name)
        if value is not None and (problem := keys().problem(value, place)):
            raise HandoverUnreadable("what the task remembers", str(place), problem, place.next_step)
        return value

    def set(self, key: str, value: JsonValue) -> None:
        """Keep a document's JSON until it is replaced."""
        if not isinstance(value, dict):
            raise TypeError(f"{key}: only a document can be kept, not {type(value).__name__}")
        name = self.prefix + key
        self.inner.set(name, keys().seal(value, self.place.under(name), attempt=self.attempt))
