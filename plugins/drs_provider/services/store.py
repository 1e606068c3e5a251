"""What a task remembers between its tries and legs."""

from typing import Protocol, TypeVar

from pydantic import JsonValue

from drs_provider.rules.run.handover import Document

D = TypeVar("D", bound=Document)


class Store(Protocol):
    """Values by key that outlive a try: Airflow's task state store behind ``airflow_internals.TaskStore``."""

    def get(self, key: str) -> object:
        """Return what is kept under the key; None: nothing is."""
        ...

    def set(self, key: str, value: JsonValue) -> None:
        """Keep a value until it is replaced; it never expires."""
        ...


def load(store: Store, document: type[D]) -> D | None:
    """Read a document from where it is kept; None: there is none. Raises HandoverUnreadable."""
    return document.read(store.get(document.KEY))


def save(store: Store, document: Document) -> None:
    """Keep a document under its key, in place of an earlier one."""
    store.set(document.KEY, document.to_json())
