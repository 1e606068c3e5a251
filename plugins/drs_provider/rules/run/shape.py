"""A plan compiled once: its waves in the order of their dependencies, where each launches, and every task of its DAG.

Nothing is asked and nothing is read: the same plan has the same shape. What preflight finds in the cloud is no part of
it. A shape belongs to a plan; ``for_request`` says which of its waves a run has, and what the run is for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import (
    AnyStep,
    LaunchSettings,
    ProtectionGroup,
    RecoveryPlan,
    Wave,
    has_migrations,
    is_launched_ahead,
    stops_writes,
    wave_dependencies,
    waves_above,
)
from drs_provider.rules.purpose import DRILL, Purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.approvals import Policy, policy_of, stop_policy_of
from drs_provider.rules.run.roster import Target, target_of, targets_of
from drs_provider.rules.run.timing import levels, lifetime_of

if TYPE_CHECKING:
    from drs_provider.rules.run.request import RunRequest

Side = Literal["before", "after"]

QuiescedWhen = Literal["migration", "failback"]

Edge = tuple[str, str]
"""A task, and one that waits for it."""

_NO_SETTINGS = LaunchSettings()


@dataclass(frozen=True)
class AskedBefore:
    """An approval step that stands before other tasks. ``launched_by``: counts only if this task left a result."""

    task_id: str
    launched_by: str | None = None


@dataclass(frozen=True)
class StepShape:
    """A step where it stands: ``wave`` is None for the plan's own.

    :param targets: where its servers may be: the accounts and Regions of its wave first, then the others of the plan
    :param asked_before: the approval steps whose recorded answers it relies on
    """

    step: AnyStep
    task_id: str
    wave: str | None
    side: Side
    targets: tuple[Target, ...]
    asked_before: tuple[AskedBefore, ...]

    @property
    def where(self) -> str:
        """Name it for people: ``wave web: shop-answers``."""
        return f"{f'wave {self.wave}' if self.wave else 'plan'}: {self.step.name}"


@dataclass(frozen=True)
class WaveTarget:
    """An account and Region in which a wave launches, and the tasks that the wave has for it.

    :param number: counted from 1 in the wave
    :param groups: the groups of the wave that are there
    :param settings_task: applies launch settings ahead of the wave; None: none may have to be changed
    :param network: number of its drill network in the plan, from 1; 0: drills share production's network
    :param is_only: whether the wave launches nowhere else
    :param ahead_task: launches its servers before the wave's turn, stopped; None: the wave launches them itself
    :param relaunch_task: launches those again, before its turn, whose launch ahead has failed; None: nothing does
    """

    target: Target
    number: int
    groups: tuple[str, ...]
    start_task: str
    servers_task: str
    settings_task: str | None
    network: int
    is_only: bool = True
    ahead_task: str | None = None
    relaunch_task: str | None = None

    def titled(self, what: str) -> str:
        """Say what a task does, and where, if there is more than one place."""
        return what if self.is_only else _titled(what, self.target)


@dataclass(frozen=True)
class WayBack:
    """From where a wave's servers go back to where, and the task that has them replicated there.

    :param target: the account and Region in which they were recovered
    :param origin: the account and Region that they came from; its Region is empty where DRS names one for each server
    :param number: counted from 1 in the wave
    :param groups: the groups of the wave that go this way
    :param is_only: whether the wave has no other
    """

    target: Target
    origin: Target
    number: int
    groups: tuple[str, ...]
    reverse_task: str
    is_only: bool = True

    def titled(self, what: str) -> str:
        """Say what a task does, and for where, if there is more than one way."""
        return what if self.is_only else _titled(what, self.target)


@dataclass(frozen=True)
class WaveShape:
    """A wave of a plan, with its tasks.

    :param wave: what the author wrote: timeout, tolerance, ready, pause …
    :param depends_on: the waves that it waits for
    :param targets: where it launches; none: it has steps only
    :param sync_task: waits in a migration for recovery points that hold all that was written; None: the plan has none
    :param stop_task: stops the sources of a migration then; None: the plan stops none
    :param watch_task: knows what became of its servers; None: it has steps only
    :param asked_before: the approval steps whose recorded answers its launch relies on
    :param notifications_task: tells people of its end; None: nobody wants to know
    :param is_chosen: whether the run has it; a shape without a request has them all
    :param ways_back: of a way back: from where to where its servers go
    :param quiesced_above: of the waves that it waits for, those with steps that stop writes
    :param quiesced_when: the runs whose steps stop writes before its launch: migrations, or failbacks
    """

    wave: Wave
    groups: tuple[ProtectionGroup, ...]
    depends_on: tuple[str, ...]
    targets: tuple[WaveTarget, ...]
    delay_task: str | None
    pause_task: str | None
    sync_task: str | None
    stop_task: str | None
    before: tuple[StepShape, ...]
    after: tuple[StepShape, ...]
    watch_task: str | None
    tag_instances_task: str | None
    asked_before: tuple[AskedBefore, ...]
    notifications_task: str | None
    is_chosen: bool = True
    ways_back: tuple[WayBack, ...] = ()
    quiesced_above: tuple[str, ...] = ()
    quiesced_when: QuiescedWhen = "migration"

    @property
    def name(self) -> str:
        """The name of the wave, and of its task group."""
        return self.wave.name

    @property
    def has_servers(self) -> bool:
        """Whether it has servers; false: it has steps only."""
        return bool(self.targets or self.ways_back)

    @property
    def reverse_tasks(self) -> tuple[str, ...]:
        """What has its servers replicated to their origin, one for each way back."""
        return tuple(way.reverse_task for way in self.ways_back)

    @property
    def start_tasks(self) -> tuple[str, ...]:
        """What launches, one for each account and Region."""
        return tuple(target.start_task for target in self.targets)

    @property
    def settings_tasks(self) -> tuple[str, ...]:
        """What runs as soon as preflight has passed, beside earlier waves."""
        return tuple(target.settings_task for target in self.targets if target.settings_task)

    @property
    def launch_ahead_tasks(self) -> tuple[str, ...]:
        """What launches its servers before its turn, stopped, one for each account and Region."""
        return tuple(target.ahead_task for target in self.targets if target.ahead_task)

    @property
    def relaunch_tasks(self) -> tuple[str, ...]:
        """What launches servers again before its turn whose launch ahead has failed, one for each account and Region.

        None where it tries nothing twice, or its turn comes at once: then it sees its launches through itself.
        """
        return tuple(target.relaunch_task for target in self.targets if target.relaunch_task)

    @property
    def tasks_before_turn(self) -> tuple[str, ...]:
        """Everything that launches its servers before its turn."""
        return (*self.launch_ahead_tasks, *self.relaunch_tasks)

    @cached_property
    def opening(self) -> tuple[str, ...]:
        """What stands before its launch, in order: delay, pause, steps, and the end of a migration's sources.

        Sources are stopped right before the launch: until then DRS goes on making recovery points, and what is stopped
        gets no new one when the newest has aged out.
        """
        ahead = [task for task in (self.delay_task, self.pause_task) if task]
        last = self.sync_tasks[len(self.ahead_tasks) :]
        return (*ahead, *(step.task_id for step in self.before), *last)

    @property
    def sync_tasks(self) -> tuple[str, ...]:
        """What a migration does before the launch: the last sync, and the end of its sources."""
        return tuple(task for task in (self.sync_task, self.stop_task) if task)

    @property
    def ahead_tasks(self) -> tuple[str, ...]:
        """What of them runs beside earlier waves: the last sync, where all writes were stopped before all waves."""
        is_quiet = not (self.quiesce_tasks or self.quiesced_above)
        return (self.sync_task,) if self.sync_task and is_quiet else ()

    @property
    def quiesce_tasks(self) -> tuple[str, ...]:
        """The steps of its own that stop writes before its launch."""
        return tuple(step.task_id for step in self.before if step.step.when == self.quiesced_when)

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """Everything from its first task to what later waves wait for, without what runs ahead of it or beside it."""
        watch = (self.watch_task,) if self.watch_task else ()
        return (*self.opening, *self.reverse_tasks, *self.start_tasks, *watch, *(step.task_id for step in self.after))

    @property
    def first_tasks(self) -> tuple[str, ...]:
        """What waits for earlier waves: the launches themselves, or what stands before them."""
        return self.opening[:1] or self.start_tasks or self.chain[:1]

    @property
    def last_task(self) -> str:
        """What later waves wait for."""
        return self.chain[-1]

    @property
    def end_tasks(self) -> tuple[str, ...]:
        """What ends the wave: nothing else of it comes after these but the squares of its servers."""
        tagged = (self.tag_instances_task,) if self.tag_instances_task else ()
        return tuple(sorted({*tagged, *((self.last_task,) if self.after or not tagged else ())}))


@dataclass(frozen=True)
class PlanTarget:
    """An account and Region of a plan, and the tasks around the waves that the plan has for it.

    :param number: counted from 1 in the plan
    :param waves: the waves that launch there
    :param network: number of its drill network, from 1; 0: drills share production's network
    :param restore_settings_task: puts launch settings back after a drill; None: no wave changes any there
    :param roll_back_task: rolls a recovery back; None: the plan has no commit stage
    :param is_only: whether the plan has no other
    """

    target: Target
    number: int
    waves: tuple[str, ...]
    network: int
    prepare_network_task: str | None
    clean_up_task: str
    restore_settings_task: str | None
    remove_network_task: str | None
    look_over_task: str
    roll_back_task: str | None = None
    is_only: bool = True

    def titled(self, what: str) -> str:
        """Say what a task does, and where, if there is more than one place."""
        return what if self.is_only else _titled(what, self.target)


@dataclass(frozen=True)
class RunShape:
    """A plan as its DAG, its preflight, its rehearsal and its pages need it.

    :param waves: every wave, chosen or not, each one after those that it waits for; else in the plan's order
    :param before: the plan's own steps before all waves
    :param after: the plan's own steps after all waves
    :param policy: who is asked before a recovery; None: nobody ever is
    :param approval_tasks: the tasks that ask them, one after the other
    :param stop_policy: who is asked before a migration stops its sources; None: it stops none
    :param stop_approval_tasks: the tasks that ask them, one after the other
    :param keep_task: keeps a drill for people; None: the plan keeps none
    :param commit_task: asks at the end of a recovery whether it stands; None: the plan has no commit stage
    :param start_notifications_task: tells people that the run goes on to its waves; None: nobody wants to know
    :param end_notifications_task: tells people how the run ended; None: nobody wants to know
    :param purpose: what the run is for; None without a request: the shape holds for every run of the plan
    :param launches_ahead: whether waves that the plan launches ahead are; false: the run launches them in their turn
    """

    runnable: RunnablePlan
    targets: tuple[PlanTarget, ...]
    waves: tuple[WaveShape, ...]
    before: tuple[StepShape, ...]
    after: tuple[StepShape, ...]
    policy: Policy | None
    approval_tasks: tuple[str, ...]
    stop_policy: Policy | None
    stop_approval_tasks: tuple[str, ...]
    keep_task: str | None
    commit_task: str | None
    start_notifications_task: str | None
    end_notifications_task: str | None
    purpose: Purpose | None = None
    launches_ahead: bool = True

    def for_request(self, request: "RunRequest") -> Self:
        """Give the shape of one run: its purpose, and which waves it has."""
        waves = tuple(replace(wave, is_chosen=wave.name in request.waves) for wave in self.waves)
        return replace(self, waves=waves, purpose=request.purpose, launches_ahead=request.launch == "ahead")

    @property
    def plan(self) -> RecoveryPlan:
        """What the author wrote."""
        return self.runnable.plan

    @property
    def digest(self) -> str:
        """The fingerprint of what plan and groups mean."""
        return self.runnable.digest

    @property
    def title(self) -> str:
        """The plan as people call it."""
        return self.plan.title or self.plan.name

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return names.dag_id_of(self.plan.name)

    @cached_property
    def wave_of(self) -> Mapping[str, WaveShape]:
        """Its waves by name."""
        return {wave.name: wave for wave in self.waves}

    @property
    def chosen_waves(self) -> tuple[WaveShape, ...]:
        """The waves that the run has."""
        return tuple(wave for wave in self.waves if wave.is_chosen)

    @property
    def chosen_targets(self) -> tuple[Target, ...]:
        """The accounts and Regions in which the run launches, each once; those of other waves are not asked."""
        return tuple(dict.fromkeys(place.target for wave in self.chosen_waves for place in wave.targets))

    def target_of_group(self, name: str) -> Target:
        """Give where a group of the plan is."""
        return target_of(self.runnable.groups[name])

    @cached_property
    def depends_on(self) -> Mapping[str, tuple[str, ...]]:
        """By wave, those that it waits for."""
        return {wave.name: wave.depends_on for wave in self.waves}

    @cached_property
    def steps(self) -> tuple[StepShape, ...]:
        """All steps in the order in which they may come: the plan's own, each wave's, the plan's own."""
        of_waves = (step for wave in self.waves for step in (*wave.before, *wave.after))
        return (*self.before, *of_waves, *self.after)

    @property
    def has_network(self) -> bool:
        """Whether its drills get a network of their own."""
        return DRILL.has_own_network(self.plan)

    @property
    def networks(self) -> Mapping[Target, int]:
        """The number of the drill network of every account and Region; none where drills share production's."""
        return {place.target: place.network for place in self.targets if place.network}

    @cached_property
    def needs_endpoints(self) -> bool:
        """Whether a drill runs anything on its instances: steps with SSM, or DRS launch actions."""
        if any(shape.step.runs_inside(own_network=True) and DRILL.takes_step(shape.step) for shape in self.steps):
            return True
        return any(settings.actions for group in self.runnable.groups.values() for settings in _settings_of(group))

    @property
    def start_tasks(self) -> tuple[str, ...]:
        """Everything that launches, in whichever wave."""
        return tuple(task for wave in self.waves for task in wave.start_tasks)

    @property
    def launching_tasks(self) -> tuple[str, ...]:
        """Everything that launches, in its wave's turn or ahead of it: the jobs of a run are known from these."""
        return tuple(task for wave in self.waves for task in (*wave.tasks_before_turn, *wave.start_tasks))

    @property
    def watch_tasks(self) -> Mapping[str, str]:
        """What knows what became of the servers, by wave; waves of steps only have none."""
        return {wave.name: wave.watch_task for wave in self.waves if wave.watch_task}

    @property
    def network_tasks(self) -> tuple[str, ...]:
        """What prepares the drill networks."""
        return tuple(place.prepare_network_task for place in self.targets if place.prepare_network_task)

    @property
    def syncs_ahead(self) -> bool:
        """Whether a migration's last syncs stand in the group of preparations, behind the steps before all waves."""
        return any(wave.ahead_tasks for wave in self.waves)

    @property
    def has_launch_ahead(self) -> bool:
        """Whether the plan launches any wave ahead."""
        return any(wave.launch_ahead_tasks for wave in self.waves)

    @property
    def prepares_after_steps(self) -> bool:
        """Whether something in the group of preparations waits for the steps before all waves."""
        return self.syncs_ahead or self.has_launch_ahead

    @property
    def passed_task(self) -> str:
        """What ends the checks and the approvals: nothing is launched before it."""
        return [names.PREFLIGHT_TASK, *self.approval_tasks, *self.stop_approval_tasks][-1]

    @property
    def quiesced_when(self) -> QuiescedWhen:
        """In which runs steps stop writes before the launches."""
        return "migration"

    @property
    def quiesce_tasks(self) -> tuple[str, ...]:
        """The steps before all waves that stop writes."""
        return tuple(step.task_id for step in self.before if step.step.when == self.quiesced_when)

    def quiesce_tasks_of(self, wave: WaveShape) -> tuple[str, ...]:
        """Give the steps that stop writes before a wave: the plan's, those of waves above, its own."""
        above = (task for name in wave.quiesced_above for task in self.wave_of[name].quiesce_tasks)
        return (*self.quiesce_tasks, *above, *wave.quiesce_tasks)

    @cached_property
    def lifetime(self) -> timedelta:
        """The longest time from the start of any job of a drill until its clean-up must be over."""
        return lifetime_of(self.plan)

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The waves in rows: those of a row may run side by side."""
        return levels(self.depends_on)

    @property
    def between_check_and_report(self) -> list[str]:
        """Everything that a run leaves out which only looks; how it ended is told as of every run."""
        stays = (names.PREFLIGHT_TASK, names.REPORT_TASK, names.VERDICT_TASK, self.end_notifications_task)
        return [task for task in self.upstream if task not in stays]

    def edges(self) -> Iterator[Edge]:
        """Yield every task with one that waits for it."""
        return _edges(self)

    @cached_property
    def upstream(self) -> Mapping[str, frozenset[str]]:
        """Every task of the DAG, and the tasks that it waits for: the one place where tasks are wired."""
        found: dict[str, set[str]] = {names.PREFLIGHT_TASK: set()}
        for above, below in self.edges():
            found.setdefault(above, set())
            found.setdefault(below, set()).add(above)
        return {task: frozenset(above) for task, above in found.items()}


def compile_shape(runnable: RunnablePlan, request: "RunRequest | None" = None) -> RunShape:
    """Compile a plan, and with a request one run of it."""
    plan = runnable.plan
    depends_on = wave_dependencies(plan)
    everywhere = targets_of(list(runnable.groups.values()))
    numbers = {target: number for number, target in enumerate(everywhere, start=1)}
    networks = numbers if DRILL.has_own_network(plan) else {}
    by_name = {wave.name: wave for wave in plan.waves}
    asked = AskedSteps(plan, depends_on)
    waves = tuple(
        _wave(runnable, by_name[name], depends_on[name], networks=networks, everywhere=everywhere, asked=asked)
        for name in in_dependency_order(depends_on)
    )
    changed = {place.target for wave in waves for place in wave.targets if place.settings_task}
    policy, stop_policy = policy_of(plan.recovery), stop_policy_of(plan.migration)
    keeps = bool(DRILL.keep_for(plan)) and any(wave.targets for wave in waves)
    asks_to_commit = plan.recovery.commit is not None and any(wave.targets for wave in waves)
    shape = RunShape(
        runnable=runnable,
        targets=tuple(
            replace(
                _place(target, number, waves, networks, changed),
                is_only=len(numbers) == 1,
                roll_back_task=names.numbered(names.ROLL_BACK_TASK, number) if asks_to_commit else None,
            )
            for target, number in numbers.items()
        ),
        waves=waves,
        before=step_shapes(plan.before, names.BEFORE_WAVES, None, "before", targets=everywhere, asked_before=()),
        after=step_shapes(
            plan.after, names.AFTER_WAVES, None, "after", targets=everywhere, asked_before=asked.of(None, "after")
        ),
        policy=policy,
        approval_tasks=names.approval_tasks(policy.required if policy else 0),
        stop_policy=stop_policy,
        stop_approval_tasks=names.stop_approval_tasks(stop_policy.required if stop_policy else 0),
        keep_task=names.KEEP_TASK if keeps else None,
        commit_task=names.COMMIT_TASK if asks_to_commit else None,
        start_notifications_task=teller_task(plan, names.PREFLIGHT_GROUP, "started"),
        end_notifications_task=teller_task(plan, names.FINISH_GROUP, "completed", "failed"),
    )
    return shape if request is None else shape.for_request(request)


def in_dependency_order(depends_on: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield every wave after those that it waits for; of two that may come, the one that stands first in the plan."""
    left = dict(depends_on)
    while left:
        name = next(name for name, above in left.items() if not any(other in left for other in above))
        del left[name]
        yield name


