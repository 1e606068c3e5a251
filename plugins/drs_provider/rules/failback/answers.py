"""What DRS answers to the calls of the way back, as types."""

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from drs_provider.exceptions import AwsError
from drs_provider.rules.answers import Answer

InternetProtocol = Literal["IPV4", "IPV6"]

_SOURCE_SERVER: Final = re.compile(r"arn:[a-z-]+:drs:(?P<region>[^:]+):(?P<account>\d{12}):source-server/(?P<id>s-\w+)")


@dataclass(frozen=True)
class ReversedServer:
    """The source server that replicates a recovery instance from now on.

    :param server_id: ``s-…``; in the same Region it may be the server that the instance was recovered from
    :param account: twelve digits
    :param region: the origin Region of a recovered instance, the recovery Region of a failed-back one
    """

    server_id: str
    account: str
    region: str

    @classmethod
    def of(cls, answer: Answer) -> "ReversedServer":
        """Read the answer of ReverseReplication.

        :raises AwsError: it names no source server; the reversal itself has begun
        """
        arn = str(answer.get("reversedDirectionSourceServerArn") or "")
        found = _SOURCE_SERVER.fullmatch(arn)
        if found is None:
            raise AwsError("ReverseReplication", "UnreadableAnswer", f"it names no source server: {arn!r}")
        return cls(found["id"], found["account"], found["region"])


@dataclass(frozen=True)
class ReplicationChange:
    """What StartReplication or StopReplication made of a source server.

    :param state: ``dataReplicationState``, in DRS's word; empty where DRS does not say
    """

    server_id: str
    state: str

    @classmethod
    def of(cls, server_id: str, answer: Answer) -> "ReplicationChange":
        """Read the answer of one of the two calls."""
        server = answer.get("sourceServer") or {}
        return cls(server_id, str((server.get("dataReplicationInfo") or {}).get("dataReplicationState") or ""))


@dataclass(frozen=True)
class ClientReplication:
    """How a recovery instance replicates to its failback client; servers from data centres only.

    :param bandwidth_mbps: megabits per second; 0: not throttled
    :param uses_private_ip: whether the client reaches the instance by its private address
    :param internet_protocol: None where DRS does not say
    """

    name: str
    bandwidth_mbps: int
    uses_private_ip: bool
    internet_protocol: InternetProtocol | None = None

    @classmethod
    def of(cls, answer: Answer) -> "ClientReplication":
        """Read the answer of GetFailbackReplicationConfiguration."""
        return cls(
            name=str(answer.get("name") or ""),
            bandwidth_mbps=int(answer.get("bandwidthThrottling") or 0),
            uses_private_ip=bool(answer.get("usePrivateIP")),
            internet_protocol=cast("InternetProtocol | None", answer.get("internetProtocol")),
        )
