"""ETags, and changes that are refused where what they change is not what its author has read."""

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Header

from drs_provider.api.problems import RequestRefused

IfMatch = Annotated[
    str | None, Header(description="The `ETag` of what was read: the change is refused where it is something else.")
]


def etag_of(content: bytes) -> str:
    """Return the strong ETag of something's bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def ensure_unchanged(if_match: str | None, etag: str, *, changes: Sequence[str] = ()) -> None:
    """Refuse a change of what is not what was read.

    :param changes: what it is now, for the answer
    :raises RequestRefused: 428, the request does not say what was read; 412, it is something else now
    """
    if if_match is None:
        raise RequestRefused(
            HTTPStatus.PRECONDITION_REQUIRED, "name what you have read: send its ETag in an If-Match header"
        )
    if if_match.strip() != "*" and etag not in {tag.strip() for tag in if_match.split(",")}:
        now = f" It is now: {' '.join(changes)}" if changes else ""
        raise RequestRefused(
            HTTPStatus.PRECONDITION_FAILED,
            f"somebody has changed it since you have read it: read it again, and decide anew.{now}",
            headers={"ETag": etag},
        )
