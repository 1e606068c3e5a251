"""Whose agreement the tasks of a cut-over look for before they stop or launch anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.dag.people.agreement import ensure_pause_answered, ensure_people_agreed
from drs_provider.dag.steps.context import ensure_steps_approved
from drs_provider.plan.model import Pause
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.shape import AskedBefore, RunShape, WaveShape

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PreflightResult


@dataclass(frozen=True)
class CutOverAgreement:
    """Who is asked before a wave goes back: by the run, by the wave's pause, and by steps that ask."""

    policy: Policy | None
    approval_task_ids: Sequence[str]
    pause: Pause | None = None
    pause_task_id: str = ""
    asked_before: Sequence[AskedBefore] = ()

    @classmethod
    def of(cls, shape: RunShape, wave: WaveShape) -> "CutOverAgreement":
        """Give what a wave of a shape relies on."""
        return cls(shape.policy, shape.approval_tasks, wave.wave.pause_before, wave.pause_task or "", wave.asked_before)

    def ensure(self, context: Context, preflight: "PreflightResult") -> None:
        """Look for the recorded answers: "Mark success" on a task that asks records none. Raises RunRefused."""
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        if self.pause is not None:
            ensure_pause_answered(context, self.pause, self.pause_task_id)
        ensure_steps_approved(context, self.asked_before)
