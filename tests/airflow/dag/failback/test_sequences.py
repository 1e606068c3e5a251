"""Ways back that did not begin with this Airflow: reversed in the console, or begun by an Airflow that is gone.

Also what few plans have: waves in the other order, a boot order, servers of two ways in one wave, another account.
"""

import json

import pytest
from drs_simulator.client import SimulatorHandle
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.simulated_airflow import SimulatedAirflows

from benchmarks.kill_sweep.lives import environment

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

HERE, THERE = "111122223333", "444455556666"
WEST, EAST = "us-west-2", "us-east-1"
ROLE = f"arn:aws:iam::{THERE}:role/dr-operator"
NAMES = ("one", "two", "three", "four", "five", "six")
IDS = {name: f"s-{number:017d}" for number, name in enumerate(NAMES, start=1)}
AWAY = {name: f"s-{number:017d}" for number, name in enumerate(("away1", "away2"), start=31)}
NETWORK = {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}}


def _servers(ids, account):
    origin = {"region": EAST, **({"account": account} if account != HERE else {})}
    return [
        {"id": server, "hostname": name, "lag": "2s", "disks": [8], "origin": origin} for name, server in ids.items()
    ]


FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": HERE,
            "regions": [
                {"name": EAST, "network": {"vpc": "10.40.0.0/16", "subnets": {"prod": "10.40.0.0/22"}}},
                {"name": WEST, "network": NETWORK, "servers": [*_servers(IDS, HERE), *_servers(AWAY, THERE)]},
            ],
        },
        {
            "id": THERE,
            "roles": [{"name": "dr-operator", "trust": HERE}],
            "regions": [{"name": EAST, "network": {"vpc": "10.60.0.0/16", "subnets": {"prod": "10.60.0.0/22"}}}],
        },
    ],
}
GO = {"mode": "failback", "confirm": "shop", "reason": "the Region is back"}
YES = {"preflight.approval": [("ann", "Approve", "")] * 9, "finish.agree": [("bob", "Approve", "")] * 9}
BACK = "drs.shop.failback"
FAILBACK = """\
failback: {%sapproval: {approvers: [ann]}, clean_up: {approvers: [bob]}}
before: [{kind: wait, name: freeze, for: 1s, when: failback}]
drill: {network: shared}
"""


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET, speed=1)


@pytest.fixture(autouse=True)
def asks_often():
    """In the simulator's time the waits cost nothing: they are as they are."""


class World:
    """An account, and the people who work in its console."""

    def __init__(self, simulator):
        self.simulator = SimulatorHandle(simulator.url)
        self.west, self.east = (self.client("drs", region) for region in (WEST, EAST))

    def client(self, service, region, account=HERE):
        return self.simulator.client(service, region_name=region, aws_access_key_id=account)

    def recover(self, *servers):
        self.west.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server} for server in servers])
        self.simulator.advance("40m")

    def recovered(self, server):
        return next(
            (each["recoveryInstanceID"] for each in self.records(WEST) if each["sourceServerID"] == server), None
        )

    def records(self, region, account=HERE):
        return [
            each
            for each in self.client("drs", region, account).describe_recovery_instances()["items"]
            if each["ec2InstanceState"] not in ("TERMINATED", "NOT_FOUND")
        ]

    def servers(self, region, account=HERE):
        return self.client("drs", region, account).describe_source_servers(filters={})["items"]

    def backs(self, account=HERE):
        """FAILBACK servers by hostname."""
        return {
            each["sourceProperties"]["identificationHints"]["hostname"]: each["sourceServerID"]
            for each in self.servers(EAST, account)
            if each["replicationDirection"] == "FAILBACK"
        }

    def replicated(self, name):
        """What the server in the recovery Region replicates, and how."""
        found = next(each for each in self.servers(WEST) if each["sourceServerID"] == {**IDS, **AWAY}[name])
        hints = found["sourceProperties"]["identificationHints"]
        return hints["awsInstanceID"], found["dataReplicationInfo"]["dataReplicationState"]

    def stop_originals(self, *names, account=HERE):
        ec2 = self.client("ec2", EAST, account)
        ec2.stop_instances(InstanceIds=[self.replicated(name)[0] for name in names])

    def failed_back(self, failback_server):
        return next(
            each["recoveryInstanceID"] for each in self.records(EAST) if each["sourceServerID"] == failback_server
        )

    def in_ec2(self, region, account=HERE):
        pages = self.client("ec2", region, account).get_paginator("describe_instances").paginate()
        found = (each for page in pages for found in page["Reservations"] for each in found["Instances"])
        return {each["InstanceId"]: each["State"]["Name"] for each in found}

    def reverse(self, *names):
        for name in names:
            self.west.reverse_replication(recoveryInstanceID=self.recovered(IDS[name]))

    def launch_back(self, *names):
        backs = self.backs()
        self.east.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": backs[name]} for name in names])
        self.simulator.advance("40m")

    def protected(self, *instances):
        """Those of these instances in the origin that EC2 does not terminate."""
        ec2, attribute = self.client("ec2", EAST), "disableApiTermination"
        found = {name: ec2.describe_instance_attribute(InstanceId=name, Attribute=attribute) for name in instances}
        return {name for name, each in found.items() if each["DisableApiTermination"]["Value"]}

    def launched_in_origin(self, account=HERE):
        """FAILBACK servers of every launch for good that DRS has accepted there, in their order."""
        return [
            each["sourceServerID"]
            for call in self.simulator.calls()
            if call["operation"] == "StartRecovery" and (call["region"], call["account"]) == (EAST, account)
            if call["status"] < 300 and not call["request"]["isDrill"]
            for each in call["request"]["sourceServers"]
        ]

    def reversed_times(self, *regions):
        return [
            call["request"]["recoveryInstanceID"]
            for call in self.simulator.calls()
            if call["operation"] == "ReverseReplication" and call["status"] < 300 and call["region"] in regions
        ]


