"""Which servers of a failback were never launched in their origin, and which were and are no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.launch.results import ServerResult

_BEFORE_LAUNCH: Final = frozenset({Stage.RECOVERED, Stage.REVERSING, Stage.COPYING, Stage.READY})


@dataclass(frozen=True)
class LeftBehind:
    """What became of the servers that are not protected again.

    :ivar left: by server id why each is not
    :ivar unprotected: those of them that were launched in their origin, or that nobody can tell of
    """

    left: Mapping[str, str]
    unprotected: frozenset[str]


def is_before_launch(state: CircleState) -> bool:
    """Tell whether production of a server runs where it was recovered: nothing of it runs in the origin."""
    return (state.stuck_at or state.stage) in _BEFORE_LAUNCH


def left_behind(
    left: Mapping[str, str], states: Mapping[str, CircleState], results: Mapping[str, ServerResult]
) -> LeftBehind:
    """Tell what was not failed back from what is not protected: a wave that was left out fails nobody else's failback.

    :param left: by server id why it is not protected again
    :param results: what became of the servers in the waves of this run that have launched any
    """
    words, unprotected = dict[str, str](), set[str]()
    for server_id, why in left.items():
        result = results.get(server_id)
        if not is_before_launch(states[server_id]):
            words[server_id] = why
            unprotected.add(server_id)
        elif result is not None and result.status == "launched":
            named = f"its instance {result.instance_id}" if result.instance_id else "its instance"
            words[server_id] = f"{named} was launched by this run and is no more"
            unprotected.add(server_id)
        else:
            reason = result.reason if result is not None else None
            words[server_id] = f"not failed back: {reason or 'its wave has launched nothing in this run'}"
    return LeftBehind(words, frozenset(unprotected))
