"""Who may ask: FastAPI dependencies that the server gives, and the guard that each route names."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from drs_provider.services.groups.save import AuditRecord


@dataclass(frozen=True)
class ConsoleAccess:
    """FastAPI dependencies; those that guard answer 401 or 403 by themselves."""

    may_read: Callable[..., Any]
    """Lets nobody through who may not read DAGs: the least that any route asks for."""
    may_edit_groups: Callable[..., Any]
    """Lets nobody through who may not change protection groups."""
    may_edit: Callable[..., bool]
    """Tells whether ``may_edit_groups`` would let the caller through."""
    readable_dags: Callable[..., Collection[str]]
    """The ids of the DAGs that the caller may read; ``services.groups.survey.EVERY_DAG`` among them: every DAG."""
    editable_dags: Callable[..., Collection[str]]
    """The ids of the DAGs that the caller may change, in the same way."""
    audit: Callable[..., AuditRecord]
    """Gives what writes a line into Airflow's audit log, which is kept when it returns."""
    person: Callable[..., str] = lambda: ""
    """The name of the caller, for commits."""
