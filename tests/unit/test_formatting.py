"""Instants and durations as DRS writes them."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.formatting import parse_duration, parse_instant
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("P0D", timedelta(0), id="what an idle server says"),
        pytest.param("PT30S", timedelta(seconds=30), id="seconds"),
        pytest.param("PT1H2M", timedelta(hours=1, minutes=2), id="hours and minutes"),
        pytest.param(
            "P2DT1H32M12.136909S",
            timedelta(days=2, hours=1, minutes=32, seconds=12, microseconds=136909),
            id="a real capture, with days and a fraction",
        ),
        pytest.param("P1W", timedelta(weeks=1), id="weeks"),
        pytest.param("-PT5S", timedelta(seconds=-5), id="negative"),
    ],
)
def test_a_duration_is_read_as_drs_writes_it(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "30s", "P1Y", "P1M", "PT1H ", "1D"])
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(ValueError) as caught:
        parse_duration(text)

    assert str(caught.value) == f"{text!r} is no ISO 8601 duration of weeks, days, hours, minutes and seconds"


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_written_out_is_read_back(days, hours, minutes, seconds):
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    assert parse_duration(f"P{days}DT{hours}H{minutes}M{seconds}S") == expected


@pytest.mark.parametrize(
    "text", ["2022-12-07T19:15:38.846723+00:00", "2022-12-07T19:15:38.846723Z", "2022-12-07T20:15:38.846723+01:00"]
)
def test_an_instant_is_the_same_however_its_offset_is_written(text):
    assert parse_instant(text) == datetime(2022, 12, 7, 19, 15, 38, 846723, tzinfo=UTC)
    assert parse_instant(text).tzinfo is UTC
