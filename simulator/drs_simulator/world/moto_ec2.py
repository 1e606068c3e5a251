"""The simulator's hand in moto's EC2: networks, launch templates and the instances that DRS launches.

Everything that touches moto's EC2 models is in here; the rest of the simulator asks with its own words.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends, security_groups, subnets, vpcs
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instances import StateReason
from moto.iam.models import iam_backends

from drs_simulator.fleet.model import NetworkSpec, ServerSpec
from drs_simulator.world.ec2_refusals import Data, LaunchRefused, ensure_possible, index_of
from drs_simulator.world.launch_interfaces import attach_others, finish_first, plans_of, release

__all__ = ["LaunchPlan", "LaunchRefused"]

STATES = {0: "PENDING", 16: "RUNNING", 32: "SHUTTING-DOWN", 48: "TERMINATED", 64: "STOPPING", 80: "STOPPED"}
"""DRS's word for EC2's state code."""

CONVERTED_IMAGE = "ami-0drsconverted0001"
"""What the launched volumes came from; moto checks no image id."""


@dataclass(frozen=True)
class LaunchPlan:
    """Where and as what an instance is to run, read from the launch template's default version.

    ``data``: all that the version says, in EC2's words.
    """

    template_id: str | None
    version: int | None
    subnet_id: str | None
    instance_type: str
    security_groups: tuple[str, ...] = ()
    profile: str | None = None
    zone: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Data = field(default_factory=dict)

    @property
    def interfaces(self) -> tuple[Data, ...]:
        """The network interfaces that the launch template describes."""
        return tuple(self.data.get("NetworkInterfaces") or ())

    @property
    def names_no_place(self) -> bool:
        """Whether it leaves the place to a default VPC: neither a subnet nor an existing interface is named."""
        first = [interface for interface in self.interfaces if index_of(interface) == 0]
        if self.interfaces and not first:
            return False
        return self.subnet_id is None and not any(interface.get("NetworkInterfaceId") for interface in first)


def ec2(account: str, region: str) -> Any:
    """Return moto's EC2 of an account and Region."""
    return ec2_backends[account][region]


def make_network(account: str, region: str, network: NetworkSpec, title: str = "recovery") -> dict[str, str]:
    """Create the VPC with its subnets, spread over the zones, and its security groups; returns subnet ids by name."""
    backend = ec2(account, region)
    with _next_id(vpcs, "random_vpc_id", network.vpc_id):
        vpc = backend.create_vpc(network.vpc, tags=[{"Key": "Name", "Value": title}])
    zones = [zone.name for zone in backend.describe_availability_zones()]
    made = {}
    for number, (name, cidr) in enumerate(network.subnets.items()):
        zone = network.zones.get(name, zones[number % len(zones)])
        with _next_id(subnets, "random_subnet_id", network.subnet_ids.get(name)):
            subnet = backend.create_subnet(vpc.id, cidr, availability_zone=zone)
        # moto takes the first subnet of a zone for the default one.
        subnet.default_for_az = False
        subnet.add_tag("Name", name)
        made[name] = subnet.id
    for group_id, group in network.security_groups.items():
        with _next_id(security_groups, "random_security_group_id", group_id):
            backend.create_security_group(group, group, vpc_id=vpc.id)
    _lead_out(backend, vpc, next(iter(made.values())), network)
    return made


@contextmanager
def _next_id(module: object, generator: str, wanted: str | None) -> Iterator[None]:
    """Let moto call the next thing of a kind by a certain id: it takes none, and knows things by id everywhere."""
    original = getattr(module, generator)
    if wanted is not None:
        setattr(module, generator, lambda: wanted)
    try:
        yield
    finally:
        setattr(module, generator, original)


def make_instance_profiles(account: str, names: Iterable[str]) -> None:
    """Create IAM instance profiles without a role."""
    backend = iam_backends[account]["aws"]
    for name in names:
        backend.create_instance_profile(name=name, path="/", role_names=[])


