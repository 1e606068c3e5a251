"""``http``: asks a URL again and again until the answer is the expected one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from drs_provider.plan.fields import Flag, Text, Url
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.probe_outcome import probed
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.triggers.probes import ProbeEvent


class Http(Step):
    """Asks a URL again and again until the answer is the expected one."""

    kind: Literal["http"]
    url: Url
    """What to ask, http or https."""
    expect_status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    """The HTTP status that passes."""
    expect_text: Text | None = None
    """A text that the answer must hold."""
    expect_json: Mapping[Text, Any] = Field(default_factory=dict)
    """Values that the answer, read as JSON, must have; the keys are paths such as ``checks.0.status``."""
    verify_tls: Flag = True
    """Whether the certificate of an https address is checked."""


class AskHttp(StepWork[Http, "ProbeEvent"]):
    """Ask a URL until it answers as expected."""

    def begin(self, going: Going) -> StepOutcome:
        """Let the triggerer ask."""
        from drs_provider.triggers.probes import HttpProbe

        step = self.step
        probe = HttpProbe(
            url=going.fill(step.url),
            deadline=going.deadline.isoformat(),
            expect_status=step.expect_status,
            expect_text=going.fill(step.expect_text),
            expect_json=going.fill(dict(step.expect_json)),
            verify_tls=step.verify_tls,
        )
        self.log.info("Asking %s", probe.url)
        self.wait(going, probe)

    def heard(self, going: Going, event: "ProbeEvent") -> StepOutcome:
        """Judge the last answer."""
        return probed(self, going.fill(self.step.url), event)


KIND = StepKind(
    name="http",
    title="HTTP check",
    model=Http,
    work=AskHttp,
    reaches_out="it would ask an address outside of the simulator",
)
