"""What a report says of DRS launch actions that have failed on servers that were launched all the same."""

from drs_provider.report.evidence import LaunchActionRun
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.rules.run.state.vocabulary import WaveStatus
from kit.evidence import a_clean_cleanup, a_run, a_wave

DATABASE = a_wave("database", 2, 9.4)
FAILED = LaunchActionRun(name="check", status="FAILED", optional=True, reason="exit 3")
DONE = LaunchActionRun(name="register", status="SUCCEEDED", optional=False)


def a_report(*actions, state=WaveStatus.LAUNCHED):
    servers = (DATABASE.servers[0].model_copy(update={"actions": actions}), *DATABASE.servers[1:])
    wave = DATABASE.model_copy(update={"servers": servers, "state": state})
    return measure(a_run([wave], cleanup=a_clean_cleanup([wave])))


def test_a_failed_optional_action_is_an_exception_and_the_server_counts_as_launched():
    report = a_report(DONE, FAILED, state=WaveStatus.COMPLETED_WITH_EXCEPTIONS)

    assert report.verdict == "completed_with_exceptions"
    assert report.verdict_reason == "Wave database: launch action check failed on dat1."
    assert (report.counts.launched, report.counts.failed) == (2, 0)


def test_actions_that_succeeded_are_no_exception():
    assert a_report(DONE).verdict == "passed"


def test_the_page_shows_what_became_of_each_action():
    page = render(a_report(DONE, FAILED, state=WaveStatus.COMPLETED_WITH_EXCEPTIONS))

    assert "launch action check: failed: exit 3" in page
    assert "launch action register: succeeded" in page
