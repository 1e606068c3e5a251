"""Which permissions a run needs, and what IAM's answers make of it."""

from pathlib import Path

import pytest
from drs_provider.rules.preflight.permissions import (
    Caller,
    Gaps,
    PermissionQuestion,
    permission_findings,
    permission_notes,
    principal_of,
    questions,
    read_answers,
    way_back_questions,
)
from drs_provider.rules.purpose import DRILL, RECOVERY

ROLE = "arn:aws:iam::111122223333:role/dr-operator"
WHERE = "us-west-2 of connection aws_default"


def names(purpose=DRILL, **more):
    asked = questions(purpose, **{"settings": False, "launch_actions": False, **more})
    return {name for question in asked for name in question.actions}


def an_answer(name, decision="implicitDeny", *, missing=(), parts=()):
    return {
        "EvalActionName": name,
        "EvalDecision": decision,
        "MissingContextValues": list(missing),
        "ResourceSpecificResults": [{"EvalResourceDecision": part} for part in parts],
    }


@pytest.mark.parametrize(
    ("arn", "caller"),
    [
        ("arn:aws:sts::111122223333:assumed-role/dr-operator/session", Caller(ROLE)),
        (
            "arn:aws-cn:sts::111122223333:assumed-role/dr/botocore-1",
            Caller("arn:aws-cn:iam::111122223333:role/dr"),
        ),
        ("arn:aws:iam::111122223333:user/ops/ann", Caller("arn:aws:iam::111122223333:user/ops/ann")),
        (
            "arn:aws:iam::111122223333:root",
            Caller(None, "the connection uses the account's root user, which no policy restricts"),
        ),
        (
            "arn:aws:sts::111122223333:federated-user/ann",
            Caller(
                None,
                "IAM simulates roles and users only, and the connection calls as "
                "arn:aws:sts::111122223333:federated-user/ann",
            ),
        ),
        ("nonsense", Caller(None, "IAM simulates roles and users only, and the connection calls as nonsense")),
    ],
)
def test_whose_policies_decide(arn, caller):
    assert principal_of(arn) == caller


def test_a_run_asks_for_what_it_will_do_and_for_nothing_else():
    assert "drs:TerminateRecoveryInstances" in names()
    assert "drs:TerminateRecoveryInstances" not in names(RECOVERY)
    assert "drs:TerminateRecoveryInstances" in names(RECOVERY, commit=True)
    assert names(DRILL, commit=True) == names(DRILL)
    assert "ec2:ModifyInstanceAttribute" in names(RECOVERY)
    assert "drs:UpdateLaunchConfiguration" not in names()
    assert "drs:UpdateLaunchConfiguration" in names(settings=True)
    assert "drs:PutLaunchAction" in names(launch_actions=True)
    assert not {"drs:StopReplication", "drs:DisconnectSourceServer"} & names(settings=True, launch_actions=True)


def test_an_action_that_one_kind_of_resource_allows_is_allowed():
    asked = [(PermissionQuestion("start", ("ec2:CreateVolume",), by_drs=True), [])]
    answers = [an_answer("ec2:CreateVolume", parts=["implicitDeny", "allowed"]), an_answer("ec2:RunInstances")]

    assert read_answers(ROLE, [(asked[0][0], answers)]).denied == (("ec2:RunInstances", "start"),)


def test_what_hangs_on_a_condition_is_unclear_and_an_explicit_deny_is_not():
    question = PermissionQuestion("start", ("ec2:CreateVolume", "ec2:RunInstances"))
    answers = [
        an_answer("ec2:CreateVolume", missing=["aws:SourceIp"]),
        an_answer("ec2:RunInstances", "explicitDeny", missing=["aws:SourceIp"]),
    ]

    gaps = read_answers(ROLE, [(question, answers)])

    assert gaps.unclear == (("ec2:CreateVolume", ("aws:SourceIp",)),)
    assert gaps.denied == (("ec2:RunInstances", "start"),)
    assert permission_notes(WHERE, gaps, asked=2) == (
        f"permissions in {WHERE}: 2 actions of {ROLE} checked, 1 missing",
        f"permissions in {WHERE}: unknown for ec2:CreateVolume: its policy decides by aws:SourceIp",
    )


