"""The policies of docs/permissions.md: enough for a drill and a recovery, and no way to end what a recovery launched.

Every AWS call of a whole run is held against the policies of the role that would make it, with the tags that what it
touches has at that moment, by the simulator's SimulatePrincipalPolicy. Then what the roles must refuse is tried.
"""

import json
import os
import re
from pathlib import Path

import pytest
from botocore.client import BaseClient
from drs_provider.hooks.drs import DrsHook
from drs_provider.hooks.iam import permission_gaps
from drs_provider.rules.preflight.permissions import questions
from drs_provider.rules.purpose import DRILL, RECOVERY
from kit.dag_runs import SHOP, calls, instances
from kit.people import People

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

PAGE = (Path(__file__).parents[3] / "docs" / "permissions.md").read_text()
ACCOUNT = "111122223333"
POLICIES = {
    policy["Statement"][0]["Sid"]: policy
    for policy in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
}
BOTH = ("LookAtDrs", "WhatDrsAsksOfTheCaller", "LookAtLaunchSettings", "NeverEndWhatARecoveryLaunched")
ROLES = {
    "drills": (*BOTH, "StartDrillsOnly", "TerminateDrills", "LookForLeftOvers", "ProveThatNothingLeadsOut"),
    "recoveries": (*BOTH, "StartRecoveriesOnly"),
}
ROLL_BACK = (*BOTH[:-1], "StartRecoveriesOnly", "RollBackRecoveries")
"""The role for recoveries of plans that can be rolled back: its backstop protects what is committed."""
WAY_BACK = ("LookAtDrs", "ReverseWhatRuns")
"""A role of its own, without the backstop: it ends the replication of FAILBACK servers."""
SOURCES = ("StopSourcesOfMigrations",)
AHEAD = (*ROLES["recoveries"], "StartWhatWasLaunchedAhead")
"""The role for recoveries of plans that launch ahead."""
MODE = "drs-orchestrator:mode"
COMMIT = "recovery: {commit: {approvers: [bob]}}\nrto: 45m"
DRS = "drs.amazonaws.com"
PREFIX = {"service-quotas": "servicequotas", "elbv2": "elasticloadbalancing"}
KINDS = {
    "i": "instance", "vol": "volume", "eni": "network-interface", "sg": "security-group", "subnet": "subnet",
    "vpc": "vpc", "vpce": "vpc-endpoint", "lt": "launch-template", "snap": "snapshot",
}  # fmt: skip
_ID = re.compile(r"^(i|vol|eni|sg|subnet|vpc|vpce|lt|snap)-[0-9a-zA-Z]+$")


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def test_every_policy_of_the_page_belongs_to_a_role():
    assert set(POLICIES) == {sid for sids in (*ROLES.values(), ROLL_BACK, WAY_BACK, SOURCES, AHEAD) for sid in sids}
    for policy in POLICIES.values():
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            careful = [
                action
                for action in actions
                if action.startswith(("ec2:CreateTags", "ec2:DeleteTags", "ec2:Revoke", "ec2:ModifyInstanceAttribute"))
                or action in {"ec2:TerminateInstances", "ec2:DeleteVolume", "drs:StartRecovery", "drs:TagResource"}
            ]
            if careful and statement["Effect"] == "Allow":
                assert statement.get("Condition"), f"{statement['Sid']}: {careful} without a condition"
            assert "*" not in actions
            assert not [action for action in actions if action.endswith(":*")]


@pytest.fixture
def roles(simulator):
    """The two roles, with the policies of the page."""
    iam = simulator.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    others = {"roll_back": ROLL_BACK, "failback": WAY_BACK, "sources": SOURCES, "ahead": AHEAD}
    for name, sids in {**ROLES, **others}.items():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        for sid in sids:
            iam.put_role_policy(RoleName=name, PolicyName=sid, PolicyDocument=json.dumps(POLICIES[sid]))
    return iam


def entry(key, *values):
    return {
        "ContextKeyName": key,
        "ContextKeyType": "stringList" if len(values) > 1 else "string",
        "ContextKeyValues": [*values],
    }


class Judge:
    """IAM's word for one role about single actions on single resources."""

    def __init__(self, iam, name):
        self.iam, self.arn = iam, role(name)

    def decision(self, action, resource="*", *, tags=(), request=(), **context):
        entries = [entry(f"aws:ResourceTag/{key}", value) for key, value in dict(tags).items()]
        entries += [entry(f"aws:RequestTag/{key}", value) for key, value in dict(request).items()]
        if request:
            entries.append(entry("aws:TagKeys", *dict(request)))
        entries += [entry(key.replace("__", ":"), value) for key, value in context.items()]
        answer = self.iam.simulate_principal_policy(
            PolicySourceArn=self.arn, ActionNames=[action], ResourceArns=[resource], ContextEntries=entries
        )
        return answer["EvaluationResults"][0]["EvalDecision"]


