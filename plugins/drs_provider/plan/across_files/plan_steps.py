"""Plans that are steps of other plans: they are there, run each other in no circle, and share no servers."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave
from drs_provider.plan.problems import nearest
from drs_provider.plan.steps import Step
from drs_provider.plan.yaml_source import Location

_Steps = tuple[tuple[Location, Step, str], ...]

_ONCE = "a run recovers every server once: take the group out of one of them"


def plan_steps(plan: RecoveryPlan) -> Iterator[tuple[Location, Step, str]]:
    """Give every step of a plan that runs another plan: where it stands, the step, the name of the other plan."""
    owners: list[tuple[Location, RecoveryPlan | Wave]] = [
        ((), plan),
        *((("waves", position), wave) for position, wave in enumerate(plan.waves)),
    ]
    for above, owner in owners:
        for side, steps in (("before", owner.before), ("after", owner.after)):
            for position, step in enumerate(steps):
                if step.runs_plan:
                    yield (*above, side, position), step, step.runs_plan


def plan_step_findings(
    plan: RecoveryPlan,
    names: Collection[str],
    plans: Mapping[str, RecoveryPlan],
    groups: Mapping[str, ProtectionGroup],
) -> Iterator[PlanFinding]:
    """Find what is wrong with the plans that a plan has as steps.

    :param names: the names of all plans, also of those that nobody can read
    :param plans: the plans that can be read, by name
    :param groups: the groups that can be read, by name
    """
    steps, circle = tuple(plan_steps(plan)), set[str]()
    for location, _, name in steps:
        here: Location = (*location, "plan")
        if name not in names:
            yield PlanFinding(here, f"no plan called {name!r}", nearest(name, {*names} - {plan.name}))
        elif path := _path(name, plan.name, plans):
            circle.add(name)
            arrows = " -> ".join([plan.name, *path])
            yield PlanFinding(
                here, f"plans run each other: {arrows}", "an arrow means: runs; remove one of these steps"
            )
    yield from _twice(steps, plans)
    if not circle:
        yield from _shared(plan, steps, plans, groups)


def _path(start: str, end: str, plans: Mapping[str, RecoveryPlan]) -> list[str]:
    """Give the shortest way from a plan to another one that it runs, both included; empty: there is none."""
    ways, seen = deque([[start]]), {start}
    while ways:
        way = ways.popleft()
        if way[-1] == end:
            return way
        for name in _parts(way[-1], plans):
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _parts(name: str, plans: Mapping[str, RecoveryPlan]) -> list[str]:
    return [part for _, _, part in plan_steps(plans[name])] if name in plans else []


def _may_meet(step: Step, other: Step) -> bool:
    """Tell whether one run may have both steps."""
    return not set(step.run_kinds).isdisjoint(other.run_kinds)


def _twice(steps: _Steps, plans: Mapping[str, RecoveryPlan]) -> Iterator[PlanFinding]:
    """Find plans that two steps of one run would run, themselves or by what they run."""
    for number, (location, step, name) in enumerate(steps):
        reached = _closure(name, plans) or [name]
        for _, earlier, other in steps[:number]:
            theirs = _closure(other, plans) or [other]
            both = next((part for part in reached if part in theirs), None)
            if both and _may_meet(step, earlier):
                what = f"step {earlier.name!r} runs plan {both!r} already"
                yield PlanFinding((*location, "plan"), what, "a run runs a plan once; remove one of them")
                break


@dataclass(frozen=True)
class _Claim:
    """A group that a plan recovers."""

    plan: str
    group: ProtectionGroup

    def meets(self, other: "_Claim") -> bool:
        """Tell whether both recover the same servers, as far as plans can say."""
        if self.group.name == other.group.name:
            return True
        mine, theirs = self.group, other.group
        is_same_place = (mine.region, mine.aws_conn_id) == (theirs.region, theirs.aws_conn_id)
        return mine.select is not None and mine.select == theirs.select and is_same_place


def _shared(
    plan: RecoveryPlan,
    steps: _Steps,
    plans: Mapping[str, RecoveryPlan],
    groups: Mapping[str, ProtectionGroup],
) -> Iterator[PlanFinding]:
    """Find groups that a plan recovers and one of its parts too, or two of its parts."""
    own = tuple(_claims([plan], groups))
    earlier: list[tuple[Step, tuple[_Claim, ...]]] = []
    for location, step, name in steps:
        claims = tuple(_claims([plans[part] for part in _closure(name, plans)], groups))
        known = [*own, *(claim for other, found in earlier if _may_meet(step, other) for claim in found)]
        for claim in claims:
            other = next((taken for taken in known if taken.meets(claim) and taken.plan != claim.plan), None)
            if other:
                yield PlanFinding((*location, "plan"), _both(claim, other, plan.name), _ONCE)
        earlier.append((step, claims))


def _both(claim: _Claim, other: _Claim, own: str) -> str:
    who = "this plan" if other.plan == own else f"plan {other.plan!r}"
    if claim.group.name == other.group.name:
        return f"plan {claim.plan!r} recovers group {claim.group.name!r}, and so does {who}"
    return (
        f"group {claim.group.name!r} of plan {claim.plan!r} selects the same servers as group {other.group.name!r} of "
        f"{who}"
    )


def _claims(plans: list[RecoveryPlan], groups: Mapping[str, ProtectionGroup]) -> Iterator[_Claim]:
    for plan in plans:
        for wave in plan.waves:
            yield from (_Claim(plan.name, groups[name]) for name in wave.groups if name in groups)


def _closure(name: str, plans: Mapping[str, RecoveryPlan]) -> list[str]:
    """Give a plan with all that it runs, at any depth, each once."""
    found, todo = dict[str, None](), [name]
    while todo:
        part = todo.pop(0)
        if part in plans and part not in found:
            found[part] = None
            todo += _parts(part, plans)
    return list(found)
