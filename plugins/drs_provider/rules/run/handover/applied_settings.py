"""What is done to launch settings: what differed, what is in force, what was found wrong."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field, JsonValue

from drs_provider.rules.run.handover.document import Document, Flag, Part, StoredIn
from drs_provider.rules.run.handover.preflight_result import PreflightFinding


class SettingsChange(Part):
    """One launch setting that differed from what the run wants; None: there was or is none."""

    field: str
    was: JsonValue = None
    now: JsonValue = None


class SettingsChanges(Document):
    """What was changed, by server id; what the tasks that apply and restore launch settings return."""

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the record of changed launch settings"
    VERSION: ClassVar[int] = 2

    servers: dict[str, tuple[SettingsChange, ...]] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"servers": body}


class SettingsChangesSoFar(Document):
    """What was changed over the tries of a task, by server id; a cleared task has more ``max_tries``."""

    KEY: ClassVar[str] = "drs_settings_drift"
    TITLE: ClassVar[str] = "the memory of changed launch settings"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    servers: dict[str, tuple[SettingsChange, ...]] = Field(default_factory=dict)

    def with_changes(self, server_id: str, changes: Sequence[SettingsChange]) -> Self:
        """Add what is about to be changed at a server; a setting that was changed before keeps what it was then."""
        known = {change.field: change for change in self.servers.get(server_id, ())}
        for change in changes:
            first = known.get(change.field, change)
            known[change.field] = change.model_copy(update={"was": first.was})
        return self.model_copy(update={"servers": {**self.servers, server_id: tuple(known.values())}})


class SettingsFindings(Document):
    """What speaks against the launch settings that were to be applied."""

    KEY: ClassVar[str] = "findings"
    TITLE: ClassVar[str] = "the findings about launch settings"
    VERSION: ClassVar[int] = 2

    findings: tuple[PreflightFinding, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"findings": body}


class TemplateInForce(Part):
    """A server's launch template and the version that is its default; ``is_remembered``: a drill's memory is there."""

    template_id: str
    version: int
    is_remembered: Flag = False


class SettingsInForce(Document):
    """What was in force once the settings were applied, by server id; held against EC2 right before a launch."""

    KEY: ClassVar[str] = "in_force"
    TITLE: ClassVar[str] = "the record of the launch settings in force"
    VERSION: ClassVar[int] = 2

    servers: dict[str, TemplateInForce] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        if not isinstance(body, Mapping):
            return body
        return {"servers": {server: _in_force(value) for server, value in body.items()}}


def _in_force(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return dict(zip(("template_id", "version", "is_remembered"), value, strict=False))
