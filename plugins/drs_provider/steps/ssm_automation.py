"""``ssm_automation``: runs an SSM automation document and waits for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from drs_provider import clock
from drs_provider.exceptions import AwsError, ServiceUnavailable, StepFailed, Throttled
from drs_provider.plan.fields import OneOrMore, Region, Text
from drs_provider.plan.step_kinds import Needed, StepKind
from drs_provider.plan.steps import Step
from drs_provider.rules.launch.backoff import pause_after_refusal
from drs_provider.rules.step_answers import read_automation
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.hooks.step_services import StepHook
    from drs_provider.triggers.ssm import StepEvent

_MOST_STARTS = 4


class SsmAutomation(Step):
    """Runs an SSM automation document and waits for it."""

    MAY_START_INSTANCES: ClassVar[bool] = True
    FILLED: ClassVar[frozenset[str]] = frozenset({"parameters"})

    kind: Literal["ssm_automation"]
    document: Text
    """The automation document."""
    parameters: Mapping[Text, OneOrMore] = Field(default_factory=dict)
    """The document's parameters."""
    region: Region | None = None
    """Where it runs; left out, the recovery Region."""
    aws_conn_id: Text | None = None
    """The Airflow connection; left out, the one of the groups."""


class RunSsmAutomation(StepWork[SsmAutomation, "StepEvent"]):
    """Start a runbook with a client token, so that it exists once, and wait for it."""

    sleep: Callable[[float], None] = staticmethod(clock.sleep)

    def begin(self, going: Going) -> StepOutcome:
        """Start it, or find the one that was started; wait."""
        hook, (conn, region) = self._hook(going)
        execution = str(going.memory.begun.get("execution") or "")
        if not execution:
            parameters = going.fill(dict(self.step.parameters))
            going.memory.begin(token=going.token)
            execution = self._start(hook, parameters, going.token)
            going.memory.begin(execution=execution)
        from drs_provider.triggers.ssm import SsmTrigger, Watched

        watched = [Watched(aws_conn_id=conn, region_name=region, ids=[execution])]
        self.wait(going, SsmTrigger(what="automations", watched=watched, deadline=going.deadline.isoformat()))

    def heard(self, going: Going, event: "StepEvent") -> StepOutcome:
        """Judge the runbook; stop it where the time is over."""
        if event["outcome"] == "refused":
            raise AwsError("ssm", "Refused", event["detail"])
        hook, _ = self._hook(going)
        execution = str(going.memory.begun["execution"])
        succeeded, summary, output = read_automation(hook.automation(execution))
        if succeeded is None:
            try:
                hook.stop_automation(execution)
            except AwsError as error:
                self.log.warning("%s; the runbook may still run", error)
            failure = self.timed_out(f"{self.step.document} ({execution}) was {summary}; a stop was requested from SSM")
            raise StepFailed(failure.why, output=output)
        if not succeeded:
            raise StepFailed(f"{self.step.document} ({execution}) ended as {summary}", output=output)
        return StepOutcome(f"{self.step.document} ({execution}): {summary}", output)

    def _start(self, hook: "StepHook", parameters: Mapping[str, Sequence[str]], token: str) -> str:
        """Start with the token, again where the answer was lost: the token makes it one."""
        for number in range(1, _MOST_STARTS):
            try:
                return hook.start_automation(self.step.document, parameters, token=token)
            except (Throttled, ServiceUnavailable) as error:
                self.log.warning("%s; starting it again with the same client token", error)
                self.sleep(pause_after_refusal(number, error.retry_after_seconds))
        return hook.start_automation(self.step.document, parameters, token=token)

    def _hook(self, going: Going) -> tuple["StepHook", tuple[str | None, str | None]]:
        from drs_provider.hooks.step_services import StepHook

        where = going.target(self.step.aws_conn_id, self.step.region)
        return StepHook(aws_conn_id=where[0], region_name=where[1]), where


def _needs(step: SsmAutomation) -> Needed:
    return Needed("documents", step.document.rsplit("document/", 1)[-1], "Automation")


KIND = StepKind(
    name="ssm_automation",
    title="SSM automation",
    label="ssm",
    model=SsmAutomation,
    work=RunSsmAutomation,
    actions=("ssm:StartAutomationExecution", "ssm:GetAutomationExecution", "ssm:StopAutomationExecution"),
    needs=_needs,
)
