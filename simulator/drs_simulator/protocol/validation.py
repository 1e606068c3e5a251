"""Holds requests and answers against botocore's own model of DRS, strictly: moto does neither.

A checker is compiled once per shape. Known deviations of the real service from its model, each observed or documented,
are the only exceptions, and only in answers: `ISO8601DatetimeString` with ``+00:00``, the event ``LAUNCH_END``, the
plan status ``TIMED_OUT``, two durations typed as datetimes, and `EbsVolumeID`, whose greatest length of 19 contradicts
its own pattern of 21 characters.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

OBSERVED_VALUES: Mapping[str, frozenset[str]] = {
    "JobLogEvent": frozenset({"LAUNCH_END"}),
    "RecoveryPlanExecutionStatus": frozenset({"TIMED_OUT"}),
}
"""Values that the real service sends although the model's enum lacks them."""

_OFFSET_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
_DURATION = re.compile(r"P(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?")
_DURATIONS_TYPED_AS_DATETIMES = frozenset(
    {("RecoveryInstanceDataReplicationInfo", "lagDuration"), ("RecoveryInstanceFailback", "elapsedReplicationDuration")}
)

CONTRADICTED_LENGTHS = frozenset({"EbsVolumeID"})

Checker = Callable[[object, str, list[tuple[str, str]]], None]
"""Appends (path, what is wrong) for every fault of a value."""


@cache
def drs_model() -> ServiceModel:
    """Return botocore's model of DRS."""
    return botocore.session.get_session().get_service_model("drs")


def request_faults(operation: str, request: object) -> list[tuple[str, str]]:
    """Return (member, what is wrong) for everything in a request that the model forbids."""
    shape = drs_model().operation_model(operation).input_shape
    return _faults(shape, request, lenient=False)


def answer_faults(operation: str, answer: object) -> list[tuple[str, str]]:
    """Return (member, what is wrong) for everything in an answer that the model forbids."""
    shape = drs_model().operation_model(operation).output_shape
    return _faults(shape, answer, lenient=True)


def _faults(shape: Shape | None, value: object, *, lenient: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if shape is None:
        return found if not value else [(".", "this operation has no members here")]
    _checker(shape.name, lenient)(value, "", found)
    return found


@cache
def _checker(shape_name: str, lenient: bool) -> Checker:  # noqa: PLR0911 - one line per kind of shape
    shape = drs_model().shape_for(shape_name)
    match shape:
        case StructureShape():
            return _structure(shape, lenient)
        case ListShape():
            return _list(shape, lenient)
        case MapShape():
            return _map(shape, lenient)
        case StringShape():
            return _string(shape, lenient)
    if shape.type_name in {"integer", "long"}:
        return _integer(shape)
    if shape.type_name == "boolean":
        return _boolean
    if shape.type_name == "timestamp":
        return _timestamp
    raise TypeError(f"shape {shape.name} is a {shape.type_name}: no checker is written for it")


def _structure(shape: StructureShape, lenient: bool) -> Checker:
    # Members are looked up lazily: shapes may contain themselves.
    members = {name: member.name for name, member in shape.members.items()}
    required = tuple(shape.required_members)
    as_duration = (
        {member for owner, member in _DURATIONS_TYPED_AS_DATETIMES if owner == shape.name} if lenient else set()
    )

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if not isinstance(value, dict):
            found.append((path or ".", f"must be an object, is {type(value).__name__}"))
            return
        found.extend((_join(path, name), "is required") for name in required if value.get(name) is None)
        if shape.is_tagged_union and len(value) != 1:
            found.append((path, f"must have exactly one of {', '.join(members)}"))
        for name, inner in value.items():
            if name not in members:
                found.append((_join(path, name), f"is no member of {shape.name}"))
            elif name in as_duration:
                if not _DURATION.fullmatch(str(inner)):
                    found.append((_join(path, name), f"{inner!r} is no ISO 8601 duration"))
            elif inner is not None:
                _checker(members[name], lenient)(inner, _join(path, name), found)

    return check


def _list(shape: ListShape, lenient: bool) -> Checker:
    size = _bounds(shape, "length")
    member = shape.member.name

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if not isinstance(value, list | tuple):
            found.append((path, f"must be a list, is {type(value).__name__}"))
            return
        size(len(value), path, found)
        inner = _checker(member, lenient)
        for position, item in enumerate(value):
            inner(item, f"{path}[{position}]", found)

    return check


def _map(shape: MapShape, lenient: bool) -> Checker:
    size = _bounds(shape, "length")

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if not isinstance(value, dict):
            found.append((path, f"must be an object, is {type(value).__name__}"))
            return
        size(len(value), path, found)
        of_key, of_value = _checker(shape.key.name, lenient), _checker(shape.value.name, lenient)
        for key, inner in value.items():
            of_key(key, f"{path} key", found)
            of_value(inner, f"{path}[{key}]", found)

    return check


def _string(shape: StringShape, lenient: bool) -> Checker:
    size = _bounds(shape, "length") if not (lenient and shape.name in CONTRADICTED_LENGTHS) else _anything
    allowed = frozenset(shape.enum or ())
    if lenient:
        allowed |= OBSERVED_VALUES.get(shape.name, frozenset()) if allowed else frozenset()
    pattern = re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    offset_is_fine = lenient and shape.name == "ISO8601DatetimeString"

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if not isinstance(value, str):
            found.append((path, f"must be a string, is {type(value).__name__}"))
            return
        size(len(value), path, found)
        if allowed and value not in allowed:
            found.append((path, f"{value!r} is none of {', '.join(sorted(allowed))}"))
        if pattern and not pattern.fullmatch(value) and not (offset_is_fine and _OFFSET_TIMESTAMP.fullmatch(value)):
            found.append((path, f"{value!r} does not match {pattern.pattern}"))

    return check


def _integer(shape: Shape) -> Checker:
    bounds = _bounds(shape, "value")
    bits = 64 if shape.type_name == "long" else 32

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            found.append((path, f"must be a whole number, is {type(value).__name__}"))
        elif not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            found.append((path, f"must fit into {bits} bits"))
        else:
            bounds(value, path, found)

    return check


def _boolean(value: object, path: str, found: list[tuple[str, str]]) -> None:
    if not isinstance(value, bool):
        found.append((path, f"must be true or false, is {type(value).__name__}"))


def _timestamp(value: object, path: str, found: list[tuple[str, str]]) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        found.append((path, f"{value!r} is no ISO 8601 timestamp"))


def _anything(value: object, path: str, found: list[tuple[str, str]]) -> None:
    pass


def _bounds(shape: Shape, what: str) -> Checker:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: object, path: str, found: list[tuple[str, str]]) -> None:
        if least is not None and value < least:
            found.append((path, f"has {what} {value}, the least is {least}"))
        if most is not None and value > most:
            found.append((path, f"has {what} {value}, the most is {most}"))

    return check


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
