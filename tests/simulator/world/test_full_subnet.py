"""A subnet without free addresses fails the launches that find none, and nothing else."""

import pytest
from simulator.small_fleet import events, start, statuses

FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/28", "roomy": "10.20.1.0/24"}},
                    "servers": [
                        {"count": 14, "hostname": "web{n}", "id": "s-0we{n:014d}", "launch": {"subnet": "prod"}}
                    ],
                }
            ],
        }
    ]
}
ROOM = 11
WEB = [f"s-0we{number:014d}" for number in range(1, 15)]


@pytest.fixture(scope="module")
def running(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=60)


def interfaces(sim):
    return sim.client("ec2").describe_network_interfaces()["NetworkInterfaces"]


def raw_errors(drs, job_id):
    items = drs.describe_job_log_items(jobID=job_id)["items"]
    return [item["eventData"]["rawError"] for item in items if item["eventData"].get("rawError")]


def test_the_servers_that_find_no_address_fail_and_the_others_launch(sim, drs):
    job_id = start(drs, *WEB)
    sim.advance("20m")

    (job,) = drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]
    assert job["status"] == "COMPLETED"
    assert sorted(statuses(drs, job_id).values()) == ["FAILED"] * 3 + ["LAUNCHED"] * ROOM
    (subnet,) = {interface["SubnetId"] for interface in interfaces(sim)}
    assert (
        raw_errors(drs, job_id)
        == [
            (
                f"InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet '{subnet}' to "
                "satisfy the requested number of instances."
            )
        ]
        * 3
    )
    failed = next(name for name, status in statuses(drs, job_id).items() if status == "FAILED")
    assert events(drs, job_id, failed)[-1] == "LAUNCH_FAILED"
    addresses = sorted(int(each["PrivateIpAddress"].rpartition(".")[2]) for each in interfaces(sim))
    assert addresses == list(range(4, 15))


def test_addresses_come_back_with_a_termination(sim, drs):
    start(drs, *WEB[:ROOM])
    sim.advance("20m")
    gone = drs.describe_recovery_instances()["items"][0]["recoveryInstanceID"]
    drs.terminate_recovery_instances(recoveryInstanceIDs=[gone])
    sim.advance("10m")

    job_id = start(drs, *WEB[ROOM:])
    sim.advance("20m")

    assert sorted(statuses(drs, job_id).values()) == ["FAILED", "FAILED", "LAUNCHED"]
    assert len(interfaces(sim)) == ROOM


def test_interfaces_of_others_and_further_addresses_take_room_too(sim, drs):
    ec2 = sim.client("ec2")
    subnet = next(each for each in ec2.describe_subnets()["Subnets"] if each["CidrBlock"] == "10.20.0.0/28")["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.20.0.9")
    template = drs.get_launch_configuration(sourceServerID=WEB[0])["ec2LaunchTemplateID"]
    data = {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet, "SecondaryPrivateIpAddressCount": 9}]}
    ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")

    first = start(drs, WEB[0])
    sim.advance("20m")
    second = start(drs, WEB[1])
    sim.advance("20m")

    assert (statuses(drs, first), statuses(drs, second)) == ({WEB[0]: "LAUNCHED"}, {WEB[1]: "FAILED"})
    assert max(len(each["PrivateIpAddresses"]) for each in interfaces(sim)) == 10
