"""How long a wave will take, from what was measured of DRS."""

from collections.abc import Mapping
from datetime import timedelta

from drs_provider.plan.model import ProtectionGroup, RecoveryPlan, Wave

JOB_DURATION = timedelta(seconds=535)
"""One recovery job, creation to end: 533.3 s and 539.3 s in the one real trace that is public (a drill of two
waves of two small Linux servers, us-west-2). Servers of a job are converted and launched side by side, so their number
does not lengthen it. Large disks, Windows and launch actions do: this is a first guess, not a promise."""

SERVERS_IN_ALL_JOBS = 500
"""DRS's quota L-05AFA8C6, per account and Region, as it is where nobody had it raised."""


def wave_duration(wave: Wave, groups: Mapping[str, ProtectionGroup]) -> timedelta:
    """Estimate a wave: its delay, and one job's duration for every 500 servers that are known by name.

    Servers found by tag are not known before the run resolves them; they count as one job's worth. Steps and pauses
    are not counted: nobody knows how long a person thinks.
    """
    if not wave.groups:
        return wave.delay_before
    named = sum(len(groups[name].servers) for name in wave.groups)
    rounds = max(1, -(-named // SERVERS_IN_ALL_JOBS))
    return wave.delay_before + rounds * JOB_DURATION


def plan_durations(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup]) -> dict[str, timedelta]:
    """Estimate every wave of a plan."""
    return {wave.name: wave_duration(wave, groups) for wave in plan.waves}
