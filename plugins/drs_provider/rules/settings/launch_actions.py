"""DRS launch actions: what a plan declares for a server, held against what DRS has, and the calls between them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from drs_provider.rules.answers import Answer

FIRST_ORDER: Final = 1000
FIRST_DRILL_ORDER: Final = 5000
_FIRST_SPARE_ORDER: Final = 9000
"""Where an action stands for a moment while two change places: DRS takes no order twice."""

MOST_PARAMETERS: Final = 20
TAG: Final = "drs-orchestrator:actions-before-drill"
"""Tag of a source server: which of the plan's own actions a drill has switched off (the beginnings of their ids)."""

_SHORT, _NONE = 8, "none"
_MOST_NAMES: Final = 12
_SHAPES: Final = {
    "code": (r"[A-Za-z0-9/:-]{1,1011}", "an SSM document: letters, digits, - / :"),
    "name": (r"[A-Za-z0-9][A-Za-z0-9 /_-]{0,255}", "letters, digits, blanks, / _ -, beginning with a letter or digit"),
}
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9]{1,1011}")
_PARAMETER_VALUE = re.compile(r"[A-Za-z0-9.-]{1,1011}")

Declared = Sequence[Answer]
"""``launch.actions`` of a plan: ``{"code", "name", "optional", "parameters"}`` in the order in which they run."""


