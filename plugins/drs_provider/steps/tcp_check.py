"""``tcp``: connects to a port again and again until it answers."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from drs_provider.plan.fields import Text
from drs_provider.plan.step_kinds import StepKind
from drs_provider.plan.steps import Step
from drs_provider.steps.probe_outcome import probed
from drs_provider.steps.work import Going, StepOutcome, StepWork

if TYPE_CHECKING:
    from drs_provider.triggers.probes import ProbeEvent


class Tcp(Step):
    """Connects to a port again and again until it answers."""

    kind: Literal["tcp"]
    host: Text
    """Name or address."""
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    """Port number."""


class AskTcp(StepWork[Tcp, "ProbeEvent"]):
    """Connect to a port until it answers."""

    def begin(self, going: Going) -> StepOutcome:
        """Let the triggerer connect."""
        from drs_provider.triggers.probes import TcpProbe

        host = going.fill(self.step.host)
        self.log.info("Connecting to %s, port %d", host, self.step.port)
        self.wait(going, TcpProbe(host=host, port=self.step.port, deadline=going.deadline.isoformat()))

    def heard(self, going: Going, event: "ProbeEvent") -> StepOutcome:
        """Judge the last attempt."""
        return probed(self, f"{going.fill(self.step.host)}:{self.step.port}", event)


KIND = StepKind(
    name="tcp",
    title="TCP check",
    model=Tcp,
    work=AskTcp,
    reaches_out="it would connect to an address outside of the simulator",
)
