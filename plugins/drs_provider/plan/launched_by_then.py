"""Steps that need recovered servers, and whether there can be any when they begin."""

from collections.abc import Iterator, Mapping

from drs_provider.plan.disposition import stopped_groups
from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, has_network, wave_dependencies
from drs_provider.plan.steps import Step
from drs_provider.plan.templates import servers_of_step
from drs_provider.plan.yaml_source import Location

_OF_AN_INSTANCE = ("private_ip", "instance_id")
"""Facts of a server that are there only when it is launched."""


def needs_launched_servers(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> Iterator[PlanFinding]:
    """Find steps that name recovered servers before any is launched, and checks that no running server can make."""
    stopped = stopped_groups(plan, groups, "drill")
    for location, step, launched in _steps(plan):
        # What goes back runs where it was recovered until its launch in the origin.
        is_up = bool(launched) or step.when == "failback"
        if not is_up and any(fact in _OF_AN_INSTANCE for _, fact in servers_of_step(step)):
            what = "no server is launched when this step begins"
            hint = "let it stand in after, or let its wave depend on one that launches"
            yield PlanFinding(location, what, hint)
        elif launched and launched <= stopped and _asks_inside(plan, step):
            what = "nobody can ask this in a drill: a recovered server must, and all of them are launched stopped"
            yield PlanFinding(location, what, "write disposition: started for one group, or when: recovery")


def _asks_inside(plan: RecoveryPlan, step: Step) -> bool:
    is_check = not step.RUNS_ON_INSTANCES and step.runs_inside(own_network=True)
    return has_network(plan) and is_check and "drill" in step.run_kinds


def _steps(plan: RecoveryPlan) -> Iterator[tuple[Location, Step, frozenset[str]]]:
    """Give every step with its location and the groups that are launched when it begins."""
    own = {wave.name: frozenset(wave.groups) for wave in plan.waves}
    waits_for = wave_dependencies(plan)
    everything = frozenset[str]().union(*own.values())
    for side, launched in (("before", frozenset[str]()), ("after", everything)):
        for number, step in enumerate(getattr(plan, side)):
            yield (side, number), step, launched
    for position, wave in enumerate(plan.waves):
        above: set[str] = set()
        todo = list(waits_for[wave.name])
        while todo:
            name = todo.pop()
            if name in own and name not in above:
                above.add(name)
                todo += waits_for[name]
        earlier = frozenset[str]().union(*(own[name] for name in above))
        for side, launched in (("before", earlier), ("after", earlier | own[wave.name])):
            for number, step in enumerate(getattr(wave, side)):
                yield ("waves", position, side, number), step, launched
