"""How figures are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from drs_provider import formatting as words


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (None, "not measured"),
        (0, "0 s"),
        (0.00003, "< 1 ms"),
        (0.85, "850 ms"),
        (0.9996, "1 s"),
        (1, "1 s"),
        (9.44, "9.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1m"),
        (185, "3m 05s"),
        (3599.6, "1h"),
        (3720, "1h 02m"),
        (86_399, "1d"),
        (90_000, "1d 01h"),
        (timedelta(minutes=15), "15m"),
        (timedelta(days=2, hours=1, minutes=32), "2d 01h"),
        (timedelta(hours=1, seconds=5), "1h"),
        (timedelta(seconds=-90), "-1m 30s"),
    ],
)
def test_durations_are_written_as_people_read_them(length, said):
    assert words.duration(length) == said


def test_instants_are_written_in_utc():
    at = datetime(2026, 11, 22, 7, 0, tzinfo=timezone(timedelta(hours=2)))

    assert (words.instant_words(at), words.clock_words(at)) == ("2026-11-22 05:00:00 UTC", "05:00:00")
    assert (words.instant_words(None), words.clock_words(None)) == ("not measured", "not measured")
    assert words.instant_words(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdefg"), "a, b, c, d, e and 2 more"),
    ],
)
def test_long_lists_say_how_many_more(names, said):
    assert words.some(names) == said


def test_shares_and_counts():
    assert (words.share(0.0082), words.share(None)) == ("0.8 %", "not measured")
    assert (words.plural(1, "server"), words.plural(0, "server")) == ("1 server", "0 servers")
