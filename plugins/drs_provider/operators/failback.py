"""The way back for any DAG: reverse replication, follow it, protect again, and remove what a failback has left."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import BaseOperator, Context
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError, RunRefused
from drs_provider.formatting import MANY, duration, parse_instant, some
from drs_provider.operators.agreement import ensure_agreed, ensure_fixed
from drs_provider.operators.base import AWS_FIELDS, DrsConnected, DrsOperator, asking_later, failing_for_good
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.template_values import rendered_ids
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.services.failback.follow import FollowGoal
    from drs_provider.services.failback.look import FailbackLook
    from drs_provider.services.failback.read import CircleReader

LOOK_AGAIN_AFTER: Final = timedelta(seconds=20)
"""Pause between two looks where something is to be called, or to be confirmed."""

MOST_LOOKS: Final = 12
"""Looks of one leg, one after the other, as long as each finds something more to call."""

LONGEST_WAY: Final = timedelta(days=7)
"""How long a copy to the origin is followed where nothing else is said."""

_GRACE: Final = timedelta(minutes=5)


class FailbackConnected(DrsConnected):
    """Mix in for tasks of the way back: the servers, and the connection of where they came from.

    :param source_server_ids: servers as they are protected in the recovery Region, also on the way back (templated)
    :param origin_conn_id: Airflow connection of the account that they came from; unset: ``aws_conn_id`` (templated)
    :param origin_region_name: the origin Region; unset: each server's own (templated)
    """

    source_server_ids: Sequence[str] | str
    origin_conn_id: str | None
    origin_region_name: str | None

    @property
    def origin(self) -> "AwsArguments | None":
        """How the origin is asked; None: with the connection of the recovery Region, in each server's own Region."""
        if not self.origin_conn_id and not self.origin_region_name:
            return None
        conn_id = self.origin_conn_id or self.aws_conn_id
        return {**self.aws, "aws_conn_id": conn_id, "region_name": self.origin_region_name or None}

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The servers, without repetition. Raises RunRefused for what is no list of ids, or an empty one."""
        servers = rendered_ids("source_server_ids", self.source_server_ids)
        if not servers:
            raise RunRefused("source_server_ids is empty: there is nothing to do; nothing was called")
        return servers

    def reader(self) -> "CircleReader":
        """Return what reads where the servers stand."""
        from drs_provider.services.failback.read import CircleReader

        return CircleReader(self.aws, origin=self.origin, now=clock.now)


FAILBACK_FIELDS: Final[tuple[str, ...]] = (*AWS_FIELDS, "source_server_ids", "origin_conn_id", "origin_region_name")


def follow(
    task: BaseOperator,
    servers: Sequence[str],
    *,
    aws: "AwsArguments",
    origin: "AwsArguments | None",
    goal: "FollowGoal",
    deadline: datetime,
    resume: str,
    kwargs: Mapping[str, JsonValue],
    context: Context,
    poll_seconds: float = 30.0,
    acts: bool = True,
) -> NoReturn:
    """Hand the wait for servers on their way over to the triggerer, which leaves how far each is."""
    from drs_provider.triggers.failback import DrsFailbackTrigger

    ti = context["ti"]
    is_mapped = (ti.map_index or 0) >= 0
    task.defer(
        trigger=DrsFailbackTrigger(
            watches=[{"aws": aws, "origin": origin, "server_ids": list(servers)}],
            goal=goal,
            deadline=deadline.isoformat(),
            poll_seconds=poll_seconds,
            acts=acts,
            shown_for=None
            if is_mapped
            else {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "attempt": ti.try_number},
        ),
        method_name=resume,
        kwargs=dict(kwargs),
        timeout=deadline - clock.now() + _GRACE,
    )


class DrsFailbackOperator(FailbackConnected, DrsOperator):
    """Base of what works look by look: it looks at both places, calls what is due, and defers while something waits.

    Returns a ``FailbackOutcome`` as JSON (``rules.run.handover``): ``{"is_complete", "done": {server_id: words},
    "left": {server_id: why}, "removed": […], "job_ids": […]}``. Leaves ``failback_progress`` in XCom, also while it
    waits: one record a server with stage, share, bytes, DRS's estimate and lag.

    :param source_server_ids: servers as they are protected in the recovery Region, also on the way back (templated)
    :param origin_conn_id: Airflow connection of the account that they came from; unset: ``aws_conn_id`` (templated)
    :param origin_region_name: the origin Region; unset: each server's own (templated)
    :param max_wait: how long to go on before the task fails and says what each server waits for
    """

    goal: "FollowGoal | None" = None
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
        max_wait: timedelta = LONGEST_WAY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_server_ids = source_server_ids
        self.origin_conn_id = origin_conn_id
        self.origin_region_name = origin_region_name
        self.max_wait = max_wait

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Do what can be done now, and wait for the rest."""
        with failing_for_good():
            return self._leg(context, clock.now())

    def look_again(self, context: Context, event: object, *, began: str | None = None) -> dict[str, JsonValue]:
        """Go on after a wait (``dag.test()`` drops what a deferral carries; the time then counts from now)."""
        with failing_for_good():
            if isinstance(event, Mapping) and event.get("outcome") == "refused":
                raise AwsError("DescribeSourceServers", "Refused", str(event["detail"]))
            return self._leg(context, parse_instant(began) if began else clock.now())

    def look(self, context: Context) -> "FailbackLook":
        """Look once, and call what is due."""
        raise NotImplementedError

    def ensure_allowed(self, context: Context) -> None:
        """Refuse what may not be done at all, before anything is looked at; for subclasses. This one allows it."""

    def _leg(self, context: Context, began: datetime) -> dict[str, JsonValue]:
        deadline = began + self.max_wait
        with asking_later(self, self.look_again, until=deadline, kwargs={"began": began.isoformat()}):
            self.prepare(context)
            self.ensure_allowed(context)
            found = self.look(context)
            for _ in range(MOST_LOOKS):
                if not found.of_kind("call"):
                    break
                found = self.look(context)
        leave(context["ti"], found.progress)
        if found.is_over:
            return self._conclude(context, found)
        pending = {**found.waiting, **found.people}
        for server_id, why in pending.items():
            self.log.info("%s: %s", found.read.name_of(server_id), why)
        if clock.now() >= deadline:
            raise RunRefused(
                f"waited {duration(self.max_wait)}, {self._named(found, pending)}. Clear this task to go on"
            )
        return self._wait(context, found, began=began, deadline=deadline)

    def _wait(self, context: Context, found: "FailbackLook", *, began: datetime, deadline: datetime) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        kwargs: dict[str, JsonValue] = {"began": began.isoformat()}
        if self.goal is not None and found.is_followed:
            follow(
                self,
                self.server_ids,
                aws=self.aws,
                origin=self.origin,
                goal=self.goal,
                deadline=deadline,
                resume=self.look_again.__name__,
                kwargs=kwargs,
                context=context,
            )
        trigger = DateTimeTrigger(moment=clock.now() + LOOK_AGAIN_AFTER)
        self.defer(trigger=trigger, method_name=self.look_again.__name__, kwargs=kwargs)

    def _conclude(self, context: Context, found: "FailbackLook") -> dict[str, JsonValue]:
        from drs_provider.rules.run.handover import FailbackOutcome

        if found.refused:
            left = {**found.refused, **found.waiting, **found.people}
            leave(
                context["ti"],
                FailbackOutcome(
                    is_complete=False, done=found.done, left=left, removed=found.removed, job_ids=found.job_ids
                ),
            )
            raise RunRefused(f"{self._named(found, found.refused)}. {len(found.done)} others are done")
        for server_id, words in found.done.items():
            self.log.info("%s: %s", found.read.name_of(server_id), words)
        outcome = FailbackOutcome(done=found.done, removed=found.removed, job_ids=found.job_ids)
        return sealed(context["ti"], outcome)

    def _named(self, found: "FailbackLook", why: Mapping[str, str]) -> str:
        lines = [f"{found.read.name_of(server_id)}: {words}" for server_id, words in why.items()]
        return f"{len(why)} of {len(found.steps)} servers are not there: {some(lines, MANY, '; ')}"


