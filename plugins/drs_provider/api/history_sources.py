"""What the history is built from, who may see it, and what of it: its routes know nothing of Airflow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import Depends

from drs_provider.api.access import Access
from drs_provider.api.problems import RequestRefused
from drs_provider.rules.history.row import HistoryRow, PastRun
from drs_provider.rules.run.handover import KeptReport
from drs_provider.services.history.index import History, HistoryIndex


class PastRuns(Protocol):
    """Where the history learns about runs."""

    def records(self, dag_ids: Iterable[str]) -> Sequence[PastRun]:
        """Return every run of these DAGs that is a run of a plan, there or back."""
        ...

    def kept_report(self, dag_id: str, run_id: str) -> KeptReport | None:
        """Return what a run has kept of its report; None: nothing, or nothing that its own task wrote."""
        ...


@dataclass(frozen=True)
class HistorySources:
    """Everything that the history is built from.

    :param past_runs: a FastAPI dependency
    :param reports_folder: gives the place of the reports
    """

    past_runs: Callable[..., PastRuns]
    access: Access
    reports_folder: Callable[[], Any]
    now: Callable[[], datetime]
    index: HistoryIndex


@dataclass(frozen=True)
class SeenHistory:
    """The history as the caller may see it."""

    history: History
    past: PastRuns
    readable: frozenset[str]

    def row(self, dag_id: str, run_id: str) -> HistoryRow:
        """Find one run.

        :raises RequestRefused: there is none, or not for the caller: the answer is the same
        """
        found = next((row for row in self.history.rows if row.key == (dag_id, run_id)), None)
        if found is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"there is no run {run_id} of {dag_id} that you may read")
        return found


def seen_by(sources: HistorySources) -> Callable[..., SeenHistory]:
    """Return the FastAPI dependency that gives the history as the caller may see it."""

    def seen(
        past: Annotated[PastRuns, Depends(sources.past_runs)],
        readable: Annotated[set[str], Depends(sources.access.readable_dags)],
        _may: Annotated[None, Depends(sources.access.may_read_runs)],
    ) -> SeenHistory:
        history = sources.index.look(past.records(readable), readable, past.kept_report)
        return SeenHistory(history, past, frozenset(readable))

    return seen
