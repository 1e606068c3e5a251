"""CloudWatch's alarms, evaluated: state changes over the data that was put, and messages to SNS."""

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import Alarm, MetricAggregatedDatum, MetricDatum, cloudwatch_backends
from moto.core.exceptions import ServiceException
from moto.core.utils import utcnow
from moto.sns.models import sns_backends

from drs_simulator.neighbours.answers import Asked, Refused, answers
from drs_simulator.neighbours.cloudwatch.alarm_rules import (
    COMPARISONS,
    STATISTICS,
    Rule,
    Sample,
    notification,
    statistic,
    verdict,
)
from drs_simulator.protocol.wire import Reply
from drs_simulator.world.resources import Key
from drs_simulator.world.world import World, happening

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator

logger = logging.getLogger(__name__)

EVALUATED_EVERY = 60.0
"""Simulated seconds between evaluations; ten where the alarm's period is shorter than a minute."""
CAUGHT_UP_AFTER = 600.0
"""Simulated seconds: after a longer jump of the clock an alarm is evaluated once, not for every minute of it."""
GRACE = 1.0
"""Simulated seconds by which a datum may be older than the periods: one put together with its alarm counts."""
JUST_NOW = 2.0
"""Real seconds: data stamped so near to the real clock was put without a timestamp, and belongs to the simulator's."""


def install(simulator: "Simulator") -> None:
    """Evaluate metric alarms with a fixed threshold; refuse the kinds that are not evaluated."""
    answers(
        simulator,
        "monitoring",
        {
            "PutMetricAlarm": put_metric_alarm,
            "PutMetricData": put_metric_data,
            "SetAlarmState": set_alarm_state,
        },
    )


def _backend(key: Key) -> Any:
    account, region = key
    return cloudwatch_backends[account][region]


def put_metric_alarm(asked: Asked) -> Reply:
    """Let moto keep the alarm, in state INSUFFICIENT_DATA or in the state it had, and evaluate it from now on."""
    request = asked.request
    _ensure_evaluable(request)
    name = str(request.get("AlarmName"))
    before = _backend(asked.key).alarms.get(name)
    reply = asked.forward()
    alarm = _backend(asked.key).alarms.get(name)
    if alarm is None or alarm is before:
        return reply
    alarm.state_value = before.state_value if before is not None else "INSUFFICIENT_DATA"
    alarm.state_updated_timestamp = before.state_updated_timestamp if before is not None else _naive(asked.world)
    numbers: dict[tuple[Key, str], int] = asked.world.neighbours.setdefault("alarms", {})
    numbers[asked.key, name] = number = numbers.get((asked.key, name), 0) + 1
    asked.world.at(asked.world.now + _every(alarm), alarm_is_evaluated, asked.key, name, number)
    return reply


def _ensure_evaluable(request: dict[str, Any]) -> None:
    reason = None
    if request.get("Metrics") or request.get("ThresholdMetricId") or request.get("ExtendedStatistic"):
        reason = "metric math, anomaly detection or percentiles"
    elif request.get("ComparisonOperator") not in COMPARISONS or request.get("Statistic") not in STATISTICS:
        reason = f"{request.get('ComparisonOperator')} over {request.get('Statistic')}"
    actions = [
        arn for member in ("AlarmActions", "OKActions", "InsufficientDataActions") for arn in request.get(member) or []
    ]
    others = sorted({arn for arn in actions if not arn.startswith("arn:aws:sns:")})
    if others:
        reason = f"the actions {', '.join(others)} (only SNS topics)"
    if reason is not None:
        raise Refused("NotImplementedBySimulator", f"the simulator does not evaluate alarms with {reason}", 501)


def put_metric_data(asked: Asked) -> Reply:
    """Let moto keep the data; what has no timestamp gets the simulator's."""
    backend = _backend(asked.key)
    count = len(backend.metric_data)
    reply = asked.forward()
    real, simulated = utcnow(), _naive(asked.world)
    for datum in backend.metric_data[count:]:
        if abs((_plain(datum.timestamp) - real).total_seconds()) < JUST_NOW:
            datum.timestamp = simulated
    return reply


