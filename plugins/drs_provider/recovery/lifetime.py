"""How long what a run makes may live, read from and written to its tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drs_provider.recovery.identity import EXPIRES, MODE, PLAN, RUN, RUN_ID
from drs_provider.recovery.times import parse_instant

DRILL: Final = "drill"
"""The word under ``MODE``. Everything else, also nothing, is not a drill's and never removed."""


@dataclass(frozen=True)
class Mark:
    """What the tags of a job, an instance or an EC2 resource say about the run that made it.

    ``run`` is the run's key; ``plan`` (a DAG id) and ``run_id`` are for people. ``expires`` is None where there is no
    such tag, or one that is no instant: such a thing never expires.
    """

    run: str
    mode: str
    expires: datetime | None = None
    plan: str = ""
    run_id: str = ""

    @property
    def is_drill(self) -> bool:
        """Whether a drill made it."""
        return self.mode == DRILL

    def __str__(self) -> str:
        return f"{self.run_id or self.run} of {self.plan or 'a plan that is not named'}"


def read_mark(tags: Mapping[str, str] | None) -> Mark | None:
    """Read a thing's tags; None: no run of ours made it."""
    run = (tags or {}).get(RUN)
    if not run or tags is None:
        return None
    return Mark(run, tags.get(MODE, ""), read_expiry(tags.get(EXPIRES)), tags.get(PLAN, ""), tags.get(RUN_ID, ""))


def read_expiry(text: str | None) -> datetime | None:
    """Read the instant of an expiry tag; None for what is none."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


def life_tags(mode: str, *, now: datetime, lifetime: timedelta) -> dict[str, str]:
    """Return the tags ``MODE`` and, in a drill only, ``EXPIRES``: what a recovery makes is production and stays."""
    if mode != DRILL:
        return {MODE: mode}
    return {MODE: mode, EXPIRES: written(now + lifetime)}


def written(expires: datetime) -> str:
    """Write an expiry as its tag has it: ISO 8601 in UTC, to the second."""
    return expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def end_of_life(marks: Iterable[Mark]) -> datetime | None:
    """Return when everything of one run is over: the latest of its expiries, for an extension may not reach all.

    None: nothing says when.
    """
    return max((mark.expires for mark in marks if mark.expires), default=None)
