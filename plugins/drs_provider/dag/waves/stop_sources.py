"""The end of a wave's sources in a planned migration: people have agreed to every instance, and it is read again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, Context
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.people.agreement import (
    answers_of,
    ensure_pause_answered,
    ensure_people_agreed,
    triggered_by,
)
from drs_provider.dag.steps.context import ensure_steps_approved
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.final_sync import ensure_synced, migration_of, skip_where_ordered
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some, timespan
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.plan.model import Pause
from drs_provider.rules.run.approvals import Policy, ensure_approved
from drs_provider.rules.run.shape import AskedBefore
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.rules.migration.source_instances import NamedSource
    from drs_provider.rules.run.handover import PreflightResult, PreflightServer, StopBegan, StoppedSources

WITHIN: Final = timedelta(minutes=20)
"""How long instances may take to stop: EC2 waits for their operating systems, minutes on Windows."""
LOOK_EVERY: Final = timedelta(seconds=5)


class StopWaveSources(LeavesTimes, BaseOperator):
    """Stop the EC2 instances that the servers of a wave replicate, after their last sync; wait until they are stopped.

    Only those that preflight named and that the people of ``migration.stop_sources`` agreed to. DRS and EC2 are asked
    again right before; every reason against one of them stops nothing at all. What is stopped already is fine.
    """

    ui_color = "#e6b8af"
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        sync_task_id: str,
        policy: Policy | None,
        approval_task_ids: Sequence[str],
        stop_policy: Policy,
        stop_approval_task_ids: Sequence[str],
        pause: Pause | None = None,
        pause_task_id: str = "",
        asked_before: Sequence[AskedBefore] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.wave, self.sync_task_id = plan, digest, wave, sync_task_id
        self.policy, self.approval_task_ids = policy, tuple(approval_task_ids)
        self.stop_policy, self.stop_approval_task_ids = stop_policy, tuple(stop_approval_task_ids)
        self.pause, self.pause_task_id, self.asked_before = pause, pause_task_id, tuple(asked_before)

    def execute(self, context: Context) -> None:
        """Stop what is not stopped yet; the task ends where all are, and waits where EC2 is at it."""
        self._stop(context)

    def go_on(self, context: Context, event: object = None, *, asking_since: str | None = None) -> None:
        """Look again whether all are stopped; AWS may not have answered since an instant, in ISO 8601."""
        self._stop(context, asking_since)

    def _stop(self, context: Context, asking_since: str | None = None) -> None:
        from drs_provider.rules.migration.final_sync import why_sources_stay
        from drs_provider.services.migration.source_instances import change_sources

        skip_where_ordered(context)
        since = datetime.fromisoformat(asking_since) if asking_since else clock.now()
        kwargs: dict[str, JsonValue] = {"asking_since": since.isoformat()}
        with failing_for_good(), asking_later(self, self.go_on, until=since + WITHIN, kwargs=kwargs):
            preflight = migration_of(context, self.plan, self.digest, self.wave)
            servers = preflight.servers_of(self.wave)
            self._ensure_agreed(context, preflight)
            sync = ensure_synced(context, self.sync_task_id, self.wave, [server.server_id for server in servers])
            if sync.doubts:
                raise RunRefused(why_sources_stay(self.wave, sync.doubts))
            named = {source.server_id: source for server in servers if (source := named_source(server))}
            began: list[StopBegan] = []
            look = change_sources(
                "stop",
                list(named.values()),
                self._found(preflight, named),
                _Origins(servers),
                note=lambda before: began.append(stop_began(context, before)),
            )
            if look.asked:
                self.log.info("EC2 was asked to stop %s", some(list(look.asked), MANY))
            if not look.left:
                self._leave(context, servers, began[0].before)
                return
            if clock.now() >= began[0].until:
                raise RunRefused(
                    f"{some(list(look.left), MANY)} did not stop within {timespan(WITHIN)}; nothing of wave "
                    f"{self.wave} was launched. See what keeps the operating system up, then clear this task"
                )
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.log.info("stopping: %s", some(list(look.left), MANY))
        self.defer(trigger=DateTimeTrigger(moment=clock.now() + LOOK_EVERY), method_name=self.go_on.__name__)

    def _ensure_agreed(self, context: Context, preflight: "PreflightResult") -> None:
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        ensure_approved(
            self.stop_policy,
            answers_of(context, self.stop_approval_task_ids),
            triggered_by=triggered_by(context),
            checked_at=preflight.checked_at,
            what="stopping the sources is not approved",
            left_alone="Nothing was stopped",
        )
        if self.pause is not None:
            ensure_pause_answered(context, self.pause, self.pause_task_id)
        ensure_steps_approved(context, self.asked_before)

    def _found(self, preflight: "PreflightResult", named: "dict[str, NamedSource]") -> "dict[str, NamedSource | None]":
        from drs_provider.hooks.drs import DrsHook
        from drs_provider.services.migration.source_instances import sources_now

        found: dict[str, NamedSource | None] = {}
        for target in preflight.wave(self.wave).targets:
            asked = [server.server_id for server in target.servers if server.server_id in named]
            if asked:
                hook = DrsHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)
                found |= sources_now(hook, asked)
        return found

    def _leave(self, context: Context, servers: "Sequence[PreflightServer]", before: Sequence[str]) -> None:
        from drs_provider.rules.run.handover import StoppedSource, StoppedSources

        stopped = {
            server.server_id: StoppedSource(instance=server.source, before=server.source.instance_id in before)
            for server in servers
            if server.source
        }
        others = tuple(server.server_id for server in servers if server.source is None)
        self.log.info("%d sources are stopped, %d of them were before", len(stopped), len(before))
        leave(context["ti"], StoppedSources(servers=stopped, not_ec2=others))


def ensure_stopped(context: Context, task_id: str, wave: str, servers: "Sequence[PreflightServer]") -> None:
    """Raise RunRefused unless the sources of these servers are recorded as stopped."""
    from drs_provider.rules.run.handover import StoppedSources

    found = pull_newest(context, task_id, StoppedSources)
    if missing := [server.hostname for server in servers if server.source and not _is_stopped(found, server)]:
        raise RunRefused(
            f"the sources of {some(missing, MANY)} in wave {wave} are not recorded as stopped (a task that is marked "
            f"as successful stops nothing): clear {task_id} with everything downstream. Nothing was launched"
        )


def _is_stopped(found: "StoppedSources | None", server: "PreflightServer") -> bool:
    stopped = found.servers.get(server.server_id) if found else None
    return stopped is not None and stopped.instance == server.source


def named_source(server: "PreflightServer") -> "NamedSource | None":
    """Return the EC2 instance that people are asked about for a server; None: its source is none."""
    from drs_provider.rules.migration.source_instances import NamedSource

    source = server.source
    if source is None:
        return None
    return NamedSource(server.server_id, server.hostname, source.instance_id, source.account, source.region)


class _Origins:
    """Hooks for the places where sources run, one for each connection and Region."""

    def __init__(self, servers: "Sequence[PreflightServer]") -> None:
        self._connections = {server.server_id: server.source.aws_conn_id for server in servers if server.source}
        self._hooks: dict[tuple[str, str], FailbackHook] = {}

    def __call__(self, source: "NamedSource") -> "FailbackHook":
        from drs_provider.hooks.failback import FailbackHook

        place = (self._connections[source.server_id], source.region)
        if place not in self._hooks:
            self._hooks[place] = FailbackHook(aws_conn_id=place[0], region_name=place[1])
        return self._hooks[place]


def stop_began(context: Context, before: Sequence[str]) -> "StopBegan":
    """Note once, before the first call, until when a stop may take and which instances were stopped already."""
    from drs_provider.rules.run.handover import StopBegan
    from drs_provider.services.store import load, save

    store, tries = task_memory(context), context["ti"].max_tries
    kept = load(store, StopBegan)
    if kept and kept.max_tries == tries:
        return kept
    began = StopBegan(max_tries=tries, until=clock.now() + WITHIN, before=tuple(before))
    save(store, began)
    return began
