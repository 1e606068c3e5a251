"""What the end of a recovery leaves: the question whether it stands, the one decision, and what a roll back did."""

from typing import ClassVar, Literal

from pydantic import Field

from drs_provider.rules.run.handover.cleanups import CleanedUp, CleanedUpInstance
from drs_provider.rules.run.handover.document import Document, Flag, Instant, OptionalInstant, Part, StoredIn

CommitKind = Literal["commit", "roll_back"]


class LaunchedInstance(Part):
    """An instance that the run launched and that is up. ``state``: EC2's word. ``where``: account and Region.

    ``job_id``: the job that launched it.
    """

    instance_id: str
    server_id: str
    hostname: str
    where: str = ""
    state: str = ""
    job_id: str = ""


class CommitDecision(Part):
    """The decision about what a run launched; ``by`` None: the plan's policy decided, for nobody answered in time.

    ``job_ids``: the jobs whose instances it is about; what is launched later is not covered by it. ``replication``: by
    source server, DRS's word for its replication when it was decided. ``insists``: knowing that sources are not
    replicated. ``is_of_tags``: it was taken in another Airflow, and the cloud says so.
    """

    kind: CommitKind
    by: str | None
    at: Instant
    comment: str | None = None
    expired: Flag = False
    insists: Flag = False
    is_of_tags: Flag = False
    job_ids: tuple[str, ...] = ()
    replication: dict[str, str] = Field(default_factory=dict)


class CommitRecord(Document):
    """How the question stands; ``decision`` None: it waits for an answer.

    ``until``: when it is asked again, or the policy decides. ``reminders``: how often it was asked again. ``against``:
    what speaks against a roll back, as far as was seen. ``refused``: why the last roll back that somebody asked for was
    not made; ``kept``: by instance, why it stays whatever is answered. ``running``: launch jobs that were not over.
    ``problem``: why it is not known what is up.
    """

    KEY: ClassVar[str] = "commit"
    TITLE: ClassVar[str] = "the record of commit or roll back"

    began_at: Instant
    until: Instant
    on_timeout: Literal["ask", "commit", "roll_back"] = "ask"
    approvers: tuple[str, ...] = ()
    reminders: int = 0
    instances: tuple[LaunchedInstance, ...] = ()
    against: tuple[str, ...] = ()
    refused: str = ""
    problem: str = ""
    kept: dict[str, str] = Field(default_factory=dict)
    running: tuple[str, ...] = ()
    decision: CommitDecision | None = None


class CommitMemory(Document):
    """The same over the tries of the task, and over clearing it: a decision that was taken stands."""

    KEY: ClassVar[str] = "drs_commit"
    TITLE: ClassVar[str] = "the memory of commit or roll back"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    record: CommitRecord


class Unprotected(Document):
    """The instances whose termination protection a roll back has switched off; kept before it does.

    Whoever comes next, after a kill too, switches it on again for those of them that stay.
    """

    KEY: ClassVar[str] = "drs_unprotected"
    TITLE: ClassVar[str] = "the memory of termination protection that is off"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    instances: tuple[str, ...] = ()


class RolledBack(Document):
    """What a roll back did in an account and Region; there also where its task fails.

    ``ended_at`` None: it goes on, or its process died in the middle; ``left`` is what it was about to terminate then.

    ``left``: instances that are still there, and why. ``kept``: volumes and interfaces that outlive their instances.
    ``settings``: by source server, the launch settings that were put back; ``settings_left``: why they were not.
    ``replication``: DRS's word for the replication of each source at the end; ``not_replicated``: those of which it is
    neither up to date nor as it was before, and how it is.
    """

    KEY: ClassVar[str] = "rolled_back"
    TITLE: ClassVar[str] = "the result of a roll back"

    terminated: tuple[CleanedUpInstance, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    kept: dict[str, str] = Field(default_factory=dict)
    job_ids: tuple[str, ...] = ()
    settings: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    settings_left: dict[str, str] = Field(default_factory=dict)
    replication: dict[str, str] = Field(default_factory=dict)
    not_replicated: dict[str, str] = Field(default_factory=dict)
    ended_at: OptionalInstant = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left and every source is replicated as before."""
        return not self.left and not self.not_replicated

    def as_clean_up(self) -> CleanedUp:
        """Give what is gone in the form in which a clean-up says it."""
        return CleanedUp(terminated=self.terminated, left=self.left, job_ids=self.job_ids)
