"""Putting names into the texts of steps: one pass of a regular expression, and nothing that is put in is read again."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from drs_provider.exceptions import StepFailed
from drs_provider.plan.problems import nearest
from drs_provider.plan.templates import SERVER, SYNTAX, literal, server_names

T = TypeVar("T")


@dataclass(frozen=True)
class Names:
    """What a step's texts may put in: fixed names, and facts of servers.

    :param server: hostname (or id of the source server) and fact in, text out; raises StepFailed
    """

    fixed: Mapping[str, str]
    server: Callable[[str, str], str]


def render(value: T, names: Names) -> T:
    """Fill in every text of a value (mappings and lists are walked, keys are left alone). Raises StepFailed."""
    return cast("T", _rendered(value, names))


def _rendered(value: object, names: Names) -> object:
    if isinstance(value, str):
        return SYNTAX.sub(lambda found: _filled(found, names), value)
    if isinstance(value, Mapping):
        return {key: _rendered(inside, names) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rendered(inside, names) for inside in value]
    return value


def names_servers(value: object) -> bool:
    """Tell whether a value puts in a fact of a server: only then anybody has to be asked for it."""
    return next(server_names(value), None) is not None


def _filled(found: "re.Match[str]", names: Names) -> str:
    if (text := literal(found)) is not None:
        return text
    name = (found["name"] or "").strip()
    if server := SERVER.fullmatch(name):
        return names.server(server[1] or server[2] or "", server[3])
    if name in names.fixed:
        return names.fixed[name]
    # Plans with such a text are refused when they are read; this is for texts that came in another way.
    raise StepFailed(f"{found[0]} cannot be filled in here: {nearest(name, names.fixed)}", is_final=True)


@dataclass(frozen=True)
class KnownServer:
    """A server of the run. ``instance_id`` is None until its wave has launched it."""

    server_id: str
    hostname: str
    wave: str
    aws_conn_id: str
    region: str
    instance_id: str | None = None
    reason: str | None = None


def find_server(named: str, servers: Iterable[KnownServer]) -> KnownServer:
    """Find a server of the run by hostname or id. Raises StepFailed with the nearest hostname."""
    known = list(servers)
    found = [server for server in known if named in (server.hostname, server.server_id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(server.server_id for server in found)
        raise StepFailed(f"server({named!r}): {len(found)} servers have this hostname: name one by its id ({ids})")
    hint = nearest(named, [server.hostname for server in known]) if known else "the run has no servers"
    raise StepFailed(f"server({named!r}): this run has no server of that hostname ({hint})")


def recovered(server: KnownServer) -> str:
    """Return a server's recovery instance. Raises StepFailed where it has none (yet)."""
    if server.instance_id:
        return server.instance_id
    why = server.reason or f"it is there when wave {server.wave} has ended"
    raise StepFailed(f"server({server.hostname!r}): it has no recovery instance: {why}")
