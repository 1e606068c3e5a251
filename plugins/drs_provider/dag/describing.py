"""What people read about a plan in Airflow: DAG documentation, group tooltips."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from drs_provider.dag.drill_words import drill_in_words
from drs_provider.graph.roster import in_words
from drs_provider.plan.dependencies import wave_dependencies
from drs_provider.plan.model import ProtectionGroup, Wave
from drs_provider.plan.problems import Problem
from drs_provider.plan.reading import RunnablePlan

_SHOWN = 12


def timespan(value: timedelta | None) -> str:
    """Word a duration as plans write it: 1h30m, 45m, 90s."""
    if value is None:
        return "none"
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if number]
    return "".join(parts) or "0s"


def members(group: ProtectionGroup) -> str:
    """Who is in a group, in a few words: how many are named, and which tags select the others."""
    parts = []
    if group.servers:
        parts.append(f"{len(group.servers)} server{'s'[: len(group.servers) != 1]} by name")
    if group.select is not None:
        parts.append(f"servers tagged {in_words(group.select.tags)}")
    return " and ".join(parts)


def tooltip(wave: Wave, groups: Mapping[str, ProtectionGroup], depends_on: tuple[str, ...]) -> str:
    """The text over a wave's group in the graph view."""
    lines = [f"{name}: {members(groups[name])} in {groups[name].region or 'its Region'}" for name in wave.groups]
    lines.append(f"starts after {', '.join(depends_on)}" if depends_on else "starts at once")
    lines.append(f"may fail: {wave.tolerate_failures} of its critical servers; timeout {timespan(wave.timeout)}")
    return "\n".join(lines)


def broken_notice(problems: Sequence[Problem], run_id: str) -> str:
    """What people read first about a plan whose files have problems, as Markdown; ``run_id`` is who kept the plan."""
    first, *others = problems
    more = f" And {len(others)} more." if others else ""
    return (
        f"**The file of this plan has problems:** {escaped(str(first))}.{more} This is the version that run "
        f"{escaped(run_id)} began with. Runs that have begun go on with it; no new run begins until the file is mended."
    )


def documentation(runnable: RunnablePlan, notice: str = "") -> str:
    """The DAG's doc_md: objectives, waves and members. Plan text is escaped: it is data, not markup.

    ``notice`` is Markdown, and comes first.
    """
    plan = runnable.plan
    depends_on = wave_dependencies(plan)
    owner = escaped(plan.owner or "nobody")
    rows = [
        f"| {wave.name} | {', '.join(depends_on[wave.name]) or 'the start'} | "
        f"{'<br>'.join(f'{name}: {escaped(members(runnable.groups[name]))}' for name in wave.groups)} | "
        f"{wave.tolerate_failures} | {timespan(wave.timeout)} |"
        for wave in plan.waves
    ]
    return "\n".join(
        [
            *([notice, ""] if notice else []),
            f"### {escaped(plan.title or plan.name)}",
            "",
            escaped(plan.description or ""),
            "",
            f"**RTO** {timespan(plan.rto)} · **RPO** {timespan(plan.rpo)} · **Owner** {owner}",
            "",
            "| wave | after | members | may fail | timeout |",
            "|---|---|---|---|---|",
            *rows,
            "",
            drill_in_words(plan),
            "",
            f"Plan `{plan.name}`, version `{runnable.digest[:12]}`.",
        ]
    )


def escaped(value: str) -> str:
    """Text of people inside Markdown, so that nothing in it is markup."""
    for char in "\\`*_{}[]()#+!|~":
        value = value.replace(char, f"\\{char}")
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def shortened(names: tuple[str, ...]) -> str:
    """A list of names for a log line: all of a few, the first of many."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
