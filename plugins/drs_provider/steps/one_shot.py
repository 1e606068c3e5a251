"""What has an effect and is sent once, from the triggerer: Lambda functions, webhooks."""

from typing import TYPE_CHECKING

from drs_provider.exceptions import StepFailed
from drs_provider.steps.work import Going, SomeStep, StepOutcome, StepWork

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from drs_provider.triggers.one_shot import OnceEvent, Whose

_ROUNDED_SECONDS = 1.0
"""Who waits for an answer may give up so much before the step's time is over."""


class OneShot(StepWork[SomeStep, "OnceEvent"]):
    """Send once, and never again where nobody knows whether it was heard, unless the step is ``repeatable``."""

    what = ""
    """What is sent, for people."""

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again."""
        raise NotImplementedError

    def trigger(self, going: Going, whose: "Whose") -> "BaseTrigger":
        """Give the trigger that sends it."""
        raise NotImplementedError

    def begin(self, going: Going) -> StepOutcome:
        """Remember that it is about to be sent, then leave it to the triggerer."""
        if going.memory.begun and not self.is_repeatable:
            raise self._unknown("the worker that waited for it has died")
        ids = going.ids
        trigger = self.trigger(
            going,
            {"dag_id": ids.dag_id, "run_id": ids.run_id, "task_id": ids.task_id, "attempt": going.memory.attempt},
        )
        going.memory.begin(sent=True)
        self.wait(going, trigger)

    def heard(self, going: Going, event: "OnceEvent") -> StepOutcome:
        """Judge the answer."""
        is_over = event["outcome"] != "answered" and going.seconds_left <= _ROUNDED_SECONDS
        why = self.timed_out(event["summary"]).why if is_over else event["summary"]
        if event["outcome"] == "unknown":
            raise self._unknown(why)
        if not event["succeeded"]:
            raise StepFailed(why, output=event["output"])
        return StepOutcome(event["summary"], event["output"])

    def _unknown(self, why: str) -> StepFailed:
        if self.is_repeatable:
            return StepFailed(why)
        hint = "look there, then clear this task to do it again, or write 'repeatable: true' into the step"
        return StepFailed(f"{self.what} may have run, and is not run again: {why}; {hint}", is_final=True)
