"""One run at one moment, as its state is computed from it. Filled from inside a task, by the REST API, or by the pages.

Documents are fetched when they are asked for, and only from tasks that may have left them: the ``left`` of a snapshot
may be a pull of XComs, a request over HTTP, or a look into what was read before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from drs_provider.rules.purpose import FAILBACK_DRILL, find_purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.state.task_states import NOTHING_YET, RUN_IS_OVER, TaskPhase, TaskSnapshot, phase_of

if TYPE_CHECKING:
    from drs_provider.rules.run.shape import RunShape, StepShape

Left = Callable[[str, str], object]
"""Gives what a task (by id) left under a key, as JSON; None: nothing."""

Side = Literal["before", "after"]


@dataclass(frozen=True)
class StepOutline:
    """One step: its name, its task, and the side of the launch on which it stands."""

    name: str
    task: str
    side: Side


@dataclass(frozen=True)
class WaveOutline:
    """The tasks of a wave. ``watch`` is None for a wave of steps only; its steps are then in the order of the plan.

    :param gates: delay and pause, where the plan has them
    :param settings: the tasks that apply launch settings, one for each account and Region
    :param reversals: of a way back: the tasks that have its servers replicated to their origin
    :param aheads: the tasks that launch its servers before its turn
    :param relaunches: the tasks that launch those of them again, before its turn, whose launch has failed
    """

    name: str
    depends_on: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    watch: str | None = None
    gates: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    reversals: tuple[str, ...] = ()
    aheads: tuple[str, ...] = ()
    relaunches: tuple[str, ...] = ()
    before: tuple[StepOutline, ...] = ()
    after: tuple[StepOutline, ...] = ()

    @property
    def has_servers(self) -> bool:
        """Whether it has servers; false: it has steps only."""
        return self.watch is not None or bool(self.reversals)

    @property
    def before_turn(self) -> tuple[str, ...]:
        """Everything that launches its servers before its turn."""
        return (*self.aheads, *self.relaunches)

    @property
    def chain(self) -> tuple[str, ...]:
        """Every task that the next wave waits for, without what runs ahead of the wave or beside it."""
        watch = (self.watch,) if self.watch else ()
        steps = (step.task for step in (*self.before, *self.after))
        return (*self.gates, *self.reversals, *self.starts, *watch, *steps)


@dataclass(frozen=True)
class RunOutline:
    """Which tasks a run has: its waves, each after those that it waits for, and the plan's own steps."""

    waves: tuple[WaveOutline, ...] = ()
    before: tuple[StepOutline, ...] = ()
    after: tuple[StepOutline, ...] = ()


@dataclass(frozen=True)
class RunSnapshot:
    """Everything that the state of a run is computed from.

    :param tasks: the tasks of the run by id; squares of servers and other mapped tasks may be among them
    :param left: fetches what a task left under a key
    :param run_state: Airflow's state of the run
    :param asked: ids of the tasks with an open question, where it is known; ``awaiting_input`` tells it without
    :param is_last_look: nothing more will begin although Airflow's run goes on: its report is being written
    """

    outline: RunOutline
    tasks: Mapping[str, TaskSnapshot] = field(default_factory=dict)
    left: Left = lambda _task, _key: None
    run_state: str | None = "running"
    asked: frozenset[str] = frozenset()
    is_last_look: bool = False

    @property
    def is_over(self) -> bool:
        """Whether Airflow's run has ended."""
        return self.run_state in RUN_IS_OVER

    @property
    def is_final(self) -> bool:
        """Whether nothing more will begin."""
        return self.is_last_look or self.is_over

    def task(self, task_id: str) -> TaskSnapshot:
        """Give a task by its id; one that Airflow does not know has no state."""
        return self.tasks.get(task_id, NOTHING_YET)

    def phase(self, task_id: str) -> TaskPhase:
        """Say how far a task is."""
        return phase_of(self.task(task_id).state, is_asked=task_id in self.asked)


def left_in(documents: Mapping[tuple[str, str], object]) -> Left:
    """Look into documents that were read before, by task and key."""
    return lambda task, key: documents.get((task, key))


def tasks_from_states(states: Mapping[str, str | None]) -> dict[str, TaskSnapshot]:
    """Read what ``get_task_states`` gives inside a task; it tells no times."""
    return {task: TaskSnapshot(state and str(state)) for task, state in states.items()}


