"""Protecting recovered instances from termination, and holding all of them against their settings."""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from drs_provider.exceptions import AwsError
from drs_provider.rules.answers import Answer
from drs_provider.rules.isolation.moved_interfaces import allowed_subnets, astray
from drs_provider.rules.run.handover import Difference, InstanceCheck
from drs_provider.rules.servers import is_live, is_protected
from drs_provider.rules.settings.checks import misplacement
from drs_provider.rules.settings.values import Change, Settings, is_to_be_protected, shown

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

_GONE = frozenset({"terminated", "shutting-down"})

log = logging.getLogger(__name__)


def look_after(
    hook: "LaunchSettingsHook",
    wanted: Mapping[str, Settings],
    job_ids: Collection[str] | None,
    *,
    protected: Collection[str] = (),
) -> tuple[dict[str, InstanceCheck], dict[str, AwsError]]:
    """Switch termination protection on for what is no drill's, and compare every instance with its settings.

    Return by server id what its instance is like, and by instance id what AWS refused.

    :param wanted: effective settings by source server id
    :param job_ids: only instances that these jobs launched; None: the servers' live instances
    :param protected: instances that were protected a moment ago: EC2 takes one call for each, so not at every look
    """
    instances = {
        str(instance["sourceServerID"]): instance
        for instance in hook.recovery_instances(source_server_ids=tuple(wanted))
        if is_live(instance) and _name(instance) and (job_ids is None or instance.get("jobID") in job_ids)
    }
    seen = hook.ec2_instances([_name(instance) for instance in instances.values()])
    chosen = [
        _name(instance)
        for server, instance in instances.items()
        if is_protected(instance) and is_to_be_protected(wanted[server]) and _is_there(seen, instance)
    ]
    refused = {
        **{name: None for name in chosen if name in protected},
        **hook.protect([name for name in chosen if name not in protected]),
    }
    checks = {server: _check(server, values, instances.get(server), seen, refused) for server, values in wanted.items()}
    return checks, {name: error for name, error in refused.items() if error is not None}


def _check(
    server: str,
    wanted: Settings,
    instance: Answer | None,
    seen: Mapping[str, Answer],
    refused: Mapping[str, AwsError | None],
) -> InstanceCheck:
    if instance is None or not _is_there(seen, instance):
        log.warning("%s has no live recovery instance", server)
        return InstanceCheck()
    name = _name(instance)
    differences = misplacement(wanted, seen[name])
    if elsewhere := astray(wanted, seen[name]):
        differences = (*differences, Change("interfaces", list(elsewhere), allowed_subnets(wanted)))
    for change in differences:
        was, asked = shown(change.now), shown(change.wanted)
        log.warning("%s (%s): %s is %s, expected %s", server, name, change.field, was, asked)
    return InstanceCheck(
        instance_id=name,
        is_drill=instance.get("isDrill") is True,
        protected=name in refused and refused[name] is None,
        differences=tuple(
            Difference(field=change.field, wanted=change.wanted, found=change.now) for change in differences
        ),
    )


def _is_there(seen: Mapping[str, Answer], instance: Answer) -> bool:
    described = seen.get(_name(instance))
    return described is not None and (described.get("State") or {}).get("Name") not in _GONE


def _name(instance: Answer) -> str:
    """Return the EC2 id of a recovery instance; empty where DRS leaves it out (yet): nothing is protected then."""
    return str(instance.get("ec2InstanceID") or "")
