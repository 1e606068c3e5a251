"""Which servers share a square in Airflow's grid: a big wave has no more of them than a small one.

Every square is a task, and Airflow's run ends after its last one. A thousand of them would take minutes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from drs_provider.rules.run.handover import MappedServer, PreflightServer, SquareServer

MOST_SQUARES: Final = 16
"""Of a wave in one account and Region; up to so many servers have one each."""


def squares_of(servers: Sequence[PreflightServer], most: int = MOST_SQUARES) -> list[MappedServer]:
    """Share servers out to squares, in their order and evenly; a square is named by its first and last server.

    :param most: how many squares Airflow takes; never more than :data:`MOST_SQUARES` are made
    """
    count = min(len(servers), MOST_SQUARES, max(most, 1))
    bounds = [len(servers) * number // count for number in range(count + 1)] if count else [0]
    return [_square(servers[begin:end]) for begin, end in pairwise(bounds)]


def _square(servers: Sequence[PreflightServer]) -> MappedServer:
    first, *others = servers
    return MappedServer(
        server_id=first.server_id,
        hostname=first.hostname,
        others=tuple(SquareServer(server_id=other.server_id, hostname=other.hostname) for other in others),
    )
