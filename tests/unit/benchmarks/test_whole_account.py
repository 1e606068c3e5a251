"""What counts as a difference between two states of an account, and what as a write to production."""

import pytest

from benchmarks.whole_account import differences, ids_in, strays

PRODUCTION = frozenset(
    {"vpc-0aaaaaaaa", "subnet-0aaaaaaaa", "lt-0aaaaaaaa", "s-00000000000000001", "s-00000000000000021"}
)
SERVERS = {"s-00000000000000001": "lt-0aaaaaaaa"}


def call(operation, error=None, **request):
    return {"n": 7, "operation": operation, "error": error, "request": request}


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (call("DescribeVpcs", VpcIds=["vpc-0aaaaaaaa"]), []),
        (call("DeleteVpc", VpcId="vpc-0aaaaaaaa"), ["DeleteVpc (call 7) named vpc-0aaaaaaaa"]),
        (call("DeleteVpc", error="DependencyViolation", VpcId="vpc-0aaaaaaaa"), []),
        (call("DeleteVpc", VpcId="vpc-0bbbbbbbb"), []),
        (call("CreateVpc", TagSpecifications=[{"Tags": [{"Key": "copy-of", "Value": "vpc-0aaaaaaaa"}]}]), []),
        (call("CreateTags", Resources=["subnet-0aaaaaaaa"]), ["CreateTags (call 7) named subnet-0aaaaaaaa"]),
        (call("ModifyLaunchTemplate", LaunchTemplateId="lt-0aaaaaaaa"), []),
        (
            call("CreateLaunchTemplateVersion", LaunchTemplateId="lt-0aaaaaaaa", Data={"SubnetId": "subnet-0aaaaaaaa"}),
            ["CreateLaunchTemplateVersion (call 7) named subnet-0aaaaaaaa"],
        ),
        (call("StartRecovery", isDrill=True, sourceServers=[{"sourceServerID": "s-00000000000000001"}]), []),
        (
            call("StartRecovery", isDrill=False, sourceServers=[{"sourceServerID": "s-00000000000000001"}]),
            ["StartRecovery (call 7) was no drill"],
        ),
        (
            call("TagResource", resourceArn="arn:aws:drs:us-west-2:1:source-server/s-00000000000000021"),
            ["TagResource (call 7) named s-00000000000000021"],
        ),
        (
            call("UpdateReplicationConfiguration", sourceServerID="s-00000000000000001"),
            ["UpdateReplicationConfiguration (call 7) named s-00000000000000001"],
        ),
    ],
)
def test_a_write_that_names_production_is_told(done, said):
    assert strays([done], PRODUCTION, SERVERS) == said


def test_a_difference_is_told_by_its_own_words():
    before = {"vpcs": [{"VpcId": "vpc-1"}], "servers": {"s-1": {"tags": {}}}, "same": [1]}
    after = {"vpcs": [{"VpcId": "vpc-2"}], "servers": {"s-1": {"tags": {"a": "b"}}}, "same": [1]}

    assert differences(before, after) == [
        "servers: s-1.tags.a: None is b now",
        "vpcs: gone: {'VpcId': 'vpc-1'} / new: {'VpcId': 'vpc-2'}",
    ]
    assert differences(before, before) == []


def test_ids_are_found_wherever_they_stand():
    assert ids_in({"a": ["vpc-0aaaaaaaa", {"arn": "arn:aws:ec2:us-west-2:1:tgw-attach-65ebcdfc76e61c172"}]}) == {
        "vpc-0aaaaaaaa",
        "tgw-attach-65ebcdfc76e61c172",
    }