def tasks_from_instances(instances: Iterable[Mapping[str, object]]) -> dict[str, TaskSnapshot]:
    """Read the task instances of the REST API; mapped ones, one per server, are left aside."""
    return {
        str(instance["task_id"]): TaskSnapshot(
            None if instance.get("state") is None else str(instance["state"]),
            read_instant(instance.get("start_date")),
            read_instant(instance.get("end_date")),
        )
        for instance in instances
        if instance.get("map_index", _NOT_MAPPED) in (None, _NOT_MAPPED)
    }


def read_instant(text: object) -> datetime | None:
    """Read an instant of the REST API: ISO 8601; None: there is none."""
    return datetime.fromisoformat(str(text)) if text else None


def outline_of_shape(shape: "RunShape", *, mode: object = None) -> RunOutline:
    """Outline a run from its compiled plan.

    :param mode: what the run is for, where it is known
    """
    whole = RunOutline(
        waves=tuple(
            WaveOutline(
                name=wave.name,
                depends_on=wave.depends_on,
                starts=wave.start_tasks,
                watch=wave.watch_task,
                gates=tuple(task for task in (wave.delay_task, wave.pause_task) if task),
                settings=(*wave.settings_tasks, *wave.sync_tasks),
                reversals=wave.reverse_tasks,
                aheads=wave.launch_ahead_tasks,
                relaunches=wave.relaunch_tasks,
                before=_compiled_steps(wave.before),
                after=_compiled_steps(wave.after),
            )
            for wave in shape.waves
        ),
        before=_compiled_steps(shape.before),
        after=_compiled_steps(shape.after),
    )
    return _of_way_back(whole, mode)


def outline_of_edges(
    upstream: Mapping[str, Collection[str]], order: Sequence[str] = (), *, mode: object = None
) -> RunOutline:
    """Outline a run from the edges of its DAG.

    :param upstream: every task of the DAG, with the tasks that it waits for directly
    :param order: the waves in the plan's order, where it is known; otherwise each stands after those it waits for
    :param mode: what the run is for, where it is known: a way back has tasks that only a failback drill does
    """
    upstream = _of_drill_or_not(upstream, mode)
    waves = names.waves_in(sorted(upstream))
    above = {
        wave: {
            other
            for task, directly in upstream.items()
            if names.wave_of(task) == wave and not names.does(task, names.LAUNCH_AHEAD)
            for task_above in directly
            if (other := names.wave_of(task_above)) and other != wave
        }
        for wave in waves
    }
    placed = [*(name for name in order if name in above), *(name for name in _sorted(above) if name not in order)]
    whole = RunOutline(
        waves=tuple(
            _drawn_wave(name, [other for other in placed if other in above[name]], upstream) for name in placed
        ),
        before=_drawn_steps(names.BEFORE_WAVES, upstream, "before"),
        after=_drawn_steps(names.AFTER_WAVES, upstream, "after"),
    )
    return _of_way_back(whole, mode)


def _of_way_back(whole: RunOutline, mode: object) -> RunOutline:
    """Leave out what is of the other kind of run of the same DAG: a reprotection only reverses, a failback never does.

    What a run skips from the beginning gets no order and is not cleared with a wave: it would begin.
    """
    purpose = find_purpose(mode)
    if purpose is None or not any(wave.reversals for wave in whole.waves):
        return whole
    if purpose.copies:
        waves = (WaveOutline(wave.name, reversals=wave.reversals) for wave in whole.waves if wave.reversals)
        return RunOutline(tuple(waves))
    return replace(whole, waves=tuple(replace(wave, reversals=()) for wave in whole.waves))


def _of_drill_or_not(upstream: Mapping[str, Collection[str]], mode: object) -> Mapping[str, Collection[str]]:
    """Leave out what only failback drills do, or in a failback drill everything else."""
    if not any(names.does(task, names.START_DRILL) for task in upstream):
        return upstream
    is_drill = mode == FAILBACK_DRILL.name
    gone = {task for task in upstream if (_is_of_others(task) if is_drill else _is_of_drill(task))}
    if is_drill:  # waves of steps only have no part in it
        launched = {names.wave_of(task) for task in upstream if names.does(task, names.START_DRILL)}
        gone |= {task for task in upstream if (wave := names.wave_of(task)) and wave not in launched}
    return {task: set(above) - gone for task, above in upstream.items() if task not in gone}


def _is_of_drill(task: str) -> bool:
    return names.does(task, *_OF_FAILBACK_DRILLS)


def _is_of_others(task: str) -> bool:
    if names.group_of(task) in names.PLAN_STEP_GROUPS:
        return True
    return names.wave_of(task) is not None and not names.does(task, *_OF_FAILBACK_DRILLS, names.NOTIFICATIONS)


