"""How far a copy of disks is: bytes, share, lag and DRS's estimate."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from drs_provider.formatting import parse_duration, parse_instant
from drs_provider.rules.answers import Answer


@dataclass(frozen=True)
class CopyProgress:
    """The copying (or rescanning) of a server's disks, as DRS tells it of a source server or of a recovery instance.

    :param state: ``dataReplicationState``; empty where DRS does not say
    :param total_bytes: of all disks
    :param done_bytes: replicated of them; while they are rescanned: rescanned
    :param backlog_bytes: written on the source and not sent yet
    :param lag: None where DRS does not say
    :param done_at: DRS's estimate; None where there is none
    """

    state: str
    total_bytes: int = 0
    done_bytes: int = 0
    backlog_bytes: int = 0
    lag: timedelta | None = None
    done_at: datetime | None = None
    is_rescanned: bool = False
    """Whether every disk was rescanned to its end; False where DRS lists no disk."""

    @classmethod
    def of(cls, replication: Answer | None) -> "CopyProgress":
        """Read ``dataReplicationInfo``; what cannot be read counts as not said."""
        info = replication or {}
        disks = info.get("replicatedDisks") or ()
        state = str(info.get("dataReplicationState") or "")
        counted = "rescannedStorageBytes" if state == "RESCAN" else "replicatedStorageBytes"
        return cls(
            state=state,
            total_bytes=sum(_bytes(disk, "totalStorageBytes") for disk in disks),
            done_bytes=sum(_bytes(disk, counted) for disk in disks),
            backlog_bytes=sum(_bytes(disk, "backloggedStorageBytes") for disk in disks),
            lag=_length(info.get("lagDuration")),
            done_at=_instant(info.get("etaDateTime")),
            is_rescanned=bool(disks)
            and all(_bytes(disk, "rescannedStorageBytes") >= _bytes(disk, "totalStorageBytes") for disk in disks),
        )

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where DRS lists no bytes."""
        return min(self.done_bytes / self.total_bytes, 1.0) if self.total_bytes else None


def _bytes(disk: Answer, member: str) -> int:
    return int(disk.get(member) or 0)


def _length(text: object) -> timedelta | None:
    try:
        return parse_duration(str(text)) if text else None
    except ValueError:
        return None


def _instant(text: object) -> datetime | None:
    try:
        return parse_instant(str(text)) if text else None
    except ValueError:
        return None