def _wave(
    runnable: RunnablePlan,
    wave: Wave,
    depends_on: tuple[str, ...],
    *,
    networks: Mapping[Target, int],
    everywhere: tuple[Target, ...],
    asked: "AskedSteps",
) -> WaveShape:
    groups = tuple(runnable.groups[name] for name in wave.groups)
    targets = targets_of(groups)
    known = (*targets, *(target for target in everywhere if target not in targets))
    above = waves_above(wave_dependencies(runnable.plan), wave.name)
    migrates, stops = has_migrations(runnable.plan), runnable.plan.migration.stop_sources is not None
    before_launch = asked.of(wave, "after")
    is_ahead = is_launched_ahead(runnable.plan, wave)
    is_awaited = bool(depends_on or wave.delay_before or wave.pause_before or wave.before)
    return WaveShape(
        wave=wave,
        groups=groups,
        depends_on=depends_on,
        targets=tuple(
            replace(
                _wave_target(wave, target, number, groups, networks, is_ahead=is_ahead, is_awaited=is_awaited),
                is_only=len(targets) == 1,
            )
            for number, target in enumerate(targets, start=1)
        ),
        delay_task=names.wave_task(wave.name, names.DELAY) if wave.delay_before else None,
        pause_task=names.wave_task(wave.name, names.PAUSE) if wave.pause_before is not None else None,
        sync_task=names.wave_task(wave.name, names.FINAL_SYNC) if targets and migrates else None,
        stop_task=names.wave_task(wave.name, names.STOP_SOURCES) if targets and stops else None,
        before=step_shapes(
            wave.before, wave.name, wave.name, "before", targets=known, asked_before=asked.of(wave, "before")
        ),
        after=step_shapes(wave.after, wave.name, wave.name, "after", targets=known, asked_before=before_launch),
        watch_task=names.wave_task(wave.name, names.WATCH) if targets else None,
        tag_instances_task=names.wave_task(wave.name, names.TAG_INSTANCES) if targets else None,
        asked_before=before_launch,
        notifications_task=teller_task(runnable.plan, wave.name, "wave_failed", "wave_completed"),
        quiesced_above=tuple(
            other.name for other in runnable.plan.waves if other.name in above and stops_writes(other)
        ),
    )


