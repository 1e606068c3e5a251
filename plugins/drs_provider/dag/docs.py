"""What people read about a plan in Airflow: DAG documentation, group tooltips."""

from collections.abc import Sequence

from drs_provider.formatting import escaped, plural, timespan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, VpcNetwork
from drs_provider.plan.problems import Problem
from drs_provider.rules.run.roster import in_words
from drs_provider.rules.run.shape import RunShape, WaveShape, WayBack


def members(group: ProtectionGroup) -> str:
    """Who is in a group, in a few words: how many are named, and which tags select the others."""
    parts = []
    if group.servers:
        parts.append(f"{plural(len(group.servers), 'server')} by name")
    if group.select is not None:
        parts.append(f"servers tagged {in_words(group.select.tags)}")
    return " and ".join(parts)


def tooltip(wave: WaveShape) -> str:
    """The text over a wave's group in the graph view."""
    lines = [f"{group.name}: {members(group)} in {group.region or 'its Region'}" for group in wave.groups]
    lines.append(f"starts after {', '.join(wave.depends_on)}" if wave.depends_on else "starts at once")
    tolerated = wave.wave.tolerate_failures
    lines.append(f"may fail: {tolerated} of its critical servers; timeout {timespan(wave.wave.timeout)}")
    return "\n".join(lines)


def broken_notice(problems: Sequence[Problem], run_id: str) -> str:
    """What people read first about a plan whose files have problems, as Markdown; ``run_id`` is who kept the plan."""
    first, *others = problems
    more = f" And {len(others)} more." if others else ""
    return (
        f"**The file of this plan has problems:** {escaped(str(first))}.{more} This is the version that run "
        f"{escaped(run_id)} started with. Runs that have started continue with it; no new run starts until the file "
        "is corrected."
    )


def documentation(shape: RunShape, notice: str = "") -> str:
    """The DAG's doc_md: objectives, waves and members. Plan text is escaped: it is data, not markup.

    ``notice`` is Markdown, and comes first.
    """
    plan, owner = shape.plan, escaped(shape.plan.owner or "not set")
    return "\n".join(
        [
            *([notice, ""] if notice else []),
            f"### {escaped(shape.title)}",
            "",
            escaped(plan.description or ""),
            "",
            f"**RTO** {timespan(plan.rto)} · **RPO** {timespan(plan.rpo)} · **Owner** {owner}",
            "",
            "| wave | after | members | may fail | timeout |",
            "|---|---|---|---|---|",
            *map(_row, shape.waves),
            "",
            drill_in_words(plan),
            "",
            f"Plan `{plan.name}`, version `{shape.digest[:12]}`.",
        ]
    )


_WAY_BACK = (
    "Takes what the plan has recovered back to where it came from. Mode `reprotect` has every recovered server "
    "replicated to its origin and ends once each can be launched there; it launches and stops nothing, and may be "
    "started again at any time. Mode `failback_drill` launches in the origin what is ready, in a network of its own or "
    "as `failback.drill` says, checks it, and removes it again: production and its replication go on as they are."
)


def failback_documentation(shape: RunShape, notice: str = "") -> str:
    """The doc_md of the DAG of a plan's way back: what it does, its waves, and where their servers go."""
    return "\n".join(
        [
            *([notice, ""] if notice else []),
            f"### {escaped(shape.title)}",
            "",
            _WAY_BACK,
            "",
            "| wave | members | recovered in | back to |",
            "|---|---|---|---|",
            *map(_way_back_row, shape.waves),
            "",
            f"Plan `{shape.plan.name}`, version `{shape.digest[:12]}`.",
        ]
    )


def _way_back_row(wave: WaveShape) -> str:
    groups = "<br>".join(f"{group.name}: {escaped(members(group))}" for group in wave.groups)
    here = "<br>".join(escaped(str(way.target)) for way in wave.ways_back)
    there = "<br>".join(_origin_words(way) for way in wave.ways_back)
    return f"| {wave.name} | {groups} | {here} | {there} |"


def _origin_words(way: WayBack) -> str:
    where = way.origin.region or "where DRS says that each came from"
    return escaped(f"{where}, connection {way.origin.aws_conn_id}")


def _row(wave: WaveShape) -> str:
    after = ", ".join(wave.depends_on) or "the start"
    groups = "<br>".join(f"{group.name}: {escaped(members(group))}" for group in wave.groups)
    return f"| {wave.name} | {after} | {groups} | {wave.wave.tolerate_failures} | {timespan(wave.wave.timeout)} |"


def where(plan: RecoveryPlan) -> str:
    """Word where drills of a plan land."""
    network = plan.drill.network
    if isinstance(network, VpcNetwork):
        return f"in the standing drill network {network.vpc}"
    return "in the network of a recovery, beside production" if network == "shared" else "in a network of its own"


def cost(plan: RecoveryPlan) -> str:
    """Word what is known of a drill's cost before it is started: how long it stays, and what it may cost at most.

    The figure itself needs the servers' sizes, which only AWS knows: preflight looks before anything is launched.
    """
    kept = plan.drill.keep_for
    stays = f"is kept for {timespan(kept)} after its last wave" if kept else "is cleaned up right after its last wave"
    most = plan.drill.max_cost
    cap = f"is refused if it would cost more than ${float(most):.2f}" if most is not None else "has no cap on its cost"
    return (
        f"It {stays} and {cap} (drill.keep_for and drill.max_cost of the plan). What it will cost is estimated by "
        "preflight, in whose log it stands before anything is launched; the report has the estimate and the measured "
        "cost."
    )


def drill_in_words(plan: RecoveryPlan) -> str:
    """Say of the drills of a plan where they land, how long they stay and what they may cost; no markup."""
    return f"A drill of this plan lands {where(plan)}. {cost(plan)}"


COLOURS = {"ui_color": "#f3d9a4", "ui_fgcolor": "#3a2b08"}
"""Of tasks that wait for people."""
