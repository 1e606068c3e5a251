"""Waiting for the jobs of a launch, and judging them server by server."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast, get_args

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, DrsProviderError, JobFailed, JobTimedOut, JobVanished, RunRefused
from drs_provider.formatting import duration, parse_instant
from drs_provider.links.console import DrsJobLink, DrsRecoveryInstanceLink
from drs_provider.operators.base import AWS_FIELDS, DrsSensor, asking_later, failing_for_good
from drs_provider.operators.template_values import rendered_launches, rendered_members
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.launch.results import Allows, LaunchMember, Ready, ServerResult
    from drs_provider.rules.run.handover import Launch
    from drs_provider.services.launch.job_results import LaunchResults
    from drs_provider.triggers.instances import DrsInstancesEvent
    from drs_provider.triggers.jobs import DrsJobEvent
    from drs_provider.triggers.one_shot import Whose

BACKSTOP = timedelta(minutes=5)
"""The trigger keeps the deadline; Airflow's own deferral timeout comes so much later, for a triggerer that is down."""


class DrsRecoveryJobSensor(DrsSensor):
    """Wait until the jobs of a launch have ended and their instances are ready; judge every server.

    Deferring, unless told otherwise: no worker slot is held. A job that DRS calls COMPLETED is no success by itself:
    each server counts, and a failed server makes the verdict at best ``completed_with_exceptions``.

    Pushes the XComs ``servers`` (``handover.ServerResults``) and ``jobs`` (``handover.EndedJobs``), also before it
    fails, and returns ``{"verdict", "jobs", "servers"}`` (``handover.WaveVerdict``): jobs as ``{"job_id",
    "created_at", "ended_at", "initiated_by"}``, servers as ``{"server_id", "hostname", "critical", "status",
    "instance_id", "instance_state", "point_in_time", "job_id", "reason", "events"}``.

    Fails for good, without a retry, when more critical servers failed than tolerated (JobFailed, with the reason of
    each), when the time is over (JobTimedOut) and when DRS no longer knows a job and no instance shows what it has
    launched (JobVanished). What such a job launched is judged by its instances.

    :param jobs: what DrsStartRecoveryOperator returned, or a list of such, also of several accounts and Regions: each
        is asked through its own connection (templated)
    :param timeout: for the jobs and their instances together; default two hours
    :param ready: ``launched``: DRS says so; ``running``: and the instance runs (or is stopped where the launch
        settings say STOPPED); ``status_checks``: and EC2's two status checks have passed
    :param servers: ``{"server_id", "hostname", "critical"}`` of each server (templated); unset: hostnames from DRS,
        all critical
    :param tolerate: critical servers that may fail: a whole number, or a percentage as ``10%`` (templated)
    """

    template_fields: Sequence[str] = (*AWS_FIELDS, "jobs", "servers", "tolerate", "ready")
    template_fields_renderers = {"jobs": "json", "servers": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#7fb2e5"
    ui_fgcolor = "#1c1917"
    operator_extra_links = (DrsJobLink(), DrsRecoveryInstanceLink())

    def __init__(
        self,
        *,
        jobs: object,
        timeout: timedelta | float = timedelta(hours=2),
        ready: "Ready | str" = "running",
        servers: object = None,
        tolerate: str | int = "0",
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.jobs = jobs
        self.ready = ready
        self.servers = servers
        self.tolerate = tolerate

    def execute(self, context: Context) -> None:
        """Hand the waiting over to the triggerer."""
        with failing_for_good():
            self.prepare(context)
            launches = self._launches()
            self._tolerance(), self._ready(), self._members()  # refused before the wait, not after it
        self._link_job(launches)
        self.watch(launches)

    def watch(self, launches: "Sequence[Launch]") -> NoReturn:
        """Hand the wait for the jobs of some launches to the triggerer, until :meth:`new_deadline`."""
        from drs_provider.triggers.jobs import DrsJobTrigger

        now = clock.now()
        deadline = self.new_deadline()
        self.log.info("Waiting for %s, at most %s", ", ".join(_job_ids(launches)), duration(deadline - now))
        self.defer(
            trigger=DrsJobTrigger(
                watches=[{"aws": launch.aws(self.aws), "job_ids": list(launch.job_ids)} for launch in launches],
                since=now.isoformat(),
                deadline=deadline.isoformat(),
                shown_for=self.shown_for(),
                tells_ending=self.waits_in_process(),
            ),
            method_name=self.jobs_ended.__name__,
            kwargs={"deadline": deadline.isoformat()},
            timeout=deadline - now + BACKSTOP,
        )

    def waits_in_process(self) -> bool:
        """Tell whether the end is waited for in this process, once it is near. For subclasses; this one never does."""
        return False

    def job_ending(self, context: Context, deadline: datetime) -> dict[str, JsonValue]:
        """Go on where jobs end within seconds. For subclasses that wait for it; this one judges."""
        return self._judge(context, deadline)

    def near_at(self) -> datetime | None:
        """Say when the trigger shall tell that the instances are nearly there; None: it shall not. For subclasses."""
        return None

    def shown_for(self) -> "Whose | None":
        """Return for whom the phases of the jobs are left while they run; None: for nobody. For subclasses."""
        return None

    def new_deadline(self) -> datetime:
        """Return until when a wait that begins now may last: the whole ``timeout``. For subclasses that wait again."""
        return clock.now() + timedelta(seconds=self.timeout)

    def jobs_ended(
        self, context: Context, event: "DrsJobEvent", *, deadline: str | None = None
    ) -> dict[str, JsonValue]:
        """Turn what the trigger saw into a verdict, a wait for the instances, or an error."""
        with failing_for_good():
            self.prepare(context)
            self._link_job(self._launches())
            match event["outcome"]:
                case "ended" | "vanished":
                    return self._judge(context, self._deadline(deadline))
                case "ending":
                    return self.job_ending(context, self._deadline(deadline))
                case "timed_out":
                    raise self._timed_out(context)
                case _:
                    raise AwsError("DescribeJobs", "Refused", event["detail"])

    def instances_settled(
        self, context: Context, event: "DrsInstancesEvent", *, deadline: str | None = None
    ) -> dict[str, JsonValue]:
        """Judge after the wait for the instances, whatever they have become."""
        with failing_for_good():
            self.prepare(context)
            self._link_job(self._launches())
            if event["outcome"] == "refused":
                raise AwsError("DescribeRecoveryInstances", "Refused", event["detail"])
            return self._judge(context, self._deadline(deadline), last_word=event["outcome"] == "timed_out")

    def look_again(self, context: Context, event: object, *, deadline: str | None = None) -> dict[str, JsonValue]:
        """Judge after AWS did not answer."""
        with failing_for_good():
            self.prepare(context)
            return self._judge(context, self._deadline(deadline))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; a deferral that Airflow itself timed out ends in this package's words."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, TaskDeferralTimeout):
            with failing_for_good():
                self.prepare(context)
                raise self._timed_out(context) from None

    def _judge(self, context: Context, deadline: datetime, *, last_word: bool = False) -> dict[str, JsonValue]:
        from drs_provider.rules.launch.results import judge, table
        from drs_provider.rules.run.handover import WaveVerdict

        ready = self._ready()
        with asking_later(self, self.look_again, until=deadline, kwargs={"deadline": deadline.isoformat()}):
            found = [self._find(launch, ready) for launch in self._launches()]
            found = self.settle(context, found, deadline, is_over=last_word or clock.now() >= deadline)
        results = self._leave_results(context, found)
        jobs = tuple(job for part in found for job in part.jobs)
        launched = sum(result.status == "launched" for result in results)
        self.log.info("%d of %d servers %s\n%s", launched, len(results), ready, table(results))
        self._link_instance(found)
        verdict = judge(results, allows=self._tolerance())
        forgotten = {job.job_id for job in jobs if job.forgotten}
        if verdict == "failed" and any(result.status == "unknown" and result.job_id in forgotten for result in results):
            raise JobVanished(sorted(forgotten))
        if verdict == "failed":
            failed = {result.hostname: result.reason or "" for result in results if result.status != "launched"}
            raise JobFailed(", ".join(job.job_id for job in jobs), failed)
        return sealed(context["ti"], WaveVerdict(verdict=verdict, jobs=jobs, servers=results))

    def settle(
        self, context: Context, found: "list[LaunchResults]", deadline: datetime, *, is_over: bool
    ) -> "list[LaunchResults]":
        """Wait for the instances that are not ready yet; return what is to be judged once nothing is awaited.

        :param is_over: nobody waits any longer
        """
        if any(part.pending for part in found) and not is_over:
            self._wait_for_instances(found, deadline)
        return found

    def _leave_results(self, context: Context, found: "Sequence[LaunchResults]") -> "tuple[ServerResult, ...]":
        """Leave what became of every server and job, and return the former."""
        from drs_provider.rules.run.handover import EndedJobs, ServerResults

        results = self.conclude(context, [result for part in found for result in part.results])
        jobs = tuple(job for part in found for job in part.jobs)
        leave(context["ti"], ServerResults(servers=results))
        leave(context["ti"], EndedJobs(jobs=jobs))
        return results

    def conclude(self, context: Context, results: "Sequence[ServerResult]") -> "tuple[ServerResult, ...]":
        """Return the results to be judged, once nothing runs and nothing is awaited any longer.

        For subclasses that launch more before they judge: they defer instead. This one returns what it is given.
        """
        return tuple(results)

    def _find(self, launch: "Launch", ready: "Ready") -> "LaunchResults":
        from drs_provider.services.launch.job_results import find

        hook = self.hook_to_find(launch)
        return find(launch, hook, ready=ready, members=self._members(), now=clock.now(), prepared=self.prepared())

    def hook_to_find(self, launch: "Launch") -> "DrsHook":
        """Return what asks what became of a launch, in its account and Region."""
        from drs_provider.hooks.drs import DrsHook

        aws = launch.aws(self.aws)
        return self.hook if aws == self.aws else DrsHook(**aws)

    def prepared(self) -> "Collection[str]":
        """Return the servers whose instances are launched stopped, to be started later; for subclasses that do so."""
        return ()

    def _link_job(self, launches: "Sequence[Launch]") -> None:
        region = launches[0].region or self.hook.region
        DrsJobLink.point_at(self, region=region, resource_id=_job_ids(launches)[0])

    def _link_instance(self, found: "Sequence[LaunchResults]") -> None:
        """Point the link at the first instance."""
        for part in found:
            for result in part.results:
                if result.instance_id:
                    DrsRecoveryInstanceLink.point_at(self, region=part.region, resource_id=result.instance_id)
                    return

    def _deadline(self, carried: str | None) -> datetime:
        """Return the deadline that the deferral carried; ``dag.test()`` drops it, the time then counts from now."""
        return parse_instant(carried) if carried else clock.now() + timedelta(seconds=self.timeout)

    def _wait_for_instances(
        self,
        found: "Sequence[LaunchResults]",
        deadline: datetime,
        *,
        look_at: datetime | None = None,
        stopped_until: datetime | None = None,
    ) -> NoReturn:
        pending = [server for part in found for server in part.pending]
        from drs_provider.rules.launch.jobs import UNSEEN_FOR
        from drs_provider.triggers.instances import DrsInstancesTrigger

        self.log.info("Launched, but not yet %s: %s", self.ready, ", ".join(pending))
        self.defer(
            trigger=DrsInstancesTrigger(
                awaited=[
                    {"aws": part.launch.aws(self.aws), "jobs": dict(part.pending)} for part in found if part.pending
                ],
                ready=self._ready(),
                deadline=deadline.isoformat(),
                shown_by=(clock.now() + UNSEEN_FOR).isoformat(),
                look_at=look_at.isoformat() if look_at else None,
                stopped_until=stopped_until.isoformat() if stopped_until else None,
                near_at=near.isoformat() if (near := self.near_at()) else None,
            ),
            method_name=self.instances_settled.__name__,
            kwargs={"deadline": deadline.isoformat()},
            timeout=deadline - clock.now() + BACKSTOP,
        )

    def _launches(self) -> "tuple[Launch, ...]":
        return rendered_launches("jobs", self.jobs)

    def _members(self) -> "dict[str, LaunchMember]":
        return rendered_members("servers", self.servers)

    def _tolerance(self) -> "Allows":
        from drs_provider.rules.launch.results import tolerance

        try:
            return tolerance(self.tolerate)
        except ValueError as error:
            raise RunRefused(f"tolerate: {error}") from error

    def _ready(self) -> "Ready":
        from drs_provider.rules.launch.results import Ready

        if self.ready not in get_args(Ready):
            raise RunRefused(f"ready must be one of {', '.join(get_args(Ready))}, not {self.ready!r}")
        return cast("Ready", self.ready)

    def _timed_out(self, context: Context) -> JobTimedOut:
        """Say that the time is over, and leave what became of every server until now."""
        try:
            found = [self._find(launch, self._ready()) for launch in self._launches()]
            self._leave_results(context, self.settle(context, found, clock.now(), is_over=True))
        except DrsProviderError as error:
            self.log.warning("what has become of the servers is not known: %s", error)
        return JobTimedOut(_job_ids(self._launches()), duration(timedelta(seconds=self.timeout)))


def _job_ids(launches: "Sequence[Launch]") -> list[str]:
    return [job_id for launch in launches for job_id in launch.job_ids]
