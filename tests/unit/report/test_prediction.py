"""What was foretold of a run against what was measured, launched as the run really was."""

import pytest
from drs_provider.report.measure import measure
from drs_provider.report.result import PredictionReport
from drs_provider.report.view import view_of
from drs_provider.rules.run.handover import PredictedTimes
from kit.evidence import a_drill_with_a_failed_database, a_passed_drill

AHEAD = PredictedTimes(launch="ahead", seconds=655.0, in_waves_seconds=2140.0)
IN_WAVES = PredictedTimes(launch="in_waves", seconds=2140.0, in_waves_seconds=2140.0)


@pytest.mark.parametrize(
    ("foretold", "launched_ahead", "launch", "seconds"),
    [
        pytest.param(AHEAD, True, "ahead", 655.0, id="launched ahead as foretold"),
        pytest.param(AHEAD, False, "in_waves", 2140.0, id="nothing could be launched ahead"),
        pytest.param(IN_WAVES, False, "in_waves", 2140.0, id="in waves"),
    ],
)
def test_a_run_is_held_against_what_was_foretold_of_how_it_launched(foretold, launched_ahead, launch, seconds):
    evidence = a_passed_drill().model_copy(update={"predicted": foretold, "launched_ahead": launched_ahead})
    report = measure(evidence)
    rto, first = report.objectives.rto.measured_seconds, min(wave.started_at for wave in report.waves)

    assert report.prediction == PredictionReport(
        launch=launch,
        predicted_seconds=seconds,
        in_waves_seconds=2140.0,
        measured_seconds=rto - (first - report.run.started_at).total_seconds(),
    )


def test_a_run_that_did_not_recover_everything_has_no_measured_time():
    found = measure(a_drill_with_a_failed_database().model_copy(update={"predicted": IN_WAVES})).prediction

    assert found.measured_seconds is None


def test_of_an_older_run_nothing_was_foretold():
    report = measure(a_passed_drill())

    assert report.prediction is None
    assert view_of(report).foretold is None


def test_the_page_says_what_was_foretold_both_ways():
    evidence = a_passed_drill().model_copy(update={"predicted": AHEAD, "launched_ahead": True})
    in_waves = a_passed_drill().model_copy(update={"predicted": IN_WAVES})

    assert view_of(measure(evidence)).foretold[1] == "foretold: 10m 55s launched ahead, 35m 40s in waves"
    assert view_of(measure(in_waves)).foretold[1] == "foretold: 35m 40s"