def outline_of_tasks(task_ids: Collection[str]) -> RunOutline:
    """Outline a run of which only the ids of its tasks are known, for those who only show how far its waves are.

    Which waves a wave waits for is not known then, nor on which side of the launch a step stands: it stands on both.
    """
    waves = []
    for name in names.waves_in(sorted(task_ids)):
        steps = [task for task in sorted(names.steps_in(task_ids, name)) if "_" not in _step_name(task)]
        before = tuple(StepOutline(_step_name(task), task, "before") for task in steps)
        after = tuple(StepOutline(_step_name(task), task, "after") for task in steps)
        waves.append(WaveOutline(name=name, before=before, after=after, **_own_tasks(name, task_ids)))
    return RunOutline(waves=tuple(waves))


_NOT_MAPPED: Final = -1

_OF_FAILBACK_DRILLS: Final = (
    names.START_DRILL,
    names.DRILL_JOB,
    names.DRILL_SERVERS,
    names.LAUNCH_SETTINGS,
    names.TAG_INSTANCES,
)
"""What only a failback drill does, in the DAG of a way back."""


def _compiled_steps(steps: Sequence["StepShape"]) -> tuple[StepOutline, ...]:
    return tuple(StepOutline(step.step.name, step.task_id, step.side) for step in steps)


def _drawn_wave(name: str, depends_on: Sequence[str], upstream: Mapping[str, Collection[str]]) -> WaveOutline:
    own = _own_tasks(name, upstream)
    before_start = _ancestors(upstream, own["starts"])
    steps = _steps_in_order(name, upstream)
    return WaveOutline(
        name=name,
        depends_on=tuple(depends_on),
        before=tuple(StepOutline(_step_name(task), task, "before") for task in steps if task in before_start),
        after=tuple(StepOutline(_step_name(task), task, "after") for task in steps if task not in before_start),
        **own,
    )


class _OwnTasks(TypedDict):
    starts: tuple[str, ...]
    watch: str | None
    gates: tuple[str, ...]
    settings: tuple[str, ...]
    reversals: tuple[str, ...]
    aheads: tuple[str, ...]
    relaunches: tuple[str, ...]


def _own_tasks(wave: str, task_ids: Collection[str]) -> _OwnTasks:
    watches = (names.wave_task(wave, name) for name in (names.WATCH, names.DRILL_JOB))
    gates = (names.wave_task(wave, name) for name in (names.DELAY, names.PAUSE))
    return {
        "starts": tuple(
            task for name in (names.START, names.START_DRILL) for task in names.tasks_that(task_ids, wave, name)
        ),
        "watch": next((watch for watch in watches if watch in task_ids), None),
        "gates": tuple(gate for gate in gates if gate in task_ids),
        "settings": tuple(
            task
            for name in (names.LAUNCH_SETTINGS, names.FINAL_SYNC, names.STOP_SOURCES, names.STOP_ORIGINALS)
            for task in names.tasks_that(task_ids, wave, name)
        ),
        "reversals": tuple(names.tasks_that(task_ids, wave, names.REVERSE)),
        "aheads": tuple(names.tasks_that(task_ids, wave, names.LAUNCH_AHEAD)),
        "relaunches": tuple(names.tasks_that(task_ids, wave, names.RELAUNCH_AHEAD)),
    }


def _drawn_steps(group: str, upstream: Mapping[str, Collection[str]], side: Side) -> tuple[StepOutline, ...]:
    return tuple(StepOutline(_step_name(task), task, side) for task in _steps_in_order(group, upstream))


def _steps_in_order(group: str, upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Order the steps of a group: they stand in a chain, with other tasks in between.

    A name with an underscore is none of a step: it is the package's own, or a square of a server (``servers_2_0``).
    """
    steps = [task for task in names.steps_in(upstream, group) if "_" not in _step_name(task)]
    return sorted(steps, key=lambda task: (len(_ancestors(upstream, [task])), task))


def _step_name(task: str) -> str:
    return task.rpartition(".")[2]


def _ancestors(upstream: Mapping[str, Collection[str]], tasks: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = list(tasks)
    while todo:
        fresh = set(upstream.get(todo.pop(), ())) - found
        found |= fresh
        todo += fresh
    return found


def _sorted(above: Mapping[str, Collection[str]]) -> list[str]:
    """Order waves so that none stands above one that it waits for; equals by name."""
    try:
        order = TopologicalSorter({name: sorted(above[name]) for name in sorted(above)}).static_order()
        depth: dict[str, int] = {}
        for name in order:
            depth[name] = 1 + max((depth[other] for other in above[name]), default=-1)
    except CycleError:  # a DAG of other people
        return sorted(above)
    return sorted(above, key=lambda name: (depth[name], name))
