"""Whether the faults of a rehearsal struck anything: one that hits nobody proves nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from drs_provider.plan.problems import nearest

Fault = Mapping[str, object]
"""A fault as the simulator lists it: as it was written, with ``id`` and ``strikes``."""

_OWN = ("id", "strikes")


@dataclass(frozen=True)
class FleetServer:
    """A source server of the fleet, as faults see it."""

    server_id: str
    hostname: str
    tags: Mapping[str, str] = field(default_factory=dict)


def idle_faults(faults: Iterable[Fault], servers: Sequence[FleetServer], *, has_ended_well: bool) -> list[str]:
    """Say of every fault that struck nothing why that is a mistake; empty: each did, or may still have its turn.

    A fault that only may strike (``probability``) need not. One that a failed run never came to is no mistake either,
    as long as its servers are in the fleet.

    :param faults: the faults in force when the run had ended
    """
    return [
        f"fault {_written(fault)} hit nobody: {why}"
        for fault in faults
        if not fault.get("strikes") and (why := _why(fault, servers, has_ended_well=has_ended_well))
    ]


def _why(fault: Fault, servers: Sequence[FleetServer], *, has_ended_well: bool) -> str:
    for key, known in (
        ("hostname", [server.hostname for server in servers]),
        ("servers", [server.server_id for server in servers]),
    ):
        wanted = _several(fault.get(key))
        if wanted and not any(fnmatchcase(name, pattern) for pattern in wanted for name in known):
            hint = nearest(wanted[0], known)
            return f"the fleet has no server {' or '.join(wanted)}" + (f" ({hint})" if hint else "")
    tags = fault.get("tags")
    if isinstance(tags, Mapping) and not any(_has(server, tags) for server in servers):
        return "no server of the fleet has these tags"
    if fault.get("probability") is not None or not has_ended_well:
        return ""
    return "nothing that it describes happened in this run; look at its operation, event, job, service and time"


def _has(server: FleetServer, tags: Mapping[str, object]) -> bool:
    return all(fnmatchcase(server.tags.get(key, ""), str(value)) for key, value in tags.items())


def _several(written: object) -> list[str]:
    if isinstance(written, list | tuple):
        return [str(name) for name in written]
    return [] if written is None else [str(written)]


def _written(fault: Fault) -> str:
    shown = {key: value for key, value in fault.items() if key not in _OWN and value is not None}
    return json.dumps(shown, ensure_ascii=False, default=str)