def texts(value):
    match value:
        case str():
            yield value
        case dict():
            yield from (text for inner in value.values() for text in texts(inner))
        case list() | tuple():
            yield from (text for inner in value for text in texts(inner))


class Watched:
    """Judges every call that a run sends, right before it is sent."""

    def __init__(self, simulator, judge):
        self.simulator, self.judge = simulator, judge
        self.refused, self.judged, self.is_asking = set(), set(), False

    def look(self, service, operation, request, region):
        self.is_asking = True
        try:
            for action, resource, context in self.asked(service, operation, request, region):
                self.judged.add(action)
                decision = self.judge.decision(action, resource, **context)
                if decision != "allowed":
                    self.refused.add((action, resource.rpartition(":")[2].split("/")[0], decision))
        finally:
            self.is_asking = False

    def asked(self, service, operation, request, region):
        """The actions that IAM would be asked about, each on every resource that it touches."""
        prefix = PREFIX.get(service, service)
        given = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()} if service == "ec2" else {}
        specified = {
            tag["Key"]: tag["Value"] for part in request.get("TagSpecifications") or () for tag in part["Tags"]
        }
        if service == "drs" and isinstance(request.get("tags"), dict):
            given = request["tags"]
        if service == "drs" and operation == "UntagResource":
            given = dict.fromkeys(request["tagKeys"], "")
        action = f"{prefix}:{operation}"
        for resource, tags in self.resources(service, request, region):
            yield action, resource, {"tags": tags, "request": given}
        if specified:
            yield "ec2:CreateTags", "*", {"request": specified, "ec2__CreateAction": operation}
        if operation == "StartRecovery":
            yield "drs:TagResource", "*", {"request": given}

    def resources(self, service, request, region):
        if service == "ec2":
            if ids := sorted({text for text in texts(request) if _ID.match(text)}):
                ec2 = self.simulator.client("ec2", region_name=region)
                tags = {name: {} for name in ids}
                for tag in ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": ids}])["Tags"]:
                    tags[tag["ResourceId"]][tag["Key"]] = tag["Value"]
                for name in ids:
                    kind = KINDS[name.partition("-")[0]]
                    yield f"arn:aws:ec2:{region}:{ACCOUNT}:{kind}/{name}", tags[name]
                return
        elif service == "drs" and (names := request.get("recoveryInstanceIDs")):
            drs = self.simulator.client("drs", region_name=region)
            known = {item["recoveryInstanceID"]: item for item in drs.describe_recovery_instances(filters={})["items"]}
            for name in names:
                yield known[name]["arn"], known[name]["tags"]
            return
        elif service == "drs" and (arn := request.get("resourceArn")):
            yield arn, self.simulator.client("drs", region_name=region).list_tags_for_resource(resourceArn=arn)["tags"]
            return
        yield "*", {}


@pytest.fixture
def watched(simulator, roles, monkeypatch):
    """Give a role to a run: every call is judged before it is sent."""

    def watch(name):
        found = Watched(simulator, Judge(roles, name))
        send = BaseClient._make_api_call

        def judged(client, operation, request):
            service = client.meta.service_model.service_name
            if not found.is_asking and service not in ("sts", "iam"):
                found.look(service, operation, request, client.meta.region_name)
            return send(client, operation, request)

        monkeypatch.setattr(BaseClient, "_make_api_call", judged)
        return found

    return watch


def test_a_whole_drill_may_do_what_it_does_with_the_role_for_drills(run, watched, simulator):
    found = watched("drills")

    ended = run(SHOP)

    assert ended.report["verdict"] == "passed"
    assert found.refused == set()
    assert {"drs:StartRecovery", "drs:TerminateRecoveryInstances", "ec2:CreateTags", "drs:TagResource"} <= found.judged
    assert set(instances(simulator).values()) <= {"terminated"}


def test_a_whole_recovery_that_launches_ahead_needs_one_policy_more(run, watched):
    found = watched("ahead")

    ended = run(SHOP.replace("rto: 45m", "launch: ahead"), mode="recovery", confirm="shop", reason="fire")

    assert ended.report["verdict"] == "completed"
    assert found.refused == set()
    assert {"ec2:StartInstances", "drs:UpdateLaunchConfiguration"} <= found.judged


def test_a_whole_recovery_may_do_what_it_does_with_the_role_for_recoveries(run, watched, simulator):
    found = watched("recoveries")

    ended = run(SHOP, mode="recovery", confirm="shop", reason="fire")

    assert ended.report["verdict"] == "completed"
    assert found.refused == set()
    assert {"drs:StartRecovery", "ec2:ModifyInstanceAttribute", "ec2:CreateTags"} <= found.judged
    assert calls(simulator, "TerminateRecoveryInstances") == []
    assert set(instances(simulator).values()) == {"running"}


