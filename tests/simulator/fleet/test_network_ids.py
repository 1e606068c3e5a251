"""A fleet may say by which ids its networks are known, so that a plan's launch settings find them."""

import pytest
from drs_simulator.errors import BadInput
from drs_simulator.fleet.file import parsed

ACCOUNT = "111122223333"
RECOVERY = {
    "vpc": "10.20.0.0/16",
    "subnets": {"prod": "10.20.0.0/20", "spare": "10.20.16.0/20"},
    "vpc_id": "vpc-0aaaaaaaa",
    "subnet_ids": {"prod": "subnet-0aaaaaaaa", "spare": "subnet-0bbbbbbbb"},
    "zones": {"spare": "us-west-2c"},
    "security_groups": {"sg-0aaaaaaaa": "db", "sg-0bbbbbbbb": "web"},
}
DRILL = {"vpc": "10.30.0.0/16", "subnets": {"drill": "10.30.0.0/20"}, "vpc_id": "vpc-0ddddddd1"}


def fleet(**region):
    return {
        "accounts": [
            {"id": ACCOUNT, "instance_profiles": ["shop"], "regions": [{"name": "us-west-2", **region}]},
        ]
    }


def test_networks_have_the_ids_that_the_fleet_gives(start_drs_simulator):
    servers = [{"hostname": "db1", "launch": {"subnet": "spare", "security_groups": ["sg-0aaaaaaaa"]}}]
    drs = start_drs_simulator(fleet(network=RECOVERY, networks=[DRILL], servers=servers), speed=600)
    ec2 = drs.client("ec2")

    subnets = {subnet["SubnetId"]: subnet for subnet in ec2.describe_subnets()["Subnets"]}
    assert {"subnet-0aaaaaaaa", "subnet-0bbbbbbbb"} < set(subnets)
    assert subnets["subnet-0bbbbbbbb"]["AvailabilityZone"] == "us-west-2c"
    assert {subnet["VpcId"] for subnet in subnets.values()} == {"vpc-0aaaaaaaa", "vpc-0ddddddd1"}
    groups = {group["GroupId"]: group for group in ec2.describe_security_groups()["SecurityGroups"]}
    assert groups["sg-0aaaaaaaa"]["GroupName"] == "db"
    assert groups["sg-0aaaaaaaa"]["VpcId"] == "vpc-0aaaaaaaa"
    assert drs.client("iam").get_instance_profile(InstanceProfileName="shop")["InstanceProfile"]

    server = drs.client("drs").describe_source_servers(filters={})["items"][0]["sourceServerID"]
    drs.client("drs").start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    drs.advance("20m")
    (instance,) = [
        instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if any(tag["Value"] == "db1" for tag in instance.get("Tags", ()))
    ]
    assert (instance["SubnetId"], instance["SecurityGroups"][0]["GroupId"]) == ("subnet-0bbbbbbbb", "sg-0aaaaaaaa")


def test_the_networks_come_back_after_a_reset(start_drs_simulator):
    drs = start_drs_simulator(fleet(network=RECOVERY, networks=[DRILL]), speed=600)
    drs.reset()
    assert drs.client("ec2").describe_subnets(SubnetIds=["subnet-0aaaaaaaa"])["Subnets"]


@pytest.mark.parametrize(
    ("region", "said"),
    [
        (
            {"network": {**RECOVERY, "zones": {"prid": "us-west-2a"}}},
            "fleet: accounts[0].regions[0].network: no subnet 'prid' (did you mean 'prod'?) (it is ",
        ),
        (
            {"network": RECOVERY, "networks": [{"vpc": "10.30.0.0/16", "subnets": {"prod": "10.30.0.0/20"}}]},
            "fleet: 111122223333/us-west-2: networks: 2 subnets are called 'prod'",
        ),
    ],
)
def test_names_that_lead_nowhere_are_refused(region, said):
    with pytest.raises(BadInput) as refused:
        parsed(fleet(**region))
    assert str(refused.value).startswith(said)


def test_a_job_takes_as_long_as_the_seed_and_its_servers_say(start_drs_simulator):
    """Whatever happened before it: a rehearsal and the run that follows see the same jobs."""
    servers = [{"hostname": f"db{n}", "id": f"s-{n:017d}"} for n in (1, 2)]

    def length_of_the_second(first):
        drs = start_drs_simulator(fleet(network=RECOVERY, servers=servers), speed=1, random_seed=3)
        drs.clock(freeze=True)
        client = drs.client("drs")
        if first:
            client.start_recovery(sourceServers=[{"sourceServerID": servers[0]["id"]}], isDrill=True)
            drs.advance("7m")
        began = drs.clock()["simulated_seconds"]
        job = client.start_recovery(sourceServers=[{"sourceServerID": servers[1]["id"]}], isDrill=True)["job"]["jobID"]
        while client.describe_jobs(filters={"jobIDs": [job]})["items"][0]["status"] != "COMPLETED":
            drs.advance("1s")
        return round(drs.clock()["simulated_seconds"] - began)

    assert length_of_the_second(first=True) == length_of_the_second(first=False)
