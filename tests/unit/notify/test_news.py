"""What of a run is worth telling: which states make a notice, and which are silent."""

from datetime import UTC, datetime

import pytest
from drs_provider.notify.news import news_of_rto, news_of_start, news_of_wave
from drs_provider.notify.notice import RunSummary
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.state import (
    Cause,
    CleanupState,
    CleanupStatus,
    PreflightState,
    PreflightStatus,
    RunState,
    RunStatus,
    WaveState,
    WaveStatus,
)

RUN = RunSummary("shop", "Shop", "drill", "drs.shop", "r1")
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


def a_run(**statuses):
    """A run with these waves; a status may have a cause beside it."""
    waves = []
    for name, said in statuses.items():
        status, cause = said if isinstance(said, tuple) else (said, None)
        waves.append(WaveState(name=name, depends_on=(), status=WaveStatus(status), cause=cause, reason="because"))
    preflight, cleanup = PreflightState(PreflightStatus.PASSED), CleanupState(CleanupStatus.WAITING)
    return RunState(RunStatus.RUNNING, preflight, cleanup, waves=tuple(waves))


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("launched", "wave_completed"),
        ("completed", "wave_completed"),
        ("completed_with_exceptions", "wave_completed"),
        ("failed", "wave_failed"),
        ("cancelled", "wave_failed"),
        (("not_started", Cause.STEP), "wave_failed"),
        (("not_started", Cause.TASK), "wave_failed"),
        (("not_started", Cause.SUPERSEDED), "wave_failed"),
        (("not_started", Cause.DEPENDENCY), None),
        (("not_started", Cause.CANCELLED), None),
        (("not_started", Cause.ANSWER), None),
        ("unproven", None),
        ("skipped", None),
        ("waiting", None),
        ("delayed", None),
        ("waiting_for_answer", None),
        ("preparing", None),
        ("launching", None),
        ("running_steps", None),
    ],
)
def test_a_wave_is_told_about_when_it_has_gone_through_or_failed(status, event):
    notice = news_of_wave(RUN, "web", a_run(web=status, mail="waiting"), chosen=["web"], at=NOW)

    assert (notice and notice.event) == event
    if notice:
        assert [name for name, _ in notice.facts if name.startswith("Wave")] == []


def test_a_wave_that_was_not_chosen_is_not_told_about():
    assert news_of_wave(RUN, "web", a_run(web="launched"), chosen=["mail"], at=NOW) is None
    assert news_of_wave(RUN, "app", a_run(web="launched"), chosen=["app"], at=NOW) is None


@pytest.mark.parametrize("passed", [True, False, None])
def test_a_start_is_told_once_preflight_has_passed(passed):
    found = None
    if passed is not None:
        facts = {"plan": "shop", "digest": "d", "passed": passed, "mode": "drill", "checked_at": NOW, "waves": {}}
        found = PreflightResult(**facts, needs_approval=False)

    assert (news_of_start(RUN, found, at=NOW) is not None) == bool(passed)


@pytest.mark.parametrize(
    ("state", "chosen", "to_be_done"),
    [
        (a_run(db="launched", web="launching"), ["db", "web"], "web (launching)"),
        (a_run(db="launched", web="waiting_for_answer"), ["db", "web"], "web (waiting for an answer)"),
        (a_run(db="launched", web="skipped"), ["db", "web"], None),
        (a_run(db="failed", web="not_started"), ["db", "web"], None),
        (a_run(db="launched", web="waiting"), ["db"], None),
        (a_run(db="waiting"), [], "nothing"),
    ],
)
def test_time_runs_out_only_while_a_chosen_wave_is_to_come(state, chosen, to_be_done):
    notice = news_of_rto(RUN, state, chosen=chosen, rto_seconds=60, share=100, since=NOW, at=NOW)

    assert (notice and dict(notice.facts)["To be done"]) == to_be_done
