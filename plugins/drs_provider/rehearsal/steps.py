"""The steps of a plan in a rehearsal: which are run, which are only supposed to pass, and why."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drs_provider.plan.model import AnyStep, LambdaStep, ProtectionGroup, RecoveryPlan, SsmAutomation, SsmCommand
from drs_provider.plan.templates import SERVER, SYNTAX
from drs_provider.rules.run.roster import Target, targets_of

RUN = frozenset({"wait", "approval", "ssm_command", "ssm_automation", "lambda"})
"""Kinds that a rehearsal runs where it can: what they ask for, the simulator or the rehearsal itself answers."""

REACHES_OUT = {
    "http": "it would ask an address outside of the simulator",
    "tcp": "it would connect to an address outside of the simulator",
    "webhook": "it would say something to somebody real",
    "dag": "it would run another DAG",
}
"""Kinds that are never run, and why."""

Place = tuple[str, str]
"""Account and Region."""


@dataclass(frozen=True)
class PlannedStep:
    """A step where it stands: ``wave`` is None for the plan's own, ``place`` is ``before`` or ``after``."""

    wave: str | None
    place: str
    step: AnyStep

    def takes_place(self, mode: str) -> bool:
        """Whether a run of this mode has it."""
        return self.step.when in {mode, "always"}

    @property
    def where(self) -> str:
        """Name it for people: ``wave web: shop-answers``."""
        return f"{f'wave {self.wave}' if self.wave else 'plan'}: {self.step.name}"


def planned_steps(plan: RecoveryPlan) -> Iterator[PlannedStep]:
    """Yield all steps of a plan in their order: the plan's own, each wave's, the plan's own."""
    yield from (PlannedStep(None, "before", step) for step in plan.before)
    for wave in plan.waves:
        yield from (PlannedStep(wave.name, "before", step) for step in wave.before)
        yield from (PlannedStep(wave.name, "after", step) for step in wave.after)
    yield from (PlannedStep(None, "after", step) for step in plan.after)


@dataclass(frozen=True)
class World:
    """What the simulator of a rehearsal has for steps.

    :ivar places: account and Region of every target of the plan
    :ivar names: hostnames and ids of its servers
    :ivar aws_documents: SSM documents that exist everywhere, with their type
    :ivar documents: documents of an account and Region
    :ivar functions: Lambda functions of an account and Region
    """

    places: Mapping[Target, Place]
    names: frozenset[str] = frozenset()
    aws_documents: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[Place, frozenset[str]] = field(default_factory=dict)
    functions: Mapping[Place, frozenset[str]] = field(default_factory=dict)


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
    """What becomes of a step: it is run, perhaps on something made up, or ``assumed`` to pass, for this reason."""

    step: PlannedStep
    assumed: str | None = None
    stand_in: StandIn | None = None


def decide(one: PlannedStep, plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], world: World) -> StepDecision:
    """Say what becomes of a step in a rehearsal."""
    step = one.step
    if step.kind not in RUN:
        return StepDecision(one, REACHES_OUT.get(step.kind, "a rehearsal does not know its kind"))
    if not isinstance(step, SsmCommand | SsmAutomation | LambdaStep):
        return StepDecision(one)
    if unknown := sorted(_servers_named(step) - world.names):
        return StepDecision(one, f"it names what this fleet does not have: {', '.join(unknown)}")
    place = _place(one, plan, groups, world)
    if place is None:
        where = " in ".join(part for part in (step.aws_conn_id, step.region) if part)
        return StepDecision(one, f"nothing in this rehearsal stands for {where}")
    if isinstance(step, LambdaStep):
        return _invoked(one, step, place, world)
    name = step.document.rsplit("document/", 1)[-1]
    kind = "Command" if isinstance(step, SsmCommand) else "Automation"
    is_there = name in world.documents.get(place, ()) or world.aws_documents.get(name) == kind
    return StepDecision(one, stand_in=None if is_there else StandIn("documents", name, place, kind))


def _invoked(one: PlannedStep, step: LambdaStep, place: Place, world: World) -> StepDecision:
    name = step.function.rsplit("function:", 1)[-1].split(":")[0]
    if not re.fullmatch(r"[\w-]+", name):
        return StepDecision(one, "which function it invokes is known only in a run")
    is_there = name in world.functions.get(place, ())
    return StepDecision(one, stand_in=None if is_there else StandIn("lambda", name, place))


def _place(one: PlannedStep, plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], world: World) -> Place | None:
    """Find where a step works as its task does: where it says, else where its wave is recovered."""
    members = next((wave.groups for wave in plan.waves if wave.name == one.wave), ())
    targets = [*targets_of([groups[name] for name in members]), *targets_of(list(groups.values()))]
    conn, region = getattr(one.step, "aws_conn_id", None), getattr(one.step, "region", None)
    found = next(
        (world.places[one] for one in targets if one in world.places and conn in (None, one.aws_conn_id)), None
    )
    if found is None:
        return None
    place = (found[0], region or found[1])
    return place if place in world.places.values() else None


def _servers_named(step: Any) -> set[str]:
    """Return what a step names of servers: in its texts, and as the instances that it runs on."""
    named = set()
    for text in _texts(step.model_dump()):
        for match in SYNTAX.finditer(text):
            if server := SERVER.fullmatch((match[1] or "").strip()):
                named.add(server[1] or server[2] or "")
    named |= {one for one in getattr(step, "instances", None) or () if "{" not in one}
    return named


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def task_of(step: PlannedStep, task_ids: Collection[str], waves: Collection[str]) -> str | None:
    """Find the task of a step; None: the DAG has none."""
    return task_named(step.wave, step.place, step.step.name, task_ids, waves)


def task_named(
    wave: str | None, place: str, name: str, task_ids: Collection[str], waves: Collection[str]
) -> str | None:
    """Find the task of a step by the contract of names: a task with the step's name, in its wave's group.

    The plan's own steps stand in no wave's group; between several of one name the place in the id decides.
    """
    if wave is not None:
        return f"{wave}.{name}" if f"{wave}.{name}" in task_ids else None
    found = [task for task in sorted(task_ids) if task.split(".")[-1] == name and task.split(".")[0] not in waves]
    return next((task for task in found if place in task), found[0] if found else None)
