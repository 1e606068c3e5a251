"""The door for template values: what rendered to the wrong type is refused before any AWS call."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drs_provider.exceptions import HandoverUnreadable, RunRefused

if TYPE_CHECKING:
    from drs_provider.rules.launch.results import LaunchMember
    from drs_provider.rules.run.handover import Launch

_NATIVE = "give the DAG render_template_as_native_obj=True, or pass the value without a template"


def rendered_bool(name: str, value: object) -> bool:
    """Return a real bool; refuse a template that rendered to text, for ``bool("False")`` is True."""
    if not isinstance(value, bool):
        raise RunRefused(f"{name} must be True or False, but is {value!r}; nothing was called: {_NATIVE}")
    return value


def rendered_ids(name: str, value: object) -> tuple[str, ...]:
    """Return ids without repetition, in their order; refuse text, which would be taken apart letter by letter."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise RunRefused(f"{name} must be a list of ids, but is {value!r}; nothing was called: {_NATIVE}")
    return tuple(dict.fromkeys(value))


def rendered_mapping(name: str, value: object) -> dict[str, Any]:
    """Return a mapping with text for keys; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RunRefused(f"{name} must be a mapping, but is {value!r}; nothing was called: {_NATIVE}")
    return dict(value)


def rendered_launches(name: str, value: object) -> "tuple[Launch, ...]":
    """Read what one or several start operators returned, or a bare list of their jobs.

    A list may hold launches of several accounts and Regions: each keeps its own connection.
    """
    from drs_provider.rules.run.handover import Launch

    given = [value] if isinstance(value, Mapping) and "jobs" in value else value
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise _not_a_launch(name, value)
    are_launches = all(isinstance(item, Mapping) and "jobs" in item for item in given)
    try:
        launches = [Launch.from_json(launch) for launch in (given if are_launches else [{"jobs": given}])]
    except HandoverUnreadable as error:
        raise _not_a_launch(name, value) from error
    if not any(launch.jobs for launch in launches):
        raise RunRefused(f"{name} is empty: nothing was started, so there is nothing to wait for")
    return tuple(launch for launch in launches if launch.jobs)


def rendered_members(name: str, value: object) -> "dict[str, LaunchMember]":
    """Read servers by id from a list of ``{"server_id", "hostname", "critical"}``; None is an empty one."""
    from drs_provider.rules.launch.results import LaunchMember

    if value is None:
        return {}
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(map(_is_member, value)):
        raise RunRefused(
            f"{name} must be a list of servers with their server_id, but is {value!r}; nothing was called: {_NATIVE}"
        )
    return {
        server["server_id"]: LaunchMember(
            server["server_id"], str(server.get("hostname") or ""), critical=server.get("critical", True) is not False
        )
        for server in value
    }


def _not_a_launch(name: str, value: object) -> RunRefused:
    return RunRefused(
        f"{name} must be what DrsStartRecoveryOperator returned, but is {value!r}; nothing was called: {_NATIVE}"
    )


def _is_member(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("server_id"), str)
