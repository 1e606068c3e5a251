"""Pages of DescribeInstances while instances end and are forgotten."""

import pytest
from simulator.neighbours.neighbourhood import refusal

IMAGE = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}


@pytest.fixture
def seven(sim, ec2):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    return [ec2.run_instances(**IMAGE, SubnetId=subnet)["Instances"][0]["InstanceId"] for _ in range(7)]


def ids(page):
    return [instance["InstanceId"] for reservation in page["Reservations"] for instance in reservation["Instances"]]


def pages(ec2, between, **asked):
    found, token = [], {}
    while True:
        page = ec2.describe_instances(MaxResults=5, **asked, **token)
        found.append(ids(page))
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}
        between()


def test_every_instance_is_on_one_page(ec2, seven):
    found = pages(ec2, lambda: None)

    every = [instance for page in found for instance in page]
    assert {len(page) for page in found[:-1]} == {5}
    assert len(every) == len(set(every))
    assert set(seven) <= set(every)


def test_a_page_goes_on_behind_an_instance_that_does_not_match_any_more(ec2, seven):
    running = [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "instance-id", "Values": seven}]

    found = pages(ec2, lambda: ec2.terminate_instances(InstanceIds=seven[:5]), Filters=running)

    assert found == [seven[:5], seven[5:]]


def test_a_page_goes_on_behind_an_instance_that_is_forgotten(sim, ec2, seven):
    from drs_simulator.world import moto_ec2

    mine = [{"Name": "instance-id", "Values": seven}]

    def forget():
        ec2.terminate_instances(InstanceIds=seven[:5])
        for instance in seven[:5]:
            moto_ec2.forget("111122223333", "us-west-2", instance)

    assert pages(ec2, forget, Filters=mine) == [seven[:5], seven[5:]]


@pytest.mark.parametrize("token", ["none of ours", "r-"])
def test_a_token_that_is_none_is_refused(ec2, token):
    assert refusal(ec2.describe_instances, NextToken=token)[0] == "InvalidParameterValue"
