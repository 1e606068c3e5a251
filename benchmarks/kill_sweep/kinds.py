"""The kinds of run that are killed at: a table. Another one is another entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drs_simulator.client import SimulatorHandle

from benchmarks.kill_sweep.judge import Expected
from benchmarks.kill_sweep.mortal_run import Answers
from benchmarks.kill_sweep.way_back import Back

ACCOUNT, HERE, ORIGIN = "111122223333", "us-west-2", "us-east-1"
DB, WEB, STRANGER = "s-00000000000000001", "s-00000000000000011", "s-00000000000000021"
INTO_ORIGINALS: Final = frozenset({DB})
"""What DRS launches into its original instance on the way back; of the others it makes a new one."""

_SERVERS = [
    {"id": server, "hostname": name, "lag": "2s", "disks": [8], "origin": {"region": ORIGIN}}
    for server, name in ((DB, "db1"), (WEB, "web1"), (STRANGER, "crm1"))
]
FLEET: Final[Mapping[str, Any]] = {
    "jitter": 0,
    "accounts": [
        {
            "id": ACCOUNT,
            "regions": [
                {"name": ORIGIN, "network": {"vpc": "10.40.0.0/16", "subnets": {"prod": "10.40.0.0/22"}}},
                {
                    "name": HERE,
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": _SERVERS,
                },
            ],
        }
    ],
}
"""Two servers of the plan, and one that somebody else has recovered for good: nothing may ever happen to that."""

PLAN: Final = f"""\
kind: ProtectionGroup
name: db
region: {HERE}
servers: [{DB}]
launch: {{instance_type: m6i.large, copy_tags: true, right_sizing: none}}
---
kind: ProtectionGroup
name: web
region: {HERE}
servers: [{WEB}]
---
kind: RecoveryPlan
name: shop
rpo: 5m
drill: {{network: shared}}
%s
waves:
  - {{name: database, groups: [db]}}
  - {{name: web, groups: [web]}}
"""

_COMMIT = "recovery: {commit: {approvers: [ann, bob]}}"
_FREEZE = "before: [{kind: wait, name: freeze, for: 1s, when: migration}]"
_STOPS = "migration: {stop_sources: {required: 1, approvers: [ann, bob]}}"
_BACK: Answers = {"finish.commit": [("bob", "Roll back", "shop: not tonight")] * 20}
_STANDS: Answers = {"finish.commit": [("ann", "Commit", "all is well")] * 20}
_FAILBACK = """\
failback:
  origin: {region: us-east-1}
  order: reversed
  max_lag: 5m
  approval: {required: 1, approvers: [ann, bob], timeout: 8h}
  clean_up: {approvers: [ann, bob]}
  drill: {network: isolated, keep_for: 0s, max_cost: 100}
  launch: {right_sizing: none, protect: true}