def _lead_out(backend: Any, vpc: Any, subnet_id: str, network: NetworkSpec) -> None:
    """Create what leads out of a network, each with a route in its main route table."""
    table = backend.describe_route_tables(filters={"vpc-id": [vpc.id]})[0]
    name = [{"Key": "Name", "Value": "recovery"}]
    if network.internet_gateway:
        gateway = backend.create_internet_gateway(tags=name)
        backend.attach_internet_gateway(gateway.id, vpc.id)
        backend.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
    if network.peering:
        peer = backend.create_vpc(network.peering, tags=[{"Key": "Name", "Value": "peer"}])
        peering = backend.create_vpc_peering_connection(vpc, peer)
        backend.accept_vpc_peering_connection(peering.id)
        backend.create_route(table.id, network.peering, vpc_peering_connection_id=peering.id)
    if network.transit_gateway:
        transit = backend.create_transit_gateway("corporate network", tags=name)
        backend.create_transit_gateway_vpc_attachment(
            transit_gateway_id=transit.id, vpc_id=vpc.id, subnet_ids=[subnet_id], tags={}, options={}
        )
        backend.create_route(table.id, network.transit_gateway, transit_gateway_id=transit.id)
    if network.vpn:
        private = backend.create_vpn_gateway(gateway_type="ipsec.1", availability_zone=None)
        backend.attach_vpn_gateway(private.id, vpc.id)
        customer = backend.create_customer_gateway("ipsec.1", ip_address="203.0.113.9", bgp_asn="65000")
        backend.create_vpn_connection("ipsec.1", customer.id, vpn_gateway_id=private.id)
        backend.create_route(table.id, network.vpn, gateway_id=private.id)


def make_origin_network(account: str, region: str, cidr: str) -> str:
    """Create a VPC with one subnet, both of this range, for the servers that DRS protects; returns the subnet's id."""
    backend = ec2(account, region)
    vpc = backend.create_vpc(cidr, tags=[{"Key": "Name", "Value": "origin"}])
    zones = [zone.name for zone in backend.describe_availability_zones()]
    subnet = backend.create_subnet(vpc.id, cidr, availability_zone=zones[0])
    subnet.default_for_az = False
    subnet.add_tag("Name", "origin")
    return str(subnet.id)


def rename(account: str, region: str, instance_id: str, wanted: str) -> None:
    """Give an instance that was just run the id that it is known by elsewhere."""
    backend = ec2(account, region)
    instance = find(account, region, instance_id)
    instance.id = wanted
    if instance_id in backend.tags:
        backend.tags[wanted] = backend.tags.pop(instance_id)


def drop_default_vpc(account: str, region: str) -> None:
    """Take moto's default VPC away, as well-kept accounts have none."""
    backend = ec2(account, region)
    for subnet in list(backend.get_default_subnets().values()):
        backend.delete_subnet(subnet.id)
    vpc = backend.get_default_vpc()
    if vpc is not None:
        vpc.is_default = False
        backend.vpcs.pop(vpc.id)


def make_launch_template(account: str, region: str, server_id: str, spec: ServerSpec, subnet: str | None) -> str:
    """Create the EC2 launch template of a source server, as DRS does; returns its id."""
    interface: dict[str, object] = {"DeviceIndex": 0}
    if subnet:
        interface["SubnetId"] = subnet
    if spec.launch.security_groups:
        interface["Groups"] = list(spec.launch.security_groups)
    data = {
        "InstanceType": spec.launch.instance_type or spec.instance_type,
        "NetworkInterfaces": [interface],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": spec.hostname}]}],
    }
    tags = {
        "launch-template": {
            "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
            "AWSElasticDisasterRecoverySourceServerID": server_id,
        }
    }
    return (
        ec2(account, region)
        .create_launch_template(f"{server_id}-lt", "created by AWS Elastic Disaster Recovery", data, tags)
        .id
    )


def delete_launch_template(account: str, region: str, template_id: str) -> None:
    """Delete a launch template, if it is there."""
    backend = ec2(account, region)
    template = backend.launch_templates.pop(template_id, None)
    if template is not None:
        backend.launch_template_name_to_ids.pop(template.name, None)


