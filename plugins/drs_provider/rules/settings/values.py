"""Which launch settings a server shall have, and where they differ from what DRS and EC2 have now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final

from drs_provider.rules.purpose import Purpose
from drs_provider.rules.settings.interfaces import described
from drs_provider.rules.settings.launch_actions import wrong_actions
from drs_provider.rules.settings.launch_template import TEMPLATE_FIELDS, read_template

Settings = Mapping[str, Any]
"""Launch settings by the plan's names, in the plan's words (``right_sizing: in_aws``); None and absent: not set."""

CONFIGURATION_FIELDS: Final = (
    "right_sizing",
    "copy_private_ip",
    "copy_tags",
    "os_byol",
    "disposition",
    "recovery_mode",
    "post_launch",
)
"""What is kept in the DRS launch configuration; the rest is in the EC2 launch template (drs-api 2.7)."""

APPLIED_FIELDS: Final = (*CONFIGURATION_FIELDS, *TEMPLATE_FIELDS)
ELSEWHERE_FIELDS: Final = ("protect", "fallback", "actions")
"""Settings that are neither: what a launch does when capacity is missing, what follows it, and DRS launch actions,
which are resources of their own (``rules.settings.launch_actions``)."""

OVERRIDING_RIGHT_SIZING: Final = frozenset({"basic", "in_aws"})
"""Right-sizing by which DRS chooses the instance type, whatever the launch template says."""

_WORDS: Final = {
    "right_sizing": ("none", "basic", "in_aws"),
    "disposition": ("started", "stopped"),
    "recovery_mode": ("optimal", "fast"),
}
_MEMBERS: Final = {
    "right_sizing": "targetInstanceTypeRightSizingMethod",
    "copy_private_ip": "copyPrivateIp",
    "copy_tags": "copyTags",
    "disposition": "launchDisposition",
    "recovery_mode": "recoveryMode",
    "post_launch": "postLaunchEnabled",
}
_FLAGS: Final = ("copy_private_ip", "copy_tags", "os_byol", "protect", "post_launch")


@dataclass(frozen=True)
class Change:
    """One setting of one server that differs: ``now`` and ``wanted`` in the plan's words; None: there is none."""

    field: str
    now: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.field} {shown(self.now)} -> {shown(self.wanted)}"


def effective(
    group: Settings | None, member: Settings | None = None, drill: Settings | None = None, *, purpose: Purpose
) -> dict[str, Any]:
    """Return the settings of one server: the group's ``launch``, over it the member's, in a drill ``drill_launch``.

    A later layer replaces whole values, key by key; a key that is None or absent in it leaves the earlier one alone.
    """
    layers = (group, member, drill if purpose.uses_drill_settings else None)
    return {key: value for layer in layers for key, value in (layer or {}).items() if value is not None}


def is_to_be_protected(settings: Settings) -> bool:
    """Tell whether a recovered instance gets EC2 termination protection: yes, unless ``protect`` says no."""
    return settings.get("protect") is not False


def live_settings(configuration: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return what DRS and EC2 have now, in the plan's words; None: there is none.

    :param configuration: the answer of GetLaunchConfiguration
    :param template: ``LaunchTemplateData`` of the launch template's default version
    """
    flags = {"copy_private_ip", "copy_tags", "post_launch"}
    found: dict[str, Any] = {
        field: bool(configuration.get(name)) if field in flags else _word(configuration.get(name))
        for field, name in _MEMBERS.items()
    }
    # An agent too old for the fast mode leaves the member out: then there is only the other one.
    found["recovery_mode"] = found["recovery_mode"] or "optimal"
    found["os_byol"] = bool((configuration.get("licensing") or {}).get("osByol"))
    return {**{field: found[field] for field in CONFIGURATION_FIELDS}, **read_template(template)}


def compare(wanted: Settings, configuration: Mapping[str, Any], template: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return where a server differs from what is wanted; what is not set is never a change.

    Both sides are in a normal form: security groups have no order, an instance profile is its name.
    """
    live = live_settings(configuration, template)
    return tuple(
        Change(field, live[field], value)
        for field, value in normal(wanted).items()
        if field in live and value != live[field]
    )


def normal(settings: Settings) -> dict[str, Any]:
    """Return what is set of the applied settings, in a fixed order and in the form in which they are compared.

    Whoever declares launch actions wants them to run: ``post_launch`` is on then.
    """
    found: dict[str, Any] = {}
    for field in APPLIED_FIELDS:
        value = settings.get(field)
        if field == "post_launch" and settings.get("actions"):
            value = True
        if value is None:
            continue
        if field == "security_group_ids":
            value = sorted(set(value))
        elif field == "instance_profile":
            value = str(value).rpartition("/")[2]
        elif field == "interfaces":
            value = list(value)
        found[field] = value
    return found


def configuration_update(changes: tuple[Change, ...]) -> dict[str, Any]:
    """Return the arguments of UpdateLaunchConfiguration that make these changes; empty: none is DRS's."""
    wanted = {change.field: change.wanted for change in changes if change.field in CONFIGURATION_FIELDS}
    update: dict[str, Any] = {
        _MEMBERS[field]: value.upper() if isinstance(value, str) else value
        for field, value in wanted.items()
        if field in _MEMBERS
    }
    if "os_byol" in wanted:
        update["licensing"] = {"osByol": wanted["os_byol"]}
    return update


def wrong_values(settings: Settings) -> Iterator[str]:
    """Say everything that is wrong about settings by themselves, before anything is asked of AWS."""
    for field, value in settings.items():
        if field == "actions":
            yield from wrong_actions(value) if value is not None else ()
        elif field not in (*APPLIED_FIELDS, *ELSEWHERE_FIELDS):
            near = get_close_matches(field, (*APPLIED_FIELDS, *ELSEWHERE_FIELDS), n=1)
            yield f"{field} is no launch setting" + (f"; did you mean {near[0]}?" if near else "")
        elif value is not None and (wrong := _wrong_value(field, value)):
            yield wrong


def shown(value: Any) -> str:
    """Word a setting's value as the plan writes it."""
    if value is None:
        return "none set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, list | tuple):
        return str(value)
    words = (described(item) if isinstance(item, Mapping) else str(item) for item in value)
    return f"[{', '.join(words)}]"


def _wrong_value(field: str, value: Any) -> str | None:
    expected, accepts = _EXPECTED.get(field, _TEXT)
    if field in _WORDS:
        expected, accepts = "one of " + ", ".join(_WORDS[field]), lambda word: word in _WORDS[field]
    return None if field == "fallback" or accepts(value) else f"{field} must be {expected}, but is {value!r}"


def _word(value: Any) -> str | None:
    return str(value).lower() if value else None


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_groups(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(_is_text(group) for group in value)


def _are_interfaces(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(interface, Mapping) for interface in value)


def _is_address(value: Any) -> bool:
    try:
        IPv4Address(value if isinstance(value, str) else "")
    except AddressValueError:
        return False
    return True


_TEXT: Final = ("text", _is_text)
_EXPECTED: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    **dict.fromkeys(_FLAGS, ("True or False", _is_flag)),
    "security_group_ids": ("a list of ids, at least one", _are_groups),
    "private_ip": ("an IPv4 address such as 10.0.1.10", _is_address),
    "interfaces": ("a list of network interfaces in EC2's words", _are_interfaces),
}
