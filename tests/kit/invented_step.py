"""A kind of step that the package does not have: one module, as a kind of the package is."""

from datetime import timedelta
from typing import ClassVar, Literal

from drs_provider.plan.fields import Text
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.work import Going, StepOutcome, StepWork


class Gong(Step):
    """Sounds a gong, and waits until it is silent."""

    FILLED: ClassVar[frozenset[str]] = frozenset({"inscription"})

    kind: Literal["gong"]
    inscription: Text
    """What stands on it."""


class SoundGong(StepWork[Gong, object]):
    """Sound it; it is silent after two seconds."""

    def begin(self, going: Going) -> StepOutcome:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        going.memory.begin(sounded=True)
        moment = going.clock() + timedelta(seconds=2)
        return self.wait(going, DateTimeTrigger(moment=moment), until=moment)

    def heard(self, going: Going, event: object) -> StepOutcome:
        return StepOutcome(f"sounded: {going.fill(self.step.inscription)}")


KIND = StepKind(name="gong", title="Gong", model=Gong, work=SoundGong)
