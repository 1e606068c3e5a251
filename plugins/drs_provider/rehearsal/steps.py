"""The steps of a plan in a rehearsal: which are run, which are only supposed to pass, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drs_provider.plan.model import Step
from drs_provider.plan.step_kinds import Needed, step_kind
from drs_provider.plan.templates import servers_of_step
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import StepShape

Place = tuple[str, str]
"""Account and Region."""


@dataclass(frozen=True)
class World:
    """What the simulator of a rehearsal has for steps.

    :ivar places: account and Region of every target of the plan
    :ivar names: hostnames and ids of the plan's servers
    :ivar aws_documents: SSM documents that exist everywhere, with their type
    :ivar documents: documents of an account and Region
    :ivar functions: Lambda functions of an account and Region
    """

    places: Mapping[Target, Place]
    names: frozenset[str] = frozenset()
    aws_documents: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[Place, frozenset[str]] = field(default_factory=dict)
    functions: Mapping[Place, frozenset[str]] = field(default_factory=dict)

    def has(self, needed: Needed, place: Place) -> bool:
        """Tell whether something that a step needs is there."""
        if needed.what == "lambda":
            return needed.name in self.functions.get(place, ())
        return needed.name in self.documents.get(place, ()) or self.aws_documents.get(needed.name) == needed.form


@dataclass(frozen=True)
class StandIn:
    """Something that a step needs and the simulator does not have; it is made up and succeeds."""

    what: str
    name: str
    place: Place
    kind: str = ""

    @property
    def words(self) -> str:
        """Name it for people."""
        noun = "SSM document" if self.what == "documents" else "function"
        return f"{noun} {self.name}"


@dataclass(frozen=True)
class StepDecision:
    """What becomes of a step: it is run, perhaps on something made up, or ``assumed`` to pass, for this reason.

    ``finds_nobody``: it names a server that the run does not have, and so fails before it reaches anything.
    """

    step: StepShape
    assumed: str | None = None
    stand_in: StandIn | None = None
    finds_nobody: bool = False

    def takes_place(self, mode: str) -> bool:
        """Whether a run of this mode has the step."""
        return purpose_of(mode).takes_step(self.step.step)


def decide(planned: StepShape, world: World) -> StepDecision:
    """Say what becomes of a step in a rehearsal."""
    step, kind = planned.step, step_kind(planned.step.kind)
    if {name for name, _ in servers_of_step(step)} - world.names and not kind.looks_around:
        return StepDecision(planned, finds_nobody=True)
    if kind.reaches_out:
        return StepDecision(planned, kind.reaches_out)
    return StepDecision(planned) if kind.needs is None else _with_what_it_needs(planned, kind.needs(step), world)


def _with_what_it_needs(planned: StepShape, needed: Needed | str, world: World) -> StepDecision:
    step, place = planned.step, _place(planned, world)
    instances = [name for name in getattr(step, "instances", None) or () if name.startswith(("i-", "mi-"))]
    if instances:
        return StepDecision(planned, f"it names what this fleet does not have: {', '.join(instances)}")
    if place is None:
        where = " in ".join(part for part in (_own(step, "aws_conn_id"), _own(step, "region")) if part)
        return StepDecision(planned, f"nothing in this rehearsal stands for {where}")
    if isinstance(needed, str):
        return StepDecision(planned, needed)
    is_there = world.has(needed, place)
    stand_in = None if is_there else StandIn(needed.what, needed.name, place, needed.form)
    return StepDecision(planned, stand_in=stand_in)


def is_rehearsed(kind: str) -> bool:
    """Tell whether a rehearsal runs steps of a kind where it can; the others are only supposed to pass."""
    return not step_kind(kind).reaches_out


def _own(step: Step, field: str) -> str | None:
    """Return what a step says of where it works; kinds that work nowhere in AWS have no such field."""
    return getattr(step, field, None)


def _place(planned: StepShape, world: World) -> Place | None:
    """Find where a step works as its task does: where it says, else where its wave is recovered."""
    conn, region = _own(planned.step, "aws_conn_id"), _own(planned.step, "region")
    known = (target for target in planned.targets if target in world.places and conn in (None, target.aws_conn_id))
    found = next(known, None)
    if found is None:
        return None
    place = (world.places[found][0], region or world.places[found][1])
    return place if place in world.places.values() else None