def _wave_target(
    wave: Wave,
    target: Target,
    number: int,
    groups: Sequence[ProtectionGroup],
    networks: Mapping[Target, int],
    *,
    is_ahead: bool,
    is_awaited: bool,
) -> WaveTarget:
    here = [group for group in groups if target_of(group) == target]
    network = networks.get(target, 0)
    # A drill with a network of its own puts every server into it; what is launched ahead is launched stopped.
    says = any(settings != _NO_SETTINGS for group in here for settings in _settings_of(group))
    is_changed = network or is_ahead or says
    is_relaunched = is_ahead and is_awaited and (wave.retry_failed or _has_fallback(here))
    return WaveTarget(
        target=target,
        number=number,
        groups=tuple(group.name for group in here),
        start_task=names.wave_task(wave.name, names.START, number),
        servers_task=names.wave_task(wave.name, names.SERVERS, number),
        settings_task=names.wave_task(wave.name, names.LAUNCH_SETTINGS, number) if is_changed else None,
        network=network,
        ahead_task=names.wave_task(wave.name, names.LAUNCH_AHEAD, number) if is_ahead else None,
        relaunch_task=names.wave_task(wave.name, names.RELAUNCH_AHEAD, number) if is_relaunched else None,
    )


def _has_fallback(groups: Sequence[ProtectionGroup]) -> bool:
    return any(settings.fallback is not None for group in groups for settings in _settings_of(group))