@pytest.mark.parametrize(("name", "mode"), [("drills", "recovery"), ("recoveries", "drill")])
def test_neither_role_can_start_the_other_kind_of_run(run, watched, name, mode):
    found = watched(name)

    run(SHOP, mode=mode, confirm="shop", reason="fire")

    assert ("drs:StartRecovery", "*", "implicitDeny") in found.refused


@pytest.mark.parametrize(("name", "purpose"), [("drills", DRILL), ("recoveries", RECOVERY), ("roll_back", RECOVERY)])
def test_preflight_finds_nothing_missing_in_the_role_of_its_run(roles, monkeypatch, name, purpose):
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    connection["extra"]["role_arn"] = role(name)
    monkeypatch.setenv("AIRFLOW_CONN_OF_ROLE", json.dumps(connection))

    asked = questions(purpose, settings=True, launch_actions=True, commit=name == "roll_back")
    gaps = permission_gaps(DrsHook(aws_conn_id="of_role"), asked)

    assert (gaps.not_asked, gaps.denied, gaps.unclear) == ("", (), ())


INSTANCE = f"arn:aws:ec2:us-west-2:{ACCOUNT}:instance/i-1"
GROUP = f"arn:aws:ec2:us-west-2:{ACCOUNT}:security-group/sg-1"
RECOVERED = {MODE: "recovery", "AWSElasticDisasterRecoveryManaged": DRS}
OF_A_DRILL = {MODE: "drill", "AWSElasticDisasterRecoveryManaged": DRS}
VIA = {"aws__CalledVia": DRS}

NEVER = [
    ("drs:TerminateRecoveryInstances", INSTANCE, {"tags": RECOVERED}),
    ("ec2:TerminateInstances", INSTANCE, {"tags": RECOVERED}),
    ("ec2:TerminateInstances", INSTANCE, {"tags": RECOVERED, **VIA}),
    ("ec2:StopInstances", INSTANCE, {"tags": RECOVERED, **VIA}),
    ("ec2:DeleteVolume", "*", {"tags": RECOVERED}),
    ("ec2:DeleteVolume", "*", {"tags": RECOVERED, **VIA}),
    ("ec2:DeleteNetworkInterface", "*", {"tags": RECOVERED}),
    ("ec2:CreateTags", INSTANCE, {"tags": RECOVERED, "request": {MODE: "drill"}}),
    ("ec2:CreateTags", INSTANCE, {"tags": RECOVERED, "request": {"drs-orchestrator:expires": "2026-01-01T00:00:00Z"}}),
    ("drs:TagResource", INSTANCE, {"tags": RECOVERED, "request": {MODE: "drill"}}),
    ("drs:UntagResource", INSTANCE, {"tags": RECOVERED, "request": {MODE: ""}}),
    ("ec2:DeleteTags", INSTANCE, {"tags": RECOVERED, "request": {MODE: ""}}),
    ("drs:StopReplication", "*", {}),
    ("drs:DisconnectSourceServer", "*", {}),
    ("drs:DeleteSourceServer", "*", {}),
    ("ec2:RevokeSecurityGroupIngress", GROUP, {}),
    ("ec2:RevokeSecurityGroupEgress", GROUP, {"tags": {"Name": "default"}}),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {}),
    ("ec2:DeleteSecurityGroup", GROUP, {}),
    ("ec2:DeleteVpc", "*", {}),
    ("ec2:CreateTags", GROUP, {"request": {MODE: "drill"}}),
    ("ec2:CreateTags", INSTANCE, {"request": {"Name": "mine"}}),
    ("ec2:ModifyInstanceAttribute", INSTANCE, {}),
    ("ec2:ModifyLaunchTemplate", f"arn:aws:ec2:us-west-2:{ACCOUNT}:launch-template/lt-1", {}),
    ("ec2:TerminateInstances", INSTANCE, {}),
    ("drs:TagResource", "*", {"request": {"team": "mine"}}),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam__PassedToService": "ec2.amazonaws.com"}),
]


@pytest.mark.parametrize("name", ROLES)
def test_what_neither_role_may_ever_do(roles, name):
    judge = Judge(roles, name)

    allowed = [
        (action, context) for action, where, context in NEVER if judge.decision(action, where, **context) == "allowed"
    ]

    assert allowed == []


