"""What becomes of a plan's steps in a rehearsal, asked of its simulator; what is missing there is made up."""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from drs_provider.formatting import timespan
from drs_provider.plan.durations import parse_duration
from drs_provider.rehearsal.fleet_choice import is_member
from drs_provider.rehearsal.processes import Simulator
from drs_provider.rehearsal.steps import Place, StepDecision, World, decide
from drs_provider.rules.run.roster import Target, target_of
from drs_provider.rules.run.shape import RunShape


@dataclass(frozen=True)
class StepsTake:
    """How long steps take that are not run, and what is made up for those that are: one length, or by name."""

    usual: timedelta = timedelta(0)
    named: Mapping[str, timedelta] = field(default_factory=dict)

    def of(self, name: str) -> timedelta:
        """Return the length of a step."""
        return self.named.get(name, self.usual)


def steps_take(said: Sequence[tuple[str, timedelta]]) -> StepsTake:
    """Put together what was said, the last word counts."""
    lengths = dict(said)
    usual = lengths.pop("", timedelta(0))
    return StepsTake(usual, lengths)


def length_of_steps(text: str) -> tuple[str, timedelta]:
    """Read ``30s`` or ``NAME=5m``."""
    name, _, length = text.rpartition("=")
    try:
        return name, parse_duration(length)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def decisions(shape: RunShape, running: Simulator, places: Mapping[Target, Place]) -> tuple[StepDecision, ...]:
    """Decide over all steps of a plan."""
    world = _world(running, places, shape) if shape.steps else World(places)
    return tuple(decide(step, world) for step in shape.steps)


def make_up(found: Sequence[StepDecision], running: Simulator, takes: StepsTake) -> None:
    """Give the simulator what steps need and it does not have."""
    for decision in found:
        if thing := decision.stand_in:
            seconds = takes.of(decision.step.step.name).total_seconds()
            account, region = thing.place
            more = {"type": thing.kind} if thing.kind else {"behaviour": "echo"}
            where = {"account": account, "region": region}
            running.post(thing.what, {"name": thing.name, "takes": seconds, **more, **where})


def words(found: Sequence[StepDecision], mode: str, takes: StepsTake) -> Iterator[str]:
    """Say which steps are taken for granted, and why; then what was made up for others."""
    why: dict[tuple[timedelta, str], list[str]] = defaultdict(list)
    for decision in found:
        step = decision.step
        if decision.assumed and decision.takes_place(mode):
            length = takes.of(step.step.name)
            why[length, decision.assumed].append(f"{step.where} ({step.step.kind})")
    for (length, reason), names in why.items():
        yield f"{'; '.join(names)}: passes in {_length(length)}, for {reason}"
    for decision in found:
        step = decision.step
        if decision.stand_in and decision.takes_place(mode):
            taken = _length(takes.of(step.step.name))
            yield f"{step.where}: {decision.stand_in.words} succeeds in {taken}, for this fleet does not know it"


def _length(length: timedelta) -> str:
    return timespan(length) if length else "no time"


def _world(running: Simulator, places: Mapping[Target, Place], shape: RunShape) -> World:
    accounts, documents = running.get("state")["accounts"], running.get("documents")
    own, functions = defaultdict(set), defaultdict(set)
    for document in documents["own"]:
        own[document["account"], document["region"]].add(document["name"])
    for function in running.get("lambda"):
        functions[function["account"], function["region"]].add(function["name"])
    names: set[str] = set()
    for group in shape.runnable.groups.values():
        account, region = places[target_of(group)]
        for server in accounts.get(account, {}).get(region, {}).get("servers", {}).values():
            if is_member(server, group):
                names |= {server["sourceServerID"], server["sourceProperties"]["identificationHints"]["hostname"]}
    return World(
        places,
        frozenset(names),
        documents["aws"],
        {place: frozenset(names) for place, names in own.items()},
        {place: frozenset(names) for place, names in functions.items()},
    )
