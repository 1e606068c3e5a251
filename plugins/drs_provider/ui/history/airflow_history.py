"""Runs for the history from the database of the Airflow that serves it: a few columns of each, in one query."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import select

from drs_provider.airflow_internals.metadata import DagRun
from drs_provider.rules.history.row import PastRun
from drs_provider.rules.run.handover import HandoverUnreadable, KeptReport
from drs_provider.rules.run.names import COMMIT_TASK, REPORT_TASK, has_plan_runs
from drs_provider.ui.read_model import Runs

MOST_RECORDS: Final = 20_000
"""Runs that are read, the newest ones."""

_AT_ONCE: Final = 500
"""DAG ids in one query: databases have a limit."""

_mode = DagRun.conf["mode"].as_string()
_reason = DagRun.conf["reason"].as_string()


class AirflowHistory:
    """Runs as Airflow's database has them, read with the request's own session."""

    def __init__(self, session: Any, runs: Runs) -> None:
        self.session, self.runs = session, runs

    def records(self, dag_ids: Iterable[str]) -> Sequence[PastRun]:
        """Read every run of these DAGs that is one of a plan."""
        chosen = sorted(dag_id for dag_id in dag_ids if has_plan_runs(dag_id))
        found: list[PastRun] = []
        for first in range(0, len(chosen), _AT_ONCE):
            found += self._read(chosen[first : first + _AT_ONCE])
        return found

    def _read(self, dag_ids: Sequence[str]) -> Iterator[PastRun]:
        columns = (
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.state,
            _mode,
            DagRun.triggering_user_name,
            _reason,
            DagRun.run_after,
            DagRun.start_date,
            DagRun.end_date,
        )
        newest = select(*columns).where(DagRun.dag_id.in_(dag_ids)).order_by(DagRun.id.desc()).limit(MOST_RECORDS)
        for dag_id, run_id, state, mode, user, reason, asked_at, started_at, ended_at in self.session.execute(newest):
            yield PastRun(
                dag_id,
                run_id,
                str(getattr(state, "value", state)),
                mode,
                user,
                reason or "",
                asked_at,
                started_at,
                ended_at,
            )

    def kept_report(self, dag_id: str, run_id: str) -> KeptReport | None:
        """Read what a run has kept of its report; of one that asks whether to commit, of its report so far."""
        for task_id in (REPORT_TASK, COMMIT_TASK):
            try:
                kept = KeptReport.read(self.runs.left(dag_id, run_id, task_id, KeptReport.KEY))
            except HandoverUnreadable:
                continue
            if kept is not None:
                return kept
        return None
