"""Whether the places where servers would land can take them all: subnets, security groups, free addresses."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drs_provider.recovery.readiness import Finding
from drs_provider.recovery.settings import OVERRIDING_RIGHT_SIZING
from drs_provider.recovery.settings_candidates import Lookups, Surroundings


@dataclass(frozen=True)
class Placed:
    """Where one server of the run would land, as its launch settings say once the plan's are applied.

    ``subnet_id`` None: in the default VPC. ``has_template`` False: its EC2 launch template is gone. ``is_checked``:
    its settings were validated elsewhere already, so that only its address counts here. ``frees``: subnet of its own
    previous instance, which the launch terminates first.
    """

    server_id: str
    hostname: str
    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    instance_type: str | None = None
    right_sizing: str | None = None
    interface_id: str | None = None
    has_template: bool = True
    is_checked: bool = False
    frees: str | None = None

    def as_json(self, around: Surroundings) -> dict[str, Any]:
        """Return what travels in XCom as a server's ``placement``; None where it is not known."""
        subnet = around.subnets.get(self.subnet_id or "") or {}
        return {
            "subnet_id": self.subnet_id,
            "security_group_ids": list(self.security_group_ids),
            "vpc_id": subnet.get("VpcId") or (None if self.subnet_id else around.default_vpc),
            "availability_zone": subnet.get("AvailabilityZone"),
        }


def placement_lookups(placed: Sequence[Placed]) -> Lookups:
    """Return what has to be asked of EC2, every value once."""
    types = {one.instance_type for one in placed if one.instance_type and not _is_sized(one)}
    return Lookups(
        subnet_ids=tuple(sorted({one.subnet_id for one in placed if one.subnet_id})),
        group_ids=tuple(sorted({group for one in placed for group in one.security_group_ids})),
        instance_types=tuple(sorted(types)),
        profiles=(),
        addresses=(),
        default_vpc=any(not one.subnet_id for one in placed),
    )


def placement_findings(placed: Sequence[Placed], around: Surroundings, *, mode: str) -> tuple[Finding, ...]:
    """Return everything that speaks against these places, over all servers of the run in one account and Region.

    It refuses a drill. In a recovery it warns: the servers that can land are launched, and DRS says of the others why
    not. What the *plan* says wrong about settings is refused in both, elsewhere (``settings_checks``).

    :param placed: every server that the run launches there, in all waves: none is gone before the last one is up
    :param around: the answer to :func:`placement_lookups`
    """
    found = [finding for one in placed if not one.is_checked for finding in _of_one(one, around, mode)]
    return (*found, *_full_subnets(placed, around, mode))


def _of_one(one: Placed, around: Surroundings, mode: str) -> Iterator[Finding]:
    def finding(what: str, next_step: str, kind: str = "", detail: str = "") -> Finding:
        severity: Any = "refusal" if mode == "drill" else "warning"
        return Finding(severity, one.server_id, one.hostname, what, next_step, "placement", kind, detail)

    if not one.has_template:
        what = "its EC2 launch template has no default version or does not exist"
        yield finding(what, "save the server's launch settings in the DRS console once")
        return
    subnet = around.subnets.get(one.subnet_id or "")
    if one.subnet_id and subnet is None:
        what = f"it would land in subnet {one.subnet_id}, which does not exist in this account and Region"
        yield finding(what, "set launch.subnet_id, or correct the server's launch template")
    elif not one.subnet_id and around.default_vpc is None and not one.interface_id:
        what = (
            "its launch template names no subnet and there is no default VPC: DRS ends such a job after a second, "
            "FAILED and without a reason"
        )
        yield finding(what, "set launch.subnet_id, or a subnet in the server's launch template")
    vpc = subnet["VpcId"] if subnet else None if one.subnet_id else around.default_vpc
    for group_id in one.security_group_ids:
        group = around.groups.get(group_id)
        where = f"subnet {one.subnet_id}" if one.subnet_id else "the default VPC"
        if group is None:
            what = f"its security group {group_id} does not exist in this account and Region"
            yield finding(what, "set launch.security_group_ids, or correct the server's launch template")
        elif vpc is not None and group.get("VpcId") != vpc:
            what = f"its security group {group_id} is in {group.get('VpcId')}, but {where} is in {vpc}"
            yield finding(what, f"give it security groups of {vpc}")
    zone = (subnet or {}).get("AvailabilityZone")
    if one.instance_type and zone and not _is_sized(one):
        zones = around.zones.get(one.instance_type, frozenset())
        if zone not in zones:
            offered = f"a subnet in {', '.join(sorted(zones))}" if zones else "a type that the Region has"
            what = f"its instance type {one.instance_type} is not offered in {zone}, where subnet {one.subnet_id} is"
            yield finding(what, f"give it another instance type, or {offered}")


def _full_subnets(placed: Sequence[Placed], around: Surroundings, mode: str) -> Iterator[Finding]:
    landing: dict[str, list[Placed]] = defaultdict(list)
    freed: dict[str, int] = defaultdict(int)
    for one in placed:
        if one.subnet_id in around.subnets and one.interface_id is None:
            landing[str(one.subnet_id)].append(one)
        if one.frees:
            freed[one.frees] += 1
    for subnet_id, servers in landing.items():
        free = around.subnets[subnet_id].get("AvailableIpAddressCount")
        if free is None or len(servers) <= int(free) + freed[subnet_id]:
            continue
        name = f"subnet {subnet_id}"
        has = f"{free} free address{'es'[: 2 * (free != 1)]}"
        if freed[subnet_id]:
            has += f" and gets {freed[subnet_id]} back from instances that the launch replaces"
        what = f"it has {has}, and {len(servers)} servers of this run land there"
        next_step = "free addresses, or set launch.subnet_id of some of them to another subnet"
        yield Finding("refusal" if mode == "drill" else "warning", name, name, what, next_step, "placement")


def _is_sized(one: Placed) -> bool:
    """Tell whether DRS chooses the type itself, whatever the launch template says."""
    return one.right_sizing in OVERRIDING_RIGHT_SIZING