@dataclass(frozen=True)
class Calls:
    """What brings a server's actions to what is wanted, in this order. Every one may be sent twice.

    ``remember``: ids to write to the tag before anything else, None: leave the tag. ``delete``: action ids. ``put``:
    requests of PutLaunchAction without ``resourceId``. ``forget``: take the tag off in the end. ``was`` and ``now``:
    names of the active actions that are the plan's.
    """

    remember: tuple[str, ...] | None = None
    delete: tuple[str, ...] = ()
    put: tuple[Answer, ...] = ()
    forget: bool = False
    was: tuple[str, ...] = ()
    now: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether everything is as wanted."""
        return self.remember is None and not (self.delete or self.put or self.forget)


def action_id(server_id: str, name: str, *, is_drill: bool = False) -> str:
    """Return the id of the action that is declared for a server under this name: always the same one."""
    kind = "drill" if is_drill else "launch"
    return str(uuid5(NAMESPACE_URL, f"drs-orchestrator:{kind}:{server_id}:{name}"))


def is_ours(server_id: str, live: Answer, *, is_drill: bool = False) -> bool:
    """Tell whether an item of ListLaunchActions was made here, whatever has become of it since."""
    return bool(live.get("actionId") == action_id(server_id, str(live.get("name")), is_drill=is_drill))


def calls(
    server_id: str,
    declared: Declared | None,
    live: Sequence[Answer],
    *,
    is_temporary: bool,
    remembered: tuple[str, ...] | None = None,
) -> Calls:
    """Return what has to be called for one server.

    Actions that were not made here are left alone, and keep their places. A drill's actions have ids of their own and
    stand beside those of a recovery, which are switched off meanwhile; the tag says which ones, so that they can be
    switched on again after a crash.

    :param declared: None: the plan says nothing of actions; what a drill has left is put back all the same
    :param live: items of ListLaunchActions
    :param is_temporary: whether they are a drill's
    :param remembered: what the tag says (:func:`read_tag`); None: there is no tag
    """
    drills = [action for action in live if is_ours(server_id, action, is_drill=True)]
    own = [action for action in live if is_ours(server_id, action)]
    taken = {int(action["order"]) for action in live if action not in drills and action not in own}
    was = _names(own, drills)
    if is_temporary and declared is not None:
        return _for_drill(server_id, declared, own, drills, taken, remembered, was)
    back = [
        {**_request(action), "active": True}
        for action in own
        if not action.get("active") and action["actionId"][:_SHORT] in (remembered or ())
    ]
    delete = tuple(action["actionId"] for action in drills)
    put: Sequence[Answer] = back
    now = _names([*(action for action in own if action.get("active")), *back], [])
    if declared is not None:
        target = _target(server_id, declared, taken, is_drill=False)
        ids = {action["actionId"] for action in target}
        delete += tuple(action["actionId"] for action in own if action["actionId"] not in ids)
        put, now = target, tuple(action["name"] for action in target)
    left = [action for action in live if action["actionId"] not in delete]
    return Calls(None, delete, in_sequence(put, left), remembered is not None, was, now)


def _for_drill(  # noqa: PLR0917  (what calls() has sorted)
    server_id: str,
    declared: Declared,
    own: Sequence[Answer],
    drills: Sequence[Answer],
    taken: set[int],
    remembered: tuple[str, ...] | None,
    was: tuple[str, ...],
) -> Calls:
    on = [action for action in own if action.get("active")]
    held = {int(action["order"]) for action in own}
    target = _target(server_id, declared, taken | held, is_drill=True)
    same = _target(server_id, declared, taken, is_drill=False)
    if not drills and remembered is None and [_request(action) for action in _by_order(own)] == same:
        return Calls(was=was, now=was)
    ids = {action["actionId"] for action in target}
    delete = tuple(action["actionId"] for action in drills if action["actionId"] not in ids)
    off = [{**_request(action), "active": False} for action in on]
    left = [action for action in drills if action["actionId"] in ids]
    known = tuple(remembered or ())
    remember = (*known, *(short for action in on if (short := action["actionId"][:_SHORT]) not in known))
    return Calls(
        remember if remembered is None or remember != known else None,
        delete,
        (*off, *in_sequence(target, left)),
        was=was,
        now=tuple(action["name"] for action in target),
    )


def in_sequence(wanted: Sequence[Answer], live: Sequence[Answer]) -> tuple[Answer, ...]:
    """Return the puts that are needed, so that no action ever asks for an order that another one still has."""
    there = {action["actionId"]: _request(action) for action in live}
    holders = {int(action["order"]): str(action["actionId"]) for action in live}
    spare = _FIRST_SPARE_ORDER
    puts: list[Answer] = []
    for action in wanted:
        if there.get(action["actionId"]) == action:
            continue
        holder = holders.get(action["order"])
        if holder is not None and holder != action["actionId"]:
            while spare in holders:
                spare += 1
            moved = {**there[holder], "order": spare}
            puts.append(moved)
            there[holder], holders[spare] = moved, holder
        holders = {order: name for order, name in holders.items() if name != action["actionId"]}
        holders[action["order"]] = action["actionId"]
        there[action["actionId"]] = dict(action)
        puts.append(action)
    return tuple(puts)


def wrong_actions(declared: Any) -> Iterator[str]:
    """Say everything that is wrong about declared actions by themselves."""
    if not isinstance(declared, list | tuple) or not all(isinstance(action, Mapping) for action in declared):
        yield f"actions must be a list of actions with code and name, but is {declared!r}"
        return
    names = [str(action.get("name")) for action in declared]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"actions: {name} is there {names.count(name)} times: a name is what DRS and a report call it by"
    for action in declared:
        for key, (shape, expected) in _SHAPES.items():
            if not re.fullmatch(shape, str(action.get(key) or "")):
                yield f"actions: {key} must be {expected}, but is {action.get(key)!r}"
        yield from _wrong_parameters(str(action.get("name")), action.get("parameters") or {})


def _wrong_parameters(name: str, parameters: Any) -> Iterator[str]:
    if not isinstance(parameters, Mapping):
        yield f"actions: parameters of {name} must be a mapping, but is {parameters!r}"
        return
    if len(parameters) > MOST_PARAMETERS:
        yield f"actions: {name} has {len(parameters)} parameters, and DRS takes {MOST_PARAMETERS}"
    for key, value in parameters.items():
        found = _parameter(value)
        if not _PARAMETER_NAME.fullmatch(str(key)):
            yield f"actions: {name}: a parameter's name has letters and digits only, not {key!r}"
        if found is None or not _PARAMETER_VALUE.fullmatch(found["value"]):
            yield (
                f"actions: {name}: {key} must be the name of an SSM parameter (letters, digits, . and -; DRS takes no "
                f"literal values), or {{dynamic: NAME}}, but is {value!r}{_instead(value)}"
            )


def _instead(value: Any) -> str:
    """Say what to do about the name of a parameter with a path, which SSM knows and DRS does not take."""
    path = str(value)
    name = path.strip("/").replace("/", ".").replace("_", "-")
    if not path.startswith("/") or not _PARAMETER_VALUE.fullmatch(name):
        return ""
    return f": keep the content of the SSM parameter {path} in one called {name} as well, and write {name} here"


def stored_parameters(declared: Declared) -> tuple[str, ...]:
    """Return the names of the SSM parameters that some actions refer to."""
    found = (_parameter(value) for action in declared for value in (action.get("parameters") or {}).values())
    return tuple(
        dict.fromkeys(parameter["value"] for parameter in found if parameter and parameter["type"] == "SSM_STORE")
    )


def read_tag(tags: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Read which actions a drill has switched off; None: no drill has changed any."""
    text = (tags or {}).get(TAG)
    return None if text is None else tuple(part for part in text.split() if part != _NONE)


