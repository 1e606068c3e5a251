"""What people are asked at the end of a recovery or a migration, and how the question stands, in words."""

from collections.abc import Sequence
from typing import Final

from drs_provider.formatting import escaped, plural, some, timespan
from drs_provider.plan.model import Commit
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.approvals import COMMIT, ROLL_BACK
from drs_provider.rules.run.handover import CommitRecord
from drs_provider.rules.run.state.commit_state import SILENCE

_MOST_SHOWN: Final = 40
_MOST_REASONS: Final = 10
_ROLLS_BACK: Final = (
    "It puts the launch settings back and leaves the sources replicating. What was written on these instances is "
    "lost. It needs a reason."
)
_REPLACED: Final = "Live recovered instances were replaced by this run: a roll back does not bring them back."

_WRITES: Final = (
    "The steps that stopped the writes are not undone: after a roll back, let the application write to the sources "
    "again."
)


def subject(plan: str, purpose: Purpose) -> str:
    """Word what people are asked, in one line."""
    return f"The {purpose} of {plan} is up: commit or roll back?"


def otherwise(policy: Commit) -> str:
    """Say what happens without an answer."""
    return SILENCE[policy.on_timeout]


def text(
    plan: str,
    policy: Commit,
    record: CommitRecord,
    *,
    purpose: Purpose,
    able: Sequence[str],
    replaced_live: bool,
    progress: str,
    parts: Sequence[str] = (),
) -> str:
    """Say in Markdown what stands, what a roll back would destroy, and until when people have time.

    :param purpose: what the run is for
    :param able: the approvers whose *Roll back* can count in this run
    :param replaced_live: whether the run was told to replace live recovered instances
    :param progress: how far the run came, in a sentence
    :param parts: the other plans that the run has run, which ask for themselves
    """
    instances = plural(len(record.instances), "instance")
    lines = [
        f"**The {purpose} of {escaped(plan)} is up, and nothing of it is final yet.** {progress}",
        "",
        f"*{COMMIT}* keeps everything that runs. Nothing is destroyed or changed.",
        f"*{ROLL_BACK}* **terminates the {instances} below with their disks**. {_ROLLS_BACK}",
        *_cannot(record, plan),
        *([_REPLACED] if replaced_live else []),
        *([_WRITES] if purpose.quiesces else []),
        *([f"The recoveries of {escaped(', '.join(parts))} ask for themselves."] if parts else []),
        "",
        f"Asked: {escaped(', '.join(policy.approvers))}. {_who(able)}",
        f"Without an answer within {timespan(policy.within)}, {otherwise(policy)}.",
        "",
        *_instances(record),
        *_stays(record),
    ]
    return "\n".join(lines)


def _who(able: Sequence[str]) -> str:
    if not able:
        return (
            "Nobody of them can roll back: whoever started the run does not count, nor does any answer where it was "
            "started from Airflow's command line."
        )
    return f"For *{ROLL_BACK}*, of them: {escaped(', '.join(able))}."


def _cannot(record: CommitRecord, plan: str) -> list[str]:
    if record.problem:
        return ["", f"**What is up could not be looked at: {escaped(record.problem)}**"]
    if not record.against:
        return []
    more = len(record.against) - _MOST_REASONS
    return [
        "",
        "**A roll back is refused as things are:**",
        "",
        *(f"- {escaped(reason)}" for reason in record.against[:_MOST_REASONS]),
        *([f"- and {more} more"] if more > 0 else []),
        "",
        f"Where only replication speaks against it, begin the reason with {escaped(plan)}: to roll back all the same.",
    ]


def _stays(record: CommitRecord) -> list[str]:
    """Say what no roll back terminates, and what may still come up."""
    kept = [f"{name}: {why}" for name, why in record.kept.items()]
    more = len(kept) - _MOST_REASONS
    return [
        *(["", "**Stays, whatever is answered:**", ""] if kept else []),
        *(f"- {escaped(line)}" for line in kept[:_MOST_REASONS]),
        *([f"- and {more} more"] if more > 0 else []),
        *(["", f"Still launching: {escaped(some(record.running))}."] if record.running else []),
    ]


def _instances(record: CommitRecord) -> list[str]:
    rows = [
        f"| {escaped(found.hostname)} | {found.instance_id} | {escaped(found.where)} | {found.state or '-'} |"
        for found in record.instances
    ]
    more = [f"| and {len(rows) - _MOST_SHOWN} more | | | |"] if len(rows) > _MOST_SHOWN else []
    return ["| server | instance | where | state |", "|---|---|---|---|", *rows[:_MOST_SHOWN], *more]