def test_the_role_of_the_way_back_ends_replication_and_stops_only_what_is_launched_into(roles):
    judge = Judge(roles, "failback")
    into = {"tags": {"AWSDRS": "AllowLaunchingIntoThisInstance"}}
    table = [
        ("drs:ReverseReplication", "*", {}, True),
        ("drs:StartFailbackLaunch", "*", {}, True),
        ("drs:StopReplication", "*", {}, True),
        ("drs:DeleteRecoveryInstance", INSTANCE, {"tags": RECOVERED}, True),
        ("ec2:StopInstances", INSTANCE, into, True),
        ("ec2:StartInstances", INSTANCE, into, True),
        ("ec2:StopInstances", INSTANCE, {"tags": RECOVERED}, False),
        ("ec2:StopInstances", INSTANCE, {}, False),
        ("ec2:TerminateInstances", INSTANCE, into, False),
        ("drs:TerminateRecoveryInstances", INSTANCE, {"tags": RECOVERED}, True),
        ("ec2:ModifyInstanceAttribute", INSTANCE, {}, False),
        ("drs:StartRecovery", "*", {"request": {MODE: "recovery"}}, False),
    ]
    found = [(action, judge.decision(action, where, **context) == "allowed") for action, where, context, _ in table]

    assert found == [(action, is_allowed) for action, _, _, is_allowed in table]


def test_the_role_of_a_migrations_origin_stops_what_is_tagged_and_nothing_more(roles):
    judge, tagged = Judge(roles, "sources"), {"tags": {"DrsMigration": "stop"}}

    assert judge.decision("ec2:StopInstances", INSTANCE, **tagged) == "allowed"
    assert judge.decision("ec2:DescribeInstances", "*") == "allowed"
    assert judge.decision("ec2:StopInstances", INSTANCE) != "allowed"
    for action in ("ec2:StartInstances", "ec2:TerminateInstances", "drs:StartRecovery"):
        assert judge.decision(action, INSTANCE, **tagged) != "allowed"


def test_the_role_that_rolls_back_never_ends_what_is_committed(roles):
    judge = Judge(roles, "roll_back")
    committed = {**RECOVERED, "drs-orchestrator:committed": "2026-03-01T12:00:00Z by ann"}
    table = [
        ("drs:TerminateRecoveryInstances", INSTANCE, {"tags": RECOVERED}, True),
        ("ec2:TerminateInstances", INSTANCE, {"tags": RECOVERED}, True),
        ("ec2:TerminateInstances", INSTANCE, {}, False),
        ("drs:TerminateRecoveryInstances", INSTANCE, {"tags": committed}, False),
        ("ec2:TerminateInstances", INSTANCE, {"tags": committed}, False),
        ("drs:UntagResource", INSTANCE, {"tags": committed, "request": {MODE: ""}}, False),
        ("drs:StopReplication", "*", {}, False),
    ]
    found = [(action, judge.decision(action, where, **context) == "allowed") for action, where, context, _ in table]

    assert found == [(action, is_allowed) for action, _, _, is_allowed in table]


def test_a_whole_roll_back_may_do_what_it_does_with_its_role(run, watched, simulator):
    found = watched("roll_back")

    with People({"finish.commit": [("bob", "Roll back", "the source is back")]}):
        ended = run(SHOP.replace("rto: 45m", COMMIT), mode="recovery", confirm="shop", reason="fire")

    assert ended.tasks["finish.roll_back"] == "success"
    assert found.refused == set()
    assert set(instances(simulator).values()) <= {"terminated"}


def test_what_only_one_of_the_roles_may_do(roles):
    drills, recoveries = Judge(roles, "drills"), Judge(roles, "recoveries")
    table = [
        ("drs:StartRecovery", "*", {"request": {MODE: "drill"}}, True, False),
        ("drs:StartRecovery", "*", {"request": {MODE: "recovery"}}, False, True),
        ("drs:StartRecovery", "*", {"request": {"team": "x"}}, False, False),
        ("drs:StartRecovery", "*", {}, False, False),
        ("drs:TerminateRecoveryInstances", INSTANCE, {"tags": OF_A_DRILL}, True, False),
        ("ec2:CreateTags", INSTANCE, {"request": {MODE: "drill"}}, True, False),
        ("ec2:CreateTags", INSTANCE, {"request": {MODE: "recovery"}, "tags": RECOVERED}, False, True),
        ("ec2:DeleteVolume", "*", {"tags": OF_A_DRILL}, True, False),
        ("ec2:RevokeSecurityGroupIngress", GROUP, {"tags": OF_A_DRILL}, True, False),
        ("ec2:ModifyInstanceAttribute", INSTANCE, {"tags": RECOVERED}, False, True),
    ]
    found = [
        (action, drills.decision(action, where, **context), recoveries.decision(action, where, **context))
        for action, where, context, _, _ in table
    ]

    assert [(action, first == "allowed", second == "allowed") for action, first, second in found] == [
        (action, first, second) for action, _, _, first, second in table
    ]
