"""The door to what a drill leaves in EC2: tags, volumes, network interfaces, snapshots, template versions."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drs_provider.exceptions import AwsError, NotFound
from drs_provider.hooks.drs import in_batches, side_by_side
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.launch_settings import LaunchSettingsHook, TemplateVersion
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.leftovers import Resource
from drs_provider.rules.launch.tags import EXPIRES, INSTALLATION, MODE, PLAN, RUN, RUN_ID, TAKER

MARKS: Final = (RUN, MODE, EXPIRES, PLAN, RUN_ID, INSTALLATION, TAKER)
"""The tags that say whose a thing is, and until when."""

_SERVER: Final = "AWSElasticDisasterRecoverySourceServerID"
"""The tag by which DRS says of instances and launch templates which source server they are of."""

_log = logging.getLogger(__name__)

_GONE: Final = frozenset({"deleting", "deleted"})
"""EC2's words for a volume or an endpoint that is on its way out."""

_LOOKUPS: Final = {
    "volume": ("describe_volumes", "volume-id", "VolumeId"),
    "snapshot": ("describe_snapshots", "snapshot-id", "SnapshotId"),
    "network-interface": ("describe_network_interfaces", "network-interface-id", "NetworkInterfaceId"),
    "vpc-endpoint": ("describe_vpc_endpoints", "vpc-endpoint-id", "VpcEndpointId"),
    "security-group": ("describe_security_groups", "group-id", "GroupId"),
    "subnet": ("describe_subnets", "subnet-id", "SubnetId"),
    "vpc": ("describe_vpcs", "vpc-id", "VpcId"),
}
"""How a kind of tagged resource is asked for: the call, its filter, where the id stands in the answer."""

_INSTANCE: Final = "instance"

_MOST_TAGGED: Final = 200
"""Resources that one CreateTags is asked to tag; EC2 takes a thousand."""


@dataclass(frozen=True)
class AttachedResources:
    """Ids of what belongs to an instance: EBS volumes, network interfaces."""

    volumes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


