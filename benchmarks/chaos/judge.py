"""Whether what the simulator recorded of a campaign, and what was said of it, keep the rules. Pure.

The record is the simulator's state; nothing that the product says of itself counts as a fact. Every function yields
what is wrong, one sentence each.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from drs_provider.rules.run.state import ServerStatus

from benchmarks.chaos.judge_ahead import ahead_problems
from benchmarks.chaos.judge_cloud import cloud_problems
from benchmarks.chaos.judge_lies import ended_servers, is_hidden, known_lost, lie_problems, no_better_than
from benchmarks.chaos.judge_steps import failed_steps, step_problems
from benchmarks.chaos.record import NOTHING, Launch, Record, Said, instant, run_key
from benchmarks.chaos.scenarios import Scenario
from benchmarks.chaos.turns import Turns

GOOD = ("passed", "completed", "completed_with_exceptions")
SAID_NO = frozenset({"failed", "cancelled", "refused"})
"""Verdicts of a run that people ended."""


def judge(scenario: Scenario, said: Said, record: Record) -> list[str]:
    """Return everything that is wrong with a run; an empty list is a run that kept every rule."""
    ours = [launch for launch in record.launches if launch.run == run_key(scenario)]
    turns = Turns(scenario, ours, failed_steps(said))
    return [
        *_not_ended(scenario, said, ours),
        *_launched_twice(ours, record),
        *_out_of_turn(scenario, ours, turns),
        *_wrong_kind(scenario, ours),
        *cloud_problems(scenario, said, ours, record),
        *step_problems(scenario, said, record, turns),
        *ahead_problems(scenario, ours, turns, record),
        *lie_problems(scenario, said, ours, record),
        *_falsely_said(scenario, said, ours, turns, record),
    ]


def strangers(scenarios: Sequence[Scenario], record: Record) -> list[str]:
    """Return launch jobs that belong to no run of the campaign."""
    known = {run_key(each) for scenario in scenarios for each in (scenario, scenario.rival) if each}
    return [f"{launch.job_id} bears the tags of no run" for launch in record.launches if launch.run not in known]


def _not_ended(scenario: Scenario, said: Said, ours: Sequence[Launch]) -> Iterator[str]:
    if said.state is None:
        yield "Airflow does not know the run"
    elif said.state not in ("success", "failed"):
        if not said.waits_for_person:
            yield f"the run has not ended, it is {said.state}: {dict(said.unfinished)}"
        elif not any(question.act == "silent" for question in scenario.questions):
            yield "the run waits for a person although everybody has answered"
    for launch in ours:
        if not launch.ended:
            yield f"job {launch.job_id} still runs"
    for task in said.wrongly_taken:
        yield f"{task} took the answer of somebody who was not asked"


def _launched_twice(ours: Sequence[Launch], record: Record) -> Iterator[str]:
    """One server in two jobs of one try, or launched again after it had been launched."""
    by_server: dict[str, list[Launch]] = defaultdict(list)
    for launch in ours:
        for server in launch.status:
            by_server[server].append(launch)
    for server, launches in by_server.items():
        tries = [launch.attempt for launch in launches]
        if len(set(tries)) < len(tries):
            yield f"{server} is in several jobs of one try: {', '.join(launch.job_id for launch in launches)}"
        if any(not _is_lost(server, launch, later, record) for launch, later in pairwise(launches)):
            yield f"{server} was launched again although it had not failed: {', '.join(o.job_id for o in launches)}"


def _is_lost(server: str, launch: Launch, later: Launch, record: Record) -> bool:
    """Whether a launch had failed, or its instance was no more, when a later one was begun."""
    ended = record.ended.get(launch.instances.get(server, ""))
    return launch.status[server] in ("FAILED", NOTHING) or (ended is not None and ended <= instant(later.created_at))


def _out_of_turn(scenario: Scenario, ours: Sequence[Launch], turns: Turns) -> Iterator[str]:
    """What was launched although its wave's turn had not come, and servers of other plans."""
    waves = {wave.name: wave for wave in scenario.waves}
    for launch in ours:
        wave = waves.get(launch.wave)
        if wave is None or set(launch.status) - {server.id for server in wave.servers}:
            yield f"{launch.job_id} launches servers that are not in wave {launch.wave!r}"
        elif scenario.ahead:
            continue  # its turn is that of the starts: see judge_ahead
        elif not all(turns.passed[other] for other in wave.depends_on):
            yield f"{launch.job_id} launched wave {wave.name} although a wave before it had failed"
        elif why := turns.barred[wave.name]:
            yield f"{launch.job_id} launched wave {wave.name} although {why}"
        elif step := next((step for step in wave.steps if step.side == "before" and turns.is_broken(step)), None):
            yield f"{launch.job_id} launched wave {wave.name} although step {step.name} before it had failed"