def set_alarm_state(asked: Asked) -> Reply:
    """Let moto set the state, and do what the alarm does on a change; the next evaluation may change it back."""
    alarm = _backend(asked.key).alarms.get(asked.request.get("AlarmName"))
    before = alarm.state_value if alarm is not None else None
    reply = asked.forward()
    if alarm is not None and alarm.state_value != before:
        alarm.state_updated_timestamp = _naive(asked.world)
        _tell(asked.key, alarm, str(before))
    return reply


@happening
def alarm_is_evaluated(world: World, due: float, key: Key, name: str, number: int) -> None:
    """Look at the last periods of an alarm's metric; again and again, until the alarm is deleted or replaced."""
    alarm = _backend(key).alarms.get(name)
    if alarm is None or world.neighbours.get("alarms", {}).get((key, name)) != number:
        return
    late = world.now - due > CAUGHT_UP_AFTER
    moment = world.now if late else due
    world.at(moment + _every(alarm), alarm_is_evaluated, key, name, number)
    periods = max(int(alarm.evaluation_periods or 1), 1)
    rule = Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        int(alarm.datapoints_to_alarm or periods),
        alarm.treat_missing_data or "missing",
    )
    state, reason = verdict(rule, _points(world, key, alarm, moment, periods), alarm.state_value)
    if state == alarm.state_value:
        return
    before = alarm.state_value
    alarm.update_state(reason, json.dumps({"version": "1.0"}), state)
    alarm.state_updated_timestamp = world.clock.wall_at(moment).replace(tzinfo=None)
    _tell(key, alarm, before)


def _every(alarm: Alarm) -> float:
    return EVALUATED_EVERY if int(alarm.period or 60) >= EVALUATED_EVERY else 10.0


def _points(world: World, key: Key, alarm: Alarm, moment: float, periods: int) -> list[float | None]:
    """Return the statistic of each of the last periods, oldest first: simulated time that ends now."""
    length = float(alarm.period or 60)
    samples: list[list[Sample]] = [[] for _ in range(periods)]
    wanted = {(dimension.name, dimension.value) for dimension in alarm.dimensions}
    for datum in _backend(key).metric_data:
        if (datum.namespace, datum.name) != (alarm.namespace, alarm.metric_name):
            continue
        if {(dimension.name, dimension.value) for dimension in datum.dimensions} != wanted or (
            alarm.unit and datum.unit != alarm.unit
        ):
            continue
        age = moment - world.clock.simulated_at(_plain(datum.timestamp).replace(tzinfo=UTC))
        if 0 <= age < length * periods + GRACE:
            samples[max(periods - 1 - int(age // length), 0)].append(_sample(datum))
    return [statistic(alarm.statistic, sample) for sample in samples]


def _sample(datum: MetricDatum | MetricAggregatedDatum) -> Sample:
    if isinstance(datum, MetricAggregatedDatum):
        return Sample(float(datum.sum), float(datum.min), float(datum.max), float(datum.sample_count))
    value = float(datum.value)
    return Sample(value, value, value)


def _tell(key: Key, alarm: Alarm, before: str) -> None:
    """Send the new state to the topics that the alarm names for it."""
    if not alarm.actions_enabled:
        return
    topics = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    account, region = key
    message = notification(
        {
            "name": alarm.name,
            "description": alarm.description,
            "account": account,
            "state": alarm.state_value,
            "reason": alarm.state_reason,
            "changed": alarm.state_updated_timestamp.isoformat(),
            "region": region,
            "arn": alarm.alarm_arn,
            "before": before,
            "metric": alarm.metric_name,
            "namespace": alarm.namespace,
            "period": alarm.period,
        }
    )
    for arn in topics[alarm.state_value] or []:
        try:
            sns_backends[arn.split(":")[4]][arn.split(":")[3]].publish(
                json.dumps(message), arn, subject=f'{alarm.state_value}: "{alarm.name}" in {region}'[:100]
            )
        except ServiceException as error:
            # CloudWatch tells nobody either: the failed action stands only in the alarm's history.
            logger.warning("alarm %s could not tell %s: %s", alarm.name, arn, error)


def _naive(world: World) -> datetime:
    return world.clock.now().replace(tzinfo=None)


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment
