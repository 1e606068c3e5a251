"""XCom keys of what tasks leave for one another."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass


PREFLIGHT = "preflight"
"""XCom key of what preflight found; there even when it refused the run."""


LAUNCH = "launch"
"""XCom key of what a wave's start task launched: the return value of ``DrsStartRecoveryOperator``."""

TRIES = "tries"
"""XCom key and entry of the task state store: what failed before, by server id, as ``recovery.remedies.Try``."""

LATER = "later"
"""XCom key: the launches of a wave after its start, in the form of ``launch``; and what its servers were pinned to."""

INSTANCES = "instances"
"""XCom key: by server id, what its instance is like and whether it is protected, as ``look_after`` says."""


SUPERSEDED = "superseded"
"""XCom key: which recovery took the drill's servers, in words without a full stop."""


ERROR = "error"
"""XCom key of a failed task's last words."""


ASKED = "asked"
"""XCom key: who was asked what in this try, since when and until when.

``{"at", "until", "try", "subject", "people"}``; ``people`` empty: anyone.
"""

WAITED = "waited"
"""XCom key of a wave's delay: ``{"at", "until"}``."""

TOLD = "told"
"""XCom key of what a task told to whom: a list of the records of ``notify/delivery.py``."""

TOLD_OF_RTO = ("told_rto_80", "told_rto_100")
"""The same of the two alerts of the RTO, which are no tasks: they leave it under the preflight task."""


UNTAGGED: Final = "untagged"
"""XCom key: what could not be tagged, and why, for the report's warnings."""


NETWORK = "network"
"""XCom key of the networks of one account and Region; there even when they lead out and the task has failed."""

REMOVED = "removed"
"""XCom key of what became of them in the end; there even when something is left."""


CLEANED: Final = "cleaned"
"""XCom key: ``{"left": {id: what it is}}``, there also when the task fails."""


IN_FORCE = "in_force"
"""XCom key of what was applied: by server id its launch template, the version that is the default now, and whether a
drill's memory stands at the server."""


STEP = "step"
"""XCom key of what a step did: ``{"name", "kind", "state", "started_at", "ended_at", "attempts", "summary", "output",
"instances"}``; ``state`` is succeeded, failed or skipped."""
