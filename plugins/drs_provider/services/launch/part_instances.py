"""Looking whether what another plan's run has launched is still there, when that run is a step of this one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from drs_provider.rules.launch.results import ServerResult
from drs_provider.services.launch.lost import find_lost

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import PreflightResult


def launched_in(report: Mapping[str, JsonValue]) -> list[ServerResult]:
    """Read from a kept report which servers a run has launched; nothing, of a run that cleans up after itself."""
    found: list[ServerResult] = []
    waves = report.get("waves")
    for wave in waves if isinstance(waves, list) else ():
        servers = wave.get("servers") if isinstance(wave, dict) else None
        for server in servers if isinstance(servers, list) else ():
            if not isinstance(server, dict) or server.get("status") != "launched":
                continue
            found.append(
                ServerResult(
                    server_id=str(server["server_id"]),
                    hostname=str(server["hostname"]),
                    critical=bool(server["critical"]),
                    status="launched",
                    instance_id=_text(server.get("instance_id")),
                    instance_state=_text(server.get("instance_state")),
                    job_id=_text(server.get("job_id")),
                )
            )
    return found


def gone_of_part(launched: Sequence[ServerResult], preflight: "PreflightResult") -> list[str]:
    """Ask DRS and EC2 for the instances of these servers; return in words what is no more of the critical ones.

    What a plan can do without, its own run judges.

    :param preflight: of the run that launched them: it knows where each is
    """
    from drs_provider.hooks.drs import DrsHook

    gone: list[str] = []
    for wave in preflight.waves.values():
        for target in wave.targets:
            ids = {server.server_id for server in target.servers}
            here = [result for result in launched if result.critical and result.server_id in ids]
            if here:
                lost = find_lost(DrsHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None), here)
                gone += [
                    f"{result.hostname}: {lost[result.server_id].words}" for result in here if result.server_id in lost
                ]
    return gone


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
