"""Starting the next wave from the task that has seen the wave before through: no process has to begin in between.

The graph stays as it is. What is started here is the next wave's by its tags, and its own tasks take it for theirs
when Airflow begins them a second or two later. Whatever is not clear is left to them.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, cast

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import TaskDeferred

from drs_provider import clock
from drs_provider.airflow_internals.tasks import is_dag_paused
from drs_provider.dag.run_reader import order_of
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import as_itself, on_behalf_of, task_memory
from drs_provider.rules.run import names
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import HandedOver, InstanceStart, Launch, LaunchIntent, PreflightServer


class WaveStart(Protocol):
    """What starts the jobs of a wave, as ``waves.start.StartWave`` does."""

    IS_HANDED_OVER: ClassVar[bool]
    task_id: str
    wave: str
    upstream_task_ids: set[str]
    servers: "tuple[PreflightServer, ...]"

    @property
    def log(self) -> Any:
        """Its log."""
        ...

    def get_ready(self) -> None:
        """Make the clients for that."""
        ...

    def start_early(self, context: Context) -> "Launch | None":
        """Start the jobs, from the task of another wave."""
        ...

    def begun(self, context: Context) -> "tuple[Launch | None, tuple[LaunchIntent, ...]]":
        """Give what such a start has begun before something came in between."""
        ...


class WaveWatch(Protocol):
    """What sees a wave through, as ``waves.watch.WatchWave`` does."""

    IS_HANDED_OVER: ClassVar[bool]
    task_id: str
    wave: str
    start_task_ids: tuple[str, ...]

    @property
    def log(self) -> Any:
        """Its log."""
        ...

    def start_first(self, context: Context, launches: "Mapping[str, Launch]") -> tuple[str, ...]:
        """Start the first instances, from the task that launches."""
        ...


class HandOverTooSlow(Exception):
    """A wave that is handed over would have to be waited for: its own task does that."""


_MOST_PAUSES: Final = 3.0
"""Seconds that a hand-over waits in all: what has passed is not done before it ends."""


class BriefSleep:
    """Sleeps a little, and no longer in all than a hand-over may take."""

    def __init__(self) -> None:
        self._left = _MOST_PAUSES

    def __call__(self, seconds: float) -> None:
        """Sleep.

        :raises HandOverTooSlow: there is no time left for that
        """
        self._left -= seconds
        if self._left < 0:
            raise HandOverTooSlow("AWS does not answer, or throttles")
        clock.sleep(seconds)


def who_may_start(start: BaseOperator) -> list[str]:
    """Return the tasks before a start that may have started its wave: another wave's watch, a pause, a delay."""
    return sorted(task for task in start.upstream_task_ids if names.does(task, names.WATCH, names.PAUSE, names.DELAY))


def hand_over(task: BaseOperator, context: Context) -> None:
    """Start the waves that wait for nothing any longer, now that a task has done its work; never fails.

    Nothing is started where a person has ordered otherwise or has paused the plan, and nothing that has begun already.

    :param task: that runs: it has seen a wave through, or what stands before one has passed
    """
    from drs_provider.rules.run.handover import HandedOver

    try:
        if order_of(context) or not (waves := _waves_that_may_begin(task, context)):
            return
        if is_dag_paused(context["ti"].dag_id):
            task.log.info("The plan is paused: the next wave begins once it is resumed")
            return
    except Exception as error:  # noqa: BLE001  (the next wave has its own tasks, and this one has passed)
        task.log.warning("The next wave is left to its own tasks: %s", error)
        return
    handed = HandedOver()
    for starts in waves:
        handed = _start_now(starts, context, handed)


def why_not_early(context: Context, wave: str) -> str | None:
    """Say why a wave that is being handed over is started no further: by an order that came meanwhile, or a pause."""
    from drs_provider.rules.run.handover import LeftToItself
    from drs_provider.services.store import load

    itself = as_itself(context)
    if order := order_of(itself):
        return order.message
    kept = load(task_memory(itself), LeftToItself)
    if kept and wave in kept.waves:
        return f"wave {wave} is left to itself"
    return "the plan is paused" if is_dag_paused(context["ti"].dag_id) else None


