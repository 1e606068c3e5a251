"""How what a run makes says whose it is: the tags that make a launch happen once, and a drill's things be found."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.purpose import Purpose

PREFIX = "drs-orchestrator:"
RUN, WAVE, CHUNK, TRY = (PREFIX + part for part in ("run", "wave", "chunk", "try"))
PLAN, RUN_ID = PREFIX + "plan", PREFIX + "run-id"
INSTALLATION = PREFIX + "installation"
"""Which Airflow a thing is of: two with the same plans have runs of the same name, and may see the same accounts."""
TAKER = PREFIX + "taken-by"
"""Beside the key of a run that another one goes on with: the key of that other one, which proves its name."""
MODE, EXPIRES = PREFIX + "mode", PREFIX + "expires"
"""On everything that a run makes: ``drill`` or ``recovery``, and the instant after which nobody may still want it."""
IDENTIFYING = (RUN, WAVE, CHUNK, TRY)
"""The tags that together name one launch; the others are there for people."""

COPY_OF = PREFIX + "copy-of"
"""What a part of a drill network stands for: the id of the VPC, subnet or security group of production."""

_SHORT_ID = re.compile("[0-9a-fA-F]{6}")

_LONGEST = 256
"""AWS's limit for a tag value."""


def run_key(dag_id: str, run_id: str, installation: str = "") -> str:
    """Name a run in 32 characters that survive any tag rule.

    :param installation: id of the Airflow whose run it is; empty: the run began before runs had one
    """
    whole = f"{installation}|{dag_id}|{run_id}" if installation else f"{dag_id}|{run_id}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def short_run_id(dag_id: str, run_id: str) -> str:
    """Name a run of one Airflow in six characters, for people who type."""
    return run_key(dag_id, run_id)[:6]


def is_short_run_id(text: str) -> bool:
    """Tell whether a text looks like a short id of a run."""
    return bool(_SHORT_ID.fullmatch(text))


def name_tags(*, dag_id: str, run_id: str, installation: str = "") -> dict[str, str]:
    """Return the tags that name a run: its key, and for people plan, run id and installation.

    :param installation: see :func:`run_key`
    """
    return {
        RUN: run_key(dag_id, run_id, installation),
        PLAN: tag_value(dag_id),
        RUN_ID: tag_value(run_id),
        **({INSTALLATION: installation} if installation else {}),
    }


def taken_over(tags: Mapping[str, str], continued: str | None) -> dict[str, str]:
    """Return the tags of what a run makes that goes on with another: the other one's key, and its own beside it.

    :param tags: the run's own
    :param continued: key of the run that it goes on with; None: it goes on with none
    """
    return {**tags, RUN: continued, TAKER: tags[RUN]} if continued else dict(tags)


def job_tags(
    *, dag_id: str, run_id: str, wave: str, chunk: int, attempt: int, installation: str = ""
) -> dict[str, str]:
    """Return the tags of one job: run, wave, chunk and try identify it, the others are there for people.

    :param wave: what is unique within the run: the launch's name, or the task id (with map index)
    :param chunk: number of the job within the try, from 0
    :param attempt: number of the try, from 1; rises only when a person asks to launch failed servers again
    """
    return {
        **name_tags(dag_id=dag_id, run_id=run_id, installation=installation),
        WAVE: tag_value(wave),
        CHUNK: str(chunk),
        TRY: str(attempt),
    }


def drill_tags(*, dag_id: str, run_id: str, expires: datetime, installation: str = "") -> dict[str, str]:
    """Return the tags of everything that a drill makes in EC2 beside its instances.

    :param expires: aware; from then on a sweeper may remove it
    """
    return {
        **name_tags(dag_id=dag_id, run_id=run_id, installation=installation),
        MODE: "drill",
        EXPIRES: written(expires),
    }


def same_wave(tags: Mapping[str, str] | None, ours: Mapping[str, str]) -> bool:
    """Tell whether a job belongs to the same run and wave, whatever its chunk and try."""
    return _agree(tags, ours, (RUN, WAVE))


def same_launch(tags: Mapping[str, str] | None, ours: Mapping[str, str]) -> bool:
    """Tell whether a job is the very launch that ``ours`` identifies."""
    return _agree(tags, ours, IDENTIFYING)


