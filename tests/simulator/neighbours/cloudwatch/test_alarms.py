import itertools
import json

import pytest
from drs_simulator.neighbours.cloudwatch.alarm_rules import COMPARISONS, Rule, Sample, statistic, verdict
from hypothesis import given
from hypothesis import strategies as st
from simulator.neighbours.neighbourhood import refusal

ALARM = {
    "AlarmName": "errors",
    "Namespace": "Shop",
    "MetricName": "Errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "Dimensions": [{"Name": "Tier", "Value": "web"}],
}


@pytest.fixture
def watch(sim):
    return sim.client("cloudwatch")


def state(watch, name="errors"):
    return watch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def put(watch, value, tier="web"):
    watch.put_metric_data(
        Namespace="Shop",
        MetricData=[{"MetricName": "Errors", "Value": value, "Dimensions": [{"Name": "Tier", "Value": tier}]}],
    )


def test_an_alarm_follows_the_data_in_simulated_time(sim, watch):
    watch.put_metric_alarm(**ALARM)
    seen = [state(watch)]
    for value in (1, 9, 9, 1):
        put(watch, value)
        sim.advance("61s")
        seen.append(state(watch))
    sim.advance("10m")
    seen.append(state(watch))

    assert seen == ["INSUFFICIENT_DATA", "OK", "OK", "ALARM", "OK", "INSUFFICIENT_DATA"]
    assert watch.describe_alarms(StateValue="ALARM")["MetricAlarms"] == []


def test_data_of_another_dimension_is_another_metric(sim, watch):
    watch.put_metric_alarm(**{**ALARM, "EvaluationPeriods": 1})
    put(watch, 100, tier="db")
    sim.advance("61s")

    assert state(watch) == "INSUFFICIENT_DATA"


def test_a_changed_alarm_keeps_its_state_and_a_deleted_one_is_gone(sim, watch):
    watch.put_metric_alarm(**{**ALARM, "EvaluationPeriods": 1})
    put(watch, 100)
    sim.advance("61s")
    watch.put_metric_alarm(**{**ALARM, "EvaluationPeriods": 1, "Threshold": 500})
    kept = state(watch)
    put(watch, 100)
    sim.advance("61s")
    after = state(watch)
    watch.delete_alarms(AlarmNames=["errors"])
    sim.advance("5m")

    assert (kept, after) == ("ALARM", "OK")
    assert watch.describe_alarms()["MetricAlarms"] == []


def test_a_change_of_state_is_sent_to_the_topic(sim, watch):
    sns, sqs = sim.client("sns"), sim.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    watch.put_metric_alarm(**{**ALARM, "EvaluationPeriods": 1, "AlarmActions": [topic]})
    put(watch, 100)
    sim.advance("61s")
    watch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="looked at it")
    watch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="looked again")
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    said = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]

    assert sorted(
        (message["OldStateValue"], message["NewStateValue"], message["NewStateReason"]) for message in said
    ) == [
        ("INSUFFICIENT_DATA", "ALARM", "Threshold Crossed: [100]: 1 was greater than the threshold (5)."),
        ("OK", "ALARM", "looked again"),
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            {"Statistic": None, "ExtendedStatistic": "p99"},
            "metric math, anomaly detection or percentiles",
            id="percentile",
        ),
        pytest.param(
            {"AlarmActions": ["arn:aws:automate:us-west-2:ec2:recover"]},
            "the actions arn:aws:automate:us-west-2:ec2:recover (only SNS topics)",
            id="action",
        ),
    ],
)
def test_an_alarm_that_would_never_be_evaluated_is_refused(sim, watch, more, said):
    request = {name: value for name, value in {**ALARM, **more}.items() if value is not None}

    assert refusal(watch.put_metric_alarm, **request) == (
        "NotImplementedBySimulator",
        501,
        f"the simulator does not evaluate alarms with {said}",
    )


POINTS = (None, 1.0, 9.0)


@pytest.mark.parametrize(
    ("missing", "points", "needed", "expected"),
    [
        pytest.param("missing", (None, None), 2, "INSUFFICIENT_DATA", id="nothing is known"),
        pytest.param("breaching", (None, None), 2, "ALARM", id="nothing breaches"),
        pytest.param("notBreaching", (None, None), 2, "OK", id="nothing is fine"),
        pytest.param("ignore", (None, None), 2, "before", id="nothing changes nothing"),
        pytest.param("missing", (9.0, None), 2, "before", id="too little for an alarm"),
        pytest.param("missing", (9.0, 1.0), 2, "OK", id="one of two"),
        pytest.param("missing", (9.0, 1.0), 1, "ALARM", id="one is enough"),
        pytest.param("breaching", (9.0, None), 2, "ALARM", id="a gap breaches"),
    ],
)
def test_missing_data_means_what_the_alarm_says(missing, points, needed, expected):
    assert verdict(Rule("GreaterThanThreshold", 5, needed, missing), points, "before")[0] == expected


@pytest.mark.parametrize("missing", ["missing", "ignore", "breaching", "notBreaching"])
def test_enough_breaching_points_are_an_alarm_whatever_is_missing(missing):
    rule = Rule("GreaterThanThreshold", 5, 2, missing)

    for points in itertools.product(POINTS, repeat=3):
        alarming = verdict(rule, points, "OK")[0] == "ALARM"
        breaching = points.count(9.0) + (points.count(None) if missing == "breaching" else 0)
        assert alarming == (breaching >= 2), points


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_set_of_statistics_counts_like_its_values(values):
    apart = [Sample(value, value, value) for value in values]
    together = [Sample(sum(values), min(values), max(values), len(values))]

    for name in ("SampleCount", "Average", "Sum", "Minimum", "Maximum"):
        assert statistic(name, together) == pytest.approx(statistic(name, apart)), name


def test_no_value_is_over_and_under_the_same_threshold():
    for value in (4.0, 5.0, 6.0):
        fired = {name for name in COMPARISONS if Rule(name, 5, 1).breaches(value)}
        assert (
            fired
            == {
                4.0: {"LessThanThreshold", "LessThanOrEqualToThreshold"},
                5.0: {"GreaterThanOrEqualToThreshold", "LessThanOrEqualToThreshold"},
                6.0: {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold"},
            }[value]
        )
