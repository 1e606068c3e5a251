"""What a drill did cost, from how long its instances lived and what an hour of each was estimated at."""

from collections.abc import Iterable
from datetime import datetime

from drs_provider.reporting.drills import Cost, CostPart, DrillFacts
from drs_provider.reporting.result import WaveReport

_HOUR = 3600.0


def with_measured_cost(drill: DrillFacts, waves: Iterable[WaveReport], ended_at: datetime) -> DrillFacts:
    """Add the measured cost where preflight priced the servers: launched until the clean-up was over, by wave.

    :param ended_at: when the clean-up was over; what is left then costs more, and nobody knows how much
    """
    if drill.estimated is None or not drill.hourly:
        return drill
    parts = []
    for wave in waves:
        lived = [(server.server_id, server.launched_at) for server in wave.servers if server.launched_at]
        dollars = sum(
            drill.hourly.get(server, 0.0) * max(0.0, (ended_at - launched).total_seconds()) / _HOUR
            for server, launched in lived
        )
        if lived:
            parts.append(CostPart(what=f"wave {wave.name}: {len(lived)} servers", dollars=round(dollars, 4)))
    parts.sort(key=lambda part: (-part.dollars, part.what))
    measured = Cost(
        dollars=round(sum(part.dollars for part in parts), 4),
        is_certain=drill.estimated.is_certain,
        prices_of=drill.estimated.prices_of,
        parts=tuple(parts),
    )
    return drill.model_copy(update={"measured": measured})
