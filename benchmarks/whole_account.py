"""Everything of an account and Region that a drill could make or change, and who wrote to production meanwhile."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

Account = dict[str, Any]
"""By what was asked (``ec2 describe_vpcs``): the answer, without times and without what is terminated."""

_CATALOGUES: Final = frozenset(
    {
        "describe_availability_zones",
        "describe_instance_status",
        "describe_instance_type_offerings",
        "describe_instance_types",
        "describe_regions",
        "describe_reserved_instances_offerings",
        "describe_spot_price_history",
        "describe_vpc_endpoint_services",
        "describe_tags",  # every thing shows its own; EC2 goes on showing those of what is gone
    }
)
"""What EC2 says of itself and not of the account, or says elsewhere too."""

_OWN: Final = {"describe_images": {"Owners": ["self"]}, "describe_snapshots": {"OwnerIds": ["self"]}}

_BESIDE: Final = (
    ("route53resolver", "list_resolver_rules", "ResolverRules"),
    ("route53resolver", "list_resolver_rule_associations", "ResolverRuleAssociations"),
    ("route53resolver", "list_resolver_endpoints", "ResolverEndpoints"),
    ("elbv2", "describe_load_balancers", "LoadBalancers"),
    ("logs", "describe_log_groups", "logGroups"),
    ("sns", "list_topics", "Topics"),
)
"""Other services that a drill's network or steps could touch."""

_MOVES: Final = frozenset({"lifeCycle", "dataReplicationInfo", "lastLaunchResult"})
"""What DRS itself says of a source server's history and replication: it goes on without anybody."""

_SEEN: Final = frozenset({"agentLastSeenByServiceDateTime", "failbackClientLastSeenByServiceDateTime"})
"""Times that DRS types as text: when it last heard of what runs on a recovered server."""

_ID: Final = re.compile(r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{8,17}\b")
READS: Final = ("Describe", "Get", "List", "Assume", "Simulate", "Search")
"""How the names of operations begin that change nothing."""

Call = Mapping[str, Any]
"""A line of the simulator's call log."""


def account(simulator: Any, operations: Sequence[str] | None = None) -> Account:
    """Ask for everything.

    :param operations: what :func:`described` has said of the same simulator before; it takes seconds
    """
    ec2, drs = simulator.client("ec2"), simulator.client("drs")
    found: Account = {
        f"ec2 {operation}": _plain(getattr(ec2, operation)(**_OWN.get(operation, {})))
        for operation in operations or described(simulator)
    }
    found["ec2 describe_instances"] = [
        _plain(instance)
        for each in ec2.describe_instances()["Reservations"]
        for instance in each["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        found[f"ec2 {name}"] = {
            vpc["VpcId"]: _plain(ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name))
            for vpc in ec2.describe_vpcs()["Vpcs"]
        }
    found["ec2 launch template versions"] = {
        template["LaunchTemplateId"]: _plain(
            ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])
        )
        for template in ec2.describe_launch_templates(MaxResults=200)["LaunchTemplates"]
    }
    for service, operation, member in _BESIDE:
        found[f"{service} {operation}"] = _plain(getattr(simulator.client(service), operation)()[member])
    return found | _drs(drs)


def _drs(drs: Any) -> Account:
    servers = drs.describe_source_servers(filters={})["items"]
    ids = [server["sourceServerID"] for server in servers]
    instances = drs.describe_recovery_instances(filters={})["items"]
    return {
        "drs source servers": {
            server["sourceServerID"]: _plain({key: value for key, value in server.items() if key not in _MOVES})
            for server in servers
        },
        "drs launch configurations": {name: _plain(drs.get_launch_configuration(sourceServerID=name)) for name in ids},
        "drs replication configurations": {
            name: _plain(drs.get_replication_configuration(sourceServerID=name)) for name in ids
        },
        "drs launch actions": {
            server["sourceServerID"]: _plain(drs.list_launch_actions(resourceId=server["sourceServerID"])["items"])
            for server in servers
        },
        "drs recovery instances": [
            _plain(instance) for instance in instances if instance.get("ec2InstanceState") != "TERMINATED"
        ],
        "drs source networks": _plain(drs.describe_source_networks(filters={})["items"]),
    }