@pytest.fixture
def world(one_simulator):
    one_simulator.reset()
    return World(one_simulator)


@pytest.fixture
def airflows(world, tmp_path, monkeypatch):
    url = world.simulator.url
    for name, value in environment(url, tmp_path).items():
        monkeypatch.setenv(name, value)
    extra = {"region_name": EAST, "endpoint_url": url, "role_arn": ROLE}
    extra["service_config"] = {"sts": {"endpoint_url": url}}
    connection = {"conn_type": "aws", "login": HERE, "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ORIGIN", json.dumps(connection))
    return SimulatedAirflows(world.simulator, tmp_path)


@pytest.fixture
def plan(tmp_path):
    def plan(text):
        (tmp_path / "plans").mkdir(exist_ok=True)
        (tmp_path / "plans" / "shop.yaml").write_text(text)

    return plan


def group(name, servers, more=""):
    return f"kind: ProtectionGroup\nname: {name}\nregion: {WEST}\nservers: [{', '.join(servers)}]\n{more}---\n"


def at_rest(world, *names):
    """Every server replicates what runs in the origin, and nothing of the way back is left of it."""
    for name in names:
        instance, state = world.replicated(name)
        assert (state, world.in_ec2(EAST)[instance]) == ("CONTINUOUS", "running"), name
    left = {each["sourceServerID"] for region in (WEST, EAST) for each in world.records(region)}
    assert not left & {IDS[name] for name in names}
    assert not set(world.backs()) & set(names)


