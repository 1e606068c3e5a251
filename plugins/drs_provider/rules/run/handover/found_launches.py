"""What the last look at a recovery finds: launches that no task has seen through, and instances that are gone."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, OptionalInstant, Part

_SHOWN_WITHIN: Final = timedelta(minutes=2)


class FoundLaunch(Part):
    """What a job of the run launched for a server, as DRS and EC2 say, where no task has seen the job through.

    ``is_running_job``: DRS still works on it. ``protected``: None: nobody looked.
    """

    job_id: str
    instance_id: str | None = None
    instance_state: str | None = None
    is_running_job: bool = False
    protected: bool | None = None
    not_protected: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether an instance of it runs."""
        return self.instance_state == "RUNNING"

    @property
    def words(self) -> str:
        """What is known of it, without a full stop."""
        if self.instance_id is None and self.is_running_job:
            return f"its job {self.job_id} still runs, and nobody waits for it"
        if self.instance_id is None:
            return f"whether {self.job_id} launched it is unknown: DRS shows no recovery instance of that job"
        guard = "protected from termination" if self.protected else "not protected from termination"
        if self.not_protected:
            guard += f" ({self.not_protected})"
        return (
            f"its instance {self.instance_id} of {self.job_id} is {self.instance_state}, {guard}; no task waited for it"
        )


STOPPED_IN_EC2: Final = frozenset({"stopped", "stopping"})
"""EC2's words for an instance that is there and does not run."""


class LostInstance(Part):
    """An instance that its wave found launched and that is no more, or is stopped, at the end of its run.

    ``instance_id``: None: neither DRS nor EC2 has ever named one. ``state``: EC2's word, or that it knows none.
    """

    instance_id: str | None = None
    state: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether it is there all the same: it can be started again."""
        return self.state in STOPPED_IN_EC2

    @property
    def words(self) -> str:
        """What is known of it, without a full stop."""
        if self.is_stopped:
            return (
                f"it was launched, and at the end of the run its instance {self.instance_id} is {self.state}: somebody "
                "has stopped it since; start it in EC2 if it shall run"
            )
        if self.instance_id is None:
            return "DRS said that it was launched, and neither DRS nor EC2 shows an instance of it: look in EC2"
        return (
            f"it was launched, and at the end of the run its instance {self.instance_id} is {self.state}: somebody, or "
            "EC2 itself, has ended it since"
        )


class OutsideChanges(Document):
    """What others have done to the jobs and instances of a run while it went on, by id, in words."""

    KEY: ClassVar[str] = "outside_changes"
    TITLE: ClassVar[str] = "the record of what others have changed"

    changes: dict[str, str] = Field(default_factory=dict)


class FoundLaunches(Document):
    """What was found of a recovery's launches at its end that no task had seen through, by server id.

    ``lost``: by server id, instances that a task had seen launched and that are no more.
    ``running``: those of its jobs that DRS still worked on. ``ended_at``: when the last of the others ended.
    ``problem``: why nobody could look, so nothing is known. ``left_stopped``: by server id, why DRS still leaves
    stopped what anybody launches of it, as the run had set it to launch ahead.
    """

    KEY: ClassVar[str] = "found_launches"
    TITLE: ClassVar[str] = "the launches that no task has seen through"

    servers: dict[str, FoundLaunch] = Field(default_factory=dict)
    lost: dict[str, LostInstance] = Field(default_factory=dict)
    running: tuple[str, ...] = ()
    ended_at: OptionalInstant = None
    problem: str | None = None
    left_stopped: dict[str, str] = Field(default_factory=dict)

    def may_change(self, now: datetime) -> bool:
        """Tell whether a later look may see more: DRS shows an instance that it has just launched not at once."""
        is_fresh = self.ended_at is not None and now < self.ended_at + _SHOWN_WITHIN
        return is_fresh and not all(found.is_there for found in self.servers.values())
