"""Which Airflow a run is of, where several with the same plans work in the same accounts, such as a warm standby."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from drs_provider.rules.launch.tags import Mark

_LEGIBLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

OTHERS_TIME: Final = timedelta(hours=1)
"""How long after its expiry a drill of another Airflow is left to that one's clean-up without a word."""


def installation_id(text: str) -> str:
    """Return the id of an installation as it stands in tags: what somebody wrote, or a name for it that fits there."""
    wanted = text.strip()
    if not wanted or _LEGIBLE.fullmatch(wanted):
        return wanted
    return f"x-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def holder_of(marks: Iterable[Mark], maker: str) -> str | None:
    """Return which Airflow answers for a drill: who has taken it over, else who made it; None: nobody can tell.

    What a run launches that continues another has that one's key, and its own installation.

    :param maker: installation of the mark that names the run
    """
    takers = {mark.installation for mark in marks if mark.installation} - {maker}
    if len(takers) > 1:
        return None
    return next(iter(takers), maker)


def why_not_ours(marks: Sequence[Mark], named: Mark, *, own: str) -> str | None:
    """Say why the clean-up of an Airflow leaves a drill alone whose time is over; None: nothing of this speaks for it.

    :param marks: every mark of the drill
    :param named: the one that names its run best
    :param own: id of the Airflow that asks
    """
    holder = holder_of(marks, named.installation)
    if holder is None:
        found = ", ".join(sorted({mark.installation for mark in marks if mark.installation}))
        return f"several Airflows have worked on it (installations {found})"
    if not holder or holder == own:
        return None
    return f"it is of another Airflow (installation {holder}), whose own clean-up removes it"


def is_overdue(expired_at: datetime | None, now: datetime) -> bool:
    """Tell whether another Airflow has had its time to clean up a drill that has expired."""
    return expired_at is not None and now - expired_at > OTHERS_TIME
