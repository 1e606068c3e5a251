"""What keeps a drill from changing a server's launch settings for a while: interfaces that stay, tags without room.

Looked at before anything is made. What is only wrong with the settings themselves, ``rules.settings.checks`` says.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from drs_provider.formatting import plural
from drs_provider.rules.findings import Finding, Rule, Severity
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.settings.candidates import AccountAnswers, Candidate
from drs_provider.rules.settings.drill_memory import EXPIRES, RUN, TAG
from drs_provider.rules.settings.interfaces import EXISTING, IPV6, PUBLIC, Interface, described, names_in
from drs_provider.rules.settings.launch_actions import TAG as ACTIONS

MOST_TAGS: Final = 50
"""Tags that AWS allows on a resource; those whose key begins with ``aws:`` do not count."""


def interface_findings(
    candidates: Sequence[Candidate], around: AccountAnswers, purpose: Purpose, *, own_network: bool
) -> tuple[Finding, ...]:
    """Return what speaks against the network interfaces of launch templates besides the place of the first one.

    A drill with a network of its own moves all of them; what cannot be moved refuses it, for it would stay in
    production. In every run a subnet or a group that does not exist is told.

    :param around: the answer to ``rules.settings.checks.lookups`` of the same servers, with ``whole``
    :param own_network: whether the run launches outside of production's network
    """
    found: list[Finding] = []
    for candidate in candidates:
        if candidate.source is None or candidate.template is None:
            continue
        interfaces = candidate.result["interfaces"]
        found += _unknown(candidate, interfaces, around, purpose)
        if purpose.is_temporary:
            found += _existing(candidate, interfaces, around, own_network=own_network)
        if own_network:
            found += _not_movable(candidate, interfaces, around)
            found += _left_out(candidate, interfaces)
    return tuple(found)


def tag_findings(
    candidates: Sequence[Candidate], purpose: Purpose, *, changed: Collection[str], with_actions: Collection[str]
) -> tuple[Finding, ...]:
    """Name the servers that have no room for the tags in which a drill remembers what it changes.

    :param changed: ids of the servers whose launch settings the run changes
    :param with_actions: ids of those whose DRS launch actions the run changes
    """
    if not purpose.is_temporary:
        return ()
    found = []
    for candidate in candidates:
        tags: Mapping[str, str] = (candidate.source or {}).get("tags") or {}
        needed = {TAG} if candidate.server_id in changed else set()
        needed |= {ACTIONS} if candidate.server_id in with_actions else set()
        missing = ({RUN, EXPIRES, *needed} - tags.keys()) if needed else set()
        used = sum(not key.lower().startswith("aws:") for key in tags)
        if (excess := used + len(missing) - MOST_TAGS) > 0:
            what = (
                f"it has {plural(used, 'tag')} of {MOST_TAGS}, and the drill needs {len(missing)} more on it to "
                "remember the launch settings that it puts back"
            )
            step = f"take {plural(excess, 'tag')} off the source server"
            found.append(_finding("refusal", candidate, what, step, "tags"))
    return tuple(found)


def _unknown(
    candidate: Candidate, interfaces: Sequence[Interface], around: AccountAnswers, purpose: Purpose
) -> Iterator[Finding]:
    for interface in interfaces:
        subnets, groups, _ = names_in([interface])
        for name in (
            *(subnet for subnet in subnets if subnet not in around.subnets),
            *(group for group in groups if group not in around.groups),
        ):
            what = (
                f"the network interface {described(interface)} of its launch template names {name}, which does not "
                "exist in this account and Region"
            )
            yield _finding(purpose.severity, candidate, what, "correct the launch template", "interfaces")


def _existing(
    candidate: Candidate, interfaces: Sequence[Interface], around: AccountAnswers, *, own_network: bool
) -> Iterator[Finding]:
    for interface in interfaces:
        if not interface.get(EXISTING):
            continue
        place = (around.existing.get(str(interface[EXISTING])) or {}).get("SubnetId")
        where = f"in subnet {place}" if place else "which does not exist in this account and Region"
        what = (
            f"its launch template attaches the existing network interface {interface[EXISTING]} at device index "
            f"{interface.get('DeviceIndex') or 0}, {where}: "
        )
        what += "it cannot be moved into the drill network" if own_network else "it is production's"
        step = "take the interface out of the launch template, or exclude the server from drills"
        yield _finding("refusal" if own_network else "warning", candidate, what, step, "interfaces")


def _not_movable(candidate: Candidate, interfaces: Sequence[Interface], around: AccountAnswers) -> Iterator[Finding]:
    first = around.subnets.get(str(candidate.result["subnet_id"])) or {}
    vpc = first.get("VpcId") or (None if candidate.result["subnet_id"] else around.default_vpc)
    for interface in interfaces:
        subnet: Mapping[str, Any] = around.subnets.get(str(interface.get("SubnetId"))) or {}
        if not subnet:
            continue
        why = ""
        if vpc is not None and subnet.get("VpcId") != vpc:
            why = f"which is in {subnet.get('VpcId')} while its first interface is in {vpc}"
        elif not subnet.get("CidrBlock"):
            why = "which has IPv6 addresses only"
        if why:
            what = (
                f"the network interface {described(interface)} of its launch template cannot be moved into the drill "
                f"network: it stands in subnet {interface['SubnetId']}, {why}"
            )
            step = "take the interface out of the launch template, or exclude the server from drills"
            yield _finding("refusal", candidate, what, step, "interfaces")


def _left_out(candidate: Candidate, interfaces: Sequence[Interface]) -> Iterator[Finding]:
    for interface in interfaces:
        kept = [key for key in (*IPV6, *PUBLIC) if interface.get(key) not in (None, False, "false", [])]
        if kept:
            what = (
                f"the network interface {described(interface)} of its launch template has {', '.join(kept)}: the drill "
                "leaves that out, for its network has neither IPv6 nor public addresses"
            )
            yield _finding("warning", candidate, what, "check by other means what needs it", "interfaces")


def _finding(severity: Severity, candidate: Candidate, what: str, step: str, rule: Rule) -> Finding:
    return Finding(severity, candidate.server_id, candidate.hostname, what, step, rule)
