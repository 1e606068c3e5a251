"""The order of waves, and the chain of waves that decides how long a run takes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from graphlib import TopologicalSorter

from drs_provider.plan.model import RecoveryPlan, Step, Wave, wave_dependencies
from drs_provider.rules.run.limits import LONGEST_CLEAN_UP


def levels(dependencies: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Give the waves in rows: a wave stands one row below the lowest of those that it waits for.

    Names keep the mapping's order inside a row. The graph has no circle: a plan with one is refused when it is read
    (``graphlib.CycleError`` otherwise).
    """
    row_of: dict[str, int] = {}
    for name in TopologicalSorter(dependencies).static_order():
        row_of[name] = 1 + max((row_of[above] for above in dependencies[name]), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(row_of.values(), default=-1))]
    for name in dependencies:
        rows[row_of[name]].append(name)
    return tuple(map(tuple, rows))


def finish_times(dependencies: Mapping[str, Sequence[str]], durations: Mapping[str, timedelta]) -> dict[str, timedelta]:
    """Give the earliest end of every wave, counted from the start of the first."""
    ends: dict[str, timedelta] = {}
    for row in levels(dependencies):
        for name in row:
            ends[name] = max((ends[above] for above in dependencies[name]), default=timedelta(0)) + durations[name]
    return {name: ends[name] for name in dependencies}


def critical_path(dependencies: Mapping[str, Sequence[str]], durations: Mapping[str, timedelta]) -> tuple[str, ...]:
    """Give the longest chain of waves, first to last; of equal chains the one whose waves stand first in the plan."""
    if not dependencies:
        return ()
    ends = finish_times(dependencies, durations)
    place = {name: position for position, name in enumerate(dependencies)}

    def latest(names: Sequence[str]) -> str:
        return max(names, key=lambda name: (ends[name], -place[name]))

    path = [latest(tuple(dependencies))]
    while dependencies[path[-1]]:
        path.append(latest(dependencies[path[-1]]))
    return tuple(reversed(path))


JOB_DURATION = timedelta(seconds=535)
"""One recovery job, creation to end: 533.3 s and 539.3 s in the one real trace that is public (a drill of two
waves of two small Linux servers, us-west-2). Servers of a job are converted and launched side by side, so their number
does not lengthen it. Large disks, Windows and launch actions do: this is a first guess, not a promise."""

ROOM = timedelta(hours=6)
"""How long a start waits for room in the account, or for servers that other jobs hold (the operators' ``max_wait``)."""

SLACK = timedelta(hours=1)
"""For Airflow's own scheduling, retries, and clocks that differ."""


def lifetime_of(plan: RecoveryPlan) -> timedelta:
    """Return the longest time from the start of any job of a drill until its clean-up must be over.

    The longest chain of waves, each with everything that the plan lets it wait for and as often as it may be tried;
    then the plan's own steps, ``drill.keep_for``, the clean-up, and an hour. A run that goes on never outlives it,
    unless somebody pauses the plan or clears tasks; the sweeper of the same Airflow asks for that.
    """
    depends_on = wave_dependencies(plan)
    waves = {wave.name: wave for wave in plan.waves}
    longest: dict[str, timedelta] = {}

    def until_end_of(name: str) -> timedelta:
        if name not in longest:
            before = max((until_end_of(other) for other in depends_on[name]), default=timedelta(0))
            longest[name] = before + _wave(waves[name])
        return longest[name]

    chain = max(until_end_of(wave.name) for wave in plan.waves)
    return chain + _steps((*plan.before, *plan.after)) + plan.drill.keep_for + LONGEST_CLEAN_UP + SLACK


def _wave(wave: Wave) -> timedelta:
    pause = wave.pause_before.timeout if wave.pause_before else timedelta(0)
    tries = wave.timeout * (1 + wave.retry_failed)
    return ROOM + wave.delay_before + pause + tries + _steps((*wave.before, *wave.after))


def _steps(steps: Iterable[Step]) -> timedelta:
    return sum((_step(step) for step in steps), timedelta(0))


def _step(step: Step) -> timedelta:
    return step.longest_try * (1 + step.retries)
