"""Who must agree before a real recovery, whose answer counts, and whether enough answers are recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import RunRefused
from drs_provider.people import COMMAND_LINE, is_said_by_anybody, is_same_person, person_key
from drs_provider.plan.model import Failback, Migration, Pause, Recovery
from drs_provider.rules.purpose import Purpose

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import RecordedAnswer

APPROVE: Final = "Approve"
REJECT: Final = "Reject"
CONTINUE: Final = "Continue"
STOP: Final = "Stop"
COMMIT: Final = "Commit"
ROLL_BACK: Final = "Roll back"

_DEFAULT_TIMEOUT: Final = timedelta(minutes=30)
_CLEAN_UP_TIMEOUT: Final = timedelta(days=7)
"""How long people may look at what runs in the origin before they agree to the end of what they came from."""


@dataclass(frozen=True)
class Policy:
    """Who is asked: ``required`` distinct people of ``approvers`` (empty: anyone who may answer), within ``timeout``.

    ``always``: in every recovery; otherwise only in one that is above ``recovery.max_lag``. ``four_eyes``: the person
    who triggered the run does not count.
    """

    required: int
    approvers: tuple[str, ...]
    timeout: timedelta
    always: bool
    four_eyes: bool


def policy_of(recovery: Recovery) -> Policy | None:
    """Read the plan; None: nobody is ever asked.

    With an approval, a lag above ``max_lag`` stands in what is asked. Without one, it asks one person, whoever.
    """
    approval = recovery.approval
    if approval is not None:
        return Policy(approval.required, approval.approvers, approval.timeout, always=True, four_eyes=True)
    if recovery.max_lag is not None:
        return Policy(1, (), _DEFAULT_TIMEOUT, always=False, four_eyes=False)
    return None


def stop_policy_of(migration: Migration) -> Policy | None:
    """Read who must agree before a migration stops its sources; None: it stops none."""
    agreed = migration.stop_sources
    if agreed is None:
        return None
    return Policy(agreed.required, agreed.approvers, agreed.timeout, always=True, four_eyes=True)


def failback_policy_of(failback: Failback) -> Policy:
    """Read who must agree to the cut-over of a failback.

    Without an approval one person is asked, whoever, where preflight has found something that people have to know.
    """
    agreed = failback.approval
    if agreed is not None:
        return Policy(agreed.required, agreed.approvers, agreed.timeout, always=True, four_eyes=True)
    return Policy(1, (), _DEFAULT_TIMEOUT, always=False, four_eyes=False)


def clean_up_policy_of(failback: Failback) -> Policy:
    """Read who must agree that what a failback has left is destroyed: always somebody else than who started it."""
    approvers = failback.clean_up.approvers if failback.clean_up else ()
    return Policy(1, approvers, _CLEAN_UP_TIMEOUT, always=True, four_eyes=True)


def is_needed(policy: Policy | None, purpose: Purpose, *, too_old: Sequence[str]) -> bool:
    """Tell whether a run for this purpose asks; ``too_old`` are the servers above ``max_lag``."""
    return policy is not None and purpose.asks_for_approval and (policy.always or bool(too_old))


def eligible(policy: Policy, *, triggered_by: str | None) -> tuple[str, ...]:
    """Return the approvers whose answer can count in this run, each person once."""
    people = {person_key(name): name for name in reversed(policy.approvers)}
    return tuple(
        name
        for name in dict.fromkeys(policy.approvers)
        if people[person_key(name)] == name and not (policy.four_eyes and is_same_person(name, triggered_by))
    )


def too_few(policy: Policy, *, triggered_by: str | None, field: str = "recovery.approval") -> str | None:
    """Say why this run can never be approved, before anybody is asked in vain; None: it can.

    :param field: where the plan says who must agree
    """
    if policy.four_eyes and (why := unproven_starter(triggered_by, field)):
        return why
    able = eligible(policy, triggered_by=triggered_by)
    if not policy.approvers or len(able) >= policy.required:
        return None
    return (
        f"{field} needs {policy.required} of {', '.join(policy.approvers)}, and {triggered_by}, who "
        f"triggered this run, does not count: {len(able)} left; let somebody else trigger it"
    )


def unproven_starter(triggered_by: str | None, what: str) -> str | None:
    """Say why nobody can tell who started a run, which ``what`` must know; None: Airflow has seen who signed in.

    Airflow's command line takes the name of the person from its environment: who writes another one there could
    approve a run of his own.
    """
    if not is_said_by_anybody(triggered_by):
        return None
    return (
        f"{what} wants somebody else than who started the run to agree, and this run was started from Airflow's "
        f"command line as {str(triggered_by).removesuffix(COMMAND_LINE)!r}, where anybody can give any name: start it "
        "in Airflow's pages, by its API or with drs run start, which ask for a sign-in"
    )


def not_counted(who: str | None, policy: Policy, *, triggered_by: str | None, earlier: Sequence[str]) -> str | None:
    """Say why an answer does not count; None: it does.

    :param who: the user name of who answered; None: nobody did
    :param earlier: who has approved this run already
    """
    if not who:
        return "no person is recorded as having answered"
    if policy.four_eyes and is_same_person(who, triggered_by):
        return f"{who} triggered this run: somebody else must approve it"
    if policy.approvers and who not in policy.approvers:
        return f"{who} is not among the approvers: {', '.join(policy.approvers)}"
    if any(is_same_person(who, other) for other in earlier):
        return f"{who} has approved already: another person must"
    return None


def ensure_approved(
    policy: Policy,
    answers: "Mapping[str, RecordedAnswer | None]",
    *,
    triggered_by: str | None,
    checked_at: datetime,
    what: str = "the recovery is not approved",
    left_alone: str = "Nothing was launched",
) -> None:
    """Raise RunRefused unless the recorded answers are approvals of enough people, for this very preflight.

    :param answers: what each approval task left, by task id
    :param checked_at: when preflight looked; an approval of an earlier look is no approval of this one
    :param what: what is not approved then
    :param left_alone: what was not done then
    """
    counted: list[str] = []
    for task_id, answer in answers.items():
        if why := _no_approval(answer, policy, triggered_by=triggered_by, checked_at=checked_at, earlier=counted):
            raise RunRefused(
                f"{what}: {task_id}: {why}. {left_alone}; clear {task_id} with everything downstream to ask again"
            )
        counted.append(str(answer and answer.by))
    if len(counted) < policy.required:
        raise RunRefused(f"{what}: {len(counted)} of {policy.required} approvals are recorded")


def _no_approval(
    answer: "RecordedAnswer | None",
    policy: Policy,
    *,
    triggered_by: str | None,
    checked_at: datetime,
    earlier: Sequence[str],
) -> str | None:
    if answer is None:
        return "no answer is recorded (a task that is marked as successful approves nothing)"
    if answer.chosen != APPROVE:
        return f"the recorded answer is {answer.chosen!r}, given by {answer.by}"
    if answer.checked_at != checked_at:
        return "what was approved is an earlier preflight, and preflight has run again since"
    return not_counted(answer.by, policy, triggered_by=triggered_by, earlier=earlier)


def ensure_answered(pause: Pause, task_id: str, answer: "RecordedAnswer | None") -> None:
    """Raise RunRefused unless a pause was ended by one of those who were asked, or by a time-out that may end it."""
    if why := _no_answer(pause, answer):
        raise RunRefused(
            f"the pause has not ended: {task_id}: {why}. Nothing of this wave was launched; clear {task_id} with "
            "everything downstream to ask again"
        )


def _no_answer(pause: Pause, answer: "RecordedAnswer | None") -> str | None:
    if answer is None:
        return "no answer is recorded (a task that is marked as successful answers nothing)"
    if answer.chosen != CONTINUE:
        return f"the recorded answer is {answer.chosen!r}, given by {answer.by}"
    if answer.expired:
        return None if pause.on_timeout == "continue" else "no answer in time"
    if answer.by not in pause.approvers:
        return f"{answer.by} is not among the approvers: {', '.join(pause.approvers)}"
    return None
