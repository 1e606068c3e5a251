"""How long a plan takes with its waves launched in their turn, and with those launched ahead that may be: estimates.

What is not known is left out on both sides: steps, people, and how long a system boots before its status checks pass.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from drs_provider.formatting import timespan
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave, is_launched_ahead, wave_dependencies
from drs_provider.rules.run.timing import JOB_DURATION, SERVERS_IN_ALL_JOBS, finish_times, levels, wave_duration

BOOTS_IN: Final[Mapping[str, timedelta]] = {
    "launched": timedelta(0),
    "running": timedelta(seconds=30),
    "status_checks": timedelta(minutes=4),
}
"""From the start of an instance until it is ready, by the wave's ``ready``: guesses, in the middle of what AWS's
documentation calls usual; a first boot of Windows can take far longer."""


@dataclass(frozen=True)
class LaunchTimes:
    """The end of the last wave, counted from the start of the first: in waves, and as the plan launches."""

    in_waves: timedelta
    as_planned: timedelta

    @property
    def saved(self) -> timedelta:
        """What launching ahead saves; below zero: it costs time."""
        return self.in_waves - self.as_planned

    def __str__(self) -> str:
        saves = f"ahead saves {timespan(self.saved)}" if self.saved > timedelta(0) else "ahead saves nothing"
        return f"launched ahead ~{timespan(self.as_planned)}, in waves ~{timespan(self.in_waves)}: {saves}"


def launch_times(
    plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], *, chosen: Collection[str] | None = None
) -> LaunchTimes:
    """Estimate a plan both ways.

    :param chosen: the waves that the run has; None: all of them
    """
    waves = {wave.name: wave for wave in plan.waves if chosen is None or wave.name in chosen}
    depends_on = _among(wave_dependencies(plan), waves)
    in_turn = {name: wave_duration(wave, groups) + _boots(wave) for name, wave in waves.items()}
    ahead = [name for row in levels(depends_on) for name in row if is_launched_ahead(plan, waves[name])]
    there = _launched_by({name: _named(waves[name], groups) for name in ahead})
    ends: dict[str, timedelta] = {}
    for row in levels(depends_on):
        for name in row:
            turn = max((ends[above] for above in depends_on[name]), default=timedelta(0))
            wave = waves[name]
            begins = turn + wave.delay_before
            ends[name] = max(begins, there[name]) + BOOTS_IN[wave.ready] if name in there else turn + in_turn[name]
    longest = timedelta(0)
    return LaunchTimes(
        in_waves=max(finish_times(depends_on, in_turn).values(), default=longest),
        as_planned=max(ends.values(), default=longest),
    )


def _boots(wave: Wave) -> timedelta:
    """Return how long a wave waits after its job: an instance that was launched started is up when the job ends."""
    checked = BOOTS_IN["status_checks"] - BOOTS_IN["running"]
    return checked if wave.groups and wave.ready == "status_checks" else timedelta(0)


def _launched_by(servers: Mapping[str, int]) -> dict[str, timedelta]:
    """Return when the servers of every wave are launched, all of them begun at once in this order."""
    begun = 0
    found: dict[str, timedelta] = {}
    for name, count in servers.items():
        begun += count
        found[name] = max(1, -(-begun // SERVERS_IN_ALL_JOBS)) * JOB_DURATION
    return found


def _named(wave: Wave, groups: Mapping[str, ProtectionGroup]) -> int:
    return max(1, sum(len(groups[name].servers) for name in wave.groups))


def _among(depends_on: Mapping[str, Sequence[str]], chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Give the dependencies among chosen waves: who waits for another one waits for what that waits for."""

    def above(name: str) -> dict[str, None]:
        found: dict[str, None] = {}
        for other in depends_on[name]:
            found |= {other: None} if other in chosen else above(other)
        return found

    return {name: tuple(above(name)) for name in depends_on if name in chosen}
