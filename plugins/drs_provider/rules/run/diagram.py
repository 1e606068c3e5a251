"""A plan as a drawing: text for a terminal, Mermaid for a page."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

from drs_provider.plan.durations import format_duration
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Selection, Wave, wave_dependencies
from drs_provider.rules.run.timing import critical_path, finish_times, levels, plan_durations


def draw_text(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> str:
    """Draw the plan for a terminal: rows of waves that run side by side, and what the run will take."""
    waits_for = wave_dependencies(plan)
    durations = plan_durations(plan, groups)
    path = critical_path(waits_for, durations)
    waves = {wave.name: wave for wave in plan.waves}
    width = max(len(name) for name in waves)
    lines = [f"{plan.title or plan.name} (DAG drs.{plan.name})", ""]
    for number, row in enumerate(levels(waits_for), start=1):
        for name in row:
            mark = "*" if name in path else " "
            after = f"after {', '.join(waits_for[name])}" if waits_for[name] else "at once"
            members = _say_members(waves[name], groups)
            lines.append(f"{number:>3} {mark} {name:<{width}}  {_say_time(durations[name]):>8}  {after}; {members}")
    lines += ["", _say_total(plan, finish_times(waits_for, durations), path)]
    return "\n".join(lines) + "\n"


def _say_members(wave: Wave, groups: Mapping[str, ProtectionGroup]) -> str:
    named = [_say_group(groups[name]) for name in wave.groups]
    return "; ".join(named) or "steps only"


def _say_group(group: ProtectionGroup) -> str:
    parts = []
    if group.servers:
        parts.append(f"{len(group.servers)} server{'s'[: len(group.servers) != 1]}")
    if group.select:
        parts.append(f"tags {_say_tags(group.select)}")
    return f"{group.name}: {' and '.join(parts)}"


def _say_tags(selection: Selection) -> str:
    return ", ".join(f"{key}={'|'.join(values)}" for key, values in selection.tags.items())


def _say_time(duration: timedelta) -> str:
    return f"~{format_duration(timedelta(seconds=round(duration.total_seconds())))}"


def _say_total(plan: RecoveryPlan, ends: Mapping[str, timedelta], path: tuple[str, ...]) -> str:
    total = max(ends.values())
    line = f"* critical path: {' -> '.join(path)}, {_say_time(total)} in DRS jobs"
    if plan.rto is None:
        return line
    verdict = "within" if total <= plan.rto else "LONGER THAN"
    return f"{line}, {verdict} the rto of {format_duration(plan.rto)}"


def draw_mermaid(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> str:
    """Draw the plan as a Mermaid flowchart; the critical path is drawn thick."""
    waits_for = wave_dependencies(plan)
    durations = plan_durations(plan, groups)
    path = critical_path(waits_for, durations)
    # Names of waves may be words of Mermaid (``end``, ``graph``): nodes are numbered instead.
    node = {name: f"w{number}" for number, name in enumerate(waits_for, start=1)}
    waves = {wave.name: wave for wave in plan.waves}
    lines = ["flowchart LR"]
    for name in waits_for:
        members = _escape(_say_members(waves[name], groups))
        lines.append(f'  {node[name]}["{name}<br/>{_say_time(durations[name])}<br/>{members}"]')
    on_path = set(pairwise(path))
    for name, others in waits_for.items():
        lines.extend(f"  {node[one]} {'==>' if (one, name) in on_path else '-->'} {node[name]}" for one in others)
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
