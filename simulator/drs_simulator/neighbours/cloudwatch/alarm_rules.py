"""What an alarm's datapoints mean: pure, after CloudWatch's user guide ("Evaluating an alarm")."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
"""The comparisons of alarms with a fixed threshold."""

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True)
class Sample:
    """One value, or a set of them that was put as its statistics."""

    total: float
    least: float
    most: float
    count: float = 1.0


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """Return a statistic of a period's samples; None where there are none."""
    if not samples:
        return None
    count = sum(sample.count for sample in samples)
    total = sum(sample.total for sample in samples)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return total
        case "Minimum":
            return min(sample.least for sample in samples)
        case "Maximum":
            return max(sample.most for sample in samples)
        case "Average":
            return total / count
    raise ValueError(f"{name!r} is none of {', '.join(STATISTICS)}")


@dataclass(frozen=True)
class Rule:
    """What an alarm compares; `needed` of the last periods must breach (DatapointsToAlarm)."""

    comparison: str
    threshold: float
    needed: int
    missing: str = "missing"
    """TreatMissingData: breaching, notBreaching, ignore or missing."""

    def breaches(self, value: float) -> bool:
        """Whether a value is over the threshold, in the alarm's sense."""
        return COMPARISONS[self.comparison](value, self.threshold)


def verdict(rule: Rule, points: Sequence[float | None], current: str) -> tuple[str, str]:
    """Return state and reason for the last periods' datapoints (None: missing).

    Fewer breaching points than needed, and none that is fine, leave the state as it is.
    """
    known = [point for point in points if point is not None]
    lacking = len(points) - len(known)
    breaching = sum(rule.breaches(point) for point in known) + (lacking if rule.missing == "breaching" else 0)
    fine = sum(not rule.breaches(point) for point in known) + (lacking if rule.missing == "notBreaching" else 0)
    if breaching >= rule.needed:
        return "ALARM", _reason(rule, known, lacking, "was" if rule.needed == 1 else "were")
    if fine:
        return "OK", _reason(rule, known, lacking, "was not" if rule.needed == 1 else "were not")
    if not known and rule.missing == "missing":
        return "INSUFFICIENT_DATA", f"Insufficient Data: {lacking} datapoints were unknown."
    return current, "Retained: not enough datapoints to tell"


_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


def _reason(rule: Rule, known: Sequence[float], lacking: int, verb: str) -> str:
    values = ", ".join(f"{value:g}" for value in known) or f"no datapoints were received for {lacking} periods"
    crossed = f"{rule.needed} {verb} {_WORDS[rule.comparison]} the threshold ({rule.threshold:g})"
    return f"Threshold Crossed: [{values}]: {crossed}."


def notification(alarm: Mapping[str, object]) -> dict[str, object]:
    """Return the message that CloudWatch sends to SNS, from what is known of the alarm and its change of state."""
    return {
        "AlarmName": alarm["name"],
        "AlarmDescription": alarm["description"],
        "AWSAccountId": alarm["account"],
        "NewStateValue": alarm["state"],
        "NewStateReason": alarm["reason"],
        "StateChangeTime": alarm["changed"],
        "Region": alarm["region"],
        "AlarmArn": alarm["arn"],
        "OldStateValue": alarm["before"],
        "Trigger": {"MetricName": alarm["metric"], "Namespace": alarm["namespace"], "Period": alarm["period"]},
    }
