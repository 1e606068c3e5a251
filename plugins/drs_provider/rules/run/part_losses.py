"""What a plan can do without of what its run has launched, judged when that run is a step of another plan."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from drs_provider.rules.launch.results import ServerResult, tolerance
from drs_provider.rules.run.state.vocabulary import ServerStatus

if TYPE_CHECKING:
    from drs_provider.rules.run.handover.preflight_result import PreflightServer

_LAUNCHED: Final = frozenset({ServerStatus.LAUNCHED, ServerStatus.READY})
_NOT_MISSED: Final = _LAUNCHED | {ServerStatus.SKIPPED, ServerStatus.EXCLUDED}


@dataclass(frozen=True)
class PartWave:
    """A wave of the other run, as it ended there.

    :param tolerates: how many of its critical servers may be missing, as plans write it
    :param critical: how many it has
    :param missing: how many of those the run itself has not brought up
    """

    name: str
    tolerates: str
    critical: int
    missing: int
    launched: tuple[ServerResult, ...]

    def is_lost(self, gone: Collection[str]) -> bool:
        """Tell whether more of it is missing, with these servers gone, than its plan can do without."""
        lost = sum(server.critical and server.server_id in gone for server in self.launched)
        return lost > 0 and not self._allows(self.missing + lost)

    def _allows(self, missing: int) -> bool:
        try:
            return tolerance(self.tolerates)(missing, self.critical)
        except ValueError:
            return False


def waves_in_report(report: Mapping[str, JsonValue]) -> list[PartWave]:
    """Read from a kept report what each wave has launched; none of a run that has launched nothing."""
    found = []
    for wave in _records(report.get("waves")):
        servers = list(_records(wave.get("servers")))
        counted = [
            server for server in servers if server.get("critical") and server.get("status") != ServerStatus.EXCLUDED
        ]
        found.append(
            PartWave(
                name=_text(wave.get("name")) or "",
                tolerates=_tolerates(wave),
                critical=len(counted),
                missing=sum(server.get("status") not in _NOT_MISSED for server in counted),
                launched=tuple(_result(server) for server in servers if server.get("status") in _LAUNCHED),
            )
        )
    return [wave for wave in found if wave.launched]


def lacks_servers(report: Mapping[str, JsonValue] | None) -> bool:
    """Tell whether a kept report names no server although the run has launched some: it was too big."""
    if report is None:
        return True
    counts = report.get("counts")
    launched = counts.get("launched") if isinstance(counts, dict) else None
    return bool(launched) and not any(_records(wave.get("servers")) for wave in _records(report.get("waves")))


def wave_of_results(
    name: str, servers: Iterable["PreflightServer"], results: Iterable[ServerResult], report: Mapping[str, JsonValue]
) -> PartWave:
    """Say of a wave what the task that watched it has left, where the report is too big to name servers.

    :param servers: those of the wave, as preflight saw them
    :param report: the kept report, which says what the wave tolerates
    """
    tolerates = [_tolerates(wave) for wave in _records(report.get("waves")) if wave.get("name") == name]
    launched = tuple(result for result in results if result.status == "launched")
    critical = sum(server.critical for server in servers)
    return PartWave(
        name=name,
        tolerates=tolerates[0] if tolerates else "0",
        critical=critical,
        missing=max(critical - sum(result.critical for result in launched), 0),
        launched=launched,
    )


def _records(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _tolerates(wave: Mapping[str, JsonValue]) -> str:
    return str(wave.get("tolerate_failures") or "0")


def _result(server: Mapping[str, JsonValue]) -> ServerResult:
    return ServerResult(
        server_id=str(server.get("server_id")),
        hostname=str(server.get("hostname")),
        critical=bool(server.get("critical")),
        status="launched",
        instance_id=_text(server.get("instance_id")),
        instance_state=_text(server.get("instance_state")),
        job_id=_text(server.get("job_id")),
    )


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
