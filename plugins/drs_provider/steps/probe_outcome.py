"""How a probe of the triggerer ended, as the outcome of a step."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from drs_provider.configuration import may_reach_loopback
from drs_provider.exceptions import AddressRefused, StepFailed
from drs_provider.plan.steps import Step
from drs_provider.rules.step_answers import kept
from drs_provider.steps.work import StepOutcome, time_is_over

if TYPE_CHECKING:
    from drs_provider.triggers.probes import ProbeEvent


def probed(step: Step, what: str, event: "ProbeEvent") -> StepOutcome:
    """Judge the last attempt. Raises StepFailed where none passed in time."""
    if event["outcome"] == "refused":
        raise StepFailed(event["last"], is_final=True)
    attempts = event["attempts"]
    times = f"{attempts} attempt{'s'[: attempts != 1]}"
    if event["outcome"] == "passed":
        return StepOutcome(f"{what} {event['last']} in {event['latency_ms']} ms, after {times}", kept(event["output"]))
    raise StepFailed(time_is_over(step, f"{what}, {times}, the last: {event['last']}").why, output=event["output"])


def ensure_reachable(check: Callable[..., None], place: str, *, inside: bool = False) -> None:
    """Refuse a place that is never asked, once its placeholders are filled in. Raises StepFailed, for good.

    :param inside: a recovered server asks, which may ask itself
    """
    try:
        check(place, loopback=inside or may_reach_loopback())
    except AddressRefused as refusal:
        raise StepFailed(str(refusal), is_final=True) from refusal
