"""Terminating what drills have launched, and seeing that it is gone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from drs_provider.exceptions import (
    AwsError,
    CleanupIncomplete,
    Conflict,
    NotFound,
    QuotaExceeded,
    RunRefused,
    ServiceUnavailable,
    Throttled,
)
from drs_provider.formatting import parse_instant
from drs_provider.links.console import DrsJobLink
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, asking_later, failing_for_good
from drs_provider.operators.template_values import rendered_bool, rendered_ids

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.rules.cleanup.terminate import Choice, Stock
    from drs_provider.triggers.jobs import DrsJobEvent

LOOK_AGAIN_AFTER = timedelta(seconds=2)
MOST_PAUSE = timedelta(minutes=1)
"""Pause between two looks where no job's end can be waited for; it grows with every look."""

MOST_INSTANCES = 200
"""Of one request; the quota of servers per job, which terminate jobs are taken to share, may be smaller."""

MOST_REQUESTS = 5
"""Terminate jobs that may end without their instances being gone before the task gives up."""

_TARGETS, _JOBS, _PARTS, _FEWEST = "drs_targets", "drs_terminate_jobs", "drs_parts", "drs_fewest_left"


class DrsTerminateRecoveryInstancesOperator(DrsOperator):
    """Terminate recovery instances, and see in EC2 that they are gone.

    Either instances named by ``recovery_instance_ids`` or ``source_server_ids``, or those that the jobs ``job_ids``
    launched. Only instances that DRS calls a drill's are terminated, unless ``include_recovery``: named ones are then
    refused before anything is called, those of a job are kept and stand in ``left``.

    Then it looks whether EC2 has kept a volume or a network interface of an instance that is gone, and deletes those;
    a snapshot that somebody took of such a volume is not deleted but said.

    It looks at what is there, so it may run any number of times: what is gone is fine, a terminate job that runs is
    adopted, launch jobs that still run are waited for, because their instances appear later. It waits deferred, holds
    no worker, and fails with CleanupIncomplete if an instance is still there in the end.

    Returns ``{"terminated": [{"instance_id", "source_server_id"}], "left": {instance_id: why}, "jobs": [job_id]}``.

    :param recovery_instance_ids: instances to terminate (templated)
    :param source_server_ids: source servers whose instances are terminated (templated)
    :param job_ids: launch jobs whose instances are terminated (templated)
    :param include_recovery: also terminate what is no drill's (templated)
    :param max_wait: how long to go on before what is left is reported
    """

    template_fields: Sequence[str] = (
        *AWS_FIELDS,
        "recovery_instance_ids",
        "source_server_ids",
        "job_ids",
        "include_recovery",
    )
    template_fields_renderers = {  # noqa: RUF012  (Airflow's own form)
        "recovery_instance_ids": "json",
        "source_server_ids": "json",
        "job_ids": "json",
    }
    ui_color = "#c9a6a6"
    ui_fgcolor = "#1c1917"
    operator_extra_links = (DrsJobLink(),)

    def __init__(
        self,
        *,
        recovery_instance_ids: Sequence[str] | str | None = None,
        source_server_ids: Sequence[str] | str | None = None,
        job_ids: Sequence[str] | str | None = None,
        include_recovery: bool | str = False,
        max_wait: timedelta = timedelta(hours=2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recovery_instance_ids = recovery_instance_ids
        self.source_server_ids = source_server_ids
        self.job_ids = job_ids
        self.include_recovery = include_recovery
        self.max_wait = max_wait

    @cached_property
    def hook(self) -> "TracesHook":
        """The hook of this task's account and Region, which also knows what belongs to instances."""
        from drs_provider.hooks.drill_resources import TracesHook

        return TracesHook(**self.aws)

    def execute(self, context: Context) -> dict[str, Any]:
        """Terminate what may be terminated now, and wait for the rest."""
        with failing_for_good():
            return self._leg(context, began=self._now(), requests=0, looks=0)

    def resume_cleanup(
        self,
        context: Context,
        event: "DrsJobEvent | Any",
        *,
        began: str | None = None,
        requests: int = 0,
        looks: int = 0,
    ) -> Any:
        """Look again after a wait (``dag.test()`` drops what a deferral carries; the counting then begins anew)."""
        with failing_for_good():
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            start = parse_instant(began) if began else self._now()
            return self._leg(context, began=start, requests=requests, looks=looks)

    def _leg(self, context: Context, *, began: datetime, requests: int, looks: int) -> dict[str, Any]:
        """Do what can be done now; what AWS does not answer now is looked at again later, without a worker."""
        kwargs = {"began": began.isoformat(), "requests": requests, "looks": looks}
        with asking_later(self, self.resume_cleanup, until=began + self.max_wait, kwargs=kwargs):
            self.prepare(context)
            self._refuse_unclear()
            return self._go_on(context, began=began, requests=requests, looks=looks)

    def _refuse_unclear(self) -> None:
        rendered_bool("include_recovery", self.include_recovery)
        given = [self.recovery_instance_ids, self.source_server_ids, self.job_ids]
        if sum(one is not None for one in given) != 1:
            raise RunRefused("give exactly one of recovery_instance_ids, source_server_ids and job_ids")

    def _go_on(self, context: Context, *, began: datetime, requests: int, looks: int) -> dict[str, Any]:
        from drs_provider.rules.cleanup.terminate import awaited, running, take_stock

        launches = self.hook.jobs(self._ids("job_ids")) if self.job_ids else ()
        described = self._described(launches)
        choice = self._choice(context, described)
        everything = self.hook.jobs_since(began - timedelta(days=1))
        stock = take_stock(
            choice.targets,
            described=described,
            ec2=self.hook.instance_states(tuple(choice.targets)),
            jobs=everything,
        )
        still_launching = running(launches)
        invisible = awaited(launches, described, set(choice.targets.values()), now=self._now())
        self._say(stock, still_launching, invisible)
        late = self._now() >= began + self.max_wait
        requests = self._counted(context, len(stock.left), requests)
        if not (stock.ending or stock.held or stock.left or still_launching or invisible):
            if remains := self._remains(context):
                if late or requests >= MOST_REQUESTS or all(name.startswith("snap-") for name in remains):
                    raise CleanupIncomplete(remains)
                self.log.info("EC2 has kept %s; looking again", ", ".join(remains))
                return self._wait((), began=began, requests=requests + 1, looks=looks + 1)
            return self._result(context, choice, stock)
        if late or (stock.left and requests >= MOST_REQUESTS):
            raise CleanupIncomplete({**_left(stock), **dict.fromkeys(still_launching, "this launch job still runs")})
        started = self._terminate(context, stock.left)
        waiting = (*started, *stock.open_jobs, *still_launching)
        return self._wait(waiting, began=began, requests=requests + bool(started), looks=looks + 1)

    def _counted(self, context: Context, left: int, requests: int) -> int:
        """Count requests anew where fewer instances are left than ever: a big drill goes in many quota's rounds."""
        store: Any = context["task_state_store"]
        fewest = store.get(_FEWEST)
        if not left or (fewest is not None and left >= fewest):
            return requests
        store.set(_FEWEST, left, retention=NEVER_EXPIRE)
        return requests if fewest is None else 0

    def _described(self, launches: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """Ask DRS for the instances that are meant."""
        if self.recovery_instance_ids is not None:
            return self.hook.recovery_instances(instance_ids=self._ids("recovery_instance_ids"))
        if self.source_server_ids is not None:
            return self.hook.recovery_instances(source_server_ids=self._ids("source_server_ids"))
        jobs = set(self._ids("job_ids"))
        if not jobs:
            return ()
        servers = {s["sourceServerID"] for job in launches for s in job.get("participatingServers", ())}
        # A job that DRS has forgotten names no servers any more; its instances still name the job.
        forgotten = jobs - {job["jobID"] for job in launches}
        found = self.hook.recovery_instances(source_server_ids=None if forgotten else sorted(servers))
        return tuple(instance for instance in found if instance.get("jobID") in jobs)

    def _choice(self, context: Context, described: Sequence[Mapping[str, Any]]) -> "Choice":
        """Decide what to terminate, and remember it: a terminated instance soon disappears from DRS's answers."""
        from drs_provider.rules.cleanup.terminate import Choice, choose

        choice = choose(described, include_recovery=rendered_bool("include_recovery", self.include_recovery))
        if choice.kept and self.job_ids is None:
            names = ", ".join(choice.kept)
            raise RunRefused(
                f"DRS does not call these a drill's instances: {names}. Nothing was terminated; give include_recovery "
                "only if they shall really go"
            )
        store: Any = context["task_state_store"]
        before = store.get(_TARGETS) or {}
        targets = {**before, **choice.targets}
        if targets != before:
            self._remember_parts(context, [name for name in targets if name not in before])
            store.set(_TARGETS, targets, retention=NEVER_EXPIRE)
        return Choice(targets, choice.kept)

    def _remember_parts(self, context: Context, instances: Sequence[str]) -> None:
        """Remember what belongs to instances before they go: EC2 says it of no terminated one."""
        store: Any = context["task_state_store"]
        known = store.get(_PARTS) or {"volumes": [], "interfaces": []}
        for parts in self.hook.parts_of(instances).values():
            known["volumes"] += parts.volumes
            known["interfaces"] += parts.interfaces
        store.set(_PARTS, known, retention=NEVER_EXPIRE)

    def _remains(self, context: Context) -> dict[str, str]:
        """Delete what EC2 has kept of instances that are gone; return what is still there, and why."""
        store: Any = context["task_state_store"]
        parts = store.get(_PARTS) or {"volumes": [], "interfaces": []}
        left: dict[str, str] = {}
        for there, delete, ids in (
            (self.hook.volumes_there, self.hook.delete_volume, parts["volumes"]),
            (self.hook.interfaces_there, self.hook.delete_interface, parts["interfaces"]),
        ):
            for name, state in (there(ids) if ids else {}).items():
                try:
                    delete(name)
                except AwsError as error:
                    left[name] = f"it is {state} although its instance is gone: {error}"
                else:
                    left[name] = "EC2 was asked to delete it, and it is still there"
            still = there(ids) if any(name in left for name in ids) else {}
            left = {name: why for name, why in left.items() if name not in ids or name in still}
        snapshots = self.hook.snapshots_of(parts["volumes"]) if parts["volumes"] else {}
        return left | {
            name: f"a snapshot of {volume}, a drill's volume, that DRS does not remove: delete it by hand"
            for name, volume in snapshots.items()
        }

    def _terminate(self, context: Context, instances: Sequence[str]) -> list[str]:
        """Ask DRS to terminate; what it refuses for now is looked at again after the wait."""
        store: Any = context["task_state_store"]
        started: list[str] = []
        size = min(MOST_INSTANCES, self.hook.quotas().servers_per_job) if instances else MOST_INSTANCES
        for start in range(0, len(instances), size):
            batch = instances[start : start + size]
            try:
                job = self.hook.terminate(batch)
            except (Conflict, QuotaExceeded, NotFound, ServiceUnavailable, Throttled) as refusal:
                self.log.warning("%s; looking again after a while", refusal)
                continue
            self.log.info("Job %s terminates %d instances: %s", job["jobID"], len(batch), ", ".join(batch))
            started.append(job["jobID"])
            store.set(_JOBS, [*(store.get(_JOBS) or []), job["jobID"]], retention=NEVER_EXPIRE)
            DrsJobLink.point_at(self, region=self.hook.region, resource_id=job["jobID"])
        return started

    def _wait(self, job_ids: Sequence[str], *, began: datetime, requests: int, looks: int) -> NoReturn:
        now, deadline = self._now(), began + self.max_wait
        kwargs = {"began": began.isoformat(), "requests": requests, "looks": looks}
        if job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            trigger = DrsJobTrigger(
                watches=[{"aws": self.aws, "job_ids": list(dict.fromkeys(job_ids))}],
                since=now.isoformat(),
                deadline=deadline.isoformat(),
                until="any",
            )
            self.defer(trigger=trigger, method_name=self.resume_cleanup.__name__, kwargs=kwargs)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = now + min(LOOK_AGAIN_AFTER * looks, MOST_PAUSE)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_cleanup.__name__, kwargs=kwargs)

    def _result(self, context: Context, choice: "Choice", stock: "Stock") -> dict[str, Any]:
        for instance, why in choice.kept.items():
            self.log.warning("%s: %s", instance, why)
        self.log.info("%d instances are gone, as EC2 says too", len(stock.gone))
        jobs: Any = context["task_state_store"].get(_JOBS) or []
        return {
            "terminated": [{"instance_id": one, "source_server_id": choice.targets[one]} for one in stock.gone],
            "left": dict(choice.kept),
            "jobs": list(jobs),
        }

    def _say(self, stock: "Stock", still_launching: Sequence[str], invisible: Sequence[str]) -> None:
        self.log.info(
            "%d gone, %d shutting down, %d held by running jobs, %d to terminate",
            *(len(part) for part in (stock.gone, stock.ending, stock.held, stock.left)),
        )
        if still_launching:
            self.log.info("Still launching, so more instances will appear: %s", ", ".join(still_launching))
        if invisible:
            self.log.info("Launched, but not shown by DRS yet: %s", ", ".join(invisible))

    def _ids(self, name: str) -> tuple[str, ...]:
        return rendered_ids(name, getattr(self, name))

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)


def _left(stock: "Stock") -> dict[str, str]:
    return {
        **dict.fromkeys(stock.ending, "EC2 says that it is shutting down"),
        **{instance: f"the running job {job} holds its server" for instance, job in stock.held.items()},
        **dict.fromkeys(stock.left, "DRS was asked to terminate it, and it is still there"),
    }
