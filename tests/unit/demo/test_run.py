"""The demo's exit code says the drill's verdict, and 0 says only: passed."""

import itertools

import pytest
from drs_provider.rules.run.state import RunStatus

from demo.run import exit_code, local


@pytest.mark.parametrize(
    ("state", "status", "is_clean"), list(itertools.product(["success", "failed"], RunStatus, [True, False]))
)
def test_zero_needs_a_green_run_a_passed_verdict_and_an_empty_ec2(state, status, is_clean):
    is_good = state == "success" and status == "passed" and is_clean

    assert (exit_code(state, status, is_clean=is_clean) == 0) == is_good


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (RunStatus.PASSED, 0),
        (RunStatus.COMPLETED_WITH_EXCEPTIONS, 3),
        (RunStatus.FAILED, 1),
        (RunStatus.REFUSED, 1),
        (RunStatus.UNKNOWN, 1),
    ],
)
def test_a_verdict_has_its_own_exit_code(status, code):
    assert exit_code("success", status, is_clean=True) == code


@pytest.mark.parametrize(
    ("address", "path"), [("/r/report.json", "/r/report.json"), ("file:///r/a%20b/report.json", "/r/a b/report.json")]
)
def test_a_report_is_found_by_path_or_url(address, path):
    assert str(local(address)) == path
