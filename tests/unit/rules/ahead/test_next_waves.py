"""Whether a wave may begin at once, and how long the end of one is waited for in a process."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.ahead.hold import (
    CHECKS_AFTER,
    FOR_BOOTS,
    FOR_CHECKS,
    hold_for,
    is_crowded,
    is_on_its_way,
    near_at,
)
from drs_provider.rules.ahead.next_waves import may_begin
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATES = {"db.recovery_job": "running", "mail.recovery_job": "success", "web.launch_settings": "success"}
AIRFLOWS = (
    None,
    "none",
    "removed",
    "scheduled",
    "queued",
    "running",
    "success",
    "restarting",
    "failed",
    "up_for_retry",
    "up_for_reschedule",
    "upstream_failed",
    "skipped",
    "deferred",
    "awaiting_input",
)


def may(states, *, waits_for=tuple(STATES), after="db.recovery_job"):
    return may_begin(states, "web.start_recovery", waits_for, after=after)


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        pytest.param({}, True, id="it waits for nothing else"),
        pytest.param({"mail.recovery_job": "skipped"}, True, id="the other wave was left out"),
        pytest.param({"mail.recovery_job": "running"}, False, id="another wave goes on"),
        pytest.param({"mail.recovery_job": "failed"}, False, id="another wave has failed"),
        pytest.param({"mail.recovery_job": None}, False, id="another wave has not begun"),
        pytest.param({"web.launch_settings": "deferred"}, False, id="its settings are being applied"),
        pytest.param({"web.start_recovery": "queued"}, False, id="Airflow begins it already"),
        pytest.param({"web.start_recovery": "skipped"}, False, id="a person has marked it"),
        pytest.param({"web.start_recovery": "success"}, False, id="it has run: only the wave before was cleared"),
        pytest.param({"db.recovery_job": "failed"}, False, id="a person has marked the one that asks as failed"),
        pytest.param({"db.recovery_job": "success"}, False, id="or as successful: Airflow begins the wave itself"),
    ],
)
def test_a_wave_begins_at_once_only_where_it_waits_for_nothing_else(change, begins):
    assert may({**STATES, **change}) is begins


def test_a_task_that_it_does_not_wait_for_starts_nothing():
    assert not may({**STATES, "crm.recovery_job": "running"}, after="crm.recovery_job")


@given(st.dictionaries(st.sampled_from([*STATES, "web.start_recovery"]), st.sampled_from(AIRFLOWS)))
def test_nothing_that_failed_or_goes_on_above_lets_a_wave_begin(states):
    above = [states.get(task) for task in ("mail.recovery_job", "web.launch_settings")]
    is_done = all(state in ("success", "skipped") for state in above)

    assert may(states) == (
        is_done and states.get("db.recovery_job") == "running" and not states.get("web.start_recovery")
    )


@pytest.mark.parametrize(
    ("told_at", "crowded"),
    [
        pytest.param(None, False, id="nobody knows"),
        pytest.param(NOW - timedelta(seconds=2), False, id="woken at once"),
        pytest.param(NOW - timedelta(seconds=4), True, id="one of too many"),
        pytest.param(NOW + timedelta(seconds=4), False, id="clocks differ"),
    ],
)
def test_a_task_that_was_woken_late_keeps_no_worker(told_at, crowded):
    assert is_crowded(told_at, NOW) is crowded


@pytest.mark.parametrize(
    ("ready", "is_near", "hold", "near"),
    [
        pytest.param("running", False, FOR_BOOTS, None, id="a boot takes seconds"),
        pytest.param("launched", False, FOR_BOOTS, None, id="what is launched is there"),
        pytest.param("status_checks", False, timedelta(0), NOW + CHECKS_AFTER, id="checks take minutes"),
        pytest.param("status_checks", True, FOR_CHECKS, None, id="they may pass any moment"),
    ],
)
def test_a_worker_is_kept_only_near_the_end(ready, is_near, hold, near):
    assert hold_for(ready, is_near=is_near) == hold
    assert near_at(ready, NOW, was_near=is_near) == near


@pytest.mark.parametrize(
    ("word", "is_on_way"),
    [
        ("pending", True),
        pytest.param("stopped", True, id="its start was accepted"),
        ("system initializing, instance ok", True),
        ("EC2 calls it pending", True),
        ("running", False),
        pytest.param("stopping", False, id="it stops by itself"),
        ("shutting-down", False),
        pytest.param("system impaired, instance ok", False, id="that lasts"),
        pytest.param("EC2 calls it terminated", False, id="it is gone"),
    ],
)
def test_ec2_alone_is_asked_while_an_instance_is_on_its_way(word, is_on_way):
    assert is_on_its_way(word) is is_on_way
