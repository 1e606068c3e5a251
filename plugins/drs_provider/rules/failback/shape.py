"""The DAG of a plan's way back, compiled: its waves in their order there, and every task.

It is a shape like that of the plan's own DAG, so that state, board, notices and report read both. It has servers
replicated to their origin, and for that no wave waits for another. Its failback drill has a shape of its own, with
tasks in the same DAG.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave, failback_dependencies, origin_of_group
from drs_provider.rules.failback.drill_shape import FailbackDrillShape, compile_failback_drill
from drs_provider.rules.purpose import FAILBACK_DRILL
from drs_provider.rules.run import names
from drs_provider.rules.run.roster import Target, target_of
from drs_provider.rules.run.shape import Edge, RunShape, WaveShape, WayBack, in_dependency_order, teller_task


@dataclass(frozen=True)
class FailbackShape(RunShape):
    """The way back of a plan. It has the waves that have servers; the others have nothing to do on it.

    :param drill: its failback drill; None: nobody has compiled it
    """

    drill: FailbackDrillShape | None = None

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return names.failback_dag_of(self.plan.name)

    @property
    def title(self) -> str:
        """The way back as people call it."""
        return f"{self.plan.title or self.plan.name}: failback"

    @property
    def chosen_targets(self) -> tuple[Target, ...]:
        """The accounts and Regions in which the servers of the run's waves were recovered, each once."""
        return tuple(dict.fromkeys(way.target for wave in self.chosen_waves for way in wave.ways_back))

    def edges(self) -> Iterator[Edge]:
        """Yield every task with one that waits for it."""
        begun = names.PREFLIGHT_TASK
        for wave in self.waves:
            for task in wave.reverse_tasks:
                yield begun, task
                yield task, names.REPORT_TASK
                if wave.notifications_task:
                    yield task, wave.notifications_task
            if wave.notifications_task:
                yield wave.notifications_task, names.REPORT_TASK
        if self.start_notifications_task:
            yield begun, self.start_notifications_task
            yield self.start_notifications_task, names.REPORT_TASK
        yield names.REPORT_TASK, names.VERDICT_TASK
        if self.end_notifications_task:
            yield names.VERDICT_TASK, self.end_notifications_task
        if self.drill:
            yield from self.drill.edges()

    @property
    def reverse_tasks(self) -> tuple[str, ...]:
        """What only a reprotection does."""
        return tuple(task for wave in self.waves for task in wave.reverse_tasks)

    @property
    def drill_tasks(self) -> tuple[str, ...]:
        """What only a failback drill does."""
        if self.drill is None:
            return ()
        own = {task for edge in replace(self, drill=None).edges() for task in edge}
        return tuple(task for task in self.drill.upstream if task not in own)


def compile_failback(runnable: RunnablePlan) -> FailbackShape | None:
    """Compile the way back of a plan; None: the plan has none, or launches nothing that could go back."""
    plan = runnable.plan
    if plan.failback is None or not any(wave.groups for wave in plan.waves):
        return None
    by_name = {wave.name: wave for wave in plan.waves}
    shape = FailbackShape(
        runnable=runnable,
        targets=(),
        waves=tuple(
            _wave(runnable, by_name[name])
            for name in in_dependency_order(failback_dependencies(plan))
            if by_name[name].groups
        ),
        before=(),
        after=(),
        policy=None,
        approval_tasks=(),
        stop_policy=None,
        stop_approval_tasks=(),
        keep_task=None,
        commit_task=None,
        start_notifications_task=teller_task(plan, names.PREFLIGHT_GROUP, "started"),
        end_notifications_task=teller_task(plan, names.FINISH_GROUP, "completed", "failed"),
    )
    return replace(shape, drill=compile_failback_drill(runnable, {wave.name: wave.ways_back for wave in shape.waves}))


def shape_of_mode(runnable: RunnablePlan, mode: object) -> RunShape | None:
    """Compile what a run of the way back does, by its mode; None: the plan has no way back."""
    shape = compile_failback(runnable)
    return shape.drill if shape and mode == FAILBACK_DRILL.name else shape


def origin_target(plan: RecoveryPlan, group: ProtectionGroup) -> Target:
    """Give where the servers of a group go back to, as the plan names it; an empty Region: DRS names one for each."""
    origin = origin_of_group(plan, group)
    return Target(origin.aws_conn_id or group.aws_conn_id, origin.region or "")


def _wave(runnable: RunnablePlan, wave: Wave) -> WaveShape:
    groups = tuple(runnable.groups[name] for name in wave.groups)
    return WaveShape(
        wave=wave,
        groups=groups,
        depends_on=(),
        targets=(),
        delay_task=None,
        pause_task=None,
        sync_task=None,
        stop_task=None,
        before=(),
        after=(),
        watch_task=None,
        tag_instances_task=None,
        asked_before=(),
        notifications_task=teller_task(runnable.plan, wave.name, "wave_failed", "wave_completed"),
        duration=timedelta(0),
        ways_back=_ways_back(runnable.plan, wave, groups),
    )


def _ways_back(plan: RecoveryPlan, wave: Wave, groups: Sequence[ProtectionGroup]) -> tuple[WayBack, ...]:
    ways: dict[tuple[Target, Target], list[str]] = {}
    for group in groups:
        ways.setdefault((target_of(group), origin_target(plan, group)), []).append(group.name)
    return tuple(
        WayBack(
            target=target,
            origin=origin,
            number=number,
            groups=tuple(found),
            reverse_task=names.wave_task(wave.name, names.REVERSE, number),
            is_only=len(ways) == 1,
        )
        for number, ((target, origin), found) in enumerate(ways.items(), start=1)
    )
