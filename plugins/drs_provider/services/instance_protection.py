"""Protecting recovered instances from termination, and holding all of them against their settings."""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from drs_provider.exceptions import AwsError
from drs_provider.rules.servers import is_live, is_protected
from drs_provider.rules.settings.checks import misplacement
from drs_provider.rules.settings.values import is_to_be_protected, shown

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

_GONE = frozenset({"terminated", "shutting-down"})

log = logging.getLogger(__name__)


def look_after(
    hook: "LaunchSettingsHook", wanted: Mapping[str, Mapping[str, Any]], job_ids: Collection[str] | None
) -> tuple[dict[str, dict[str, Any]], dict[str, AwsError]]:
    """Switch termination protection on for what is no drill's, and compare every instance with its settings.

    Return by server id ``{"instance_id", "is_drill", "protected", "differences": [{"field", "wanted", "found"}]}``
    (``instance_id`` None: it has no live instance), and by instance id what AWS refused.

    :param wanted: effective settings by source server id
    :param job_ids: only instances that these jobs launched; None: the servers' live instances
    """
    instances = {
        str(one["sourceServerID"]): one
        for one in hook.recovery_instances(source_server_ids=tuple(wanted))
        if is_live(one) and (job_ids is None or one["jobID"] in job_ids)
    }
    seen = hook.ec2_instances([str(one["ec2InstanceID"]) for one in instances.values()])
    chosen = [
        str(one["ec2InstanceID"])
        for server, one in instances.items()
        if is_protected(one) and is_to_be_protected(wanted[server]) and _is_there(seen, one)
    ]
    refused = hook.protect(chosen)
    result = {
        server: _outcome(server, values, instances.get(server), seen, refused) for server, values in wanted.items()
    }
    return result, {name: error for name, error in refused.items() if error is not None}


def _outcome(
    server: str,
    wanted: Mapping[str, Any],
    instance: Mapping[str, Any] | None,
    seen: Mapping[str, Mapping[str, Any]],
    refused: Mapping[str, Any],
) -> dict[str, Any]:
    if instance is None or not _is_there(seen, instance):
        log.warning("%s has no live recovery instance", server)
        return {"instance_id": None, "is_drill": None, "protected": False, "differences": []}
    name = str(instance["ec2InstanceID"])
    differences = misplacement(wanted, seen[name])
    for one in differences:
        log.warning("%s (%s): %s is %s, asked for was %s", server, name, one.field, shown(one.now), shown(one.wanted))
    return {
        "instance_id": name,
        "is_drill": instance.get("isDrill") is True,
        "protected": name in refused and refused[name] is None,
        "differences": [{"field": one.field, "wanted": one.wanted, "found": one.now} for one in differences],
    }


def _is_there(seen: Mapping[str, Mapping[str, Any]], instance: Mapping[str, Any]) -> bool:
    described = seen.get(str(instance["ec2InstanceID"]))
    return described is not None and (described.get("State") or {}).get("Name") not in _GONE
