"""Steps that ask until the answer is the expected one, or let time pass."""

from datetime import UTC, datetime
from typing import Any

from drs_provider.dag.steps.base import Going, RunStep, StepOutcome
from drs_provider.exceptions import StepFailed
from drs_provider.formatting import timespan
from drs_provider.plan.model import Http, Tcp, Wait
from drs_provider.rules.steps import kept


class AskHttp(RunStep[Http]):
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

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """Judge the last answer."""
        return _judged(self, going.fill(self.step.url), event)


class AskTcp(RunStep[Tcp]):
    """Connect to a port until it answers."""

    def begin(self, going: Going) -> StepOutcome:
        """Let the triggerer connect."""
        from drs_provider.triggers.probes import TcpProbe

        host = going.fill(self.step.host)
        self.log.info("Connecting to %s, port %d", host, self.step.port)
        self.wait(going, TcpProbe(host=host, port=self.step.port, deadline=going.deadline.isoformat()))

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """Judge the last attempt."""
        return _judged(self, f"{going.fill(self.step.host)}:{self.step.port}", event)


class LetTimePass(RunStep[Wait]):
    """Wait; ``timeout`` has no meaning here, the length says it all."""

    def begin(self, going: Going) -> StepOutcome:
        """Wait until the time has passed since the step began, also over a dead worker."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = going.memory.began_at + self.step.for_
        if moment <= datetime.now(UTC):
            return StepOutcome(f"{timespan(self.step.for_)} have passed")
        self.log.info("%s waits %s", self.step.name, timespan(self.step.for_))
        return self.wait(going, DateTimeTrigger(moment=moment), until=moment)

    def heard(self, going: Going, event: Any) -> StepOutcome:
        """End the wait."""
        return StepOutcome(f"{timespan(self.step.for_)} have passed")


def _judged(task: RunStep[Any], what: str, event: Any) -> StepOutcome:
    attempts = event["attempts"]
    times = f"{attempts} attempt{'s'[: attempts != 1]}"
    if event["outcome"] == "passed":
        return StepOutcome(f"{what} {event['last']} in {event['latency_ms']} ms, after {times}", kept(event["output"]))
    raise StepFailed(task.timed_out(f"{what}, {times}, the last: {event['last']}").why, output=event["output"])
