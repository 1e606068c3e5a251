import pytest
from simulator.neighbours.neighbourhood import DB1, WIN1, app, launch, refusal


def checks(ec2, **more):
    return {
        status["InstanceId"]: (
            status["InstanceState"]["Name"],
            status["SystemStatus"]["Status"],
            status["InstanceStatus"]["Status"],
        )
        for status in ec2.describe_instance_status(**more)["InstanceStatuses"]
    }


def test_the_checks_of_a_launched_instance_take_their_time(sim, ec2):
    drs = sim.client("drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": DB1}])
    sim.advance("500s")
    (instance_id,) = checks(ec2, IncludeAllInstances=True)
    pending = checks(ec2, IncludeAllInstances=True)[instance_id], checks(ec2)
    sim.advance("40s")
    early = checks(ec2)[instance_id]
    sim.advance("150s")

    assert pending == (("pending", "not-applicable", "not-applicable"), {})
    assert early == ("running", "initializing", "initializing")
    assert checks(ec2)[instance_id] == ("running", "ok", "ok")


def test_windows_takes_longer_than_linux(sim, ec2):
    drs = sim.client("drs")
    image = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    drs.start_recovery(sourceServers=[{"sourceServerID": WIN1}])
    sim.advance("905s")
    linux = ec2.run_instances(**image, SubnetId=ec2.describe_subnets()["Subnets"][0]["SubnetId"])["Instances"][0][
        "InstanceId"
    ]
    sim.advance("155s")
    found = checks(ec2)

    assert found.pop(linux)[1:] == ("ok", "ok")
    assert [status[1:] for status in found.values()] == [("initializing", "initializing")]


def test_an_impaired_instance_says_since_when(sim, ec2):
    instances = launch(sim, DB1, app(1))
    fault = sim.fault({"do": "impaired", "hostname": "db1"})[0]
    found = {status["InstanceId"]: status for status in ec2.describe_instance_status()["InstanceStatuses"]}
    sim.no_faults(fault)

    assert found[instances[app(1)]]["InstanceStatus"]["Status"] == "ok"
    assert found[instances[DB1]]["InstanceStatus"]["Status"] == "impaired"
    assert found[instances[DB1]]["SystemStatus"]["Status"] == "ok"
    detail = found[instances[DB1]]["InstanceStatus"]["Details"][0]
    assert (detail["Name"], detail["Status"]) == ("reachability", "failed")
    assert "ImpairedSince" in detail
    assert checks(ec2)[instances[DB1]][1:] == ("ok", "ok")


def test_a_stopped_instance_starts_its_checks_again(sim, ec2):
    instance_id = launch(sim, DB1)[DB1]
    ec2.stop_instances(InstanceIds=[instance_id])
    stopped = checks(ec2, InstanceIds=[instance_id], IncludeAllInstances=True)
    ec2.start_instances(InstanceIds=[instance_id])

    assert stopped == {instance_id: ("stopped", "not-applicable", "not-applicable")}
    assert checks(ec2)[instance_id][1:] == ("initializing", "initializing")


def test_statuses_are_filtered_and_come_page_by_page(sim, ec2):
    launch(sim, DB1, app(1))
    sim.fault({"do": "impaired", "hostname": "db1"})
    bad = ec2.describe_instance_status(Filters=[{"Name": "instance-status.status", "Values": ["impaired"]}])
    pages = ec2.get_paginator("describe_instance_status").paginate(PaginationConfig={"PageSize": 1})

    assert len(bad["InstanceStatuses"]) == 1
    assert [len(page["InstanceStatuses"]) for page in pages] == [1, 1]
    assert refusal(ec2.describe_instance_status, InstanceIds=["i-00000000000000001"]) == (
        "InvalidInstanceID.NotFound",
        400,
        "The instance ID 'i-00000000000000001' does not exist",
    )
    assert (
        refusal(ec2.describe_instance_status, Filters=[{"Name": "colour", "Values": ["red"]}])[0]
        == "InvalidParameterValue"
    )


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        pytest.param({}, True, id="everything"),
        pytest.param({"instance_type": "c5.*"}, True, id="type"),
        pytest.param({"instance_type": "m5.*"}, False, id="another type"),
        pytest.param({"zone": "us-west-2a"}, True, id="zone"),
        pytest.param({"zone": "us-west-2b"}, False, id="another zone"),
    ],
)
def test_no_capacity_refuses_run_instances_by_type_and_zone(sim, ec2, fault, refused):
    sim.fault({"do": "no_capacity", **fault})
    subnet = next(
        subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"] if subnet["AvailabilityZone"] == "us-west-2a"
    )
    request = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1, "InstanceType": "c5.large", "SubnetId": subnet}

    if refused:
        said = (
            "We currently do not have sufficient c5.large capacity in the Availability Zone you requested "
            "(us-west-2a). Our system will be working on provisioning additional capacity."
        )
        assert refusal(ec2.run_instances, **request) == ("InsufficientInstanceCapacity", 500, said)
        assert ec2.describe_instances()["Reservations"] == []
    else:
        assert len(ec2.run_instances(**request)["Instances"]) == 1


def test_no_capacity_counts_the_type_of_a_launch_template(sim, ec2):
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "c5.xlarge"})
    sim.fault({"do": "no_capacity", "instance_type": "c5.xlarge"})
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    request = {
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": "ami-12345678",
        "SubnetId": subnet,
        "LaunchTemplate": {"LaunchTemplateName": "web"},
    }

    assert refusal(ec2.run_instances, **request)[0] == "InsufficientInstanceCapacity"


def test_no_capacity_keeps_a_stopped_instance_from_starting(sim, ec2):
    instance_id = launch(sim, DB1)[DB1]
    ec2.stop_instances(InstanceIds=[instance_id])
    sim.fault({"do": "no_capacity", "count": 1})

    assert refusal(ec2.start_instances, InstanceIds=[instance_id])[0] == "InsufficientInstanceCapacity"
    assert ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]["InstanceId"] == instance_id


def test_no_capacity_fails_the_launch_of_a_job(sim):
    drs = sim.client("drs")
    sim.fault({"do": "no_capacity", "hostname": "db1"})
    job_id = drs.start_recovery(sourceServers=[{"sourceServerID": DB1}, {"sourceServerID": app(1)}])["job"]["jobID"]
    sim.advance("20m")
    servers = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]["participatingServers"]
    log = drs.describe_job_log_items(jobID=job_id)["items"]
    raw = [line["eventData"]["rawError"] for line in log if line["event"] == "LAUNCH_FAILED"]

    assert {server["sourceServerID"]: server["launchStatus"] for server in servers} == {
        DB1: "FAILED",
        app(1): "LAUNCHED",
    }
    assert [text.split(":")[0] for text in raw] == ["InsufficientInstanceCapacity"]
