"""What every document between tasks has in common: its key, its version, and how it is read and refused."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, JsonValue, Strict, ValidationError

from drs_provider.exceptions import HandoverUnreadable

StoredIn = Literal["xcom", "task_state_store"]
"""Where a document lies: for other tasks, or for later tries of the same task."""

_VERSION = "version"
_MOST_PROBLEMS = 3


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _or_none(text: object) -> object:
    return None if text == "" else text


Instant = Annotated[datetime, AfterValidator(_utc)]
"""An aware instant in UTC; text without an offset is read as UTC. Written as ISO 8601."""

OptionalInstant = Annotated[Instant | None, BeforeValidator(_or_none)]
"""The same where nobody may know it; an empty text means None."""

Flag = Annotated[bool, Strict()]
"""True or False, and nothing that only looks like it: "no" must never become a yes."""


class Part(BaseModel):
    """A part of a document: frozen. Unknown keys are ignored, so that one more key needs no new version."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Document(Part):
    """What one task leaves for another, for the report, the board or the command line.

    A subclass says under which ``KEY`` and in which ``PLACE`` it lies, what people call it (``TITLE``), and the
    ``VERSION`` that it writes. Version 1 is also what was written before documents had versions; where the form has
    changed since, ``RENAMED`` or ``_from_version_1`` bring the old one to the present one.
    """

    KEY: ClassVar[str]
    TITLE: ClassVar[str]
    VERSION: ClassVar[int] = 1
    PLACE: ClassVar[StoredIn] = "xcom"
    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Keys of version 1 and what they are called now."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the document as plain JSON, with its version."""
        body: dict[str, JsonValue] = self.model_dump(mode="json")
        return _sealed(self.VERSION, body)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read a document of this or an earlier version.

        :raises HandoverUnreadable: it is of a newer version, or not what it should be
        """
        body = _opened(cls, data)
        if not isinstance(body, Mapping):
            raise cls.unreadable(f"it is {_kind(body)}, not a mapping")
        try:
            return cls.model_validate(dict(body))
        except ValidationError as error:
            raise cls.unreadable(_problems(error)) from error

    @classmethod
    def read(cls, value: object) -> Self | None:
        """Read what a task left, if it left anything; None: it left nothing."""
        return None if value is None else cls.from_json(value)

    @classmethod
    def unreadable(cls, problem: str) -> HandoverUnreadable:
        """Return the error that says what is wrong with a document of this type and what to do."""
        return HandoverUnreadable(cls.TITLE, _where(cls), problem, _REWRITE[cls.PLACE])

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        """Bring what version 1 wrote to the present form."""
        return renamed(body, cls.RENAMED)


def renamed(body: object, names: Mapping[str, str]) -> object:
    """Return a mapping with some of its keys renamed; whatever is no mapping stays as it is."""
    if not isinstance(body, Mapping):
        return body
    return {names.get(key, key): value for key, value in body.items()}


_REWRITE: dict[StoredIn, str] = {
    "xcom": "Clear the task that wrote it, to write it again",
    "task_state_store": "Delete this entry of the task's state store, then clear the task",
}


# The envelope. A signature (who wrote it, for which run and try) is added in _sealed and checked in _opened.


def _sealed(version: int, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {_VERSION: version, **body}


def _opened(document: type[Document], data: object) -> object:
    """Return the body of a document in its present form; refuse a version that this release does not know."""
    version: object = data.get(_VERSION, 1) if isinstance(data, Mapping) else 1
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise document.unreadable(f"its version is {version!r}, which no release writes")
    if version > document.VERSION:
        known = "version 1 only" if document.VERSION == 1 else f"versions 1 to {document.VERSION}"
        raise HandoverUnreadable(
            document.TITLE,
            _where(document),
            f"it has version {version}, and this release reads {known}",
            "A newer release of the provider wrote it: upgrade this installation to that release",
        )
    body: object = {key: value for key, value in data.items() if key != _VERSION} if isinstance(data, Mapping) else data
    if version == 1 < document.VERSION:
        return document._from_version_1(body)  # noqa: SLF001  (the two belong together)
    return body


def _where(document: type[Document]) -> str:
    return f"XCom {document.KEY}" if document.PLACE == "xcom" else f"task state store entry {document.KEY}"


def _kind(value: object) -> str:
    return {list: "a list", str: "text", bool: "true or false", int: "a number"}.get(type(value), type(value).__name__)


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, line['loc'])) or 'document'}: {line['msg']}" for line in found[:_MOST_PROBLEMS]]
    more = [f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
    return "; ".join([*lines, *more])
