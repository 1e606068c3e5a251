"""Whose answer to commit or roll back counts."""

from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.people import COMMAND_LINE
from drs_provider.plan.model import Commit
from drs_provider.rules.commit.decision import ensure_agreed, insists, may_roll_back, not_counted
from drs_provider.rules.roles.managers import Managers
from drs_provider.rules.run.handover import CommitDecision

POLICY = Commit(approvers=("ann", "bob", "Ann"))
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("option", "who", "comment", "starters", "why"),
    [
        ("Commit", "ann", None, ("ann",), None),
        ("Commit", "bob", None, ("ann",), None),
        ("Commit", "eve", None, (), "eve is not among the approvers: ann, bob, Ann"),
        ("Commit", None, None, (), "no person is recorded as having answered"),
        ("Cancel", "ann", None, (), "'Cancel' is no answer to this question"),
        ("Roll back", "bob", "the source is back", ("ann",), None),
        ("Roll back", "bob", None, ("ann",), "a roll back needs a reason: write it into the comment beside the answer"),
        ("Roll back", "bob", "", ("ann",), "a roll back needs a reason: write it into the comment beside the answer"),
        ("Roll back", "ann", "x", ("ann",), "ann started this run: somebody else must agree to its roll back"),
        ("Roll back", "Ann", "x", ("ann",), "Ann started this run: somebody else must agree to its roll back"),
        ("Roll back", "ann", "x", (None, "ann"), "ann started this run: somebody else must agree to its roll back"),
        (
            "Roll back",
            "bob",
            "x",
            (f"ann{COMMAND_LINE}",),
            (
                "a roll back wants somebody else than who started the run to agree, and this run was started from "
                "Airflow's command line as 'ann', where anybody can give any name: start it in Airflow's pages, by "
                "its API or with drs run start, which ask for a sign-in"
            ),
        ),
    ],
)
def test_who_counts(option, who, comment, starters, why):
    assert not_counted(option, who, comment, POLICY, starters=starters) == why


@pytest.mark.parametrize(
    ("option", "who", "managers", "why"),
    [
        ("Commit", "bob", Managers(("ann",)), None),
        ("Roll back", "bob", Managers(("bob",)), None),
        ("Roll back", "bob", Managers(("ann",)), "only recovery managers roll back (ann), and bob is none of them"),
        ("Roll back", "eve", Managers(("eve",)), "eve is not among the approvers: ann, bob, Ann"),
    ],
)
def test_a_roll_back_is_decided_by_a_recovery_manager_where_any_are_named(option, who, managers, why):
    assert not_counted(option, who, "the source is back", POLICY, starters=(), managers=managers) == why


def test_nobody_else_is_asked_for_a_roll_back_or_obeyed():
    managers = Managers(("bob",))
    decision = CommitDecision(kind="roll_back", by="ann", at=AT, comment="x")

    assert may_roll_back(POLICY, (), managers) == ("bob",)
    with pytest.raises(RunRefused) as refused:
        ensure_agreed(decision, POLICY, plan="shop", starters=(), managers=managers)
    assert str(refused.value) == (
        "shop is not rolled back: only recovery managers roll back (bob), and ann is none of them. Nothing was "
        "terminated"
    )
    ensure_agreed(decision.model_copy(update={"by": "bob"}), POLICY, plan="shop", starters=(), managers=managers)


def test_who_may_roll_back_is_everybody_once_but_the_starter():
    assert may_roll_back(POLICY, ("ann",)) == ("bob",)
    assert may_roll_back(POLICY, (None,)) == ("ann", "bob")
    assert may_roll_back(POLICY, (None, f"eve{COMMAND_LINE}")) == ()
    assert may_roll_back(Commit(approvers=("ann",)), (None, "Ann")) == ()


@pytest.mark.parametrize(
    ("comment", "does"),
    [
        ("web-shop: the site is lost anyway", True),
        (" web-shop: indented", True),
        ("I know: web-shop", False),
        ("web-shop is back at its source", False),
        ("my-web-shop: x", False),
        ("web-shop-2: x", False),
        ("web: x", False),
        ("", False),
        (None, False),
    ],
)
def test_who_insists_names_the_plan(comment, does):
    assert insists(comment, "web-shop") is does


def decision(**more):
    return CommitDecision(**{"kind": "roll_back", "by": "bob", "at": AT, "comment": "shop is back", **more})


@pytest.mark.parametrize(
    ("made", "on_timeout", "why"),
    [
        (decision(), "ask", None),
        (decision(insists=True, comment="shop: gone anyway"), "ask", None),
        (decision(by=None, expired=True, comment=None), "roll_back", None),
        (decision(kind="commit"), "ask", "what was decided is commit"),
        (decision(by=None, expired=True), "ask", "nobody answered in time, and recovery.commit.on_timeout is ask"),
        (
            decision(by=None, expired=True),
            "commit",
            "nobody answered in time, and recovery.commit.on_timeout is commit",
        ),
        (decision(by="ann"), "ask", "ann started this run: somebody else must agree to its roll back"),
        (decision(by="eve"), "ask", "eve is not among the approvers: ann, bob"),
        (decision(comment=None), "ask", "a roll back needs a reason: write it into the comment beside the answer"),
        (
            decision(insists=True, comment="just do it"),
            "ask",
            "the reason does not begin with shop:, which it must where sources are not replicated",
        ),
    ],
)
def test_a_decision_is_looked_at_again_before_anything_goes(made, on_timeout, why):
    policy = Commit(approvers=("ann", "bob"), on_timeout=on_timeout)

    if why is None:
        ensure_agreed(made, policy, plan="shop", starters=("ann",))
        return
    with pytest.raises(RunRefused) as refused:
        ensure_agreed(made, policy, plan="shop", starters=("ann",))
    assert str(refused.value) == f"shop is not rolled back: {why}. Nothing was terminated"
