"""What passes between a run and the runs of other plans that are steps of it."""

from typing import ClassVar

from drs_provider.rules.purpose import PurposeName
from drs_provider.rules.run.handover.document import Document, Instant, Part


class InheritedApproval(Part):
    """An approval of a recovery, given in the run of a plan that runs others: by whom, and the task that asked."""

    dag_id: str
    run_id: str
    task_id: str
    by: str
    at: Instant


class PlanRunStart(Document):
    """What a step has started: the run of another plan, and everything that this run inherits.

    The step leaves it in its own run, and hands it, signed, to the run that it starts, as ``started_by`` of its
    parameters: it is the proof that the run belongs to this one.

    ``plan``, ``dag_id``, ``run_id``: what is started. ``parent_…``: the step that starts it. ``continue_run``: key of
    the run that it goes on with where anything of that is in the cloud. ``triggered_by``: the person behind it all.
    """

    KEY: ClassVar[str] = "started_plan"
    TITLE: ClassVar[str] = "the proof of the plan that has started this run"

    plan: str
    dag_id: str
    run_id: str
    parent_plan: str
    parent_dag_id: str
    parent_run_id: str
    parent_task_id: str
    mode: PurposeName
    reason: str = ""
    point_in_time: str = "latest"
    continue_run: str | None = None
    triggered_by: str | None = None
    approvals: tuple[InheritedApproval, ...] = ()

    @property
    def words(self) -> str:
        """Name the step for people, without a full stop."""
        return f"step {self.parent_task_id} of plan {self.parent_plan}, run {self.parent_run_id}"


class PlanRunOutcome(Part):
    """How the run of a plan ended that is a step: its verdict, what it launched, and where its report is."""

    plan: str
    dag_id: str
    run_id: str
    mode: str = ""
    verdict: str = ""
    reason: str = ""
    launched: int | None = None
    servers: int | None = None
    report: str = ""
    commit: str = ""
    """How its question ``commit or roll back`` stands, in the word of its report; empty: nobody was asked."""
