"""Who may start what is real, and roll it back: whole messages."""

import pytest
from drs_provider.rules.purpose import ALL_PURPOSES, FAILBACK, MIGRATION, RECOVERY
from drs_provider.rules.roles.managers import (
    EVERYBODY,
    Managers,
    ManagersUnreadable,
    could_roll_back,
    read_managers,
    why_not_begun_anew,
    why_not_rolled_back,
    why_not_started,
    with_roles,
)

NAMED = read_managers("ann, bob")
BY_ROLE = with_roles(read_managers("ann, role:DR lead"), ["carl"], "")
UNKNOWN = with_roles(read_managers("ann,role:DR lead"), None, "the auth manager cannot be asked: OperationalError")
ONLY_ROLE = with_roles(read_managers("role:op"), ["carl"], "")
BY = "a recovery is started by recovery managers only (ann and everybody with role 'DR lead'),"
START = "a recovery is started by recovery managers only (ann and bob)"
SIGN_IN = "start it in Airflow's pages, by its API or with drs run start, which ask for a sign-in"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", EVERYBODY),
        ("  ", EVERYBODY),
        ("ann", Managers(("ann",))),
        (" ann , bob,ann,", Managers(("ann", "bob"))),
        ("role:op", Managers((), ("op",))),
        ("ann,role: DR lead ,role:op", Managers(("ann",), ("DR lead", "op"))),
        ("Role:op", Managers(("Role:op",))),
    ],
)
def test_the_setting_is_read(text, read):
    assert read_managers(text) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",", "[drs] recovery_managers is ',', which names nobody"),
        ("ann,role:", "[drs] recovery_managers is 'ann,role:', and 'role:' in it names no role"),
    ],
)
def test_a_setting_that_names_nobody_does_not_open_the_gate(text, said):
    with pytest.raises(ManagersUnreadable) as refused:
        read_managers(text)
    assert str(refused.value) == said


@pytest.mark.parametrize("purpose", ALL_PURPOSES, ids=str)
@pytest.mark.parametrize("starter", ["mallory", None, "ann (command line)"])
def test_only_what_is_real_needs_a_manager_and_nothing_where_none_is_named(purpose, starter):
    is_real = purpose in (RECOVERY, MIGRATION, FAILBACK)

    assert (why_not_started(NAMED, purpose, starter) is not None) is is_real
    assert why_not_started(EVERYBODY, purpose, starter) is None


@pytest.mark.parametrize(
    ("managers", "starter", "is_part", "said"),
    [
        (NAMED, "ann", False, None),
        (NAMED, "bob", True, None),
        (BY_ROLE, "carl", False, None),
        (ONLY_ROLE, "carl", False, None),
        (UNKNOWN, "ann", False, None),
        (BY_ROLE, "mallory", True, None),  # the preflight of the whole has asked
        (
            NAMED,
            "mallory",
            False,
            (
                f"{START}, and mallory, who started this run, is none of them: ask one of them to start it, or "
                "have mallory added to [drs] recovery_managers"
            ),
        ),
        (
            NAMED,
            "mallory",
            True,
            (
                f"{START}, and mallory, who started this run, is none of them: ask one of them to start it, or "
                "have mallory added to [drs] recovery_managers"
            ),
        ),
        (
            NAMED,
            "Ann",
            False,
            (
                f"{START}, and Ann, who started this run, is none of them: ask one of them to start it, or have "
                "Ann added to [drs] recovery_managers"
            ),
        ),
        (
            NAMED,
            "ann (command line)",
            False,
            (
                f"{START}, and this run was started from Airflow's command line as 'ann', where anybody can give any "
                f"name: {SIGN_IN}"
            ),
        ),
        (
            NAMED,
            None,
            False,
            (
                f"{START}, and Airflow does not say who started this run: start it signed in, in Airflow's pages, by "
                "its API or with drs run start"
            ),
        ),
        (
            BY_ROLE,
            "mallory",
            False,
            (
                f"{BY} and mallory, who "
                "started this run, is none of them: ask one of them to start it, or have mallory added to [drs] "
                "recovery_managers and role 'DR lead'"
            ),
        ),
        (
            UNKNOWN,
            "carl",
            False,
            (
                f"{BY} and nobody can "
                "tell whether carl, who started this run, has such a role: the auth manager cannot be asked: "
                "OperationalError. Let one of those start it who are named, or name carl in [drs] recovery_managers"
            ),
        ),
        (
            UNKNOWN,
            "carl (command line)",
            False,
            (
                f"{BY} and this run was "
                f"started from Airflow's command line as 'carl', where anybody can give any name: {SIGN_IN}"
            ),
        ),
    ],
)
def test_who_starts_a_recovery(managers, starter, is_part, said):
    assert why_not_started(managers, RECOVERY, starter, is_part=is_part) == said


@pytest.mark.parametrize("purpose", ALL_PURPOSES, ids=str)
def test_what_only_managers_start_is_not_begun_anew_by_a_clear(purpose):
    is_real = purpose in (RECOVERY, MIGRATION, FAILBACK)

    assert why_not_begun_anew(EVERYBODY, purpose) is None
    assert (why_not_begun_anew(NAMED, purpose) is not None) is is_real
    assert why_not_begun_anew(NAMED, RECOVERY) == (
        f"{START}, and somebody has cleared this run, Airflow does not say who: let one of them start a new run"
    )


@pytest.mark.parametrize(
    ("managers", "who", "said"),
    [
        (EVERYBODY, "mallory", None),
        (NAMED, "ann", None),
        (BY_ROLE, "carl", None),
        (NAMED, "mallory", "only recovery managers roll back (ann and bob), and mallory is none of them"),
        (
            UNKNOWN,
            "carl",
            (
                "only recovery managers roll back (ann and everybody with role 'DR lead'), and nobody can tell whether "
                "carl is one: the auth manager cannot be asked: OperationalError"
            ),
        ),
        (
            Managers(problem="[drs] recovery_managers is ',', which names nobody"),
            "ann",
            (
                "only recovery managers roll back (nobody now), and nobody can tell whether ann is one: [drs] "
                "recovery_managers is ',', which names nobody"
            ),
        ),
    ],
)
def test_who_rolls_back(managers, who, said):
    assert why_not_rolled_back(managers, who) == said
    assert could_roll_back(managers, [who]) == (() if said else (who,))
