"""Whole runs that launch ahead where half of the answers to starts are lost, and starts come to nothing.

In simulated time. Judged from the simulator's record of starts: nothing runs before its turn, nothing is forgotten, and
nothing is started that runs.
"""

import dataclasses
from datetime import datetime

import pytest

from benchmarks.kill_sweep.kinds import ACCOUNT, HERE, ORIGIN, kind_of
from benchmarks.kill_sweep.lives import environment, lived
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

NAMES = ("db1", "db2", "app1", "app2", "app3", "web1", "web2")
IDS = {name: f"s-{number:017d}" for number, name in enumerate(NAMES, 1)}
NETWORK = {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}}
FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {"name": ORIGIN, "network": {"vpc": "10.40.0.0/16", "subnets": {"prod": "10.40.0.0/22"}}},
                {
                    "name": HERE,
                    "network": NETWORK,
                    "servers": [
                        {"id": server, "hostname": name, "lag": "2s", "disks": [8], "origin": {"region": ORIGIN}}
                        for name, server in IDS.items()
                    ],
                },
            ],
        }
    ],
}
PLAN = f"""\
kind: ProtectionGroup
name: db
region: {HERE}
servers: [{IDS["db1"]}, {{id: {IDS["db2"]}, order: 2}}]
---
kind: ProtectionGroup
name: app
region: {HERE}
servers: [{IDS["app1"]}, {IDS["app2"]}, {IDS["app3"]}]
launch: {{instance_type: r5.large, right_sizing: none, fallback: {{instance_types: [r5a.large]}}}}
---
kind: ProtectionGroup
name: web
region: {HERE}
servers: [{IDS["web1"]}, {IDS["web2"]}]
---
kind: RecoveryPlan
name: shop
rpo: 5m
launch: ahead
drill: {{network: shared}}
waves:
  - {{name: database, groups: [db]}}
  - {{name: app, groups: [app], ready: status_checks}}
  - {{name: web, groups: [web]}}
"""
ORDER = (("db1",), ("db2",), ("app1", "app2", "app3"), ("web1", "web2"))
"""What boots before what."""

LOST = {"service": "ec2", "operation": "StartInstances", "do": "commit_then_drop", "probability": 0.5}
NO_MACHINE = {"hostname": "app2", "do": "no_capacity", "operation": "StartInstances", "instance_type": "r5.large"}
BAD_STARTS = (
    {"hostname": "db1", "do": "stops_by_itself", "count": 1},
    {"hostname": "web2", "do": "stops_by_itself", "later": "5s", "count": 1},
    {"hostname": "web1", "do": "no_capacity", "operation": "StartInstances", "count": 3},
    {"hostname": "app1", "do": "impaired", "for": "25m"},
    NO_MACHINE,
)


@pytest.fixture
def live(start_drs_simulator, tmp_path, monkeypatch):
    def live(seed, *faults, **more):
        simulator = start_drs_simulator(FLEET, speed=1, random_seed=seed)
        for name, value in environment(simulator.url, tmp_path).items():
            monkeypatch.setenv(name, value)
        simulator.fault(LOST, *faults)
        kind = dataclasses.replace(kind_of("ahead"), plan=PLAN, prepare=lambda _: None, **more)
        record, runs = lived(kind, simulator, tmp_path, Death())
        (region,) = (there for there in simulator.state()["accounts"][ACCOUNT].values() if there["jobs"])
        return record, runs[-1], region

    return live


def starts_of(region):
    """By hostname, when its instances were started and ran, oldest first."""
    names = {server: name for name, server in IDS.items()}
    found = {}
    for start in region["starts"]:
        ran = start["ran"] and datetime.fromisoformat(start["ran"])
        found.setdefault(names[start["server"]], []).append((datetime.fromisoformat(start["at"]), ran))
    return found


def lost_in(record):
    """How many answers to a start were lost."""
    calls = [call for call in record.calls if call["operation"] == "StartInstances"]
    return sum(bool(call["committed"] and call["error"]) for call in calls)


def assert_in_turn(region):
    """Nothing was started before its job had ended, nor before all that boot before it ran."""
    starts = starts_of(region)
    ended = max(datetime.fromisoformat(job["endDateTime"]) for job in first_jobs(region))
    ran = ended
    for stage in ORDER:
        began = [starts[name][0][0] for name in stage]
        assert min(began) >= ran, stage
        ran = max(next(at for _, at in starts[name] if at) for name in stage)


def first_jobs(region):
    jobs = [job for job in region["jobs"].values() if job["type"] == "LAUNCH"]
    return [job for job in jobs if job["tags"]["drs-orchestrator:try"] == "1"]


SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_the_answers_lost_starts_nothing_twice_or_too_early_and_forgets_nothing(live, seed):
    record, run, region = live(seed, conf=kind_of("ahead").conf)

    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert lost_in(record) > 0
    assert {name: len(starts) for name, starts in starts_of(region).items()} == dict.fromkeys(NAMES, 1)
    assert_in_turn(region)
    assert {state for _, state in record.instances.values()} == {"running"}
    assert not any(name.endswith("launch_ahead") and state != "success" for name, state in run.states.items())


@pytest.mark.parametrize("mode", ["recovery", "drill"])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_starts_that_come_to_nothing_beside_lost_answers_are_made_good(live, seed, mode):
    conf, up = (kind_of("ahead").conf, len(NAMES)) if mode == "recovery" else ({"mode": "drill"}, 0)
    record, _, region = live(seed, *BAD_STARTS, conf=conf)

    assert record.report["verdict"] == {"recovery": "completed", "drill": "passed"}[mode], (
        record.report["verdict_reason"],
        record.broken,
    )
    assert {name: len(starts) for name, starts in starts_of(region).items()} == {
        **dict.fromkeys(NAMES, 1),
        "db1": 2,
        "web2": 2,
    }
    assert_in_turn(region)
    tries = {s["hostname"]: [t["settings"] for t in s["tries"]] for w in record.report["waves"] for s in w["servers"]}
    assert {name: found for name, found in tries.items() if found} == {"app2": [{"instance_type": "r5a.large"}]}
    assert sorted(state for _, state in record.instances.values() if state != "terminated") == ["running"] * up
