"""What of a drill's network must not be touched yet, or at all: it is in use, or only looks like a drill's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from drs_provider.rules.answers import Answer

_MOST_NAMED: Final = 5


def name_prefix(run: str) -> str:
    """Return how the names of a drill's security groups in a standing network begin; EC2 lets nobody change a name."""
    return f"drill-{run[:8]}-"


def untouchable(
    run: str,
    *,
    vpcs: Iterable[Answer],
    subnets: Iterable[Answer],
    groups: Iterable[Answer],
    endpoints: Iterable[Answer] = (),
    used_by: Mapping[str, Sequence[str]],
    named_by: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Return by id what of the parts that carry a run's tags must stay as it is now, and why.

    Tags can be copied: a part counts as the drill's only in a VPC that is the drill's too, and a security group also
    by its name, which nobody can change. A security group that anything outside of the drill uses keeps its rules.

    :param run: the run's key
    :param used_by: network interfaces by the security group or subnet that they use
    :param named_by: security groups that are not the run's, by the group of the run that a rule of theirs names
    """
    own = {str(vpc["VpcId"]) for vpc in vpcs}
    kept: dict[str, str] = {}
    for part, kind in (
        *((subnet, "SubnetId") for subnet in subnets),
        *((group, "GroupId") for group in groups),
        *((endpoint, "VpcEndpointId") for endpoint in endpoints),
    ):
        name, vpc = str(part[kind]), str(part.get("VpcId"))
        if vpc not in own and not str(part.get("GroupName", "")).startswith(name_prefix(run)):
            kept[name] = (
                f"it carries a drill's tags, but {vpc}, which it is part of, is not the drill's: remove its tags if "
                "they were copied, or remove it manually"
            )
        elif kind == "GroupId" and name in used_by:
            kept[name] = f"in use by {_some(used_by[name])}"
        elif kind == "GroupId" and name in named_by:
            kept[name] = f"named by rules of {_some(named_by[name])}, which are not the drill's"
    return kept


def named_by(groups: Iterable[Answer], ours: Iterable[str]) -> dict[str, list[str]]:
    """Return those of our security groups that rules of other groups name, each with the others' ids."""
    own = set(ours)
    found: dict[str, list[str]] = {}
    for group in groups:
        if group["GroupId"] in own:
            continue
        rules = [*(group.get("IpPermissions") or ()), *(group.get("IpPermissionsEgress") or ())]
        named = {pair.get("GroupId") for rule in rules for pair in rule.get("UserIdGroupPairs") or ()}
        for name in sorted(named & own):
            found.setdefault(name, []).append(str(group["GroupId"]))
    return found


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
