"""The DAG of a plan's way back, compiled: its waves in their order there, and every task.

It is a shape like that of the plan's own DAG, so that state, board, notices and report read both. To have servers
replicated to their origin no wave waits for another; to launch them there, waves wait as `failback.order` says. Its
failback drill has a shape of its own, with tasks in the same DAG.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import (
    AnyStep,
    ProtectionGroup,
    RecoveryPlan,
    Wave,
    failback_dependencies,
    origin_of_group,
    waves_above,
)
from drs_provider.rules.failback.drill_shape import FailbackDrillShape, compile_failback_drill
from drs_provider.rules.purpose import FAILBACK, FAILBACK_DRILL
from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import failback_policy_of
from drs_provider.rules.run.roster import Target, target_of
from drs_provider.rules.run.shape import (
    AskedSteps,
    Edge,
    QuiescedWhen,
    RunShape,
    WaveShape,
    WaveTarget,
    WayBack,
    in_dependency_order,
    step_shapes,
    teller_task,
    wave_edges,
)


@dataclass(frozen=True)
class WayHome:
    """From where the servers of a plan go back to where, and the tasks that end it after the waves.

    :param number: counted from 1 in the plan
    :param groups: the groups of the plan that go this way
    :param waves: the waves that have some of them
    :param is_only: whether the plan has no other
    """

    target: Target
    origin: Target
    number: int
    groups: tuple[str, ...]
    waves: tuple[str, ...]
    is_only: bool = True

    @property
    def protect_task(self) -> str:
        """What protects its servers again, from their origin."""
        return names.numbered(names.PROTECT_AGAIN_TASK, self.number)

    @property
    def remove_task(self) -> str:
        """What removes what the way back has left of them."""
        return names.numbered(names.REMOVE_RECOVERED_TASK, self.number)

    @property
    def rest_task(self) -> str:
        """What looks whether all of them are at rest."""
        return names.numbered(names.AT_REST_TASK, self.number)

    @property
    def stop_task(self) -> str:
        """What ends the failbacks of its machines in data centres, where a cancel says so."""
        return names.numbered(names.STOP_FAILBACK_TASK, self.number)

    @property
    def way(self) -> WayBack:
        """The same as a wave has it; no task reverses it."""
        return WayBack(self.target, self.origin, self.number, self.groups, "", is_only=self.is_only)


@dataclass(frozen=True)
class FailbackShape(RunShape):
    """The way back of a plan. It has the waves that have servers, or steps of a failback.

    :param drill: its failback drill; None: nobody has compiled it
    """

    drill: FailbackDrillShape | None = None

    @property
    def quiesced_when(self) -> QuiescedWhen:
        """In which runs steps stop writes before the launches."""
        return "failback"

    @property
    def stops_writes(self) -> bool:
        """Whether a step of a chosen wave, or of the plan, stops writes before the launches."""
        return bool(self.quiesce_tasks or any(wave.quiesce_tasks for wave in self.chosen_waves))

    @property
    def ways_home(self) -> tuple[WayHome, ...]:
        """From where servers of the plan go back to where, each once."""
        found: dict[tuple[Target, Target], tuple[list[str], list[str]]] = {}
        for wave in self.waves:
            for way in wave.ways_back:
                groups, waves = found.setdefault((way.target, way.origin), ([], []))
                groups += way.groups
                waves.append(wave.name)
        return tuple(
            WayHome(target, origin, number, tuple(groups), tuple(waves), is_only=len(found) == 1)
            for number, ((target, origin), (groups, waves)) in enumerate(found.items(), start=1)
        )

    @property
    def reverse_tasks(self) -> tuple[str, ...]:
        """Everything that has servers replicated to their origin, in whichever wave."""
        return tuple(task for wave in self.waves for task in wave.reverse_tasks)

    @property
    def cut_over_tasks(self) -> tuple[str, ...]:
        """Everything between preflight and report that only a failback has."""
        others = {names.PREFLIGHT_TASK, names.REPORT_TASK, names.VERDICT_TASK, *self.reverse_tasks}
        own = replace(self, drill=None).upstream
        return tuple(task for task in own if task not in others and not names.is_teller(task))

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
        for wave in self.waves:
            for task in wave.reverse_tasks:
                yield names.PREFLIGHT_TASK, task
                yield task, names.REPORT_TASK
                if wave.notifications_task:
                    yield task, wave.notifications_task
        yield from wave_edges(self)
        yield from self._into_finish()
        yield names.REPORT_TASK, names.VERDICT_TASK
        if self.end_notifications_task:
            yield names.VERDICT_TASK, self.end_notifications_task
        if self.drill:
            yield from self.drill.edges()

    @property
    def drill_tasks(self) -> tuple[str, ...]:
        """What only a failback drill does."""
        if self.drill is None:
            return ()
        own = {task for edge in replace(self, drill=None).edges() for task in edge}
        return tuple(task for task in self.drill.upstream if task not in own)

    def _into_finish(self) -> Iterator[Edge]:
        """Every task of every wave: nothing is protected again, or removed, beside a wave that still runs."""
        ways = self.ways_home
        for wave in self.waves:
            tasks = (*wave.ahead_tasks, *(task for task in wave.chain if task not in wave.reverse_tasks))
            yield from ((task, end) for task in tasks for way in ways for end in (way.protect_task, way.stop_task))
        for step in (*self.before, *self.after):
            yield from ((step.task_id, end) for way in ways for end in (way.protect_task, way.stop_task))
        for way in ways:
            yield way.protect_task, names.AGREE_TASK
            yield from pairwise((names.AGREE_TASK, way.remove_task, way.rest_task, names.REPORT_TASK))
            yield way.protect_task, names.REPORT_TASK
            yield way.remove_task, names.REPORT_TASK
            yield way.stop_task, names.REPORT_TASK
        yield names.AGREE_TASK, names.REPORT_TASK


def compile_failback(runnable: RunnablePlan) -> FailbackShape | None:
    """Compile the way back of a plan; None: the plan has none, or launches nothing that could go back."""
    plan = runnable.plan
    if plan.failback is None or not any(wave.groups for wave in plan.waves):
        return None
    back = _with_steps_back(plan)
    depends_on = _dependencies(back, plan)
    by_name = {wave.name: wave for wave in back.waves}
    asked = AskedSteps(back, depends_on)
    policy = failback_policy_of(plan.failback)
    origins = _origins(runnable, back)
    shape = FailbackShape(
        runnable=runnable,
        targets=(),
        waves=tuple(
            _wave(runnable, by_name[name], depends_on, asked=asked, origins=origins, quiet=_quiet(back))
            for name in in_dependency_order(depends_on)
        ),
        before=step_shapes(back.before, names.BEFORE_WAVES, None, "before", targets=origins, asked_before=()),
        after=step_shapes(
            back.after, names.AFTER_WAVES, None, "after", targets=origins, asked_before=asked.of(None, "after")
        ),
        policy=policy,
        approval_tasks=names.approval_tasks(policy.required),
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


def _with_steps_back(plan: RecoveryPlan) -> RecoveryPlan:
    """Leave out the steps of other runs, and waves that have nothing to do on the way back."""
    waves = [
        wave.model_copy(update={"before": _steps_back(wave.before), "after": _steps_back(wave.after)})
        for wave in plan.waves
    ]
    return plan.model_copy(
        update={
            "before": _steps_back(plan.before),
            "after": _steps_back(plan.after),
            "waves": tuple(wave for wave in waves if wave.groups or wave.before or wave.after),
        }
    )


def _steps_back(steps: Sequence[AnyStep]) -> tuple[AnyStep, ...]:
    return tuple(step for step in steps if FAILBACK.takes_step(step))


def _dependencies(back: RecoveryPlan, whole: RecoveryPlan) -> dict[str, tuple[str, ...]]:
    """Give the dependencies of the waves that are left, also where one that is left out stood between them."""
    there, kept = failback_dependencies(whole), {wave.name for wave in back.waves}

    def nearest(name: str) -> tuple[str, ...]:
        found = [found for other in there[name] for found in ((other,) if other in kept else nearest(other))]
        return tuple(dict.fromkeys(found))

    return {name: nearest(name) for name in there if name in kept}


def _quiet(back: RecoveryPlan) -> frozenset[str]:
    """Give the waves with steps that stop writes before their launch."""
    return frozenset(wave.name for wave in back.waves if any(step.when == "failback" for step in wave.before))


def _origins(runnable: RunnablePlan, back: RecoveryPlan) -> tuple[Target, ...]:
    groups = [runnable.groups[name] for wave in back.waves for name in wave.groups]
    return tuple(dict.fromkeys(origin_target(back, group) for group in groups))


def _wave(
    runnable: RunnablePlan,
    wave: Wave,
    depends_on: Mapping[str, tuple[str, ...]],
    *,
    asked: AskedSteps,
    origins: tuple[Target, ...],
    quiet: frozenset[str],
) -> WaveShape:
    groups = tuple(runnable.groups[name] for name in wave.groups)
    ways = _ways_back(runnable.plan, wave, groups)
    own = tuple(dict.fromkeys(way.origin for way in ways))
    known = (*own, *(origin for origin in origins if origin not in own))
    before_launch = asked.of(wave, "after")

    def task(name: str, *, is_there: bool = bool(ways)) -> str | None:
        return names.wave_task(wave.name, name) if is_there else None

    return WaveShape(
        wave=wave,
        groups=groups,
        depends_on=depends_on[wave.name],
        targets=tuple(_launch_of(wave.name, way) for way in ways),
        delay_task=task(names.DELAY, is_there=bool(wave.delay_before)),
        pause_task=task(names.PAUSE, is_there=wave.pause_before is not None),
        sync_task=task(names.FINAL_SYNC),
        stop_task=task(names.STOP_ORIGINALS),
        before=step_shapes(
            wave.before, wave.name, wave.name, "before", targets=known, asked_before=asked.of(wave, "before")
        ),
        after=step_shapes(wave.after, wave.name, wave.name, "after", targets=known, asked_before=before_launch),
        watch_task=task(names.WATCH),
        tag_instances_task=None,
        asked_before=before_launch,
        notifications_task=teller_task(runnable.plan, wave.name, "wave_failed", "wave_completed"),
        ways_back=ways,
        quiesced_above=tuple(sorted(waves_above(depends_on, wave.name) & quiet)),
        quiesced_when="failback",
    )


def _launch_of(wave: str, way: WayBack) -> WaveTarget:
    return WaveTarget(
        target=way.target,
        number=way.number,
        groups=way.groups,
        start_task=names.wave_task(wave, names.START, way.number),
        servers_task=names.wave_task(wave, names.SERVERS, way.number),
        settings_task=None,
        network=0,
        is_only=way.is_only,
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
