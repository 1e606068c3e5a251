"""In which order servers are launched ahead, where quotas do not let all of them in at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drs_provider.rules.launch.quotas import Quotas, Room


class SizedServer(Protocol):
    """A server whose disks are known, as far as DRS tells."""

    @property
    def server_id(self) -> str:
        """Its id."""
        ...

    @property
    def gigabytes(self) -> int:
        """The size of its disks together; 0: not known."""
        ...


@dataclass(frozen=True)
class WaveLaunch:
    """The servers of one wave that are launched ahead in one account and Region, in the order to launch them."""

    wave: str
    server_ids: tuple[str, ...]


def launch_order(rows: Sequence[Sequence[str]], servers: Mapping[str, Iterable[SizedServer]]) -> tuple[WaveLaunch, ...]:
    """Return what is launched ahead, first to last.

    Waves whose turn comes first go first: a wave that waits for its launch holds up all that wait for it. Of waves
    whose turn comes at the same time, and of the servers of a wave, the biggest go first: they take longest.

    :param rows: the plan's waves in rows, those of a row may run side by side (``timing.levels``)
    :param servers: by wave, the servers that may be launched ahead
    """
    found = []
    for row in rows:
        waves = {wave: sorted(servers.get(wave, ()), key=biggest_first) for wave in row}
        biggest = sorted(waves, key=lambda wave: -sum(server.gigabytes for server in waves[wave]))
        found += [
            WaveLaunch(wave, tuple(server.server_id for server in waves[wave])) for wave in biggest if waves[wave]
        ]
    return tuple(found)


def biggest_first(server: SizedServer) -> tuple[int, str]:
    """Sort key of the order in which servers are launched ahead: the biggest take longest."""
    return -server.gigabytes, server.server_id


def rounds_ahead(launches: Sequence[WaveLaunch], quotas: Quotas) -> dict[str, int]:
    """Return in which round, from 1, the last server of every wave is launched, where nothing else runs.

    A job holds servers of one wave only, so a wave takes a job more than its servers alone would need.
    """
    rounds: dict[str, int] = {}
    number, room = 1, Room(0, 0)
    for launch in launches:
        left = len(launch.server_ids)
        while left:
            size = room.next_job(left, quotas)
            if not size:
                number, room = number + 1, Room(0, 0)
                continue
            left, room = left - size, Room(room.jobs + 1, room.servers + size)
        rounds[launch.wave] = number
    return rounds
