"""What people read about a plan in Airflow: DAG documentation, group tooltips."""

from collections.abc import Mapping, Sequence

from drs_provider.formatting import duration_words, escaped, timespan
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, VpcNetwork, Wave, wave_dependencies
from drs_provider.plan.problems import Problem
from drs_provider.rules.run.roster import in_words


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


def where(plan: RecoveryPlan) -> str:
    """Word where drills of a plan land."""
    network = plan.drill.network
    if isinstance(network, VpcNetwork):
        return f"in the standing drill network `{network.vpc}`"
    return "in the network of a recovery, beside production" if network == "shared" else "in a network of its own"


def cost(plan: RecoveryPlan) -> str:
    """Word what is known of a drill's cost before it is started: how long it stays, and what it may cost at most.

    The figure itself needs the servers' sizes, which only AWS knows: preflight looks before anything is launched.
    """
    kept = plan.drill.keep_for
    stays = (
        f"is kept for {duration_words(kept)} after its last wave" if kept else "is cleaned up right after its last wave"
    )
    most = plan.drill.max_cost
    cap = f"is refused if it would cost more than ${float(most):.2f}" if most is not None else "has no cap on its cost"
    return (
        f"It {stays} and {cap} (`drill.keep_for`, `drill.max_cost`). What it will cost is estimated by "
        "`preflight.check`, in whose log it stands before anything is launched; the report has the estimate and the "
        "measured cost."
    )


def drill_in_words(plan: RecoveryPlan) -> str:
    """Return the paragraph about drills in the DAG's documentation."""
    return f"**Drill**: lands {where(plan)}. {cost(plan)}"


COLOURS = {"ui_color": "#f3d9a4", "ui_fgcolor": "#3a2b08"}
