"""From which recovery point a source server is launched, where the choice is not left to DRS."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from drs_provider.formatting import parse_instant
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.servers import READY_STATE, Answer

Why = Literal["point_in_time", "source_unreachable", "older_point", "quiesced"]

LATEST: Final = "latest"
"""What a trigger form says for the most recent data of every server."""


@dataclass(frozen=True)
class Point:
    """A recovery point that a server is pinned to: its id (``pit-…``), its instant, and why it was pinned."""

    snapshot_id: str
    at: datetime
    why: Why


def why_pinned(server: Answer | None, *, purpose: Purpose, as_of: datetime | None) -> Why | None:
    """Say why a launch must name a recovery point; None: DRS takes the most recent data itself.

    A launch without a point takes a fresh snapshot of the source. Where the source does not answer, DRS tries that for
    about ten minutes before it falls back (drs-api 2.1): a recovery from a broken source names the newest point. So
    does a migration, whose sources may be stopped by then: its newest point holds all that was written.

    :param server: the item of DescribeSourceServers; not looked at where ``as_of`` is given
    :param purpose: what the run is for; a drill from a broken source is refused elsewhere
    :param as_of: the instant that the whole run goes back to; None: the latest
    """
    if as_of is not None:
        return "point_in_time"
    if purpose.quiesces:
        return "quiesced"
    state = ((server or {}).get("dataReplicationInfo") or {}).get("dataReplicationState")
    return "source_unreachable" if purpose.pins_broken_source and state != READY_STATE else None


def must_be_asked(server: Answer | None, *, as_of: datetime | None) -> bool:
    """Tell whether the recovery points of a server must be asked for: that is a call for each server.

    One that replicates continuously has some, for the first copy ends with the first of them (CREATING_SNAPSHOT comes
    before CONTINUOUS), and it is launched from its most recent data.

    :param server: the item of DescribeSourceServers; None: there is none
    :param as_of: the instant that the whole run goes back to; None: the latest
    """
    replication = (server or {}).get("dataReplicationInfo") or {}
    is_well = replication.get("dataReplicationState") == READY_STATE and not replication.get("dataReplicationError")
    return as_of is not None or not is_well


def point_of(snapshot: Answer, why: Why) -> Point:
    """Read an item of DescribeRecoverySnapshots that has been taken (it has a ``timestamp``)."""
    return Point(str(snapshot["snapshotID"]), parse_instant(snapshot["timestamp"]), why)


def skew(points: Iterable[Point]) -> timedelta:
    """Return how far apart the oldest and the newest of some points are."""
    instants = [point.at for point in points]
    return max(instants) - min(instants) if instants else timedelta(0)


def read_point_in_time(text: str, *, now: datetime) -> datetime | None:
    """Read ``latest`` (None) or an ISO 8601 instant with its offset, to the second.

    Raises ValueError with words for people: the text is no instant, does not say where its clock is, or lies in the
    future. What one person means as local time, another reads as UTC: hours of data lie between them.
    """
    if text.strip().lower() == LATEST:
        return None
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"point_in_time: {text!r} is neither 'latest' nor an instant such as 2026-01-31T14:05:00Z"
        ) from None
    if written.tzinfo is None:
        meant = f"{written:%Y-%m-%dT%H:%M:%S}"
        raise ValueError(
            f"point_in_time: {text!r} does not say in which time zone: write {meant}Z for UTC, or the offset, for "
            f"example {meant}+02:00"
        )
    found = written.astimezone(UTC)
    if found > now:
        raise ValueError(f"point_in_time: {in_words(found)} is in the future; it is now {in_words(now)}")
    return found.replace(microsecond=0)


def in_words(at: datetime) -> str:
    """Write an instant (in UTC, as ``instant`` gives it) for people, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
