"""The last sync before a wave goes back: nothing that was written in the recovery Region is lost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import Context

from drs_provider import clock
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_on, skip_without
from drs_provider.dag.waves.final_sync import AwaitFinalSync, ensure_synced
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import timespan
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.failback.cut_over import still_there, why_not_quiet
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.shape import WayBack

if TYPE_CHECKING:
    from drs_provider.rules.failback.data_centre.last_sync import ClientCopy, ClientSync
    from drs_provider.rules.run.shape import QuiescedWhen
    from drs_provider.triggers.final_sync import SyncPlace

LAUNCHED: Final = frozenset({Stage.LAUNCHING, Stage.FAILED_BACK, Stage.REPROTECTING, Stage.REPROTECTED})
"""Where a server was launched in its origin, by whomever, from what there was."""


class AwaitLastSyncBack(AwaitFinalSync):
    """Wait, deferred, until every FAILBACK server of a wave has a recovery point younger than the last write.

    Failback clients have none: they are waited for until nothing that DRS says speaks against the end of their copy,
    which proves nothing and is left as such. What was launched in its origin already is not waited for.
    """

    quiesced_when: "ClassVar[QuiescedWhen]" = "failback"

    def __init__(self, *, ways: Sequence[WayBack], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ways = tuple(ways)

    def places(self, context: Context) -> "Sequence[SyncPlace]":
        """Give the FAILBACK servers that are still to be launched, by account and Region."""
        preflight = cut_over_of(context, self.plan, self.digest)
        by_way = {way: servers_on(preflight, self.wave, way) for way in self.ways}
        skip_without(tuple(server for servers in by_way.values() for server in servers), f"wave {self.wave}")
        found: list[SyncPlace] = []
        for way, servers in by_way.items():
            if not servers:
                continue
            reader = reader_of(way)
            read = reader.read([server.server_id for server in servers])
            read.ensure_answered()
            places: dict[str, SyncPlace] = {}
            for server in servers:
                state, origin = read.states[server.server_id], read.origin_of(server.server_id)
                if state.stage in LAUNCHED or not state.failback_server or origin is None:
                    continue
                place = places.setdefault(str(origin), {"aws": reader.aws_in(origin), "servers": {}})
                place["servers"][state.failback_server] = server.hostname
            found += places.values()
        return found

    def clients(self, context: Context, quiesced_at: datetime) -> "ClientSync":
        """Look at the failback clients that are still to be converted."""
        from drs_provider.rules.failback.data_centre.last_sync import ClientCopy, client_sync
        from drs_provider.rules.failback.launchable import convertible

        preflight = cut_over_of(context, self.plan, self.digest)
        copies: dict[str, ClientCopy] = {}
        for way in self.ways:
            servers = [
                each for each in servers_on(preflight, self.wave, way) if each.back and each.back.from_data_centre
            ]
            if not servers:
                continue
            read = reader_of(way).read([server.server_id for server in servers])
            for server in servers:
                state, circle = read.states[server.server_id], read.circles[server.server_id]
                if state.stage not in LAUNCHED:
                    record = circle.recovered[0] if circle.recovered else {}
                    why_not = convertible(state, circle).why_not
                    copies[server.server_id] = ClientCopy(server.hostname, record, why_not)
        return client_sync(copies, quiesced_at=quiesced_at, at=clock.now())

    def timed_out(self, context: Context, waiting: str) -> str:
        """Word that the last sync did not come in time, and what there is to do."""
        return (
            f"the last sync did not end within {timespan(self.within)}: {waiting}. Nothing of this wave is stopped or "
            "launched, and production still runs where it was recovered. Look at the replication of the FAILBACK "
            "servers in the DRS console of the origin, and of failback clients at the recovered instances, then clear "
            f"{context['ti'].task_id} to wait again; or let the application write again"
        )


def ensure_last_sync(
    context: Context,
    task_id: str,
    wave: str,
    failback_servers: Sequence[str],
    clients: "Mapping[str, ClientCopy] | None" = None,
    *,
    stops_writes: bool,
) -> None:
    """Look for the last sync of what is about to be launched: nothing may have been written since.

    :param clients: by server id the failback clients that are about to be converted, as DRS tells of them now
    :param stops_writes: whether the plan stops the writes before this wave; where it does not, people were asked
    :raises RunRefused: it is not recorded, a step that stops the writes has not done so, or a client is behind again
    """
    from drs_provider.rules.failback.data_centre.last_sync import why_not_synced

    copies = clients or {}
    sync = ensure_synced(context, task_id, wave, failback_servers, tuple(copies))
    if why := why_not_synced(copies, quiesced_at=sync.quiesced_at, at=clock.now()):
        raise RunRefused(
            f"nothing was launched: {why}. Clear {'the step that stops the writes' if stops_writes else task_id} with "
            "everything downstream, so that the last sync is waited for again"
        )
    if sync.doubts and stops_writes:
        raise RunRefused(why_not_quiet(wave, sync.doubts))


def doubts_of(context: Context, task_ids: Sequence[str]) -> tuple[str, ...]:
    """Return why something may have been written since the last syncs of this run."""
    from drs_provider.rules.run.handover import FinalSync

    found = [pull_newest(context, task_id, FinalSync) for task_id in task_ids]
    return tuple(dict.fromkeys(doubt for sync in found if sync for doubt in sync.doubts))


@contextmanager
def telling_of_stopped_writes(*, stops_writes: bool) -> Iterator[None]:
    """Say in a refusal that production has no writes by then, and what to do about it."""
    try:
        yield
    except RunRefused as refusal:
        raise RunRefused(still_there(str(refusal))) if stops_writes else refusal from None
