"""Two runs side by side."""

import pytest
from drs_provider.rules.history.comparison import RunDetail, WaveFigures, compare
from drs_provider.rules.history.row import NO_FIGURE, Figure, row_of_record
from drs_provider.rules.run.state import RunStatus
from kit.past_runs import a_record, a_row

WORSE = {
    "result": RunStatus.FAILED,
    "rto": Figure(3600.0, 3000.0, "met"),
    "failed": 2,
    "launched": 1,
    "exceptions": 2,
    "warnings": 0,
    "cost_dollars": 3.0,
}


def lines(left, right):
    return {
        line.what: (line.left, line.right, line.change, line.is_worse) for line in compare(left, right) if line.differs
    }


def test_the_same_run_differs_in_nothing():
    run = RunDetail(a_row(), {"web": WaveFigures("launched", 60.0, 90.0, 30.0)})

    assert lines(run, run) == {}


def test_what_is_different_is_said_and_which_one_is_worse():
    found = lines(RunDetail(a_row()), RunDetail(a_row(1, **WORSE, duration_seconds=1200.0)))

    assert found == {
        "result": ("passed", "failed", "", None),
        "duration": ("40m", "20m", "-20m", False),
        "RTO": ("30m", "50m", "+20m", True),
        "RTO objective": ("45m", "1h", "+15m", None),
        "servers launched": ("3", "1", "-2", None),
        "servers failed": ("0", "2", "+2", True),
        "exceptions": ("0", "2", "+2", True),
        "preflight warnings": ("1", "0", "-1", False),
        "cost": ("$1.50", "$3.00", "+$1.50", True),
    }


@pytest.mark.parametrize(
    ("changes", "what", "said"),
    [
        ({"cost_dollars": 3.0, "is_cost_measured": True}, "cost", ("$1.50", "$3.00", "", None)),
        ({"rto": NO_FIGURE}, "RTO", ("30m", "not measured", "", None)),
        ({"rto": NO_FIGURE}, "RTO objective", ("45m", "no objective", "", None)),
        ({"cleanup": ""}, "clean-up", ("completed", "not known", "", None)),
        ({"user": None}, "started by", ("ann", "not known", "", None)),
        ({"failed": None}, "servers failed", ("0", "not known", "", None)),
    ],
)
def test_what_nobody_knows_is_not_zero(changes, what, said):
    assert lines(RunDetail(a_row()), RunDetail(a_row(**changes)))[what] == said


def test_waves_that_only_one_has_stand_beside_nothing():
    left = RunDetail(a_row(), {"db": WaveFigures("launched", 60.0, 90.0, 30.0)})
    right = RunDetail(row_of_record(a_record()), {"web": WaveFigures("completed_with_exceptions", 61.0)})

    found = lines(left, right)

    assert found["wave db: state"] == ("launched", "not in this run", "", None)
    assert found["wave web: state"] == ("not in this run", "completed with exceptions", "", None)
    assert found["wave web: jobs"] == ("not measured", "1m 01s", "", None)
