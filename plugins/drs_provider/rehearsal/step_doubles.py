"""What becomes of a plan's steps in a rehearsal, asked of its simulator; what is missing there is made up."""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from drs_provider.plan.durations import format_duration, parse_duration
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rehearsal.processes import Simulator
from drs_provider.rehearsal.steps import Place, StepDecision, World, decide, planned_steps
from drs_provider.rules.run.roster import Target


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


def decisions(runnable: RunnablePlan, running: Simulator, places: Mapping[Target, Place]) -> tuple[StepDecision, ...]:
    """Decide over all steps of a plan."""
    steps = tuple(planned_steps(runnable.plan))
    world = _world(running, places) if steps else World(places)
    return tuple(decide(one, runnable.plan, runnable.groups, world) for one in steps)


def make_up(found: Sequence[StepDecision], running: Simulator, takes: StepsTake) -> None:
    """Give the simulator what steps need and it does not have."""
    for one in found:
        if thing := one.stand_in:
            seconds = takes.of(one.step.step.name).total_seconds()
            account, region = thing.place
            more = {"type": thing.kind} if thing.kind else {"behaviour": "echo"}
            where = {"account": account, "region": region}
            running.post(thing.what, {"name": thing.name, "takes": seconds, **more, **where})


def words(found: Sequence[StepDecision], mode: str, takes: StepsTake) -> Iterator[str]:
    """Say which steps are taken for granted, and why; then what was made up for others."""
    why: dict[tuple[timedelta, str], list[str]] = defaultdict(list)
    for one in found:
        if one.assumed and one.step.takes_place(mode):
            length = takes.of(one.step.step.name)
            why[length, one.assumed].append(f"{one.step.where} ({one.step.step.kind})")
    for (length, reason), names in why.items():
        yield f"{'; '.join(names)}: passes in {_length(length)}, for {reason}"
    for one in found:
        if one.stand_in and one.step.takes_place(mode):
            taken = _length(takes.of(one.step.step.name))
            yield f"{one.step.where}: {one.stand_in.words} succeeds in {taken}, for this fleet does not know it"


def _length(length: timedelta) -> str:
    return format_duration(length) if length else "no time"


def _world(running: Simulator, places: Mapping[Target, Place]) -> World:
    accounts, documents = running.get("state")["accounts"], running.get("documents")
    own, functions = defaultdict(set), defaultdict(set)
    for one in documents["own"]:
        own[one["account"], one["region"]].add(one["name"])
    for one in running.get("lambda"):
        functions[one["account"], one["region"]].add(one["name"])
    servers = {
        name: server
        for regions in accounts.values()
        for region in regions.values()
        for name, server in region["servers"].items()
    }
    hints = [server["sourceProperties"]["identificationHints"] for server in servers.values()]
    return World(
        places,
        frozenset(servers) | {one["hostname"] for one in hints},
        documents["aws"],
        {place: frozenset(names) for place, names in own.items()},
        {place: frozenset(names) for place, names in functions.items()},
    )
