"""The task that sees the launch of a wave in its origins through, and judges it once over all servers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider import clock
from drs_provider.dag.failback.check import arguments_of, reader_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_on, settings_hook
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.exceptions import DrsProviderError
from drs_provider.operators.base import failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import WaveTarget, WayBack
from drs_provider.sensors.job import DrsRecoveryJobSensor
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.launch.results import LaunchMember, Ready, ServerResult
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import BackLaunches, InstanceCheck, Launch, PreflightServer
    from drs_provider.services.launch.job_results import LaunchResults
    from drs_provider.triggers.one_shot import Whose

LOOK_AGAIN_AFTER: Final = timedelta(seconds=10)
"""When clients are looked at again that DRS has converted, and whose failback it does not call completed yet."""


class WatchBack(LeavesTimes, DrsRecoveryJobSensor):
    """Wait for every job of a wave in its origins, and judge the wave once over all servers.

    DRS's jobs are of FAILBACK servers; what is judged and shown are the servers that they go back for. What ran in its
    origin before this run is launched; what a start has held back is not. A converted failback client has no instance:
    it is launched once its job and DRS's word on its failback both say so.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from the start tasks and preflight
    backs: "tuple[BackLaunches, ...]"
    servers_back: "dict[str, PreflightServer]"
    way_of: dict[str, WayBack]
    whose: "Whose"

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        ways: Sequence[WayBack],
        targets: Sequence[WaveTarget],
        **kwargs: Any,
    ) -> None:
        super().__init__(jobs=(), **kwargs)
        self.plan, self.digest, self.wave = plan, digest, wave
        self.ways, self.start_task_ids = tuple(ways), tuple(target.start_task for target in targets)

    def prepare(self, context: Context) -> None:
        """Take jobs and servers from what the start tasks and preflight left, on every leg."""
        from drs_provider.rules.run.handover import BackLaunches

        preflight = cut_over_of(context, self.plan, self.digest)
        found = [server for way in self.ways for server in servers_on(preflight, self.wave, way)]
        if not found:
            raise AirflowSkipException(f"wave {self.wave} launches nothing in this run")
        left = (pull_newest(context, task, BackLaunches) for task in self.start_task_ids)
        backs = tuple(launches for launches in left if launches is not None)
        if not backs:
            raise AirflowFailException(
                f"wave {self.wave}: no record of a started job. A start task that was marked as successful launched "
                "nothing; clear it to launch the wave"
            )
        run = context["dag_run"]
        # Past Airflow's guard of attributes set after the constructor: this belongs to one leg only.
        self.__dict__["backs"] = backs
        self.__dict__["servers_back"] = {server.server_id: server for server in found}
        self.__dict__["way_of"] = {
            server.server_id: way for way in self.ways for server in servers_on(preflight, self.wave, way)
        }
        self.__dict__["whose"] = {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "task_id": self.task_id,
            "attempt": context["ti"].try_number,
        }

    def execute(self, context: Context) -> Any:
        """Wait for the jobs; where there are none, everything runs in its origin already, and is judged at once."""
        with failing_for_good():
            self.prepare(context)
            if not self._launches():
                return self._judge(context, clock.now(), last_word=True)
        return super().execute(context)

    def shown_for(self) -> "Whose":
        """Return the task itself: the board shows what DRS does with its servers."""
        return self.whose

    def conclude(self, context: Context, results: "Sequence[ServerResult]") -> "tuple[ServerResult, ...]":
        """Name the servers that the results are of, and add those that no job of this run has launched."""
        from drs_provider.rules.run.handover import InstanceChecks

        owners = {back: name for launches in self.backs for back, name in launches.owners.items()}
        checks = self._protect(context, owners)
        found = {owners[result.server_id]: result for result in results if result.server_id in owners}
        leave(context["ti"], InstanceChecks(servers={owners[back]: check for back, check in checks.items()}))
        self._leave_later(context)
        return tuple(self._result(server, found.get(server.server_id)) for server in self.servers_back.values())

    def _result(self, server: "PreflightServer", found: "ServerResult | None") -> "ServerResult":
        from drs_provider.rules.launch.results import ServerResult

        name = server.server_id
        if found is not None:
            return replace(found, server_id=name, hostname=server.hostname, critical=server.critical)
        already = {server_id: instance for back in self.backs for server_id, instance in back.already.items()}
        if name in already:
            return ServerResult(name, server.hostname, server.critical, "launched", instance_id=already[name] or None)
        held = next((back.held_back[name] for back in self.backs if name in back.held_back), None)
        why = held or "no start task has left a job of it"
        return ServerResult(name, server.hostname, server.critical, "failed", reason=why)

    def _find(self, launch: "Launch", ready: "Ready") -> "LaunchResults":
        """Ask what became of a launch; of failback clients DRS tells it by the state of their failback."""
        if not self._converts(launch):
            return super()._find(launch, ready)
        from drs_provider.services.failback.conversion_results import find_conversions

        reader = reader_of(self.way_of[launch.servers[0]])
        return find_conversions(launch, reader, members=self._members(), now=clock.now())

    def _wait_for_instances(
        self,
        found: "Sequence[LaunchResults]",
        deadline: datetime,
        *,
        look_at: datetime | None = None,
        stopped_until: datetime | None = None,
    ) -> NoReturn:
        """Wait for instances; clients whose failback DRS is about to call completed are looked at by the task."""
        if all(self._converts(part.launch) for part in found if part.pending):
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            self.log.info("Converted, and not completed yet: %s", ", ".join(s for part in found for s in part.pending))
            self.defer(
                trigger=DateTimeTrigger(moment=min(deadline, clock.now() + LOOK_AGAIN_AFTER)),
                method_name=self.look_again.__name__,
                kwargs={"deadline": deadline.isoformat()},
            )
        super()._wait_for_instances(
            [part for part in found if not self._converts(part.launch)],
            deadline,
            look_at=look_at,
            stopped_until=stopped_until,
        )

    def _converts(self, launch: "Launch") -> bool:
        return any(launches.converts(launch) for launches in self.backs)

    def _protect(self, context: Context, owners: "dict[str, str]") -> "dict[str, InstanceCheck]":
        """Switch EC2's termination protection on where the plan does not say otherwise; failing that fails nothing."""
        from drs_provider.services.launch.instance_protection import look_after

        found: dict[str, InstanceCheck] = {}
        looks = [
            (launch.aws(self.aws), launch.servers, launch.job_ids)
            for launch in self._launches()
            if not self._converts(launch)
        ]
        for aws, backs, job_ids in (*looks, *self._already_there(owners)):
            wanted = {back: self.servers_back[owners[back]].settings for back in backs if back in owners}
            try:
                checks, errors = look_after(settings_hook(aws), wanted, job_ids)
            except DrsProviderError as error:
                where = aws["region_name"]
                self.log.warning("The instances in %s were not protected from termination: %s", where, error)
                continue
            for back, check in checks.items():
                refusal = errors.get(str(check.instance_id))
                found[back] = check.model_copy(update={"not_protected": str(refusal)}) if refusal else check
        return found

    def _already_there(self, owners: "dict[str, str]") -> "Iterator[tuple[AwsArguments, tuple[str, ...], None]]":
        """Yield the FAILBACK servers that no job of this run has launched: they may be of a run that died before this.

        Whoever has launched them, production runs on them now.
        """
        already = {name for launches in self.backs for name, instance in launches.already.items() if instance}
        for back, name in owners.items():
            there = self.servers_back[name].back if name in already and name in self.servers_back else None
            if there is not None:
                yield arguments_of(Target(there.aws_conn_id, there.region)), (back,), None

    def _leave_later(self, context: Context) -> None:
        """Leave the launches beyond the first place of each start, which its own record does not tell of."""
        from drs_provider.rules.run.handover import LaterLaunches

        later = []
        for launches in self.backs:
            for launch in launches.launches[1:]:
                jobs = tuple(
                    job.model_copy(update={"servers": tuple(launches.owners.get(back, back) for back in job.servers)})
                    for job in launch.jobs
                )
                later.append(launch.model_copy(update={"jobs": jobs}))
        if later:
            leave(context["ti"], LaterLaunches(launches=tuple(later)))

    def _launches(self) -> "tuple[Launch, ...]":
        return tuple(launch for launches in self.backs for launch in launches.launches)

    def _members(self) -> "dict[str, LaunchMember]":
        from drs_provider.rules.launch.results import LaunchMember

        owners = {back: name for launches in self.backs for back, name in launches.owners.items()}
        return {
            back: LaunchMember(back, self.servers_back[name].hostname, critical=self.servers_back[name].critical)
            for back, name in owners.items()
            if name in self.servers_back
        }
