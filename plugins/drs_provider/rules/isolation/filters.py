"""What security groups and network ACLs say about a way out: it stands beside the path, and closes none."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.facts import NetworkFacts

Range = IPv4Network | IPv6Network


def what_doors_say(facts: NetworkFacts, subnets: Sequence[str], destination: str) -> str:
    """Return half a sentence: who lets packets of these subnets out to a destination, or that nobody does today."""
    wanted = _ranges(facts, destination)
    groups = sorted(str(group["GroupId"]) for group in facts.security_groups if lets_out(facts, group, wanted))
    acls = sorted({str(acl["NetworkAclId"]) for acl in _acls_of(facts, subnets) if _acl_lets_out(acl, wanted)})
    if groups and acls:
        return f" (let out by security group{'s'[: len(groups) != 1]} {_some(groups)} and network ACL {_some(acls)})"
    closed = "no network ACL" if groups else "no security group" if acls else "no security group and no network ACL"
    return f" ({closed} lets it out today, which one edit changes)"


def open_doors(facts: NetworkFacts) -> Iterator[str]:
    """Say which security groups let out more than the VPC: no way by itself, as nothing leads there."""
    for group in facts.security_groups:
        beyond = sorted({text for text in _destinations(facts, group) if not _within(facts, text)})
        if beyond:
            yield f"security group {group['GroupId']} lets out to {', '.join(beyond)}: no way leads there"


def lets_out(facts: NetworkFacts, group: Answer, wanted: Sequence[Range] | None) -> bool:
    """Whether a security group has an egress rule that meets one of these ranges; None stands for any."""
    for text in _destinations(facts, group):
        found = _ranges(facts, text)
        if found is None or wanted is None or _meet(found, wanted):
            return True
    return False


def _destinations(facts: NetworkFacts, group: Answer) -> Iterator[str]:
    """Yield the ranges of a group's egress rules; a prefix list that is not known stays its id."""
    for rule in group.get("IpPermissionsEgress") or ():
        yield from (str(ip_range["CidrIp"]) for ip_range in rule.get("IpRanges") or ())
        yield from (str(ip_range["CidrIpv6"]) for ip_range in rule.get("Ipv6Ranges") or ())
        for prefix_list in rule.get("PrefixListIds") or ():
            yield from facts.prefix_lists.get(prefix_list["PrefixListId"]) or (str(prefix_list["PrefixListId"]),)


def _within(facts: NetworkFacts, text: str) -> bool:
    found = _ranges(facts, text)
    own = [ip_network(cidr) for cidr in facts.cidrs]
    return found is not None and all(any(_is_part(network, other) for other in own) for network in found)


def _is_part(inner: Range, other: Range) -> bool:
    return inner.version == other.version and inner.subnet_of(other)  # type: ignore[arg-type]  # the versions are equal


def _ranges(facts: NetworkFacts, text: str) -> tuple[Range, ...] | None:
    """Read a CIDR or a prefix list; None: nobody knows what is in it."""
    if text.startswith("pl-"):
        known = facts.prefix_lists.get(text)
        return None if known is None else tuple(ip_network(cidr, strict=False) for cidr in known)
    try:
        return (ip_network(text, strict=False),)
    except ValueError:
        return None


def _meet(some: Sequence[Range], others: Sequence[Range]) -> bool:
    return any(network.version == other.version and network.overlaps(other) for network in some for other in others)


def _acls_of(facts: NetworkFacts, subnets: Sequence[str]) -> list[Answer]:
    used = [
        acl
        for acl in facts.network_acls
        if any(association.get("SubnetId") in subnets for association in acl.get("Associations") or ())
    ]
    return used or [acl for acl in facts.network_acls if acl.get("IsDefault")]


def _acl_lets_out(acl: Answer, wanted: Sequence[Range] | None) -> bool:
    """Whether any rule for egress allows a part of the ranges that no earlier rule denies whole, for all protocols."""
    rules = sorted(
        (entry for entry in acl.get("Entries") or () if entry.get("Egress")),
        key=lambda entry: int(entry.get("RuleNumber") or 0),
    )
    denied: list[Range] = []
    for rule in rules:
        text = rule.get("CidrBlock") or rule.get("Ipv6CidrBlock")
        if not text:
            continue
        found = ip_network(text, strict=False)
        if rule.get("RuleAction") == "deny":
            if str(rule.get("Protocol")) == "-1":
                denied.append(found)
        elif wanted is None or any(
            _meet((found,), (network,))
            and not any(_is_part(network, other) or _is_part(found, other) for other in denied)
            for network in wanted
        ):
            return True
    return False


def _some(names: Sequence[str]) -> str:
    most = 3
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
