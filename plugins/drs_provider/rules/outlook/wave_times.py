"""When each wave of a plan begins and ends, as the plan launches: estimates, as in ``rules.run.launch_times``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave, is_launched_ahead, wave_dependencies
from drs_provider.rules.run.launch_times import BOOTS_IN
from drs_provider.rules.run.timing import JOB_DURATION, SERVERS_IN_ALL_JOBS, levels, wave_duration


@dataclass(frozen=True)
class WaveTime:
    """When a wave begins to launch or to start its servers, and when it is ready, since the start of the first wave.

    ``waits_for``: the wave whose end decides that; None: its own launch does.
    """

    begin: timedelta
    end: timedelta
    waits_for: str | None


def wave_times(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> dict[str, WaveTime]:
    """Estimate every wave."""
    waves = {wave.name: wave for wave in plan.waves}
    depends_on = wave_dependencies(plan)
    rows = levels(depends_on)
    ahead = [waves[name] for row in rows for name in row if is_launched_ahead(plan, waves[name])]
    there = _launched_by(ahead, groups)
    times: dict[str, WaveTime] = {}
    for row in rows:
        for name in row:
            wave = waves[name]
            last = max(depends_on[name], key=lambda above: times[above].end, default=None)
            turn = times[last].end if last else timedelta(0)
            begins = turn + wave.delay_before
            if name in there:
                end = max(begins, there[name]) + BOOTS_IN[wave.ready]
                times[name] = WaveTime(timedelta(0), end, None if there[name] > begins else last)
            else:
                times[name] = WaveTime(begins, turn + wave_duration(wave, groups) + _boots(wave), last)
    return times


def _boots(wave: Wave) -> timedelta:
    checked = BOOTS_IN["status_checks"] - BOOTS_IN["running"]
    return checked if wave.groups and wave.ready == "status_checks" else timedelta(0)


def _launched_by(waves: list[Wave], groups: Mapping[str, ProtectionGroup]) -> dict[str, timedelta]:
    begun = 0
    found: dict[str, timedelta] = {}
    for wave in waves:
        begun += max(1, sum(len(groups[name].servers) for name in wave.groups))
        found[wave.name] = max(1, -(-begun // SERVERS_IN_ALL_JOBS)) * JOB_DURATION
    return found
