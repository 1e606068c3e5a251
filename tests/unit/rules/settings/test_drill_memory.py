"""Whose the temporary settings of a server are: that of a drill of another Airflow, or what this run may go on with."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.rules.settings.drill_memory import CONTINUES, MARKS, marks_of, rival_of

NOW = datetime(2026, 11, 30, 5, tzinfo=UTC)
LATER = (NOW + timedelta(hours=2)).isoformat()


@pytest.mark.parametrize(
    ("continues", "own_runs", "is_rival"),
    [
        (None, ("third",), True),
        (None, ("third", "first"), True),
        ("first", ("third", "first"), False),
        ("first", ("third", "other"), True),
        ("first", ("third",), True),
        ("first", ("first",), True),
        ("first", ("second",), False),
        ("first", ("third", "second"), False),
        ("unknown", ("third", "unknown"), True),
    ],
    ids=[
        "a stranger",
        "a stranger that goes on with another run",
        "a second taker of the same run",
        "a taker of another run",
        "who takes nothing",
        "the run that was taken, which is back",
        "the taker itself",
        "who takes the taker",
        "what is no key",
    ],
)
def test_who_goes_on_with_the_same_run_meets_no_rival(continues, own_runs, is_rival):
    marks = marks_of("second", LATER, "dublin", continues)

    assert (rival_of(marks, own="paris", own_runs=own_runs, now=NOW) is not None) is is_rival


def test_marks_of_a_drill_that_goes_on_with_nothing_take_the_place_of_those_of_one_that_did():
    assert set(marks_of("second", LATER, "")) == set(MARKS)
    assert marks_of("second", LATER, "dublin")[CONTINUES] == "unknown"
