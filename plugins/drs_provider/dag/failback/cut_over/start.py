"""The task that launches the servers of a wave in their origin, each exactly once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Context, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.failback.check import arguments_of, reader_of
from drs_provider.dag.failback.cut_over.agreement import CutOverAgreement
from drs_provider.dag.failback.cut_over.last_sync import ensure_last_sync, telling_of_stopped_writes
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_on, settings_hook
from drs_provider.dag.failback.other_runs import ensure_alone
from drs_provider.dag.waves.cancellation import cancelled_start, obey_before_a_start
from drs_provider.dag.waves.final_sync import proven_points
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.failback.cut_over import why_not_overwritten
from drs_provider.rules.failback.launchable import going_back, is_from_data_centre
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.purpose import FAILBACK, RECOVERY
from drs_provider.rules.run import names
from drs_provider.rules.run.shape import WayBack
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import PreflightServer
    from drs_provider.services.failback.launch_back import BackLaunch
    from drs_provider.services.failback.read import CircleReader, CirclesRead
    from drs_provider.services.launch.launch_memory import Memory
    from drs_provider.services.launch.start_jobs import MustWait, Request

LOOK_EVERY: Final = timedelta(minutes=5)
"""After so long at the latest a start that waits for an earlier stage of its boot order looks itself."""

POLL_SECONDS: Final = 30.0

NOT_UP: Final = "not launched: what its boot order waits for is not up in its origin"


class StartBack(DrsStartRecoveryOperator):
    """Launch the servers of a wave in their origin, in one job each and in one only.

    Of servers from data centres the failback clients are converted instead, by jobs of the recovery Region.
    Everything is read again right before: the recorded answers of people, the last sync of every server that is still
    to be launched, and the instance that DRS would launch it into. What is launched already, by whomever, is adopted.
    Servers with a boot order are launched stage by stage. Leaves the jobs for the task that watches them.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        way: WayBack,
        agreement: CutOverAgreement,
        sync_task_id: str,
        stops_writes: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=(),
            is_drill=False,
            aws_conn_id=way.target.aws_conn_id,
            region_name=way.target.region or None,
            # Two ways of a wave may end in one account and Region: their jobs must not be taken for each other's.
            launch_name=names.numbered(wave, way.number),
            **kwargs,
        )
        self.plan, self.digest, self.wave, self.way = plan, digest, wave, way
        self.agreement, self.sync_task_id, self.stops_writes = agreement, sync_task_id, stops_writes
        self.servers: tuple[PreflightServer, ...] = ()
        self.stages: tuple[tuple[str, ...], ...] = ()
        self._jobs_in: AwsArguments | None = None

    @property
    def watched_aws(self) -> "AwsArguments":
        """Where the jobs are that the start waits for."""
        return self._jobs_in or self.aws

    def execute(self, context: Context) -> JsonValue:
        """Start the wave, unless a person has cancelled the run or left this wave out while nothing was launched."""
        self._obey(context)
        return super().execute(context)

    def resume_start(self, context: Context, event: object, *, waiting_since: str | None = None) -> JsonValue:
        """Go on after a wait, unless a person has ordered otherwise while nothing of the wave was started."""
        self._obey(context)
        return super().resume_start(context, event, waiting_since=waiting_since)

    def stage_up(self, context: Context, event: object) -> JsonValue:
        """Go on after a stage of the boot order: everything is looked at again."""
        return self.resume_start(context, None)

    def why_ended(self, context: Context) -> str | None:
        """Start no further job of the wave once the run is cancelled; those that exist are handed on and watched."""
        return cancelled_start(context)

    def prepare(self, context: Context) -> None:
        """Take the servers from preflight, and look for the recorded answers, on every leg of the task."""
        from drs_provider.rules.launch.next_launch import stages
        from drs_provider.rules.launch.tags import life_tags

        preflight = cut_over_of(context, self.plan, self.digest)
        wave = preflight.wave(self.wave)
        if not wave.selected:
            raise AirflowSkipException(f"wave {self.wave} was not chosen for this run")
        self.servers = servers_on(preflight, self.wave, self.way)
        if not self.servers:
            raise AirflowSkipException(
                f"wave {self.wave} has no server to launch that was recovered in {self.way.target}"
            )
        self.agreement.ensure(context, preflight)
        self.installation = preflight.installation
        self.tags = life_tags(RECOVERY, now=self._now(), lifetime=timedelta(0))  # production, as of a recovery
        mine = {server.server_id for server in self.servers}
        found = (tuple(name for name in stage if name in mine) for stage in stages(wave.servers))
        self.stages = tuple(stage for stage in found if stage)
        self.source_server_ids = [name for stage in self.stages for name in stage]

    @staticmethod
    def _obey(context: Context) -> None:
        """Obey an order before anything was started; once a job exists, what is started is seen to its end."""
        from drs_provider.services.launch.launch_memory import Memory

        if not Memory(task_memory(context), max_tries=context["ti"].max_tries).jobs():
            obey_before_a_start(context)

    def _go_on(self, context: Context, *, waiting_since: datetime | None) -> JsonValue:
        """Launch stage by stage; return what the squares of the wave are mapped over."""
        with telling_of_stopped_writes(stops_writes=self.stops_writes):
            return self._launch_stages(context, waiting_since)

    def _launch_stages(self, context: Context, waiting_since: datetime | None) -> JsonValue:
        from drs_provider.services.failback.launch_back import begun_back, with_earlier
        from drs_provider.services.launch.launch_memory import Memory

        request = self._request(context)
        memory = Memory(task_memory(context), max_tries=context["ti"].max_tries)
        reader = reader_of(self.way)
        launched: tuple[BackLaunch, ...] = ()
        held_back: dict[str, str] = {}
        asked: list[str] = []
        for stage in self.stages:
            read = self._look(reader)
            if ended := self.why_ended(context):
                # On every leg the stages begin with the first: what exists by now is handed on, and nothing is begun.
                begun = begun_back(memory, read)
                asked += [name for name, why in begun.items() if not why and name not in asked]
                held_back |= {name: begun.get(name) or ended for name in request.servers if name not in asked}
            elif why := self._why_not_next(context, read, asked):
                held_back |= {name: why for name in request.servers if name not in {*asked, *held_back}}
                break
            else:
                kept, out = self._launchable(read, stage, memory.held())
                held_back |= out
                asked += kept
                self._ensure_quiet(context, reader, read, kept)
            if asked:
                found, wait = self._launch(context, reader, memory, _Asked.of(read, request, asked))
                launched = with_earlier(found, launched)
                if launched:
                    self._leave(context, memory, launched, held_back)
                if wait is not None:
                    self._wait(wait, waiting_since or self._now())
            if ended:
                break
        if not any(each.jobs or each.already for each in launched):
            if ended := self.why_ended(context):
                raise AirflowFailException(ended)
            raise RunRefused(f"nothing was started: {_words(held_back)}")
        self._leave(context, memory, launched, held_back)
        return self._squares()

    def _launch(
        self, context: Context, reader: "CircleReader", memory: "Memory", asked: "_Asked"
    ) -> "tuple[tuple[BackLaunch, ...], MustWait | None]":
        """Start what is not started yet, in EC2 and in data centres; what one waits for does not keep the other.

        Everything was looked at before, so that nothing of a stage is started where one of it may not be.
        """
        from drs_provider.services.failback.convert_clients import ConvertClients
        from drs_provider.services.failback.launch_back import LaunchBack
        from drs_provider.services.launch.start_jobs import MustWait

        launched: tuple[BackLaunch, ...] = ()
        wait: MustWait | None = None
        ended = partial(self._is_ended, context)
        if asked.to_ec2.servers:
            points = partial(self._points, context)
            launch = LaunchBack(reader, memory, asked.to_ec2, now=self._now, ended=ended, points=points)
            outcome = launch.look()
            if isinstance(outcome, MustWait):
                wait, self._jobs_in = outcome, launch.waits_in
            else:
                launched = outcome
        if asked.to_machines.servers:
            converted = ConvertClients(reader, memory, asked.to_machines, now=self._now, ended=ended).look()
            if not isinstance(converted, MustWait):
                launched = (*launched, converted)
            elif wait is None:
                wait, self._jobs_in = converted, reader.aws
        return launched, wait

    def _is_ended(self, context: Context) -> bool:
        return self.why_ended(context) is not None

    def _look(self, reader: "CircleReader") -> "CirclesRead":
        read = reader.read([server.server_id for server in self.servers])
        read.ensure_answered()
        return read

    def _why_not_next(self, context: Context, read: "CirclesRead", asked: Sequence[str]) -> str:
        """Say why the next stage of the boot order is not launched; empty: it may. Waits for the one before."""
        from drs_provider.services.failback.follow import steps_towards

        if not asked:
            return ""
        steps = {name: step for name, step in steps_towards("failed_back", read).items() if name in asked}
        critical = {server.server_id for server in self.servers if server.critical}
        if any(step.kind == "refused" and name in critical for name, step in steps.items()):
            return NOT_UP
        if any(step.kind == "wait" for step in steps.values()):
            self._wait_for(context, asked)
        return ""

    def _wait_for(self, context: Context, asked: Sequence[str]) -> None:
        from drs_provider.triggers.failback import DrsFailbackTrigger

        self.log.info("Waiting for the servers before in the boot order: %s", some(self._names(asked), MANY))
        self.defer(
            trigger=DrsFailbackTrigger(
                watches=[
                    {
                        "aws": arguments_of(self.way.target),
                        "origin": arguments_of(self.way.origin),
                        "server_ids": list(asked),
                    }
                ],
                goal="failed_back",
                deadline=(clock.now() + LOOK_EVERY).isoformat(),
                poll_seconds=POLL_SECONDS,
                acts=False,
            ),
            method_name=self.stage_up.__name__,
        )

    def _launchable(
        self, read: "CirclesRead", stage: Sequence[str], held: Collection[str]
    ) -> tuple[list[str], dict[str, str]]:
        """Leave out servers that are not critical and cannot be launched; refuse the others by name.

        :param held: servers whose failback clients this attempt has had converted, whatever came of it
        """
        from drs_provider.services.failback.launch_back import ensure_launchable

        critical = {server.server_id for server in self.servers if server.critical}
        found = {name: going_back(read.states[name], read.circles[name]) for name in stage if name not in held}
        out = {name: answer.why_not for name, answer in found.items() if answer.why_not and name not in critical}
        kept = [name for name in stage if name not in out]
        ensure_launchable(read, {name: answer for name, answer in found.items() if name in kept})
        return kept, out

    def _ensure_quiet(
        self, context: Context, reader: "CircleReader", read: "CirclesRead", server_ids: Sequence[str]
    ) -> None:
        """Look for the last sync of what is still to be launched, and bring its launch settings to what is wanted."""
        from drs_provider.rules.failback.data_centre.last_sync import ClientCopy
        from drs_provider.services.failback.cut_over import originals_in
        from drs_provider.services.settings.apply import apply_all

        ready = [name for name in server_ids if read.states[name].stage is Stage.READY]
        if not ready:
            return
        ensure_alone(context, self.plan)
        clients = [name for name in ready if is_from_data_centre(read.circles[name])]
        ready = [name for name in ready if name not in clients]
        backs = {name: read.states[name].failback_server for name in ready}
        known = {server.server_id: server for server in self.servers}
        copies = {name: ClientCopy(known[name].hostname, read.circles[name].recovered[0]) for name in clients}
        ensure_last_sync(
            context, self.sync_task_id, self.wave, list(backs.values()), copies, stops_writes=self.stops_writes
        )
        self._ensure_agreed(clients)
        places: dict[Any, dict[str, Mapping[str, Any]]] = {}
        for name, back in backs.items():
            places.setdefault(read.origin_of(name), {})[back] = known[name].settings
        for place, settings in places.items():
            # Those without any too: what a failback drill has left is put back first.
            apply_all(settings_hook(reader.aws_in(place)), settings, is_temporary=False)
        originals = originals_in(reader, read, ready, settings_hook)
        agreed = {server.server_id: server.back.original for server in self.servers if server.back}
        against = [
            f"{read.name_of(name)}: {why}"
            for name, original in originals.items()
            if (why := why_not_overwritten(original, agreed[name]))
        ]
        if against:
            raise RunRefused(f"nothing was launched: {some(against, MANY, '; ')}. Start a new run, which asks again")

    def _ensure_agreed(self, clients: Sequence[str]) -> None:
        """Convert only what preflight has shown as a machine that is converted: people have agreed to that."""
        shown = {server.server_id for server in self.servers if server.back and server.back.is_converted}
        if against := [name for name in clients if name not in shown]:
            raise RunRefused(
                f"nothing was launched: preflight has not shown that {some(self._names(against), MANY)} are converted "
                "in a data centre. Start a new run, which asks again"
            )

    def _points(self, context: Context, hook: "DrsHook", servers: Sequence[str]) -> Mapping[str, str]:
        """Give the newest recovery points: none may be older than the last sync that was proven."""
        from drs_provider.services.launch.recovery_points import Pinning

        proven = proven_points(context, self.sync_task_id)
        by_back = {
            server.back.failback_server: server.hostname
            for server in self.servers
            if server.back and not server.back.from_data_centre
        }
        return Pinning(FAILBACK, None, by_back, task_memory(context), proven=proven).points(hook, servers)

    def _leave(
        self, context: Context, memory: "Memory", launched: "tuple[BackLaunch, ...]", held_back: Mapping[str, str]
    ) -> None:
        """Leave what is launched: for the watch by FAILBACK servers, and for those who show it by the servers."""
        from drs_provider.rules.run.handover import BackLaunches, Launch, PinnedPoints
        from drs_provider.services.store import load

        attempt = memory.attempt()
        kept = load(task_memory(context), PinnedPoints)
        owners = {back: name for each in launched for name, back in each.servers.items()}
        points = {owners[back]: point for back, point in (kept.points if kept else {}).items() if back in owners}
        leave(
            context["ti"],
            BackLaunches(
                launches=tuple(each.launch.model_copy(update={"attempt": attempt}) for each in launched if each.jobs),
                owners=owners,
                already={name: instance for each in launched for name, instance in each.already.items()},
                held_back=dict(held_back),
            ),
        )
        jobs = tuple(
            job.model_copy(update={"servers": tuple(owners[back] for back in job.servers if back in owners)})
            for each in launched
            for job in each.jobs
        )
        first = next((each for each in launched if each.jobs), None)
        leave(
            context["ti"],
            Launch(
                jobs=jobs,
                aws_conn_id=first.aws["aws_conn_id"] if first else self.way.origin.aws_conn_id,
                region=first.place.region if first else self.way.origin.region,
                started_at=min((job.created_at for job in jobs if job.created_at), default=None),
                attempt=attempt,
                points=points,
            ),
        )

    def _squares(self) -> JsonValue:
        from drs_provider.rules.run.squares import MOST_SQUARES, squares_of

        most = conf.getint("core", "max_map_length", fallback=MOST_SQUARES)
        return [square.to_json() for square in squares_of(self.servers, most)]

    def _names(self, server_ids: Sequence[str]) -> list[str]:
        return [server.hostname for server in self.servers if server.server_id in server_ids]


@dataclass(frozen=True)
class _Asked:
    """What a stage launches, by how its servers go back."""

    to_ec2: "Request"
    to_machines: "Request"

    @classmethod
    def of(cls, read: "CirclesRead", request: "Request", server_ids: Sequence[str]) -> "_Asked":
        machines = tuple(name for name in server_ids if is_from_data_centre(read.circles[name]))
        others = tuple(name for name in server_ids if name not in machines)
        return cls(replace(request, servers=others), replace(request, servers=machines))


def _words(held_back: Mapping[str, str]) -> str:
    return some([f"{name}: {why}" for name, why in held_back.items()], MANY, "; ") or "no server may be launched"
