"""Whether the places where servers would land can take them all: free addresses, and the types of launch templates.

What is wrong with one server's subnet, security groups, address or wanted type, ``settings_checks`` says.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drs_provider.rules.findings import Finding
from drs_provider.rules.settings.candidates import Candidate, Surroundings
from drs_provider.rules.settings.checks import own_type
from drs_provider.rules.settings.launch_template import primary_interface


@dataclass(frozen=True)
class Placed:
    """Where one server of the run would land, as its launch settings say once the plan's are applied.

    ``subnet_id`` None: in the default VPC. ``instance_type``: the one that only its launch template names, None where
    the plan names one or DRS chooses. ``takes_address`` False: it brings a network interface of its own. ``frees``:
    subnet of its own previous instance, which the launch terminates first.
    """

    server_id: str
    hostname: str
    subnet_id: str | None = None
    instance_type: str | None = None
    takes_address: bool = True
    frees: str | None = None


def placed(candidates: Sequence[Candidate], frees: Mapping[str, str]) -> tuple[Placed, ...]:
    """Return where these servers would land; those without a launch template land nowhere.

    :param frees: by server id the subnet of its previous instance
    """
    return tuple(
        Placed(
            one.server_id,
            one.hostname,
            one.result["subnet_id"],
            own_type(one),
            takes_address=not (primary_interface(one.template) or {}).get("NetworkInterfaceId"),
            frees=frees.get(one.server_id),
        )
        for one in candidates
        if one.template is not None
    )


def placement_findings(placed: Sequence[Placed], around: Surroundings, *, mode: str) -> tuple[Finding, ...]:
    """Return everything that speaks against these places, over all servers of the run in one account and Region.

    It refuses a drill. In a recovery it warns: the servers that can land are launched, and DRS says of the others why
    not. What the *plan* says wrong about settings is refused in both, elsewhere (``settings_checks``).

    :param placed: every server that the run launches there, in all waves: none is gone before the last one is up
    :param around: the answer to ``settings_checks.lookups`` of the same servers
    """
    found = [finding for one in placed for finding in _type(one, around, mode)]
    return (*found, *_full_subnets(placed, around, mode))


def _type(one: Placed, around: Surroundings, mode: str) -> Iterator[Finding]:
    zone = (around.subnets.get(one.subnet_id or "") or {}).get("AvailabilityZone")
    if not one.instance_type or not zone:
        return
    zones = around.zones.get(one.instance_type, frozenset())
    if zone not in zones:
        offered = f"a subnet in {', '.join(sorted(zones))}" if zones else "a type that the Region has"
        what = f"its instance type {one.instance_type} is not offered in {zone}, where subnet {one.subnet_id} is"
        step = f"give it another instance type, or {offered}"
        yield Finding(_severity(mode), one.server_id, one.hostname, what, step, "placement")


def _full_subnets(placed: Sequence[Placed], around: Surroundings, mode: str) -> Iterator[Finding]:
    landing: dict[str, list[Placed]] = defaultdict(list)
    freed: dict[str, int] = defaultdict(int)
    for one in placed:
        if one.subnet_id in around.subnets and one.takes_address:
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
        yield Finding(_severity(mode), name, name, what, next_step, "placement")


def _severity(mode: str) -> Any:
    return "refusal" if mode == "drill" else "warning"
