"""What a wave that launches ahead of its turn shows: what is prepared, whether it boots, and what it waits for."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from drs_provider.formatting import plural
from drs_provider.rules.launch.phases import BOOTS
from drs_provider.rules.run.state.run_state import RunState
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus
from drs_provider.rules.run.state.wave_state import WaveState

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import LaunchedJob

_GATES: Final = {
    WaveStatus.DELAYED: "the delay of the plan is over",
    WaveStatus.WAITING_FOR_ANSWER: "a person has answered",
    WaveStatus.PREPARING: "its steps before the start are done",
}


def is_starting(wave: WaveState) -> bool:
    """Tell whether a wave that launches has come to starting the instances that were launched stopped."""
    boots = wave.instances_asked or any(server.event in BOOTS for server in wave.servers or ())
    return wave.status is WaveStatus.LAUNCHING and boots


def prepared_count(wave: WaveState) -> int:
    """Count its servers that are launched ahead, and whose instances the wave has not started."""
    return wave.counts.get(ServerStatus.PREPARED, 0)


def launched_again(jobs: Iterable["LaunchedJob"]) -> int:
    """Count the servers that were launched again before their wave's turn, since their launch had failed.

    :param jobs: that were started before it, the oldest first
    """
    seen, again = set[str](), set[str]()
    for job in jobs:
        again |= seen & {*job.servers}
        seen |= {*job.servers}
    return len(again)


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
