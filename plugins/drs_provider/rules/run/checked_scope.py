"""Whether what preflight recorded is what the run was started with: nobody can edit a run's own parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drs_provider.formatting import joined
from drs_provider.rules.launch.recovery_points import LATEST, read_point_in_time
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.rules.run.request import read_names


@dataclass(frozen=True)
class Deviation:
    """A field of the trigger form in which the record of preflight is not what was asked for.

    :ivar checked: what preflight says, with the field: ``mode 'recovery'``
    :ivar asked: what the run was started with
    """

    checked: str
    asked: str

    def __str__(self) -> str:
        return f"says {self.checked}, and this run was started with {self.asked}"


def deviations(found: PreflightResult, params: Mapping[str, object]) -> Iterator[Deviation]:
    """Compare mode, scope, data and permissions; a field that the run has not is not compared.

    :param params: the run's parameters, as Airflow keeps them with the run
    """
    for field, checked in (("mode", found.mode), ("launch", found.launch), ("continue_run", found.continue_run)):
        if field in params and (checked or None) != (params[field] or None):
            yield Deviation(f"{field} {checked!r}", repr(params[field]))
    for field, allowed in (
        ("replace_live_instances", found.replace_live_instances),
        ("replace_drills", found.replace_drills),
    ):
        if field in params and allowed is not (params[field] is True):
            yield Deviation(f"{field} {allowed!r}", repr(params[field]))
    if "waves" in params:
        yield from _waves(found, read_names(params["waves"]))
    if "exclude_servers" in params:
        yield from _excluded(found, read_names(params["exclude_servers"]))
    if "point_in_time" in params:
        yield from _point(found, str(params["point_in_time"] or LATEST))


def _waves(found: PreflightResult, asked: tuple[str, ...]) -> Iterator[Deviation]:
    chosen = set(found.chosen_waves)
    if chosen != set(asked or found.waves):
        yield Deviation(f"waves {joined(sorted(chosen)) or 'none'}", joined(sorted(asked)) or "all")


def _excluded(found: PreflightResult, asked: tuple[str, ...]) -> Iterator[Deviation]:
    """Name servers that are launched although they were left out, and those left out that nobody named."""
    launched = [
        server.hostname
        for server in found.servers()
        if asked and {server.server_id, server.hostname, server.goes_back_for} & {*asked}
    ]
    dropped = [server.hostname for server in found.excluded if not {server.server_id, server.hostname} & {*asked}]
    if launched:
        yield Deviation(f"that {joined(launched)} is launched", f"exclude_servers {joined(asked)}")
    if dropped:
        yield Deviation(f"that {joined(dropped)} is left out", f"exclude_servers {joined(asked) or 'none'}")


def _point(found: PreflightResult, asked: str) -> Iterator[Deviation]:
    try:
        wanted = read_point_in_time(asked, now=found.checked_at)
    except ValueError:
        yield Deviation(f"point_in_time {found.point_in_time}", repr(asked))
        return
    if wanted != found.as_of:
        yield Deviation(f"point_in_time {found.point_in_time}", asked)
