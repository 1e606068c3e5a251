"""Which failbacks of data centres' machines may be ended when a run is cancelled."""

from collections.abc import Iterable, Sequence
from typing import Final

from drs_provider.formatting import some
from drs_provider.rules.failback.circle import Circle
from drs_provider.rules.failback.launches.conversion import hidden_conversion
from drs_provider.rules.failback.other_runs import OtherWayBack
from drs_provider.rules.failback.state import CircleState, Stage

_COPIED: Final = frozenset({Stage.REVERSING, Stage.COPYING, Stage.READY})
"""Where a failback client is copied to, and nothing has converted it."""


def why_not_ended(state: CircleState, circle: Circle) -> str:
    """Say why the failback of a server is not ended; empty: its client is copied to, and is not converted.

    A job that has converted the machine counts, also where DRS says that its failback has ended in an error.
    """
    if state.stage is Stage.STUCK and (hidden := hidden_conversion(circle)):
        return f"it is stuck ({hidden.why}): only what is not converted is ended"
    stage = state.stuck_at if state.stage is Stage.STUCK else state.stage
    if stage in _COPIED:
        return ""
    if stage is Stage.RECOVERED:
        return "it has no failback any more"
    return f"it is {state.stage}{f' ({state.why})' if state.why else ''}: only what is not converted is ended"


def why_followed(waves: Sequence[str], others: Iterable[OtherWayBack]) -> str:
    """Say which other run follows the same failbacks, or is about to use them; empty: none does.

    :param waves: those that have machines of data centres
    """
    found = [other for other in others if not other.waves or {*waves} & {*other.waves}]
    if not found:
        return ""
    # Only a run that cuts over can be cancelled with the order to end failbacks.
    cancel = (
        "Cancel that one with the same order, or end"
        if all(other.purpose.cuts_over for other in found)
        else "Cancel that one, and end"
    )
    return (
        f"no failback was ended: {some([other.run_id for other in found])} goes on with the same machines. {cancel} "
        "them with DrsStopFailbackOperator"
    )