def _settings_of(group: ProtectionGroup) -> Iterator[LaunchSettings]:
    yield group.launch
    yield group.drill_launch
    for member in group.servers:
        yield member.launch


def _titled(what: str, target: Target) -> str:
    return f"{what} ({', '.join(filter(None, (target.aws_conn_id, target.region)))})"


def _place(
    target: Target,
    number: int,
    waves: Sequence[WaveShape],
    networks: Mapping[Target, int],
    changed: Collection[Target],
) -> PlanTarget:
    network = networks.get(target, 0)
    return PlanTarget(
        target=target,
        number=number,
        waves=tuple(wave.name for wave in waves if any(place.target == target for place in wave.targets)),
        network=network,
        prepare_network_task=names.numbered(names.PREPARE_NETWORK_TASK, number) if network else None,
        clean_up_task=names.numbered(names.CLEAN_UP_TASK, number),
        restore_settings_task=names.numbered(names.RESTORE_SETTINGS_TASK, number) if target in changed else None,
        remove_network_task=names.numbered(names.REMOVE_NETWORK_TASK, number) if network else None,
        look_over_task=names.numbered(names.LOOK_OVER_TASK, number),
    )


def teller_task(plan: RecoveryPlan, group: str, *events: str) -> str | None:
    """Give the task of a group that tells people of some events; None: nobody wants to know."""
    is_wanted = any(event in notification.on for notification in plan.notify for event in events)
    return names.task_in(group, names.NOTIFICATIONS) if is_wanted else None