before: [{kind: wait, name: freeze, for: 1s, when: failback}]
after: [{kind: wait, name: traffic, for: 1s, when: failback}]"""
"""Every field of a failback, a step that stops the writes, and one that moves the traffic."""
_PLAN_BACK: Final = (PLAN % _FAILBACK).replace(
    f"servers: [{WEB}]\n", f"servers: [{WEB}]\nfailback_launch: {{copy_tags: true, instance_type: m6i.large}}\n"
)

_YES: Answers = {
    "preflight.approval": [("ann", "Approve", "")] * 20,
    "finish.agree": [("bob", "Approve", "")] * 20,
}
_GO = {"confirm": "shop", "reason": "the data centre closes"}


def _recover(simulator: SimulatorHandle, *servers: str) -> None:
    """Launch servers for good, as a recovery before this run, or somebody else, has."""
    drs = simulator.client("drs")
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server} for server in servers])
    simulator.advance("40m")


def _stranger(simulator: SimulatorHandle) -> None:
    _recover(simulator, STRANGER)


def _recovered(simulator: SimulatorHandle) -> None:
    _recover(simulator, DB, WEB)
    _recover(simulator, STRANGER)


def _ready(simulator: SimulatorHandle, into: frozenset[str] = frozenset()) -> None:
    """Replicate everything back, the stranger's too, until it can be launched in the origin.

    :param into: those that DRS launches into their originals, which run; the originals of the others are stopped
    """
    _recovered(simulator)
    drs, back = simulator.client("drs"), simulator.client("drs", region_name=ORIGIN)
    ec2 = simulator.client("ec2", region_name=ORIGIN)
    originals = {server: original_of(simulator, server) for server in (DB, WEB, STRANGER)}
    recovered = {
        each["sourceServerID"]: each["recoveryInstanceID"] for each in drs.describe_recovery_instances()["items"]
    }
    template = back.create_launch_configuration_template(launchIntoSourceInstance=True)["launchConfigurationTemplate"]
    for server in into:
        allowed = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}
        ec2.create_tags(Resources=[originals[server]], Tags=[allowed])
        drs.reverse_replication(recoveryInstanceID=recovered[server])
    back.delete_launch_configuration_template(launchConfigurationTemplateID=template["launchConfigurationTemplateID"])
    for server in (DB, WEB, STRANGER):
        if server not in into:
            ec2.stop_instances(InstanceIds=[originals[server]])
            drs.reverse_replication(recoveryInstanceID=recovered[server])
    simulator.advance("3h")


def _ready_in_two_ways(simulator: SimulatorHandle) -> None:
    _ready(simulator, INTO_ORIGINALS)


def original_of(simulator: SimulatorHandle, server: str) -> str:
    """Return the EC2 instance that a server came from, or is replicated from now."""
    found = simulator.client("drs").describe_source_servers(filters={"sourceServerIDs": [server]})["items"]
    return str(found[0]["sourceProperties"]["identificationHints"]["awsInstanceID"])


@dataclass(frozen=True)
class Kind:
    """A kind of run, what its people say, and how it has to end however often its process dies.

    :param plan: the text of the plan
    :param conf: what whoever starts the run says
    :param elsewhere: the same for the run of another Airflow that goes on with it; ``continue_run`` is added where a
        launch is to be continued
    :param dag: which DAG of the plan
    :param prepare: brings the account into the state in which the run begins
    """

    name: str
    plan: str
    conf: Mapping[str, str]
    expected: Expected
    dag: str = "drs.shop"
    answers: Answers = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    continues: bool = True
    prepare: Callable[[SimulatorHandle], None] = _stranger
    is_swept: bool = False
    """Whether another Airflow goes on only once what the first has left has been swept away."""


_BOTH = frozenset({DB, WEB})

_STARTS: Final = Expected().never - {"StartInstances"}

KINDS: Final = (
    Kind(
        "roll_back",
        PLAN % _COMMIT,
        {"mode": "recovery", **_GO},
        Expected(launched=_BOTH, commit="rolled_back"),
        answers=_BACK,
        elsewhere={"mode": "recovery", **_GO},
    ),
    Kind(
        "migration",
        PLAN % f"{_COMMIT}\n{_STOPS}\n{_FREEZE}",
        {"mode": "migration", **_GO},
        Expected(launched=_BOTH, commit="committed", is_up=True, sources_stopped=_BOTH),
        answers=_STANDS,
        elsewhere={"mode": "recovery", **_GO},
    ),
    Kind(
        "migration_rolled_back",
        PLAN % f"{_COMMIT}\n{_FREEZE}",
        {"mode": "migration", **_GO},
        Expected(launched=_BOTH, commit="rolled_back"),
        answers=_BACK,
        elsewhere={"mode": "recovery", **_GO},
    ),
    Kind(
        "reprotect",
        PLAN % "failback: {}",
        {"mode": "reprotect"},
        Expected(reversed=_BOTH, is_up=True),
        dag="drs.shop.failback",
        elsewhere={"mode": "reprotect"},
        continues=False,
        prepare=_recovered,
    ),
    Kind(
        "failback",
        _PLAN_BACK,
        {"mode": "failback", **_GO},
        Expected(back=Back(_BOTH, into=INTO_ORIGINALS)),
        dag="drs.shop.failback",
        answers=_YES,
        elsewhere={"mode": "failback", **_GO},
        continues=False,
        prepare=_ready_in_two_ways,
    ),
    Kind(
        "failback_drill",
        _PLAN_BACK,
        {"mode": "failback_drill"},
        Expected(back=Back(_BOTH, is_drill=True)),
        dag="drs.shop.failback",
        elsewhere={"mode": "failback_drill"},
        continues=False,
        prepare=_ready,
        is_swept=True,
    ),
    Kind(
        "ahead",
        PLAN % "launch: ahead",
        {"mode": "recovery", **_GO},
        Expected(launched=_BOTH, is_up=True, never=_STARTS),
        elsewhere={"mode": "recovery", **_GO},
    ),
)
"""By name."""


def kind_of(name: str) -> Kind:
    """Return a kind by its name."""
    return next(kind for kind in KINDS if kind.name == name)
