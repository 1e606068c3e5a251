"""``dag``: runs another DAG and waits for it; this is how every operator of Airflow's can be a step."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from drs_provider.exceptions import StepFailed
from drs_provider.plan.fields import Json, Text
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.triggers.dag_runs import DagRunEvent


class DagStep(Step):
    """Runs another Airflow DAG and waits for it."""

    MAY_START_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"conf"})

    kind: Literal["dag"]
    dag_id: Text
    """The DAG to run."""
    conf: Json = Field(default_factory=dict)
    """What the run is given."""


class RunOtherDag(StepWork[DagStep, "DagRunEvent"]):
    """Trigger a run whose id names this step and attempt, so that it exists once, and wait for its end."""

    def begin(self, going: Going) -> StepOutcome:
        """Trigger it, or find the run that an earlier try has triggered; wait."""
        from drs_provider.airflow_internals.tasks import has_dag_run
        from drs_provider.triggers.dag_runs import DagRunTrigger

        run_id = f"drs__{going.where.plan}__{self.step.name}__{going.key}"
        if has_dag_run(self.step.dag_id, run_id):
            self.log.info("Run %s belongs to this step: adopted", run_id)
            going.memory.begin(run_id=run_id)
        else:
            self._refuse_paused()
            going.memory.begin(run_id=run_id)
            self._trigger(going, run_id)
        trigger = DagRunTrigger(dag_id=self.step.dag_id, run_id=run_id, deadline=going.deadline.isoformat())
        self.wait(going, trigger)

    def heard(self, going: Going, event: "DagRunEvent") -> StepOutcome:
        """Judge the run by its state."""
        what = f"run {going.memory.begun['run_id']} of DAG {self.step.dag_id}"
        if event["outcome"] == "timed_out":
            raise StepFailed(self.timed_out(f"{what} is still running; it is not stopped").why)
        if event["state"] != "success":
            raise StepFailed(f"{what} ended as {event['state']}: see its tasks in Airflow")
        return StepOutcome(f"{what} succeeded")

    def _refuse_paused(self) -> None:
        from drs_provider.airflow_internals.tasks import is_dag_paused

        try:
            is_paused = is_dag_paused(self.step.dag_id)
        except Exception as error:  # Airflow has no error of its own for a DAG that is not there
            why = f"Airflow has no DAG called {self.step.dag_id!r}, or cannot read it: look at its import errors"
            raise StepFailed(why, is_final=True) from error
        if is_paused:
            raise StepFailed(f"DAG {self.step.dag_id} is paused, so a run would not begin: unpause it")

    def _trigger(self, going: Going, run_id: str) -> None:
        from drs_provider.airflow_internals.tasks import trigger_dag_run

        refusal = trigger_dag_run(self.step.dag_id, run_id, conf=going.fill(dict(self.step.conf)), at=going.clock())
        if refusal:
            raise StepFailed(f"Airflow did not start DAG {self.step.dag_id}: {refusal}")
        self.log.info("Run %s of DAG %s started", run_id, self.step.dag_id)


KIND = StepKind(
    name="dag",
    title="Other DAG",
    model=DagStep,
    work=RunOtherDag,
    reaches_out="it would run another DAG",
    looks_around=True,
)
