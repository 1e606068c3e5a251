"""``tcp``: connects to a port again and again until it answers."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from drs_provider.addresses import ensure_allowed
from drs_provider.plan.fields import Host
from drs_provider.plan.step_kinds import StepKind
from drs_provider.rules.inside_checks import InsideAnswer, Platform, tcp_script
from drs_provider.steps.from_inside import AskFromSomewhere, Check
from drs_provider.steps.probe_outcome import ensure_reachable
from drs_provider.steps.work import Going

if TYPE_CHECKING:
    from drs_provider.triggers.probes import TcpProbe


class Tcp(Check):
    """Connects to a port again and again until it answers."""

    FILLED: ClassVar[frozenset[str]] = frozenset({"host"})

    kind: Literal["tcp"]
    host: Host
    """Name or address."""
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    """Port number."""

    @property
    def asked(self) -> str:
        """The host."""
        return self.host

    @property
    def host_written(self) -> str:
        """The host."""
        return self.host


class AskTcp(AskFromSomewhere[Tcp]):
    """Connect to a port until it answers."""

    def probe(self, going: Going) -> "TcpProbe":
        """Give the trigger that connects."""
        from drs_provider.triggers.probes import TcpProbe

        host = going.fill(self.step.host)
        ensure_reachable(ensure_allowed, host)
        return TcpProbe(host=host, port=self.step.port, deadline=going.deadline.isoformat())

    def script(self, going: Going, platform: Platform, *, seconds: int) -> list[str]:
        """Give the lines that connect."""
        host = going.fill(self.step.host)
        ensure_reachable(ensure_allowed, host, inside=True)
        return tcp_script(platform, host, self.step.port, seconds=seconds)

    def judge(self, going: Going, answer: InsideAnswer) -> str | None:
        """Any connection passes."""
        return None if answer.is_open else answer.words

    def what(self, going: Going) -> str:
        """Say what is asked."""
        return f"{going.fill(self.step.host)}:{self.step.port}"


KIND = StepKind(
    name="tcp",
    title="TCP check",
    model=Tcp,
    work=AskTcp,
    reaches_out="it would connect to an address outside of the simulator",
)