def step_shapes(
    steps: Sequence[AnyStep],
    group: str,
    wave: str | None,
    side: Side,
    *,
    targets: tuple[Target, ...],
    asked_before: tuple[AskedBefore, ...],
) -> tuple[StepShape, ...]:
    """Compile the steps of one side of a wave, or of the plan; each relies on the answers of those before it."""
    found = []
    asked = asked_before
    for step in steps:
        task_id = names.task_in(group, step.name)
        found.append(StepShape(step, task_id, wave, side, targets, asked))
        if step.ASKS_PEOPLE:
            asked = (*asked, AskedBefore(task_id))
    return tuple(found)


class AskedSteps:
    """The approval steps of a plan, and which of them stand before what."""

    def __init__(self, plan: RecoveryPlan, depends_on: Mapping[str, Sequence[str]]) -> None:
        self.plan, self.depends_on = plan, depends_on
        steps = (*plan.before, *(step for wave in plan.waves for step in (*wave.before, *wave.after)))
        self.has_any = any(step.ASKS_PEOPLE for step in steps)

    def of(self, wave: Wave | None, side: Side) -> tuple[AskedBefore, ...]:
        """Give those before the steps of a side of a wave, or of the plan (None); of a wave's launch: its side after.

        Nothing launches a wave of steps only, so whether it took part is not known from outside: its own steps rely on
        its approvals, and nothing else does.
        """
        if not self.has_any or (wave is None and side == "before"):
            return ()
        above = waves_above(self.depends_on, wave.name) if wave else {other.name for other in self.plan.waves}
        found = [*_approvals(self.plan.before, names.BEFORE_WAVES)]
        for other in self.plan.waves:
            if other.name in above and other.groups:
                watch = names.wave_task(other.name, names.WATCH)
                found += _approvals((*other.before, *other.after), other.name, launched_by=watch)
        if wave and side == "after":
            found += _approvals(wave.before, wave.name)
        return tuple(found)


