"""Where the time of a run went: the parts sum to the whole, and people are no dead time."""

from datetime import timedelta

import pytest
from drs_provider.report.evidence import (
    ActivityEvidence,
    DrillFacts,
    JobEvidence,
    RunEvidence,
    StepEvidence,
    WaitEvidence,
    WaveEvidence,
)
from drs_provider.report.measure import measure
from drs_provider.rules.run.handover import KeptDrill, KeptExtension
from hypothesis import given
from hypothesis import strategies as st
from kit.evidence import a_passed_drill, at, some_facts

ACTIVITIES = ("preflight", "network", "settings", "clean_up")


def an_activity(kind, begin, end):
    return ActivityEvidence(kind=kind, task=f"x.{kind}", began_at=at(begin), ended_at=at(end))


def a_wait(kind, begin, end, outcome="approved"):
    ended = None if end is None else at(end)
    return WaitEvidence(kind=kind, task=f"preflight.{kind}", began_at=at(begin), ended_at=ended, outcome=outcome)


def a_step(kind, begin, end):
    return StepEvidence(
        name="s",
        kind=kind,
        task="web.s",
        side="after",
        state="succeeded",
        started_at=at(begin),
        ended_at=at(end),
        attempts=1,
    )


def a_run(end=100, **parts):
    return RunEvidence(run=some_facts(), finished_at=at(end), **parts)


def shares(evidence):
    return {share.kind: share.seconds for share in measure(evidence).time_shares}


def test_a_run_of_everything_is_parted_by_what_went_on():
    job = JobEvidence(job_id="drsjob-1", created_at=at(30), ended_at=at(50))
    wave = WaveEvidence(name="web", state="launched", jobs=(job,), ready_at=at(55), steps=(a_step("lambda", 55, 60),))
    kept = KeptDrill(began_at=at(60), until=at(70), ended_at=at(70))

    assert shares(
        a_run(
            waves=(wave,),
            waits=(a_wait("approval", 10, 20), a_wait("pause", 20, 25, "continued"), a_wait("delay", 25, 28, "over")),
            activities=(
                an_activity("preflight", 2, 10),
                an_activity("network", 10, 12),
                an_activity("settings", 28, 29),
                an_activity("clean_up", 70, 95),
            ),
            drill=DrillFacts(kept=kept),
        )
    ) == {
        "preflight": 8,
        "approvals": 8,
        "network": 2,
        "settings": 1,
        "jobs": 20,
        "readiness": 5,
        "steps": 5,
        "people": 5 + 10,
        "delays": 3,
        "clean_up": 25,
        "orchestration": 2 + 1 + 5,
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, {"orchestration": 100}),
        # While a job runs nobody waits for people, however many are asked.
        (
            {
                "waits": (a_wait("pause", 0, 100, "continued"),),
                "waves": (WaveEvidence(name="a", jobs=(JobEvidence(job_id="j", created_at=at(40), ended_at=at(60)),)),),
            },
            {"jobs": 20, "people": 80},
        ),
        # An approval step asks people: it is no step that works.
        ({"steps": (a_step("approval", 0, 100),)}, {"people": 100}),
        # A question that nobody has answered goes on until the report.
        ({"waits": (a_wait("approval", 60, None, "unanswered"),)}, {"approvals": 40, "orchestration": 60}),
        # Adopted jobs are older than the run.
        (
            {"waves": (WaveEvidence(name="a", jobs=(JobEvidence(job_id="j", created_at=at(-50), ended_at=at(10)),)),)},
            {"jobs": 10, "orchestration": 90},
        ),
        # Nobody knows how long a job without an end went on.
        (
            {"waves": (WaveEvidence(name="a", jobs=(JobEvidence(job_id="j", created_at=at(10)),)),)},
            {"orchestration": 100},
        ),
    ],
)
def test_every_moment_counts_once(parts, expected):
    assert shares(a_run(**parts)) == expected


def test_a_report_that_was_written_before_the_start_has_no_parts():
    assert shares(a_run(end=-1)) == {}


instants = st.floats(-100, 5000, allow_nan=False).map(lambda number: round(number, 6))
spans = st.tuples(instants, instants).map(sorted)
jobs = st.lists(spans, max_size=4).map(
    lambda found: tuple(JobEvidence(job_id=f"j{n}", created_at=at(a), ended_at=at(b)) for n, (a, b) in enumerate(found))
)
waves = st.lists(
    st.tuples(
        jobs, st.none() | instants, st.lists(st.tuples(st.sampled_from(("lambda", "approval")), spans), max_size=3)
    ),
    max_size=3,
).map(
    lambda found: tuple(
        WaveEvidence(
            name=f"w{n}",
            state="launched",
            jobs=held,
            ready_at=None if ready is None else at(ready),
            steps=tuple(a_step(kind, *span) for kind, span in steps),
        )
        for n, (held, ready, steps) in enumerate(found)
    )
)
waits = st.lists(st.tuples(st.sampled_from(("approval", "pause", "delay")), spans, st.booleans()), max_size=4).map(
    lambda found: tuple(a_wait(kind, a, b if is_over else None, "over") for kind, (a, b), is_over in found)
)
activities = st.lists(st.tuples(st.sampled_from(ACTIVITIES), spans), max_size=5).map(
    lambda found: tuple(an_activity(kind, *span) for kind, span in found)
)


@given(end=st.floats(0, 5000).map(lambda number: round(number, 6)), waves=waves, waits=waits, activities=activities)
def test_the_parts_sum_to_the_whole(end, waves, waits, activities):
    report = measure(a_run(end=end, waves=waves, waits=waits, activities=activities))

    assert sum(share.seconds for share in report.time_shares) == pytest.approx(report.elapsed_seconds, abs=1e-5)
    assert all(share.seconds > 0 for share in report.time_shares)
    assert len({share.kind for share in report.time_shares}) == len(report.time_shares)


def test_the_parts_of_a_drill_of_a_hundred_servers_sum_to_the_whole():
    report = measure(a_passed_drill())

    assert sum(share.seconds for share in report.time_shares) == pytest.approx(report.elapsed_seconds, abs=1e-5)


def test_extensions_of_a_kept_drill_stand_in_the_timeline():
    extension = KeptExtension(at=at(65), until=at(3600), by="ann")
    kept = KeptDrill(began_at=at(60), until=at(3600), ended_at=at(90), by="bob", extended=1, extensions=(extension,))
    entries = [entry.what for entry in measure(a_run(drill=DrillFacts(kept=kept))).timeline]

    assert "kept drill extended by ann until 2026-11-22 06:00:00 UTC" in entries
    assert "keeping ended by bob, extended 1 time" in entries


def test_a_delta_of_a_microsecond_is_not_lost():
    assert shares(a_run(end=0.000001)) == {"orchestration": timedelta(microseconds=1).total_seconds()}
