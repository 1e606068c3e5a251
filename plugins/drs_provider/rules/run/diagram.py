"""A plan as a drawing: text for a terminal, Mermaid for a page."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from pydantic import JsonValue

from drs_provider.formatting import plural, timespan
from drs_provider.plan.model import ProtectionGroup, Selection, is_launched_ahead
from drs_provider.rules.run.launch_times.both_ways import BothWays, both_ways
from drs_provider.rules.run.launch_times.loads import loads_of_plan
from drs_provider.rules.run.launch_times.timetable import NOTHING, timetable
from drs_provider.rules.run.shape import RunShape, WaveShape


def draw_text(shape: RunShape, answers_after: timedelta = NOTHING) -> str:
    """Draw the plan for a terminal: rows of waves that run side by side, and what the run will take.

    :param answers_after: how long people think
    """
    width = max(len(wave.name) for wave in shape.waves)
    times = both_ways(loads_of_plan(shape, answers_after=answers_after))
    expected = times.as_launched
    lines = [f"{shape.title} (DAG {shape.dag_id})", ""]
    for number, row in enumerate(shape.levels, start=1):
        for name in row:
            wave = shape.wave_of[name]
            mark = "*" if name in expected.critical_path else " "
            after = f"after {', '.join(wave.depends_on)}" if wave.depends_on else "at once"
            took = _say_time(expected.length(name))
            lines.append(
                f"{number:>3} {mark} {name:<{width}}  {took:>8}  {after}; "
                f"{_say_members(wave)}{_say_launch(shape, wave)}"
            )
    lines += ["", *_say_plans(shape), _say_total(shape, times)]
    return "\n".join(lines) + "\n"


def _say_members(wave: WaveShape) -> str:
    plans = [f"plan {step.step.runs_plan}" for step in (*wave.before, *wave.after) if step.step.runs_plan]
    return "; ".join([*map(_say_group, wave.groups), *plans]) or "steps only"


def _say_launch(shape: RunShape, wave: WaveShape) -> str:
    return "; launched ahead" if is_launched_ahead(shape.plan, wave.wave) else ""


def _say_plans(shape: RunShape) -> Iterator[str]:
    """Say which plans the plan itself runs before and after its waves."""
    for side, steps in (("before", shape.before), ("after", shape.after)):
        plans = [step.step.runs_plan for step in steps if step.step.runs_plan]
        if plans:
            yield f"{side} all waves: {', '.join(f'plan {name}' for name in plans)}"


def _say_group(group: ProtectionGroup) -> str:
    parts = []
    if group.servers:
        parts.append(plural(len(group.servers), "server"))
    if group.select:
        parts.append(f"tags {_say_tags(group.select)}")
    return f"{group.name}: {' and '.join(parts)}"


def _say_tags(selection: Selection) -> str:
    return ", ".join(f"{key}={'|'.join(values)}" for key, values in selection.tags.items())


def _say_time(duration: timedelta) -> str:
    return f"~{timespan(duration)}"


def _say_total(shape: RunShape, times: BothWays) -> str:
    total, rto = times.as_launched.total, shape.plan.rto
    said = str(times) if shape.has_launch_ahead else f"{_say_time(total)} in DRS jobs"
    line = f"* critical path: {' -> '.join(times.as_launched.critical_path)}, {said}"
    if rto is None:
        return line
    verdict = "within" if total <= rto else "LONGER THAN"
    return f"{line}, {verdict} the rto of {timespan(rto)}"


def graph_of(shape: RunShape, answers_after: timedelta = NOTHING) -> dict[str, JsonValue]:
    """Give the graph as plain JSON; times in seconds since the start of the first wave, estimated.

    :param answers_after: how long people think
    """
    level = {name: number for number, row in enumerate(shape.levels, start=1) for name in row}
    times = both_ways(loads_of_plan(shape, answers_after=answers_after))
    expected = times.as_launched
    return {
        "plan": shape.plan.name,
        "waves": [
            {
                "name": wave.name,
                "depends_on": list(wave.depends_on),
                "level": level[wave.name],
                "groups": [group.name for group in wave.groups],
                "duration_seconds": expected.length(wave.name).total_seconds(),
                "end_seconds": expected.ends[wave.name].total_seconds(),
                "is_critical": wave.name in expected.critical_path,
            }
            for wave in shape.waves
        ],
        "critical_path": list(expected.critical_path),
        "total_seconds": expected.total.total_seconds(),
        "in_waves_seconds": times.in_waves.total.total_seconds(),
    }


def draw_mermaid(shape: RunShape, answers_after: timedelta = NOTHING) -> str:
    """Draw the plan as a Mermaid flowchart; the critical path is drawn thick.

    :param answers_after: how long people think
    """
    expected = timetable(loads_of_plan(shape, answers_after=answers_after))
    # Names of waves may be words of Mermaid (``end``, ``graph``): nodes are numbered instead.
    node = {wave.name: f"w{number}" for number, wave in enumerate(shape.waves, start=1)}
    lines = ["flowchart LR"]
    for wave in shape.waves:
        members = _escape(_say_members(wave))
        lines.append(f'  {node[wave.name]}["{wave.name}<br/>{_say_time(expected.length(wave.name))}<br/>{members}"]')
    on_path = set(pairwise(expected.critical_path))
    for wave in shape.waves:
        for above in wave.depends_on:
            arrow = "==>" if (above, wave.name) in on_path else "-->"
            lines.append(f"  {node[above]} {arrow} {node[wave.name]}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
