"""A plan's failback drill, compiled: the plan as it is rehearsed in the origin.

It is a drill of the same waves in another place: what is launched are the FAILBACK servers, where they are is the
origin, and network, time, cost and launch settings are those of ``failback``. So it is compiled like a drill, from the
plan written down for there, and everything that does a drill does it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import (
    Drill,
    Failback,
    LaunchSettings,
    Migration,
    ProtectionGroup,
    Recovery,
    RecoveryPlan,
    Wave,
    failback_dependencies,
    origin_of_group,
)
from drs_provider.rules.run import names
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import RunShape, WaveShape, WayBack, compile_shape


@dataclass(frozen=True)
class FailbackDrillShape(RunShape):
    """A failback drill. Its targets are the origins; an empty Region in one: the one that DRS names for its servers.

    :param ways: of every wave, from where to where its servers go back
    """

    ways: Mapping[str, Sequence[WayBack]] = field(default_factory=dict)

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return names.failback_dag_of(self.plan.name)

    @property
    def title(self) -> str:
        """The way back as people call it."""
        return f"{self.plan.title or self.plan.name}: failback"

    def ways_to(self, wave: str, origin: Target) -> tuple[WayBack, ...]:
        """Give the ways back of a wave that lead to an origin."""
        return tuple(way for way in self.ways[wave] if way.origin == origin)


def compile_failback_drill(runnable: RunnablePlan, ways: Mapping[str, Sequence[WayBack]]) -> FailbackDrillShape:
    """Compile the failback drill of a plan that has a way back.

    :param ways: of every wave that launches servers, from where to where they go back
    """
    compiled = compile_shape(in_origin(runnable))
    known = {each.name: getattr(compiled, each.name) for each in fields(RunShape)}
    known["waves"] = tuple(map(_with_names_of_drill, compiled.waves))
    return FailbackDrillShape(**known, ways=ways)


def _with_names_of_drill(wave: WaveShape) -> WaveShape:
    """Name what launches a wave: other kinds of run of the same DAG launch it too."""
    targets = tuple(
        replace(
            place,
            start_task=names.wave_task(wave.name, names.START_DRILL, place.number),
            servers_task=names.wave_task(wave.name, names.DRILL_SERVERS, place.number),
        )
        for place in wave.targets
    )
    return replace(wave, targets=targets, watch_task=names.wave_task(wave.name, names.DRILL_JOB))


def in_origin(runnable: RunnablePlan) -> RunnablePlan:
    """Give a plan as its failback drill has it: its groups are in their origins, and a drill is the failback's."""
    back = with_launch_settings_back(runnable)
    groups = {name: _moved(runnable.plan, group) for name, group in back.groups.items()}
    return RunnablePlan(_plan_there(runnable.plan), groups, runnable.path, runnable.digest, runnable.group_paths)


def with_launch_settings_back(runnable: RunnablePlan) -> RunnablePlan:
    """Give a plan whose launch settings are those for the origin, in drills too."""
    failback = runnable.plan.failback or Failback()
    groups = {name: _launched_back(failback, group) for name, group in runnable.groups.items()}
    return RunnablePlan(runnable.plan, groups, runnable.path, runnable.digest, runnable.group_paths)


def _plan_there(plan: RecoveryPlan) -> RecoveryPlan:
    failback = plan.failback or Failback()
    waits_for = failback_dependencies(plan)
    by_name = {wave.name: wave for wave in plan.waves}
    launching = {name for name, wave in by_name.items() if wave.groups}
    return plan.model_copy(
        update={
            "rto": None,
            "drill": Drill(
                network=failback.drill.network,
                keep_for=failback.drill.keep_for,
                max_cost=failback.drill.max_cost,
                max_lag=plan.drill.max_lag,
            ),
            "check": None,
            "recovery": Recovery(),
            "migration": Migration(),
            "before": (),
            "after": (),
            "waves": tuple(
                _wave_there(by_name[name], _launching_above(name, waits_for, launching))
                for name in waits_for
                if name in launching
            ),
        }
    )


def _wave_there(wave: Wave, depends_on: tuple[str, ...]) -> Wave:
    """Give a wave without what the plan lets people and steps do around it: that is for the way there."""
    update = {"depends_on": depends_on, "delay_before": Wave.model_fields["delay_before"].default}
    return wave.model_copy(update={**update, "pause_before": None, "before": (), "after": ()})


def _launching_above(
    name: str, waits_for: Mapping[str, Sequence[str]], launching: set[str], seen: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Give the waves with servers that a wave waits for, through waves of steps only."""
    found: list[str] = []
    for above in waits_for[name]:
        if above in launching:
            found.append(above)
        elif above not in seen:
            found += _launching_above(above, waits_for, launching, seen | {above})
    return tuple(dict.fromkeys(found))


def _moved(plan: RecoveryPlan, group: ProtectionGroup) -> ProtectionGroup:
    origin = origin_of_group(plan, group)
    return group.model_copy(update={"region": origin.region, "aws_conn_id": origin.aws_conn_id})


def _launched_back(failback: Failback, group: ProtectionGroup) -> ProtectionGroup:
    members = tuple(member.model_copy(update={"launch": member.failback_launch}) for member in group.servers)
    settings = laid_over(failback.launch, group.failback_launch)
    return group.model_copy(update={"launch": settings, "drill_launch": LaunchSettings(), "servers": members})


def laid_over(below: LaunchSettings, above: LaunchSettings) -> LaunchSettings:
    """Give launch settings with others over them: what is said above counts, value by value."""
    said = {key: value for key in LaunchSettings.model_fields if (value := getattr(above, key)) is not None}
    return below.model_copy(update=said)
