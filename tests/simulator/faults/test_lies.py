"""Faults that lie: what DRS says is not what there is, and the control plane tells both."""

import pytest
from simulator.small_fleet import DB1, DB2, HOME, ec2_instances, events, instance_of, job, start, statuses

MINE = {"team:run": "r1", "team:mode": "drill"}


def region(sim):
    return sim.state()["accounts"][HOME]["us-west-2"]


def behind(sim):
    return [(deed["what"], deed["servers"]) for deed in region(sim)["behind_drs"]]


def launch(sim, drs, *servers, **more):
    job_id = start(drs, *(servers or (DB1,)), **more)
    sim.advance("12m")
    return job_id


def test_a_job_that_launches_nothing_says_launched(sim, drs):
    sim.fault({"do": "launches_nothing", "hostname": "db1", "count": 1})
    job_id = launch(sim, drs, DB1, DB2)

    assert statuses(drs, job_id) == {DB1: "LAUNCHED", DB2: "LAUNCHED"}
    assert events(drs, job_id, DB1)[-1] == "LAUNCH_END"
    assert [found["sourceServerID"] for found in drs.describe_recovery_instances()["items"]] == [DB2]
    assert len(ec2_instances(sim)) == 1
    assert behind(sim) == [("launched_nothing", [DB1])]
    again = launch(sim, drs, DB1)
    assert instance_of(drs, DB1)["jobID"] == again


def test_an_instance_is_ended_a_while_after_its_launch(sim, drs):
    sim.fault({"do": "terminated_behind_drs", "hostname": "db1", "later": "20m"})
    launch(sim, drs)
    assert instance_of(drs, DB1)["ec2InstanceState"] == "RUNNING"
    sim.advance("20m")

    assert instance_of(drs, DB1)["ec2InstanceState"] == "NOT_FOUND"
    assert [found["State"]["Name"] for found in ec2_instances(sim).values()] == ["terminated"]
    assert behind(sim) == [("terminated", [DB1])]
    sim.advance("61m")
    assert ec2_instances(sim) == {}
    assert instance_of(drs, DB1)["ec2InstanceState"] == "NOT_FOUND"


@pytest.mark.parametrize(("holds", "state"), [(True, "RUNNING"), (False, "NOT_FOUND")])
def test_termination_protection_holds_off_who_asks_ec2_and_not_who_takes_it_away(sim, drs, holds, state):
    sim.fault({"do": "terminated_behind_drs", "later": "20m", "protection_holds": holds})
    launch(sim, drs)
    name = instance_of(drs, DB1)["ec2InstanceID"]
    sim.client("ec2").modify_instance_attribute(InstanceId=name, DisableApiTermination={"Value": True})
    sim.advance("20m")

    assert instance_of(drs, DB1)["ec2InstanceState"] == state
    assert bool(behind(sim)) is (not holds)


def test_what_is_there_when_the_fault_is_added_goes_later_too(sim, drs):
    launch(sim, drs)
    sim.fault({"do": "terminated_behind_drs", "later": "5m", "count": 1})
    assert instance_of(drs, DB1)["ec2InstanceState"] == "RUNNING"
    sim.advance("5m")
    assert instance_of(drs, DB1)["ec2InstanceState"] == "NOT_FOUND"


def test_a_job_is_deleted_once_it_has_ended(sim, drs):
    sim.fault({"do": "deleted_job", "hostname": "db2", "later": "1m"})
    kept, gone = launch(sim, drs, DB1), start(drs, DB2)
    sim.advance("8m")
    assert job(drs, gone)["status"] in {"STARTED", "PENDING"}
    sim.advance("6m")

    assert [found["jobID"] for found in drs.describe_jobs()["items"]] == [kept]
    assert drs.describe_job_log_items(jobID=gone)["items"] == []
    assert instance_of(drs, DB2)["jobID"] == gone
    state = region(sim)
    assert set(state["jobs"]) == {kept}
    assert state["deleted_jobs"][gone]["timeline"][DB2]["status"] == "LAUNCHED"
    assert behind(sim) == [("job_deleted", [DB2])]


def test_a_terminate_job_may_be_the_one_that_is_deleted(sim, drs):
    sim.fault({"do": "deleted_job", "operation": "TerminateRecoveryInstances"})
    kept = launch(sim, drs)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance_of(drs, DB1)["recoveryInstanceID"]])
    sim.advance("10m")

    assert [found["jobID"] for found in drs.describe_jobs()["items"]] == [kept]


def test_what_a_person_deletes_is_told_by_the_control_plane_too(sim, drs):
    job_id = launch(sim, drs)
    drs.delete_job(jobID=job_id)

    assert set(region(sim)["deleted_jobs"]) == {job_id}


