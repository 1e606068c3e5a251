"""Where source servers would land: read from DRS's launch configurations and EC2's launch templates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from drs_provider.aws.hook import DrsHook
from drs_provider.aws.launch_settings import LaunchSettingsHook, side_by_side
from drs_provider.aws.refusals import translated
from drs_provider.errors import AwsError
from drs_provider.recovery.placement_checks import Placed
from drs_provider.recovery.readiness import is_live
from drs_provider.recovery.settings import live_settings
from drs_provider.recovery.settings_template import primary_interface


def settings_hook(hook: DrsHook) -> LaunchSettingsHook:
    """Return a hook of the same account and Region that reads launch settings; the same one if it is such a hook."""
    return hook if isinstance(hook, LaunchSettingsHook) else LaunchSettingsHook(**hook.arguments)


def placements(
    hook: LaunchSettingsHook,
    names: Mapping[str, str],
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    instances: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Placed]:
    """Return where each of these servers would land, by id.

    One GetLaunchConfiguration a server, side by side, and one page after the other of all default template versions.

    :param names: hostname by id of servers that DRS knows
    :param settings: what the plan sets, by server id: laid over what is there
    :param instances: the servers' recovery instances, as DRS describes them
    """
    configurations = hook.launch_configurations(tuple(names))
    templates = default_templates(hook, [str(one.get("ec2LaunchTemplateID") or "") for one in configurations.values()])
    wanted = settings or {}
    found = {}
    for server, name in names.items():
        configuration = configurations[server]
        data = templates.get(str(configuration.get("ec2LaunchTemplateID") or ""))
        has = live_settings(configuration, data or {})
        has |= {key: value for key, value in (wanted.get(server) or {}).items() if value is not None and key in has}
        found[server] = Placed(
            server,
            name,
            subnet_id=has["subnet_id"],
            security_group_ids=tuple(has["security_group_ids"] or ()),
            instance_type=has["instance_type"],
            right_sizing=has["right_sizing"],
            interface_id=(primary_interface(data or {}) or {}).get("NetworkInterfaceId"),
            has_template=data is not None,
        )
    return _with_freed(hook, found, instances)


def default_templates(hook: DrsHook, template_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the data of the default version of these launch templates, by id; what does not exist is absent."""
    wanted = {one for one in template_ids if one}
    if not wanted:
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    try:
        with translated("ec2:DescribeLaunchTemplateVersions"):
            for page in (
                hook.beside("ec2").get_paginator("describe_launch_template_versions").paginate(Versions=["$Default"])
            ):
                for one in page["LaunchTemplateVersions"]:
                    found[one["LaunchTemplateId"]] = one.get("LaunchTemplateData") or {}
    except AwsError:
        found = {}  # whoever may only ask about named templates is answered one by one
    reader = settings_hook(hook)
    left = sorted(wanted - found.keys())
    for name, version in zip(left, side_by_side(reader.template_version, left), strict=True):
        if version is not None:
            found[name] = version.data
    return {name: data for name, data in found.items() if name in wanted}


def _with_freed(
    hook: LaunchSettingsHook, placed: dict[str, Placed], instances: Sequence[Mapping[str, Any]]
) -> dict[str, Placed]:
    """Add the subnets of the servers' own instances: a launch terminates them first."""
    own = {
        str(one["ec2InstanceID"]): str(one["sourceServerID"])
        for one in instances
        if is_live(one) and one.get("ec2InstanceID") and one["sourceServerID"] in placed
    }
    if not own:
        return placed
    for name, instance in hook.ec2_instances(tuple(own)).items():
        placed[own[name]] = replace(placed[own[name]], frees=instance.get("SubnetId"))
    return placed