def _agree(tags: Mapping[str, str] | None, ours: Mapping[str, str], keys: Iterable[str]) -> bool:
    if not tags or any(tags.get(key) != ours[key] for key in keys):
        return False
    # A run that continues another looks for that one's key, which a person has typed: another plan's job never counts.
    return tags.get(PLAN, "") in ("", ours.get(PLAN, tags.get(PLAN)))


def attempt_of(tags: Mapping[str, str] | None) -> int:
    """Return the number of the try that a job belongs to; 0 where its tag is missing or no number."""
    value = (tags or {}).get(TRY, "")
    return int(value) if value.isdecimal() else 0


def chunk_of(tags: Mapping[str, str] | None) -> int:
    """Return the number of the job within its try; -1 where its tag is missing or no number."""
    value = (tags or {}).get(CHUNK, "")
    return int(value) if value.isdecimal() else -1


def tag_value(text: str) -> str:
    """Keep a value within what AWS allows in tags; a value too long keeps its end unique by a hash."""
    allowed = re.sub(r"[^\w\s.:/=+\-@]", "_", text)
    if len(allowed) <= _LONGEST:
        return allowed
    return f"{allowed[: _LONGEST - 17]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


DRILL: Final = "drill"
"""The word under ``MODE``. Everything else, also nothing, is not a drill's and never removed."""


@dataclass(frozen=True)
class Mark:
    """What the tags of a job, an instance or an EC2 resource say about the run that made it.

    ``run`` is the run's key; ``plan`` (a DAG id) and ``run_id`` are for people. ``expires`` is None where there is no
    such tag, or one that is no instant: such a thing never expires. ``installation``: id of the Airflow that made it;
    empty: nothing says which. ``taker``: key of the run that made it, where that one goes on with the run.
    """

    run: str
    mode: str
    expires: datetime | None = None
    plan: str = ""
    run_id: str = ""
    installation: str = ""
    taker: str = ""

    @property
    def is_drill(self) -> bool:
        """Whether a drill made it."""
        return self.mode == DRILL

    def __str__(self) -> str:
        return f"{self.run_id or self.run} of {self.plan or 'a plan that is not named'}"

    def is_of(self, runs: Collection[str]) -> bool:
        """Tell whether one of these runs made it, or one of them has made it to go on with another.

        :param runs: keys of runs
        """
        return self.run in runs or self.taker in runs

    def is_of_other_airflow(self, own: str) -> bool:
        """Tell whether another Airflow than the one of this id made it; no where nobody can tell.

        :param own: id of the installation that asks; empty: it is not known
        """
        return bool(own and self.installation and self.installation != own)


def read_mark(tags: Mapping[str, str] | None) -> Mark | None:
    """Read a thing's tags; None: no run of ours made it."""
    run = (tags or {}).get(RUN)
    if not run or tags is None:
        return None
    expires = read_expiry(tags.get(EXPIRES))
    return Mark(
        run,
        tags.get(MODE, ""),
        expires,
        tags.get(PLAN, ""),
        tags.get(RUN_ID, ""),
        tags.get(INSTALLATION, ""),
        tags.get(TAKER, ""),
    )


def read_expiry(text: str | None) -> datetime | None:
    """Read the instant of an expiry tag; None for what is none."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


def life_tags(purpose: Purpose, *, now: datetime, lifetime: timedelta) -> dict[str, str]:
    """Return the tags ``MODE`` and, where what is launched is removed again, ``EXPIRES``.

    What a planned migration launches is a recovery's, and what a failback drill launches a drill's: policies, other
    runs, the sweeper and whoever takes it over read just that.
    """
    return {
        MODE: DRILL if purpose.is_temporary else purpose.section,
        **({EXPIRES: written(now + lifetime)} if purpose.is_temporary else {}),
    }


def written(expires: datetime) -> str:
    """Write an expiry as its tag has it: ISO 8601 in UTC, to the second."""
    return expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def end_of_life(marks: Iterable[Mark]) -> datetime | None:
    """Return when everything of one run is over: the latest of its expiries, for an extension may not reach all.

    None: nothing says when.
    """
    return max((mark.expires for mark in marks if mark.expires), default=None)
