"""The last look of a drill: whether anything that is its own is left in an account and Region."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.left_alone import skip_where_left_alone, was_refused_at_first
from drs_provider.dag.run_reader import is_cleared, purpose_of_run, skip_where_nothing_is_launched, snapshot_of
from drs_provider.dag.target_region import settle_region
from drs_provider.dag.task_times import LeavesTimes, began_of_task
from drs_provider.dag.waves.job_tags import jobs_of_run, keys_of_run
from drs_provider.exceptions import DrillRemains, DrsProviderError, HandoverUnreadable
from drs_provider.operators.base import DrsOperator, asking_later, failing_for_good
from drs_provider.rules.run.names import PREFLIGHT_TASK, TAG_INSTANCES, does
from drs_provider.services.signed import leave, pull, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.rules.launch.results import ServerResult
    from drs_provider.rules.run.handover import FoundLaunches, Leftovers
    from drs_provider.rules.run.shape import PlanTarget
    from drs_provider.rules.run.state import LeftDocuments


LOOK_AGAIN_AFTER = timedelta(seconds=5)
MOST_TIME: Final = timedelta(minutes=1)
"""How long EC2 may go on showing what was just removed."""

_ASKING: Final = timedelta(hours=1)

_WAITS_FOR_JOBS: Final = timedelta(hours=1)
"""How long the last look of a recovery waits for launch jobs that nobody waits for."""


class LookOver(LeavesTimes, DrsOperator):
    """Look once over everything in an account and Region that bears the run's tags; fail if anything is there.

    The clean-up, the putting back and the removal of the network each see that what they knew of is gone. This task
    knows nothing: it asks for the run's tags, for the instances of its jobs, and for what a drill leaves at servers.
    It removes nothing. A few requests, however big the drill was. The default versions of the servers' launch templates
    are looked at as well: others may have made one on top of the drill's since the settings were put back.

    In a recovery it looks for what the run has launched and no task has seen through (a start that died after its
    call, a job that was deleted), switches its termination protection on, and leaves it for the report, with every
    instance that was launched and is no more; then it is skipped, for a recovery leaves everything. It never fails one.

    Returns a ``Leftovers`` as JSON (``rules.run.handover``).
    """

    template_fields: Sequence[str] = ()  # nothing to render: the servers come from preflight
    ui_color = "#c9a6a6"
    ui_fgcolor = "#1c1917"

    def __init__(self, *, place: "PlanTarget", digest: str, **kwargs: Any) -> None:
        target = place.target
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs)
        self.place, self.digest = place, digest

    @cached_property
    def hook(self) -> "TracesHook":
        """The hook of this task's account and Region, which also finds by tags."""
        from drs_provider.hooks.drill_resources import TracesHook

        return TracesHook(**self.aws)

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Look; look again for a while where something is left."""
        from drs_provider.rules.run.handover import PreflightResult
        from drs_provider.services.settings.survey import changed_by

        skip_where_nothing_is_launched(context)
        if not purpose_of_run(context).is_temporary:
            self._look_for_unwatched(context)
            self._leave_outside_changes(context)
            raise AirflowSkipException("a recovery leaves everything: it is production now")
        skip_where_left_alone(context, self.place, self.digest)
        settle_region(self, context, self.place.target)
        preflight = pull(context["ti"], PREFLIGHT_TASK, PreflightResult)
        servers = {server.server_id for server in preflight.servers(self.place.target)} if preflight else set[str]()
        began = began_of_task(context)
        with failing_for_good(), asking_later(self, self.resume_look, until=began + _ASKING):
            if preflight is None or not preflight.passed or is_cleared(context):
                # An earlier try of it may have let the run begin, or launch more servers.
                servers |= {*changed_by(self.hook, keys_of_run(context))}
            left = self._look(context, sorted(servers))
            leave(context["ti"], left)
            self._leave_outside_changes(context)
            for name, what in left.left.items():
                self.log.info("%s: %s", name, what)
            if left.left and clock.now() < began + MOST_TIME:
                self._look_again()
            if left.left:
                raise DrillRemains(left.left)
        self.log.info("nothing of the run is left")
        return sealed(context["ti"], left)

    def resume_look(self, context: Context, event: object = None) -> dict[str, JsonValue]:
        """Look again."""
        return self.execute(context)

    def _look_for_unwatched(self, context: Context) -> None:
        """Find, protect and leave what no task has seen through; wait a while for jobs that still run."""
        from drs_provider.rules.run.handover import FoundLaunches

        try:
            found = self._unwatched(context)
        except Exception as error:  # noqa: BLE001 - whatever it is: a recovery does not fail because of a last look
            self.log.warning("whether anything was launched that no task waited for is unknown: %s", error)
            found = FoundLaunches(problem=str(error) or type(error).__name__)
        leave(context["ti"], found)
        deadline = began_of_task(context) + _WAITS_FOR_JOBS
        if not found.running and found.may_change(clock.now()):
            self._look_again()
        if not found.running or clock.now() >= deadline:
            self._start_again(context, found)
            return
        from drs_provider.triggers.jobs import DrsJobTrigger

        self.log.info("Waiting for %s, to protect what is launched", ", ".join(found.running))
        self.defer(
            trigger=DrsJobTrigger(
                watches=[{"aws": self.aws, "job_ids": list(found.running)}],
                since=clock.now().isoformat(),
                deadline=deadline.isoformat(),
            ),
            method_name=self.resume_look.__name__,
        )

    def _start_again(self, context: Context, found: "FoundLaunches") -> None:
        """Let DRS start again what anybody launches of the servers that the run wanted launched ahead, stopped.

        Not while a job of the run may still launch one: DRS could start it before its turn. It never fails a recovery.
        """
        from drs_provider.services.settings.started_again import start_again

        try:
            servers = self._set_to_stay_stopped(context)
            busy = {server: found.servers[server].words for server in servers if self._is_busy(found, server)}
            left = start_again(self.hook, [server for server in servers if server not in busy]) | busy
        except Exception as error:  # noqa: BLE001 - whatever it is: a recovery does not fail because of a last look
            self.log.warning("whether DRS starts again what is launched of the servers is unknown: %s", error)
            return
        for server, why in left.items():
            self.log.warning("%s: DRS leaves stopped what is launched of it: %s", server, why)
        if left:
            leave(context["ti"], found.model_copy(update={"left_stopped": left}))

    @staticmethod
    def _is_busy(found: "FoundLaunches", server: str) -> bool:
        return server in found.servers and found.servers[server].is_running_job

    def _set_to_stay_stopped(self, context: Context) -> list[str]:
        """Give the servers here whose launch settings the run may have set so that a launch stays stopped."""
        from drs_provider.rules.run.state import LeftDocuments, TaskPhase

        left = LeftDocuments(snapshot_of(context))
        preflight = left.preflight()
        if preflight is None or was_refused_at_first(context):
            return []
        untouched = (TaskPhase.WAITING, TaskPhase.NOT_STARTED)
        return [
            server.server_id
            for wave in left.snapshot.outline.waves
            if any(left.snapshot.phase(task) not in untouched for task in wave.settings)
            for server in preflight.servers_of(wave.name, self.place.target)
            if server.ahead and server.is_started
        ]

    def _unwatched(self, context: Context) -> "FoundLaunches":
        from drs_provider.rules.run.handover import FoundLaunches
        from drs_provider.rules.run.state import LeftDocuments
        from drs_provider.services.launch.lost import find_lost
        from drs_provider.services.launch.unwatched import UnwatchedSearch, find_unwatched

        left = LeftDocuments(snapshot_of(context))
        preflight = left.preflight()
        if preflight is None or was_refused_at_first(context):
            return FoundLaunches()
        settings = {server.server_id: server.settings for server in preflight.servers(self.place.target)}
        if not settings:  # it is not chosen, or lost: nothing was launched there, and perhaps nobody answers
            return FoundLaunches()
        here, known = self._launched_here(left)
        settled = {result.server_id for result in here if result.status != "unknown"}
        jobs = jobs_of_run(self.hook, context)
        found = find_unwatched(self.hook, jobs, UnwatchedSearch(settings, settled, known))
        try:
            lost = find_lost(self.hook, [result for result in here if result.status == "launched"])
        except Exception as error:  # noqa: BLE001 - what was found already must not be lost with it
            self.log.warning("whether everything is still there that was launched is unknown: %s", error)
            return found.model_copy(update={"problem": str(error) or type(error).__name__})
        return found.model_copy(update={"lost": lost})

    def _launched_here(self, left: "LeftDocuments") -> "tuple[list[ServerResult], dict[str, Sequence[str]]]":
        """Give what the waves have left of the servers here, and their jobs, each with its servers."""
        preflight = left.preflight()
        mine = {server.server_id for server in preflight.servers(self.place.target)} if preflight else set()
        results, known = list["ServerResult"](), dict[str, Sequence[str]]()
        outlines = {outline.name: outline for outline in left.snapshot.outline.waves}
        for wave in preflight.chosen_waves if preflight else ():
            tasks = outlines.get(wave)
            if tasks is None or tasks.watch is None:
                continue
            results += [result for result in left.results(tasks.watch) or () if result.server_id in mine]
            jobs = left.jobs((*tasks.before_turn, *tasks.starts), tasks.watch).values()
            known |= {job.job_id: job.servers for job in jobs if mine.intersection(job.servers)}
        return results, known

    def _leave_outside_changes(self, context: Context) -> None:
        """Leave which jobs of the run somebody has deleted, and what has lost its tags; it only tells.

        A recovery does not fail because of it, whatever happens.
        """
        try:
            self._find_outside_changes(context)
        except Exception as error:
            if purpose_of_run(context).is_temporary and not isinstance(error, DrsProviderError):
                raise
            self.log.warning("whether others have changed jobs or tags is unknown: %s", error)

    def _find_outside_changes(self, context: Context) -> None:
        from drs_provider.rules.run.handover import OutsideChanges
        from drs_provider.rules.run.state import LeftDocuments, TaskPhase
        from drs_provider.services.launch.outside_changes import find_outside_changes

        left = LeftDocuments(snapshot_of(context))
        results, known = self._launched_here(left)
        if not known:
            return
        tasks = left.snapshot.tasks
        is_tagged = all(left.snapshot.phase(task) is TaskPhase.SUCCEEDED for task in tasks if does(task, TAG_INSTANCES))
        is_kept = is_tagged and not purpose_of_run(context).is_temporary
        refused, gone = left.untagged, left.lost_instances
        live = [result for result in results if result.status == "launched" and result.server_id not in gone]
        found = find_outside_changes(
            self.hook,
            known=known,
            tagged=[str(job["jobID"]) for job in jobs_of_run(self.hook, context)],
            instances=[r.instance_id for r in live if is_kept and r.instance_id and r.instance_id not in refused],
        )
        for name, words in found.items():
            self.log.warning("%s: %s", name, words)
        if found:
            leave(context["ti"], OutsideChanges(changes=found))

    def _look(self, context: Context, servers: Sequence[str]) -> "Leftovers":
        from drs_provider.rules.run.handover import Leftovers
        from drs_provider.services.drill.last_look import find_remains

        runs, jobs, places = keys_of_run(context), jobs_of_run(self.hook, context), self._places(context)
        found = find_remains(self.hook, runs, jobs=jobs, server_ids=servers, places=places)
        kept = self._kept(context)
        return Leftovers(
            left={
                name: f"{what}; the clean-up kept it on purpose: {kept[name]}" if name in kept else what
                for name, what in found.items()
            }
        )

    def _kept(self, context: Context) -> Mapping[str, str]:
        """Say what the clean-up has kept and why, so that nobody is told to remove what is not the drill's."""
        from drs_provider.rules.run.handover import CleanedUp

        with suppress(HandoverUnreadable):
            cleaned = pull(context["ti"], self.place.clean_up_task, CleanedUp)
            return cleaned.left if cleaned else {}
        return {}

    def _places(self, context: Context) -> frozenset[str]:
        from drs_provider.rules.run.handover import PreparedNetworks

        if not self.place.prepare_network_task:
            return frozenset()
        found = pull(context["ti"], self.place.prepare_network_task, PreparedNetworks)
        return found.places if found else frozenset()

    def _look_again(self) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = clock.now() + LOOK_AGAIN_AFTER
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_look.__name__)
