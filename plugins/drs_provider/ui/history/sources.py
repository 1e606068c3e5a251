"""What the history is built from, and who may see it: a Protocol, so that its routes know nothing of Airflow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from drs_provider.rules.history.row import PastRun
from drs_provider.rules.run.handover import KeptReport
from drs_provider.services.history.index import HistoryIndex
from drs_provider.ui.read_model import Access


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