class DrsReverseReplicationOperator(DrsFailbackOperator):
    """Reverse the replication of recovered instances, and follow the copy until every server can be launched back.

    With ``reprotect`` it reverses failed-back instances instead, and follows until the original direction protects
    them again, confirmed by two looks. What is reversed already, by a run or by hand, is adopted; instances that DRS
    has not seen the agent of are waited for; replication errors are told with what to do.

    Servers from data centres cannot be reversed by a call: the log says which failback client to boot, and it waits.

    :param reprotect: protect failed-back instances again, instead of replicating recovered ones back
    """

    def __init__(self, *, source_server_ids: Sequence[str] | str, reprotect: bool = False, **kwargs: Any) -> None:
        super().__init__(source_server_ids=source_server_ids, **kwargs)
        self.reprotect = reprotect
        self.goal = "reprotected" if reprotect else "ready"

    def look(self, context: Context) -> "FailbackLook":
        """Reverse what is due."""
        from drs_provider.services.failback.reverse import Reversal

        store = task_memory(context)
        if self.reprotect:
            return Reversal(self.reader(), store, goal="reprotected", now=clock.now).look(self.server_ids)
        return Reversal(self.reader(), store, goal="ready", now=clock.now).look(self.server_ids)


class DrsCleanUpFailbackOperator(DrsFailbackOperator):
    """Remove what a failback has left, in the order in which nothing is lost. **Recovered instances are terminated.**.

    For each server: StopReplication of its FAILBACK server, TerminateRecoveryInstances of the recovered instance (its
    termination protection in EC2 is switched off right before), DeleteRecoveryInstance of records, and
    DisconnectSourceServer and DeleteSourceServer of the FAILBACK server. EC2 instances of the origin are not touched.

    Refused unless the answer of ``approval_task_id`` is recorded in this run, given by somebody else than who triggered
    it. Nothing is called for a server unless two looks, 20 s apart, show it protected again, by the same server, for
    the same running instance. What is gone already is passed over.

    :param source_server_ids: as everywhere, but written into the DAG, or a template of ``params`` or ``dag_run``: the
        answer says only yes, and what other tasks return can be edited after it
    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; unset: anybody's but the one's who triggered the run
    :param steps: the only steps that are done, of ``stop_replication``, ``terminate_recovered``, ``delete_records``,
        ``disconnect_servers``, ``delete_servers``; with ``disconnect_recovered`` in place of ``terminate_recovered``
        the recovered instance goes on in EC2, unknown to DRS; unset: the first five
    """

    ui_color = "#e6b8af"
    ui_fgcolor = "#3d1410"
    steps: Collection[str] | None = None

    def __init__(
        self,
        *,
        source_server_ids: Sequence[str] | str,
        approval_task_id: str,
        approvers: Sequence[str] = (),
        steps: Collection[str] | None = None,
        max_wait: timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(source_server_ids=source_server_ids, max_wait=max_wait, **kwargs)
        ensure_fixed(source_server_ids=source_server_ids)
        self.approval_task_id = approval_task_id
        self.approvers = tuple(approvers)
        self.steps = tuple(steps) if steps is not None else type(self).steps

    def ensure_allowed(self, context: Context) -> None:
        """Refuse it where nobody has agreed."""
        ensure_agreed(context, self.approval_task_id, self.approvers)

    def look(self, context: Context) -> "FailbackLook":
        """Remove what is due."""
        from drs_provider.rules.failback.removal import ALL_STEPS
        from drs_provider.services.failback.removal import Removal

        steps = ALL_STEPS if self.steps is None else self.steps
        return Removal(self.reader(), task_memory(context), steps=steps, now=clock.now).look(self.server_ids)


class DrsStopFailbackReplicationOperator(DrsCleanUpFailbackOperator):
    """Stop FAILBACK servers (StopReplication) whose way home is protected. **Their recovery points go.**."""

    steps = ("stop_replication",)


class DrsDisconnectRecoveryInstancesOperator(DrsCleanUpFailbackOperator):
    """Part with recovered instances after a failback: DisconnectRecoveryInstance and DeleteRecoveryInstance.

    They go on in EC2, unknown to DRS. Their FAILBACK servers have to be stopped before.
    """

    steps = ("disconnect_recovered", "delete_records")


class DrsDeleteRecoveryInstancesOperator(DrsCleanUpFailbackOperator):
    """Delete DRS's records of failed-back instances, and of instances that are no more; EC2 instances stay."""

    steps = ("delete_records",)


class DrsDeleteFailbackServersOperator(DrsCleanUpFailbackOperator):
    """Disconnect and delete FAILBACK servers that are stopped (DisconnectSourceServer, DeleteSourceServer)."""

    steps = ("disconnect_servers", "delete_servers")
