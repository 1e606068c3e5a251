"""A run as it launches beside the same run launched in waves: what launching ahead saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from drs_provider.formatting import timespan
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.run.handover import PredictedTimes
from drs_provider.rules.run.launch_times.timetable import Timetable, WaveLoad, timetable


@dataclass(frozen=True)
class BothWays:
    """When the waves of a run end as it launches, and when they would, launched in waves."""

    as_launched: Timetable
    in_waves: Timetable

    @property
    def saved(self) -> timedelta:
        """What launching ahead saves; below zero: it costs time."""
        return self.in_waves.total - self.as_launched.total

    def __str__(self) -> str:
        return times_in_words(self.as_launched.total, self.in_waves.total)


def both_ways(waves: Sequence[WaveLoad], quotas: Mapping[str, Quotas] | None = None) -> BothWays:
    """Foretell a run both ways, by :func:`timetable`."""
    return BothWays(timetable(waves, quotas=quotas), timetable([wave.in_turn() for wave in waves], quotas=quotas))


def predicted_in_words(times: PredictedTimes) -> str:
    """Say what preflight has foretold; of a run that launches ahead both ways."""
    if times.launch == "ahead":
        return times_in_words(timedelta(seconds=times.seconds), timedelta(seconds=times.in_waves_seconds))
    return f"~{timespan(timedelta(seconds=times.seconds))}"


def times_in_words(ahead: timedelta, in_waves: timedelta) -> str:
    """Say how long a run takes both ways, and what launching ahead saves."""
    if in_waves > ahead:
        saves = f"ahead saves {timespan(in_waves - ahead)}"
    else:
        saves = f"ahead takes {timespan(ahead - in_waves)} longer" if ahead > in_waves else "ahead saves nothing"
    return f"launched ahead ~{timespan(ahead)}, in waves ~{timespan(in_waves)}: {saves}"
