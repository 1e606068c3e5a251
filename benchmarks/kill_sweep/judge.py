"""Whether a run that was killed at has kept every rule: from what the simulator has, and what the run says. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.kill_sweep.way_back import Back, BackRecord, back_problems

_NEVER = frozenset(
    {
        "StopReplication",
        "DisconnectSourceServer",
        "DeleteSourceServer",
        "DisconnectRecoveryInstance",
        "DeleteRecoveryInstance",
        "TerminateInstances",
        "StartInstances",
    }
)
"""Calls that no run of these kinds may make: the first three delete recovery points, before the way back is safe."""

_GONE = ("terminated", "shutting-down", "")


@dataclass(frozen=True)
class Expected:
    """How a kind of run ends, by source servers.

    :param launched: what it launches, each exactly once
    :param commit: how its question at the end stands; empty: it asks none
    :param is_up: whether what was launched, by it or before, is up in the end
    :param sources_stopped: whose sources it stops, once that is agreed to
    :param reversed: whose instances it has replicated back, each exactly once
    :param never: calls that it must not make; an entry of the table that cleans up after a way back names fewer
    """

    launched: frozenset[str] = frozenset()
    commit: str = ""
    is_up: bool = False
    sources_stopped: frozenset[str] = frozenset()
    reversed: frozenset[str] = frozenset()
    never: frozenset[str] = _NEVER
    back: Back | None = None
    """What it launches in the origin; then nothing else of this table is looked at."""


@dataclass(frozen=True)
class Record:
    """What there is after a run, and what was called while it went on.

    :param calls: the simulator's log: operation, request, status
    :param jobs: DRS's jobs in the recovery Region that began with the run
    :param instances: by recovery instance, of the recovery Region: source server and EC2's state; ``""``: gone
    :param before: the same before the run
    :param sources: by source server, EC2's word for its source
    :param failback_servers: by recovery instance, how many FAILBACK servers replicate it, and how they stand
    :param replication: by source server, DRS's word for its replication
    :param protected: by instance that is up, whether it has termination protection
    :param settings: launch settings by source server; ``settings_before``: before the run
    :param states: how the tasks of the last run ended; ``report``: what it says
    """

    calls: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    instances: Mapping[str, tuple[str, str]]
    before: Mapping[str, tuple[str, str]]
    sources: Mapping[str, str]
    failback_servers: Mapping[str, Sequence[str]]
    replication: Mapping[str, str]
    protected: Mapping[str, bool]
    settings: Mapping[str, object]
    settings_before: Mapping[str, object]
    states: Mapping[str, str | None]
    report: Mapping[str, Any]
    broken: str = ""
    back: BackRecord | None = None


def problems(expected: Expected, record: Record, *, is_elsewhere: bool = False) -> Iterator[str]:
    """Say which rules were broken.

    :param is_elsewhere: another Airflow went on with the run: launch settings stay as applied, and it says so; sources
        that were not stopped yet stay up
    """
    if record.broken:
        yield f"it broke off: {record.broken}"
        return
    if expected.back and record.back:
        yield from back_problems(expected.back, record.back, is_elsewhere=is_elsewhere)
        yield from _said(expected, record)
        return
    yield from _launches(expected, record)
    yield from _ends(expected, record)
    yield from _sources(expected, record, is_elsewhere=is_elsewhere)
    yield from _way_back(expected, record)
    yield from _said(expected, record)
    if expected.commit == "rolled_back" and not is_elsewhere and record.settings != record.settings_before:
        yield f"launch settings are {record.settings}, were {record.settings_before}"


def _launches(expected: Expected, record: Record) -> Iterator[str]:
    launched = [
        str(server["sourceServerID"])
        for job in record.jobs
        if job.get("type") == "LAUNCH"
        for server in job.get("participatingServers", ())
    ]
    for server in sorted(set(launched)):
        if (times := launched.count(server)) > 1:
            yield f"{server} was launched {times} times"
    if set(launched) != expected.launched:
        yield f"launched were {sorted(set(launched))}, expected {sorted(expected.launched)}"


def _ends(expected: Expected, record: Record) -> Iterator[str]:
    """Nothing that was there before is ended, and of the run's own only what is rolled back."""
    for name, (server, state) in record.before.items():
        if state == "running" and record.instances.get(name, ("", ""))[1] != "running":
            yield f"{name} of {server}, which was there before, is {record.instances.get(name, ('', 'gone'))[1]}"
    asked = {
        str(name)
        for call in record.calls
        if call["operation"] == "TerminateRecoveryInstances"
        for name in call["request"].get("recoveryInstanceIDs", ())
    }
    if theirs := sorted(asked & set(record.before)):
        yield f"it asked to terminate {theirs}, which were there before"
    if asked and expected.commit != "rolled_back":
        yield f"it asked to terminate {sorted(asked)}"
    own = {name: found for name, found in record.instances.items() if name not in record.before}
    up = sorted(server for server, state in own.values() if state not in _GONE)
    wanted = sorted(expected.launched) if expected.is_up else []
    if up != wanted:
        yield f"up are {up}, expected {wanted}"
    if bare := sorted(name for name in own if record.protected.get(name) is False):
        yield f"without termination protection are {bare}"


def _sources(expected: Expected, record: Record, *, is_elsewhere: bool) -> Iterator[str]:
    for server, state in record.sources.items():
        wanted = ["stopped"] if server in expected.sources_stopped else ["running"]
        if is_elsewhere and server in expected.sources_stopped:
            wanted.append("running")  # what goes on with a migration is a recovery: it stops nothing
        if state not in wanted:
            yield f"the source of {server} is {state}, expected {wanted[0]}"
    for server, state in record.replication.items():
        if server not in expected.sources_stopped and state != "CONTINUOUS":
            yield f"the replication of {server} is {state}"
    for call in record.calls:
        if call["operation"] in expected.never:
            yield f"it called {call['operation']}"


def _way_back(expected: Expected, record: Record) -> Iterator[str]:
    served = [
        str(call["request"].get("recoveryInstanceID"))
        for call in record.calls
        if call["operation"] == "ReverseReplication" and int(call.get("status") or 0) < 300
    ]
    if again := sorted({name for name in served if served.count(name) > 1}):
        yield f"ReverseReplication was served more than once for {again}"
    wanted = {name for name, (server, _) in record.instances.items() if server in expected.reversed}
    if set(served) != wanted:
        yield f"ReverseReplication was served for {sorted(set(served))}, expected {sorted(wanted)}"
    for name, states in record.failback_servers.items():
        if name not in wanted or list(states) != ["CONTINUOUS"]:
            yield f"FAILBACK servers of {name} are {list(states)}"


def _said(expected: Expected, record: Record) -> Iterator[str]:
    commit = (record.report.get("commit") or {}).get("status", "")
    if commit != expected.commit:
        yield f"the report says {commit or 'nothing'} of commit or roll back, expected {expected.commit or 'nothing'}"
    if record.states.get("finish.verdict") != "success" or _fell_short(expected, record):
        bad = sorted(name for name, state in record.states.items() if state not in ("success", "skipped"))
        yield f"the run ended as {record.report.get('verdict')}: {record.report.get('verdict_reason')}; {bad}"


def _fell_short(expected: Expected, record: Record) -> bool:
    """Tell whether a run that brings servers back ended well, but not as well as it had to."""
    if expected.back is None:
        return False
    return record.report.get("verdict") != ("passed" if expected.back.is_drill else "completed")
