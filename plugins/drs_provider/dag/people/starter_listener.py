"""A mark on who started a run from Airflow's command line, which takes any name for the person.

Tasks do not learn how a run was started. Airflow's scheduler tells listeners of the begin of a run before any task of
it may start, with the run itself; what the listener sets on it is saved, or not, together with the run's state. With
the mark the name is nobody's among the approvers, and everybody reads it: in questions, notices and the report.
"""

from typing import Any

from airflow.listeners import hookimpl

from drs_provider.people import COMMAND_LINE
from drs_provider.rules.run.names import has_plan_runs

_CLI = "cli"


class MarkingStarters:
    """A listener: Airflow calls it where a run changes its state."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        """Mark the name of who started the run, once."""
        if not has_plan_runs(dag_run.dag_id):
            return
        how, name = dag_run.triggered_by, str(dag_run.triggering_user_name or "an unknown user")
        if str(getattr(how, "value", how)) == _CLI and not name.endswith(COMMAND_LINE):
            dag_run.triggering_user_name = f"{name}{COMMAND_LINE}"
