"""Deadlines that end with their runs, and that count again where a run is cleared after its end.

Without it every refused and failed run stays among Airflow's upcoming deadlines, and is counted as missed when its time
comes. It commits nothing and opens no session of its own, for the scheduler holds the run's row.
"""

from typing import Any

from airflow.listeners import hookimpl

from drs_provider.rules.run.names import is_plan_dag


class EndingDeadlines:
    """A listener: Airflow calls it where a run changes its state, which is the scheduler, or the API for marks."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        """Take away what the run still had to meet."""
        _end(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Take away what the run still had to meet."""
        _end(dag_run)

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """Give back what is still ahead: the run was cleared, and goes on."""
        if is_plan_dag(dag_run.dag_id):
            from drs_provider.airflow_internals.deadlines import renew_deadlines

            renew_deadlines(dag_run)


def _end(dag_run: Any) -> None:
    if is_plan_dag(dag_run.dag_id):
        from drs_provider.airflow_internals.deadlines import end_deadlines

        end_deadlines(dag_run)