def _approvals(steps: Sequence[AnyStep], group: str, launched_by: str | None = None) -> Iterator[AskedBefore]:
    for step in steps:
        if step.ASKS_PEOPLE:
            yield AskedBefore(names.task_in(group, step.name), launched_by)


def _edges(shape: RunShape) -> Iterator[Edge]:
    yield from wave_edges(shape)
    yield from _into_finish(shape)
    yield from _in_finish(shape)


def wave_edges(shape: RunShape) -> Iterator[Edge]:
    """Yield the edges from the first task to the last step after the waves."""
    yield from _before_waves(shape)
    for wave in shape.waves:
        yield from _around_wave(shape, wave)
        yield from _in_wave(wave)
    yield from pairwise(step.task_id for step in shape.after)


def _before_waves(shape: RunShape) -> Iterator[Edge]:
    for network in shape.network_tasks:
        yield names.PREFLIGHT_TASK, network
    yield from pairwise([names.PREFLIGHT_TASK, *shape.approval_tasks, *shape.stop_approval_tasks])
    yield from pairwise([shape.passed_task, *(step.task_id for step in shape.before)])
    if shape.start_notifications_task:
        yield names.PREFLIGHT_TASK, shape.start_notifications_task
        yield shape.start_notifications_task, names.REPORT_TASK


