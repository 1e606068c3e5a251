"""``wait``: lets time pass."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from drs_provider.formatting import timespan
from drs_provider.plan.fields import LongerThanZero
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.work import Going, StepOutcome, StepWork


class Wait(Step):
    """Lets time pass."""

    kind: Literal["wait"]
    for_: Annotated[LongerThanZero, Field(alias="for")]
    """How long."""

    @property
    def longest_try(self) -> timedelta:
        """The time that passes, and what every step has."""
        return self.timeout + self.for_

    @property
    def length(self) -> timedelta:
        """The time that passes."""
        return self.for_


class LetTimePass(StepWork[Wait, object]):
    """Wait; ``timeout`` has no meaning here, the length says it all."""

    def begin(self, going: Going) -> StepOutcome:
        """Wait until the time has passed since the step began, also over a dead worker."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = going.memory.began_at + self.step.for_
        if moment <= going.clock():
            return StepOutcome(f"{timespan(self.step.for_)} have passed")
        self.log.info("%s waits %s", self.step.name, timespan(self.step.for_))
        return self.wait(going, DateTimeTrigger(moment=moment), until=moment)

    def heard(self, going: Going, event: object) -> StepOutcome:
        """End the wait."""
        return StepOutcome(f"{timespan(self.step.for_)} have passed")


KIND = StepKind(name="wait", title="Wait", model=Wait, work=LetTimePass)
