"""Which servers a failback drill launches, and what speaks against each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drs_provider.formatting import joined
from drs_provider.rules.failback.circle import Circle, ReplicationPlace
from drs_provider.rules.failback.launchable import is_from_data_centre, launchable
from drs_provider.rules.failback.preflight import is_at_home
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.findings import Finding
from drs_provider.rules.run.roster import RosterServer, Target

_LEAVE_OUT = "correct this, or leave the server out (exclude_servers)"
_NO_DRILL = "leave the server out (exclude_servers): there is no failback drill of it"

NOTHING_READY = (
    "no server of the chosen waves is ready to be launched in its origin: run mode reprotect first, or choose other "
    "waves"
)


@dataclass(frozen=True)
class DrillServers:
    """The FAILBACK servers that a failback drill may launch, as far as the circles of their servers say.

    :param by_protected: by the id of the server that each goes back for
    :param places: by its origin as the plan names it, the accounts and Regions that they come from
    """

    by_protected: Mapping[str, RosterServer]
    places: Mapping[Target, frozenset[ReplicationPlace]]
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> Iterator[str]:
        """Yield the reasons to refuse that are of no server."""
        for target, places in self.places.items():
            regions = sorted({place.region for place in places})
            if len(regions) > 1:
                yield (
                    f"servers whose origin the plan leaves open come from {joined(regions)} "
                    f"(connection {target.aws_conn_id}): put those of each Region into a group of their own, and name "
                    "its origin.region"
                )
        if not self.by_protected and not any(finding.severity == "refusal" for finding in self.findings):
            yield NOTHING_READY


def drill_servers(
    servers: Iterable[RosterServer],
    states: Mapping[str, CircleState],
    circles: Mapping[str, Circle],
    origin_of: Mapping[str, Target],
) -> DrillServers:
    """Take the FAILBACK servers of what is ready; say of the others why they are not launched.

    A server whose production runs at its origin is left out with a warning; everything else that is not ready refuses
    the drill.

    :param servers: as they are protected in the recovery Region
    :param origin_of: where each goes back to, as the plan names it, by its id
    """
    found: dict[str, RosterServer] = {}
    places: defaultdict[Target, set[ReplicationPlace]] = defaultdict(set)
    findings: list[Finding] = []
    for server in servers:
        state, circle = states[server.server_id], circles[server.server_id]
        against = list(_against(server, state, circle))
        findings += against
        if against or circle.origin_place is None:
            continue
        target = origin_of[server.server_id]
        places[target].add(circle.origin_place)
        found[server.server_id] = replace(
            server,
            server_id=state.failback_server,
            target=target,
            known=True,
            lag=state.copy.lag if state.copy else None,  # the server's own is that of a source that may be no more
            goes_back_for=server.server_id,
        )
    return DrillServers(found, {target: frozenset(known) for target, known in places.items()}, tuple(findings))


def _against(server: RosterServer, state: CircleState, circle: Circle) -> Iterator[Finding]:
    if state.stage is Stage.UNKNOWN:
        yield _finding(server, "DRS does not know it in this account and Region", "correct the plan")
    elif is_at_home(state):
        what = "it was not recovered: production runs at its origin"
        yield _finding(server, what, "nothing is done about it", severity="warning")
    elif is_from_data_centre(circle):
        what = "it came from a data centre: nothing can be launched there, so its failback cannot be drilled"
        yield _finding(server, what, _NO_DRILL)
    elif why := launchable(state, circle, "drill").why_not:
        yield _finding(server, why, _LEAVE_OUT)


def why_not_drilled(
    server_ids: Mapping[str, str], states: Mapping[str, CircleState], circles: Mapping[str, Circle]
) -> dict[str, str]:
    """Say of servers why they may not be launched in a failback drill any more, by the id of what is protected.

    :param server_ids: FAILBACK server that the drill is to launch, by the id of the server that it goes back for
    """
    found: dict[str, str] = {}
    for protected, back in server_ids.items():
        why = launchable(states[protected], circles[protected], "drill").why_not
        known = states[protected].failback_server
        if not why and known != back:
            why = f"preflight saw FAILBACK server {back}, and {known or 'none'} replicates it now: start a new run"
        if why:
            found[protected] = why
    return found


def _finding(server: RosterServer, what: str, next_step: str, *, severity: str = "refusal") -> Finding:
    return Finding(
        "warning" if severity == "warning" else "refusal",
        server.server_id,
        server.hostname,
        what,
        next_step,
        "way_back",
        kind=what,
    )


def in_waves(
    waves: Mapping[str, Sequence[RosterServer]], found: Mapping[str, RosterServer]
) -> dict[str, tuple[RosterServer, ...]]:
    """Give the FAILBACK servers of every wave, for its servers as they are protected."""
    return {
        wave: tuple(found[server.server_id] for server in servers if server.server_id in found)
        for wave, servers in waves.items()
    }
