"""Starting drills and recoveries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, QuotaExceeded
from drs_provider.formatting import duration, parse_instant
from drs_provider.links.console import DrsJobLink
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, asking_later, failing_for_good
from drs_provider.operators.installation import installation_of
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.template_values import rendered_bool, rendered_ids, rendered_mapping
from drs_provider.services.signed import sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import Launch
    from drs_provider.services.launch.start_jobs import MustWait, Request

LOOK_AGAIN_AFTER = timedelta(seconds=15)
"""Pause where DRS says that there is no room but shows no job that takes it."""


class DrsStartRecoveryOperator(DrsOperator):
    """Start the drill or the recovery of some source servers, exactly once.

    One job per chunk of at most the account's quota of servers per job. What exists is adopted: a retry, a lost
    answer or a killed worker never starts a second job, for every job is tagged with run, wave, chunk and try.

    - Quota full, or servers held by another job: the task defers until there is room, then goes on.
    - A real recovery runs in the account and Region: a drill defers until it has ended.
    - AWS throttles, is down, or the session has expired: the task defers and looks again, up to ``max_wait``.
    - A server with a live recovered instance (not a drill's) is refused, for DRS terminates the previous instance on
      every launch; a recovery with ``replace_live_instances`` replaces it, a drill never does.
    - A drill is refused over a drill instance that neither this DAG nor an expired drill launched, unless
      ``replace_drills``; and where DRS would launch into an instance that exists already.
    - Cleared after it had succeeded, it starts a new job for those servers only that failed; what was launched or
      still runs is kept.
    - No servers: the task is skipped.

    Returns ``{"region", "aws_conn_id", "started_at", "attempt", "jobs": [{"job_id", "servers", "created_at",
    "attempt", "adopted"}]}`` (``handover.Launch``), to be given to ``DrsRecoveryJobSensor(jobs=…)``.

    :param source_server_ids: source servers to launch, in the order in which jobs are filled (templated)
    :param is_drill: True for a drill, False for a real recovery; must be a bool after rendering (templated)
    :param tags: further tags for the jobs (templated)
    :param launch_name: name of this launch, unique in the run; unset: the task id (templated)
    :param snapshot_ids: point in time (``pit-…``) by server id; others get the most recent data (templated)
    :param replace_live_instances: terminate live recovered instances by launching their servers again; refused in a
        drill (templated)
    :param replace_drills: let a drill terminate drill instances that others launched (templated)
    :param quotas: ``{"jobs", "servers_per_job", "servers_in_jobs"}`` where they are known already; unset: Service
        Quotas is asked (templated)
    :param continue_run: key of another run (the job tag ``drs-orchestrator:run``) that this launch goes on with: its
        jobs count as this launch's, its failed servers are launched again (templated)
    :param max_wait: how long to wait for room, for servers that other jobs hold, or for AWS to answer
    :param adoption_window: how far back jobs are looked through for those of this run
    """

    template_fields: Sequence[str] = (
        *AWS_FIELDS,
        "source_server_ids",
        "is_drill",
        "tags",
        "launch_name",
        "snapshot_ids",
        "replace_live_instances",
        "replace_drills",
        "quotas",
        "continue_run",
    )
    template_fields_renderers = {"source_server_ids": "json", "tags": "json", "snapshot_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#f6a55c"
    ui_fgcolor = "#1c1917"
    operator_extra_links = (DrsJobLink(),)

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        is_drill: bool | str,
        tags: Mapping[str, str] | None = None,
        launch_name: str | None = None,
        snapshot_ids: Mapping[str, str] | str | None = None,
        replace_live_instances: bool | str = False,
        replace_drills: bool | str = False,
        quotas: Mapping[str, int] | str | None = None,
        continue_run: str | None = None,
        max_wait: timedelta = timedelta(hours=6),
        adoption_window: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_server_ids = source_server_ids
        self.is_drill = is_drill
        self.tags = tags
        self.launch_name = launch_name
        self.snapshot_ids = snapshot_ids
        self.replace_live_instances = replace_live_instances
        self.replace_drills = replace_drills
        self.quotas = quotas
        self.continue_run = continue_run
        self.max_wait = max_wait
        self.adoption_window = adoption_window
        self.installation: str | None = None

    @property
    def watched_aws(self) -> "AwsArguments":
        """Where the jobs are that a start waits for; for subclasses that launch elsewhere."""
        return self.aws

    def execute(self, context: Context) -> JsonValue:
        """Start, adopt or wait for room."""
        with failing_for_good():
            return self._leg(context, None)

    def resume_start(self, context: Context, event: object, *, waiting_since: str | None = None) -> JsonValue:
        """Go on after a wait: count again what is there, and start what fits.

        ``dag.test()`` drops what a deferral carries; the wait then counts from now.
        """
        with failing_for_good():
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            return self._leg(context, parse_instant(waiting_since) if waiting_since else None)

    def finish(self, context: Context, launch: "Launch") -> JsonValue:
        """Return what the task returns; for subclasses that hand the launch on in another way."""
        return sealed(context["ti"], launch)

    def points_of(self, context: Context, servers: Sequence[str]) -> Mapping[str, str]:
        """Return the points in time to launch from, asked right before a job is started: they age out.

        For subclasses that choose them late; this one returns ``snapshot_ids``.
        """
        return rendered_mapping("snapshot_ids", self.snapshot_ids)

    def why_ended(self, context: Context) -> str | None:
        """Say why nothing more shall be started, although servers are left; asked before every job.

        What was started is returned as usual. For subclasses that a person can tell so; this one goes on.
        """
        return None

    def pause_for(self, seconds: float) -> None:
        """Let time pass between two calls; for subclasses that have none."""
        clock.sleep(seconds)

    def cleaned_jobs(self, context: Context) -> Collection[str]:
        """Return the jobs whose instances this run has terminated; for subclasses that know, this one knows none."""
        return ()

    def _leg(self, context: Context, waiting_since: datetime | None) -> JsonValue:
        """Do what can be done now; what AWS does not answer now is waited for like room, without a worker."""
        since = waiting_since or self._now()
        kwargs: dict[str, JsonValue] = {"waiting_since": since.isoformat()}
        with asking_later(self, self.resume_start, until=since + self.max_wait, kwargs=kwargs):
            self.prepare(context)
            return self._go_on(context, waiting_since=waiting_since)

    def _go_on(self, context: Context, *, waiting_since: datetime | None) -> JsonValue:
        from drs_provider.rules.run.handover import Launch
        from drs_provider.services.launch.launch_memory import Memory
        from drs_provider.services.launch.start_jobs import JobStart, MustWait

        request = self._request(context)
        if not request.servers:
            raise AirflowSkipException("no source servers were given: there is nothing to launch")
        memory = Memory(task_memory(context), max_tries=context["ti"].max_tries)
        points = partial(self.points_of, context)
        start = JobStart(self.hook, memory, request, now=self._now, points=points)
        start.sleep = self.pause_for
        start.ended = lambda: self.why_ended(context) is not None
        start.cleaned = self.cleaned_jobs(context)
        outcome = start.run()
        if isinstance(outcome, MustWait):
            self._wait(outcome, waiting_since or self._now())
        if not outcome:
            raise AirflowFailException(self.why_ended(context) or "nothing was started")
        region = self.hook.region
        DrsJobLink.point_at(self, region=region, resource_id=outcome[0].job_id)
        launch = Launch(
            region=region,
            aws_conn_id=self.aws_conn_id,
            started_at=min((job.created_at for job in outcome if job.created_at), default=None),
            attempt=memory.attempt(),
            jobs=outcome,
        )
        return self.finish(context, launch)

    def _request(self, context: Context) -> "Request":
        """Read the template fields; refuses what rendered to the wrong type, before anything is called."""
        from drs_provider.rules.launch.quotas import Quotas
        from drs_provider.services.launch.start_jobs import Request, looked_for_since

        ti = context["ti"]
        task = ti.task_id if (ti.map_index or 0) < 0 else f"{ti.task_id}[{ti.map_index}]"
        return Request(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            installation=self._installation(context) if self.installation is None else self.installation,
            wave=self.launch_name or task,
            servers=rendered_ids("source_server_ids", self.source_server_ids),
            is_drill=rendered_bool("is_drill", self.is_drill),
            replace_live_instances=rendered_bool("replace_live_instances", self.replace_live_instances),
            replace_drills=rendered_bool("replace_drills", self.replace_drills),
            since=looked_for_since(
                context["dag_run"].start_date,
                self._now(),
                continues=self.continue_run or None,
                window=self.adoption_window,
            ),
            tags=rendered_mapping("tags", self.tags),
            snapshot_ids=rendered_mapping("snapshot_ids", self.snapshot_ids),
            continues=self.continue_run or None,
            quotas=Quotas(**rendered_mapping("quotas", self.quotas)) if self.quotas else None,
        )

    @staticmethod
    def _installation(context: Context) -> str:
        from drs_provider.rules.run.handover import LaunchAttempt
        from drs_provider.services.store import load

        return installation_of(context, has_begun=load(task_memory(context), LaunchAttempt) is not None)

    def _wait(self, wait: "MustWait", waiting_since: datetime) -> NoReturn:
        deadline = waiting_since + self.max_wait
        now = self._now()
        if now >= deadline:
            raise QuotaExceeded("StartRecovery", "WaitedTooLong", f"waited {duration(now - waiting_since)}: {wait.why}")
        self.log.info("Waiting for capacity, will retry: %s", wait.why)
        kwargs = {"waiting_since": waiting_since.isoformat()}
        if wait.job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            self.defer(
                trigger=DrsJobTrigger(
                    watches=[{"aws": self.watched_aws, "job_ids": list(wait.job_ids)}],
                    since=now.isoformat(),
                    deadline=deadline.isoformat(),
                    until=wait.until,
                    rank="drill" if self.is_drill else "recovery",
                ),
                method_name=self.resume_start.__name__,
                kwargs=kwargs,
            )
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(
            trigger=DateTimeTrigger(moment=now + LOOK_AGAIN_AFTER),
            method_name=self.resume_start.__name__,
            kwargs=kwargs,
        )

    @staticmethod
    def _now() -> datetime:
        return clock.now()