def _wrong_kind(scenario: Scenario, ours: Sequence[Launch]) -> Iterator[str]:
    for launch in ours:
        if launch.is_drill != (scenario.mode == "drill"):
            yield f"{launch.job_id} of a {scenario.mode} is a {'drill' if launch.is_drill else 'recovery'} for DRS"


def expected(scenario: Scenario, turns: Turns) -> frozenset[str]:
    """Return the verdicts that the record allows, leaving aside a recovery that overtakes a drill."""
    if any(server.has_live for server in scenario.servers):
        return frozenset({"refused"})
    if any(turns.barred.values()):
        return SAID_NO
    if not all(turns.passed.values()):
        return frozenset({"failed"})
    if any(turns.is_missing(server) for server in scenario.servers) or turns.failed:
        return frozenset({"completed_with_exceptions"})
    return frozenset({"passed" if scenario.mode == "drill" else "completed"})


def allowed(scenario: Scenario, said: Said, ours: Sequence[Launch], turns: Turns, record: Record) -> frozenset[str]:
    """Return the verdicts that the record allows: a recovery that takes servers while a drill goes on supersedes it."""
    usual = _with_lies(scenario, said, ours, turns, record)
    taken = taken_at(scenario, record)
    if taken is None or said.report is None or instant(said.report["finished_at"]) < taken:
        return usual
    if not ours:
        return usual | {"superseded", "refused"}
    mine = {server.id for server in scenario.servers}
    last_look = min(
        (instant(job.created_at) for job in record.jobs if not job.is_launch and job.servers & mine), default=None
    )
    # A recovery that comes after the clean-up has looked comes too late for the drill's verdict.
    return usual | {"superseded"} if last_look is not None and taken >= last_look else frozenset({"superseded"})


def _with_lies(scenario: Scenario, said: Said, ours: Sequence[Launch], turns: Turns, record: Record) -> frozenset[str]:
    """Return the verdicts that the record allows, whatever somebody has done behind DRS's back."""
    usual = expected(scenario, turns)
    if not scenario.lies or said.report is None:
        return usual
    known = known_lost(scenario, said, ours, record)
    missing = expected(scenario, Turns(scenario, ours, failed_steps(said), ended_servers(ours, record)))
    surely = expected(scenario, Turns(scenario, ours, failed_steps(said), known))
    noticed = (
        frozenset({"completed_with_exceptions"}) if scenario.mode == "drill" and "passed" in usual else frozenset()
    )
    found = missing | surely | (noticed if known else usual | noticed)
    return no_better_than(found) if is_hidden(scenario) else found


def taken_at(scenario: Scenario, record: Record) -> datetime | None:
    """Return when a recovery first took a server of this drill; None: none did."""
    if scenario.rival is None:
        return None
    key = run_key(scenario.rival)
    return min((instant(launch.created_at) for launch in record.launches if launch.run == key), default=None)


def _falsely_said(
    scenario: Scenario, said: Said, ours: Sequence[Launch], turns: Turns, record: Record
) -> Iterator[str]:
    if said.state not in ("success", "failed"):
        return
    if said.report is None:
        yield f"the run is {said.state} and has no report"
        return
    verdict, deserved = said.report["verdict"], allowed(scenario, said, ours, turns, record)
    why = said.report.get("verdict_reason")
    if (said.state == "success") != (verdict in GOOD):
        yield f"the run is {said.state} and its report says {verdict}"
    if verdict not in deserved:
        yield f"the report says {verdict} where the record says {' or '.join(sorted(deserved))}: {why}"
    if verdict == "superseded":
        return
    yield from _falsely_told(scenario, said.report, turns, ended_servers(ours, record))
    if scenario.lies:
        return
    if deserved == {"failed"} and not _is_failure_of_the_cloud(scenario, turns):
        yield f"the run gave up although no server had failed: {why}"


def _falsely_told(scenario: Scenario, report: Mapping[str, Any], turns: Turns, ended: Collection[str]) -> Iterator[str]:
    """Yield servers of which the report says what the record does not; of what it cannot see it says that."""
    for wave in report.get("waves", ()):
        for server in wave["servers"]:
            says, name = server.get("status") == ServerStatus.LAUNCHED, server["server_id"]
            if name in ended or (is_hidden(scenario) and server.get("status") == ServerStatus.UNKNOWN):
                continue
            if says == turns.is_missing(name):
                yield f"the report says {server.get('status')} of {name}, the record {turns.final.get(name, 'nothing')}"


def _is_failure_of_the_cloud(scenario: Scenario, turns: Turns) -> bool:
    """Whether a wave lost more critical servers, launched in vain, than it tolerates, or a step that must not fail."""
    return any(
        sum(server.critical and turns.final.get(server.id) == "FAILED" for server in wave.servers) > wave.tolerate
        or any(turns.is_broken(step) for step in wave.steps)
        for wave in scenario.waves
    )
