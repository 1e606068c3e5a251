"""What a circle must leave, and that production was never without a copy; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Live:
    """One look at both Regions: how many running copies of each server there are, drills left aside.

    :ivar at: seconds since the circle began
    :ivar copies: by hostname
    """

    at: float
    copies: Mapping[str, int]


def not_live(looks: Sequence[Live], hostnames: Sequence[str]) -> Iterator[str]:
    """Name the servers that had no running copy at some look, with the first moment."""
    told = set[str]()
    for look in looks:
        for host in hostnames:
            if not look.copies.get(host) and host not in told:
                told.add(host)
                yield f"{host} had no running copy after {look.at:.0f} s"


@dataclass(frozen=True)
class Rest:
    """What a Region has at rest.

    :ivar servers: state of replication by source server, with the direction
    :ivar hosts: hostnames of the running instances of EC2, as often as they run
    :ivar counts: of everything else, how many
    """

    servers: Mapping[str, str]
    hosts: Mapping[str, int]
    counts: Mapping[str, int]


def unlike(place: str, before: Rest, after: Rest) -> Iterator[str]:
    """Say what a circle has changed for good in a Region."""
    for what, then, now in (
        ("source server", before.servers, after.servers),
        ("running instances of", before.hosts, after.hosts),
        ("number of", before.counts, after.counts),
    ):
        for name in sorted({*then, *now}):
            if then.get(name) != now.get(name):
                yield f"{place}: {what} {name}: {then.get(name)} before, {now.get(name)} after"


def launched_more_than_once(launches: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Name what was launched more than once in a run.

    :param launches: run and server of every launch that was accepted
    """
    for (run, server), times in Counter(launches).items():
        if times > 1:
            yield f"{server} was launched {times} times in {run}"
