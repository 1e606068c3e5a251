"""Which requests get a line in Airflow's audit log that Airflow itself does not write."""

import re
from http import HTTPStatus
from typing import Final

from drs_provider.rules.run.names import has_plan_runs

REFUSED: Final = "drs_refused"
"""Event: somebody who is signed in asked for a change that their rights do not cover."""

REQUESTED: Final = "drs_request"
"""Event: somebody asked for a change of a plan's run of a kind that Airflow itself writes no line of."""

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: Final = "/drs/"
_PUBLIC: Final = "/api/v2/"
_ANSWER_LINKS: Final = "/drs/answers"
_OF_DAG: Final = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)(?:/|$)")
_ANY_DAG: Final = "~"

_INSTANCES: Final = r"/api/v2/dags/[^/]+/dagRuns/[^/]+/taskInstances"
_WITHOUT_A_LINE: Final = (
    ("PUT", re.compile(rf"{_INSTANCES}/[^/]+/state-store/.+")),
    ("PATCH", re.compile(rf"{_INSTANCES}/[^/]+/state-store/.+")),
    ("DELETE", re.compile(rf"{_INSTANCES}/[^/]+/state-store(/.+)?")),
    ("DELETE", re.compile(rf"{_INSTANCES}/[^/]+")),
    ("PATCH", re.compile(_INSTANCES)),
)
"""Airflow 3.3 writes no line for the task state store, a deleted task, and many tasks that are marked at once."""


def is_watched(method: str, path: str) -> bool:
    """Tell whether a request may need a line: it wants to change what recoveries depend on.

    :param path: path of the request below the address of Airflow
    """
    if method in _READS or path == _ANSWER_LINKS:
        return False
    if (of_dag := _OF_DAG.match(path)) is not None:
        return of_dag["dag"] == _ANY_DAG or has_plan_runs(of_dag["dag"])
    return path.startswith((_OURS, _PUBLIC))


def event_of(method: str, path: str, status: int) -> str | None:
    """Return the event to write for a watched request; None: Airflow writes its own line, or nothing was changed.

    :param status: how the API server answered
    """
    if status == HTTPStatus.FORBIDDEN:
        return REFUSED
    if status >= HTTPStatus.BAD_REQUEST:
        return None
    return REQUESTED if leaves_no_line(method, path) else None


def leaves_no_line(method: str, path: str) -> bool:
    """Tell whether Airflow's API makes this change without a line in its audit log."""
    return any(method == known and form.fullmatch(path) for known, form in _WITHOUT_A_LINE)
