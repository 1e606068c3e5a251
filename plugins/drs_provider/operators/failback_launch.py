"""Launching recovered servers back, ending failbacks of data centres' servers, and starting stopped replication."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from drs_provider.exceptions import RunRefused
from drs_provider.links.console import DrsJobLink
from drs_provider.operators.base import DrsOperator, failing_for_good
from drs_provider.operators.failback import FAILBACK_FIELDS, FailbackConnected
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.task_memory import task_memory
from drs_provider.services.signed import sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.services.failback.launch_back import BackLaunch
    from drs_provider.services.launch.launch_memory import Memory
    from drs_provider.services.launch.start_jobs import MustWait, Request


class _StartBackOperator(FailbackConnected, DrsStartRecoveryOperator):
    """What both launches back have in common: what a start of a recovery does, for the way back."""

    template_fields: Sequence[str] = (*DrsStartRecoveryOperator.template_fields, *FAILBACK_FIELDS[-2:])
    ui_color = "#f6a55c"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        is_drill: bool | str = False,
        origin_conn_id: str | None = None,
        origin_region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(source_server_ids=source_server_ids, is_drill=is_drill, **kwargs)
        self.origin_conn_id = origin_conn_id
        self.origin_region_name = origin_region_name
        self._jobs_in: AwsArguments | None = None

    @property
    def watched_aws(self) -> "AwsArguments":
        """Where the jobs are that the start waits for."""
        return self._jobs_in or self.aws

    def start_back(self, request: "Request", memory: "Memory") -> "BackLaunch | MustWait":
        """Start what does not exist yet."""
        raise NotImplementedError

    def _go_on(self, context: Context, *, waiting_since: datetime | None) -> JsonValue:
        from drs_provider.services.launch.launch_memory import Memory
        from drs_provider.services.launch.start_jobs import MustWait

        request = self._request(context)
        if not request.servers:
            raise AirflowSkipException("no source servers were given: there is nothing to launch")
        outcome = self.start_back(request, Memory(task_memory(context), max_tries=context["ti"].max_tries))
        if isinstance(outcome, MustWait):
            self._wait(outcome, waiting_since or self._now())
        for server_id, instance_id in outcome.already.items():
            self.log.info("%s is failed back already%s", server_id, f", to {instance_id}" if instance_id else "")
        if outcome.jobs:
            DrsJobLink.point_at(self, region=outcome.place.region, resource_id=outcome.jobs[0].job_id)
        return self.finish(context, outcome.launch)


class DrsStartFailbackOperator(_StartBackOperator):
    """Launch recovered servers in their origin Region, exactly once: StartRecovery of their FAILBACK servers.

    What :class:`DrsStartRecoveryOperator` does, in the origin: tags, adoption, quotas, waits, no launch over a live
    instance. Refused for servers that are not ready. Where DRS launches into an existing instance (launch settings, or
    the account's default), a drill is refused, and a failback too unless that instance is stopped. What is failed back
    already, by whomever, is not launched again.

    Returns what :class:`DrsStartRecoveryOperator` returns; its servers are FAILBACK servers. Give it to
    ``DrsRecoveryJobSensor``, or wait with ``DrsFailbackSensor(goal="failed_back")``, which also knows what was failed
    back before. A drill is cleaned up by ``DrsTerminateRecoveryInstancesOperator`` with the origin's connection.

    :param source_server_ids: servers as they are protected in the recovery Region, all of one origin (templated)
    :param is_drill: True for a failback drill: reverse replication goes on as it was (templated)
    :param origin_conn_id: Airflow connection of the account that they came from; unset: ``aws_conn_id`` (templated)
    :param origin_region_name: the origin Region; unset: each server's own (templated)
    """

    def start_back(self, request: "Request", memory: "Memory") -> "BackLaunch | MustWait":
        """Start the jobs in the origin that do not exist yet."""
        from drs_provider.services.failback.launch_back import LaunchBack
        from drs_provider.services.launch.start_jobs import MustWait

        launch = LaunchBack(self.reader(), memory, request, now=self._now, is_of_one_origin=True)
        outcome = launch.look()
        if isinstance(outcome, MustWait):
            self._jobs_in = launch.waits_in
            return outcome
        return outcome[0]


class DrsStartFailbackLaunchOperator(_StartBackOperator):
    """Convert the failback clients of servers from data centres, exactly once: StartFailbackLaunch.

    Refused for servers that are not ready. The machines are rebooted into what was copied: stop writing before.
    Returns what :class:`DrsStartRecoveryOperator` returns; wait with ``DrsFailbackSensor(goal="failed_back")``, for no
    instance is launched in AWS.

    :param source_server_ids: servers as they are protected in the recovery Region (templated)
    """

    def start_back(self, request: "Request", memory: "Memory") -> "BackLaunch | MustWait":
        """Start the jobs that do not exist yet."""
        from drs_provider.services.failback.convert_clients import ConvertClients

        if request.is_drill:
            raise RunRefused("a failback client cannot be converted for a drill; nothing was called")
        return ConvertClients(self.reader(), memory, request, now=self._now).look()


class _AtOnceOperator(FailbackConnected, DrsOperator):
    """What calls once for each server and waits for nothing; returns a ``FailbackOutcome`` as JSON."""

    template_fields: Sequence[str] = FAILBACK_FIELDS
    template_fields_renderers = {"source_server_ids": "json"}  # noqa: RUF012  (Airflow's own form)
    ui_color = "#c9b8e8"
    ui_fgcolor = "#1c1917"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        origin_conn_id: str | None = None,
        origin_region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_server_ids = source_server_ids
        self.origin_conn_id = origin_conn_id
        self.origin_region_name = origin_region_name

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Look at where the servers stand, and call."""
        from drs_provider.rules.run.handover import FailbackOutcome

        with failing_for_good():
            self.prepare(context)
            done = self.call()
            for server_id, words in done.items():
                self.log.info("%s: %s", server_id, words)
            return sealed(context["ti"], FailbackOutcome(done=dict(done)))

    def call(self) -> Mapping[str, str]:
        """Call; return what was done, by server id."""
        raise NotImplementedError


class DrsStopFailbackOperator(_AtOnceOperator):
    """End the failback of servers from data centres (StopFailback), also of those that failed.

    Refused while a job converts one of them, and once they are failed back. The recovered instances go on; the failback
    clients have to be booted again for another failback.

    :param source_server_ids: servers as they are protected in the recovery Region (templated)
    """

    def call(self) -> Mapping[str, str]:
        """End the failbacks."""
        from drs_provider.services.failback.ends import stop_failback

        ends = stop_failback(self.reader(), self.server_ids)
        for server_id, words in ends.done.items() if ends.refused else ():
            self.log.info("%s: %s", server_id, words)
        ends.raise_refusal()
        return ends.done


class DrsStartReplicationOperator(_AtOnceOperator):
    """Start replication that was stopped (StartReplication): every disk is copied again.

    Of a recovered server its FAILBACK server is started, of any other one the server itself. What is not stopped is
    passed over.

    :param source_server_ids: servers as they are protected in the recovery Region (templated)
    """

    def call(self) -> Mapping[str, str]:
        """Start what is stopped."""
        from drs_provider.services.failback.ends import start_replication

        return start_replication(self.reader(), self.server_ids)