def test_half_of_the_servers_were_reversed_and_launched_by_hand_before_anybody_began(world, airflows, plan):
    """one: recovered; two: still copying; three: ready; four: runs in the origin; five: so, and its record was deleted;
    six: at rest but for what the way back has left."""
    world.recover(*IDS.values())
    world.stop_originals(*NAMES)
    world.reverse("three", "four", "five", "six")
    world.simulator.advance("3h")
    world.launch_back("four", "five", "six")
    backs = world.backs()
    hand = {each["sourceServerID"]: each["recoveryInstanceID"] for each in world.records(EAST)}
    world.east.disconnect_recovery_instance(recoveryInstanceID=hand[backs["five"]])
    world.east.delete_recovery_instance(recoveryInstanceID=hand[backs["five"]])
    world.east.reverse_replication(recoveryInstanceID=hand[backs["six"]])
    world.simulator.advance("3h")
    world.east.stop_replication(sourceServerID=backs["six"])
    west_six = world.recovered(IDS["six"])
    world.client("ec2", WEST).modify_instance_attribute(InstanceId=west_six, DisableApiTermination={"Value": False})
    world.west.terminate_recovery_instances(recoveryInstanceIDs=[west_six])
    world.simulator.advance("30m")
    world.east.delete_recovery_instance(recoveryInstanceID=hand[backs["six"]])
    world.reverse("two")
    by_hand = world.reversed_times(WEST, EAST)
    plan(
        group("db", [IDS["one"], IDS["two"], IDS["three"]])
        + group("web", [IDS["four"], IDS["five"], IDS["six"]])
        + "kind: RecoveryPlan\nname: shop\n"
        + FAILBACK % ""
        + "waves: [{name: database, groups: [db]}, {name: web, groups: [web]}]\n"
    )

    reprotected = airflows.run(BACK, {"mode": "reprotect"})
    refused = airflows.run(BACK, GO, answers=YES)
    assert refused.verdict == "refused", refused.words
    assert world.launched_in_origin() == [backs[name] for name in ("four", "five", "six")]
    ended = airflows.run(BACK, {**GO, "exclude_servers": [IDS["five"]]}, answers=YES)

    why = "DRS shows no instance of that, neither a live nor a gone one: production may run on it."
    assert why in reprotected.errors["web.reverse_replication"]
    assert why in refused.errors["preflight.check"]
    assert "refused, 1 reason" in refused.errors["preflight.check"]
    said = ended.report["verdict"], ended.report["verdict_reason"]
    assert said == ("completed_with_exceptions", "Excluded: five."), ended.words
    assert ended.servers == {"five": "excluded"} | dict.fromkeys(("one", "two", "three", "four", "six"), "launched")
    at_rest(world, "one", "two", "three", "four", "six")
    launched = world.launched_in_origin()
    assert len(launched) == len(set(launched)) == 6
    again = [name for name in world.reversed_times(WEST, EAST) if name not in by_hand]
    assert len(again) == len(set(again)) == 1 + 4, "one is reversed, and what was launched is protected again"
    assert world.replicated("four")[0] == hand[backs["four"]]
    assert world.replicated("six")[0] == hand[backs["six"]]
    assert world.in_ec2(EAST)[hand[backs["five"]]] == "running"
    assert world.in_ec2(WEST)[world.recovered(IDS["five"])] == "running"
    assert set(world.backs()) == {"five"}


def into_original(world, *names):
    """Have the servers replicated back so that DRS launches them into the instances that they came from."""
    ec2 = world.client("ec2", EAST)
    made = world.east.create_launch_configuration_template(launchIntoSourceInstance=True)
    originals = [world.replicated(name)[0] for name in names]
    ec2.create_tags(Resources=originals, Tags=[{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}])
    world.reverse(*names)
    template = made["launchConfigurationTemplate"]["launchConfigurationTemplateID"]
    world.east.delete_launch_configuration_template(launchConfigurationTemplateID=template)
    return originals


def test_two_airflows_die_on_the_way_and_a_third_ends_it(world, airflows, plan):
    """Waves in the other order, a boot order across servers of two ways, and one that is launched into its original."""
    ours = ("one", "two", "three", "four")
    world.recover(*IDS.values())
    (original,) = into_original(world, "one")
    world.stop_originals(*ours[1:])
    world.reverse(*ours[1:])
    world.simulator.advance("3h")
    backs = world.backs()
    strangers = {name: world.recovered(IDS[name]) for name in ("five", "six")}
    plan(
        group("db", [f"{{id: {IDS['one']}, order: 1}}", f"{{id: {IDS['two']}, order: 2}}"])
        + group("mail", [IDS["three"]], f"origin: {{region: {EAST}}}\n")
        + group("web", [IDS["four"]])
        + "kind: RecoveryPlan\nname: shop\n"
        + FAILBACK % "order: reversed, "
        + "waves: [{name: database, groups: [db, mail]}, {name: web, groups: [web]}]\n"
    )

    airflows.run(BACK, GO, answers=YES, dies_before="web.recovery_job")
    assert world.launched_in_origin() == [backs["four"]]
    assert world.in_ec2(EAST)[original] == "running"
    airflows.run(BACK, GO, answers=YES, dies_before="finish.protect_again")
    launched = world.launched_in_origin()
    assert launched[0] == backs["four"]
    assert sorted(launched) == sorted(backs[name] for name in ours)
    assert launched.index(backs["one"]) < launched.index(backs["two"])
    assert set(world.reversed_times(EAST)) <= {world.failed_back(backs["three"])}, "what goes the other way home"
    ended = airflows.run(BACK, GO, answers=YES)

    assert ended.verdict == "completed", ended.words
    assert ended.servers == dict.fromkeys(ours, "launched")
    at_rest(world, *ours)
    assert world.launched_in_origin() == launched
    assert len(set(world.reversed_times(EAST))) == len(world.reversed_times(EAST)) == len(ours)
    assert world.replicated("one")[0] == original
    production = {name: world.replicated(name)[0] for name in ours}
    assert world.protected(*production.values()) == set(production.values()), "four's Airflow died before it was up"
    assert {name: world.recovered(IDS[name]) for name in strangers} == strangers


