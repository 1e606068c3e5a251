"""Which permissions a run needs, and what the answers of IAM's policy simulation say of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from drs_provider.rules.findings import Finding
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.servers import Answer

Bite = Literal[
    "call",
    "start",
    "conversion",
    "clean_up",
    "roll_back",
    "settings",
    "protection",
    "ahead",
    "reversal",
    "clients",
    "removal",
    "sources",
]
"""When a missing permission shows: in a call of this package, or in what DRS does in EC2 for the caller."""

BITES: Final[Mapping[Bite, str]] = {
    "call": "at the call itself, which is refused",
    "start": "at once: the job is COMPLETED after a second, every server FAILED, and its log gives no reason",
    "conversion": "after some five minutes of conversion, as LAUNCH_FAILED",
    "clean_up": "in the clean-up: the drill's instances stay and cost money",
    "roll_back": "in a roll back: what the recovery launched stays, and the run fails",
    "settings": "before the wave: its launch settings cannot be brought to what the plan wants",
    "protection": "after the launch: recovered instances are not protected from termination",
    "ahead": "when a wave's turn comes: instances that were launched ahead stay stopped",
    "reversal": "at the reversal: nothing is replicated back, or protected again after a failback",
    "clients": "after the last sync: no machine of a data centre is converted, with the writes stopped by then",
    "removal": "in the clean-up after a failback: FAILBACK servers and recovered instances stay and cost money",
    "sources": "after the last sync: the sources cannot be stopped, and nothing is launched",
}

_CALLS: Final = (
    "drs:StartRecovery",
    "drs:TagResource",
    "drs:DescribeJobLogItems",
    "drs:GetLaunchConfiguration",
    "drs:DescribeLaunchConfigurationTemplates",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceStatus",
)
_START: Final = (
    "ec2:AttachVolume",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:CreateVolume",
    "ec2:DeleteSnapshot",
    "ec2:DeleteVolume",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DetachVolume",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:StopInstances",
    "drs:DescribeReplicationConfigurationTemplates",
)
_CONVERSION: Final = (
    "drs:CreateRecoveryInstanceForDrs",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DeleteLaunchTemplateVersions",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyLaunchTemplate",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:TerminateInstances",
)
_PASS_ROLE: Final = ("iam:PassRole",)
_SETTINGS: Final = (
    "drs:UpdateLaunchConfiguration",
    "drs:UntagResource",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:ModifyLaunchTemplate",
)
_ACTIONS: Final = ("drs:ListLaunchActions", "drs:PutLaunchAction", "drs:DeleteLaunchAction", "ssm:DescribeDocument")

_REVERSAL: Final = ("drs:ReverseReplication", "drs:DescribeReplicationConfigurationTemplates")
_CLIENTS: Final = ("drs:StartFailbackLaunch", "drs:DescribeJobLogItems", "drs:StopFailback")
_REMOVAL_HERE: Final = (
    "drs:TerminateRecoveryInstances",
    "drs:DeleteRecoveryInstance",
    "ec2:ModifyInstanceAttribute",
)
_REMOVAL_IN_ORIGIN: Final = (
    "drs:StopReplication",
    "drs:DeleteRecoveryInstance",
    "drs:DisconnectSourceServer",
    "drs:DeleteSourceServer",
)

MOST_NAMED: Final = 12
"""Actions that stand in one line; the table of the permissions page has all."""


@dataclass(frozen=True)
class PermissionQuestion:
    """Actions that are asked of IAM together. ``by_drs``: DRS calls them for the caller (``aws:CalledVia``).

    ``mode`` is what they are tagged with, ``drill`` or ``recovery``: policies tell the two apart by it.
    """

    bite: Bite
    actions: tuple[str, ...]
    by_drs: bool = False
    mode: str = ""


@dataclass(frozen=True)
class Caller:
    """Who calls: an ARN that IAM simulates policies of, or None and why there is none to ask about."""

    arn: str | None
    why_not: str = ""


@dataclass(frozen=True)
class Gaps:
    """What IAM says. ``denied``: by action, when it shows. ``unclear``: actions and the condition keys that decide.

    ``not_asked`` says why IAM was not asked, and is empty where it was.
    """

    principal: str = ""
    denied: tuple[tuple[str, Bite], ...] = ()
    unclear: tuple[tuple[str, tuple[str, ...]], ...] = ()
    not_asked: str = ""


def questions(
    purpose: Purpose, *, settings: bool, launch_actions: bool, commit: bool = False, ahead: bool = False
) -> tuple[PermissionQuestion, ...]:
    """Return what a run needs, beyond what preflight has already called itself.

    :param settings: whether the plan sets launch settings in this account and Region
    :param launch_actions: whether it declares DRS launch actions there
    :param commit: whether its recoveries may be rolled back
    :param ahead: whether the run launches servers ahead of their waves, and starts them in their turn
    """
    found = [
        PermissionQuestion("call", _CALLS),
        PermissionQuestion("start", _START, by_drs=True),
        PermissionQuestion("conversion", _CONVERSION, by_drs=True),
        PermissionQuestion("conversion", _PASS_ROLE, by_drs=True),
    ]
    if purpose.is_temporary:
        found.append(PermissionQuestion("clean_up", ("drs:TerminateRecoveryInstances",)))
        found.append(PermissionQuestion("clean_up", ("ec2:DeleteVolume", "ec2:TerminateInstances"), by_drs=True))
    if commit and purpose.asks_to_commit:
        calls = ("drs:TerminateRecoveryInstances", "ec2:DescribeVolumes", "ec2:ModifyInstanceAttribute")
        found.append(PermissionQuestion("roll_back", calls))
        found.append(PermissionQuestion("roll_back", ("ec2:DeleteVolume", "ec2:TerminateInstances"), by_drs=True))
    if settings:
        found.append(PermissionQuestion("settings", _SETTINGS))
    if launch_actions:
        found.append(PermissionQuestion("settings", _ACTIONS))
    if purpose.protects_instances:
        found.append(PermissionQuestion("protection", ("ec2:ModifyInstanceAttribute",)))
    if ahead:
        found.append(PermissionQuestion("ahead", ("ec2:StartInstances",)))
    return tuple(replace(question, mode=purpose.section) for question in found)


def way_back_questions(
    *, in_origin: bool, clients: bool = False, removes: bool = True
) -> tuple[PermissionQuestion, ...]:
    """Return what the way back needs beside the launches themselves, which :func:`questions` asks of the origin.

    :param in_origin: of the account and Region that servers came from; else of the one that they are protected in
    :param clients: whether some of them came from data centres
    :param removes: whether recovered instances and FAILBACK servers are removed; else only a reversal is asked about
    """
    reversal = PermissionQuestion("reversal", _REVERSAL, mode="recovery")
    if not removes:
        return (reversal,)
    if in_origin:
        return reversal, PermissionQuestion("removal", _REMOVAL_IN_ORIGIN, mode="recovery")
    return (
        reversal,
        *((PermissionQuestion("clients", _CLIENTS, mode="recovery"),) if clients else ()),
        PermissionQuestion("removal", _REMOVAL_HERE, mode="recovery"),
        PermissionQuestion("removal", ("ec2:DeleteVolume", "ec2:TerminateInstances"), by_drs=True, mode="recovery"),
    )


def stop_questions(purpose: Purpose) -> tuple[PermissionQuestion, ...]:
    """Return what a planned migration needs where its sources run, to stop them."""
    return (PermissionQuestion("sources", ("ec2:DescribeInstances", "ec2:StopInstances"), mode=purpose.section),)


def principal_of(caller: str) -> Caller:
    """Return whose policies decide about a caller.

    :param caller: the ``Arn`` of GetCallerIdentity. That of an assumed role names the role without its path.
    """
    parts = caller.split(":", 5)
    kind, _, name = (parts[5] if len(parts) == 6 else "").partition("/")  # noqa: PLR2004  (an ARN has six parts)
    if kind == "assumed-role" and name:
        return Caller(":".join((*parts[:2], "iam", "", parts[4], f"role/{name.partition('/')[0]}")))
    if kind == "user" and name:
        return Caller(caller)
    if kind == "root":
        return Caller(None, "the connection uses the account's root user, which no policy restricts")
    return Caller(None, f"IAM simulates roles and users only, and the connection calls as {caller}")


def read_answers(principal: str, asked: Iterable[tuple[PermissionQuestion, Sequence[Answer]]]) -> Gaps:
    """Read ``EvaluationResults`` of SimulatePrincipalPolicy, as asked for each question.

    An action counts as allowed if it is on any of the resources asked about: policies name kinds of resources. One
    that is refused only because a condition key had no value is unclear, and nothing is refused for it.
    """
    denied: dict[str, Bite] = {}
    unclear: dict[str, tuple[str, ...]] = {}
    for question, results in asked:
        for result in results:
            name = str(result["EvalActionName"])
            parts = [result, *(result.get("ResourceSpecificResults") or ())]
            if any("allowed" in (part.get("EvalDecision"), part.get("EvalResourceDecision")) for part in parts):
                continue
            keys = sorted({key for part in parts for key in part.get("MissingContextValues") or ()})
            if keys and result.get("EvalDecision") != "explicitDeny":
                unclear[name] = tuple(keys)
            else:
                denied.setdefault(name, question.bite)
    return Gaps(principal, tuple(denied.items()), tuple(unclear.items()))


def permission_findings(where: str, gaps: Gaps, purpose: Purpose) -> tuple[Finding, ...]:
    """Word what is missing: it refuses a drill and warns in a recovery, one line for each moment in which it shows.

    :param where: account and Region as the run's messages name them
    """
    by_bite: dict[Bite, list[str]] = {}
    for name, bite in gaps.denied:
        by_bite.setdefault(bite, []).append(name)
    next_step = "add what is missing, by docs/permissions.md"
    if not purpose.refuses_broken_source:
        next_step += f"; the {purpose} continues, because a policy may allow more than IAM's simulation knows"
    return tuple(
        Finding(
            purpose.severity,
            where,
            where,
            f"{gaps.principal} may not {_named(names)}. This shows {BITES[bite]}",
            next_step,
            "permissions",
        )
        for bite in BITES
        if (names := by_bite.get(bite))
    )


def permission_notes(where: str, gaps: Gaps, *, asked: int) -> tuple[str, ...]:
    """Say in lines what was looked at, and what could not be."""
    if gaps.not_asked:
        return (f"permissions in {where}: not checked: {gaps.not_asked}",)
    notes = [f"permissions in {where}: {asked} actions of {gaps.principal} checked, {len(gaps.denied)} missing"]
    if gaps.unclear:
        keys = sorted({key for _, names in gaps.unclear for key in names})
        names = _named([name for name, _ in gaps.unclear])
        notes.append(f"permissions in {where}: unknown for {names}: its policy decides by {', '.join(keys)}")
    return tuple(notes)


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
