"""Changes that are refused where what they change is not what their author has read."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Header

from drs_provider.api.problems import RequestRefused

IfMatch = Annotated[
    str | None, Header(description="The `ETag` of what was read: the change is refused where it is something else.")
]


def ensure_unchanged(if_match: str | None, etag: str) -> None:
    """Refuse a change of what is not what was read.

    :raises RequestRefused: 428, the request does not say what was read; 412, it is something else now
    """
    if if_match is None:
        raise RequestRefused(
            HTTPStatus.PRECONDITION_REQUIRED, "name what you have read: send its ETag in an If-Match header"
        )
    # A proxy that compresses answers marks their ETags as weak; the file behind them is the same.
    if if_match.strip() != "*" and etag not in {tag.strip().removeprefix("W/") for tag in if_match.split(",")}:
        raise RequestRefused(
            HTTPStatus.PRECONDITION_FAILED,
            "somebody has changed it since you have read it: read it again, and decide anew",
            headers={"ETag": etag},
        )
