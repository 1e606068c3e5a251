"""Whether what the simulator recorded of a campaign, and what was said of it, keep the rules. Pure.

The record is the simulator's state; nothing that the product says of itself counts as a fact. Every function yields
what is wrong, one sentence each.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.scenarios import Scenario, Wave

GOOD = ("passed", "completed", "completed_with_exceptions")
PREFIX = "drs-orchestrator:"
GONE = ("terminated", "shutting-down")


@dataclass(frozen=True)
class Said:
    """What was said of a run: Airflow's state of it (None: unknown), its report, whether it waits for a person."""

    state: str | None
    report: Mapping[str, Any] | None = None
    waits_for_person: bool = False
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """Task → state of what had not ended when the campaign's patience did."""


@dataclass(frozen=True)
class Launch:
    """One launch job as the simulator recorded it: per server launch status and EC2 instance."""

    job_id: str
    created_at: str
    run: str
    wave: str
    attempt: str
    is_drill: bool
    ended: bool
    status: Mapping[str, str]
    instances: Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """The simulator's state, as far as it is judged: launch jobs, oldest first; EC2's state by instance id."""

    launches: tuple[Launch, ...]
    ec2: Mapping[str, str]
    live_before: Mapping[str, str]
    """Recovered instances that lived before the campaign, by source server."""


def read_record(state: Mapping[str, Any], before: Mapping[str, Any]) -> Record:
    """Read ``GET /_simulator/state``; ``before``: the same from before the campaign."""
    regions = [region for account in state["accounts"].values() for region in account.values()]
    jobs = [job for region in regions for job in region["jobs"].values() if job["type"] == "LAUNCH"]
    ec2 = {name: found for region in regions for name, found in region["ec2_instances"].items()}
    old = [region for account in before["accounts"].values() for region in account.values()]
    live = {
        one["sourceServerID"]: one["ec2InstanceID"]
        for region in old
        for one in region["recovery_instances"].values()
        if not one["isDrill"]
    }
    return Record(tuple(sorted(map(_launch, jobs), key=lambda one: one.created_at)), ec2, live)


def _launch(job: Mapping[str, Any]) -> Launch:
    tags = job.get("tags", {})
    parts = job["timeline"]
    return Launch(
        job["jobID"],
        job["creationDateTime"],
        tags.get(f"{PREFIX}run", ""),
        tags.get(f"{PREFIX}wave", ""),
        tags.get(f"{PREFIX}try", ""),
        job["initiatedBy"] == "START_DRILL",
        job["status"] == "COMPLETED",
        {server: part["status"] for server, part in parts.items()},
        {server: part["instance"] for server, part in parts.items() if part["instance"]},
    )


def run_key(one: Scenario) -> str:
    """Return the value of the job tag that names a run: part of what the product promises to other orchestrators."""
    return hashlib.sha256(f"{one.dag_id}|{one.run_id}".encode()).hexdigest()[:32]


def judge(one: Scenario, said: Said, record: Record) -> list[str]:
    """Return everything that is wrong with a run; an empty list is a run that kept every rule."""
    ours = [launch for launch in record.launches if launch.run == run_key(one)]
    return [
        *_not_ended(said, ours),
        *_launched_twice(ours),
        *_out_of_turn(one, ours),
        *_wrong_kind(one, ours),
        *_destroyed(one, ours, record),
        *_left_over(one, ours, record),
        *_falsely_said(one, said, ours),
    ]


def strangers(scenarios: Sequence[Scenario], record: Record) -> list[str]:
    """Return launch jobs that belong to no run of the campaign."""
    known = {run_key(one) for one in scenarios}
    return [f"{launch.job_id} bears the tags of no run" for launch in record.launches if launch.run not in known]


def _not_ended(said: Said, ours: Sequence[Launch]) -> Iterator[str]:
    if said.state is None:
        yield "Airflow does not know the run"
    elif said.state not in ("success", "failed") and not said.waits_for_person:
        yield f"the run has not ended, it is {said.state}: {dict(said.unfinished)}"
    for launch in ours:
        if not launch.ended:
            yield f"job {launch.job_id} still runs"


def _launched_twice(ours: Sequence[Launch]) -> Iterator[str]:
    """One server in two jobs of one try, or launched again after it had been launched."""
    by_server: dict[str, list[Launch]] = defaultdict(list)
    for launch in ours:
        for server in launch.status:
            by_server[server].append(launch)
    for server, launches in by_server.items():
        tries = [launch.attempt for launch in launches]
        if len(set(tries)) < len(tries):
            yield f"{server} is in several jobs of one try: {', '.join(one.job_id for one in launches)}"
        if any(launch.status[server] != "FAILED" for launch in launches[:-1]):
            yield f"{server} was launched again although it had not failed: {', '.join(o.job_id for o in launches)}"


