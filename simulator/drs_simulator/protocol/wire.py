"""DRS's REST protocol: from method and path to an operation with its request, and from an answer to bytes."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

from drs_simulator.errors import Invalid, Refusal, UnknownOperation
from drs_simulator.protocol.older_models import how_old
from drs_simulator.protocol.validation import drs_model


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@cache
def _routes() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    model = drs_model()
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(http["requestUri"]))
        routes.append((http["method"], re.compile(pattern), name))
    return tuple(routes)


@cache
def _plain_routes() -> dict[tuple[str, str], str]:
    model = drs_model()
    return {
        (model.operation_model(name).http["method"], model.operation_model(name).http["requestUri"]): name
        for name in model.operation_names
    }


def operation_of(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the operation that a method and path name, with the path's parameters. Raises UnknownOperation."""
    plain = _plain_routes().get((method, path))
    if plain is not None:
        return plain, {}
    for verb, pattern, name in _routes():
        found = pattern.fullmatch(path) if verb == method else None
        if found:
            return name, {key: unquote(value) for key, value in found.groupdict().items()}
    raise UnknownOperation(f"DRS has no operation {method} {path}{how_old()}")


def request_of(operation: str, path_parameters: dict[str, str], query: str, body: bytes) -> dict[str, object]:
    """Return the request's members from path, query and body. Raises Invalid where the body is no JSON object."""
    request: dict[str, Any] = {}
    if body.strip():
        try:
            request = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"the body is no JSON: {error}") from error
        if not isinstance(request, dict):
            raise Invalid(f"the body must be a JSON object, is a {type(request).__name__}")
    shape = drs_model().operation_model(operation).input_shape
    given = parse_qs(query, keep_blank_values=True)
    for name, member in (shape.members if shape is not None else {}).items():
        if member.serialization.get("location") == "querystring":
            values = given.get(member.serialization.get("name", name))
            if values is not None:
                request[name] = values if member.type_name == "list" else _typed(member.type_name, values[-1])
    return request | path_parameters


def _typed(kind: str, text: str) -> object:
    if kind in {"integer", "long"} and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def answer(operation: str, result: dict[str, Any]) -> Reply:
    """Return the reply of an operation that succeeded."""
    model = drs_model().operation_model(operation)
    body = b"" if model.output_shape is None else json.dumps(result, separators=(",", ":")).encode()
    return Reply(int(model.http.get("responseCode", 200)), body, {"Content-Type": "application/json"})


def refusal(error: Refusal) -> Reply:
    """Return the reply of an operation that was refused."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return Reply(error.status, json.dumps(error.body()).encode(), headers)


_CODE_IN_XML = re.compile(rb"<Code>([^<]+)</Code>")
_CODE_IN_JSON = re.compile(rb'"(?:__type|[Cc]ode)"\s*:\s*"(?:[^"#]*#)?([^"]+)"')


def error_code(body: bytes) -> str | None:
    """Return the error code that an answer's body names, whatever the protocol."""
    found = _CODE_IN_XML.search(body) or _CODE_IN_JSON.search(body)
    return found.group(1).decode() if found else None
