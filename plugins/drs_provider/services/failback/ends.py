"""Ending the failback of data centres' servers, and starting replication that was stopped."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.rules.failback.launchable import is_from_data_centre
from drs_provider.rules.failback.state import Stage
from drs_provider.services.failback.read import CircleReader, CirclesRead

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook

_NOT_CONVERTED: Final = frozenset({Stage.REVERSING, Stage.COPYING, Stage.READY, Stage.STUCK})


class FailbackEnds(NamedTuple):
    """What became of the failbacks that were to be ended, by server id.

    :ivar refused: what AWS said where it has not ended one
    """

    done: Mapping[str, str]
    refused: Mapping[str, AwsError]

    def raise_refusal(self) -> None:
        """Raise one of the refusals, rather what may pass than what stays; nothing where there is none."""
        for error in sorted(self.refused.values(), key=lambda each: not each.retryable):
            raise error


def stop_failback(reader: CircleReader, server_ids: Sequence[str]) -> FailbackEnds:
    """End the failback of servers from data centres: their failback clients have to be booted again for another one.

    The recovered instances go on as they are. What has no failback is passed over. What AWS refuses of one keeps nobody
    from ending the others.

    :raises RunRefused: a job converts one of them, it is failed back, or came from EC2; nothing was called
    """
    read = reader.read(server_ids)
    _ensure(read, server_ids, _why_not_stopped)
    done, refused = dict[str, str](), dict[str, AwsError]()
    for server_id in server_ids:
        state = read.states[server_id]
        if state.stage is Stage.RECOVERED:
            done[server_id] = "it had no failback"
            continue
        try:
            reader.recovery.stop_failback(state.recovered)
        except AwsError as error:
            refused[server_id] = error
        else:
            done[server_id] = f"the failback of {state.recovered} is ended"
    return FailbackEnds(done, refused)


def start_replication(reader: CircleReader, server_ids: Sequence[str]) -> dict[str, str]:
    """Start what was stopped of servers: the FAILBACK server of a recovered one, else the server itself.

    Every disk is copied again, for its recovery points are deleted. What is not stopped is passed over.

    :return: by server id what was done
    :raises RunRefused: where one stands cannot be told, or its way back is over already; nothing was called
    """
    read = reader.read(server_ids)
    read.ensure_answered()
    _ensure(read, server_ids, _why_not_started)
    done: dict[str, str] = {}
    for server_id in server_ids:
        replicated = _stopped(read, server_id)
        if replicated is None:
            done[server_id] = "its replication is not stopped"
            continue
        name, hook = replicated(reader)
        try:
            hook.start_replication(name)
        except AwsError:
            # Sent once. DRS refuses it for what replicates already: then an earlier try, or its answer, got lost.
            (found,) = hook.source_servers([name]) or ({},)
            if (found.get("dataReplicationInfo") or {}).get("dataReplicationState") in {None, "STOPPED"}:
                raise
        done[server_id] = f"the replication of {name} is started"
    return done


def _stopped(read: CirclesRead, server_id: str) -> "Callable[[CircleReader], tuple[str, FailbackHook]] | None":
    circle = read.circles[server_id]
    origin = read.origin_of(server_id)
    for found in circle.failback_servers if circle.recovered else ():
        if (found.get("dataReplicationInfo") or {}).get("dataReplicationState") == "STOPPED" and origin is not None:
            return lambda reader: (str(found.get("sourceServerID")), reader.hook_in(origin))
    own = ((circle.server or {}).get("dataReplicationInfo") or {}).get("dataReplicationState")
    return (lambda reader: (server_id, reader.recovery)) if own == "STOPPED" else None


def _ensure(read: CirclesRead, server_ids: Sequence[str], why_not: Callable[[CirclesRead, str], str]) -> None:
    against = [f"{read.name_of(server_id)}: {why}" for server_id in server_ids if (why := why_not(read, server_id))]
    if against:
        raise RunRefused(
            f"refused for {len(against)} of {len(server_ids)} servers, and nothing was called: "
            f"{some(against, MANY, '; ')}"
        )


def _why_not_stopped(read: CirclesRead, server_id: str) -> str:
    state, circle = read.states[server_id], read.circles[server_id]
    if circle.server is not None and not is_from_data_centre(circle):
        return "it came from EC2, where StopFailback ends nothing: its FAILBACK server is stopped in the clean-up"
    if state.stage is Stage.RECOVERED or (state.stage in _NOT_CONVERTED and state.recovered):
        return ""
    return f"it is {state.stage}: only a failback that is under way can be ended"


def _why_not_started(read: CirclesRead, server_id: str) -> str:
    state = read.states[server_id]
    if state.stage is Stage.UNKNOWN or (state.stage is Stage.STUCK and state.stuck_at is None):
        return state.why or "DRS knows no such source server in this account and Region"
    if state.stage in {Stage.REPROTECTED, Stage.REPROTECTING, Stage.FAILED_BACK, Stage.LAUNCHING}:
        return f"it is {state.stage}: nothing is replicated to its origin any more"
    return ""