def overwrite(account: str, region: str, instance_id: str, disks: tuple[int, ...]) -> None:
    """Put new volumes in the place of all volumes of an instance, which are deleted: what was on them is lost."""
    backend = ec2(account, region)
    instance = find(account, region, instance_id)
    for device, attached in tuple(instance.block_device_mapping.items()):
        del instance.block_device_mapping[device]
        backend.volumes.pop(attached.volume_id, None)
    for number, size in enumerate(disks):
        _attach_volume(backend, instance, device_name(number), size)


def launch_plan(account: str, region: str, template_id: str, override_type: str | None) -> LaunchPlan:
    """Read the default version of a launch template; right-sizing may override its instance type.

    Raises LaunchRefused where the template is gone.
    """
    backend = ec2(account, region)
    try:
        version = backend.get_launch_template(template_id).default_version()
    except (EC2ClientError, ServiceException, KeyError) as error:
        raise LaunchRefused(
            f"InvalidLaunchTemplateId.NotFound: The specified launch template, with template ID {template_id}, "
            "does not exist."
        ) from error
    data = version.data
    interface: Data = next(
        (interface for interface in data.get("NetworkInterfaces") or [] if index_of(interface) == 0), {}
    )
    groups = interface.get("Groups") or data.get("SecurityGroupIds") or []
    profile = data.get("IamInstanceProfile") or {}
    existing = backend.enis.get(str(interface.get("NetworkInterfaceId")))
    subnet_id = existing.subnet.id if existing is not None else interface.get("SubnetId") or None
    subnet = _subnet(backend, subnet_id)
    return LaunchPlan(
        template_id=template_id,
        version=version.number,
        subnet_id=subnet_id,
        instance_type=override_type or data.get("InstanceType") or "m5.large",
        security_groups=tuple(groups),
        profile=profile.get("Arn") or profile.get("Name"),
        zone=subnet.availability_zone if subnet else None,
        tags=dict(version.instance_tags),
        data=data,
    )


def _subnet(backend: Any, subnet_id: str | None) -> Any:
    if subnet_id is None:
        return None
    try:
        return backend.get_subnet(subnet_id)
    except EC2ClientError:
        return None


def run(
    account: str,
    region: str,
    plan: LaunchPlan,
    *,
    tags: Mapping[str, str],
    disks: tuple[int, ...],
    private_ip: str | None = None,
) -> str:
    """Run an instance; returns its id, EC2's state being pending until `set_running`. Raises LaunchRefused."""
    backend = ec2(account, region)
    ensure_possible(backend, plan.data)
    subnet_id = plan.subnet_id
    if subnet_id is None:
        subnet_id = next((subnet.id for subnet in backend.get_default_subnets().values()), None)
    subnet = _subnet(backend, subnet_id)
    if subnet is None:
        raise LaunchRefused(f"InvalidSubnetID.NotFound: The subnet ID '{subnet_id}' does not exist")
    interfaces = plans_of(backend, plan.interfaces, subnet)
    given: list[str] = []
    for number, interface in enumerate(interfaces):
        groups = plan.security_groups if number == 0 else tuple(map(str, interface.data.get("Groups") or ()))
        _ensure_one_network(backend, interface.subnet, groups)
        given += interface.choose_addresses(backend, given, private_ip if number == 0 else None)
    first = interfaces[0]
    # What is free may still be noted as a terminated instance's: moto forgets that when Python collects it.
    first.subnet.del_subnet_ip(first.primary)
    with _undone(backend):
        made = backend.run_instances(
            image_id=CONVERTED_IMAGE,
            count=1,
            user_data=None,
            security_group_names=[],
            instance_type=plan.instance_type,
            is_instance_type_default=True,
            region_name=region,
            subnet_id=first.subnet.id,
            private_ip=first.primary,
            security_group_ids=list(plan.security_groups),
            placement=None,
            nics=[{"DeviceIndex": 0, "NetworkInterfaceId": first.existing.id}] if first.existing else [],
            ebs_optimized=False,
            key_name=plan.data.get("KeyName"),
            iam_instance_profile_name=None,
            iam_instance_profile_arn=None,
            launch_template={},
            monitoring_state="disabled",
            tags={"instance": dict(tags)},
            block_device_mappings=[],
        )
        instance = made.instances[0]
        finish_first(instance, first)
        attach_others(backend, instance, interfaces[1:])
    instance.iam_instance_profile = {"Arn": plan.profile} if plan.profile else None
    for number, size in enumerate(disks):
        _attach_volume(backend, instance, device_name(number), size)
    _set_state(instance, "pending", 0)
    return str(instance.id)