def _around_wave(shape: RunShape, wave: WaveShape) -> Iterator[Edge]:
    begun = shape.before[-1].task_id if shape.before else shape.passed_task
    above = [shape.wave_of[name].last_task for name in wave.depends_on] or [begun, *shape.network_tasks]
    yield from ((task, first) for task in above for first in wave.first_tasks)
    for task in (shape.passed_task, *shape.network_tasks):
        yield from ((task, settings) for settings in wave.settings_tasks)
    yield from pairwise([begun, *wave.ahead_tasks])
    for place in wave.targets:
        if place.ahead_task:
            before = (begun, *shape.network_tasks, *_launched_ahead_above(shape, wave, place.target))
            yield from ((task, place.ahead_task) for task in before)
    for step in shape.after[:1]:
        yield wave.last_task, step.task_id
    if wave.notifications_task:
        yield from ((end, wave.notifications_task) for end in wave.end_tasks)
        yield wave.notifications_task, names.REPORT_TASK


def _launched_ahead_above(shape: RunShape, wave: WaveShape, target: Target) -> Iterator[str]:
    """Yield what launches the next waves above a wave ahead there: where quotas are short, their turn comes first."""
    for name in wave.depends_on:
        above = shape.wave_of[name]
        here = [place.ahead_task for place in above.targets if place.target == target and place.ahead_task]
        yield from here or _launched_ahead_above(shape, above, target)


