"""How long a drill may last, from what its plan allows: what it makes carries that as its expiry."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from drs_provider.plan.dependencies import wave_dependencies
from drs_provider.plan.model import RecoveryPlan, Wave

ROOM = timedelta(hours=6)
"""How long a start waits for room in the account, or for servers that other jobs hold (the operators' ``max_wait``)."""

CLEAN_UP = timedelta(hours=2)
"""How long a clean-up goes on before it reports what is left."""

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
    return chain + _steps((*plan.before, *plan.after)) + plan.drill.keep_for + CLEAN_UP + SLACK


def _wave(wave: Wave) -> timedelta:
    pause = wave.pause_before.timeout if wave.pause_before else timedelta(0)
    tries = wave.timeout * (1 + wave.retry_failed)
    return ROOM + wave.delay_before + pause + tries + _steps((*wave.before, *wave.after))


def _steps(steps: Iterable[Any]) -> timedelta:
    return sum((_step(step) for step in steps), timedelta(0))


def _step(step: Any) -> timedelta:
    once: timedelta = step.timeout + getattr(step, "for_", timedelta(0))
    return once * (1 + step.retries)
