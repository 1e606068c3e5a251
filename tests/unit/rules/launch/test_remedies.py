"""How a server whose launch failed is launched again."""

import pytest
from drs_provider.rules.launch.next_launch import Try, choose, fallbacks
from drs_provider.rules.launch.results import ServerResult

CAPACITY = "LAUNCH_FAILED: An error occurred (InsufficientInstanceCapacity) when calling RunInstances: not enough"
FALLBACK = {"instance_type": "r5.large", "fallback": {"instance_types": ["m5.large"], "subnet_ids": ["subnet-0b"]}}
AT = "2026-01-01T12:00:00+00:00"


def failed(reason, **facts):
    return ServerResult("s-1", "db1", True, "failed", job_id="drsjob-1", reason=reason, **facts)


def again(reason, *, earlier=(), retries=1, settings=None, retries_over_instance=True, **facts):
    return choose(
        failed(reason, **facts),
        earlier,
        settings=settings or {},
        retries=retries,
        retries_over_instance=retries_over_instance,
        used_until=AT,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(again("x", retries=0), None, id="no retry is asked for"),
        pytest.param(again("x"), Try("drsjob-1", "x", "again"), id="the same again"),
        pytest.param(again("x", earlier=[Try("drsjob-0", "x", "again")]), None, id="no retry is left"),
        pytest.param(
            again(CAPACITY, retries=0, settings=FALLBACK),
            Try("drsjob-1", CAPACITY, "fallback", {"instance_type": "m5.large"}),
            id="the next type, though no retry is asked for",
        ),
        pytest.param(
            again(CAPACITY, retries=0, settings=FALLBACK, earlier=[Try("0", CAPACITY, "fallback")]),
            Try("drsjob-1", CAPACITY, "fallback", {"instance_type": "r5.large", "subnet_id": "subnet-0b"}),
            id="then the next subnet",
        ),
        pytest.param(
            again(CAPACITY, retries=0, settings=FALLBACK, earlier=[Try("0", CAPACITY, "fallback")] * 3),
            None,
            id="nothing is left to try",
        ),
        pytest.param(again(CAPACITY), Try("drsjob-1", CAPACITY, "again"), id="capacity without a fallback"),
        pytest.param(
            again("CONVERSION_FAIL: bad"),
            Try("drsjob-1", "CONVERSION_FAIL: bad", "older_point", {}, AT),
            id="an older point after a failed conversion",
        ),
        pytest.param(
            again("x", retries_over_instance=False, instance_id="i-1", instance_state="RUNNING"),
            None,
            id="a recovery's instance that lives is never replaced",
        ),
        pytest.param(
            again("x", retries_over_instance=False, instance_id="i-1", instance_state="TERMINATED"),
            Try("drsjob-1", "x", "again"),
            id="one that is gone is",
        ),
        pytest.param(
            again("x", instance_id="i-1", instance_state="RUNNING"), Try("drsjob-1", "x", "again"), id="a drill's is"
        ),
        pytest.param(
            again("x", retries=1, earlier=[Try("0", CAPACITY, "fallback", {"instance_type": "m5.large"})]),
            Try("drsjob-1", "x", "again", {"instance_type": "m5.large"}),
            id="what was changed before stays",
        ),
    ],
)
def test_how_a_failed_server_is_launched_again(found, expected):
    assert found == expected


@pytest.mark.parametrize(
    "reason",
    [
        "LAUNCH_FAILED: InsufficientInstanceCapacity",
        "We currently do not have sufficient r6i.xlarge capacity in us-west-2a",
        "LAUNCH_FAILED: Unsupported: Your requested instance type (c7g.large) is not supported in your zone",
        "insufficient instance capacity",
    ],
)
def test_words_of_missing_capacity(reason):
    assert again(reason, retries=0, settings=FALLBACK).how == "fallback"


def test_without_a_fallback_there_is_nothing_to_fall_back_to():
    assert fallbacks({"instance_type": "r5.large"}) == []


def test_a_try_says_how_the_next_launch_differs():
    assert str(Try("j", "r", "fallback", {"instance_type": "m5.large"})) == "with instance_type m5.large"
    assert str(Try("j", "r", "older_point", {}, AT)) == f"from a recovery point older than {AT}"
    assert str(Try("j", "r", "again")) == "as before"
