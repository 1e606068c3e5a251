"""A roll back that is killed at any of its writing calls, and what must never go, against the simulator over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from drs_provider.exceptions import AwsError, Conflict
from drs_provider.hooks.drill_resources import TracesHook
from drs_provider.rules.commit.roll_back import COMMITTED, ReversedSource
from drs_provider.rules.launch.tags import RUN
from drs_provider.rules.run.handover import CommitDecision, RolledBack, SettingsChange, TemplateInForce
from drs_provider.services.commit.roll_back import RollBack, RollBackScope
from drs_provider.services.commit.settings_back import AppliedSettings
from drs_provider.services.commit.survey import OtherRegions, reversed_sources
from drs_provider.services.settings.apply import apply_all
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.fake_drs import MemoryStore

ONE, TWO = "s-0hello00000000001", "s-0hello00000000002"
WRITES = ("unprotect", "terminate", "update_configuration", "make_default", "protect")
KEY = "key-1"


FLEET = {
    "jitter": 0,
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.1.0/24"}},
                    "servers": [
                        {"hostname": "hello1", "id": ONE, "origin": {"region": "us-east-1"}},
                        {"hostname": "hello2", "id": TWO, "origin": {"region": "us-east-1"}},
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    """Two servers from EC2 in another Region."""
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture(scope="module")
def clients(one_simulator):
    return SimpleNamespace(drs=one_simulator.client("drs"), ec2=one_simulator.client("ec2"))


@pytest.fixture
def hook(simulator):
    return TracesHook(aws_conn_id=None, region_name="us-west-2")


@pytest.fixture
def world(simulator, clients, hook):
    return simulator, clients, hook


def settings(clients):
    configuration = clients.drs.get_launch_configuration(sourceServerID=ONE)
    name = configuration["ec2LaunchTemplateID"]
    (version,) = clients.ec2.describe_launch_template_versions(LaunchTemplateId=name, Versions=["$Default"])[
        "LaunchTemplateVersions"
    ]
    return configuration["copyTags"], version["VersionNumber"], name


def launched(simulator, clients, server, **tags):
    """Recover a server, with protection, as a run does; return its job."""
    answer = clients.drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server}], tags=tags)
    simulator.advance("30m")
    for name in states(clients, server):
        clients.ec2.modify_instance_attribute(InstanceId=name, DisableApiTermination={"Value": True})
    return answer["job"]["jobID"]


def states(clients, server):
    found = clients.drs.describe_recovery_instances(filters={"sourceServerIDs": [server]})["items"]
    ids = [item["ec2InstanceID"] for item in found]
    pages = clients.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": ids}]) if ids else {}
    return {
        instance["InstanceId"]: instance["State"]["Name"]
        for reservation in pages.get("Reservations", ())
        for instance in reservation["Instances"]
    }


@pytest.fixture
def recovered(simulator, clients, hook):
    """Server one as this run recovered it with settings of its own; server two as somebody else did."""

    def begin():
        before = settings(clients)
        apply_all(hook, {ONE: {"instance_type": "r5.large", "copy_tags": not before[0]}}, is_temporary=False)
        after = settings(clients)
        job, _ = launched(simulator, clients, ONE, **{RUN: KEY}), launched(simulator, clients, TWO)
        applied = AppliedSettings(
            {ONE: (
                SettingsChange(field="copy_tags", was=before[0], now=after[0]),
                SettingsChange(field="instance_type", was=None, now="r5.large"),
            )},
            {ONE: TemplateInForce(template_id=before[2], version=after[1])},
        )  # fmt: skip
        decision = CommitDecision(
            kind="roll_back",
            by="bob",
            at=datetime.now(UTC),
            comment="x",
            job_ids=(job,),
            replication={ONE: "CONTINUOUS"},
        )
        scope = RollBackScope(
            job_ids=(job,),
            runs=(KEY,),
            servers=frozenset({ONE}),
            where="here",
            decision=decision,
            applied=applied,
            origins=(None,),
        )
        return before, scope

    return begin


def roll_back(simulator, hook, store, scope):
    real, requests = datetime.now(UTC), 0
    for _ in range(30):
        now = real + timedelta(seconds=simulator.clock()["simulated_seconds"])
        found = RollBack(hook, store, scope).look(
            began=real, deadline=real + timedelta(days=1), requests=requests, now=now
        )
        if isinstance(found, RolledBack):
            return found
        requests = found.requests
        simulator.advance("5m")
    raise AssertionError("it does not end")


class Killer:
    """Kills the process before or after its nth writing call."""

    def __init__(self, hook, at, when):
        self.hook, self.at, self.when, self.calls = hook, at, when, []
        for name in WRITES:
            self.hook.__dict__[name] = self._wrapped(name, getattr(type(hook), name))

    def _wrapped(self, name, real):
        def call(*args, **kwargs):
            self.calls.append(name)
            is_it = len(self.calls) == self.at
            if is_it and self.when == "before":
                raise SystemExit(name)
            answer = real(self.hook, *args, **kwargs)
            if is_it:
                raise SystemExit(name)
            return answer

        return call


def test_a_roll_back_ends_what_is_its_own_and_puts_all_back(simulator, clients, hook, recovered):
    before, scope = recovered()
    theirs = states(clients, TWO)
    killer = Killer(hook, 0, "never")

    found = roll_back(simulator, hook, MemoryStore(), scope)

    assert killer.calls == ["unprotect", "terminate", "update_configuration", "make_default"]
    assert [gone.server_id for gone in found.terminated] == [ONE]
    assert (found.left, found.settings_left, found.not_replicated) == ({}, {}, {})
    assert found.settings == {ONE: ("copy_tags", "instance_type")}
    assert found.replication == {ONE: "CONTINUOUS"}
    assert settings(clients) == before
    assert set(states(clients, ONE).values()) <= {"terminated"}
    assert states(clients, TWO) == theirs


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("memory", ["kept", "lost"])
def test_a_roll_back_that_is_killed_at_any_writing_call_is_finished_by_the_next(world, recovered, at, when, memory):
    simulator, clients, hook = world
    before, scope = recovered()
    theirs, store = states(clients, TWO), MemoryStore()
    killer = Killer(hook, at, when)
    with pytest.raises(SystemExit):
        roll_back(simulator, hook, store, scope)

    again = store if memory == "kept" else MemoryStore()
    found = roll_back(simulator, TracesHook(aws_conn_id=None, region_name="us-west-2"), again, scope)

    assert found.is_complete
    assert set(states(clients, ONE).values()) <= {"terminated"}
    assert states(clients, TWO) == theirs
    assert set(theirs.values()) == {"running"}
    if memory == "kept":
        assert settings(clients) == before
        assert [gone.server_id for gone in found.terminated] == [ONE]
    assert killer.calls


@pytest.mark.parametrize("lost", ["TerminateRecoveryInstances", "ModifyInstanceAttribute"])
@pytest.mark.parametrize("do", ["commit_then_drop", "throttle"])
def test_a_lost_answer_ends_nothing_twice_and_nothing_else(world, recovered, lost, do):
    simulator, clients, hook = world
    _, scope = recovered()
    theirs = states(clients, TWO)
    service = "ec2" if lost.startswith("Modify") else "drs"
    simulator.fault({"service": service, "operation": lost, "do": do, "count": 1})

    found = roll_back(simulator, hook, MemoryStore(), scope)

    assert found.is_complete
    assert states(clients, TWO) == theirs


def test_what_is_committed_between_decision_and_deed_stays(simulator, clients, hook, recovered):
    before, scope = recovered()
    (name,) = states(clients, ONE)
    clients.ec2.create_tags(Resources=[name], Tags=[{"Key": COMMITTED, "Value": "2026-03-01T12:00:00Z by ann"}])

    found = roll_back(simulator, hook, MemoryStore(), scope)

    assert found.left == {name: "it is committed: 2026-03-01T12:00:00Z by ann"}
    assert states(clients, ONE) == {name: "running"}
    assert settings(clients) != before


def test_a_server_on_its_way_back_stays(simulator, clients, hook, recovered):
    before, scope = recovered()
    (name,) = states(clients, ONE)
    simulator.advance("1h")
    arn = clients.drs.reverse_replication(recoveryInstanceID=name)["reversedDirectionSourceServerArn"]

    found = roll_back(simulator, hook, MemoryStore(), replace(scope, decision=insisting(scope.decision)))

    (why,) = found.left.values()
    assert why.startswith("reverse replication")
    assert states(clients, ONE) == {name: "running"}
    assert arn
    assert settings(clients) != before


def test_another_account_is_never_asked_whether_a_server_is_on_its_way_back(simulator, clients):
    """To an account that has nothing to do with it the server is not there, which reads like an old name."""
    name = "arn:aws:drs:us-west-2:{}:source-server/s-0hello00000000009"
    servers = [
        {"sourceServerID": ONE, "reversedDirectionSourceServerArn": name.format("111122223333")},
        {"sourceServerID": TWO, "reversedDirectionSourceServerArn": name.format("999988887777")},
    ]

    found = reversed_sources(servers, OtherRegions((None,)).servers)

    assert found == {
        ONE: ReversedSource(),
        TWO: ReversedSource(
            problem=(
                "no connection that the plan names for the way back works in account 999988887777: name one as "
                "failback.origin.aws_conn_id, or the group's own origin"
            )
        ),
    }


@pytest.fixture
def both(recovered, hook, clients, simulator):
    """Servers one and two, each as this run recovered it."""

    def begin():
        _, scope = recovered()
        again = launched(simulator, clients, TWO, **{RUN: KEY})
        jobs = (*scope.job_ids, again)
        decision = scope.decision.model_copy(update={"job_ids": jobs, "replication": {ONE: "CONTINUOUS"}})
        return replace(scope, job_ids=jobs, servers=frozenset({ONE, TWO}), decision=decision)

    return begin


def test_what_is_gone_is_told_although_something_is_left(simulator, clients, hook, both, monkeypatch):
    scope, store = both(), MemoryStore()
    found = clients.drs.describe_recovery_instances(filters={"sourceServerIDs": [TWO]})["items"]
    (stays,) = (str(each["recoveryInstanceID"]) for each in found if each["jobID"] == scope.job_ids[1])
    real = hook.terminate

    def terminate(names):
        if stays in names:
            raise Conflict("TerminateRecoveryInstances", "ConflictException", "something holds it")
        return real(names)

    monkeypatch.setattr(hook, "terminate", terminate)
    began = datetime.now(UTC)
    for hours in (0, 1, 2, 30):
        found = RollBack(hook, store, scope).look(
            began=began, deadline=began + timedelta(hours=24), requests=0, now=began + timedelta(hours=hours)
        )
        simulator.advance("10m")

    assert [gone.server_id for gone in found.terminated] == [ONE]
    assert list(found.left) == [stays]
    assert found.settings == {ONE: ("copy_tags", "instance_type")}
    assert is_protected(clients, stays)


def test_what_an_error_ends_is_protected_again(simulator, clients, hook, recovered):
    _, scope = recovered()
    (name,) = states(clients, ONE)
    simulator.fault({"service": "drs", "operation": "TerminateRecoveryInstances", "do": "access_denied"})

    with pytest.raises(AwsError):
        roll_back(simulator, hook, MemoryStore(), scope)

    assert states(clients, ONE) == {name: "running"}
    assert is_protected(clients, name)


def is_protected(clients, name):
    answer = clients.ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")
    return answer["DisableApiTermination"]["Value"]


def insisting(decision):
    return decision.model_copy(update={"insists": True, "comment": "shop: I insist"})


def test_what_others_changed_since_stays(simulator, clients, hook, recovered):
    before, scope = recovered()
    clients.drs.update_launch_configuration(sourceServerID=ONE, copyTags=before[0])
    clients.ec2.create_launch_template_version(
        LaunchTemplateId=before[2], SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.large"}
    )
    clients.ec2.modify_launch_template(LaunchTemplateId=before[2], DefaultVersion="3")

    found = roll_back(simulator, hook, MemoryStore(), scope)

    assert found.settings_left == {
        ONE: f"instance_type: version 3 of {before[2]} is the default now, which this run did not make"
    }
    assert settings(clients)[1] == 3