def tags(sim, drs, job_id):
    ec2 = sim.client("ec2")
    found = instance_of(drs, DB1)
    (instance,) = ec2.describe_instances(InstanceIds=[found["ec2InstanceID"]])["Reservations"][0]["Instances"]
    volumes = [device["Ebs"]["VolumeId"] for device in instance["BlockDeviceMappings"]]
    interfaces = [interface["NetworkInterfaceId"] for interface in instance["NetworkInterfaces"]]
    (source,) = drs.describe_source_servers(filters={"sourceServerIDs": [DB1]})["items"]

    def in_ec2(names):
        filters = [{"Name": "resource-id", "Values": names}]
        return {tag["Key"] for tag in ec2.describe_tags(Filters=filters)["Tags"]}

    return {
        "job": set(job(drs, job_id)["tags"]),
        "source_server": set(source["tags"]),
        "recovery_instance": set(found["tags"]),
        "instance": in_ec2([instance["InstanceId"]]),
        "volumes": in_ec2(volumes),
        "interfaces": in_ec2(interfaces),
    }


def tag_everything(sim, drs, job_id):
    found = instance_of(drs, DB1)
    (source,) = drs.describe_source_servers(filters={"sourceServerIDs": [DB1]})["items"]
    for arn in (found["arn"], source["arn"]):
        drs.tag_resource(resourceArn=arn, tags=MINE)
    ec2 = sim.client("ec2")
    (instance,) = ec2.describe_instances(InstanceIds=[found["ec2InstanceID"]])["Reservations"][0]["Instances"]
    names = [instance["InstanceId"], *(device["Ebs"]["VolumeId"] for device in instance["BlockDeviceMappings"])]
    names += [interface["NetworkInterfaceId"] for interface in instance["NetworkInterfaces"]]
    ec2.create_tags(Resources=names, Tags=[{"Key": key, "Value": value} for key, value in MINE.items()])
    return tags(sim, drs, job_id)


KINDS_OF_TAGGED = ["job", "source_server", "recovery_instance", "instance", "volumes", "interfaces"]


@pytest.mark.parametrize("of", [[kind] for kind in KINDS_OF_TAGGED] + [KINDS_OF_TAGGED])
def test_tags_are_taken_away_from_what_a_launch_has_made(sim, drs, of):
    sim.fault({"do": "stripped_tags", "of": of, "keys": ["team:*"], "later": "30m"})
    job_id = launch(sim, drs, tags=MINE)
    before = tag_everything(sim, drs, job_id)
    assert all(set(MINE) <= found for found in before.values())
    sim.advance("30m")

    expected = {kind: found - set(MINE) if kind in of else found for kind, found in before.items()}
    assert tags(sim, drs, job_id) == expected
    assert {what for what, _ in behind(sim)} == {"tags_stripped"}


def test_all_tags_but_those_of_aws_may_go(sim, drs):
    sim.fault({"do": "stripped_tags", "later": "30m"})
    job_id = launch(sim, drs, tags=MINE)
    sim.advance("30m")

    left = {
        kind: {name for name in found if not name.startswith("aws:")} for kind, found in tags(sim, drs, job_id).items()
    }
    assert not any(left.values())


def test_a_job_may_lose_its_tags_while_it_runs(sim, drs):
    sim.fault({"do": "stripped_tags", "of": ["job"], "later": "1m", "count": 1})
    job_id = start(drs, DB1, tags=MINE)
    assert job(drs, job_id)["tags"] == MINE
    sim.advance("1m")

    assert (job(drs, job_id)["status"], job(drs, job_id)["tags"]) == ("STARTED", {})


def test_an_instance_is_not_shown_in_some_answers(sim, drs):
    launch(sim, drs, DB1, DB2)
    sim.fault({"do": "not_shown", "hostname": "db1", "count": 2})
    seen = [{found["sourceServerID"] for found in drs.describe_recovery_instances()["items"]} for _ in range(3)]

    assert seen == [{DB2}, {DB2}, {DB1, DB2}]


def test_an_instance_that_is_not_shown_moves_no_other_to_another_page(sim, drs):
    launch(sim, drs, DB1, DB2)
    sim.fault({"do": "not_shown", "hostname": "db1"}, {"do": "page_size", "items": 1})
    pages = list(drs.get_paginator("describe_recovery_instances").paginate())

    assert sorted(len(page["items"]) for page in pages) == [0, 1]


def test_an_answer_leaves_members_out(sim, drs):
    launch(sim, drs, DB1, DB2)
    sim.fault({"do": "omits", "members": ["isDrill", "tags"], "hostname": "db1", "count": 1})
    first, second = instance_of(drs, DB1), instance_of(drs, DB1)

    assert set(second) - set(first) == {"isDrill", "tags"}
    assert "isDrill" in instance_of(drs, DB2)


def test_a_read_may_fall_back_into_the_past(sim, drs):
    job_id = launch(sim, drs)
    sim.fault({"do": "stale_reads", "age": "10m", "count": 1})

    assert [job(drs, job_id)["status"] for _ in range(2)] == ["STARTED", "COMPLETED"]
