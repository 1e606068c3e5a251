"""The tasks that bring launch settings to what a run wants, and put back what a drill has changed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.people.agreement import ensure_people_agreed
from drs_provider.dag.run_reader import preflight_result
from drs_provider.dag.waves.network import network_of
from drs_provider.dag.waves.preemption import ensure_not_taken_back
from drs_provider.exceptions import AccessDenied, PlanChanged, RunRefused
from drs_provider.operators.launch_settings import DrsApplyLaunchSettingsOperator, DrsRestoreLaunchSettingsOperator
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.keys import IN_FORCE, PREFLIGHT
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.request import is_drill
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.services.settings_survey import ServerSettings, SettingsSurvey


def in_this_run(
    context: Context,
    settings: Mapping[str, Mapping[str, Any]],
    servers: Mapping[str, Mapping[str, Any]],
    *,
    mode: str,
    network: int,
) -> dict[str, dict[str, Any]]:
    """Return settings as this run applies them: those of a drill with a network of its own put every server into it.

    :param settings: effective settings by server id
    :param servers: the servers as preflight left them, by id
    :param network: number of the account's and Region's drill network in the plan, from 1; 0: drills share production's
    :raises RunRefused: the network is not there, or is not proven
    """
    wanted = {one: dict(values) for one, values in settings.items()}
    if not network or not is_drill(mode):
        return wanted
    prepared = network_of(context, network)
    return {
        one: {**values, **_in_network(values, servers[one]["placement"], prepared)} for one, values in wanted.items()
    }


def _in_network(wanted: Mapping[str, Any], placement: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """Put a server into the drill network; a fallback's subnet that the network has no copy of stays the first one."""
    from drs_provider.rules.isolation.network_mapping import in_drill_network, part_of

    here = part_of(placement, network)
    asked = wanted.get("subnet_id")
    place = {**placement, "subnet_id": asked} if asked in here["subnets"] else placement
    address = wanted.get("private_ip") or placement.get("private_ip")
    return in_drill_network(place, {**wanted, "private_ip": address}, network)


class ApplyWaveSettings(DrsApplyLaunchSettingsOperator):
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
        preflight = preflight_result(context, self.plan)
        if preflight["digest"] != self.digest:
            raise PlanChanged(self.plan, preflight["digest"], self.digest)
        servers = servers_of(preflight, self.wave, self.target)
        if not servers:
            raise AirflowSkipException(f"wave {self.wave} launches nothing in {self.target} in this run")
        ensure_people_agreed(context, preflight, self.policy, self.approval_task_ids)
        self.is_temporary = is_drill(preflight["mode"])
        wanted = {server_id: one.get("settings") or {} for server_id, one in servers.items()}
        self.settings = in_this_run(context, wanted, servers, mode=preflight["mode"], network=self.network)

    def leave(self, context: Context, found: "SettingsSurvey") -> None:
        """Leave what is in force now: the wave's start holds it against EC2 right before it launches."""
        try:
            in_force = self._in_force(found)
        except AccessDenied as refusal:
            if self.is_temporary:
                raise
            self.log.warning("What is in force is not looked at again before the launch: %s", refusal)
            return
        context["ti"].xcom_push(key=IN_FORCE, value=in_force)

    def _in_force(self, found: "SettingsSurvey") -> dict[str, list[Any]]:
        read = {one.server_id: one.candidate.configuration for one in found.servers}
        unread = [one.server_id for one in found.servers if one.candidate.source and not read[one.server_id]]
        configurations = {**read, **self.hook.launch_configurations(unread)}
        templates = {one: name for one, its in configurations.items() if (name := its.get("ec2LaunchTemplateID"))}
        versions = self.hook.template_versions((name, None) for name in templates.values())
        remembered = {one.server_id for one in found.servers if self.is_temporary is True and _remembers(one)}
        return {
            one: [version.template_id, version.number, one in remembered]
            for one, name in templates.items()
            if (version := versions[name, None])
        }


def _remembers(standing: "ServerSettings") -> bool:
    """Tell whether a drill has left its memory at a server once its settings are as this drill wants them."""
    return bool(standing.before or standing.changes)


def ensure_in_force(
    context: Context,
    task_id: str,
    hook: "LaunchSettingsHook",
    servers: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    mode: str,
) -> None:
    """See that the settings that were applied for this launch still are what DRS will use; called right before it.

    In a drill anything else is refused: the launch could land in production. In a recovery they are applied again, for
    somebody's drill may have come in between; where the task that applies them was marked as successful, a person has
    decided to launch with what DRS has.
    """
    applied: Mapping[str, Sequence[Any]] | None = context["ti"].xcom_pull(task_ids=task_id, key=IN_FORCE)
    if applied is None:
        if not is_drill(mode):
            return
        raise RunRefused(
            f"nothing says that the drill's launch settings are in force, so it could land in production: {task_id} "
            "left no record (a task that is marked as successful applies nothing). Clear it with everything downstream"
        )
    here = {one: applied[one] for one in servers if one in applied}
    now = hook.default_versions([str(template) for template, *_ in here.values()])
    changed = [one for one, (template, version, *_) in here.items() if now.get(template) != version]
    if not changed:
        return
    if is_drill(mode):
        ensure_not_taken_back(context, hook, [one for one in changed if here[one][2]])
        raise RunRefused(
            f"the launch templates of {len(changed)} servers were changed after the drill's settings were applied, so "
            f"it could land in production: {', '.join(changed)}. Nothing of this job was started; clear {task_id} with "
            "everything downstream to apply them again"
        )
    from drs_provider.services.settings_apply import apply_all

    apply_all(hook, {one: settings.get(one) or {} for one in changed}, is_temporary=False)


class RestoreSettings(DrsRestoreLaunchSettingsOperator):
    """Put back what the drill changed in the launch settings of its servers in one account and Region."""

    template_fields: Sequence[str] = ()  # nothing to render: the servers come from preflight

    def __init__(self, *, target: Target, **kwargs: Any) -> None:
        super().__init__(
            source_server_ids=(), aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs
        )
        self.target = target

    def prepare(self, context: Context) -> None:
        """Find the servers of this run's drill."""
        if not is_drill(context["params"]["mode"]):
            raise AirflowSkipException("a recovery's launch settings stay: they are production's now")
        preflight: Any = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
        waves = preflight["waves"] if preflight and preflight["passed"] else ()
        self.source_server_ids = [one for wave in waves for one in servers_of(preflight, wave, self.target)]
        if not self.source_server_ids:
            raise AirflowSkipException(f"this run changed no launch settings in {self.target}")


def servers_of(preflight: Mapping[str, Any], wave: str, target: Target) -> dict[str, Mapping[str, Any]]:
    """Return by id the servers that preflight found for a wave in one account and Region; none if it is not chosen."""
    found = preflight["waves"][wave]
    return {
        server["server_id"]: server
        for part in found["targets"]
        if found["selected"] and (part["aws_conn_id"], part["region"]) == (target.aws_conn_id, target.region)
        for server in part["servers"]
    }
