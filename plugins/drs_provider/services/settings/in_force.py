"""Whether the launch settings that were applied for a launch still are what DRS will use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drs_provider.exceptions import RunRefused
from drs_provider.rules.run.handover import SettingsInForce, TemplateInForce
from drs_provider.services.settings.survey import ServerSettings, SettingsSurvey

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook


def read_in_force(hook: "LaunchSettingsHook", found: SettingsSurvey, *, is_temporary: bool) -> SettingsInForce:
    """Read what is in force once settings were applied, for the launch to hold it against EC2.

    :param found: what there was before they were applied
    :param is_temporary: whether they are a drill's
    """
    read = {server.server_id: server.candidate.configuration for server in found.servers}
    unread = [server.server_id for server in found.servers if server.candidate.source and not read[server.server_id]]
    configurations = {**read, **hook.launch_configurations(unread)}
    templates = {
        server_id: str(name)
        for server_id, configuration in configurations.items()
        if (name := configuration.get("ec2LaunchTemplateID"))
    }
    versions = hook.template_versions((name, None) for name in templates.values())
    remembered = {server.server_id for server in found.servers if _remembers(server, is_temporary=is_temporary)}
    return SettingsInForce(
        servers={
            server_id: TemplateInForce(
                template_id=version.template_id, version=version.number, is_remembered=server_id in remembered
            )
            for server_id, name in templates.items()
            if (version := versions[name, None])
        }
    )


def changed_since(hook: "LaunchSettingsHook", in_force: SettingsInForce, server_ids: Sequence[str]) -> list[str]:
    """Return those of the servers whose launch template has another default version than when settings were applied."""
    here = {server_id: in_force.servers[server_id] for server_id in server_ids if server_id in in_force.servers}
    now = hook.default_versions([template.template_id for template in here.values()])
    return [server_id for server_id, template in here.items() if now.get(template.template_id) != template.version]


def not_applied(task_id: str) -> RunRefused:
    """Refuse a launch before which a drill's settings were not applied."""
    return RunRefused(
        f"nothing says that the drill's launch settings are in force, so it could land in production: {task_id} "
        "left no record (a task that is marked as successful applies nothing). Clear it with everything downstream"
    )


def changed_by_others(task_id: str, server_ids: Sequence[str]) -> RunRefused:
    """Refuse a launch before which somebody has changed a drill's settings."""
    return RunRefused(
        f"the launch templates of {len(server_ids)} servers were changed after the drill's settings were applied, so "
        f"it could land in production: {', '.join(server_ids)}. Nothing of this job was started; clear {task_id} with "
        "everything downstream to apply them again"
    )


def _remembers(server: ServerSettings, *, is_temporary: bool) -> bool:
    """Tell whether a drill's memory is at a server once its settings are as a drill wants them; else, whether it was.

    What a recovery finds of a drill goes back first: it is not what the recovery itself has changed.
    """
    return bool(server.before or (is_temporary and server.changes))