def test_servers_of_another_account_are_reversed_drilled_and_failed_back_there(world, airflows, plan):
    world.recover(*AWAY.values())
    world.stop_originals(*AWAY, account=THERE)
    plan(
        group("away", AWAY.values())
        + "kind: RecoveryPlan\nname: shop\n"
        + FAILBACK % "origin: {aws_conn_id: aws_origin, region: us-east-1}, "
        + "waves: [{name: away, groups: [away]}]\n"
    )

    reprotected = airflows.run(BACK, {"mode": "reprotect"})
    backs, originals = world.backs(THERE), {name: world.replicated(name)[0] for name in AWAY}
    drilled = airflows.run(BACK, {"mode": "failback_drill"})
    assert world.launched_in_origin(THERE) == []
    after_drill = (world.backs(THERE), world.records(EAST, THERE), len(world.records(WEST)))
    ended = airflows.run(BACK, GO, answers=YES)

    verdicts = [run.verdict for run in (reprotected, drilled, ended)]
    assert verdicts == ["completed", "passed", "completed"], [run.words for run in (reprotected, drilled, ended)]
    assert after_drill == (backs, [], 2)
    assert sorted(world.launched_in_origin(THERE)) == sorted(backs.values())
    there = world.in_ec2(EAST, THERE)
    for name, original in originals.items():
        instance, state = world.replicated(name)
        assert (state, there[instance], there[original]) == ("CONTINUOUS", "running", "stopped")
    assert (world.records(WEST), world.records(EAST, THERE), world.backs(THERE)) == ([], [], {})
    own = {call["operation"] for call in world.simulator.calls() if (call["region"], call["account"]) == (EAST, HERE)}
    assert not {"StartRecovery", "CreateVpc", "StopReplication", "DeleteSourceServer"} & own


def test_writes_are_not_stopped_for_a_launch_that_would_be_refused(world, airflows, plan):
    """People have agreed; before the step that stops the writes somebody drills one of the servers in the console."""
    world.recover(IDS["one"], IDS["two"])
    world.stop_originals("one", "two")
    world.reverse("one", "two")
    world.simulator.advance("3h")
    plan(
        group("db", [IDS["one"], f"{{id: {IDS['two']}, critical: false}}"])
        + "kind: RecoveryPlan\nname: shop\n"
        + FAILBACK % ""
        + "waves: [{name: database, groups: [db]}]\n"
    )
    drilled = []

    def drill(task_id):
        if task_id == "before_waves.freeze" and not drilled:
            drilled.extend(world.backs().values())
            world.east.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": back} for back in drilled])

    ended = airflows.run(BACK, GO, answers=YES, before_leg=drill)

    (job,) = world.east.describe_jobs(filters={})["items"]
    assert ended.errors["before_waves.freeze"] == (
        "this step stands before the launch, and what follows would not be launched: one: job "
        f"{job['jobID']} launches it for a failback drill: wait until that drill is cleaned up. The step did nothing. "
        "Correct this and clear it with everything downstream, or start a new run"
    )
    assert (ended.verdict, ended.states["database.final_sync"]) == ("failed", "upstream_failed"), ended.words
    assert world.launched_in_origin() == []
