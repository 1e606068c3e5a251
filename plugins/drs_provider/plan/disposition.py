"""What a plan asks of instances that are launched stopped: checks and commands that can never succeed there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from drs_provider.formatting import joined
from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave
from drs_provider.plan.steps import RUN_KINDS, RunKind, Step
from drs_provider.plan.yaml_source import Location

_IN: Final[Mapping[RunKind, str]] = {
    "drill": "drills",
    "recovery": "recoveries",
    "migration": "migrations",
    "failback": "failbacks",
}


def own_commands(steps: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """Give the steps that run on a wave's own instances, with their positions, where nothing before may start them."""
    for position, step in enumerate(steps):
        if step.RUNS_ON_INSTANCES and getattr(step, "instances", None) is None:
            yield position, step
        if step.MAY_START_INSTANCES:
            return


def stopped_but_checked(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> Iterator[PlanFinding]:
    """Find checks of, and commands on, instances that the plan's own launch settings leave stopped."""
    stopped = {kind: stopped_groups(plan, groups, kind) for kind in _run_kinds(plan)}
    for position, wave in enumerate(plan.waves):
        here: Location = ("waves", position)
        by_kind = {kind: [name for name in wave.groups if name in stopped[kind]] for kind in stopped}
        if wave.ready == "status_checks" and (said := _said(by_kind)):
            what = f"a stopped instance never passes its status checks, and {said}"
            yield PlanFinding((*here, "ready"), what, "write ready: launched, or disposition: started")
        yield from _commanded(here, wave, by_kind)
    everywhere = {
        kind: [name for wave in plan.waves for name in wave.groups if name in stopped[kind]] for kind in stopped
    }
    yield from _commanded((), plan, everywhere)


def _run_kinds(plan: RecoveryPlan) -> tuple[RunKind, ...]:
    return tuple(kind for kind in RUN_KINDS if kind != "failback" or plan.failback)


def stopped_groups(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], kind: RunKind) -> set[str]:
    """Give the groups of which a member is launched stopped in runs of a kind."""
    return {name for name, group in groups.items() if "stopped" in _dispositions(plan, group, kind)}


def _dispositions(plan: RecoveryPlan, group: ProtectionGroup, kind: RunKind) -> Iterator[str | None]:
    """Give what is said of every member, and of all others where there may be others."""
    members = (*group.servers, *([None] if group.select is not None or not group.servers else []))
    of_plan = plan.failback.launch.disposition if plan.failback else None
    over = group.drill_launch.disposition if kind == "drill" else None
    for member in members:
        if kind == "failback":
            own = member.failback_launch.disposition if member else None
            yield own or group.failback_launch.disposition or of_plan
        else:
            yield over or (member.launch.disposition if member else None) or group.launch.disposition


def _commanded(
    above: Location, owner: Wave | RecoveryPlan, by_kind: Mapping[RunKind, Sequence[str]]
) -> Iterator[PlanFinding]:
    for position, step in own_commands(owner.after):
        takes = {kind: names if kind in step.run_kinds else () for kind, names in by_kind.items()}
        if said := _said(takes):
            what = f"a command cannot run on a stopped instance, and {said}"
            hint = "start it in a step before (ssm_automation with AWS-StartEC2Instance), or write disposition: started"
            yield PlanFinding((*above, "after", position), what, hint)


def _said(by_kind: Mapping[RunKind, Sequence[str]]) -> str:
    """Say which groups are launched stopped, and in which runs where it is not in all of them; empty: none is."""
    kinds = [kind for kind, stopped in by_kind.items() if stopped]
    if not kinds:
        return ""
    names = list(dict.fromkeys(name for kind in kinds for name in by_kind[kind]))
    listed = f"group {names[0]} is" if len(names) == 1 else f"groups {', '.join(names)} are"
    # A migration launches what a recovery launches: only where a step makes a difference is it worth a word.
    told = [_IN[kind] for kind in kinds if kind != "migration" or "recovery" not in kinds]
    where = "" if len(kinds) == len(by_kind) else f" in {joined(told)}"
    return f"{listed} launched with disposition: stopped{where}"
