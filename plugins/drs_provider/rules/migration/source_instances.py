"""Which EC2 instances are the sources of servers, and whether one of them may be stopped or started now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from drs_provider.formatting import escaped
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.circle import ReplicationPlace, origin_of, replicated_instance
from drs_provider.rules.servers import hostname_of

Change = Literal["stop", "start"]

DONE: Final[Mapping[Change, str]] = {"stop": "stopped", "start": "running"}
"""EC2's word for an instance where nothing is left to do."""
UNDER_WAY: Final[Mapping[Change, str]] = {"stop": "stopping", "start": "pending"}
"""EC2's word for an instance that is on its way there."""
_FROM: Final[Mapping[Change, frozenset[str]]] = {
    "stop": frozenset({"running", "pending"}),
    "start": frozenset({"stopped", "stopping"}),
}


@dataclass(frozen=True)
class NamedSource:
    """The EC2 instance that a source server replicates, as somebody has agreed to it.

    :param account: twelve digits; the origin account
    :param region: the origin Region
    """

    server_id: str
    hostname: str
    instance_id: str
    account: str
    region: str

    @property
    def words(self) -> str:
        """Name server, instance and place for people."""
        return f"{self.hostname} ({self.words_of_instance})"

    @property
    def words_of_instance(self) -> str:
        """Name instance and place for people."""
        return f"{self.instance_id} in {self.region} of account {self.account}"


def source_of(server: Answer, protected_in: ReplicationPlace) -> NamedSource | None:
    """Return the EC2 instance that a source server replicates; None: its source is none.

    :param server: the item of DescribeSourceServers
    :param protected_in: the account and Region that it was asked in
    """
    place, instance_id = origin_of(server, protected_in), replicated_instance(server)
    if place is None or not instance_id or server.get("replicationDirection") == "FAILBACK":
        return None
    server_id = str(server.get("sourceServerID"))
    return NamedSource(server_id, hostname_of(server, server_id), instance_id, place.account, place.region)


def why_not_changed(
    change: Change,
    named: NamedSource,
    found: NamedSource | None,
    *,
    account: str,
    state: str | None,
) -> str | None:
    """Say why an instance may not be stopped or started; None: it may, or it is done already.

    :param named: what people have agreed to
    :param found: what DRS says of the same source server now; None: it knows no such server, or its source is none
    :param account: the account that the connection for the origin really is in
    :param state: EC2's word there; None: EC2 does not know the instance
    """
    if found is None:
        return f"{named.words}: DRS names no EC2 instance as the source of {named.server_id} any more"
    if (found.instance_id, found.account, found.region) != (named.instance_id, named.account, named.region):
        return f"{named.words}: DRS names another instance as its source now, {found.words}"
    if account != named.account:
        return f"{named.words}: the connection for the origin is in account {account}"
    if state is None:
        return f"{named.words}: EC2 does not know the instance there"
    if state not in _FROM[change] | {DONE[change], UNDER_WAY[change]}:
        return f"{named.words}: EC2 calls it {state}"
    return None


def to_change(change: Change, states: Mapping[str, str]) -> list[str]:
    """Return the instances that EC2 has to be asked about, of those with these states."""
    return sorted(
        instance_id for instance_id, state in states.items() if state not in (DONE[change], UNDER_WAY[change])
    )


def not_done(change: Change, states: Mapping[str, str]) -> list[str]:
    """Return the instances that are not yet stopped, or not yet running."""
    return sorted(instance_id for instance_id, state in states.items() if state != DONE[change])


def what_is_stopped(sources: Iterable[NamedSource], *, others: Sequence[str] = ()) -> str:
    """Return the Markdown for the people who are asked: every instance by name.

    :param others: hostnames of servers whose source is no EC2 instance
    """
    rows = [
        f"| {escaped(source.hostname)} | `{source.instance_id}` | {source.region} | {source.account} |"
        for source in sources
    ]
    lines = ["| server | instance | Region | account |", "|---|---|---|---|", *rows]
    if others:
        lines += ["", f"Not stopped, for their sources are no EC2 instances: {escaped(', '.join(others))}."]
    return "\n".join(lines)
