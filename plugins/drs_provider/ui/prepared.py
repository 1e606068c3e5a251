"""What a wave that launches ahead of its turn shows: what is launched, what boots, and what it waits for."""

from datetime import datetime

from drs_provider.formatting import plural
from drs_provider.rules.launch.phases import BOOTS
from drs_provider.rules.run.state import LeftDocuments, RunState, ServerStatus, WaveOutline, WaveState, WaveStatus
from drs_provider.rules.run.timing import JOB_DURATION
from drs_provider.ui.forecast import Forecast

_GATES = {
    WaveStatus.DELAYED: "the delay of the plan is over",
    WaveStatus.WAITING_FOR_ANSWER: "a person has answered",
    WaveStatus.PREPARING: "its steps before the start are done",
}


def is_starting(wave: WaveState) -> bool:
    """Tell whether a wave that launches has come to starting the instances that were launched stopped."""
    return wave.status is WaveStatus.LAUNCHING and any(server.event in BOOTS for server in wave.servers or ())


def prepared_count(wave: WaveState) -> int:
    """Count its servers that are launched ahead, and whose instances the wave has not started."""
    return wave.counts.get(ServerStatus.PREPARED, 0)


def why_it_waits(wave: WaveState, state: RunState) -> str | None:
    """Say when a wave starts instances that are launched ahead of its turn; None: there are none, or it is its turn."""
    count = prepared_count(wave)
    if not count or wave.status.is_over or wave.status is WaveStatus.LAUNCHING:
        return None
    return f"{plural(count, 'instance')} to be started when {_gate(wave, state)}"


def _gate(wave: WaveState, state: RunState) -> str:
    if gate := _GATES.get(wave.status):
        return gate
    above = [found for name in wave.depends_on if (found := state.wave(name)) and not found.status.is_done]
    if not above:
        return "its turn comes, which is next"
    return " and ".join(f"wave {found.name} is done, which is {found.status.words}" for found in above)


def ahead_phase(
    wave: WaveState, outline: WaveOutline, left: LeftDocuments, forecast: Forecast, now: datetime
) -> str | None:
    """Say what DRS is likely to do with the jobs that were started ahead of a wave; None: none waits for its turn.

    Nobody asks DRS before the wave's turn has come, so that it is an estimate by the age of the newest job.
    """
    if not prepared_count(wave) or wave.status.is_over or wave.status is WaveStatus.LAUNCHING:
        return None
    created = [job.created_at for job in left.jobs(outline.aheads, None).values() if job.created_at]
    if not created:
        return None
    age = now - max(created)
    if age < JOB_DURATION:
        return f"probably {forecast.phase(wave.name, age)}"
    return "probably launched, and stopped"
