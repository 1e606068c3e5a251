"""What a plan asks of instances that are launched stopped: checks and commands that can never succeed there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from drs_provider.plan.findings import PlanFinding
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave
from drs_provider.plan.steps import Step
from drs_provider.plan.yaml_source import Location

Mode = Literal["drill", "recovery"]
_MODES: tuple[Mode, ...] = ("drill", "recovery")
_IN = {"drill": " in drills", "recovery": " in recoveries"}


def own_commands(steps: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """Give the steps that run on a wave's own instances, with their positions, where nothing before may start them."""
    for position, step in enumerate(steps):
        if step.RUNS_ON_INSTANCES and getattr(step, "instances", None) is None:
            yield position, step
        if step.MAY_START_INSTANCES:
            return


def stopped_but_checked(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> Iterator[PlanFinding]:
    """Find checks of, and commands on, instances that the plan's own launch settings leave stopped."""
    stopped = {mode: stopped_groups(groups, mode) for mode in _MODES}
    for position, wave in enumerate(plan.waves):
        here: Location = ("waves", position)
        by_mode = {mode: [name for name in wave.groups if name in stopped[mode]] for mode in _MODES}
        if wave.ready == "status_checks":
            yield from _checked((*here, "ready"), by_mode)
        yield from _commanded(here, wave, by_mode)
    everywhere = {
        mode: [name for wave in plan.waves for name in wave.groups if name in stopped[mode]] for mode in _MODES
    }
    yield from _commanded((), plan, everywhere)


def stopped_groups(groups: Mapping[str, ProtectionGroup], mode: Mode) -> set[str]:
    """Give the groups of which a member is launched stopped in runs of a mode."""
    return {name for name, group in groups.items() if _is_stopped(group, mode)}


def _is_stopped(group: ProtectionGroup, mode: Mode) -> bool:
    own = [member.launch.disposition for member in group.servers]
    if group.select is not None or not own:
        own.append(None)
    over = group.drill_launch.disposition if mode == "drill" else None
    return any((over or disposition or group.launch.disposition) == "stopped" for disposition in own)


def _checked(here: Location, by_mode: Mapping[Mode, Sequence[str]]) -> Iterator[PlanFinding]:
    if said := _said(by_mode):
        what = f"a stopped instance never passes its status checks, and {said}"
        yield PlanFinding(here, what, "write ready: launched, or disposition: started")


def _commanded(
    above: Location, owner: Wave | RecoveryPlan, by_mode: Mapping[Mode, Sequence[str]]
) -> Iterator[PlanFinding]:
    for position, step in own_commands(owner.after):
        takes = {mode: names for mode, names in by_mode.items() if step.when in (mode, "always")}
        if said := _said(takes):
            what = f"a command cannot run on a stopped instance, and {said}"
            hint = "start it in a step before (ssm_automation with AWS-StartEC2Instance), or write disposition: started"
            yield PlanFinding((*above, "after", position), what, hint)


def _said(by_mode: Mapping[Mode, Sequence[str]]) -> str:
    """Say which groups are launched stopped, and in which runs where it is not in all of them; empty: none is."""
    modes = [mode for mode in _MODES if by_mode.get(mode)]
    if not modes:
        return ""
    names = list(dict.fromkeys(name for mode in modes for name in by_mode[mode]))
    listed = f"group {names[0]} is" if len(names) == 1 else f"groups {', '.join(names)} are"
    is_everywhere = len(modes) == len(_MODES)
    return f"{listed} launched with disposition: stopped{'' if is_everywhere else _IN[modes[0]]}"