@contextmanager
def _undone(backend: Any) -> Iterator[None]:
    """Turn whatever moto raises at a launch into a refusal, and leave nothing half-made."""
    reservations, interfaces = set(backend.reservations), set(backend.enis)
    try:
        yield
    except Exception as error:
        for name in set(backend.reservations) - reservations:
            del backend.reservations[name]
        for name in set(backend.enis) - interfaces:
            del backend.enis[name]
        code, message = getattr(error, "code", "InternalError"), getattr(error, "message", error)
        raise LaunchRefused(f"{code}: {message}") from error


def _ensure_one_network(backend: Any, subnet: Any, groups: tuple[str, ...]) -> None:
    """Refuse a group that is none, or another VPC's: moto would make one up."""
    for name in groups:
        group = backend.get_security_group_from_id(name)
        if group is None:
            raise LaunchRefused(f"InvalidGroup.NotFound: The security group '{name}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            raise LaunchRefused(
                f"InvalidParameter: Security group {name} and subnet {subnet.id} belong to different networks."
            )


def _attach_volume(backend: Any, instance: Any, device: str, size: int) -> None:
    # moto's own attach_volume copies every reservation to find the instance that is in our hand.
    volume = backend.create_volume(size=size, zone_name=instance.placement.zone, volume_type="gp3")
    volume.attachment = VolumeAttachment(  # type: ignore[abstract]  # moto makes them itself
        volume, instance, device, "attached"
    )
    instance.block_device_mapping[device] = BlockDeviceType(
        volume_id=volume.id, status=volume.status, size=volume.size, attach_time=utcnow(), delete_on_termination=True
    )


def device_name(number: int) -> str:
    """Return the device name of a server's disk."""
    return "/dev/sda1" if number == 0 else f"/dev/sd{chr(ord('b') + (number - 1) % 25)}{(number - 1) // 25 or ''}"


def _set_state(instance: Any, name: str, code: int) -> None:
    instance._state.name, instance._state.code = name, code  # noqa: SLF001 - moto has no pending state to ask for


def find(account: str, region: str, instance_id: str) -> Any:
    """Return moto's instance, or None."""
    for reservation in reversed(ec2(account, region).reservations.values()):
        for instance in reservation.instances:
            if instance.id == instance_id:
                return instance
    return None


def instances(account: str, region: str) -> dict[str, Any]:
    """Return moto's instances of an account and Region by id."""
    return {
        instance.id: instance
        for reservation in ec2(account, region).reservations.values()
        for instance in reservation.instances
    }


def state_of(instance: Any) -> str:
    """Return DRS's word for the state of a moto instance; NOT_FOUND for none."""
    return "NOT_FOUND" if instance is None else STATES.get(instance.state_code & 0xFF, "RUNNING")


def set_running(account: str, region: str, instance_id: str) -> None:
    """Let a launched instance be running."""
    instance = find(account, region, instance_id)
    if _is_there(instance):
        _set_state(instance, "running", 16)


def let_stop(account: str, region: str, instance_id: str, at: datetime) -> None:
    """Let a launched instance be stopped by its caller, where its settings (or a fault) say so.

    :param at: the simulator's wall clock, aware; EC2 tells it as the time of the last change of state
    """
    instance = find(account, region, instance_id)
    if _is_there(instance):
        instance.stop()
        instance._reason = f"User initiated ({_naive(at):%Y-%m-%d %H:%M:%S} GMT)"  # noqa: SLF001


def _is_there(instance: Any) -> bool:
    return instance is not None and instance.state_code != 48  # noqa: PLR2004 - EC2's code of terminated


def start(account: str, region: str, instance_id: str, at: datetime) -> None:
    """Start a stopped instance; its LaunchTime becomes that of the start, as in EC2.

    :param at: the simulator's wall clock, aware
    """
    instance = find(account, region, instance_id)
    if instance is not None:
        instance.start()
        instance.launch_time = _naive(at)


