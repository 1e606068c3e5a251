"""How what a run makes says whose it is: the tags that make a launch happen once, and a drill's things be found."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

PREFIX = "drs-orchestrator:"
RUN, WAVE, CHUNK, TRY = (PREFIX + part for part in ("run", "wave", "chunk", "try"))
PLAN, RUN_ID = PREFIX + "plan", PREFIX + "run-id"
MODE, EXPIRES = PREFIX + "mode", PREFIX + "expires"
"""On everything that a run makes: ``drill`` or ``recovery``, and the instant after which nobody may still want it."""
IDENTIFYING = (RUN, WAVE, CHUNK, TRY)
"""The tags that together name one launch; the others are there for people."""

COPY_OF = PREFIX + "copy-of"
"""What a part of a drill network stands for: the id of the VPC, subnet or security group of production."""

_LONGEST = 256
"""AWS's limit for a tag value."""


def run_key(dag_id: str, run_id: str) -> str:
    """Name a run in 32 characters that survive any tag rule."""
    return hashlib.sha256(f"{dag_id}|{run_id}".encode()).hexdigest()[:32]


def job_tags(*, dag_id: str, run_id: str, wave: str, chunk: int, attempt: int) -> dict[str, str]:
    """Return the tags of one job: run, wave, chunk and try identify it, plan and run id are there for people.

    :param wave: what is unique within the run: the launch's name, or the task id (with map index)
    :param chunk: number of the job within the try, from 0
    :param attempt: number of the try, from 1; rises only when a person asks to launch failed servers again
    """
    return {
        RUN: run_key(dag_id, run_id),
        WAVE: tag_value(wave),
        CHUNK: str(chunk),
        TRY: str(attempt),
        PLAN: tag_value(dag_id),
        RUN_ID: tag_value(run_id),
    }


def drill_tags(*, dag_id: str, run_id: str, expires: datetime) -> dict[str, str]:
    """Return the tags of everything that a drill makes in EC2 beside its instances.

    :param expires: aware; from then on a sweeper may remove it
    """
    return {
        RUN: run_key(dag_id, run_id),
        MODE: "drill",
        EXPIRES: expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        PLAN: tag_value(dag_id),
        RUN_ID: tag_value(run_id),
    }


def same_wave(tags: Mapping[str, str] | None, ours: Mapping[str, str]) -> bool:
    """Tell whether a job belongs to the same run and wave, whatever its chunk and try."""
    return bool(tags) and all((tags or {}).get(key) == ours[key] for key in (RUN, WAVE))


def same_launch(tags: Mapping[str, str] | None, ours: Mapping[str, str]) -> bool:
    """Tell whether a job is the very launch that ``ours`` identifies."""
    return bool(tags) and all((tags or {}).get(key) == ours[key] for key in IDENTIFYING)


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