def get_ready(task: BaseOperator) -> None:
    """Make the clients that starting the next waves takes, while there is time; never fails."""
    for task_id in sorted(task.downstream_task_ids):
        start = task.dag.get_task(task_id)
        if names.does(task_id, names.START) and getattr(start, "IS_HANDED_OVER", False):
            try:
                cast("WaveStart", start).get_ready()
            except Exception as error:  # noqa: BLE001  (it is made then, or fails then)
                task.log.debug("not ready yet: %s", error)


def start_prepared_here(context: Context, start: "WaveStart", launch: "Launch") -> None:
    """Start the first instances of a wave that was launched stopped from the task that takes it over; never fails.

    A wave in several accounts and Regions is left to the task that watches them all, and one that a person has ended to
    nobody.
    """
    from drs_provider.rules.run.handover import HandedOver

    if not any(server.ahead or server.is_started for server in start.servers) or order_of(context):
        return
    watch = _watch_of(start)
    if watch is not None and [*watch.start_task_ids] == [start.task_id]:
        _start_instances(watch, context, {start.task_id: launch}, HandedOver())


def handed_over(start: "WaveStart", context: Context) -> "HandedOver | None":
    """Return what tasks before a start have done of its wave; None: nothing."""
    from drs_provider.rules.run.handover import HandedOver

    left = (pull_newest(context, task, HandedOver) for task in who_may_start(cast("BaseOperator", start)))
    found = (each for each in left if each is not None)
    return next((each for each in found if start.task_id in each.launches or start.task_id in each.intents), None)


def started_before(watch: "WaveWatch", context: Context) -> "dict[str, tuple[InstanceStart, ...]]":
    """Return the starts of instances that the wave's start, or a task before it, has asked for."""
    from drs_provider.rules.run.handover import HandedOver

    found: dict[str, tuple[InstanceStart, ...]] = {}
    starts = [_operator(cast("BaseOperator", watch), task_id) for task_id in watch.start_task_ids]
    sources = dict.fromkeys([*watch.start_task_ids, *(task for start in starts for task in who_may_start(start))])
    for task_id in sources:
        left = pull_newest(context, task_id, HandedOver)
        for name, tries in (left.starts.get(watch.task_id, {}) if left else {}).items():
            found[name] = tuple(sorted((*found.get(name, ()), *tries), key=lambda start: start.at))
    return found


def _waves_that_may_begin(task: BaseOperator, context: Context) -> "list[list[WaveStart]]":
    from drs_provider.rules.ahead.next_waves import may_begin
    from drs_provider.rules.run.handover import LeftToItself
    from drs_provider.services.store import load

    ti = context["ti"]
    next_starts: dict[str, list[WaveStart]] = defaultdict(list)
    for task_id in sorted(task.downstream_task_ids):
        start = task.dag.get_task(task_id)
        if names.does(task_id, names.START) and getattr(start, "IS_HANDED_OVER", False):
            next_starts[cast("WaveStart", start).wave].append(cast("WaveStart", start))
    if not next_starts:
        return []
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    kept = load(task_memory(context), LeftToItself)
    return [
        starts
        for wave, starts in next_starts.items()
        if wave not in (kept.waves if kept else ())
        and all(may_begin(states, start.task_id, start.upstream_task_ids, after=task.task_id) for start in starts)
    ]


