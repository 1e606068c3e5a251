"""Whether a run that launches ahead let nothing run before its turn: from starts of instances, not from jobs. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.chaos.judge_cloud import TICK
from benchmarks.chaos.record import NOTHING, Launch, Record, instant
from benchmarks.chaos.scenarios import Scenario, Wave
from benchmarks.chaos.turns import Turns


@dataclass(frozen=True)
class Began:
    """When a server of a wave began to run, by whom, and when it was what its wave waits for (None: never)."""

    server: str
    wave: str
    at: datetime
    what: str
    up: datetime | None


def ahead_problems(scenario: Scenario, ours: Sequence[Launch], turns: Turns, record: Record) -> Iterator[str]:
    """Yield what ran out of turn, too early, or was started again although it ran."""
    if not scenario.ahead:
        return
    waves = {wave.name: wave for wave in scenario.waves}
    for launch in ours:
        if launch.wave in waves and (why := turns.unapproved):
            yield f"{launch.job_id} was launched ahead although {why}"
    began = [each for launch in ours if launch.wave in waves for each in _began(launch, waves[launch.wave])]
    for each in began:
        wave = waves[each.wave]
        if why := _out_of_turn(wave, turns):
            yield f"{each.server} was {each.what} although {why}"
        if why := _too_early(each, wave, began) or _out_of_order(each, wave, ours, began, record):
            yield f"{each.server} was {each.what} although {why}"
    for launch in ours:
        for server, starts in launch.starts.items():
            if any(start.ran for start in starts[:-1]) and server not in _stop_by_themselves(scenario):
                yield f"{server} was started {len(starts)} times"


def _began(launch: Launch, wave: Wave) -> Iterator[Began]:
    for server, landed in launch.landed.items():
        if landed.get("disposition") != "STOPPED":
            ended = instant(launch.ended_at) if launch.ended_at else None
            yield Began(server, wave.name, instant(launch.created_at), "launched and started at once", ended)
        elif starts := launch.starts.get(server):
            ups = [start.at if wave.ready == "launched" else start.ran for start in starts]
            yield Began(server, wave.name, starts[0].at, "started", next(filter(None, ups), None))


def _out_of_turn(wave: Wave, turns: Turns) -> str | None:
    if not all(turns.passed[other] for other in wave.depends_on):
        return f"a wave before its wave {wave.name} had failed"
    if why := turns.barred[wave.name]:
        return why
    step = next((step for step in wave.steps if step.side == "before" and turns.is_broken(step)), None)
    return f"step {step.name} before its wave {wave.name} had failed" if step else None


def _too_early(each: Began, wave: Wave, began: Sequence[Began]) -> str | None:
    ups = [other.up for other in began if other.wave in wave.depends_on and other.up]
    due = max(ups, default=each.at) + timedelta(seconds=wave.delay if ups else 0)
    late = (due - each.at).total_seconds()
    return f"its wave {wave.name} had its turn {late:.1f} s later" if due > each.at + TICK else None


def _out_of_order(
    each: Began, wave: Wave, ours: Sequence[Launch], began: Sequence[Began], record: Record
) -> str | None:
    """Say why its turn in the boot order of its wave had not come."""
    order = next(server.order for server in wave.servers if server.id == each.server)
    lost = 0
    for server in (server for server in wave.servers if server.order < order):
        ups = [other.up for other in began if other.server == server.id and other.up]
        newest = next((launch for launch in reversed(ours) if server.id in launch.status), None)
        if ups and min(ups) <= each.at + TICK:
            continue
        is_lost = newest is not None and (
            newest.status[server.id] in ("FAILED", NOTHING) or newest.instances.get(server.id) in record.ended
        )
        if not is_lost:
            return f"{server.id}, which boots before it, was not ready"
        lost += server.critical
    return f"{lost} critical servers that boot before it had failed" if lost > wave.tolerate else None


def _stop_by_themselves(scenario: Scenario) -> set[str]:
    return {server for fault in scenario.faults if fault["do"] == "stops_by_itself" for server in fault["servers"]}
