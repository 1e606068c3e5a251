"""Who may ask: FastAPI dependencies that the server gives, and the guard that each route names."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

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


def _none() -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Access:
    """FastAPI dependencies that say who may see what; each answers 401 or 403 by itself."""

    may_read_run: Callable[..., Any]
    """Reads ``dag_id`` from the path; lets nobody through who may not read the runs of that DAG."""
    readable_dags: Callable[..., set[str]]
    """The ids of the DAGs that the caller may read."""
    may_read_problems: Callable[..., bool]
    """Whether the caller may read import errors, and so what is wrong with broken plan files."""
    may_read_runs: Callable[..., Any]
    """Lets nobody through who may read the runs of no DAG, where no path names one."""
    editable_plans: Callable[..., Collection[str]] = _none
    """The ids of the DAGs of the plans that the caller may change, ``services.groups.survey.EVERY_DAG`` for all."""


RunLine = Callable[[str, str, str | None, Mapping[str, JsonValue]], None]
"""Writes a line into Airflow's audit log: the event, DAG id, run id (None: of no run), and what else there is to say.

It is kept when this returns.
"""


@dataclass(frozen=True)
class RunRights:
    """FastAPI dependencies; each reads ``dag_id`` from the path, and answers 401 or 403 by itself.

    Airflow decides everything once more where it is asked to do what a route asks for.
    """

    may_start: Callable[..., Any]
    """Lets nobody through who may not start runs of the DAG."""
    may_pause: Callable[..., Any]
    """Lets nobody through who may not pause the DAG."""
    may_order: Callable[..., Any]
    """Lets nobody through who may not change runs of the DAG."""
    may_answer: Callable[..., Any]
    """Lets nobody through who may not answer what runs of the DAG ask."""
    line: Callable[..., RunLine]
    """Gives what writes lines in the name of who asks."""