def _out_of_turn(one: Scenario, ours: Sequence[Launch]) -> Iterator[str]:
    """What was launched although its wave's turn had not come, and servers of other plans."""
    passed = _passed(one, ours)
    waves = {wave.name: wave for wave in one.waves}
    for launch in ours:
        wave = waves.get(launch.wave)
        if wave is None or set(launch.status) - {server.id for server in wave.servers}:
            yield f"{launch.job_id} launches servers that are not in wave {launch.wave!r}"
        elif not all(passed[other] for other in wave.depends_on):
            yield f"{launch.job_id} launched wave {wave.name} although a wave before it had failed"


def _wrong_kind(one: Scenario, ours: Sequence[Launch]) -> Iterator[str]:
    for launch in ours:
        if launch.is_drill != (one.mode == "drill"):
            yield f"{launch.job_id} of a {one.mode} is a {'drill' if launch.is_drill else 'recovery'} for DRS"


def _destroyed(one: Scenario, ours: Sequence[Launch], record: Record) -> Iterator[str]:
    """Live instances that are no more: those from before, and those that this recovery launched."""
    live = {server.id: record.live_before[server.id] for server in one.servers if server.id in record.live_before}
    if one.mode == "recovery":
        for launch in ours:
            live |= {s: launch.instances[s] for s, status in launch.status.items() if status == "LAUNCHED"}
    for server, instance in live.items():
        if record.ec2.get(instance, "terminated") in GONE:
            yield f"the live instance {instance} of {server} was destroyed"


def _left_over(one: Scenario, ours: Sequence[Launch], record: Record) -> Iterator[str]:
    if one.mode != "drill":
        return
    for launch in ours:
        for server, instance in launch.instances.items():
            if record.ec2.get(instance, "terminated") not in GONE:
                yield f"drill instance {instance} of {server} is left over, {record.ec2[instance]}"


def _final(ours: Sequence[Launch]) -> dict[str, str]:
    """The launch status of every launched server, by its newest job."""
    return {server: status for launch in ours for server, status in launch.status.items()}


def _is_passed(wave: Wave, final: Mapping[str, str]) -> bool:
    missing = [server for server in wave.servers if _is_missing(final.get(server.id))]
    return sum(server.critical for server in missing) <= wave.tolerate and len(missing) <= len(wave.servers)


def _is_missing(status: str | None) -> bool:
    # A drill's instance that its clean-up has terminated had been launched.
    return status not in ("LAUNCHED", "TERMINATED")


def _passed(one: Scenario, ours: Sequence[Launch]) -> dict[str, bool]:
    """Whether each wave, in dependency order, had its turn and went well enough."""
    final = _final(ours)
    passed: dict[str, bool] = {}
    for wave in one.waves:
        was_launched = any(server.id in final for server in wave.servers)
        passed[wave.name] = was_launched and all(passed[o] for o in wave.depends_on) and _is_passed(wave, final)
    return passed


def expected(one: Scenario, ours: Sequence[Launch]) -> str:
    """Return the verdict that the record deserves."""
    if any(server.has_live for server in one.servers):
        return "refused"
    final = _final(ours)
    if not all(_passed(one, ours).values()):
        return "failed"
    if any(_is_missing(final.get(server.id)) for server in one.servers):
        return "completed_with_exceptions"
    return "passed" if one.mode == "drill" else "completed"


def _falsely_said(one: Scenario, said: Said, ours: Sequence[Launch]) -> Iterator[str]:
    if said.state not in ("success", "failed"):
        return
    if said.report is None:
        yield f"the run is {said.state} and has no report"
        return
    verdict, deserved = said.report["verdict"], expected(one, ours)
    why = said.report.get("verdict_reason")
    if (said.state == "success") != (verdict in GOOD):
        yield f"the run is {said.state} and its report says {verdict}"
    if verdict != deserved:
        yield f"the report says {verdict} where the record says {deserved}: {why}"
    yield from _falsely_told(said.report, ours)
    if deserved == "failed" and not _is_failure_of_the_cloud(one, ours):
        yield f"the run gave up although no server had failed: {why}"


def _falsely_told(report: Mapping[str, Any], ours: Sequence[Launch]) -> Iterator[str]:
    """Yield servers of which the report says what the record does not."""
    final = _final(ours)
    for wave in report.get("waves", ()):
        for server in wave["servers"]:
            says, name = server.get("status") in ("LAUNCHED", "TERMINATED"), server["server_id"]
            if says == _is_missing(final.get(name)):
                yield f"the report says {server.get('status')} of {name}, the record {final.get(name, 'nothing')}"


def _is_failure_of_the_cloud(one: Scenario, ours: Sequence[Launch]) -> bool:
    """Whether some wave that had its turn lost more critical servers, launched in vain, than it tolerates."""
    final = _final(ours)
    return any(
        sum(server.critical and final.get(server.id) == "FAILED" for server in wave.servers) > wave.tolerate
        for wave in one.waves
    )
