"""What a server's state means for counts, verdicts and objectives once its run has ended."""

from typing import Final

from drs_provider.rules.run.state.vocabulary import ServerStatus

UNTRIED: Final = frozenset(
    {
        ServerStatus.NOT_STARTED,
        ServerStatus.WAITING,
        ServerStatus.PREPARED,
        ServerStatus.SKIPPED,
        ServerStatus.EXCLUDED,
    }
)
"""No job was started for it, or what one has launched stopped was not started."""
NOT_THERE: Final = frozenset(
    {
        ServerStatus.FAILED,
        ServerStatus.UNKNOWN,
        ServerStatus.LAUNCHING,
        ServerStatus.STUCK,
        ServerStatus.COPYING,
    }
)
"""Something was started for it, and it is not known to be where it should be: nothing of this is ever success."""
MISSING: Final = NOT_THERE | {ServerStatus.NOT_STARTED, ServerStatus.WAITING, ServerStatus.PREPARED}
"""It should be there, and is not known to be."""
