"""Ending the replication of source servers, behind an approval of its own. Never part of a plan's run."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context

from drs_provider.exceptions import Conflict, DrsProviderError, RunRefused
from drs_provider.operators.agreement import ensure_agreed, ensure_fixed
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.template_values import rendered_ids, rendered_mapping
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.source_replication import (
    ENDED_STATES,
    Ending,
    what_it_destroys,
    why_not_replaced,
)

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook


class DrsEndReplicationOperator(DrsOperator):
    """Base of the two: looks for the approval and for what replaced each server, then calls, server by server.

    Before the first call everything is looked at, and all reasons against it are told at once. What is ended already
    is passed over, so a retry after a lost answer goes on where it was.

    Returns ``{"ended": [server_id], "already": [server_id]}``.
    """

    ending: ClassVar[Ending]
    ui_color = "#e6b8af"
    ui_fgcolor = "#3d1410"
    template_fields: Sequence[str] = (*AWS_FIELDS, "source_server_ids", "recovered_instances")
    template_fields_renderers = {  # noqa: RUF012  (Airflow's own form)
        "source_server_ids": "json",
        "recovered_instances": "json",
    }

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        approval_task_id: str,
        approvers: Sequence[str] = (),
        recovered_instances: Mapping[str, str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        ensure_fixed(source_server_ids=source_server_ids, recovered_instances=recovered_instances)
        self.source_server_ids = source_server_ids
        self.approval_task_id = approval_task_id
        self.approvers = tuple(approvers)
        self.recovered_instances = recovered_instances

    @classmethod
    def destroys(cls, servers: Sequence[str]) -> str:
        """Return the Markdown for the approval's ``body``: what is lost, and for which servers."""
        return what_it_destroys(cls.ending, servers)

    @cached_property
    def hook(self) -> "FailbackHook":
        """The hook of this task's account and Region, which also ends replication."""
        from drs_provider.hooks.failback import FailbackHook

        return FailbackHook(**self.aws)

    def execute(self, context: Context) -> dict[str, list[str]]:
        """Look for every reason against it, then end the replication."""
        with failing_for_good():
            self.prepare(context)
            servers = rendered_ids("source_server_ids", self.source_server_ids)
            given = rendered_mapping("recovered_instances", self.recovered_instances)
            ensure_agreed(context, self.approval_task_id, self.approvers)
            described = {str(source["sourceServerID"]): source for source in self.hook.source_servers(servers)}
            over = [server for server in servers if server in described and self._is_ended(described[server])]
            left = [server for server in servers if server not in over]
            self._ensure_replaced(left, described, given)
            errors: dict[str, DrsProviderError] = {}
            for server in left:
                try:
                    self.end(self.hook, server)
                except DrsProviderError as error:
                    errors[server] = error
            self._settle(errors, [server for server in left if server not in errors])
        self.log.info("%d ended now, %d before", len(left), len(over))
        return {"ended": left, "already": over}

    def end(self, hook: "FailbackHook", server_id: str) -> None:
        """Make the call for one server."""
        raise NotImplementedError

    def _is_ended(self, server: Answer) -> bool:
        state = (server.get("dataReplicationInfo") or {}).get("dataReplicationState")
        return state in ENDED_STATES[self.ending]

    def _ensure_replaced(
        self, servers: Sequence[str], described: Mapping[str, Answer], given: Mapping[str, str]
    ) -> None:
        from drs_provider.rules.servers import hostname_of, is_live

        instances: dict[str, list[Answer]] = {server: [] for server in servers}
        for instance in self.hook.recovery_instances(source_server_ids=servers) if servers else ():
            if is_live(instance):
                instances.setdefault(instance["sourceServerID"], []).append(instance)
        live = (instance for found in instances.values() for instance in found)
        ids = {str(instance["ec2InstanceID"]) for instance in live if instance.get("ec2InstanceID")}
        wanted = tuple(sorted(ids | {given[server] for server in servers if server in given}))
        states = self.hook.instance_states(wanted) if wanted else {}
        unhealthy = self.hook.unhealthy_instances(wanted) if wanted else {}
        against = []
        for server in servers:
            if server not in described:
                against.append(f"{server}: DRS knows no such source server in this account and Region")
                continue
            name = f"{hostname_of(described[server], server)} ({server})"
            why = why_not_replaced(self.ending, name, instances[server], given.get(server), states, unhealthy)
            against += [why] if why else []
        if against:
            lines = "\n".join(f"  - {why}" for why in against)
            count = f"{len(against)} reason{'s'[: len(against) != 1]}"
            raise RunRefused(f"refused, {count}; nothing was called:\n{lines}")

    def _settle(self, errors: Mapping[str, DrsProviderError], done: Sequence[str]) -> None:
        if not errors:
            return
        retryable = next((error for error in errors.values() if error.retryable), None)
        if retryable is not None and not isinstance(retryable, Conflict):
            raise retryable
        lines = "\n".join(f"  - {server}: {error}" for server, error in errors.items())
        raise RunRefused(
            f"{len(errors)} of {len(errors) + len(done)} servers were refused by DRS, the others are done; a server "
            f"that a job holds, or that has a recovery instance, is refused. Clear this task to continue:\n{lines}"
        )


class DrsStopSourceReplicationOperator(DrsEndReplicationOperator):
    """Stop the replication of source servers whose recovered instances have taken over. **All recovery points go.**.

    Refused unless the answer of ``approval_task_id`` is recorded in this run, given by somebody else than who
    triggered it, and unless each server has a recovered instance (no drill's) that runs with both status checks
    passed. Never in a scheduled run.

    :param source_server_ids: servers whose replication is stopped: written into the DAG, or a template of ``params`` or
        ``dag_run``
    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; unset: anybody's but the one's who triggered the run
    :param recovered_instances: EC2 instance id by server, where it is not the one that DRS knows; as the
        servers
    """

    ending = "stop"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        approval_task_id: str,
        approvers: Sequence[str] = (),
        recovered_instances: Mapping[str, str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=source_server_ids,
            approval_task_id=approval_task_id,
            approvers=approvers,
            recovered_instances=recovered_instances,
            **kwargs,
        )

    def end(self, hook: "FailbackHook", server_id: str) -> None:
        """Stop one server's replication."""
        hook.stop_replication(server_id)


class DrsDisconnectSourceServersOperator(DrsEndReplicationOperator):
    """Disconnect source servers from DRS for good. **Recovery points and replication resources go, without return.**.

    Guarded as :class:`DrsStopSourceReplicationOperator`. DRS refuses to disconnect a server that has a recovery
    instance, so that record has to be deleted first, and the instance that replaces each server has to be named.

    :param source_server_ids: servers that are disconnected: written into the DAG, or a template of ``params`` or
        ``dag_run``
    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param recovered_instances: EC2 instance id by server id, for every server; as the servers
    :param approvers: user names whose answer counts; unset: anybody's but the one's who triggered the run
    """

    ending = "disconnect"

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        approval_task_id: str,
        recovered_instances: Mapping[str, str] | str,
        approvers: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            source_server_ids=source_server_ids,
            approval_task_id=approval_task_id,
            approvers=approvers,
            recovered_instances=recovered_instances,
            **kwargs,
        )

    def end(self, hook: "FailbackHook", server_id: str) -> None:
        """Disconnect one server."""
        hook.disconnect_server(server_id)
