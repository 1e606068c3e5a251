"""What was foretold against what was measured."""

from datetime import UTC, datetime

import pytest
from drs_provider.plan.loader import read_folder

from benchmarks.deviations import Deviation, chained, compared, in_drs_time
from benchmarks.rehearsal_cases import CASES, write

REPORT = {
    "run": {"started_at": "2026-01-31T12:00:00+00:00"},
    "critical_path": {"waves": ["db"], "elapsed_seconds": 35.0, "jobs_seconds": 20.0},
    "objectives": {"rto": {"measured_seconds": 35.0}},
    "waves": [
        {
            "name": "db",
            "started_at": "2026-01-31T12:00:05+00:00",
            "ended_at": "2026-01-31T12:00:15+00:00",
            "jobs": [
                {"created_at": "2026-01-31T12:00:05+00:00", "ended_at": "2026-01-31T12:00:15+00:00"},
                {"created_at": "2026-01-31T12:00:17+00:00", "ended_at": "2026-01-31T12:00:27+00:00"},
                {"created_at": "2026-01-31T12:00:27+00:00", "ended_at": None},
            ],
            "steps": [{"kind": "wait"}],
        },
        {"name": "web", "started_at": None, "ended_at": None, "jobs": [], "steps": [{"kind": "lambda"}]},
    ],
}
PREDICTION = {
    "rto": {"predicted_seconds": 1200.0},
    "elapsed_seconds": 1300.0,
    "waves": [],
    "by_the_clock": {
        "rto_seconds": 30.0,
        "elapsed_seconds": 42.0,
        "waves": [
            {"name": "db", "start_seconds": 4.0, "end_seconds": 14.0},
            {"name": "web", "start_seconds": None, "end_seconds": None},
        ],
    },
}


def test_a_run_in_drs_time_has_jobs_of_real_length_and_the_orchestration_that_it_had():
    assert in_drs_time(REPORT, 60) == 1215.0
    assert in_drs_time({**REPORT, "objectives": {"rto": {"measured_seconds": None}}}, 60) is None


@pytest.mark.parametrize("kind", ["ssm_command", "ssm_automation", "lambda"])
def test_what_a_step_of_the_simulator_takes_in_drs_time_is_not_in_the_report(kind):
    (db, web) = REPORT["waves"]
    assert in_drs_time({**REPORT, "waves": [{**db, "steps": [{"kind": kind}]}, web]}, 60) is None


@pytest.mark.parametrize(
    ("jobs", "seconds"),
    [
        ([], 0),
        ([(0, 9)], 9),
        ([(0, 9), (0, 8), (10, 20), (9, 18)], 19),  # two tracks: what covers a gap of the other is not counted for it
        ([(0, 9), (9, 18), (0, 12), (14, 20)], 18),
        ([(0, 9), (9, 18)], 18),
    ],
)
def test_jobs_that_waited_for_each_other_count_one_after_the_other(jobs, seconds):
    def at(second):
        return datetime(2026, 1, 31, 12, 0, second, tzinfo=UTC)

    assert chained((at(start), at(end)) for start, end in jobs) == seconds


def test_every_figure_is_compared_with_its_own():
    assert list(compared(PREDICTION, REPORT, 60, 40.0)) == [
        Deviation("RTO in DRS's time", 1200.0, 1215.0),
        Deviation("RTO", 30.0, 35.0),
        Deviation("wave db: start", 4.0, 5.0),
        Deviation("wave db: end", 14.0, 15.0),
        Deviation("wave web: start", None, None),
        Deviation("wave web: end", None, None),
        Deviation("whole run", 42.0, 40.0),
    ]


def test_at_the_speed_of_drs_itself_the_clock_is_drs_time():
    alone = {**PREDICTION, "by_the_clock": None, "waves": PREDICTION["by_the_clock"]["waves"]}
    found = {one.what: one.foretold for one in compared(alone, REPORT, 1, 40.0)}
    assert (found["RTO"], found["whole run"]) == (1200.0, 1300.0)


@pytest.mark.parametrize(
    ("foretold", "measured", "share"), [(30.0, 40.0, 0.25), (50.0, 40.0, -0.25), (None, 40.0, None), (30.0, None, None)]
)
def test_a_deviation_is_a_share_of_what_was_measured(foretold, measured, share):
    assert Deviation("RTO", foretold, measured).share == share


def test_the_cases_are_sound_plans_of_their_own_regions(tmp_path):
    plans, _ = write(tmp_path)
    library = read_folder(plans)
    assert library.problems == ()
    assert set(library.plans) == {case.name for case in CASES}
    assert len({case.region for case in CASES}) == len(CASES)
