"""Waves in two accounts with a boot order, handed over by a task that dies; in simulated time."""

import dataclasses
import json
from datetime import datetime
from itertools import pairwise

import pytest

from benchmarks.kill_sweep.kinds import ACCOUNT, HERE, ORIGIN, kind_of
from benchmarks.kill_sweep.lives import environment, lived
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

THERE = "444455556666"
IDS = {name: f"s-{number:017d}" for number, name in enumerate(("db1", "web1", "web2", "mail1", "post1", "post2"), 1)}
NAMES = {server: name for name, server in IDS.items()}


def place(region, network, *names):
    servers = [
        {"id": IDS[name], "hostname": name, "lag": "2s", "disks": [8], "origin": {"region": ORIGIN}} for name in names
    ]
    return {"name": region, "network": {"vpc": f"{network}.0.0/16", "subnets": {"prod": f"{network}.0.0/22"}}} | (
        {"servers": servers} if servers else {}
    )


FLEET = {
    "jitter": 0,
    "accounts": [
        {"id": ACCOUNT, "regions": [place(ORIGIN, "10.40"), place(HERE, "10.20", "db1", "web1", "web2")]},
        {
            "id": THERE,
            "regions": [place(ORIGIN, "10.50"), place("eu-central-1", "10.30", "mail1", "post1", "post2")],
            "roles": [{"name": "dr-operator", "trust": ACCOUNT, "external_id": "secret-1"}],
        },
    ],
}
PLAN = f"""\
kind: ProtectionGroup
name: db
region: {HERE}
servers: [{IDS["db1"]}]
---
kind: ProtectionGroup
name: mail
aws_conn_id: aws_there
region: eu-central-1
servers: [{IDS["mail1"]}]
---
kind: ProtectionGroup
name: web
region: {HERE}
servers: [{IDS["web1"]}, {{id: {IDS["web2"]}, order: 2}}]
---
kind: ProtectionGroup
name: post
aws_conn_id: aws_there
region: eu-central-1
servers: [{IDS["post1"]}, {{id: {IDS["post2"]}, order: 2}}]
---
kind: RecoveryPlan
name: shop
rpo: 15m
launch: ahead
drill: {{network: shared}}
waves:
  - {{name: database, groups: [db, mail]}}
  - {{name: web, groups: [web, post]}}
"""
ORDER = (("db1", "mail1"), ("web1", "post1"), ("web2", "post2"))
"""What boots before what."""


@pytest.fixture(scope="module")
def two_accounts(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=1)


@pytest.fixture
def live(two_accounts, tmp_path, monkeypatch):
    two_accounts.reset()
    for name, value in environment(two_accounts.url, tmp_path).items():
        monkeypatch.setenv(name, value)
    here = json.loads(environment(two_accounts.url, tmp_path)["AIRFLOW_CONN_AWS_DEFAULT"])
    role = {
        "role_arn": f"arn:aws:iam::{THERE}:role/dr-operator",
        "assume_role_kwargs": {"ExternalId": "secret-1"},
        "region_name": "eu-central-1",
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_THERE", json.dumps({**here, "extra": {**here["extra"], **role}}))

    def live(death, plan=PLAN, **more):
        kind = dataclasses.replace(kind_of("ahead"), plan=plan, prepare=lambda _: None)
        record, runs = lived(kind, two_accounts, tmp_path, death, **more)
        accounts = two_accounts.state()["accounts"]
        return record, runs, [accounts[ACCOUNT][HERE], accounts[THERE]["eu-central-1"]]

    return live


IN_WAVES = PLAN.replace("launch: ahead\n", "")
POINTS = (14, 22, 23, 24, 37, 38)
"""Of the calls that change something: a start of the first wave; what protects and starts the second, handed over; and
the starts of its second stage."""
LAUNCHES = (2, 3, 5)
"""Which StartRecovery in waves, two to each: of the first wave, of the second, and of its second stage."""


@dataclasses.dataclass
class AtLaunch(Death):
    """Dies after a StartRecovery, by its number."""

    number: int = 0
    seen: int = 0

    def after(self, service, operation):
        self.seen += operation == "StartRecovery"
        self.at = self.count + 1 if self.seen == self.number and operation == "StartRecovery" else 0
        super().after(service, operation)


def started(regions):
    """By hostname, when its instances were started, and when they ran."""
    found = {}
    for region in regions:
        for start in region["starts"]:
            at, ran = (start[name] and datetime.fromisoformat(start[name]) for name in ("at", "ran"))
            found.setdefault(NAMES[start["server"]], []).append((at, ran))
    return found


def launched(regions):
    """The hostnames of every launch job."""
    jobs = (job for region in regions for job in region["jobs"].values() if job["type"] == "LAUNCH")
    return sorted(NAMES[server["sourceServerID"]] for job in jobs for server in job["participatingServers"])


def assert_once_and_in_turn(record, regions, death):
    assert death.struck
    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert launched(regions) == sorted(IDS)
    starts = started(regions)
    assert {name: len(found) for name, found in starts.items()} == dict.fromkeys(IDS, 1)
    for before, after in pairwise(ORDER):
        ran = max(starts[name][0][1] for name in before)
        assert min(starts[name][0][0] for name in after) >= ran, (before, after)


@pytest.mark.parametrize("at", POINTS)
def test_a_death_after_a_call_starts_nothing_twice_nor_out_of_its_boot_order(live, at):
    death = Death(at=at, writes_only=True)
    record, _, regions = live(death)

    assert_once_and_in_turn(record, regions, death)


@pytest.mark.parametrize("at", POINTS[1:4:2])
def test_nor_does_another_airflow_that_takes_over_from_the_cloud_alone(live, at):
    death = Death(at=at, writes_only=True)
    record, _, regions = live(death, elsewhere=True)

    assert_once_and_in_turn(record, regions, death)


@pytest.mark.parametrize("number", LAUNCHES)
def test_in_waves_a_death_after_a_launch_launches_nothing_twice(live, number):
    death = AtLaunch(number=number)
    record, _, regions = live(death, IN_WAVES)

    assert death.struck
    assert record.report["verdict"] == "completed", (record.report["verdict_reason"], record.broken)
    assert launched(regions) == sorted(IDS)
