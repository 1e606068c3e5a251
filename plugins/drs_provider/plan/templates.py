"""The small set of names that a step's texts may put in: ``{{ server('db1').private_ip }}``, ``{{ run.id }}``."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.problems import nearest
from drs_provider.plan.step_kinds import STEP_KINDS, step_kind
from drs_provider.plan.steps import Step
from drs_provider.plan.yaml_source import Location

NAMES = {
    "plan.name": "the plan's name",
    "plan.title": "the plan's title",
    "run.id": "the run's id",
    "run.mode": "drill, recovery or migration",
    "run.started_at": "when the run started, ISO 8601 in UTC",
    "wave.name": "the name of the step's wave; not in the plan's own steps",
}
SERVER_FACTS = {
    "instance_id": "its recovery instance, i-…",
    "private_ip": "the private address of its recovery instance",
    "source_server_id": "DRS's id of the source server, s-…",
}

_MARK = r"(?:\{\{|\}\}|\{%|%\}|\{#|#\})"
SYNTAX = re.compile(
    rf"""\{{\{{\s*(?:'(?P<single>[^']*?{_MARK}[^']*)'|"(?P<double>[^"]*?{_MARK}[^"]*)")\s*\}}\}}"""
    r"|\{\{(?P<name>[^{}]*)\}\}"
    r"|(?P<wrong>\{\{|\{%[^{}]*%\}|\{#[^{}]*#\})"
)
"""What means something in a text that is filled in: braces in quotes inside of braces, which are the text in the
quotes; a name; and what people may take for something that means something. All else is text."""

_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
SERVER = re.compile(r"""server\(\s*(?:'([^']*)'|"([^"]*)")\s*\)\.(\w+)""", re.ASCII)
_STEPS = ("before", "after")


def literal(found: "re.Match[str]") -> str | None:
    """Return the text that is written in quotes inside of braces; None: the match is something else."""
    return found["single"] if found["single"] is not None else found["double"]


def server_names(value: object) -> Iterator[tuple[str, str]]:
    """Give every server that the texts of a value name, with the fact that is asked for; keys are left alone."""
    if isinstance(value, str):
        for match in SYNTAX.finditer(value):
            if server := SERVER.fullmatch((match["name"] or "").strip()):
                yield server[1] or server[2] or "", server[3]
    elif isinstance(value, Mapping | list | tuple):
        for inside in value.values() if isinstance(value, Mapping) else value:
            yield from server_names(inside)


def servers_of_step(step: Step) -> Iterator[tuple[str, str]]:
    """Give every server that a step names, with the fact that it asks for: in its texts, and as where it runs."""
    yield from server_names({key: value for key, value in step.model_dump().items() if key in step.FILLED})
    for name in (*(getattr(step, "instances", None) or ()), getattr(step, "from_", None) or "i-"):
        if "{{" not in name and not name.startswith(("i-", "mi-")):
            yield name, "instance_id"


def template_names(data: Any) -> Iterator[PlanFinding]:
    """Find names that no run knows in the texts of steps that are filled in, and known names where nothing is.

    Texts that are never filled in (titles, descriptions, questions before a wave) hold anything.
    """
    if not isinstance(data, dict):
        return
    yield from _steps(data, (), in_wave=False)
    waves = data.get("waves")
    for position, wave in enumerate(waves if isinstance(waves, list) else ()):
        if isinstance(wave, dict):
            yield from _steps(wave, ("waves", position), in_wave=True)


def _steps(owner: Mapping[str, Any], above: Location, *, in_wave: bool) -> Iterator[PlanFinding]:
    for side in _STEPS:
        steps = owner.get(side)
        for position, step in enumerate(steps if isinstance(steps, list) else ()):
            if not isinstance(step, dict):
                continue
            kind = step.get("kind")
            if not isinstance(kind, str) or kind not in STEP_KINDS:
                continue
            model = step_kind(kind).model
            filled = model.FILLED
            known = {field.alias or name for name, field in model.model_fields.items()}
            for key, value in step.items():
                here: Location = (*above, side, position, key)
                if key in filled:
                    yield from _filled(value, here, in_wave=in_wave)
                elif key in known:  # of any other key it is said that nobody knows it
                    yield from _kept(value, here, filled)


def _filled(value: Any, location: Location, *, in_wave: bool) -> Iterator[PlanFinding]:
    if isinstance(value, str):
        if "{" in value:
            yield from _check(value, location, in_wave=in_wave)
    elif isinstance(value, dict):
        for key, inside in value.items():
            if isinstance(key, str) and _knows_a_name(key):
                what, hint = f"{key!r} is a name, and names are not filled in", "put the template into its value"
                yield PlanFinding((*location, key), what, hint, at_key=True)
            yield from _filled(inside, (*location, key), in_wave=in_wave)
    elif isinstance(value, list):
        for position, inside in enumerate(value):
            yield from _filled(inside, (*location, position), in_wave=in_wave)


def _kept(value: Any, location: Location, filled: frozenset[str]) -> Iterator[PlanFinding]:
    """A known name in a text of a step that is not filled in is a misunderstanding; anything else there is text."""
    if isinstance(value, str):
        if _knows_a_name(value):
            listed = ", ".join(sorted(filled))
            hint = f"of this step only {listed} {'is' if len(filled) == 1 else 'are'}" if filled else ""
            yield PlanFinding(location, "this text is not filled in", hint)
    elif isinstance(value, list):
        for position, inside in enumerate(value):
            yield from _kept(inside, (*location, position), filled)


def _knows_a_name(text: str) -> bool:
    names = ((match["name"] or "").strip() for match in SYNTAX.finditer(text))
    return any(name in NAMES or SERVER.fullmatch(name) for name in names)


def _itself(mark: str) -> str:
    return f"for {mark} itself write {{{{ '{mark}' }}}} or {{{{ \"{mark}\" }}}}"


def _check(text: str, location: Location, *, in_wave: bool) -> Iterator[PlanFinding]:
    for match in SYNTAX.finditer(text):
        if wrong := match["wrong"]:
            mark = wrong[:2]
            yield PlanFinding(
                location, f"{mark!r} has no place in a template", f"write {{{{ name }}}}; {_itself(mark)}"
            )
            return
        if match["name"] is not None:
            yield from _check_name(match["name"].strip(), location, in_wave=in_wave)


def _check_name(name: str, location: Location, *, in_wave: bool) -> Iterator[PlanFinding]:
    server = SERVER.fullmatch(name)
    if server:
        if server[3] not in SERVER_FACTS:
            yield PlanFinding(location, f"a server has no {server[3]!r}", nearest(server[3], SERVER_FACTS))
        elif not (server[1] or server[2]):
            yield PlanFinding(location, "server('') names no server", "write its hostname, as DRS shows it")
    elif name.startswith("server"):
        yield PlanFinding(location, f"{name!r} names no server", "write {{ server('db1').private_ip }}")
    elif name == "wave.name" and not in_wave:
        yield PlanFinding(location, "the plan's own steps have no wave", "wave.name is known in the steps of a wave")
    elif name in NAMES:
        return
    elif _NAME.fullmatch(name):
        hint = nearest(name, [*NAMES, "server('db1').private_ip"])
        yield PlanFinding(location, f"no name called {name!r}", f"{hint}; {_itself('{{')}")
    else:
        what = f"{{{{ {name} }}}} is an expression"
        yield PlanFinding(location, what, f"only names are filled in, for example {{{{ run.id }}}}; {_itself('{{')}")
