"""What clean-ups leave: what is gone, what is left and why, and what they remember between two looks."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from drs_provider.rules.run.handover.document import Document, Instant, Part, StoredIn, renamed


class CleanedUpInstance(Part):
    """A recovery instance that is gone.

    ``created_by_launch``: what proved, before, that its launch created it. ``gone_before``: the clean-up had asked for
    nothing when it was gone already, so somebody else, or EC2 itself, has ended it.
    """

    instance_id: str
    server_id: str | None = None
    created_by_launch: str = ""
    gone_before: bool = False


class CleanedUp(Document):
    """What was terminated, and by instance id what was kept and why; what the clean-up tasks return."""

    KEY: ClassVar[str] = "return_value"
    TITLE: ClassVar[str] = "the result of a clean-up"
    VERSION: ClassVar[int] = 2
    RENAMED: ClassVar[Mapping[str, str]] = {"jobs": "job_ids"}

    terminated: tuple[CleanedUpInstance, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    job_ids: tuple[str, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        found = super()._from_version_1(body)
        if not isinstance(found, Mapping) or not isinstance(found.get("terminated"), list | tuple):
            return found
        gone = [renamed(instance, {"source_server_id": "server_id"}) for instance in found["terminated"]]
        return {**found, "terminated": gone}


class Leftovers(Document):
    """What of a run's drill is still there at its end, by id; there also when the task fails for it."""

    KEY: ClassVar[str] = "cleaned"
    TITLE: ClassVar[str] = "the result of the last look"

    left: dict[str, str] = Field(default_factory=dict)


class Untagged(Document):
    """What could not be tagged, by id, and why."""

    KEY: ClassVar[str] = "untagged"
    TITLE: ClassVar[str] = "the record of what could not be tagged"
    VERSION: ClassVar[int] = 2

    resources: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"resources": body}


class TargetSweep(Part):
    """What one pass found, did and left in an account and Region; ``kept`` belongs to a drill that goes on.

    ``plans``: DAG ids of the plans whose drills these things are, as far as their tags say.
    """

    found: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    waiting: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    kept: dict[str, str] = Field(default_factory=dict)
    plans: tuple[str, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether another look will find something changed."""
        return bool(self.done or self.waiting)

    @property
    def remaining(self) -> dict[str, str]:
        """What is still there and belongs to no drill that goes on, by id, and why."""
        return self.left | self.waiting


class Sweep(Document):
    """One pass over what drills have left behind, by account and Region; also what the sweeping task returns."""

    KEY: ClassVar[str] = "swept"
    TITLE: ClassVar[str] = "the result of a sweep"
    VERSION: ClassVar[int] = 2

    targets: dict[str, TargetSweep] = Field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether another look will find something changed anywhere."""
        return any(target.goes_on for target in self.targets.values())

    def after(self, before: "Sweep | None") -> "Sweep":
        """Return this pass with what earlier passes of the same clean-up have done."""
        if before is None:
            return self
        earlier = {name: before.targets.get(name, TargetSweep()) for name in self.targets}
        return Sweep(
            targets={
                name: target.model_copy(
                    update={
                        "found": tuple(dict.fromkeys((*earlier[name].found, *target.found))),
                        "done": tuple(dict.fromkeys((*earlier[name].done, *target.done))),
                        "plans": tuple(dict.fromkeys((*earlier[name].plans, *target.plans))),
                    }
                )
                for name, target in self.targets.items()
            }
        )

    @property
    def remaining(self) -> list[str]:
        """What is still there anywhere and belongs to no drill that goes on, a line each thing."""
        return [f"{name}: {why}" for target in self.targets.values() for name, why in target.remaining.items()]

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"targets": body}


class TerminationTargets(Document):
    """Instances to terminate, each with its source server: a terminated one soon disappears from DRS's answers.

    ``proofs``: by instance id, what proved that its launch created it. ``gone_before``: those that were gone when they
    were found.
    """

    KEY: ClassVar[str] = "drs_targets"
    TITLE: ClassVar[str] = "the list of instances to terminate"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    instances: dict[str, str] = Field(default_factory=dict)
    proofs: dict[str, str] = Field(default_factory=dict)
    gone_before: tuple[str, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"instances": body}


class TerminateJobs(Document):
    """The terminate jobs that were started."""

    KEY: ClassVar[str] = "drs_terminate_jobs"
    TITLE: ClassVar[str] = "the list of terminate jobs"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    job_ids: tuple[str, ...] = ()

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"job_ids": body}


class InstanceParts(Document):
    """Volumes and network interfaces of the instances, remembered before they go."""

    KEY: ClassVar[str] = "drs_parts"
    TITLE: ClassVar[str] = "the list of volumes and interfaces"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    volumes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


class FewestLeft(Document):
    """The smallest number of instances that any look has found left."""

    KEY: ClassVar[str] = "drs_fewest_left"
    TITLE: ClassVar[str] = "the smallest number of instances left"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"

    instances: int

    @classmethod
    def _from_version_1(cls, body: object) -> object:
        return {"instances": body}


class TaskBegan(Document):
    """When a task was begun; a cleared one has more ``max_tries`` and begins anew."""

    KEY: ClassVar[str] = "drs_task_began"
    TITLE: ClassVar[str] = "the beginning of the task"
    PLACE: ClassVar[StoredIn] = "task_state_store"

    max_tries: int | None
    at: Instant


class SweepBegan(Document):
    """When this try of a sweep was begun, and what its passes have done so far."""

    KEY: ClassVar[str] = "drs_sweep_began"
    TITLE: ClassVar[str] = "the beginning of a sweep"
    VERSION: ClassVar[int] = 2
    PLACE: ClassVar[StoredIn] = "task_state_store"
    RENAMED: ClassVar[Mapping[str, str]] = {"try": "try_number"}

    try_number: int
    at: Instant
    swept: Sweep | None = None


class LeftoversTold(Document):
    """What left-overs people were told of last, and when: the clean-up DAG does not repeat itself at every run."""

    KEY: ClassVar[str] = "left_told"
    TITLE: ClassVar[str] = "the record of what people were told of left-overs"

    left: tuple[str, ...] = ()
    at: Instant
