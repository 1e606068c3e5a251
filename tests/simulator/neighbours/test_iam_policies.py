import pytest
from drs_simulator.pytest_plugin import start_drs_simulator

__all__ = ["start_drs_simulator"]

HOME = "111122223333"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "drs:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["ec2:RunInstances"],
            "Resource": "arn:aws:ec2:*:*:instance/*",
            "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": "drs.amazonaws.com"}},
        },
    ],
}
FLEET = {
    "accounts": [
        {
            "id": HOME,
            "regions": [{"name": "us-west-2", "servers": [{"hostname": "db1"}]}],
            "roles": [
                {"name": "free"},
                {"name": "narrow", "denied": ["ec2:RunInstances", "drs:Terminate*"]},
                {"name": "written", "policy": POLICY},
            ],
        }
    ]
}
VIA_DRS = {
    "ContextKeyName": "aws:CalledVia",
    "ContextKeyType": "stringList",
    "ContextKeyValues": ["drs.amazonaws.com"],
}
INSTANCE = f"arn:aws:ec2:us-west-2:{HOME}:instance/i-1"


@pytest.fixture(scope="module")
def iam(start_drs_simulator):
    return start_drs_simulator(FLEET).client("iam")


def told(iam, role, actions, **more):
    answer = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{HOME}:role/{role}", ActionNames=actions, **more
    )
    return {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}


def test_a_role_of_which_nothing_is_said_may_do_everything(iam):
    assert told(iam, "free", ["ec2:RunInstances"]) == {"ec2:RunInstances": "allowed"}


def test_denied_actions_are_taken_from_everything(iam):
    assert told(iam, "narrow", ["ec2:RunInstances", "drs:TerminateRecoveryInstances", "drs:StartRecovery"]) == {
        "ec2:RunInstances": "explicitDeny",
        "drs:TerminateRecoveryInstances": "explicitDeny",
        "drs:StartRecovery": "allowed",
    }


def test_a_condition_without_a_value_is_told_as_missing(iam):
    arn = f"arn:aws:iam::{HOME}:role/written"
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["ec2:RunInstances"], ResourceArns=["*", INSTANCE]
    )["EvaluationResults"][0]

    assert (answer["EvalDecision"], answer["MissingContextValues"]) == ("implicitDeny", ["aws:CalledVia"])


def test_a_policy_for_one_kind_of_resource_allows_nothing_on_the_others(iam):
    arn = f"arn:aws:iam::{HOME}:role/written"
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["ec2:RunInstances"],
        ResourceArns=["*", INSTANCE],
        ContextEntries=[VIA_DRS],
    )["EvaluationResults"][0]

    assert answer["EvalDecision"] == "implicitDeny"
    assert [part["EvalResourceDecision"] for part in answer["ResourceSpecificResults"]] == ["implicitDeny", "allowed"]


def test_an_unknown_role_is_refused(iam):
    with pytest.raises(iam.exceptions.NoSuchEntityException, match="Role nobody does not exist"):
        told(iam, "nobody", ["drs:StartRecovery"])
