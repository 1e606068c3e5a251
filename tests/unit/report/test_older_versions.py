"""Reports that earlier releases have written are still read, in the words of today."""

from pathlib import Path

import pytest
from drs_provider.report.older_versions import brought_up
from drs_provider.report.page import render
from drs_provider.report.result import RunReport

WRITTEN = (Path(__file__).parent / "written" / "version-1.json").read_text()


def test_a_report_of_version_1_is_read_in_the_words_of_today():
    report = RunReport.model_validate_json(WRITTEN)

    assert {wave.name: wave.state.value for wave in report.waves} == {
        "database": "completed_with_exceptions",
        "checks": "completed",
        "web": "not_started",
    }
    assert [(server.hostname, server.status.value) for server in report.waves[0].servers] == [
        ("dat1", "launched"),
        ("dat2", "failed"),
        ("dat3", "failed"),  # launched, with a reason against it
        ("db9", "excluded"),
    ]
    assert {step.name: step.state.value for wave in report.waves for step in wave.steps} == {
        "warm": "tolerated",
        "promote": "succeeded",
        "look": "succeeded",
    }
    assert (report.cleanup.state.value, report.cleanup.terminated[0].server_id) == ("completed", "s-0dat0000000000001")
    assert report.format_version == 2


def test_a_report_of_version_1_has_a_page():
    assert "completed with exceptions" in render(RunReport.model_validate_json(WRITTEN))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"status": "LAUNCHED"}, "launched", id="there"),
        pytest.param({"status": "LAUNCHED", "reason": "stopped"}, "failed", id="there and not usable"),
        pytest.param({"status": "FAILED"}, "failed", id="failed"),
        pytest.param({"status": "PENDING"}, "failed", id="not known to be there"),
        pytest.param({"status": "SOMETHING_NEW"}, "failed", id="a word that nobody knew"),
        pytest.param({"status": "NOT_STARTED"}, "not_started", id="not started"),
        pytest.param({"status": "EXCLUDED"}, "excluded", id="excluded"),
    ],
)
def test_only_a_server_that_was_launched_and_usable_is_launched(old, new):
    found = brought_up({"format_version": 1, "waves": [{"state": "running", "servers": [old]}], "failures": [old]})

    assert isinstance(found, dict)
    assert found["waves"] == [{"state": "launching", "servers": [{**old, "status": new}], "steps": []}]
    assert found["failures"] == [{**old, "status": new}]


@pytest.mark.parametrize("written", [{"format_version": 2, "waves": 3}, {"waves": 3}, [], None, "text"])
def test_what_is_no_report_of_version_1_stays_as_it_is(written):
    assert brought_up(written) == written
