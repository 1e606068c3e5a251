"""What IAM says that the role of the connection may do."""

from collections.abc import Sequence
from typing import Any, Final

from drs_provider.exceptions import AwsError
from drs_provider.hooks.drs import DrsHook
from drs_provider.hooks.error_mapping import translated
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.tags import MODE
from drs_provider.rules.preflight.permissions import Caller, Gaps, PermissionQuestion, principal_of, read_answers

DRS: Final = "drs.amazonaws.com"
_MANAGED: Final = "AWSElasticDisasterRecoveryManaged"
"""Tag by which AWS's own policies allow DRS what it made itself."""

_ROLES: Final = (
    "AWSElasticDisasterRecoveryConversionServerRole",
    "AWSElasticDisasterRecoveryRecoveryInstanceRole",
)
_SAMPLES: Final = {
    "drs": (
        "source-server/s-00000000000000000",
        "recovery-instance/i-00000000000000000",
        "job/drsjob-00000000000000000",
    ),
    "ec2": (
        "instance/i-00000000000000000",
        "volume/vol-00000000000000000",
        "snapshot/snap-00000000000000000",
        "launch-template/lt-00000000000000000",
        "security-group/sg-00000000000000000",
        "network-interface/eni-00000000000000000",
        "subnet/subnet-00000000000000000",
    ),
}
"""A resource of each kind: a policy that names kinds of resources allows nothing on ``*``."""


def permission_gaps(hook: DrsHook, questions: Sequence[PermissionQuestion]) -> Gaps:
    """Ask IAM which of these actions the caller may not do. Never refused itself: then it says why it was not told."""
    try:
        with translated("sts:GetCallerIdentity"):
            identity = hook.beside("sts").get_caller_identity()
        caller = principal_of(str(identity["Arn"]))
        if caller.arn is None:
            return Gaps(not_asked=caller.why_not)
        arn = _with_path(hook, caller)
        answers = [(question, _simulated(hook, arn, str(identity["Account"]), question)) for question in questions]
    except AwsError as error:
        return Gaps(
            not_asked=f"{error}; allow iam:SimulatePrincipalPolicy and iam:GetRole on the role itself to have it"
        )
    return read_answers(arn, answers)


def _with_path(hook: DrsHook, caller: Caller) -> str:
    """Return a role's ARN with its path, which the ARN of an assumed role leaves out."""
    arn = str(caller.arn)
    if ":role/" not in arn:
        return arn
    try:
        with translated("iam:GetRole"):
            return str(hook.beside("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]["Arn"])
    except AwsError:
        return arn  # right for every role without a path


def _simulated(hook: DrsHook, arn: str, account: str, question: PermissionQuestion) -> list[Answer]:
    partition = arn.split(":")[1]
    found: list[Answer] = []
    pages = hook.beside("iam").get_paginator("simulate_principal_policy")
    with translated("iam:SimulatePrincipalPolicy"):
        for page in pages.paginate(
            PolicySourceArn=arn,
            ActionNames=list(question.actions),
            ResourceArns=_resources(question, partition, hook.region, account),
            ContextEntries=_context(question, hook.region),
        ):
            found += page["EvaluationResults"]
    return found


def _resources(question: PermissionQuestion, partition: str, region: str, account: str) -> list[str]:
    if question.actions == ("iam:PassRole",):
        return [f"arn:{partition}:iam::{account}:role/service-role/{name}" for name in _ROLES]
    services = {name.partition(":")[0] for name in question.actions}
    samples = [
        f"arn:{partition}:{service}:{region}:{account}:{sample}"
        for service in sorted(services & _SAMPLES.keys())
        for sample in _SAMPLES[service]
    ]
    return ["*", *samples]


def _context(question: PermissionQuestion, region: str) -> list[dict[str, Any]]:
    def entry(key: str, kind: str, *values: str) -> dict[str, Any]:
        return {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": list(values)}

    entries = [entry("aws:RequestedRegion", "string", region)]
    if question.mode:
        entries.append(entry(f"aws:RequestTag/{MODE}", "string", question.mode))
    if question.bite == "clean_up":
        entries.append(entry(f"aws:ResourceTag/{MODE}", "string", question.mode))
    if not question.by_drs:
        # What is changed directly is DRS's own: templates and recovered instances.
        return [*entries, entry(f"aws:ResourceTag/{_MANAGED}", "string", DRS)]
    return [
        *entries,
        entry("aws:CalledVia", "stringList", DRS),
        entry("aws:ViaAWSService", "boolean", "true"),
        entry("iam:PassedToService", "string", "ec2.amazonaws.com"),
        entry(f"aws:RequestTag/{_MANAGED}", "string", DRS),
        entry(f"aws:ResourceTag/{_MANAGED}", "string", DRS),
        entry(f"ec2:ResourceTag/{_MANAGED}", "string", DRS),
    ]
