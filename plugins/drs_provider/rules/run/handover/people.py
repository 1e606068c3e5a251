"""What people are asked, what they answer, and what they order."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part, StoredIn


class Asked(Document):
    """Who was asked what in this try of a task, since when and until when.

    ``people`` empty: anyone may answer. ``otherwise``: what happens without an answer. ``agreed``: who has so far.
    """

    KEY: ClassVar[str] = "asked"
    TITLE: ClassVar[str] = "the question of a task"
    VERSION: ClassVar[int] = 2
    RENAMED: ClassVar[Mapping[str, str]] = {"try": "try_number"}

    at: Instant
    until: Instant
    try_number: int = 1
    subject: str = ""
    text: str = ""
    otherwise: str = ""
    people: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()


class RecordedAnswer(Document):
    """A recorded answer. ``chosen`` is the option; None and ``expired``: nobody answered in time.

    ``checked_at``: the preflight that was answered about. A task that was marked as successful leaves no answer.
    """

    KEY: ClassVar[str] = "answer"
    TITLE: ClassVar[str] = "the recorded answer"

    chosen: str | None
    by: str | None
    at: Instant
    checked_at: OptionalInstant = None
    expired: Flag = False
    comment: str | None = None


class ManagersKnown(Document):
    """Who had the roles of recovery managers when the run began; only where the configuration names such roles.

    Airflow's scheduler, which may ask its auth manager, hands it to preflight in the task state store; preflight leaves
    it as an XCom to the tasks of a roll back. ``problem``: why nobody knows, without a full stop; empty: it is known.
    """

    KEY: ClassVar[str] = "recovery_managers"
    TITLE: ClassVar[str] = "the list of recovery managers"

    roles: tuple[str, ...]
    people: tuple[str, ...] = ()
    problem: str = ""
    at: Instant


class OpeningMemory(Document):
    """What stood before a wave and has passed, so that a task that dies afterwards asks, or waits, no second time.

    :ivar asked: the question; None: nobody was asked
    :ivar answer: of a person who may; None: the same
    :ivar until: when a delay has passed; None: it was none
    """

    KEY: ClassVar[str] = "drs_opening"
    TITLE: ClassVar[str] = "the memory of what stood before a wave"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None = None
    asked: Asked | None = None
    answer: RecordedAnswer | None = None
    until: OptionalInstant = None


class RefusalMemory(Document):
    """A refusal, which stays final until the task is cleared; then ``max_tries`` differs."""

    KEY: ClassVar[str] = "drs_no"
    TITLE: ClassVar[str] = "the memory of a refusal"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"
    RENAMED: ClassVar[Mapping[str, str]] = {"words": "message"}

    max_tries: int | None
    asked: Asked | None
    answer: RecordedAnswer
    message: str

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        found = super()._from_version_1(body)
        if not isinstance(found, Mapping):
            return found
        return {**found, "asked": Asked._from_version_1(found.get("asked"))}  # noqa: SLF001  (a part of this one)


class ApprovalMemory(Document):
    """Who has agreed so far in an approval step; a cleared task has more ``max_tries`` and asks everybody again."""

    KEY: ClassVar[str] = "drs_answers"
    TITLE: ClassVar[str] = "the memory of a step's approvals"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int
    by: tuple[str, ...] = ()
    comments: dict[str, str | None] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        if not isinstance(body, Mapping):
            return body
        tries = body.get("try")
        number = tries[0] if isinstance(tries, list | tuple) and tries else tries
        return {"max_tries": number, "by": body.get("by") or (), "comments": body.get("comments") or {}}


class Delay(Document):
    """A wave's ``delay_before``: from when until when the run waits."""

    KEY: ClassVar[str] = "waited"
    TITLE: ClassVar[str] = "the record of a delay"

    at: Instant
    until: Instant


class NotBelieved(Document):
    """What lay in a task's state store and was not obeyed, because nobody who may had written it: why, by its place."""

    KEY: ClassVar[str] = "not_believed"
    TITLE: ClassVar[str] = "the record of what was not believed"

    documents: dict[str, str] = Field(default_factory=dict)


class RunOrder(Document):
    """What a person ordered while the run goes on: cancel it, skip a wave, continue past one that failed, or none.

    None is an order that was taken back.

    It lies in the task state store of the task that shall obey, written by the plugin's route, and in the XCom of the
    same key once a task has obeyed it. ``message`` says it with who gave it and why, without a full stop.
    """

    KEY: ClassVar[str] = "drs_order"
    TITLE: ClassVar[str] = "the order of a person"
    VERSION: ClassVar[int] = 2
    RENAMED: ClassVar[Mapping[str, str]] = {"words": "message"}

    kind: Literal["cancel", "skip", "continue", "none"]
    message: str = ""

    @property
    def is_cancellation(self) -> bool:
        """Whether nothing more of the run may start."""
        return self.kind == "cancel"

    @property
    def passes_over(self) -> bool:
        """Whether the wave failed, and the run shall go on as if it had been tolerated."""
        return self.kind == "continue"

    @property
    def stands(self) -> bool:
        """Whether there is something to obey."""
        return self.kind != "none"

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        """Read the store's form, and the bare words that a task left once it had obeyed."""
        if isinstance(body, str):
            return {"kind": "cancel" if body.startswith("cancelled") else "skip", "message": body}
        return super()._from_version_1(body)


class LeftToItself(Document):
    """Waves that a person has had skipped: the tasks of the waves before do not start them.

    It lies in the task state store of the task that would, written by the plugin's route.
    """

    KEY: ClassVar[str] = "drs_left_to_itself"
    TITLE: ClassVar[str] = "the list of waves that are left to themselves"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    waves: tuple[str, ...] = ()


class GivenOrder(Part):
    """One order of a person while a run goes on; ``message`` says it with who gave it and why, without a full stop."""

    kind: Literal["cancel", "skip", "retry", "continue", "mark"]
    at: Instant
    by: str | None = None
    wave: str | None = None
    reason: str | None = None
    message: str


class GivenOrders(Document):
    """Every order that people gave this run, the oldest first: the record for the report, which nothing obeys.

    It lies in the task state store of the report task, written by the plugin's route as the order is given.
    """

    KEY: ClassVar[str] = "drs_given_orders"
    TITLE: ClassVar[str] = "the orders that people gave a run"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    orders: tuple[GivenOrder, ...] = ()

    @property
    def cancellation(self) -> GivenOrder | None:
        """The order to cancel the run, unless a wave was retried after it."""
        last = next((order for order in reversed(self.orders) if order.kind in ("cancel", "retry")), None)
        return last if last and last.kind == "cancel" else None

    def with_order(self, order: GivenOrder) -> "GivenOrders":
        """Add an order."""
        return GivenOrders(orders=(*self.orders, order))


class KeptExtension(Part):
    """A person has extended a kept drill: until when, who, and when they said so."""

    at: Instant
    until: Instant
    by: str | None = None


class KeptDrill(Document):
    """How long a drill is kept for people; ``ended_at`` None: it still is. ``by``: who ended or extended it last."""

    KEY: ClassVar[str] = "kept"
    TITLE: ClassVar[str] = "the record of a kept drill"

    began_at: OptionalInstant = None
    until: Instant
    ended_at: OptionalInstant = None
    by: str | None = None
    extended: int = 0
    extensions: tuple[KeptExtension, ...] = ()


class KeptDrillMemory(Document):
    """The same over the tries of the task; a cleared task has more ``max_tries`` and begins anew."""

    KEY: ClassVar[str] = "drs_kept"
    TITLE: ClassVar[str] = "the memory of a kept drill"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    kept: KeptDrill
