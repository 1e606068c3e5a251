"""The verdict on a failback, by how it ended after its waves: whole sentences."""

from typing import Any

import pytest
from drs_provider.report.evidence import HomeStep, PreflightEvidence, RunEvidence, ServerEvidence, WaveEvidence
from drs_provider.report.measure import measure
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus
from kit.evidence import at, some_facts

UP = (
    WaveEvidence(
        name="db",
        state=WaveStatus.LAUNCHED,
        servers=tuple(
            ServerEvidence(server_id=f"s-{name}", hostname=name, status=ServerStatus.LAUNCHED, instance_id=f"i-{name}")
            for name in ("db1", "db2")
        ),
    ),
)


SAID = {"s-db1": "protected", "s-db2": "protected"}


def ended(protect: Any = "done", agree: Any = "done", remove: Any = "done", rest: Any = "done") -> tuple[HomeStep, ...]:
    """The four tasks; a text that is no state is the error of a task that has failed."""
    tasks = {"protect_again": protect, "agree": agree, "remove_recovered": remove, "at_rest": rest}
    return tuple(
        HomeStep(
            task=f"finish.{does}",
            does=does,  # type: ignore[arg-type]
            state="failed" if " " in how else how,
            error=how if " " in how else None,
            done=SAID if how == "done" and does in ("protect_again", "at_rest") else {},
        )
        for does, how in tasks.items()
    )


def verdict(
    home: tuple[HomeStep, ...], waves: tuple[WaveEvidence, ...] = UP, *, cancelled: str | None = None
) -> tuple[str, str]:
    report = measure(
        RunEvidence(
            run=some_facts(mode="failback", dag_id="drs.web-shop.failback"),
            preflight=PreflightEvidence(passed=True, checked_at=at(1)),
            waves=waves,
            home=home,
            cancelled=cancelled,
            finished_at=at(7200),
        )
    )
    return report.verdict, report.verdict_reason


@pytest.mark.parametrize(
    ("home", "word", "reason"),
    [
        (
            ended(),
            "completed",
            "2 servers in 1 wave run in their origin, are protected from there, and are at rest.",
        ),
        (ended(agree="skipped", remove="skipped"), "completed", None),
        (
            ended("db1 is behind", "not_reached", "not_reached", "not_reached"),
            "failed",
            "What runs in its origin is not protected again: db1 is behind.",
        ),
        (
            ended("not_reached", "not_reached", "not_reached", "not_reached"),
            "failed",
            "What runs in its origin is not protected again: finish.protect_again was not reached.",
        ),
        (
            ended("unproven"),
            "failed",
            (
                "What runs in its origin is not protected again: finish.protect_again is marked as successful and left "
                "no result."
            ),
        ),
        (
            ended(agree="bob rejected the clean-up", remove="not_reached", rest="not_reached"),
            "completed_with_exceptions",
            "What was recovered is kept, for nobody has agreed to its end: bob rejected the clean-up.",
        ),
        (
            ended(remove="access is denied", rest="not_reached"),
            "failed",
            ("What was recovered is not removed: access is denied; not at rest: finish.at_rest was not reached."),
        ),
        (ended(rest="db1 is left"), "failed", "Not at rest: db1 is left."),
        (ended(remove="unproven"), "failed", None),
        (
            ended("skipped", "skipped", "skipped", "skipped"),
            "failed",
            "What runs in its origin is not known to be protected again: db1, db2.",
        ),
        (
            ended("skipped"),
            "failed",
            "What runs in its origin is not known to be protected again: db1, db2.",
        ),
        (ended(rest="skipped"), "completed_with_exceptions", "Not known to be at rest: db1, db2."),
        ((), "failed", "What runs in its origin is not known to be protected again: db1, db2."),
    ],
)
def test_completed_is_said_only_of_what_is_protected_and_at_rest(
    home: tuple[HomeStep, ...], word: str, reason: str | None
) -> None:
    found = verdict(home)

    assert found[0] == word
    assert reason is None or found[1] == reason


def test_what_was_left_of_servers_that_are_not_critical_is_an_exception() -> None:
    *others, rest = ended()
    word, reason = verdict(
        (*others, rest.model_copy(update={"done": {"s-db1": "at rest"}, "left": {"s-db2": "protected, not at rest"}}))
    )

    assert (word, reason) == ("completed_with_exceptions", "Not at rest: db2 (protected, not at rest).")


@pytest.mark.parametrize("does", ["protect_again", "at_rest"])
def test_one_server_of_which_nothing_is_said_is_named(does: str) -> None:
    steps = [step.model_copy(update={"done": {"s-db1": "yes"}}) if step.does == does else step for step in ended()]

    assert verdict(tuple(steps)) == (
        ("failed", "What runs in its origin is not known to be protected again: db2.")
        if does == "protect_again"
        else ("completed_with_exceptions", "Not known to be at rest: db2.")
    )


@pytest.mark.parametrize(
    ("home", "reason"),
    [
        (
            ended("ann has cancelled the run", *["not_reached"] * 3),
            "Ann cancelled it; what runs in its origin is not protected again: ann has cancelled the run",
        ),
        (
            ended(agree="not_reached", remove="not_reached", rest="not_reached"),
            (
                "Ann cancelled it; what was recovered is kept, for nobody has agreed to its end: finish.agree was not "
                "reached."
            ),
        ),
        (ended(), "Ann cancelled it; everything had been launched by then."),
    ],
)
def test_a_cancelled_failback_says_what_is_not_protected(home: tuple[HomeStep, ...], reason: str) -> None:
    word, said = verdict(home, cancelled="ann cancelled it")

    assert word == "cancelled"
    assert said.startswith(reason)


def test_a_run_that_launched_nothing_says_nothing_of_its_end() -> None:
    down = WaveEvidence(name="db", state=WaveStatus.NOT_STARTED)
    word, reason = verdict(ended(*["not_reached"] * 4), (down,))

    assert word == "failed"
    assert "protected" not in reason