def note_start(instance: Any, at: datetime) -> None:
    """Let an instance's LaunchTime be that of its start, as in EC2.

    :param at: the simulator's wall clock, aware
    """
    instance.launch_time = _naive(at)


def let_pend(instance: Any) -> None:
    """Let an instance that was started be pending: moto lets it run at once."""
    _set_state(instance, "pending", 0)


def let_run(instance: Any) -> None:
    """Let a pending instance run."""
    _set_state(instance, "running", 16)


def stop(instance: Any, reason: str) -> None:
    """Stop an instance that nobody has asked to stop.

    :param reason: EC2's code of why, for example ``Server.InsufficientInstanceCapacity``
    """
    instance.stop()
    instance.state_reason = StateReason(f"{reason}: the instance stopped", reason)


def created(account: str, region: str, instance_id: str, at: datetime) -> None:
    """Let an instance have been created at an instant of the simulator's clock, with its interfaces and volumes."""
    instance = find(account, region, instance_id)
    if instance is None:
        return
    instance.launch_time = _naive(at)
    for attached in (*instance.nics.values(), *instance.block_device_mapping.values()):
        attached.attach_time = _naive(at)


def _naive(at: datetime) -> datetime:
    """Return an instant as moto keeps them: in UTC, without a time zone."""
    return at.astimezone(UTC).replace(tzinfo=None)


def terminate(account: str, region: str, instance_id: str) -> str | None:
    """Terminate an instance; returns why not, where it is protected."""
    instance = find(account, region, instance_id)
    if instance is None or state_of(instance) == "TERMINATED":
        return None
    if str(instance.disable_api_termination).lower() == "true":
        return (
            f"OperationNotPermitted: The instance '{instance_id}' may not be terminated. "
            "Modify its 'disableApiTermination' instance attribute and try again."
        )
    instance.terminate()
    release(instance)
    return None


def unprotect(account: str, region: str, instance_id: str) -> None:
    """Switch termination protection of an instance off."""
    instance = find(account, region, instance_id)
    if instance is not None:
        instance.disable_api_termination = "false"


def parts_of(instance: Any) -> dict[str, list[str]]:
    """Return an instance's id, and those of its volumes and network interfaces; nothing for none."""
    if instance is None:
        return {}
    return {
        "instance": [instance.id],
        "volumes": [device.volume_id for device in instance.block_device_mapping.values()],
        "interfaces": [interface.id for interface in instance.nics.values()],
    }


def tags_of(account: str, region: str, name: str) -> dict[str, str]:
    """Return the tags of anything in EC2."""
    return dict(ec2(account, region).tags.get(name, {}))


def drop_tags(account: str, region: str, name: str, keys: Iterable[str]) -> None:
    """Take tags away from anything in EC2."""
    kept = ec2(account, region).tags.get(name, {})
    for key in keys:
        kept.pop(key, None)


def forget(account: str, region: str, instance_id: str) -> None:
    """Take a terminated instance out of EC2's listings, as EC2 does after about an hour."""
    reservations = ec2(account, region).reservations
    for name, reservation in tuple(reservations.items()):
        if [instance.id for instance in reservation.instances] == [instance_id] and state_of(
            reservation.instances[0]
        ) == "TERMINATED":
            del reservations[name]


def right_sized(method: str, spec: ServerSpec) -> str | None:
    """Return the instance type that right-sizing chooses: BASIC a C5, IN_AWS the recommended one, NONE nothing."""
    if method == "NONE":
        return None
    if method == "IN_AWS":
        return spec.instance_type
    for name, cores, ram in (
        ("c5.large", 2, 4),
        ("c5.xlarge", 4, 8),
        ("c5.2xlarge", 8, 16),
        ("c5.4xlarge", 16, 32),
        ("c5.9xlarge", 36, 72),
    ):
        if spec.cores <= cores and spec.ram <= ram:
            return name
    return "c5.18xlarge"


def fits(pattern: str | None, actual: str | None) -> bool:
    """Whether a fault's instance type or zone speaks of this one."""
    return pattern is None or (actual is not None and fnmatchcase(actual, pattern))
