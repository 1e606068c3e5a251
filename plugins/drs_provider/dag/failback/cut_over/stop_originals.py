"""The end of the original instances that DRS launches into: they are overwritten, and have to be stopped for that."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, Context

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.agreement import CutOverAgreement
from drs_provider.dag.failback.cut_over.last_sync import ensure_last_sync, telling_of_stopped_writes
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_on, settings_hook, skip_without
from drs_provider.dag.failback.other_runs import ensure_alone
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.final_sync import skip_where_ordered
from drs_provider.dag.waves.stop_sources import WITHIN, stop_began
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some, timespan
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.failback.cut_over import launched_before, why_not_stopped
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.shape import WayBack
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.migration.source_instances import NamedSource
    from drs_provider.rules.run.handover import PreflightResult, PreflightServer, StopBegan
    from drs_provider.services.failback.read import CircleReader, CirclesRead

LOOK_EVERY: Final = timedelta(seconds=5)


class StopOriginals(LeavesTimes, BaseOperator):
    """Stop the instances in the origin that DRS launches the servers of a wave into, and wait until they are stopped.

    Only those that preflight named and people agreed to, only for servers that are still to be launched, and only after
    their last sync. Both Regions are read again right before: once a server runs in its origin, that very instance is
    production, and is never stopped. Every reason against one of them stops nothing at all.
    """

    ui_color = "#e6b8af"
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        ways: Sequence[WayBack],
        sync_task_id: str,
        agreement: CutOverAgreement,
        start_task_ids: Sequence[str],
        stops_writes: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.wave, self.ways = plan, digest, wave, tuple(ways)
        self.sync_task_id, self.agreement = sync_task_id, agreement
        self.start_task_ids, self.stops_writes = tuple(start_task_ids), stops_writes

    def execute(self, context: Context) -> None:
        """Stop what is not stopped yet; the task ends where all are, and waits where EC2 is at it."""
        skip_where_ordered(context)
        with failing_for_good():
            until = (context["ti"].start_date or clock.now()) + WITHIN
            with (
                asking_later(self, self.go_on, until=until),
                telling_of_stopped_writes(stops_writes=self.stops_writes),
            ):
                left = self._stop(context)
        if not left:
            return
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.log.info("stopping: %s", some(left, MANY))
        self.defer(trigger=DateTimeTrigger(moment=clock.now() + LOOK_EVERY), method_name=self.go_on.__name__)

    def go_on(self, context: Context, event: object = None) -> None:
        """Look again whether all are stopped."""
        self.execute(context)

    def _stop(self, context: Context) -> list[str]:
        """Ask EC2 to stop what is to be stopped; return what is on its way there."""
        preflight = cut_over_of(context, self.plan, self.digest)
        by_way = {way: servers_on(preflight, self.wave, way) for way in self.ways}
        skip_without(tuple(server for servers in by_way.values() for server in servers), f"wave {self.wave}")
        self.agreement.ensure(context, preflight)
        stopped: dict[str, NamedSource] = {}
        left: list[str] = []
        began: list[StopBegan] = []
        for way, servers in by_way.items():
            reader = reader_of(way)
            read = reader.read([server.server_id for server in servers])
            read.ensure_answered()
            named = self._named(context, reader, read, servers)
            if not named:
                continue
            left += self._change(context, reader, named, began)
            stopped |= named
        if left and clock.now() >= began[0].until:
            raise RunRefused(
                f"{some(left, MANY)} did not stop within {timespan(WITHIN)}; nothing of wave {self.wave} was launched. "
                "See what keeps the operating system up, then clear this task"
            )
        if not left:
            self._leave(context, preflight, stopped, began[0].before if began else ())
        return left

    def _named(
        self, context: Context, reader: "CircleReader", read: "CirclesRead", servers: "Sequence[PreflightServer]"
    ) -> "dict[str, NamedSource]":
        """Give the instances that are to be stopped, by server id. Raises RunRefused with every reason against one."""
        from drs_provider.rules.migration.source_instances import NamedSource
        from drs_provider.rules.run.handover import BackLaunches
        from drs_provider.services.failback.cut_over import originals_in

        ready = [server for server in servers if read.states[server.server_id].stage is Stage.READY]
        ids = [server.server_id for server in ready]
        originals = originals_in(reader, read, ids, settings_hook)
        overwritten = [server for server in ready if server.back and server.back.original]
        if overwritten:
            ensure_alone(context, self.plan)
            backs = [read.states[server.server_id].failback_server for server in overwritten]
            ensure_last_sync(context, self.sync_task_id, self.wave, backs, stops_writes=self.stops_writes)
        left = [found for task in self.start_task_ids if (found := pull_newest(context, task, BackLaunches))]
        against, named = [], dict[str, NamedSource]()
        for server in overwritten:
            back, name = server.back, server.server_id
            if back is None or name not in originals:
                continue
            state, circle, launched = (
                read.states[name],
                read.circles[name],
                launched_before(left, name, read.circles[name]),
            )
            if why := why_not_stopped(
                state, circle, originals[name], back.original, stops=back.stops, launched=launched
            ):
                against.append(f"{read.name_of(name)}: {why}")
            named[name] = NamedSource(name, server.hostname, back.original, back.account, back.region)
        if against:
            raise RunRefused(f"no original instance is stopped, and nothing was called: {some(against, MANY, '; ')}")
        return named

    def _change(
        self, context: Context, reader: "CircleReader", named: "dict[str, NamedSource]", began: "list[StopBegan]"
    ) -> list[str]:
        from drs_provider.rules.failback.circle import ReplicationPlace
        from drs_provider.services.migration.source_instances import change_sources, sources_now

        look = change_sources(
            "stop",
            list(named.values()),
            sources_now(reader.recovery, list(named)),
            lambda source: reader.hook_in(ReplicationPlace(source.account, source.region)),
            note=lambda before: began.append(stop_began(context, before)),
        )
        if look.asked:
            self.log.info("EC2 was asked to stop %s", some(list(look.asked), MANY))
        return list(look.left)

    def _leave(
        self,
        context: Context,
        preflight: "PreflightResult",
        stopped: "dict[str, NamedSource]",
        before: Sequence[str],
    ) -> None:
        from drs_provider.rules.run.handover import SourceInstance, StoppedSource, StoppedSources

        connections = {server.server_id: server.back.aws_conn_id for server in preflight.servers() if server.back}
        self.log.info("%d original instances are stopped", len(stopped))
        leave(
            context["ti"],
            StoppedSources(
                servers={
                    server_id: StoppedSource(
                        instance=SourceInstance(
                            instance_id=source.instance_id,
                            account=source.account,
                            region=source.region,
                            aws_conn_id=connections[server_id],
                        ),
                        before=source.instance_id in before,
                    )
                    for server_id, source in stopped.items()
                }
            ),
        )
