"""What follows from what a run is for."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from drs_provider.exceptions import PreflightRefused
from drs_provider.plan.model import Drill, Failback, Recovery, RecoveryPlan, VpcNetwork, Wave
from drs_provider.rules.purpose import (
    ALL_PURPOSES,
    CHECK,
    DRILL,
    FAILBACK,
    FAILBACK_DRILL,
    MIGRATION,
    PURPOSES,
    PURPOSES_BACK,
    RECOVERY,
    REPROTECT,
    Purpose,
    find_purpose,
    no_mode,
    purpose_of,
)
from drs_provider.steps.wait import Wait
from hypothesis import given
from hypothesis import strategies as st

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def plan(*, drill: Drill | None = None, recovery: Recovery | None = None, rpo: timedelta | None = None) -> RecoveryPlan:
    return RecoveryPlan(
        kind="RecoveryPlan",
        name="p",
        rpo=rpo,
        drill=drill or Drill(),
        recovery=recovery or Recovery(),
        waves=(Wave(name="a"),),
    )


ANSWERS = {
    "title": ("Drill", "Recovery", "Planned migration", "Check"),
    "form_label": (
        "Drill: launch, check, clean up",
        "Recovery: production comes up here",
        "Planned migration: stop the writes, lose no data, production comes up here",
        "Check: look at everything, launch nothing",
    ),
    "section": ("drill", "recovery", "recovery", "drill"),
    "may_be_scheduled": (True, False, False, True),
    "needs_confirmation": (False, True, True, False),
    "needs_reason": (False, True, True, False),
    "needs_recovery_manager": (False, True, True, False),
    "asks_for_approval": (False, True, True, False),
    "overlaps": (False, True, True, True),
    "is_drill": (True, False, False, True),
    "uses_drill_network": (True, False, False, True),
    "uses_drill_settings": (True, False, False, True),
    "protects_instances": (False, True, True, False),
    "retries_over_instance": (True, False, False, False),
    "refuses_broken_source": (True, False, True, True),
    "pins_broken_source": (False, True, False, False),
    "refuses_changed_settings": (True, False, False, True),
    "yields": (True, False, False, False),
    "is_temporary": (True, False, False, True),
    "is_priced": (True, False, False, True),
    "asks_to_commit": (False, True, True, False),
    "proves_plan": (True, False, False, False),
    "may_replace_recovered": (False, True, True, False),
    "spares_others_drills": (True, False, False, True),
    "loses_silent_places": (False, True, False, False),
    "good_verdict": ("passed", "completed", "completed", "checked"),
    "after_failure": (
        "then start the drill again",
        "then clear the wave's tasks in Airflow to launch what is not there",
        "then clear the wave's tasks in Airflow to launch what is not there",
        "then check again",
    ),
    "launches": (True, True, True, False),
    "copies": (False, False, False, False),
    "is_on_the_way_back": (False, False, False, False),
    "minds_other_runs": (True, True, True, False),
    "quiesces": (False, False, True, False),
}


@pytest.mark.parametrize("question", [field.name for field in fields(Purpose) if field.name != "name"])
def test_every_kind_of_run_answers_every_question(question: str) -> None:
    assert tuple(getattr(purpose, question) for purpose in (DRILL, RECOVERY, MIGRATION, CHECK)) == ANSWERS[question]


def test_a_mode_is_read_as_exact_text() -> None:
    assert purpose_of("drill") is DRILL
    assert purpose_of("recovery") is RECOVERY
    assert purpose_of("migration") is MIGRATION
    assert purpose_of("check") is CHECK
    assert [str(purpose) for purpose in PURPOSES] == ["drill", "recovery", "migration", "check"]


class EqualsEverything:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize(
    "mode", ["Drill", "drill ", "Check", "checks", "", None, True, False, 0, "True", b"drill", ["drill"]]
)
def test_what_is_no_mode_is_refused(mode: object) -> None:
    with pytest.raises(PreflightRefused) as refused:
        purpose_of(mode)

    assert refused.value.findings == (f"mode {mode!r} is neither 'drill' nor 'recovery' nor 'migration' nor 'check'",)
    assert no_mode(mode) == refused.value.findings[0]
    assert find_purpose(mode) is None
    assert no_mode(mode, PURPOSES_BACK) == f"mode {mode!r} is neither 'reprotect' nor 'failback_drill' nor 'failback'"


def test_a_run_of_the_way_back_is_none_of_the_plans_own_dag() -> None:
    with pytest.raises(PreflightRefused):
        purpose_of("reprotect")

    assert purpose_of("reprotect", PURPOSES_BACK) is REPROTECT
    assert find_purpose("reprotect") is REPROTECT
    assert find_purpose("drill", PURPOSES_BACK) is None
    assert all(purpose.is_on_the_way_back for purpose in PURPOSES_BACK)


def test_a_reprotection_launches_stops_and_replaces_nothing() -> None:
    told = ("launches", "is_drill", "may_be_scheduled", "may_replace_recovered", "is_temporary", "cleans_up", "yields")

    assert [name for name in told if getattr(REPROTECT, name)] == []
    assert (REPROTECT.copies, REPROTECT.only_looks, CHECK.only_looks) == (True, False, True)


def test_a_failback_drill_is_a_drill_that_only_people_start() -> None:
    told = ("is_drill", "is_temporary", "cleans_up", "yields", "uses_drill_network", "is_on_the_way_back")
    never = ("may_be_scheduled", "may_replace_recovered", "proves_plan", "copies", "uses_drill_settings", "only_looks")

    assert [name for name in told if not getattr(FAILBACK_DRILL, name)] == []
    assert [name for name in never if getattr(FAILBACK_DRILL, name)] == []


def test_a_failback_is_a_planned_recovery_that_replaces_nothing_and_is_for_good() -> None:
    told = {field.name: getattr(FAILBACK, field.name) for field in fields(Purpose)}
    others = {name: value for name, value in told.items() if value != getattr(MIGRATION, name)}

    assert others == {
        "name": "failback",
        "title": "Failback",
        "form_label": "Failback: stop the writes, production goes back to its origin and is protected again",
        "section": "failback",
        "is_on_the_way_back": True,
        "may_replace_recovered": False,
        "asks_to_commit": False,
    }
    assert [purpose.name for purpose in (*PURPOSES, *PURPOSES_BACK) if purpose.cuts_over] == ["failback"]


def test_people_are_asked_above_the_lag_of_the_way_back_or_of_the_plan() -> None:
    with_lag = plan(rpo=HOUR).model_copy(update={"failback": Failback(max_lag=MINUTE)})

    assert FAILBACK.lag_that_asks(with_lag) == MINUTE
    assert FAILBACK.lag_that_asks(plan(rpo=HOUR)) == HOUR
    assert FAILBACK.lag_that_asks(plan()) is None
    assert FAILBACK.max_lag(with_lag) is None


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text())))
def test_only_the_words_are_modes(mode: object) -> None:
    found = find_purpose(mode)
    words = ("drill", "recovery", "migration", "check", "reprotect", "failback_drill", "failback")

    assert (found.name if found else None) == (mode if mode in words else None)


def test_what_equals_everything_is_no_mode() -> None:
    assert find_purpose(EqualsEverything()) is None


@pytest.mark.parametrize(
    ("purpose", "drill_lag", "recovery_lag", "rpo", "most"),
    [
        (DRILL, HOUR, None, None, HOUR),
        (DRILL, None, HOUR, None, None),
        (DRILL, None, HOUR, MINUTE, MINUTE),
        (RECOVERY, HOUR, None, None, None),
        (RECOVERY, HOUR, 2 * HOUR, MINUTE, 2 * HOUR),
        (RECOVERY, HOUR, None, MINUTE, MINUTE),
    ],
)
def test_the_lag_that_is_allowed_is_the_sections_own_else_the_rpo(
    purpose: Purpose,
    drill_lag: timedelta | None,
    recovery_lag: timedelta | None,
    rpo: timedelta | None,
    most: timedelta | None,
) -> None:
    written = plan(drill=Drill(max_lag=drill_lag), recovery=Recovery(max_lag=recovery_lag), rpo=rpo)

    assert purpose.max_lag(written) == most


def test_a_lag_asks_people_in_a_recovery_only() -> None:
    written = plan(recovery=Recovery(max_lag=HOUR), rpo=MINUTE)

    assert (DRILL.lag_that_asks(written), RECOVERY.lag_that_asks(written)) == (None, HOUR)
    assert RECOVERY.lag_that_asks(plan(rpo=MINUTE)) is None


STANDING = VpcNetwork(vpc="vpc-0123456789abcdef0")


@pytest.mark.parametrize(
    ("purpose", "drill", "network", "is_own"),
    [
        (DRILL, Drill(), "isolated", True),
        (DRILL, Drill(network="shared"), "shared", False),
        (DRILL, Drill(network=STANDING), STANDING, True),
        (RECOVERY, Drill(), "shared", False),
        (RECOVERY, Drill(network=STANDING), "shared", False),
    ],
)
def test_only_a_drill_launches_into_a_network_of_its_own(
    purpose: Purpose, drill: Drill, network: object, *, is_own: bool
) -> None:
    assert (purpose.network(plan(drill=drill)), purpose.has_own_network(plan(drill=drill))) == (network, is_own)


def test_only_what_is_temporary_is_kept_for_people() -> None:
    written = plan(drill=Drill(keep_for=HOUR))

    assert (DRILL.keep_for(written), RECOVERY.keep_for(written)) == (HOUR, timedelta(0))


@pytest.mark.parametrize(
    ("when", "drill", "recovery"),
    [("always", True, True), ("drill", True, False), ("recovery", False, True)],
)
def test_a_step_takes_place_in_the_runs_that_it_is_for(when: str, *, drill: bool, recovery: bool) -> None:
    step = Wait.model_validate({"kind": "wait", "name": "settle", "for": "5m", "when": when})

    assert (DRILL.takes_step(step), RECOVERY.takes_step(step)) == (drill, recovery)
    assert (CHECK.plans_step(step), RECOVERY.plans_step(step)) == (drill, recovery)
    assert not any(purpose.takes_step(step) for purpose in ALL_PURPOSES if not purpose.launches)


@pytest.mark.parametrize("when", ["always", "failback"])
def test_a_reprotection_takes_no_step_of_the_failback_that_comes_after_it(when: str) -> None:
    step = Wait.model_validate({"kind": "wait", "name": "stop-writes", "for": "5m", "when": when})

    assert (REPROTECT.takes_step(step), FAILBACK.takes_step(step)) == (False, True)


def test_what_is_wrong_with_a_source_refuses_a_drill_and_warns_in_a_recovery() -> None:
    assert (DRILL.severity, RECOVERY.severity, CHECK.severity) == ("refusal", "warning", "refusal")


def test_what_others_hold_only_warns_in_a_check() -> None:
    held = tuple(purpose.holding_severity for purpose in (DRILL, RECOVERY, CHECK))

    assert held == ("refusal", "warning", "warning")


def test_only_a_drill_has_something_to_clean_up() -> None:
    assert [purpose.cleans_up for purpose in (DRILL, RECOVERY, CHECK)] == [True, False, False]


def test_a_purpose_is_the_same_however_it_was_come_by() -> None:
    assert replace(DRILL) == DRILL
    assert len({DRILL, replace(DRILL), RECOVERY}) == 2
