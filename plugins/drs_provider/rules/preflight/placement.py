"""Whether the places where servers would land can take them all: free addresses, and the types of launch templates.

What is wrong with one server's subnet, security groups, address or wanted type, ``rules.settings.checks`` says.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drs_provider.rules.findings import Finding
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate
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
            candidate.server_id,
            candidate.hostname,
            candidate.result["subnet_id"],
            own_type(candidate),
            takes_address=not (primary_interface(candidate.template) or {}).get("NetworkInterfaceId"),
            frees=frees.get(candidate.server_id),
        )
        for candidate in candidates
        if candidate.template is not None
    )


def placement_findings(placed: Sequence[Placed], around: AccountAnswers, purpose: Purpose) -> tuple[Finding, ...]:
    """Return everything that speaks against these places, over all servers of the run in one account and Region.

    It refuses a drill. In a recovery it warns: the servers that can land are launched, and DRS says of the others why
    not. What the *plan* says wrong about settings is refused in both, elsewhere (``rules.settings.checks``).

    :param placed: every server that the run launches there, in all waves: none is gone before the last one is up
    :param around: the answer to ``rules.settings.checks.lookups`` of the same servers
    """
    found = [finding for server in placed for finding in _type(server, around, purpose)]
    return (*found, *_full_subnets(placed, around, purpose))


def _type(server: Placed, around: AccountAnswers, purpose: Purpose) -> Iterator[Finding]:
    zone = (around.subnets.get(server.subnet_id or "") or {}).get("AvailabilityZone")
    if not server.instance_type or not zone:
        return
    zones = around.zones.get(server.instance_type, frozenset())
    if zone not in zones:
        offered = f"a subnet in {', '.join(sorted(zones))}" if zones else "a type that the Region has"
        what = f"its instance type {server.instance_type} is not offered in {zone}, where subnet {server.subnet_id} is"
        step = f"give it another instance type, or {offered}"
        yield Finding(purpose.severity, server.server_id, server.hostname, what, step, "placement")


def _full_subnets(placed: Sequence[Placed], around: AccountAnswers, purpose: Purpose) -> Iterator[Finding]:
    landing: dict[str, list[Placed]] = defaultdict(list)
    freed: dict[str, int] = defaultdict(int)
    for server in placed:
        if server.subnet_id in around.subnets and server.takes_address:
            landing[str(server.subnet_id)].append(server)
        if server.frees:
            freed[server.frees] += 1
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
        yield Finding(purpose.severity, name, name, what, next_step, "placement")
