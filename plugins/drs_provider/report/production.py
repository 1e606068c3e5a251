"""Whether recovered production is up where a plan recovers to, as far as the reports of its runs tell."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from drs_provider.report.result import RunReport
from drs_provider.rules.run.state.vocabulary import ServerStatus


@dataclass(frozen=True)
class ProductionUp:
    """Servers that a recovery brought up; ``run_id``: the newest one that did, ``since`` when it ended."""

    run_id: str
    since: datetime
    regions: tuple[str, ...]
    servers: int
    next_steps: tuple[str, ...] = ()
    """What comes next, as the report of that run has it."""

    @property
    def words(self) -> str:
        """One sentence without a full stop."""
        return (
            f"production is up in {', '.join(self.regions)}: {self.servers} server{'s'[: self.servers != 1]}, "
            f"recovered {self.since:%Y-%m-%d %H:%M} UTC by run {self.run_id}"
        )

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        return {
            "run": self.run_id,
            "since": self.since.isoformat(),
            "regions": list(self.regions),
            "servers": self.servers,
        }


def production_up(reports: Iterable[RunReport]) -> ProductionUp | None:
    """Look which recovered servers no later drill has launched: a drill can only once their instances are gone.

    :param reports: reports of the plan's runs, in any order
    """
    up: dict[str, tuple[str, RunReport]] = {}
    for report in sorted(reports, key=lambda report: report.finished_at):
        launched = {
            server.server_id: server.region
            for wave in report.waves
            for server in wave.servers
            if server.status is ServerStatus.LAUNCHED
        }
        rolled_back = {gone.server_id for gone in report.commit.terminated} if report.commit else set()
        for server, region in launched.items():
            if report.run.purpose.is_temporary or server in rolled_back:
                up.pop(server, None)
            else:
                up[server] = (region, report)
    if not up:
        return None
    newest = max((report for _, report in up.values()), key=lambda report: report.finished_at)
    regions = tuple(sorted({region for region, _ in up.values() if region}))
    steps = tuple(map(str, newest.next_steps))
    return ProductionUp(newest.run.run_id, newest.finished_at, regions, len(up), steps)