def written(remembered: Sequence[str]) -> str:
    """Return the tag's value."""
    return " ".join(remembered) or _NONE


def read_runs(participating: Answer | None) -> tuple[dict[str, Any], ...]:
    """Return what became of a launched server's actions: ``{"name", "status", "optional", "reason"}`` each.

    :param participating: the server in a job's ``participatingServers``
    """
    runs: Iterable[Answer] = ((participating or {}).get("launchActionsStatus") or {}).get("runs") or ()
    found = []
    for run in runs:
        action = run.get("action") or {}
        found.append(
            {
                "name": str(action.get("name") or action.get("actionCode") or "unnamed"),
                "status": str(run.get("status") or "IN_PROGRESS"),
                "optional": action.get("optional") is not False,
                "reason": run.get("failureReason"),
            }
        )
    return tuple(found)


def action_notes(where: str, live: Mapping[str, Sequence[Answer]]) -> tuple[str, ...]:
    """Say which active launch actions servers have, one line for all servers that have the same ones.

    :param where: account and Region as the run's messages name them
    :param live: items of ListLaunchActions by hostname
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for hostname, items in live.items():
        shown = tuple(
            f"{action['name']} ({action['actionCode']}{', optional' if action.get('optional') else ''})"
            for action in _by_order(items)
            if action.get("active")
        )
        if shown:
            alike.setdefault(shown, []).append(hostname)
    return tuple(
        f"launch actions in {where} on {', '.join(names[:_MOST_NAMES])}"
        + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
        + f": {', '.join(shown)}"
        for shown, names in alike.items()
    )


def still_running(participating: Answer | None) -> tuple[str, ...]:
    """Return the names of a launched server's actions that have not ended."""
    return tuple(run["name"] for run in read_runs(participating) if run["status"] == "IN_PROGRESS")


def _target(server_id: str, declared: Declared, taken: set[int], *, is_drill: bool) -> list[dict[str, Any]]:
    order = (FIRST_DRILL_ORDER if is_drill else FIRST_ORDER) - 1
    found = []
    for action in declared:
        order += 1
        while order in taken:
            order += 1
        parameters = {key: _parameter(value) for key, value in (action.get("parameters") or {}).items()}
        found.append(
            {
                "actionId": action_id(server_id, action["name"], is_drill=is_drill),
                "actionCode": action["code"],
                "name": action["name"],
                "order": order,
                "optional": bool(action.get("optional", False)),
                "active": True,
                "actionVersion": "$DEFAULT",
                "category": "OTHER",
                "description": "Declared in a recovery plan",
                "parameters": {key: value for key, value in parameters.items() if value},
            }
        )
    return found


_MEMBERS: Final = (
    "actionId", "actionCode", "name", "order", "optional", "active", "actionVersion", "category", "description",
)  # fmt: skip


def _request(live: Answer) -> dict[str, Any]:
    """Return an item of ListLaunchActions as PutLaunchAction takes it."""
    return {**{key: live[key] for key in _MEMBERS if key in live}, "parameters": dict(live.get("parameters") or {})}


def _parameter(value: Any) -> dict[str, str] | None:
    if isinstance(value, str):
        return {"type": "SSM_STORE", "value": value}
    if isinstance(value, Mapping) and set(value) == {"dynamic"} and isinstance(value["dynamic"], str):
        return {"type": "DYNAMIC", "value": value["dynamic"]}
    return None


def _by_order(actions: Sequence[Answer]) -> list[Answer]:
    return sorted(actions, key=lambda action: int(action["order"]))


def _names(own: Sequence[Answer], drills: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(str(action["name"]) for action in _by_order([*own, *drills]) if action.get("active"))