class TracesHook(LaunchSettingsHook):
    """A :class:`DrsHook` that also finds, tags and removes what drills leave in EC2. All of it may be repeated."""

    def parts_of(self, instance_ids: Sequence[str]) -> dict[str, AttachedResources]:
        """Return what belongs to these instances now; a terminated one has nothing any more.

        A network interface that was there before, and that a launch template only attaches, does not belong to them:
        nobody may take it for a drill's because it was attached to one.
        """
        found = self.ec2_instances(instance_ids)
        staying = {
            str(server)
            for instance in found.values()
            if (server := _tags(instance).get(_SERVER)) and any(map(_stays, instance.get("NetworkInterfaces", ())))
        }
        attached = self._attached_by_templates(staying) if staying else {}
        return {name: _parts(instance, attached) for name, instance in found.items()}

    def mark(self, instances: Iterable[Answer], tags: Mapping[str, str]) -> dict[str, AwsError]:
        """Tag recovery instances in DRS, and in EC2 with their volumes and interfaces; return what was refused.

        An instance that is gone is passed over.

        :param instances: items of DescribeRecoveryInstances
        """
        known = {
            str(instance["recoveryInstanceID"]): str(instance["arn"]) for instance in instances if instance.get("arn")
        }
        refused = self.tag_all(known, tags)
        parts = self.parts_of(tuple(known))
        for batch in in_batches(tuple(parts), _MOST_TAGGED):
            ids = [each for name in batch for each in (name, *parts[name].volumes, *parts[name].interfaces)]
            try:
                self.tag_in_ec2(ids, tags)
            except NotFound:
                continue
            except AwsError as error:
                refused |= dict.fromkeys(batch, error)
        return refused

    def tag_all(self, arns: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, AwsError]:
        """Tag DRS resources (ARN by what they are called here); return what was refused. Gone ones are passed over."""
        _ = self.conn

        def tag(arn: str) -> AwsError | None:
            try:
                with translated("TagResource"):
                    self.conn.tag_resource(resourceArn=arn, tags=dict(tags))
            except NotFound:
                return None
            except AwsError as error:
                return error
            return None

        names = tuple(arns)
        answers = zip(names, side_by_side(tag, [arns[name] for name in names]), strict=True)
        return {name: error for name, error in answers if error is not None}

    def tag_in_ec2(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Tag EC2 resources."""
        if not ids:
            return
        with translated("ec2:CreateTags"):
            self._beside("ec2").create_tags(
                Resources=list(ids), Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
            )

    def marked(self, run: str | None = None) -> tuple[Resource, ...]:
        """Return every EC2 resource of this account and Region that carries a run's tags.

        :param run: key of the only run that is meant, also as a run that goes on with another; its resources then come
            with the tag that has this value alone
        """
        found: dict[str, tuple[str, dict[str, str]]] = {}
        asked: list[Any] = [{"Name": "key", "Values": [RUN, TAKER] if run else list(MARKS)}]
        asked += [{"Name": "value", "Values": [run]}] if run else []
        with translated("ec2:DescribeTags"):
            pages = self._beside("ec2").get_paginator("describe_tags")
            for page in pages.paginate(Filters=asked):
                for tag in page["Tags"]:
                    _, tags = found.setdefault(tag["ResourceId"], (tag["ResourceType"], {}))
                    tags[tag["Key"]] = tag["Value"]
        there: set[str] = set()
        for kind, (operation, by, member) in _LOOKUPS.items():
            # EC2 goes on showing tags of what is gone.
            names = [name for name, (its_kind, _) in found.items() if its_kind == kind]
            items = self._filtered(operation, by, names) if names else []
            there |= {item[member] for item in items if str(item.get("State", "")).lower() not in _GONE}
        instances = [name for name, (kind, _) in found.items() if kind == _INSTANCE]
        there |= {name for name, state in self.instance_states(instances).items() if state != "terminated"}
        return tuple(
            Resource(name, kind, tags)
            for name, (kind, tags) in found.items()
            if name in there or kind not in (*_LOOKUPS, _INSTANCE)
        )

    def volumes_there(self, ids: Sequence[str]) -> dict[str, str]:
        """Return those of these volumes that EC2 still has, with their state."""
        items = self._filtered("describe_volumes", "volume-id", ids)
        return {item["VolumeId"]: item["State"] for item in items if item["State"] not in _GONE}

    def interfaces_there(self, ids: Sequence[str]) -> dict[str, str]:
        """Return those of these network interfaces that EC2 still has, with their state."""
        items = self._filtered("describe_network_interfaces", "network-interface-id", ids)
        return {item["NetworkInterfaceId"]: item["Status"] for item in items}

    def tags_in_ec2(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the tags that EC2 has of these resources now; one without any is absent."""
        found: dict[str, dict[str, str]] = {}
        for tag in self._filtered("describe_tags", "resource-id", ids):
            found.setdefault(tag["ResourceId"], {})[tag["Key"]] = tag["Value"]
        return found

    def snapshots_of(self, volume_ids: Sequence[str]) -> dict[str, str]:
        """Return the snapshots that were taken of these volumes: volume by snapshot."""
        items = self._filtered("describe_snapshots", "volume-id", volume_ids)
        return {item["SnapshotId"]: item["VolumeId"] for item in items}

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume that is attached to nothing; one that is gone is passed over."""
        self._deleted("delete_volume", "ec2:DeleteVolume", VolumeId=volume_id)

    def delete_interface(self, interface_id: str) -> None:
        """Delete a network interface that is attached to nothing; one that is gone is passed over."""
        self._deleted("delete_network_interface", "ec2:DeleteNetworkInterface", NetworkInterfaceId=interface_id)

    def templates_with_more_versions(self) -> dict[str, str]:
        """Return DRS's launch templates whose newest version is not the default one: source server by template."""
        return {
            str(template["LaunchTemplateId"]): server
            for server, template in self._templates()
            if template["LatestVersionNumber"] != template["DefaultVersionNumber"]
        }

    def defaults_of(self, server_ids: Collection[str]) -> dict[str, TemplateVersion]:
        """Return the default versions of these servers' launch templates, by server; a first version is left out.

        Nobody can have made that since a drill.
        """
        names = {
            str(template["LaunchTemplateId"]): server
            for server, template in self._templates()
            if server in server_ids and template["DefaultVersionNumber"] > 1
        }
        found = self.template_versions((name, None) for name in names)
        return {names[name]: version for (name, _), version in found.items() if version is not None}

    def _attached_by_templates(self, servers: Collection[str]) -> dict[str, set[str]]:
        """Return the existing network interfaces that any version of the servers' launch templates attaches.

        A server whose templates cannot be read is absent.
        """
        found: dict[str, set[str]] = {}
        try:
            for server, template in self._templates():
                if server in servers:
                    found.setdefault(server, set()).update(self._interfaces_in(str(template["LaunchTemplateId"])))
        except AwsError as error:
            _log.warning(
                "Network interfaces that outlive their instances are left alone, because what the launch templates of "
                "%s attach is unknown: %s",
                ", ".join(sorted(set(servers) - set(found))),
                error,
            )
        return found

    def _interfaces_in(self, template_id: str) -> set[str]:
        pages = self._beside("ec2").get_paginator("describe_launch_template_versions")
        with translated("ec2:DescribeLaunchTemplateVersions"):
            return {
                str(interface["NetworkInterfaceId"])
                for page in pages.paginate(LaunchTemplateId=template_id)
                for version in page["LaunchTemplateVersions"]
                for interface in version["LaunchTemplateData"].get("NetworkInterfaces", ())
                if interface.get("NetworkInterfaceId")
            }

    def unknown_places(self, ids: Collection[str]) -> set[str]:
        """Return those of these subnets and security groups that do not exist."""
        subnets = [name for name in ids if name.startswith("subnet-")]
        groups = [name for name in ids if name.startswith("sg-")]
        there = {item["SubnetId"] for item in self._filtered("describe_subnets", "subnet-id", subnets)}
        there |= {item["GroupId"] for item in self._filtered("describe_security_groups", "group-id", groups)}
        return {*subnets, *groups} - there

    def _templates(self) -> Iterator[tuple[str, Answer]]:
        with translated("ec2:DescribeLaunchTemplates"):
            for page in self._beside("ec2").get_paginator("describe_launch_templates").paginate():
                for template in page["LaunchTemplates"]:
                    if server := _tags(template).get(_SERVER):
                        yield server, template

    def _deleted(self, operation: str, name: str, **arguments: Any) -> None:
        try:
            with translated(name):
                getattr(self._beside("ec2"), operation)(**arguments)
        except AwsError as error:
            if not error.code.endswith(".NotFound"):
                raise


def _parts(instance: Answer, attached: Mapping[str, Collection[str]]) -> AttachedResources:
    """Give what an instance was launched with.

    :param attached: interfaces that are only attached, by source server; a server that is absent: nobody knows
    """
    if instance["State"]["Name"] == "terminated":
        return AttachedResources()
    volumes = [mapping["Ebs"]["VolumeId"] for mapping in instance.get("BlockDeviceMappings", ()) if "Ebs" in mapping]
    foreign = attached.get(_tags(instance).get(_SERVER, ""))
    interfaces = [
        str(interface["NetworkInterfaceId"])
        for interface in instance.get("NetworkInterfaces", ())
        if not _stays(interface) or (foreign is not None and interface["NetworkInterfaceId"] not in foreign)
    ]
    return AttachedResources(tuple(volumes), tuple(interfaces))


def _stays(interface: Answer) -> bool:
    """Whether EC2 keeps an interface when its instance ends: those that were there before, and some others."""
    return (interface.get("Attachment") or {}).get("DeleteOnTermination") is False


def _tags(item: Answer) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())}
