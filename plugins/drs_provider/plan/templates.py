"""The small set of names that a step's texts may put in: ``{{ server('db1').private_ip }}``, ``{{ run.id }}``."""

import re
from collections.abc import Iterator
from typing import Any

from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.problems import nearest
from drs_provider.plan.yaml_source import Location

NAMES = {
    "plan.name": "the plan's name",
    "plan.title": "the plan's title",
    "run.id": "the run's id",
    "run.mode": "drill or recovery",
    "run.started_at": "when the run started, ISO 8601 in UTC",
    "wave.name": "the name of the step's wave; not in the plan's own steps",
}
SERVER_FACTS = {
    "instance_id": "its recovery instance, i-…",
    "private_ip": "the private address of its recovery instance",
    "source_server_id": "DRS's id of the source server, s-…",
}

SYNTAX = re.compile(r"\{\{([^{}]*)\}\}|(\{\{|\}\}|\{%|%\}|\{#|#\})")
_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
SERVER = re.compile(r"""server\(\s*(?:'([^']*)'|"([^"]*)")\s*\)\.(\w+)""", re.ASCII)
_STEPS = ("before", "after")
_NO_TEMPLATES = ("kind", "name", "when", "on_failure", "timeout", "for")


def template_names(data: Any) -> Iterator[PlanFinding]:
    """Find templates where none may stand, and names that no run knows."""
    yield from _search(data, (), inside_step=False, inside_wave=False)


def _search(data: Any, location: Location, *, inside_step: bool, inside_wave: bool) -> Iterator[PlanFinding]:
    if isinstance(data, str):
        if "{" in data or "}" in data:
            yield from _check(data, location, inside_step=inside_step, inside_wave=inside_wave)
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str) and SYNTAX.search(key):
                what, hint = f"{key!r} is a name, and names are not filled in", "put the template into its value"
                yield PlanFinding((*location, key), what, hint, at_key=True)
            wave = inside_wave or key == "waves"
            step = inside_step and not (len(location) in (2, 4) and key in _NO_TEMPLATES)
            step = step or (not inside_step and key in _STEPS)
            yield from _search(value, (*location, key), inside_step=step, inside_wave=wave)
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _search(value, (*location, position), inside_step=inside_step, inside_wave=inside_wave)


def _check(text: str, location: Location, *, inside_step: bool, inside_wave: bool) -> Iterator[PlanFinding]:
    for match in SYNTAX.finditer(text):
        if not inside_step:
            yield PlanFinding(location, "templates are not allowed here", "only the texts of steps are filled in")
            return
        if match[2]:
            yield PlanFinding(location, f"{match[2]!r} has no place in a template", "write {{ name }}, nothing else")
            return
        yield from _check_name(match[1].strip(), location, inside_wave=inside_wave)


def _check_name(name: str, location: Location, *, inside_wave: bool) -> Iterator[PlanFinding]:
    server = SERVER.fullmatch(name)
    if server:
        if server[3] not in SERVER_FACTS:
            yield PlanFinding(location, f"a server has no {server[3]!r}", nearest(server[3], SERVER_FACTS))
        elif not (server[1] or server[2]):
            yield PlanFinding(location, "server('') names no server", "write its hostname, as DRS shows it")
    elif name.startswith("server"):
        yield PlanFinding(location, f"{name!r} names no server", "write {{ server('db1').private_ip }}")
    elif name == "wave.name" and not inside_wave:
        yield PlanFinding(location, "the plan's own steps have no wave", "wave.name is known in the steps of a wave")
    elif name in NAMES:
        return
    elif _NAME.fullmatch(name):
        yield PlanFinding(location, f"no name called {name!r}", nearest(name, [*NAMES, "server('db1').private_ip"]))
    else:
        yield PlanFinding(
            location, f"{{{{ {name} }}}} is an expression", "only names are filled in, for example {{ run.id }}"
        )
