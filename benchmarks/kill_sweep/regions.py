"""What the simulator has in both Regions at a moment, as the judge of the way back reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from drs_simulator.client import SimulatorHandle

from benchmarks.kill_sweep.kinds import ACCOUNT, HERE, ORIGIN, STRANGER, Kind
from benchmarks.kill_sweep.way_back import BackRecord, Facts, Moment, Place, ServerThere

PARTS: Final = {
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_route_tables": "RouteTables",
    "describe_security_groups": "SecurityGroups",
    "describe_volumes": "Volumes",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_launch_templates": "LaunchTemplates",
}


class WayBackWatch:
    """Looks at both Regions before the first run, before every call that changes something, and after the last run."""

    def __init__(self, simulator: SimulatorHandle) -> None:
        self.simulator = simulator
        self.moments: list[Moment] = []
        self.before = facts_now(simulator, counted=True)
        self.jobs = frozenset(_jobs(simulator))

    def look(self, operation: str, region: str, request: Mapping[str, Any]) -> None:
        """Look before a call."""
        self.moments.append(Moment(operation, region, dict(request), facts_now(self.simulator)))

    def record(self) -> BackRecord:
        """Look for the last time."""
        jobs = _jobs(self.simulator)
        after = facts_now(self.simulator, counted=True)
        return BackRecord(
            here=HERE,
            origin=ORIGIN,
            strangers=frozenset({STRANGER}),
            before=self.before,
            moments=self.moments,
            after=after,
            jobs=[job for name, job in jobs.items() if name not in self.jobs],
            protected=_protected(self.simulator, after),
        )


def watch_of(kind: Kind, simulator: SimulatorHandle) -> WayBackWatch | None:
    """Return who looks at both Regions; None: the kind launches nothing in the origin."""
    return WayBackWatch(simulator) if kind.expected.back else None


def facts_now(simulator: SimulatorHandle, *, counted: bool = False) -> Facts:
    """Return what there is.

    :param counted: whether to count the parts of networks and of launches too
    """
    state: Any = simulator.state()
    servers: dict[Place, ServerThere] = {}
    instances: dict[Place, str] = {}
    records: dict[Place, tuple[str, bool]] = {}
    for name in (HERE, ORIGIN):
        region = state["accounts"][ACCOUNT][name]
        for server_id, server in region["servers"].items():
            servers[name, server_id] = _server(server, region["launch_templates"])
        instances |= {(name, instance): word for instance, word in region["ec2_instances"].items()}
        records |= {
            (name, instance): (record["sourceServerID"], record["isDrill"])
            for instance, record in region["recovery_instances"].items()
        }
    return Facts(servers, instances, records, _counts(simulator) if counted else {})


def _server(server: Mapping[str, Any], templates: Mapping[str, Any]) -> ServerThere:
    configuration = server["launchConfiguration"]
    template = templates.get(str(configuration.get("ec2LaunchTemplateID")), {})
    versions: Sequence[Any] = template.get("versions") or [None]
    default = versions[min(int(template.get("default_version") or 1), len(versions)) - 1]
    tags = {name: value for name, value in server["tags"].items() if name.startswith("drs-orchestrator")}
    return ServerThere(
        server["replicationDirection"],
        server["dataReplicationInfo"]["dataReplicationState"],
        server["sourceProperties"]["identificationHints"]["awsInstanceID"],
        {"configuration": configuration, "template": default, "actions": server["actions"], "tags": tags},
    )


def _counts(simulator: SimulatorHandle) -> dict[Place, int]:
    found = {}
    for region in (HERE, ORIGIN):
        ec2 = simulator.client("ec2", region_name=region)
        for operation, member in PARTS.items():
            pages = ec2.get_paginator(operation).paginate()
            found[region, member] = sum(len(page[member]) for page in pages)
    return found


def _jobs(simulator: SimulatorHandle) -> dict[str, Mapping[str, Any]]:
    pages = simulator.client("drs", region_name=ORIGIN).get_paginator("describe_jobs").paginate(filters={})
    return {job["jobID"]: job for page in pages for job in page["items"]}


def _protected(simulator: SimulatorHandle, facts: Facts) -> dict[str, bool]:
    ec2 = simulator.client("ec2", region_name=ORIGIN)
    up = [name for (region, name), word in facts.instances.items() if region == ORIGIN and word == "RUNNING"]
    return {
        name: ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        for name in up
    }
