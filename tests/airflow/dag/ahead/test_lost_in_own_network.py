"""Drills in a network of their own that launch ahead, and lose answers to launches and starts; in simulated time."""

import dataclasses

import pytest

from benchmarks.kill_sweep.kinds import DB, WEB, kind_of
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

LATE = {"do": "invisible_for", "seconds": 60}


def lost(service, operation, count):
    return {"service": service, "operation": operation, "do": "commit_then_drop", "count": count}


LAUNCHES, STARTS = lost("drs", "StartRecovery", 2), lost("ec2", "StartInstances", 2)
TABLE = {
    "of launches": ([LAUNCHES], 0),
    "of starts": ([STARTS], 0),
    "of both": ([LAUNCHES, STARTS], 0),
    "of both, and DRS shows jobs late": ([LAUNCHES, STARTS, LATE], 0),
    "of both, and the process of a launch dies": ([LAUNCHES, STARTS], "drs:StartRecovery"),
    "of both, and the process of a start dies": ([LAUNCHES, STARTS], "ec2:StartInstances"),
}


def isolated(more=""):
    kind = kind_of("ahead")
    plan = kind.plan.replace("network: shared", "network: isolated")
    return dataclasses.replace(kind, plan=plan.replace("groups: [web]", f"groups: [web]{more}"), conf={"mode": "drill"})


def networks(simulator):
    return sorted(vpc["VpcId"] for vpc in simulator.client("ec2").describe_vpcs()["Vpcs"])


def placed(simulator, names):
    """The networks of instances."""
    found = simulator.client("ec2").describe_instances(InstanceIds=names)["Reservations"]
    return {each["VpcId"] for part in found for each in part["Instances"]}


def run_of(live, simulator, faults, at=0, kind=None):
    before, asked = networks(simulator), []

    def look(operation, _, request):
        if operation == "StartInstances":
            asked.append((tuple(request["InstanceIds"]), placed(simulator, request["InstanceIds"])))

    def people(run):
        simulator.fault(*faults)
        run.before_write = look

    record, _ = live(Death(at=at), kind=kind or isolated(), people=people)
    assert record.report["verdict"] == "passed", (record.report["verdict_reason"], record.broken)
    assert asked
    assert not any(network & {*before} for _, network in asked)
    assert networks(simulator) == before
    assert record.settings == record.settings_before
    assert {state for name, (_, state) in record.instances.items() if name not in record.before} <= {"terminated"}
    return record


@pytest.mark.parametrize(("faults", "at"), TABLE.values(), ids=TABLE)
def test_lost_answers_launch_and_start_nothing_twice_and_nothing_in_production(live, swept_simulator, faults, at):
    record = run_of(live, swept_simulator, faults, at)

    launches = [job for job in record.jobs if job["type"] == "LAUNCH"]
    assert sorted(s["sourceServerID"] for job in launches for s in job["participatingServers"]) == [DB, WEB]
    regions = (region for account in swept_simulator.state()["accounts"].values() for region in account.values())
    starts = sorted((start["at"], start["server"]) for region in regions for start in region["starts"])
    assert [server for _, server in starts] == [DB, WEB]


def test_nor_does_a_launch_that_is_repeated_ahead_whose_answer_is_lost(live, swept_simulator):
    breaks = {"hostname": "web1", "do": "fail_at", "event": "LAUNCH_START", "error": "x", "count": 1}
    third = lost("drs", "StartRecovery", 3)
    record = run_of(live, swept_simulator, [breaks, third, STARTS, LATE], kind=isolated(", retry_failed: 1"))

    launches = [job for job in record.jobs if job["type"] == "LAUNCH"]
    assert sorted(s["sourceServerID"] for job in launches for s in job["participatingServers"]) == [DB, WEB, WEB]
    tries = {s["hostname"]: len(s["tries"]) for wave in record.report["waves"] for s in wave["servers"]}
    assert tries == {"db1": 0, "web1": 1}