def _start_now(starts: "Sequence[WaveStart]", context: Context, handed: "HandedOver") -> "HandedOver":
    """Start one wave; what was started of it is left for its own tasks, also where it is not all."""
    launches: dict[str, Launch] = {}
    began = time.monotonic()
    for start in starts:
        here = on_behalf_of(context, start.task_id)
        try:
            launch = start.start_early(here)
        except TaskDeferred:
            start.log.info("Wave %s has to wait for something: its own task does", start.wave)
            return _left_begun(start, here, context, handed)
        except Exception as error:  # noqa: BLE001  (the wave's own task meets it in its turn)
            start.log.warning("Wave %s is left to its own task: %s", start.wave, error)
            return _left_begun(start, here, context, handed)
        if launch is not None:
            launches[start.task_id] = launch
            handed = _leave(context, handed.model_copy(update={"launches": {**handed.launches, **launches}}))
    watch = _watch_of(starts[0])
    if watch is None or launches.keys() != {*watch.start_task_ids} or _is_held(starts[0], context):
        return handed
    handed = _start_instances(watch, context, launches, handed)
    starts[0].log.info("Wave %s was started from here, in %.1f s", starts[0].wave, time.monotonic() - began)
    return handed


def _is_held(start: "WaveStart", context: Context) -> bool:
    """Tell whether the instances of a wave are left to its own tasks; also where nobody knows of an order."""
    try:
        why = why_not_early(context, start.wave)
    except Exception as error:  # noqa: BLE001  (the wave has its own tasks, and this one has passed)
        why = str(error)
    if why:
        start.log.info("The instances of wave %s are left to its own tasks: %s", start.wave, why)
    return why is not None


def _left_begun(start: "WaveStart", here: Context, context: Context, handed: "HandedOver") -> "HandedOver":
    """Leave what was begun of a wave before something came in between: its own task looks for no less."""
    try:
        launch, intents = start.begun(here)
        launches = {**handed.launches, **({start.task_id: launch} if launch else {})}
        both = {**handed.intents, **({start.task_id: intents} if intents else {})}
        if launch or intents:
            return _leave(context, handed.model_copy(update={"launches": launches, "intents": both}))
    except Exception as error:  # noqa: BLE001  (the jobs are found by their tags as well)
        start.log.warning("What was begun of wave %s is not left for its task: %s", start.wave, error)
    return handed


def _leave(context: Context, handed: "HandedOver") -> "HandedOver":
    leave(context["ti"], handed)
    return handed


def _start_instances(
    watch: "WaveWatch", context: Context, launches: "Mapping[str, Launch]", handed: "HandedOver"
) -> "HandedOver":
    from drs_provider.rules.run.handover import InstanceStarts
    from drs_provider.services.store import load

    here = on_behalf_of(context, watch.task_id)
    try:
        # Before the first: from now on the wave may have begun, whatever becomes of this task.
        handed = _leave(context, handed.model_copy(update={"starts": {watch.task_id: {}, **handed.starts}}))
        started = watch.start_first(here, launches)
        asked = load(task_memory(here), InstanceStarts)
        others = {task: starts for task, starts in handed.starts.items() if task != watch.task_id}
        own = {watch.task_id: dict(asked.instances)} if asked else {}  # without any the wave has not begun
        handed = _leave(context, handed.model_copy(update={"starts": {**others, **own}}))
    except TaskDeferred:
        return handed
    except Exception as error:  # noqa: BLE001  (the task that watches the wave meets it)
        watch.log.warning("The instances of wave %s are left to the task that watches it: %s", watch.wave, error)
        return handed
    if started:
        watch.log.info("Wave %s: %d instances started", watch.wave, len(started))
    return handed


def _watch_of(start: "WaveStart") -> "WaveWatch | None":
    task = cast("BaseOperator", start)
    below = (_operator(task, name) for name in sorted(task.downstream_task_ids) if names.does(name, names.WATCH))
    watches = (cast("WaveWatch", watch) for watch in below if getattr(watch, "IS_HANDED_OVER", False))
    return next((watch for watch in watches if start.task_id in watch.start_task_ids), None)


def _operator(beside: BaseOperator, task_id: str) -> BaseOperator:
    return cast("BaseOperator", beside.dag.get_task(task_id))  # no start of a wave is mapped
