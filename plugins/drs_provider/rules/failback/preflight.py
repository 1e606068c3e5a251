"""What speaks against a run of the way back before anything is called, by where its servers stand."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.next_step import next_reversal
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.findings import Finding
from drs_provider.rules.run.roster import RosterServer

AT_HOME: Final = (Stage.UNKNOWN, Stage.RESTING, Stage.PROTECTED)
"""Where production runs at the origin: there is no way back to go."""

NOTHING_RECOVERED: Final = (
    "no server of the chosen waves was recovered, so there is nothing to replicate back: recover the plan first, or "
    "choose other waves"
)

NOTHING_STOPS_WRITES: Final = (
    "nothing of the plan stops the writes before its waves go back (no step with when: failback in before)",
    "stop the application before you approve: what it writes after the last sync is lost",
)
_WHAT_TO_DO: Final = "the run goes on with the others; correct this, or leave the server out"


def is_at_home(state: CircleState) -> bool:
    """Tell whether production runs at a server's origin, also where its protection is stuck."""
    return (state.stuck_at or state.stage) in AT_HOME


def reversal_findings(
    servers: Sequence[RosterServer], states: Mapping[str, CircleState], circles: Mapping[str, Circle]
) -> Iterator[Finding]:
    """Yield what has to be known before servers are replicated to their origin.

    Only a server that DRS does not know refuses the run: what is stuck keeps nobody from reversing the others, and a
    server that was not recovered stays as it is.
    """
    for server in servers:
        state = states[server.server_id]
        if state.stage is Stage.UNKNOWN:
            yield _finding(server, "DRS does not know it in this account and Region", "correct the plan", "refusal")
        elif is_at_home(state):
            what = "it was not recovered: production runs at its origin"
            yield _finding(server, what, "nothing is done about it")
        else:
            yield from _on_its_way(server, state, circles[server.server_id])


def unread_refusals(left: Collection[str], unreadable: Collection[str], unread: Mapping[str, str]) -> Iterator[str]:
    """Yield the reasons to refuse a run none of whose servers has an origin that can be read.

    Where others can be, the servers of such an origin are named by `reversal_findings`, and keep nobody.

    :param left: ids of the servers that the run would take back
    :param unreadable: ids of those whose origin could not be read
    :param unread: why, by the origin in words
    """
    if unread and set(left) <= set(unreadable):
        yield from (f"{origin}: {why}" for origin, why in unread.items())


def _on_its_way(server: RosterServer, state: CircleState, circle: Circle) -> Iterator[Finding]:
    step = next_reversal(state, circle)
    if step.kind == "people":
        yield _finding(server, "it waits for people", step.why)
    elif step.kind == "refused" or state.stage is Stage.STUCK:
        yield _finding(server, step.why, _WHAT_TO_DO)
    for note in state.notes:
        yield _finding(server, note, "look at it before the cut-over")


def _finding(server: RosterServer, what: str, next_step: str, severity: str = "warning") -> Finding:
    return Finding(
        "refusal" if severity == "refusal" else "warning",
        server.server_id,
        server.hostname,
        what,
        next_step,
        "way_back",
        kind=what,
    )
