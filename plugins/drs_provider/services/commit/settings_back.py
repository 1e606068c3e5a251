"""Putting launch settings back to what they were before a recovery applied its own; what others changed since stays."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.run.handover import SettingsChange, TemplateInForce
from drs_provider.rules.settings.launch_template import TEMPLATE_FIELDS
from drs_provider.rules.settings.values import CONFIGURATION_FIELDS, Change, configuration_update, live_settings

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook, TemplateVersion

_MOST_VERSIONS: Final = 20
"""Versions of one launch template that a run makes one on top of the other at most."""

_MADE_ON: Final = re.compile(r"on version (\d+): ")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppliedSettings:
    """What a recovery applied, as its tasks signed it: by source server, what it changed, and its template then."""

    changes: Mapping[str, Sequence[SettingsChange]] = field(default_factory=dict)
    in_force: Mapping[str, TemplateInForce] = field(default_factory=dict)


@dataclass(frozen=True)
class SettingsBack:
    """By source server, the settings that are as before now, and why others are not."""

    done: Mapping[str, tuple[str, ...]]
    left: Mapping[str, str]


def put_settings_back(
    hook: "LaunchSettingsHook", servers: Iterable[str], applied: AppliedSettings, *, known: bool
) -> SettingsBack:
    """Put back what a recovery changed at these servers; may be done any number of times.

    :param known: whether the run has seen all of its own launches; another Airflow's record is not here
    """
    done: dict[str, tuple[str, ...]] = {}
    left: dict[str, str] = {}
    for server in servers:
        changes = tuple(applied.changes.get(server, ()))
        if not changes:
            if not known and server not in applied.changes:
                left[server] = "what they were before is in the record of another Airflow: they stay as applied"
            continue
        try:
            back, why = _server_back(hook, server, changes, applied.in_force.get(server))
        except DrsProviderError as error:
            if error.retryable:
                raise
            back, why = (), str(error)
        if back:
            done[server] = back
            log.info("%s: put back %s", server, ", ".join(back))
        if why:
            left[server] = why
            log.warning("%s: launch settings stay as applied: %s", server, why)
    return SettingsBack(done, left)


def _server_back(
    hook: "LaunchSettingsHook", server: str, changes: Sequence[SettingsChange], template: TemplateInForce | None
) -> tuple[tuple[str, ...], str]:
    """Return what is as before now, and why the rest is not."""
    done: list[str] = []
    why: list[str] = []
    of_drs = [change for change in changes if change.field in CONFIGURATION_FIELDS]
    if template is not None and template.is_remembered and of_drs:
        why.append(f"{_names(of_drs)} had been a drill's")
    elif of_drs:
        live = live_settings(hook.launch_configuration(server), {})
        ours = [change for change in of_drs if live[change.field] == change.now and change.was is not None]
        back = tuple(Change(change.field, change.now, change.was) for change in ours if change.was != change.now)
        if update := configuration_update(back):
            hook.update_configuration(server, update)
        done += [change.field for change in of_drs if change in ours or live[change.field] == change.was]
        others = [change for change in of_drs if change.field not in done]
        why += [f"{_names(others)} changed since"] if others else []
    of_template = [change for change in changes if change.field in TEMPLATE_FIELDS]
    if of_template:
        problem = _template_back(hook, template)
        if problem:
            why.append(f"{_names(of_template)}: {problem}")
        else:
            done += [change.field for change in of_template]
    elsewhere = [change for change in changes if change not in (*of_drs, *of_template)]
    why += [f"{_names(elsewhere)} stay"] if elsewhere else []
    return tuple(done), "; ".join(why)


def _template_back(hook: "LaunchSettingsHook", template: TemplateInForce | None) -> str:
    """Make the version the default again that the recovery built its own on; empty: it is."""
    if template is None:
        return "which version of the launch template was the run's is not known"
    found = hook.template_version(template.template_id)
    if found is None:
        return f"launch template {template.template_id} is gone"
    base = _base_of(hook, template)
    if base is None:
        return f"the version before version {template.version} of {template.template_id} is gone or not known"
    if found.number == base.number:
        return ""
    if not _is_on(hook, found, template.version):
        return f"version {found.number} of {template.template_id} is the default now, which this run did not make"
    hook.make_default(template.template_id, base.number)
    return ""


def _base_of(hook: "LaunchSettingsHook", template: TemplateInForce) -> "TemplateVersion | None":
    made = hook.template_version(template.template_id, template.version)
    number = _made_on(made)
    return hook.template_version(template.template_id, number) if number else None


def _is_on(hook: "LaunchSettingsHook", found: "TemplateVersion", version: int) -> bool:
    """Tell whether a version is the given one, or was made here on top of it."""
    looked: TemplateVersion | None = found
    for _ in range(_MOST_VERSIONS):
        if looked is None:
            return False
        if looked.number == version:
            return True
        number = _made_on(looked)
        looked = hook.template_version(found.template_id, number) if number and number < looked.number else None
    return False


def _made_on(version: "TemplateVersion | None") -> int | None:
    from drs_provider.hooks.launch_settings import OF_DRILLS, OURS

    text = version.description if version else ""
    if not text.startswith(OURS) or text.startswith(OF_DRILLS):
        return None
    match = _MADE_ON.match(text.removeprefix(OURS))
    return int(match[1]) if match else None


def _names(changes: Iterable[SettingsChange]) -> str:
    return ", ".join(change.field for change in changes)
