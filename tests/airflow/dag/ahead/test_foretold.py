"""A run that may launch ahead is foretold, and its report holds it against that; in simulated time."""

import dataclasses

import pytest

from benchmarks.kill_sweep.kinds import kind_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

KIND = kind_of("ahead")
IN_WAVES = dataclasses.replace(KIND, conf={**KIND.conf, "launch": "in_waves"})


@pytest.mark.parametrize(("kind", "launch"), [(KIND, "ahead"), (IN_WAVES, "in_waves")])
def test_a_run_takes_about_what_was_foretold_of_how_it_launches(live, kind, launch):
    record, _ = live(kind=kind)
    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    found = record.report["prediction"]

    assert found["launch"] == launch
    assert (found["predicted_seconds"] < found["in_waves_seconds"]) is (launch == "ahead")
    # Half a minute until somebody looks at a job, and a moment for each task; it was foretold for no Airflow at all.
    assert found["predicted_seconds"] * 0.9 < found["measured_seconds"] < found["predicted_seconds"] * 1.3
