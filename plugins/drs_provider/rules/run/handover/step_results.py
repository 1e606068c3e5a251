"""What the steps of a plan leave: how they ended, and what they remember between their tries."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part, StoredIn
from drs_provider.rules.run.handover.plan_runs import PlanRunOutcome


class StepInstance(Part):
    """What became of a step on one instance."""

    instance_id: str
    hostname: str = ""
    succeeded: Flag
    status: str = ""
    exit_code: int | None = None
    output: str = ""


class StepResult(Document):
    """How a step ended. A step without it whose task is green was marked by a person.

    ``attempts``: how often it was tried, 0 where it was not begun. ``goes_on``: it failed, and the plan goes on all the
    same. ``summary`` and ``output`` are bounded. ``part``: the run of another plan, of a step that runs one.
    """

    KEY: ClassVar[str] = "step"
    TITLE: ClassVar[str] = "the result of a step"

    name: str
    kind: str = ""
    on_failure: Literal["fail", "continue"] = "fail"
    state: Literal["succeeded", "failed", "skipped"]
    started_at: OptionalInstant = None
    ended_at: OptionalInstant = None
    attempts: int = 0
    summary: str = ""
    output: str = ""
    instances: tuple[StepInstance, ...] = ()
    goes_on: Flag = False
    part: PlanRunOutcome | None = None


class StepProgress(Document):
    """Which attempt of a step this is, since when, what it has begun, and how it ended.

    ``began_at`` None: the next attempt has not begun. ``begun``: what the kind of step needs to adopt what it began;
    empty: nothing. ``end``: its result, although Airflow may not know it yet.
    """

    KEY: ClassVar[str] = "drs_step"
    TITLE: ClassVar[str] = "the memory of a step"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    attempt: int
    failures: int
    max_tries: int | None
    began_at: OptionalInstant
    first_began_at: Instant
    begun: dict[str, JsonValue] = Field(default_factory=dict)
    end: StepResult | None = None


class ActionBegun(Document):
    """The mark of a trigger that has begun to act, and for which attempt: another trigger does not act again."""

    KEY: ClassVar[str] = "begun"
    TITLE: ClassVar[str] = "the mark of a begun action"
    VERSION: ClassVar[int] = 2

    attempt: int

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"attempt": body}
