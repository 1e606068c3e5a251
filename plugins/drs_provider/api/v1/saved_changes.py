"""What the changes of groups and plans have in common: what may be written, what it was read as, how it went."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query, Response
from pydantic import BaseModel, Field, JsonValue

from drs_provider.api.etags import ensure_unchanged
from drs_provider.api.problems import RequestRefused
from drs_provider.plan.edit.files import is_writable
from drs_provider.services.groups.save import SavedChange

DryRun = Annotated[bool, Query(description="Check it and give the patch; save nothing.")]

OF_A_CHANGE: Final = (404, 409, 412, 415, 428)
"""How else a change of what is there may be answered."""


class DocumentChange(BaseModel):
    """How a change went."""

    is_saved: bool
    file: str
    patch: str = Field(description="The change as a unified diff, to apply where the files come from.")
    why_not: str = Field(description="Why it has not been saved; empty: it has, or was not to be.")
    branch: str = Field(description="The branch that it is committed on, for somebody to merge; empty: none.")


Change = TypeVar("Change", bound=DocumentChange)


def yaml_able(definition: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return a definition that a file of the plans folder can hold.

    :raises RequestRefused: 422, it holds something that none can
    """
    if not is_writable(definition):
        raise RequestRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the definition holds something that no plan file can: see docs/plans.md"
        )
    return definition


def etag_of(digest: str) -> str:
    """Return what a change names in ``If-Match``: the fingerprint of the file that it was read from."""
    return f'"{digest}"'


def read_as(if_match: str | None) -> Callable[[str], None]:
    """Return what refuses a change of a file that is no longer as the caller has read it."""
    return lambda digest: ensure_unchanged(if_match, etag_of(digest))


def changed(saved: SavedChange, response: Response, view: type[Change], **more: Any) -> Change:
    """Write how a change went as the API does.

    :param more: what this view says besides
    """
    if not saved.is_saved:
        response.status_code = HTTPStatus.OK
    elif saved.written is not None:
        response.headers["ETag"] = etag_of(saved.written.digest)
    return view(
        is_saved=saved.is_saved,
        file=saved.file,
        patch=saved.diff,
        why_not=saved.why_not,
        branch=saved.branch,
        **more,
    )
