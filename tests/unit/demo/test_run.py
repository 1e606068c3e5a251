"""The demo's exit code says the drill's verdict, and 0 says only: passed."""

import itertools

import pytest
from drs_provider.report.result import RunReport

from demo.run import exit_code, local
from demo.watching import roster_of

VERDICTS = RunReport.model_fields["verdict"].annotation.__args__


@pytest.mark.parametrize(
    ("state", "verdict", "is_clean"), itertools.product(["success", "failed"], VERDICTS, [True, False])
)
def test_zero_needs_a_green_run_a_passed_verdict_and_an_empty_ec2(state, verdict, is_clean):
    assert (exit_code(state, verdict, is_clean) == 0) == (state == "success" and verdict == "passed" and is_clean)


@pytest.mark.parametrize(
    ("verdict", "code"), [("passed", 0), ("completed_with_exceptions", 3), ("failed", 1), ("refused", 1)]
)
def test_a_verdict_has_its_own_exit_code(verdict, code):
    assert exit_code("success", verdict, is_clean=True) == code


@pytest.mark.parametrize(
    ("address", "path"), [("/r/report.json", "/r/report.json"), ("file:///r/a%20b/report.json", "/r/a b/report.json")]
)
def test_a_report_is_found_by_path_or_url(address, path):
    assert str(local(address)) == path


def test_the_roster_names_the_servers_of_every_wave_over_all_accounts():
    server = {"server_id": "s-1"}, {"server_id": "s-2"}
    preflight = {"waves": {"db": {"targets": [{"servers": [server[0]]}, {"servers": [server[1]]}]}}}

    assert roster_of(preflight) == {"db": ["s-1", "s-2"]}
    assert roster_of(None) == {}
