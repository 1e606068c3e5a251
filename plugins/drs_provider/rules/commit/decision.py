"""Whose answer to "commit or roll back" counts, and whether a roll back was decided by those who may."""

from collections.abc import Iterable
from typing import Final

from drs_provider.exceptions import RunRefused
from drs_provider.people import is_same_person, person_key
from drs_provider.plan.model import Commit
from drs_provider.rules.roles.managers import EVERYBODY, Managers, could_roll_back, why_not_rolled_back
from drs_provider.rules.run.approvals import COMMIT, ROLL_BACK, unproven_starter
from drs_provider.rules.run.handover import CommitDecision

_WHAT: Final = "a roll back"


def may_roll_back(policy: Commit, starters: Iterable[str | None], managers: Managers = EVERYBODY) -> tuple[str, ...]:
    """Return the approvers whose *Roll back* can count in this run, each person once.

    :param starters: who started the run, and the run of another plan that it is a step of
    :param managers: who the recovery managers are
    """
    begun = tuple(starters)
    if any(unproven_starter(starter, _WHAT) for starter in begun):
        return ()
    people = {person_key(name): name for name in reversed(policy.approvers)}
    return tuple(
        name
        for name in could_roll_back(managers, dict.fromkeys(policy.approvers))
        if people[person_key(name)] == name and not any(is_same_person(name, starter) for starter in begun)
    )


def not_counted(
    option: str,
    who: str | None,
    comment: str | None,
    policy: Commit,
    *,
    starters: Iterable[str | None],
    managers: Managers = EVERYBODY,
) -> str | None:
    """Say why an answer does not count; None: it does.

    A commit destroys nothing: one of the approvers decides it, be it the one who started the run. A roll back needs
    four eyes, a reason, and a recovery manager where the configuration names any.

    :param who: the user name of who answered; None: nobody is known to have
    """
    if not who:
        return "no person is recorded as having answered"
    if who not in policy.approvers:
        return f"{who} is not among the approvers: {', '.join(policy.approvers)}"
    if option not in (COMMIT, ROLL_BACK):
        return f"{option!r} is no answer to this question"
    if option == COMMIT:
        return None
    return why_not_rolled_back(managers, who) or _no_four_eyes(who, comment, tuple(starters))


def _no_four_eyes(who: str, comment: str | None, begun: tuple[str | None, ...]) -> str | None:
    """Say why an approver's *Roll back* does not count; None: it does."""
    if why := next((why for starter in begun if (why := unproven_starter(starter, _WHAT))), None):
        return why
    if any(is_same_person(who, starter) for starter in begun):
        return f"{who} started this run: somebody else must agree to its roll back"
    if not comment:
        return "a roll back needs a reason: write it into the comment beside the answer"
    return None


def insists(comment: str | None, plan: str) -> bool:
    """Tell whether a reason begins with the plan's name and a colon.

    Who rolls back servers that nothing protects any more types it, as who starts a recovery does.
    """
    return (comment or "").lstrip().startswith(f"{plan}:")


def ensure_agreed(
    decision: CommitDecision,
    policy: Commit,
    *,
    plan: str,
    starters: Iterable[str | None],
    managers: Managers = EVERYBODY,
) -> None:
    """Raise RunRefused unless those who may have decided this roll back, or the plan's policy has.

    :param decision: as the task that asks has signed it
    """
    if why := _no_agreement(decision, policy, plan, tuple(starters), managers):
        raise RunRefused(f"{plan} is not rolled back: {why}. Nothing was terminated")


def _no_agreement(
    decision: CommitDecision, policy: Commit, plan: str, starters: tuple[str | None, ...], managers: Managers
) -> str | None:
    if decision.kind != "roll_back":
        return f"what was decided is {decision.kind}"
    if decision.insists and not insists(decision.comment, plan):
        return f"the reason does not begin with {plan}:, which it must where sources are not replicated"
    if not decision.expired:
        return not_counted(ROLL_BACK, decision.by, decision.comment, policy, starters=starters, managers=managers)
    if policy.on_timeout != "roll_back":
        return f"nobody answered in time, and recovery.commit.on_timeout is {policy.on_timeout}"
    return None
