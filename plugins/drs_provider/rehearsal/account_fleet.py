"""A fleet for the simulator, made from what a live account says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from drs_provider.formatting import parse_duration, parse_instant
from drs_provider.rehearsal.fleet import SupposedFleet
from drs_provider.rules.launch.quotas import CODES, Quotas
from drs_provider.rules.run.roster import Target

Answer = Mapping[str, Any]
"""One resource as AWS describes it."""


@dataclass(frozen=True)
class AccountFacts:
    """One account and Region, as AWS's own answers; ids are keys. Servers are only those that were asked for."""

    account: str
    region: str
    quotas: Quotas
    servers: Mapping[str, Answer]
    configurations: Mapping[str, Answer] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data of the default version of each server's launch template, by server id."""
    instances: Sequence[Answer] = ()
    vpcs: Mapping[str, Answer] = field(default_factory=dict)
    subnets: Mapping[str, Answer] = field(default_factory=dict)
    groups: Mapping[str, Answer] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    has_default_vpc: bool = False
    busy: Mapping[str, str] = field(default_factory=dict)
    """The running job that holds a server, by server id."""


_GIB = 2**30
_SETTINGS = (
    "launchDisposition",
    "targetInstanceTypeRightSizingMethod",
    "copyPrivateIp",
    "copyTags",
    "licensing",
    "postLaunchEnabled",
    "recoveryMode",
)
_WIDEST = 16


def fleet_of_accounts(found: Mapping[Target, AccountFacts], *, now: datetime) -> SupposedFleet:
    """Make the fleet; what the simulator cannot have is said among the assumptions."""
    notes: list[str] = []
    content: dict[str, dict[str, Any]] = {}
    places: dict[Target, tuple[str, str]] = {}
    for target, facts in found.items():
        account = content.setdefault(facts.account, {"id": facts.account, "regions": {}, "instance_profiles": set()})
        account["instance_profiles"] |= set(facts.profiles)
        region = account["regions"].setdefault(facts.region, {"name": facts.region, "servers": {}, "instances": {}})
        networks = _networks(facts, notes)
        region["servers"] |= {name: _server(name, facts, now, notes) for name in facts.servers}
        region["instances"] |= _instances(facts, now)
        region["networks"] = {**region.get("networks", {}), **networks}
        region["default_vpc"] = facts.has_default_vpc
        region["quotas"] = {CODES[name]: getattr(facts.quotas, name) for name in CODES}
        places[target] = (facts.account, facts.region)
        notes += [
            f"job {job} holds {_hostname(facts.servers[server])} now; it is left out"
            for server, job in facts.busy.items()
            if server in facts.servers
        ]
    return SupposedFleet(
        {"accounts": [_account(account) for account in content.values()]}, places, tuple(dict.fromkeys(notes))
    )


def _account(account: Mapping[str, Any]) -> dict[str, Any]:
    regions = []
    for region in account["regions"].values():
        first, *others = region["networks"].values() or [None]
        regions.append(
            {
                "name": region["name"],
                **({"network": first} if first else {}),
                **({"networks": others} if others else {}),
                "default_vpc": region["default_vpc"],
                "quotas": region["quotas"],
                "servers": list(region["servers"].values()),
                "recovery_instances": list(region["instances"].values()),
            }
        )
    return {"id": account["id"], "regions": regions, "instance_profiles": sorted(account["instance_profiles"])}


def _hostname(server: Answer) -> str:
    hints = (server.get("sourceProperties") or {}).get("identificationHints") or {}
    return str(hints.get("hostname") or hints.get("fqdn") or server["sourceServerID"])[:128]


