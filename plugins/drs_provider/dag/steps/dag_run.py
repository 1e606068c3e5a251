"""The step that runs another DAG and waits for it: this is how every operator of Airflow's can be a step."""

from datetime import UTC, datetime
from typing import Any

from drs_provider.dag.steps.base import Going, RunStep, StepOutcome
from drs_provider.exceptions import StepFailed
from drs_provider.plan.model import DagStep


class RunOtherDag(RunStep[DagStep]):
    """Trigger a run whose id names this step and attempt, so that it exists once, and wait for its end."""

    def begin(self, going: Going) -> StepOutcome:
        """Trigger it, or find the run that an earlier try has triggered; wait."""
        ti: Any = going.context["ti"]
        run_id = f"drs__{going.place.plan}__{self.step.name}__{going.key}"
        if not ti.get_dr_count(dag_id=self.step.dag_id, run_ids=[run_id]):
            self._refuse_paused(ti)
            going.memory.begin(run_id=run_id)
            self._trigger(run_id, going.fill(dict(self.step.conf)))
        else:
            self.log.info("Run %s is ours: adopted", run_id)
            going.memory.begin(run_id=run_id)
        from drs_provider.triggers.dag_runs import DagRunTrigger

        trigger = DagRunTrigger(dag_id=self.step.dag_id, run_id=run_id, deadline=going.deadline.isoformat())
        self.wait(going, trigger)

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """Judge the run by its state."""
        run_id = going.memory.begun["run_id"]
        what = f"run {run_id} of DAG {self.step.dag_id}"
        if event["outcome"] == "timed_out":
            raise StepFailed(self.timed_out(f"{what} goes on; it is not stopped").why)
        if event["state"] != "success":
            raise StepFailed(f"{what} ended as {event['state']}: see its tasks in Airflow")
        return StepOutcome(f"{what} succeeded")

    def _refuse_paused(self, ti: Any) -> None:
        try:
            is_paused = ti.get_dag(self.step.dag_id).is_paused
        except Exception as error:  # Airflow has no error of its own for a DAG that is not there
            why = f"Airflow has no DAG called {self.step.dag_id!r}, or cannot read it: look at its import errors"
            raise StepFailed(why, is_final=True) from error
        if is_paused:
            raise StepFailed(f"DAG {self.step.dag_id} is paused, so a run would not begin: unpause it")

    def _trigger(self, run_id: str, conf: dict[str, Any]) -> None:
        """Ask for the run as Airflow's TriggerDagRunOperator does, which cannot wait with a deadline."""
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

        answer: Any = task_runner.SUPERVISOR_COMMS.send(
            TriggerDagRun(
                dag_id=self.step.dag_id, run_id=run_id, logical_date=datetime.now(UTC), conf=conf, reset_dag_run=False
            )
        )
        if isinstance(answer, ErrorResponse) and answer.error != ErrorType.DAGRUN_ALREADY_EXISTS:
            raise StepFailed(f"Airflow did not start DAG {self.step.dag_id}: {answer.error}: {answer.detail}")
        self.log.info("Run %s of DAG %s started", run_id, self.step.dag_id)