def test_missing_permissions_are_said_by_the_moment_in_which_they_bite():
    gaps = Gaps(
        ROLE,
        (
            ("drs:StartRecovery", "call"),
            ("ec2:CreateSnapshot", "start"),
            ("ec2:CreateVolume", "start"),
            ("ec2:RunInstances", "conversion"),
            ("drs:TerminateRecoveryInstances", "clean_up"),
        ),
    )

    assert [f"{finding.severity}: {finding}" for finding in permission_findings(WHERE, gaps, DRILL)] == [
        (
            f"refusal: {WHERE}: {ROLE} may not drs:StartRecovery. This shows at the call itself, which is refused; "
            "add what is missing, by docs/permissions.md"
        ),
        (
            f"refusal: {WHERE}: {ROLE} may not ec2:CreateSnapshot, ec2:CreateVolume. This shows at once: the job is "
            "COMPLETED after a second, every server FAILED, and its log gives no reason; add what is missing, by "
            "docs/permissions.md"
        ),
        (
            f"refusal: {WHERE}: {ROLE} may not ec2:RunInstances. This shows after some five minutes of conversion, as "
            "LAUNCH_FAILED; add what is missing, by docs/permissions.md"
        ),
        (
            f"refusal: {WHERE}: {ROLE} may not drs:TerminateRecoveryInstances. This shows in the clean-up: the drill's "
            "instances stay and cost money; add what is missing, by docs/permissions.md"
        ),
    ]


def test_a_recovery_goes_on_without_them_and_says_so():
    gaps = Gaps(ROLE, (("ec2:RunInstances", "conversion"),))

    assert [f"{finding.severity}: {finding}" for finding in permission_findings(WHERE, gaps, RECOVERY)] == [
        (
            f"warning: {WHERE}: {ROLE} may not ec2:RunInstances. This shows after some five minutes of conversion, as "
            "LAUNCH_FAILED; add what is missing, by docs/permissions.md; the recovery continues, because a policy may "
            "allow more than IAM's simulation knows"
        )
    ]


def test_what_could_not_be_asked_is_a_note_and_no_finding():
    gaps = Gaps(not_asked="AccessDenied")

    assert permission_findings(WHERE, gaps, DRILL) == ()
    assert permission_notes(WHERE, gaps, asked=40) == (f"permissions in {WHERE}: not checked: AccessDenied",)


@pytest.mark.parametrize("in_origin", [False, True])
def test_what_the_way_back_needs_stands_in_its_policy(in_origin):
    page = (Path(__file__).parents[4] / "docs" / "permissions.md").read_text()
    policy = page.split("## The way back")[1].split("## Clean-up")[0]
    asked = way_back_questions(in_origin=in_origin, clients=True)
    actions = {name for question in asked for name in question.actions}

    assert {name for name in actions if f'"{name}"' not in policy} == set()
    assert "drs:ReverseReplication" in actions
    assert ("drs:StopReplication" in actions) is in_origin
    assert ("drs:StartFailbackLaunch" in actions) is not in_origin
    without = {name for question in way_back_questions(in_origin=in_origin) for name in question.actions}
    clients = {"drs:StartFailbackLaunch", "drs:StopFailback", "drs:DescribeJobLogItems"}
    assert actions - without == (set() if in_origin else clients)


@pytest.mark.parametrize("in_origin", [False, True])
def test_a_reprotection_needs_nothing_that_removes(in_origin):
    (asked,) = way_back_questions(in_origin=in_origin, removes=False)

    assert (asked.bite, asked.actions) == (
        "reversal",
        ("drs:ReverseReplication", "drs:DescribeReplicationConfigurationTemplates"),
    )


def test_what_the_way_back_lacks_is_said_by_its_moment():
    gaps = Gaps(ROLE, (("drs:ReverseReplication", "reversal"), ("drs:StopReplication", "removal")))

    assert [str(finding) for finding in permission_findings(WHERE, gaps, RECOVERY)] == [
        (
            f"{WHERE}: {ROLE} may not drs:ReverseReplication. This shows at the reversal: nothing is replicated back, "
            "or protected again after a failback; add what is missing, by docs/permissions.md; the recovery continues, "
            "because a policy may allow more than IAM's simulation knows"
        ),
        (
            f"{WHERE}: {ROLE} may not drs:StopReplication. This shows in the clean-up after a failback: FAILBACK "
            "servers and recovered instances stay and cost money; add what is missing, by docs/permissions.md; the "
            "recovery continues, because a policy may allow more than IAM's simulation knows"
        ),
    ]
