"""RTO ends when the service is there: its servers ready and its steps done, not when the last server was launched."""

from datetime import timedelta

import pytest
from drs_provider.report.evidence import Objectives, RunEvidence, StepEvidence
from drs_provider.report.measure import measure
from kit.evidence import a_wave, at, some_facts


def a_step(state, end, side="after"):
    return StepEvidence(
        name="dns",
        kind="lambda",
        task="web.dns",
        side=side,
        state=state,
        started_at=at(590),
        ended_at=at(end),
        attempts=1,
    )


def measured(wave=None, rto=timedelta(minutes=15), **parts):
    wave = a_wave("web", 2, 20.0, **(wave or {}))
    evidence = RunEvidence(
        run=some_facts(), objectives=Objectives(rto=rto), waves=(wave,), finished_at=at(2000), **parts
    )
    return measure(evidence)


LAST = measured().objectives.rto.last_launched_seconds


@pytest.mark.parametrize(
    ("wave", "parts", "expected"),
    [
        ({}, {}, LAST),
        ({"ready_at": at(700)}, {}, 700),
        ({"ready_at": at(600), "steps": (a_step("succeeded", 720),)}, {}, 720),
        ({"steps": (a_step("tolerated", 720),)}, {}, 720),
        ({"ready_at": at(600)}, {"steps": (a_step("succeeded", 800),)}, 800),
        # What stands before the waves is long over.
        ({"ready_at": at(600)}, {"steps": (a_step("succeeded", 5, side="before"),)}, 600),
    ],
)
def test_the_service_is_there_after_readiness_and_steps(wave, parts, expected):
    rto = measured(wave, **parts).objectives.rto

    assert (rto.measured_seconds, rto.last_launched_seconds, rto.outcome) == (expected, LAST, "met")


def test_an_objective_is_missed_by_the_steps_although_the_last_server_was_launched_in_time():
    rto = measured({"steps": (a_step("succeeded", 1000),)}).objectives.rto

    assert (rto.outcome, rto.why) == ("missed", "16m 40s is over the objective of 15m")
    assert rto.last_launched_seconds < 15 * 60


@pytest.mark.parametrize(
    ("wave", "parts", "why"),
    [
        (
            {"state": "failed", "steps": (a_step("failed", 700),)},
            {},
            "every server is launched, and the service is not there: wave web not done",
        ),
        (
            {},
            {"steps": (a_step("failed", 700),)},
            "every server is launched, and the service is not there: step dns not done",
        ),
    ],
)
def test_without_its_steps_the_service_is_not_there(wave, parts, why):
    rto = measured(wave, **parts).objectives.rto

    assert (rto.measured_seconds, rto.last_launched_seconds, rto.outcome, rto.why) == (None, LAST, "not_measured", why)


def test_a_wave_says_both_figures():
    (wave,) = measured({"ready_at": at(700)}).waves

    assert (wave.rto_seconds, wave.last_launched_seconds) == (700, LAST)
