"""The door to DRS: one typed method for each thing that is asked of AWS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from botocore.config import Config

from drs_provider.exceptions import AwsError
from drs_provider.hooks.error_mapping import translated
from drs_provider.hooks.native_plans import running_executions
from drs_provider.hooks.response_check import distrustful
from drs_provider.hooks.retries import PATIENCE_SECONDS, RetryPolicy
from drs_provider.hooks.session import SharedModels
from drs_provider.rules.answers import Answer
from drs_provider.rules.launch.native_plans import NativeExecution
from drs_provider.rules.launch.quotas import SERVICE_CODE, Quotas

if TYPE_CHECKING:
    from mypy_boto3_drs import DrsClient

MOST_IDS = 200
"""Ids that one Describe filter or one TerminateRecoveryInstances takes (drs-api, quotas)."""

LONGEST_PAGE: Final = 1000
"""The highest ``maxResults`` in the model of DRS."""

MOST_NAMED_INSTANCES = 100
"""Instance ids that DescribeInstanceStatus takes by name."""

MOST_POINTS: Final = 100
"""Recovery points of a server that are listed for people, the newest ones."""

SIDE_BY_SIDE: Final = 8
"""Calls that are made at a time where there is one for each thing."""

T = TypeVar("T")
R = TypeVar("R")

ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


class DrsHook(SharedModels, AwsGenericHook["DrsClient"]):
    """Ask DRS of one account and Region; EC2, Service Quotas and STS of the same where DRS does not know.

    Methods raise the errors of ``drs_provider.exceptions`` and nothing of botocore's. Reads are paginated to the end
    and repeated for a while where AWS does not answer now (``hooks.retries``). StartRecovery is sent once and never
    repeated below ``services.start_once``: it has no client token.

    :param aws_conn_id: Airflow connection with account, role, external id and endpoint
    :param region_name: the recovery Region; unset: the connection's
    :param verify: TLS verification, as in boto3
    :param config: keyword arguments of ``botocore.config.Config``, or one; of its ``retries`` only
        ``total_max_attempts: 1`` counts: nothing is asked twice then
    :param patience: seconds for which a read is repeated; 0 for those who wait in another way, as triggers do
    """

    def __init__(self, *args: Any, patience: float = PATIENCE_SECONDS, **kwargs: Any) -> None:
        kwargs["client_type"] = "drs"
        super().__init__(*args, **kwargs)
        self._patience = RetryPolicy(patience)
        self._door = RLock()

    @property
    def region(self) -> str:
        """The Region that is asked: the hook's own, else the connection's."""
        return self.conn_region_name

    def source_servers(self, ids: Sequence[str] | None = None) -> tuple[Answer, ...]:
        """Return these source servers, or all; an id that DRS does not know is absent from the answer."""
        if ids is None:
            return tuple(self._pages("describe_source_servers", filters={}))
        return tuple(
            item
            for batch in in_batches(ids)
            for item in self._pages("describe_source_servers", filters={"sourceServerIDs": batch})
        )

    def every_source_server(self) -> tuple[Answer, ...]:
        """Return all source servers in the fewest calls: pages as long as any operation of DRS takes.

        How long a page of this operation may be AWS does not say; refused for that, pages of its own length are read.
        """
        size = {"PageSize": LONGEST_PAGE}
        try:
            return tuple(self._pages("describe_source_servers", filters={}, PaginationConfig=size))
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            return self.source_servers()

    def recovery_instances(
        self, *, source_server_ids: Sequence[str] | None = None, instance_ids: Sequence[str] | None = None
    ) -> tuple[Answer, ...]:
        """Return the recovery instances of these servers, or those with these ids, or all where neither is given."""
        if source_server_ids is None and instance_ids is None:
            return tuple(self._pages("describe_recovery_instances"))
        name, ids = (
            ("sourceServerIDs", source_server_ids)
            if source_server_ids is not None
            else ("recoveryInstanceIDs", instance_ids)
        )
        return tuple(
            item
            for batch in in_batches(ids or ())
            for item in self._pages("describe_recovery_instances", filters={name: batch})
        )

    def jobs(self, job_ids: Sequence[str]) -> tuple[Answer, ...]:
        """Return these jobs; one that DRS does not know (yet, or any more) is absent from the answer."""
        return tuple(
            item
            for batch in in_batches(job_ids)
            for item in self._pages("describe_jobs", filters={"jobIDs": batch})
            if item.get("jobID") in batch
        )

    def jobs_since(self, when: datetime) -> tuple[Answer, ...]:
        """Return all jobs of the account and Region created since then, whoever started them."""
        # The service takes the format of its model, with Z and milliseconds, though it answers with +00:00.
        text = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return tuple(self._pages("describe_jobs", filters={"fromDate": text}))

    def job_log(self, job_id: str) -> tuple[Answer, ...]:
        """Return the log of a job, for ``rules.launch.jobs.read_job_log``."""
        return tuple(self._pages("describe_job_log_items", jobID=job_id))

    def newest_recovery_snapshot(self, server_id: str, *, before: datetime | None = None) -> Answer | None:
        """Return the newest point in time of a server that can be recovered (at or ``before`` an instant), or None.

        Snapshots that DRS has announced but not taken (no ``timestamp``) do not count.
        """
        filters = {"toDateTime": before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")} if before else {}
        pages = self._pages("describe_recovery_snapshots", sourceServerID=server_id, order="DESC", filters=filters)
        return next((item for item in pages if item.get("timestamp")), None)

    def recovery_snapshots(self, server_id: str, *, most: int = MOST_POINTS) -> tuple[Answer, ...]:
        """Return the newest points in time of a server that can be recovered, the newest first.

        :param most: how many at most; DRS may have hundreds
        """
        pages = self._pages("describe_recovery_snapshots", sourceServerID=server_id, order="DESC")
        return tuple(islice((item for item in pages if item.get("timestamp")), most))

    def unprotect(self, instance_ids: Sequence[str]) -> None:
        """Switch EC2 termination protection off: DRS cannot replace an instance that has it."""
        for instance_id in instance_ids:
            with translated("ec2:ModifyInstanceAttribute"):
                self._beside("ec2").modify_instance_attribute(
                    InstanceId=instance_id, DisableApiTermination={"Value": False}
                )

    def launch_configuration(self, server_id: str) -> Answer:
        """Return the launch settings of a server."""
        with translated("GetLaunchConfiguration"):
            answer: Answer = self.conn.get_launch_configuration(sourceServerID=server_id)
        return answer

    def launch_configurations(self, server_ids: Sequence[str]) -> dict[str, Answer]:
        """Return the launch configuration of every one of these servers, which must exist."""
        _ = self.conn  # made once, before threads ask for it
        return dict(zip(server_ids, side_by_side(self.launch_configuration, server_ids), strict=True))

    def launch_templates(self) -> tuple[Answer, ...]:
        """Return the launch configuration templates: the account's default launch settings in this Region."""
        return tuple(self._pages("describe_launch_configuration_templates"))

    def native_executions(self) -> tuple[NativeExecution, ...]:
        """Return the executions of native DRS recovery plans that are not over, with the servers that they hold."""
        return running_executions(self.conn)

    def start_recovery(
        self,
        server_ids: Sequence[str],
        *,
        is_drill: bool,
        tags: Mapping[str, str],
        snapshot_ids: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask DRS once to launch these servers in one job; return the job.

        ServiceUnavailable and Conflict say nothing about whether the job exists: use ``services.start_once``.

        :param snapshot_ids: point in time (``pit-…``) by server id; a server without one gets the most recent data
        """
        pinned = snapshot_ids or {}
        servers: list[Any] = [
            {"sourceServerID": server, **({"recoverySnapshotID": pinned[server]} if server in pinned else {})}
            for server in server_ids
        ]
        with translated("StartRecovery"):
            answer = self._sent_once.start_recovery(sourceServers=servers, isDrill=is_drill, tags=dict(tags))
        return answer["job"]

    def terminate(self, instance_ids: Sequence[str]) -> Answer:
        """Ask DRS to terminate at most 200 recovery instances in one job; return the job."""
        with translated("TerminateRecoveryInstances"):
            answer = self._sent_once.terminate_recovery_instances(recoveryInstanceIDs=list(instance_ids))
        return answer["job"]

    def instance_states(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Return what EC2 itself calls the state of these instances (``running``); gone ones are absent."""
        states: dict[str, str] = {}
        for batch in in_batches(instance_ids):
            # A filter, not InstanceIds: one unknown id there refuses the whole call.
            filters = [{"Name": "instance-id", "Values": batch}]
            with translated("ec2:DescribeInstances"):
                for page in self._beside("ec2").get_paginator("describe_instances").paginate(Filters=filters):
                    for reservation in page["Reservations"]:
                        for instance in reservation["Instances"]:
                            states[instance["InstanceId"]] = instance["State"]["Name"]
        return states

    def start_instances(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask EC2 to start instances; return its word for the state of each now (``pending``, ``running``).

        What runs, or is about to, is left alone. Sent once: after a lost answer somebody may have stopped an instance
        again, so whoever called looks before the next try (``repeated``). One instance that EC2 does not know, cannot
        start or has no capacity for refuses all that are named in one call.
        """
        states: dict[str, str] = {}
        for batch in in_batches(instance_ids, size=MOST_NAMED_INSTANCES):
            with translated("ec2:StartInstances"):
                answer = self._ec2_sent_once.start_instances(InstanceIds=batch)
            states |= states_after(answer["StartingInstances"])
        return states

    def unhealthy_instances(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Return those of these instances whose EC2 status checks are not both ``ok``, with what EC2 says."""
        # Asked by id, one instance that is gone would refuse the whole call.
        states = self.instance_states(instance_ids)
        said = {
            name: f"EC2 calls it {states[name]}" if name in states else "EC2 does not know it" for name in instance_ids
        }
        running = [name for name in instance_ids if states.get(name) == "running"]
        for batch in in_batches(running, size=MOST_NAMED_INSTANCES):
            with translated("ec2:DescribeInstanceStatus"):
                pages = self._beside("ec2").get_paginator("describe_instance_status")
                for page in pages.paginate(InstanceIds=batch, IncludeAllInstances=True):
                    for item in page["InstanceStatuses"]:
                        system, own = item["SystemStatus"]["Status"], item["InstanceStatus"]["Status"]
                        said[item["InstanceId"]] = f"system {system}, instance {own}"
        return {name: words for name, words in said.items() if words != "system ok, instance ok"}

    def quotas(self) -> Quotas:
        """Return the account's live quotas; AWS's defaults where Service Quotas does not answer (logged)."""
        try:
            with translated("servicequotas:ListServiceQuotas"):
                pages = self._beside("service-quotas").get_paginator("list_service_quotas")
                answers = [item for page in pages.paginate(ServiceCode=SERVICE_CODE) for item in page["Quotas"]]
        except AwsError as error:
            quotas = Quotas()
            self.log.warning("Quotas of DRS are not readable, AWS's defaults are used (%s): %s", quotas, error)
            return quotas
        return Quotas.from_answers(answers)

    def caller_account(self) -> str:
        """Return the id of the account that the connection works in."""
        with translated("sts:GetCallerIdentity"):
            return str(self._beside("sts").get_caller_identity()["Account"])

    def _pages(self, operation: str, **arguments: Any) -> Iterator[Answer]:
        name = "".join(part.capitalize() for part in operation.split("_"))
        with translated(name):
            for page in self.conn.get_paginator(operation).paginate(**arguments):  # type: ignore[call-overload]  # by name
                yield from page.get("items", ())

    @cached_property
    def conn(self) -> "DrsClient":
        """A client for what may be asked twice."""
        client: DrsClient = self._patient(self._client_of("drs"))
        return client

    @cached_property
    def _sent_once(self) -> "DrsClient":
        """A client that sends a request exactly once; botocore's own retry would start a second job."""
        client: DrsClient = self._client_of("drs")
        return client

    @cached_property
    def _ec2_sent_once(self) -> Any:
        return self._client_of("ec2")

    def repeated(self, operation: str, attempt: Callable[[], T]) -> T:
        """Do something again, as long as this hook is patient, while AWS does not answer now.

        For what has to look afresh before every try; single calls that may be sent twice are repeated anyway.

        :param operation: what is asked of AWS, as the log names it: ``ec2:StartInstances``
        :raises AwsError: it was refused for good, or patience has ended
        """
        return self._patience.ask(operation, attempt)

    @cached_property
    def _neighbours(self) -> dict[str, Any]:
        return {}

    @property
    def impatient(self) -> "DrsClient":
        """A client that asks once, for other modules of this layer: for what is not worth a call to a busy API."""
        return self._sent_once

    @property
    def arguments(self) -> dict[str, Any]:
        """What makes another hook of the same account and Region."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self._region_name,
            "verify": self._verify,
            "config": self._config,
        }

    def beside(self, service: str) -> Any:
        """Return the client of another service, of the same account and Region, for other modules of this layer."""
        return self._beside(service)

    def _beside(self, service: str) -> Any:
        """Return a client of another service, of the same account and Region, for what may be asked twice."""
        with self._door:
            if service not in self._neighbours:
                self._neighbours[service] = self._patient(self._client_of(service))
            return self._neighbours[service]

    def _patient(self, client: Any) -> Any:
        asks_once = (getattr(self.config, "retries", None) or {}).get("total_max_attempts") == 1
        return client if asks_once else self._patience.on(client)

    def _client_of(self, service: str) -> Any:
        """Return a client without botocore's retries; all clients of a hook share one session, so one assumed role."""
        with self._door:
            client = self._session.client(
                service,
                region_name=self.region_name,
                endpoint_url=self.conn_config.get_service_endpoint_url(service_name=service),
                config=self._sending_once,
                verify=self.verify,
            )
        return distrustful(client)

    @cached_property
    def _sending_once(self) -> Config:
        """The configuration of all clients of a hook, made once: the provider composes a user agent for it."""
        return self._get_config(self.config.merge(ONCE))

    @cached_property
    def _session(self) -> Any:
        return self._patience.ask("sts:AssumeRole", lambda: self.get_session(region_name=self.region_name))


def states_after(changes: Sequence[Answer]) -> dict[str, str]:
    """Read what instances are after StartInstances or StopInstances, in EC2's words."""
    return {str(change["InstanceId"]): str(change["CurrentState"]["Name"]) for change in changes}


def in_batches(ids: Sequence[str], size: int = MOST_IDS) -> Iterator[list[str]]:
    """Cut ids into lists that one call takes; no ids, no call."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def side_by_side(ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Ask for several things at a time; the answers come in the order of the items."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(ask, items))
