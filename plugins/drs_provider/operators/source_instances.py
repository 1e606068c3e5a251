"""Stopping and starting the EC2 instances that source servers replicate, behind an approval of its own."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Context

from drs_provider import clock
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some, timespan
from drs_provider.operators.agreement import ensure_agreed, ensure_fixed
from drs_provider.operators.base import AWS_FIELDS, DrsOperator, failing_for_good
from drs_provider.operators.template_values import rendered_mapping

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.rules.migration.source_instances import Change, NamedSource

LOOK_EVERY = timedelta(seconds=15)


class DrsSourceInstancesOperator(DrsOperator):
    """Base of the two: looks for the approval, at DRS and at EC2, then asks EC2 once, and waits for the end, deferred.

    All instances are looked at before the first is changed, and every reason against one of them changes none. What is
    stopped (or runs) already is passed over, so a retry after a lost answer goes on where it was.

    Returns ``{"done": [instance_id]}``.
    """

    change: ClassVar["Change"]
    ui_color = "#e6b8af"
    ui_fgcolor = "#3d1410"
    template_fields: Sequence[str] = (*AWS_FIELDS, "source_instances", "origin_aws_conn_id")
    template_fields_renderers = {"source_instances": "json"}  # noqa: RUF012  (Airflow's own form)

    def __init__(
        self,
        *,
        source_instances: dict[str, str] | str,
        approval_task_id: str,
        approvers: Sequence[str] = (),
        origin_aws_conn_id: str | None = None,
        within: timedelta = timedelta(minutes=20),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        ensure_fixed(source_instances=source_instances)
        self.source_instances = source_instances
        self.approval_task_id = approval_task_id
        self.approvers = tuple(approvers)
        self.origin_aws_conn_id = origin_aws_conn_id
        self.within = within

    @classmethod
    def names(cls, source_instances: dict[str, str]) -> str:
        """Return the Markdown for the approval's ``body``: every instance by name."""
        verb = "stopped" if cls.change == "stop" else "started"
        rows = "\n".join(f"- `{instance}`, the source of `{server}`" for server, instance in source_instances.items())
        return f"**These EC2 instances are {verb}:**\n\n{rows}"

    def execute(self, context: Context) -> dict[str, list[str]]:
        """Look, ask EC2 where something is to be done, and wait until nothing is."""
        from drs_provider.services.migration.source_instances import change_sources, sources_now

        with failing_for_good():
            self.prepare(context)
            given = rendered_mapping("source_instances", self.source_instances)
            ensure_agreed(context, self.approval_task_id, self.approvers)
            found = sources_now(self.hook, list(given))
            named = self._named(given, found)
            look = change_sources(self.change, named, found, _OriginHooks(self.origin_aws_conn_id or self.aws_conn_id))
            verb = "stop" if self.change == "stop" else "start"
            if look.asked:
                self.log.info("EC2 was asked to %s %s", verb, some(list(look.asked), MANY))
            if not look.left:
                return {"done": list(look.done)}
            began = context["ti"].start_date or clock.now()
            if clock.now() >= began + self.within:
                said = "".join(f"\n  - {name}: {why}" for name, why in list(look.no_capacity.items())[:MANY])
                raise RunRefused(
                    f"{some(list(look.left), MANY)} did not {verb} within {timespan(self.within)}: look at the "
                    f"instances in EC2, then clear this task{said}"
                )
        return self._look_later()

    def _look_later(self) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=clock.now() + LOOK_EVERY), method_name=self.look_again.__name__)

    def look_again(self, context: Context, event: object = None) -> dict[str, list[str]]:
        """Go on after a wait: everything is looked at again."""
        return self.execute(context)

    @staticmethod
    def _named(given: dict[str, str], found: "dict[str, NamedSource | None]") -> "list[NamedSource]":
        wrong = [
            f"{server}: DRS does not name {instance} as its source"
            for server, instance in given.items()
            if (source := found.get(server)) is None or source.instance_id != instance
        ]
        if wrong:
            lines = "\n".join(f"  - {why}" for why in wrong)
            count = f"{len(wrong)} reason{'s'[: len(wrong) != 1]}"
            raise RunRefused(f"refused, {count}; EC2 was not asked to change anything:\n{lines}")
        return [source for source in found.values() if source is not None]


class DrsStopSourceInstancesOperator(DrsSourceInstancesOperator):
    """Stop the EC2 instances that source servers replicate, as the end of a planned migration.

    Only instances that DRS itself names as the source of their server, in the origin account and Region that it names.
    Refused unless the answer of ``approval_task_id`` is recorded in this run, given by somebody else than who triggered
    it. Never in a scheduled run. DRS makes no recovery point of an instance that is stopped: let the writes stop, and
    wait for a recovery point, before.

    :param source_instances: EC2 instance id by source server id, as people agree to them: written into the DAG, or a
        template of ``params`` or ``dag_run``, for the answer says only yes
    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; unset: anybody's but the one's who triggered the run
    :param origin_aws_conn_id: connection for the account in which the sources run; unset: ``aws_conn_id`` (templated)
    :param within: how long the instances may take
    """

    change = "stop"


class DrsStartSourceInstancesOperator(DrsSourceInstancesOperator):
    """Start the EC2 instances that source servers replicate again, for example after a migration was given up.

    Guarded as :class:`DrsStopSourceInstancesOperator`: a source that runs beside its recovered instance is a second
    production.

    :param source_instances: EC2 instance id by source server id, as people agree to them: written into the DAG, or a
        template of ``params`` or ``dag_run``, for the answer says only yes
    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; unset: anybody's but the one's who triggered the run
    :param origin_aws_conn_id: connection for the account in which the sources run; unset: ``aws_conn_id`` (templated)
    :param within: how long the instances may take
    """

    change = "start"


class _OriginHooks:
    """Hooks for the Regions in which sources run, one for each."""

    def __init__(self, aws_conn_id: str | None) -> None:
        self.aws_conn_id = aws_conn_id
        self._hooks: dict[str, FailbackHook] = {}

    def __call__(self, source: "NamedSource") -> "FailbackHook":
        from drs_provider.hooks.failback import FailbackHook

        if source.region not in self._hooks:
            self._hooks[source.region] = FailbackHook(aws_conn_id=self.aws_conn_id, region_name=source.region)
        return self._hooks[source.region]
