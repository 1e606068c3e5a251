"""SSM's DescribeInstanceInformation: the managed nodes of a Region."""

from typing import TYPE_CHECKING, Any

from drs_simulator.neighbours.answers import Asked, Refused, answers, paged
from drs_simulator.neighbours.ec2_instances import platform_of, tags_of
from drs_simulator.neighbours.ssm import agents
from drs_simulator.world import moto_ec2

if TYPE_CHECKING:
    from drs_simulator.backend.simulator import Simulator


def install(simulator: "Simulator") -> None:
    """Answer for the managed nodes."""
    answers(simulator, "ssm", {"DescribeInstanceInformation": describe_instance_information})


def describe_instance_information(asked: Asked) -> dict[str, object]:
    """Return the managed nodes: instances whose agent has reported at least once."""
    shown = [_node(asked, node) for node in agents.managed(asked.world, asked.key).values()]
    tags = {name: tags_of(instance) for name, instance in moto_ec2.instances(*asked.key).items()}
    filters = [(condition["Key"], condition["Values"]) for condition in asked.request.get("Filters") or []]
    filters += [
        (condition["key"], condition["valueSet"])
        for condition in asked.request.get("InstanceInformationFilterList") or []
    ]
    for name, values in filters:
        shown = [item for item in shown if _node_passes(item, tags[item["InstanceId"]], name, values)]
    return paged(asked.request, shown, "InstanceInformationList")


def _node_passes(item: dict[str, object], tags: dict[str, str], name: str, values: list[str]) -> bool:
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:")) in values
    if name == "tag-key":
        return any(value in tags for value in values)
    members = {
        "InstanceIds": "InstanceId",
        "PingStatus": "PingStatus",
        "PlatformTypes": "PlatformType",
        "ResourceType": "ResourceType",
        "AgentVersion": "AgentVersion",
    }
    if name not in members:
        raise Refused("InvalidFilterKey", f"The filter key {name} is not valid.")
    return item[members[name]] in values


def _node(asked: Asked, instance: Any) -> dict[str, Any]:
    world = asked.world
    windows = platform_of(world, instance) == "windows"
    since = agents.registered(world)[instance.id]
    status = str(agents.ping(world, asked.key, instance))
    name = tags_of(instance).get("Name", instance.id)
    return {
        "InstanceId": instance.id,
        "PingStatus": status,
        "LastPingDateTime": asked.stamp(world.now if status == "Online" else since),
        "AgentVersion": agents.AGENT_VERSION,
        "IsLatestVersion": True,
        "PlatformType": "Windows" if windows else "Linux",
        "PlatformName": "Microsoft Windows Server 2022 Datacenter" if windows else "Amazon Linux",
        "PlatformVersion": "10.0.20348" if windows else "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": str(instance.private_ip or ""),
        "ComputerName": name,
        "SourceId": instance.id,
        "SourceType": "AWS::EC2::Instance",
    }
