"""One source server of the inventory: what DRS says of it, kept small, for thousands of them stay in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.replication import difficulty
from drs_provider.rules.run.roster import Place
from drs_provider.rules.servers import Answer, hostname_of, is_live, lag_of

FAILBACK: Final = "FAILBACK"
"""``replicationDirection`` of a server that goes back to where it came from."""

UNKNOWN: Final = "UNKNOWN"
"""State of a server of which DRS does not say it."""

NOT_LISTED: Final = "NOT_LISTED"
"""State of a server that a group names and DRS does not list."""


@dataclass(frozen=True, slots=True)
class LatestLaunch:
    """The newest launch of a server: ``kind`` is DRILL or RECOVERY, ``status`` DRS's word or empty."""

    kind: str
    status: str
    job_id: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class InventoryInstance:
    """The live recovery instance of a server."""

    instance_id: str
    ec2_instance_id: str
    ec2_state: str
    is_drill: bool


@dataclass(frozen=True, slots=True)
class InventoryServer:
    """A source server in an account and Region.

    ``state`` is DRS's ``dataReplicationState``, or one of the two above. ``lag_seconds`` None:
    DRS does not say. ``trouble`` is what keeps replication back, in words. ``last_seen``: when DRS last heard of its
    agent.
    """

    server_id: str
    hostname: str
    place: Place
    state: str
    direction: str = "FAILOVER"
    lag_seconds: float | None = None
    backlog_bytes: int = 0
    trouble: str = ""
    agent_version: str = ""
    last_seen: datetime | None = None
    source_account: str = ""
    source_region: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    last_launch: LatestLaunch | None = None
    instance: InventoryInstance | None = None


def read_servers(servers: Sequence[Answer], instances: Sequence[Answer], place: Place) -> tuple[InventoryServer, ...]:
    """Read the answers of DescribeSourceServers and DescribeRecoveryInstances of one account and Region."""
    live = {str(instance.get("sourceServerID")): instance for instance in instances if is_live(instance)}
    return tuple(_read(server, live.get(str(server["sourceServerID"])), place) for server in servers)


def _read(server: Answer, instance: Answer | None, place: Place) -> InventoryServer:
    replication = server.get("dataReplicationInfo") or {}
    cloud = server.get("sourceCloudProperties") or {}
    lag = lag_of(server)
    server_id = str(server["sourceServerID"])
    return InventoryServer(
        server_id=server_id,
        hostname=hostname_of(server, server_id),
        place=place,
        state=intern(str(replication.get("dataReplicationState") or UNKNOWN)),
        direction=intern(str(server.get("replicationDirection") or "FAILOVER")),
        lag_seconds=None if lag is None else lag.total_seconds(),
        backlog_bytes=_backlog(replication),
        trouble=difficulty(replication),
        agent_version=intern(str(server.get("agentVersion") or "")),
        last_seen=_instant((server.get("lifeCycle") or {}).get("lastSeenByServiceDateTime")),
        source_account=intern(str(cloud.get("originAccountID") or "")),
        source_region=intern(str(cloud.get("originRegion") or "")),
        tags={intern(str(key)): intern(str(value)) for key, value in (server.get("tags") or {}).items()},
        last_launch=_launch(server),
        instance=None if instance is None else _instance(instance),
    )


def _backlog(replication: Answer) -> int:
    return sum(int(disk.get("backloggedStorageBytes") or 0) for disk in replication.get("replicatedDisks") or ())


def _launch(server: Answer) -> LatestLaunch | None:
    launch = (server.get("lifeCycle") or {}).get("lastLaunch") or {}
    begun = launch.get("initiated") or {}
    if not begun:
        return None
    status = launch.get("status") or server.get("lastLaunchResult") or ""
    return LatestLaunch(
        intern(str(begun.get("type") or "")),
        intern(str(status)),
        str(begun.get("jobID") or ""),
        _instant(begun.get("apiCallDateTime")),
    )


def _instance(instance: Answer) -> InventoryInstance:
    return InventoryInstance(
        str(instance.get("recoveryInstanceID") or ""),
        str(instance.get("ec2InstanceID") or ""),
        intern(str(instance.get("ec2InstanceState") or "")),
        instance.get("isDrill") is True,
    )


def _instant(text: object) -> datetime | None:
    try:
        return parse_instant(str(text)) if text else None
    except ValueError:
        return None
