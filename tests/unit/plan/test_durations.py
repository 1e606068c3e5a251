"""Durations: what is read, how it is written again, and what is said to what people write instead."""

from datetime import timedelta

import pytest
from drs_provider.plan.durations import duration_hint, parse_duration, write_duration
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("13w", timedelta(weeks=13), "91d"),
        ("1w2d", timedelta(days=9), "9d"),
        ("P13W", timedelta(weeks=13), "91d"),
        ("PT0.5H", timedelta(minutes=30), "30m"),
        ("PT0,5H", timedelta(minutes=30), "30m"),
        ("P1.5D", timedelta(hours=36), "1d12h"),
        ("PT1M30.5S", timedelta(seconds=90.5), "PT90.5S"),
        ("PT1H2M3.5S", timedelta(seconds=3723.5), "PT3723.5S"),
        (
            "P2DT1H32M12.136909S",
            timedelta(days=2, hours=1, minutes=32, seconds=12, microseconds=136909),
            "PT178332.136909S",
        ),
    ],
)
def test_what_iso_8601_and_audits_write_is_read_and_written_again(text, expected, written):
    assert (parse_duration(text), write_duration(expected), parse_duration(written)) == (expected, written, expected)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3_650)))
def test_what_is_written_reads_as_the_same(value):
    assert parse_duration(write_duration(value)) == value


@pytest.mark.parametrize(
    "text", ["PT1.5H30M", "PT1H.5M", "PT.5H", "P1Y", "P1M", "1.5h", "PT", "P", "", "PT1.S", "1h1.5m"]
)
def test_a_fraction_stands_in_the_last_part_of_iso_8601_only(text):
    with pytest.raises(ValueError, match="expected a duration such as 90s, 15m, 1h30m, 1d, 13w or PT45M"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1.5h", "for example 1h30m"),
        ("1,5 h", "for example 1h30m"),
        ("90 min", "for example 90m"),
        ("90minutes", "for example 90m"),
        ("1h 30m", "for example 1h30m"),
        ("30m1h", "for example 1h30m"),
        ("1H30M", "for example 1h30m"),
        ("2 hours 15 minutes", "for example 2h15m"),
        ("1 hour and 30 minutes", "for example 1h30m"),
        ("13 weeks", "for example 13w"),
        ("0.5s", "for example PT0.5S"),
        ("90", "for example 90m"),
        ("1h30", "for example 1h30m"),
        ("pt5m", "for example PT5M"),
        ("P5H", "for example PT5H"),
        ("PT1.5H30M", "only the last part may have a fraction"),
        ("1mo", "a month has no fixed length; write days, for example 30d"),
        ("1 year", "a year has no fixed length; write days, for example 365d"),
        ("P1Y", "a year has no fixed length; write days, for example 365d"),
        (
            "P90M",
            "a month has no fixed length; write days, for example 30d; minutes stand behind a T: PT90M",
        ),
        ("soon", ""),
        ("-5m", ""),
        ("15 м", ""),
        ("0h", ""),
        ("9" * 30 + " hours", ""),
    ],
)
def test_what_people_write_instead_is_answered_with_what_they_mean(text, hint):
    assert duration_hint(text) == hint