def _in_wave(wave: WaveShape) -> Iterator[Edge]:
    after = [step.task_id for step in wave.after]
    yield from pairwise(wave.opening)
    yield from (
        (task, below)
        for task in wave.ahead_tasks
        for below in ((wave.stop_task,) if wave.stop_task else wave.start_tasks)
    )
    yield from ((task, below) for task in wave.opening[-1:] for below in (wave.start_tasks or after[:1]))
    yield from pairwise([wave.watch_task, *after] if wave.watch_task else after)
    for place in wave.targets:
        if place.settings_task:
            yield place.settings_task, place.start_task
        if place.ahead_task:
            yield place.ahead_task, place.start_task
            if place.settings_task:
                yield place.settings_task, place.ahead_task
            if place.relaunch_task:
                yield place.ahead_task, place.relaunch_task
        if wave.watch_task:
            yield place.start_task, wave.watch_task
            yield wave.watch_task, place.servers_task
        yield place.start_task, place.servers_task
    if wave.watch_task and wave.tag_instances_task:
        yield wave.watch_task, wave.tag_instances_task


def _into_finish(shape: RunShape) -> Iterator[Edge]:
    """Every task of every wave, also one that others wait for: where a later one is marked by hand, the clean-up would
    otherwise start beside waves that still run. So would it beside the other starts of a wave whose first one fails.
    """
    first = [place.clean_up_task for place in shape.targets]
    first = [shape.keep_task, *first] if shape.keep_task else first
    for wave in shape.waves:
        is_long = len(wave.chain) > len(wave.start_tasks[:1]) + 1
        tagged = (wave.tag_instances_task,) if wave.tag_instances_task else ()
        ahead = (*wave.ahead_tasks, *wave.tasks_before_turn)
        tasks = (*wave.settings_tasks, *ahead, *(wave.chain if is_long else (wave.last_task,)), *tagged)
        # A plan of steps alone has nothing to clean up: its report waits for the waves then.
        yield from ((task, below) for task in tasks for below in first or [names.REPORT_TASK])
    for step in (*shape.before, *shape.after):
        yield from ((step.task_id, below) for below in first or [names.REPORT_TASK])


def _in_finish(shape: RunShape) -> Iterator[Edge]:
    cleaned = [place.clean_up_task for place in shape.targets]
    restored = [place.restore_settings_task for place in shape.targets if place.restore_settings_task]
    removed = [place.remove_network_task for place in shape.targets if place.remove_network_task]
    looked = [place.look_over_task for place in shape.targets]
    if shape.keep_task:
        yield from ((shape.keep_task, task) for task in cleaned)
    for place in shape.targets:
        if place.restore_settings_task:
            yield place.clean_up_task, place.restore_settings_task
    yield from ((above, task) for task in removed for above in restored or cleaned)
    yield from ((above, task) for task in looked for above in removed or [*cleaned, *restored])
    if shape.commit_task:
        rolled_back = [place.roll_back_task for place in shape.targets if place.roll_back_task]
        yield from ((task, shape.commit_task) for task in looked)
        yield from ((shape.commit_task, task) for task in rolled_back)
        yield from ((task, names.REPORT_TASK) for task in (shape.commit_task, *rolled_back))
    yield from ((task, names.REPORT_TASK) for task in (*cleaned, *restored, *removed, *looked))
    yield names.REPORT_TASK, names.VERDICT_TASK
    if shape.end_notifications_task:
        yield names.VERDICT_TASK, shape.end_notifications_task
