"""What is advised after a failed launch, by what DRS and EC2 said."""

import pytest
from drs_provider.rules.launch.advice import next_step
from drs_provider.rules.purpose import DRILL, RECOVERY

KMS = (
    "let DRS's roles of the recovery account use the KMS key: its key policy, in the key's own account{account}, must "
    "name them (docs/permissions.md#kms-keys); or copy the volumes to a key that they may use"
)
MARKETPLACE = "accept the terms of the product in the recovery account, once, with its link in AWS Marketplace"
ROLE = "give the role of the Airflow connection the missing permission; docs/permissions.md lists them all"


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (
            (
                "CONVERSION_FAIL: The key arn:aws:kms:us-east-1:444455556666:key/1234abcd cannot be accessed: "
                "AccessDeniedException"
            ),
            KMS.format(account=" (444455556666)"),
        ),
        (
            (
                "User: arn:aws:sts::111122223333:assumed-role/x is not authorized to perform: "
                "kms:CreateGrant on resource: "
                "arn:aws-us-gov:kms:us-gov-west-1:444455556666:key/1"
            ),
            KMS.format(account=" (444455556666)"),
        ),
        ("Client.InvalidKMSKey.InvalidState: The KMS key is disabled", KMS.format(account="")),
        ("KMSKeyNotAccessibleFault: no access", KMS.format(account="")),
        (
            (
                "LAUNCH_FAILED: OptInRequired: In order to use this AWS Marketplace product you "
                "need to accept terms and "
                "subscribe."
            ),
            MARKETPLACE,
        ),
        (
            (
                "OptInRequired: accept terms and subscribe. To do so please visit "
                "https://aws.amazon.com/marketplace/pp?sku=abc123."
            ),
            (
                "accept the terms of the product in the recovery account, once, with "
                "https://aws.amazon.com/marketplace/pp?sku=abc123"
            ),
        ),
        (
            "UnauthorizedOperation: with an explicit deny in a service control policy",
            "a policy of the organization forbids it: ask who administers it to allow this in the recovery account",
        ),
        ("AccessDeniedException: User is not authorized to perform: ec2:RunInstances", ROLE),
        ("the disk could not be encrypted", "let DRS use the KMS key of the volumes in the recovery Region"),
        ("something else", "look at the job's log in the DRS console and correct the cause"),
    ],
)
def test_the_cause_decides_what_is_advised(reason, advice):
    assert next_step(reason, DRILL) == f"{advice}, {DRILL.after_failure}"
    assert next_step(reason, RECOVERY) == f"{advice}, {RECOVERY.after_failure}"


def test_what_a_recovery_has_prepared_and_ec2_has_no_machine_for_is_started_by_hand():
    reason = "EC2 refused its start: ec2:StartInstances: InsufficientInstanceCapacity: none left"
    by_hand = (
        "start its instance by hand in EC2, with an instance type that there is capacity for, or terminate it there"
    )

    assert next_step(reason, RECOVERY) == f"{by_hand}, {RECOVERY.after_failure}"
    assert next_step(reason, DRILL) == (
        "choose an instance type or subnet that has capacity in the server's launch settings, then start the drill "
        "again"
    )