def _server(name: str, facts: AccountFacts, now: datetime, notes: list[str]) -> dict[str, Any]:
    server, settings = facts.servers[name], facts.configurations.get(name, {})
    template = facts.templates.get(name, {})
    properties, replication = server.get("sourceProperties") or {}, server.get("dataReplicationInfo") or {}
    disks = [max(1, -(-int(disk.get("bytes") or 0) // _GIB)) for disk in properties.get("disks") or ()]
    groups = [group for group in groups_of(template) if group in facts.groups]
    subnet = first_interface(template).get("SubnetId")
    launch = {
        **({"subnet": subnet} if subnet else {}),
        **({"instance_type": template["InstanceType"]} if template.get("InstanceType") else {}),
        **({"security_groups": groups} if groups else {}),
    }
    if (server.get("stagingArea") or {}).get("status") in {"EXTENDED", "EXTENSION_IN_SYNC"}:
        notes.append(f"{_hostname(server)} is an extended source server; it is launched as an ordinary one")
    fast = settings.get("recoveryMode") == "FAST"
    return {
        "id": name,
        "hostname": _hostname(server),
        "tags": dict(server.get("tags") or {}),
        "os": "windows" if "windows" in str((properties.get("os") or {}).get("fullString")).lower() else "linux",
        **({"disks": disks} if disks else {}),
        "lag": _lag(replication),
        "replication": replication.get("dataReplicationState") or "CONTINUOUS",
        "protected_for": _age(server.get("lifeCycle") or {}, now),
        "reachable": replication.get("dataReplicationState") not in {"STALLED", "DISCONNECTED"},
        "fast": fast,
        **(
            {"instance_type": properties["recommendedInstanceType"]}
            if properties.get("recommendedInstanceType")
            else {}
        ),
        **(
            {"cores": sum(int(cpu.get("cores") or 0) for cpu in properties["cpus"]) or 1}
            if properties.get("cpus")
            else {}
        ),
        **({"ram": max(1, int(properties["ramBytes"]) // _GIB)} if properties.get("ramBytes") else {}),
        "launch": launch,
        "launch_template": "default" if subnet else "bare",
        "launch_configuration": {key: settings[key] for key in _SETTINGS if key in settings},
        "origin": _origin(server.get("sourceCloudProperties") or {}),
    }


def _lag(replication: Answer) -> float:
    try:
        return max(parse_duration(str(replication.get("lagDuration") or "P0D")).total_seconds(), 0.0)
    except ValueError:
        return 0.0


def _age(life: Answer, now: datetime) -> float:
    """How long recovery points have been taken, in seconds; a week's worth counts at most."""
    began = life.get("firstByteDateTime") or life.get("addedToServiceDateTime")
    return max((now - parse_instant(str(began))).total_seconds(), 0.0) if began else 0.0


def _origin(cloud: Answer) -> dict[str, str]:
    names = {"account": "originAccountID", "region": "originRegion", "zone": "originAvailabilityZone"}
    return {key: str(cloud[name]) for key, name in names.items() if cloud.get(name)}


def _instances(facts: AccountFacts, now: datetime) -> dict[str, dict[str, Any]]:
    """The newest recovery instance of each server: the simulator has one a server."""
    found: dict[str, dict[str, Any]] = {}
    for instance in facts.instances:
        launched = instance.get("pointInTimeSnapshotDateTime")
        ago = max((now - parse_instant(str(launched))).total_seconds(), 0.0) if launched else 7200.0
        server = str(instance["sourceServerID"])
        is_gone = instance.get("ec2InstanceState") in {"TERMINATED", "NOT_FOUND"}
        if not is_gone and (server not in found or found[server]["launched"] > ago):
            found[server] = {"server": server, "is_drill": bool(instance.get("isDrill")), "launched": ago}
    return found


def _networks(facts: AccountFacts, notes: list[str]) -> dict[str, dict[str, Any]]:
    """Every VPC that has a subnet which matters, by its id."""
    made: dict[str, dict[str, Any]] = {}
    for vpc_id, vpc in facts.vpcs.items():
        inside = {subnet["SubnetId"]: subnet for subnet in facts.subnets.values() if subnet["VpcId"] == vpc_id}
        if not inside:
            notes.append(f"{vpc_id} has no subnet that the plan or a launch template names; it has one made up")
        cidrs = [IPv4Network(subnet["CidrBlock"]) for subnet in inside.values()]
        whole = _around(IPv4Network(vpc["CidrBlock"]), cidrs)
        if whole is None:
            notes.append(f"{vpc_id} has several address ranges; its subnets have made-up addresses")
            whole = IPv4Network("10.99.0.0/16")
            cidrs = list(whole.subnets(new_prefix=24))[: len(inside)]
        subnets = {name: str(cidr) for name, cidr in zip(inside, cidrs, strict=True)}
        made[vpc_id] = {
            "vpc": str(whole),
            "subnets": subnets or {f"made-up-{vpc_id}": str(next(whole.subnets(new_prefix=max(whole.prefixlen, 24))))},
            "vpc_id": vpc_id,
            "subnet_ids": {name: name for name in inside},
            "zones": {name: subnet["AvailabilityZone"] for name, subnet in inside.items()},
            "security_groups": {
                group["GroupId"]: group["GroupName"]
                if group["GroupName"] != "default"
                else f"default-{group['GroupId']}"
                for group in facts.groups.values()
                if group["VpcId"] == vpc_id
            },
        }
    return made


def _around(whole: IPv4Network, cidrs: Sequence[IPv4Network]) -> IPv4Network | None:
    """Return the range, widened where a subnet lies in another one of its VPC; None: no range can hold them all."""
    while not all(cidr.subnet_of(whole) for cidr in cidrs):
        if whole.prefixlen <= _WIDEST:
            return None
        whole = whole.supernet()
    return whole


def first_interface(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the network interface that a launch template gives the instance at launch; empty: none."""
    interfaces: Sequence[Mapping[str, Any]] = template.get("NetworkInterfaces") or ()
    return next((interface for interface in interfaces if interface.get("DeviceIndex", 0) == 0), {})


def groups_of(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the security groups of a launch template."""
    return tuple(first_interface(template).get("Groups") or template.get("SecurityGroupIds") or ())


def profile_of(template: Mapping[str, Any]) -> str | None:
    """Return the name of a launch template's instance profile."""
    profile = template.get("IamInstanceProfile") or {}
    return profile.get("Name") or str(profile.get("Arn") or "").rsplit("/", 1)[-1] or None
