"""The last sync of a planned migration: a wave waits until nothing that was written can be lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.run_reader import order_of, preflight_result
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.exceptions import PlanChanged, RunRefused
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.run.connection import AwsArguments
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.failback.data_centre.last_sync import ClientSync
    from drs_provider.rules.launch.recovery_points import Point
    from drs_provider.rules.migration.final_sync import StepEnd, SyncMark
    from drs_provider.rules.run.handover import FinalSync, PreflightResult, PreflightTarget, SyncBegan
    from drs_provider.rules.run.shape import QuiescedWhen
    from drs_provider.triggers.final_sync import SyncPlace, WrittenMark

LEAST_POLL_SECONDS: Final = 10.0
SERVERS_A_SECOND: Final = 20
"""DescribeRecoverySnapshots takes one server a call: a pause grows with their number."""
LEG: Final = timedelta(minutes=2)
"""So often a task that waits wakes, to see whether a person has ordered otherwise."""


class AwaitFinalSync(LeavesTimes, BaseOperator):
    """Wait, deferred, until every server of a wave has a recovery point younger than the last write.

    Leaves a ``FinalSync``, without which nothing of the wave is stopped or launched in a migration. Other runs skip it.

    :param quiesce_task_ids: the steps with ``when: migration`` that stand before, by task id, with their names
    :param within: how long to wait
    """

    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]
    quiesced_when: "ClassVar[QuiescedWhen]" = "migration"

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        quiesce_task_ids: Mapping[str, str],
        within: timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.wave = plan, digest, wave
        self.quiesce_task_ids, self.within = dict(quiesce_task_ids), within

    def execute(self, context: Context) -> None:
        """Look; the task ends where nothing is missing, and waits where something is."""
        from drs_provider.rules.migration.final_sync import in_short, quiesce_of
        from drs_provider.rules.run.handover import FinalSync
        from drs_provider.services.migration.final_sync import look

        skip_where_ordered(context)
        with failing_for_good():
            places = self.places(context)
            hooks = [(_hook(place["aws"]), [*place["servers"]]) for place in places]
            names = {server: name for place in places for server, name in place["servers"].items()}
            steps = self._steps(context)
            began = self._began(context, steps)
            quiesce = quiesce_of(steps, asked_at=began.at, when=self.quiesced_when)
            with asking_later(self, self.resume, until=began.until):
                marks = _marks(self._marked(context, began, hooks))
                found = look(hooks, marks, names, quiesced_at=quiesce.at)
                clients = self.clients(context, quiesce.at)
            waiting = "; ".join(filter(None, (found.words, clients.waiting)))
            if not waiting:
                self._log_end(in_short(quiesce), found.points, clients.settled)
                leave(
                    context["ti"],
                    FinalSync(
                        quiesced_at=quiesce.at,
                        steps=quiesce.steps,
                        doubts=quiesce.doubts,
                        points=dict(found.points),
                        settled=dict(clients.settled),
                    ),
                )
                return
            if clock.now() >= began.until:
                raise RunRefused(self.timed_out(context, waiting))
        self.log.info("%s; waiting until %s: %s", in_short(quiesce), began.until, waiting)
        if found.late:
            self._defer(places, marks, quiesce.at, began.until)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        again = clock.now() + timedelta(seconds=LEAST_POLL_SECONDS)
        self.defer(trigger=DateTimeTrigger(moment=again), method_name=self.resume.__name__)

    def resume(self, context: Context, event: object = None) -> None:
        """Look again; what the trigger has seen is seen by this task itself before it counts."""
        self.execute(context)

    def places(self, context: Context) -> "Sequence[SyncPlace]":
        """Give the servers whose recovery points are awaited, by account and Region; skip where there are none."""
        targets = migration_of(context, self.plan, self.digest, self.wave).wave(self.wave).targets
        return [
            {"aws": _arguments(target), "servers": {server.server_id: server.hostname for server in target.servers}}
            for target in targets
        ]

    def clients(self, context: Context, quiesced_at: datetime) -> "ClientSync":
        """Say how the last sync of failback clients stands; the servers of a migration have none."""
        from drs_provider.rules.failback.data_centre.last_sync import ClientSync

        return ClientSync()

    def _log_end(self, stopped: str, points: "Mapping[str, Point]", settled: Mapping[str, str]) -> None:
        if points or not settled:
            self.log.info("%s; every server has a recovery point that holds them", stopped)
        for server, words in settled.items():
            self.log.warning("%s; %s: %s", stopped, server, words)

    def timed_out(self, context: Context, waiting: str) -> str:
        """Word that the last sync did not come in time."""
        from drs_provider.rules.migration.final_sync import timed_out

        return timed_out(waiting, self.within, plan=self.plan, task=context["ti"].task_id)

    def _defer(
        self,
        places: "Sequence[SyncPlace]",
        marks: "Mapping[str, SyncMark]",
        quiesced_at: datetime,
        until: datetime,
    ) -> NoReturn:
        from drs_provider.triggers.final_sync import FinalSyncTrigger

        written: dict[str, WrittenMark] = {
            server: {"newest_id": mark.newest_id, "lag_seconds": mark.lag.total_seconds()}
            for server, mark in marks.items()
        }
        self.defer(
            trigger=FinalSyncTrigger(
                places=list(places),
                marks=written,
                quiesced_at=quiesced_at.isoformat(),
                until=min(until, clock.now() + LEG).isoformat(),
                poll_seconds=max(LEAST_POLL_SECONDS, len(marks) / SERVERS_A_SECOND),
            ),
            method_name=self.resume.__name__,
        )

    def _began(self, context: Context, steps: "Sequence[StepEnd]") -> "SyncBegan":
        """Note once since when and until when it waits, before AWS is asked.

        A task that a person has cleared waits as long again, and what was there stays noted: once the sources of the
        wave are stopped, no newer recovery point comes. Only steps that have stopped the writes again begin it anew.
        """
        from drs_provider.rules.migration.final_sync import stopped_again
        from drs_provider.rules.run.handover import SyncBegan
        from drs_provider.services.store import load, save

        store, tries, now = task_memory(context), context["ti"].max_tries, clock.now()
        kept = load(store, SyncBegan)
        if kept and stopped_again(steps, kept.at):
            kept = None
        if kept and kept.max_tries == tries:
            return kept
        at, servers = (kept.at, kept.servers) if kept else (now, {})
        began = SyncBegan(max_tries=tries, at=at, until=now + self.within, servers=servers)
        save(store, began)
        return began

    def _marked(
        self, context: Context, began: "SyncBegan", hooks: "Sequence[tuple[DrsHook, Sequence[str]]]"
    ) -> "SyncBegan":
        """Note what is there of each server now that writes have stopped, where that is not noted yet."""
        from drs_provider.rules.run.handover import ServerMark
        from drs_provider.services.migration.final_sync import marks_of
        from drs_provider.services.store import save

        missing = [(hook, [server for server in servers if server not in began.servers]) for hook, servers in hooks]
        marks = {
            server: mark for hook, servers in missing if servers for server, mark in marks_of(hook, servers).items()
        }
        if not marks:
            return began
        new = {server: ServerMark(newest_id=mark.newest_id, lag=mark.lag) for server, mark in marks.items()}
        marked = began.model_copy(update={"servers": {**began.servers, **new}})
        save(task_memory(context), marked)
        return marked

    def _steps(self, context: Context) -> "list[StepEnd]":
        """Read how the steps ended that stop writes; those that this run does not have do not count."""
        from drs_provider.rules.migration.final_sync import end_of
        from drs_provider.rules.run.handover import RunOrder, StepResult

        found = (
            end_of(name, pull_newest(context, task, StepResult), pull_newest(context, task, RunOrder))
            for task, name in self.quiesce_task_ids.items()
        )
        return [step for step in found if step]


def skip_where_ordered(context: Context) -> None:
    """Skip what stands before a launch that a person has cancelled or left out; the launch itself obeys too."""
    if order := order_of(context):
        leave(context["ti"], order)
        raise AirflowSkipException(order.message)


def migration_of(context: Context, plan: str, digest: str, wave: str) -> "PreflightResult":
    """Return what preflight left of a migration that has servers in this wave.

    :raises AirflowSkipException: the run is none, or launches nothing in this wave
    """
    preflight = preflight_result(context, plan)
    if preflight.digest != digest:
        raise PlanChanged(plan, preflight.digest, digest)
    if not preflight.purpose.quiesces:
        raise AirflowSkipException(f"a {preflight.mode} stops no writes")
    if not preflight.servers_of(wave):
        raise AirflowSkipException(f"wave {wave} launches nothing in this run")
    return preflight


def ensure_synced(
    context: Context, task_id: str, wave: str, server_ids: Sequence[str], clients: Sequence[str] = ()
) -> "FinalSync":
    """Return the record of a wave's last sync. Raises RunRefused unless that of all these servers is recorded.

    :param clients: servers whose failback clients are converted, which have no recovery points
    """
    from drs_provider.rules.run.handover import FinalSync

    found = pull_newest(context, task_id, FinalSync)
    if found is None or not (found.points.keys() >= {*server_ids} and found.settled.keys() >= {*clients}):
        raise RunRefused(
            f"the last sync of wave {wave} is not recorded (a task that is marked as successful waits for nothing): "
            f"clear {task_id} with everything downstream. Nothing was stopped or launched"
        )
    return found


def proven_points(context: Context, task_id: str) -> "Mapping[str, Point]":
    """Return the recovery points that were seen to hold all that was written, by server id."""
    from drs_provider.rules.run.handover import FinalSync

    found = pull_newest(context, task_id, FinalSync)
    return found.points if found else {}


def _marks(began: "SyncBegan") -> "dict[str, SyncMark]":
    from drs_provider.rules.migration.final_sync import SyncMark

    return {server: SyncMark(mark.newest_id, mark.lag) for server, mark in began.servers.items()}


def _arguments(target: "PreflightTarget") -> AwsArguments:
    return {
        "aws_conn_id": target.aws_conn_id,
        "region_name": target.region or None,
        "verify": None,
        "config": None,
    }


def _hook(aws: AwsArguments) -> "DrsHook":
    from drs_provider.hooks.drs import DrsHook

    return DrsHook(**aws)
