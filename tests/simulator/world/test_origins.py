"""The EC2 instances that source servers come from, and the way back into one of them."""

from simulator.small_fleet import DB1, app, ec2_instances, instance_of, job, start, statuses

EAST = {"region_name": "us-east-1"}


def hint(drs, server_id):
    server = drs.describe_source_servers(filters={"sourceServerIDs": [server_id]})["items"][0]
    return server["sourceProperties"]


def test_the_origins_instances_run_where_the_servers_say_and_are_what_they_say(sim, drs):
    said = hint(drs, DB1)
    origin = ec2_instances(sim, **EAST)[said["identificationHints"]["awsInstanceID"]]
    tags = {tag["Key"]: tag["Value"] for tag in origin["Tags"]}

    assert origin["State"]["Name"] == "running"
    assert origin["PrivateIpAddress"] == said["networkInterfaces"][0]["ips"][0]
    assert tags == {"Name": "db1", "App": "shop", "Tier": "db"}
    assert len(origin["BlockDeviceMappings"]) == len(said["disks"]) == 2


def test_the_recovery_region_has_none_of_them(sim, drs):
    assert ec2_instances(sim, **EAST).keys() & ec2_instances(sim).keys() == set()
    assert ec2_instances(sim) == {}


def test_they_are_made_once_and_can_be_stopped_and_found_by_id(sim, drs):
    ec2 = sim.client("ec2", **EAST)
    name = hint(drs, app(1))["identificationHints"]["awsInstanceID"]
    ec2.stop_instances(InstanceIds=[name])
    found = ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]

    assert found["State"]["Name"] == "stopped"
    assert len(ec2_instances(sim, **EAST)) == len(ec2_instances(sim, **EAST)) > 30


def test_a_failover_goes_back_into_the_stopped_instance_that_it_came_from(sim, drs):
    original = hint(drs, DB1)["identificationHints"]["awsInstanceID"]
    start(drs, DB1)
    sim.advance("25m")
    back = drs.reverse_replication(recoveryInstanceID=instance_of(drs, DB1)["recoveryInstanceID"])
    east, ec2 = sim.client("drs", **EAST), sim.client("ec2", **EAST)
    server_id = back["reversedDirectionSourceServerArn"].rsplit("/", 1)[1]
    sim.advance("3h")
    ec2.stop_instances(InstanceIds=[original])
    ec2.create_tags(Resources=[original], Tags=[{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}])
    east.update_launch_configuration(
        sourceServerID=server_id,
        copyTags=False,
        copyPrivateIp=False,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": original},
    )
    job_id = start(east, server_id)
    sim.advance("25m")

    assert (job(east, job_id)["status"], statuses(east, job_id)) == ("COMPLETED", {server_id: "LAUNCHED"})
    assert instance_of(east, server_id)["ec2InstanceID"] == original
    assert ec2_instances(sim, **EAST)[original]["State"]["Name"] == "running"
