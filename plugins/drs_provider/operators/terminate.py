"""Terminating what drills have launched, and seeing that it is gone."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.formatting import parse_instant
from drs_provider.links.console import DrsJobLink
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, asking_later, failing_for_good
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.template_values import rendered_bool, rendered_ids
from drs_provider.rules.run.limits import LONGEST_CLEAN_UP
from drs_provider.services.signed import sealed

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.services.drill.terminate import InstanceChoice

FIRST_PAUSE = timedelta(seconds=2)
MOST_PAUSE = timedelta(minutes=1)
"""Pause between two looks where no job's end can be waited for; it grows with every look."""


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

    Returns a ``CleanedUp`` as JSON (``rules.run.handover``): ``{"terminated": [{"instance_id", "server_id"}], "left":
    {instance_id: why}, "job_ids": [job_id]}``.

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
        max_wait: timedelta = LONGEST_CLEAN_UP,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recovery_instance_ids = recovery_instance_ids
        self.source_server_ids = source_server_ids
        self.job_ids = job_ids
        self.include_recovery = include_recovery
        self.max_wait = max_wait
        self.runs: tuple[str, ...] = ()
        """Keys of the only runs whose instances are meant; none: those of any."""

    @cached_property
    def hook(self) -> "TracesHook":
        """The hook of this task's account and Region, which also knows what belongs to instances."""
        from drs_provider.hooks.drill_resources import TracesHook

        return TracesHook(**self.aws)

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Terminate what may be terminated now, and wait for the rest."""
        with failing_for_good():
            return self._leg(context, began=self._now(), requests=0, looks=0)

    def resume_cleanup(
        self, context: Context, event: object, *, began: str | None = None, requests: int = 0, looks: int = 0
    ) -> dict[str, JsonValue]:
        """Look again after a wait (``dag.test()`` drops what a deferral carries; the counting then begins anew)."""
        with failing_for_good():
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeJobs", "Refused", str(event["detail"]))
            start = parse_instant(began) if began else self._now()
            return self._leg(context, began=start, requests=requests, looks=looks)

    def _leg(self, context: Context, *, began: datetime, requests: int, looks: int) -> dict[str, JsonValue]:
        """Do what can be done now; what AWS does not answer now is looked at again later, without a worker."""
        from drs_provider.services.drill.terminate import CleanUp, CleanUpWaits

        kwargs: dict[str, JsonValue] = {"began": began.isoformat(), "requests": requests, "looks": looks}
        deadline = began + self.max_wait
        with asking_later(self, self.resume_cleanup, until=deadline, kwargs=kwargs):
            self.prepare(context)
            clean_up = CleanUp(self.hook, task_memory(context), self._chosen(), on_started=self._point_at)
            outcome = clean_up.look(began=began, deadline=deadline, requests=requests, now=self._now())
            if isinstance(outcome, CleanUpWaits):
                self._wait(outcome.job_ids, began=began, requests=outcome.requests, looks=looks + 1)
            return sealed(context["ti"], outcome)

    def _chosen(self) -> "InstanceChoice":
        from drs_provider.services.drill.terminate import InstanceChoice

        include_recovery = rendered_bool("include_recovery", self.include_recovery)
        names = ("recovery_instance_ids", "source_server_ids", "job_ids")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            raise RunRefused("give exactly one of recovery_instance_ids, source_server_ids and job_ids")
        ids = {name: rendered_ids(name, value) for name, value in given.items()}
        return InstanceChoice(
            recovery_instance_ids=ids.get("recovery_instance_ids"),
            source_server_ids=ids.get("source_server_ids"),
            job_ids=ids.get("job_ids"),
            include_recovery=include_recovery,
            runs=self.runs,
        )

    def _point_at(self, job_id: str) -> None:
        DrsJobLink.point_at(self, region=self.hook.region, resource_id=job_id)

    def _wait(self, job_ids: Sequence[str], *, began: datetime, requests: int, looks: int) -> NoReturn:
        now = self._now()
        kwargs = {"began": began.isoformat(), "requests": requests, "looks": looks}
        if job_ids:
            from drs_provider.triggers.jobs import DrsJobTrigger

            trigger = DrsJobTrigger(
                watches=[{"aws": self.aws, "job_ids": list(dict.fromkeys(job_ids))}],
                since=now.isoformat(),
                deadline=(began + self.max_wait).isoformat(),
                until="any",
            )
            self.defer(trigger=trigger, method_name=self.resume_cleanup.__name__, kwargs=kwargs)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = now + min(FIRST_PAUSE * looks, MOST_PAUSE)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_cleanup.__name__, kwargs=kwargs)

    @staticmethod
    def _now() -> datetime:
        return clock.now()
