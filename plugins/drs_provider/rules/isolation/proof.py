"""Whether anything outside a drill network can be reached from inside it, or reaches into it.

A way out counts whether or not a security group or a network ACL stops it today: those are edited in a second, and a
drill launches with the groups that it is told to. So every active route to somewhere else and every attachment to
something else is a :class:`Leak`. Security groups and ACLs alone lead nowhere; what they say stands beside the path.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final

from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.facts import Leak, NetworkFacts, is_of_a_service

PROOF_LASTS: Final = timedelta(minutes=15)
"""A launch into a network later than this after its last proof proves it anew first."""

NOT_OF_THE_VERDICT: Final = ("account", "security_groups", "network_acls", "prefix_lists", "instances", "hosted_zones")
"""Facts that decide no leak by themselves or that a drill itself changes; a change of theirs is no change of the
network."""


@dataclass(frozen=True)
class Proof:
    """What was looked at, and what was found.

    ``looked_at`` counts the answers by kind; ``prints`` is a fingerprint of every kind that decides, to tell what has
    changed since; ``notes`` are things worth knowing that lead nowhere.
    """

    vpc_id: str
    looked_at: Mapping[str, int]
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_isolated(self) -> bool:
        """Whether nothing outside was found to be within reach."""
        return not self.leaks


def prove(facts: NetworkFacts) -> Proof:
    """Decide whether a network is isolated: look at everything, and name every way out that there is."""
    # Not at the top: both read NetworkFacts.
    from drs_provider.rules.isolation.attachments import attachments_out, notes_of
    from drs_provider.rules.isolation.routes import routes_out

    routes = tuple(routes_out(facts))
    # Whatever a route leads through is named once, with the whole path.
    seen = frozenset(word.strip(",") for leak in routes for word in leak.path.split())
    others = tuple(attachments_out(facts, seen))
    return Proof(
        vpc_id=facts.vpc_id,
        looked_at={name: len(value) for name, value in _parts(facts)},
        leaks=tuple(dict.fromkeys((*routes, *others))),
        notes=tuple(notes_of(facts)),
        prints={
            name: _print(name, value, facts.account) for name, value in _parts(facts) if name not in NOT_OF_THE_VERDICT
        },
    )


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return what differs between the fingerprints of two proofs, in words: ``route tables``."""
    return tuple(name.replace("_", " ") for name in now if before.get(name) != now[name])


def _parts(facts: NetworkFacts) -> Iterable[tuple[str, Any]]:
    for part in fields(facts):
        if part.name not in ("account", "vpc"):
            yield part.name, getattr(facts, part.name)
    yield "vpc", (facts.vpc,)


_PASSING = frozenset(
    {"State", "Status", "CreationTimestamp", "CreateTime", "AvailableIpAddressCount", "Tags", "TagSet"}
)
"""Members that change without the network becoming another one."""


_DECIDING: Mapping[str, tuple[str, ...]] = {
    "vpc_endpoints": (
        "VpcEndpointId",
        "VpcEndpointType",
        "ServiceName",
        "PolicyDocument",
        "RouteTableIds",
        "SubnetIds",
        "ResourceConfigurationArn",
        "ServiceNetworkArn",
    ),
    "network_interfaces": ("NetworkInterfaceId", "OwnerId", "InterfaceType", "RequesterId", "SubnetId"),
}
"""What of an answer counts in its fingerprint, where the rest comes and goes while a thing is being made."""


def _print(name: str, answers: Iterable[Answer], account: str) -> str:
    # Every launch and termination adds or takes away an interface that is nobody's but the account's own.
    kept = [
        _lasting(
            {key: answer[key] for key in _DECIDING.get(name, answer) if key in answer}, deep=name == "route_tables"
        )
        for answer in answers
        if name != "network_interfaces" or is_of_a_service(answer) or answer.get("OwnerId", account) != account
    ]
    text = json.dumps(sorted(kept, key=_canonical), default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _lasting(value: Any, *, deep: bool = False) -> Any:
    """Leave aside what passes; the state of a route is no passing one."""
    if isinstance(value, Mapping):
        kept = {key: member for key, member in value.items() if key not in _PASSING or (deep and key == "State")}
        return {key: _lasting(member, deep=deep) for key, member in kept.items()}
    if isinstance(value, (list, tuple)):
        items = [_lasting(item, deep=deep) for item in value]
        return sorted(items, key=_canonical)
    return value
