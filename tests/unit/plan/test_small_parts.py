"""Durations, shares, schedules and plain scalars, one by one."""

from datetime import timedelta

import pytest
import yaml
from drs_provider.formatting import timespan
from drs_provider.plan.durations import parse_duration
from drs_provider.plan.fields import PRESETS, Share, check_schedule, check_timezone, parse_share
from drs_provider.plan.yaml_source import read_plain
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5_400),
        ("1d", 86_400),
        ("1d2h3m4s", 93_784),
        ("0s", 0),
        ("PT45M", 2_700),
        ("P1D", 86_400),
        ("P1W", 604_800),
        ("P1DT2H3M4S", 93_784),
    ],
)
def test_a_duration_is_read_as_it_is_meant(written, seconds):
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written", ["", "5", "m", "1.5h", "1h 30m", "30m1h", "-5m", "P", "PT", "P1DT", "PT1D", "1H", "٣m", "5m\n"]
)
def test_what_is_no_duration_is_refused_with_examples(written):
    with pytest.raises(ValueError) as caught:
        parse_duration(written)

    assert str(caught.value) == f"expected a duration such as 90s, 15m, 1h30m, 1d, 13w or PT45M, found {written!r}"


@given(st.integers(min_value=0, max_value=3_650 * 86_400))
def test_a_written_duration_reads_back_the_same(seconds):
    assert parse_duration(timespan(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("written", "failed", "total", "allowed"),
    [
        (0, 0, 10, True),
        (0, 1, 10, False),
        (2, 2, 10, True),
        (2, 3, 10, False),
        ("10%", 1, 10, True),
        ("10%", 2, 10, False),
        ("10%", 1, 9, False),
        ("0%", 1, 1_000, False),
        ("100%", 10, 10, True),
        ("33%", 1, 3, False),
        ("34%", 1, 3, True),
        ("10%", 0, 0, True),
    ],
)
def test_a_share_never_rounds_in_favour_of_failure(written, failed, total, allowed):
    assert parse_share(written).allows(failed, total) is allowed


@pytest.mark.parametrize("written", ["101%", "-1%", "10 %", "1e1%", "5", "", "%", -1, 1.5, True, None, "٣%", "5%\n"])
def test_what_is_no_share_is_refused(written):
    with pytest.raises(ValueError) as caught:
        parse_share(written)

    assert str(caught.value) == "expected a whole number of servers, or a percentage from 0% to 100%"


@pytest.mark.parametrize("share", [Share(0), Share(3), Share(0, is_percentage=True), Share(100, is_percentage=True)])
def test_a_share_is_written_as_it_was_read(share):
    assert parse_share(str(share) if share.is_percentage else int(str(share))) == share


@pytest.mark.parametrize(
    "schedule", [*PRESETS, "0 5 * * SUN", "*/15 * * * *", "0 5 1 1,7 *", "0 0 29 2 *", "0 5 * * 7"]
)
def test_a_schedule_that_airflow_runs_is_fine(schedule):
    assert check_schedule(schedule) is None


@pytest.mark.parametrize(
    "schedule", ["", "* * * * * *", "61 * * * *", "a b c d e", "0 0 30 2 *", "@Daily", "0 5 * * SUNDAY"]
)
def test_a_schedule_that_airflow_does_not_run_is_refused(schedule):
    assert check_schedule(schedule) is not None


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_that_exists_is_fine(timezone):
    assert check_timezone(timezone) is None


@pytest.mark.parametrize("timezone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "CET+1\0"])
def test_a_time_zone_that_does_not_exist_is_refused(timezone):
    assert check_timezone(timezone) is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("web-shop", "web-shop"),
        ("on", True),
        ("No", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("0", 0),
        ("-5", -5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("10.0.1.10", "10.0.1.10"),
        ("45m", "45m"),
        ("10%", "10%"),
        ("s-00000000000000001", "s-00000000000000001"),
        ("y", "y"),
        ("-", "-"),
        ("1e5", "1e5"),
        ("1e+5", "1e+5"),
        ("089", "089"),
        ("-.5", "-.5"),
    ],
)
def test_a_plain_scalar_is_what_most_people_take_it_for(text, value):
    assert read_plain(text) == (value, "")
    assert type(read_plain(text)[0]) is type(value)


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("0123", "an octal number"),
        ("0x1F", "a hexadecimal number"),
        ("0b11", "a binary number"),
        ("12:30:00", "a number to the base of 60"),
        ("1:30", "a number to the base of 60"),
        ("2026-01-01", "a date"),
        ("2026-01-01T00:00:00Z", "a date"),
        ("1_000", "a number"),
        ("1.5e+3", ""),
        (".inf", "a number"),
        ("-.INF", "a number"),
        (".nan", "a number"),
        ("1.0e+999", "a number"),
        ("99999999999999999999", "a number"),
    ],
)
def test_a_scalar_that_yaml_takes_for_something_else_is_odd(text, odd):
    assert read_plain(text)[1] == odd


@given(
    st.one_of(
        st.text(max_size=6),
        st.from_regex(r"[-+0-9.:_xbeET ]{1,12}", fullmatch=True),
        st.sampled_from(["2026-01-01 10:00:00", "off"]),
    )
)
def test_a_scalar_is_a_text_exactly_where_any_other_tool_reads_a_text(text):
    tag = yaml.resolver.Resolver().resolve(yaml.nodes.ScalarNode, text, (True, False)).rpartition(":")[2]
    value, odd = read_plain(text)

    assert (isinstance(value, str) and not odd) == (tag in ("str", "merge", "value", "yaml"))
