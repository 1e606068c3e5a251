"""The tasks that bring launch settings to what a run wants, and put back what a drill has changed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.left_alone import was_refused_at_first
from drs_provider.dag.passed_over import skip_where_passed_over
from drs_provider.dag.people.agreement import ensure_people_agreed
from drs_provider.dag.run_reader import (
    installation_of_run,
    is_cleared,
    preflight_result,
    purpose_of_run,
    skip_where_nothing_is_launched,
)
from drs_provider.dag.target_region import settle_region
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.job_tags import keys_of_run
from drs_provider.dag.waves.network import network_of
from drs_provider.dag.waves.preemption import ensure_not_taken_back
from drs_provider.exceptions import AccessDenied, HandoverUnreadable, PlanChanged, RunRefused
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.roster import Target
from drs_provider.services.signed import leave, pull

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.handover import PreflightServer
    from drs_provider.rules.settings.values import Settings
    from drs_provider.services.settings.survey import SettingsSurvey


def in_this_run(
    context: Context,
    settings: "Mapping[str, Settings]",
    servers: "Mapping[str, PreflightServer]",
    *,
    purpose: Purpose,
    network: int,
) -> "dict[str, Settings]":
    """Return settings as this run applies them: those of a drill with a network of its own put every server into it.

    :param settings: effective settings by server id
    :param servers: the servers as preflight left them, by id
    :param network: number of the account's and Region's drill network in the plan, from 1; 0: drills share production's
    :raises RunRefused: the network is not there, or is not proven
    """
    if not network or not purpose.uses_drill_network:
        return dict(settings)
    from drs_provider.rules.isolation.drill_placement import drill_settings

    prepared = network_of(context, network)

    def moved(server_id: str, values: "Settings") -> dict[str, Any]:
        server = servers[server_id]
        try:
            return drill_settings(values, server.placement, prepared.networks)
        except RunRefused as refusal:
            raise RunRefused(f"{server.hostname} ({server_id}): {refusal}") from refusal

    return {server_id: moved(server_id, values) for server_id, values in settings.items()}


class ApplyWaveSettings(LeavesTimes, DrsApplyLaunchSettingsOperator):
    """Apply the launch settings of one wave's servers in one account and Region, ahead of the wave.

    It runs beside the waves before, so that nothing waits for it. A recovery also puts back what a drill has left.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        wave: str,
        target: Target,
        policy: Policy | None,
        approval_task_ids: Sequence[str],
        network: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(settings={}, aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs)
        self.plan, self.digest, self.wave, self.target = plan, digest, wave, target
        self.policy, self.approval_task_ids = policy, tuple(approval_task_ids)
        self.network = network

    def prepare(self, context: Context) -> None:
        """Take mode and settings from preflight, on every leg of the task."""
        skip_where_passed_over(context)
        preflight = preflight_result(context, self.plan)
        if preflight.digest != self.digest:
            raise PlanChanged(self.plan, preflight.digest, self.digest)
        servers = {server.server_id: server for server in preflight.servers_of(self.wave, self.target)}
        if not servers:
            raise AirflowSkipException(f"wave {self.wave} launches nothing in {self.target} in this run")
        settle_region(self, context, self.target)
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        purpose = preflight.purpose
        self.installation, self.continue_run = preflight.installation, preflight.continue_run
        self.is_temporary = purpose.is_temporary
        wanted = {server_id: server.settings for server_id, server in servers.items()}
        self.settings = in_this_run(context, wanted, servers, purpose=purpose, network=self.network)

    def leave(self, context: Context, found: "SettingsSurvey") -> None:
        """Leave what is in force now: the wave's start holds it against EC2 right before it launches."""
        from drs_provider.services.settings.in_force import read_in_force

        try:
            in_force = read_in_force(self.hook, found, is_temporary=self.is_temporary is True)
        except AccessDenied as refusal:
            if self.is_temporary:
                raise
            self.log.warning("The settings in force are not checked again before the launch: %s", refusal)
            return
        leave(context["ti"], in_force)


def ensure_in_force(
    context: Context,
    task_id: str,
    hook: "LaunchSettingsHook",
    servers: Sequence[str],
    settings: "Mapping[str, Settings]",
    *,
    purpose: Purpose,
) -> None:
    """See that the settings that were applied for this launch still are what DRS will use; called right before it.

    In a drill anything else is refused: the launch could land in production. In a recovery they are applied again, for
    somebody's drill may have come in between; where the task that applies them was marked as successful, a person has
    decided to launch with what DRS has.
    """
    from drs_provider.rules.run.handover import SettingsInForce
    from drs_provider.services.settings.apply import apply_all
    from drs_provider.services.settings.in_force import changed_by_others, changed_since, not_applied

    applied = pull_newest(context, task_id, SettingsInForce)
    if applied is None:
        if purpose.refuses_changed_settings:
            raise not_applied(task_id)
        return
    changed = changed_since(hook, applied, servers)
    if not changed:
        return
    if purpose.refuses_changed_settings:
        ensure_not_taken_back(
            context, hook, [server_id for server_id in changed if applied.servers[server_id].is_remembered]
        )
        raise changed_by_others(task_id, changed)
    apply_all(hook, {server_id: settings.get(server_id) or {} for server_id in changed}, is_temporary=False)


class RestoreSettings(LeavesTimes, DrsRestoreLaunchSettingsOperator):
    """Put back what the drill changed in the launch settings of its servers in one account and Region."""

    template_fields: Sequence[str] = ()  # nothing to render: the servers come from preflight

    def __init__(self, *, target: Target, **kwargs: Any) -> None:
        super().__init__(
            source_server_ids=(), aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs
        )
        self.target = target

    def prepare(self, context: Context) -> None:
        """Find the servers of this run's drill."""
        skip_where_nothing_is_launched(context)
        if not purpose_of_run(context).is_temporary:
            raise AirflowSkipException("a recovery's launch settings stay: they are production's now")
        self.installation, self.own_runs = installation_of_run(context), keys_of_run(context)
        if was_refused_at_first(context):
            self.source_server_ids = ()
        else:
            settle_region(self, context, self.target)
            self.source_server_ids = self._changed(context)
        if not self.source_server_ids:
            raise AirflowSkipException(f"this run changed no launch settings in {self.target}")

    def _changed(self, context: Context) -> list[str]:
        """Give the servers that preflight let through, and those that it may have let through before it was cleared."""
        from drs_provider.rules.run.handover import PreflightResult
        from drs_provider.services.settings.survey import changed_by

        try:
            preflight = pull(context["ti"], PREFLIGHT_TASK, PreflightResult)
        except HandoverUnreadable as error:
            self.log.warning("What to put back is asked of the servers' own tags: %s", error)
            preflight = None
        if preflight is None or not preflight.passed:
            return changed_by(self.hook, self.own_runs)
        servers = [server.server_id for server in preflight.servers(self.target)]
        before = changed_by(self.hook, self.own_runs) if is_cleared(context) else []
        return list(dict.fromkeys([*servers, *before]))