@cache
def described(simulator: Any) -> tuple[str, ...]:
    """Return every Describe operation that needs no argument and that the simulator answers."""
    from botocore import xform_name
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

    ec2 = simulator.client("ec2")
    model, found = ec2.meta.service_model, []
    for operation in model.operation_names:
        name, shape = xform_name(operation), model.operation_model(operation).input_shape
        if not operation.startswith("Describe") or name in _CATALOGUES or (shape and shape.required_members):
            continue
        try:
            getattr(ec2, name)(**_OWN.get(name, {}))
        except (ClientError, ResponseParserError):
            continue  # the simulator does not have it, so nobody can have made it
        if name != "describe_instances":
            found.append(name)
    return tuple(found)


def _plain(value: object) -> object:
    """Return an answer without its times, and without what only says how it came."""
    match value:
        case Mapping():
            return {
                key: _plain(item)
                for key, item in value.items()
                if key not in ("ResponseMetadata", "NextToken", *_SEEN) and not isinstance(item, datetime)
            }
        case list() | tuple():
            plain = [_plain(entry) for entry in value]
            return sorted(plain, key=repr)
    return value


def differences(before: Account, after: Account) -> list[str]:
    """Say in what two states of the account differ, each thing by its own words."""
    return [
        f"{what}: {' / '.join(_differing(before.get(what), after.get(what))) or 'in order'}"
        for what in sorted(before.keys() | after.keys())
        if before.get(what) != after.get(what)
    ]


def _differing(before: object, after: object, where: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys(), key=str):
            if before.get(key) != after.get(key):
                yield from _differing(before.get(key), after.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(after, list):
        for sign, ours, theirs in (("gone", before, after), ("new", after, before)):
            for launch in ours:
                if launch not in theirs:
                    yield f"{where} {sign}: {launch}".strip()
    else:
        yield f"{where}: {before} is {after} now".strip(": ")


def ids_in(value: object) -> frozenset[str]:
    """Return everything in an account that looks like an id of AWS."""
    return frozenset(_ID.findall(repr(value)))


def is_write(call: Call) -> bool:
    """Tell whether a call may have changed something; one that was refused may not."""
    return bool(call["operation"]) and not str(call["operation"]).startswith(READS) and not call["error"]


def strays(calls: Iterable[Call], production: Iterable[str], servers: Mapping[str, str]) -> list[str]:
    """Say which writes named something of production that a drill must not touch.

    A drill may launch, tag and untag its own source servers, change their launch configurations, launch actions and
    launch templates, and say in a tag or a name what a copy stands for.

    :param production: ids that were there before
    :param servers: launch template by source server of the drill
    """
    found = []
    for call in calls:
        if not is_write(call):
            continue
        named = ids_in(_without_labels(call["request"])) & frozenset(production)
        allowed = _allowed(str(call["operation"]), servers)
        if wrong := sorted(named - allowed):
            found.append(f"{call['operation']} (call {call['n']}) named {', '.join(wrong)}")
        if call["operation"] == "StartRecovery" and call["request"].get("isDrill") is not True:
            found.append(f"StartRecovery (call {call['n']}) was no drill")
    return found


def _allowed(operation: str, servers: Mapping[str, str]) -> frozenset[str]:
    if "LaunchTemplate" in operation:
        return frozenset(servers.values())
    if operation in _OF_SERVERS:
        return frozenset(servers)
    return frozenset()


_OF_SERVERS: Final = (
    "StartRecovery",
    "TagResource",
    "UntagResource",
    "UpdateLaunchConfiguration",
    "PutLaunchAction",
    "DeleteLaunchAction",
)


def _without_labels(request: object) -> object:
    """Leave out what only describes: tags and names say what a copy stands for."""
    labels = ("TagSpecification", "TagSpecifications", "Tags", "tags", "GroupName", "GroupDescription", "Description")
    match request:
        case Mapping():
            return {key: _without_labels(item) for key, item in request.items() if key not in labels}
        case list():
            return [_without_labels(entry) for entry in request]
    return request


def astray(simulator: Any, vpcs: Sequence[str]) -> list[str]:
    """Say which instances that DRS launched stand, or stood, in one of these VPCs."""
    ec2 = simulator.client("ec2")
    subnets = {subnet["SubnetId"]: subnet["VpcId"] for subnet in ec2.describe_subnets()["Subnets"]}
    return [
        f"{instance['InstanceId']} was launched into production: {subnets[instance['SubnetId']]}"
        for each in ec2.describe_instances()["Reservations"]
        for instance in each["Instances"]
        if subnets.get(instance.get("SubnetId", "")) in vpcs
        and any(tag["Key"] == "AWSElasticDisasterRecoverySourceServerID" for tag in instance.get("Tags", ()))
    ]
