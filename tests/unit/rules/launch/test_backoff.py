"""How long to wait before DRS is asked again."""

from datetime import timedelta

import pytest
from drs_provider.rules.launch.backoff import next_log_look, next_poll, pause_after_refusal
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("age", "ended", "seconds"),
    [
        (0, False, 0.5),
        (-5, False, 0.5),
        (60, False, 1.0),
        (180, False, 3.0),
        (540, False, 3.0),
        (540, True, 0.5),
        (9, True, 0.5),
    ],
)
def test_the_period_follows_the_jobs_age(age, ended, seconds):
    assert next_poll(timedelta(seconds=age), any_server_ended=ended) == seconds


@given(st.floats(0, 1e6), st.booleans(), st.floats(0.9, 1.1))
def test_the_period_is_between_half_a_second_and_five(age, ended, jitter):
    assert 0.5 * 0.9 <= next_poll(timedelta(seconds=age), any_server_ended=ended, jitter=jitter) <= 5 * 1.1


@pytest.mark.parametrize(
    ("refusals", "retry_after", "seconds"),
    [(1, None, 1), (2, None, 2), (5, None, 16), (9, None, 30), (1, 7, 7), (9, 2, 30)],
)
def test_refusals_slow_the_asking_down_and_retry_after_is_honoured(refusals, retry_after, seconds):
    assert pause_after_refusal(refusals, retry_after) == seconds


@given(st.integers(1, 50), st.floats(0.5, 1.5))
def test_jitter_never_undercuts_retry_after(refusals, jitter):
    assert pause_after_refusal(refusals, 40.0, jitter=jitter) >= 40.0


@pytest.mark.parametrize(
    ("age", "seconds"), [(-5, 1), (0, 1), (3, 1), (30, 10), (89, pytest.approx(29.667, abs=0.001)), (90, 30), (540, 30)]
)
def test_logs_are_read_more_rarely_the_older_the_jobs_are(age, seconds):
    assert next_log_look(timedelta(seconds=age)) == seconds


def test_the_log_of_a_job_of_nine_minutes_is_read_thirty_times():
    age, looks = 0.0, 0
    while age < 540:
        age, looks = age + next_log_look(timedelta(seconds=age)), looks + 1

    assert looks == 30
