"""What the cut-over of a failback leaves: what it launched in the origin, and what people agree to remove."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Flag, Instant, Part
from drs_provider.rules.run.handover.launches import Launch


class ServerBack(Part):
    """Where a server goes back to, as preflight has seen it.

    ``failback_server``: id of the server that replicates it in the origin; ``recovered``: the instance that production
    runs on until the cut-over. ``account``, ``region`` and ``aws_conn_id`` are the origin's. ``original``: the EC2
    instance there that DRS launches it into; empty: it launches a new one. ``stops``: that instance was not stopped
    then, so its stop is agreed to. ``already``: what ran there when preflight looked and is taken for production.
    ``from_data_centre``: its failback client is converted instead, and AWS has no place for where it goes: all of
    the origin is empty.
    """

    failback_server: str
    recovered: str
    account: str
    region: str
    aws_conn_id: str
    original: str = ""
    stops: Flag = False
    already: str = ""
    from_data_centre: Flag = False

    @property
    def is_converted(self) -> bool:
        """Whether its failback client is still to be converted."""
        return self.from_data_centre and not self.already


class BackLaunches(Document):
    """What a wave has launched in its origins, for the task that watches it.

    ``launches``: one for each account and Region; their servers are FAILBACK servers, or servers whose failback clients
    are converted. ``owners``: by FAILBACK server the server that it goes back for; by such a server itself.
    ``already``: by server id the instance, of those that run there and that no job of this run has launched.
    ``held_back``: by server id why it is not launched although it could be.
    """

    KEY: ClassVar[str] = "launches_back"
    TITLE: ClassVar[str] = "the record of a launch in the origin"

    launches: tuple[Launch, ...] = ()
    owners: Mapping[str, str] = Field(default_factory=dict)
    already: Mapping[str, str] = Field(default_factory=dict)
    held_back: Mapping[str, str] = Field(default_factory=dict)

    def converts(self, launch: Launch) -> bool:
        """Tell whether one of its launches converts failback clients: its servers go back for themselves."""
        return bool(launch.servers) and all(self.owners.get(server) == server for server in launch.servers)


class ListedServer(Part):
    """A server as people see it who are asked whether what its way back has left may be removed.

    ``recovered`` is terminated, and ``failback_servers`` are deleted with their recovery points; ``failed_back`` is
    what production runs on, and ``protected_by`` the server that replicates it.
    """

    server_id: str
    hostname: str
    recovered: str
    failback_servers: tuple[str, ...]
    failed_back: str
    protected_by: str
    account: str
    region: str


class CleanUpList(Document):
    """What people are asked to agree to: nothing else is removed."""

    KEY: ClassVar[str] = "clean_up_list"
    TITLE: ClassVar[str] = "the list of what a failback has left"

    at: Instant
    servers: tuple[ListedServer, ...] = ()

    @property
    def by_id(self) -> dict[str, ListedServer]:
        """Its servers by id."""
        return {server.server_id: server for server in self.servers}
