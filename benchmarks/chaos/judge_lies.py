"""What a run may and must know of a cloud that lies to it: from what the simulator did behind DRS's back. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from benchmarks.chaos.lies import HIDES
from benchmarks.chaos.record import GONE, Launch, Record, Said, instant
from benchmarks.chaos.scenarios import Scenario

_RANKS = {"passed": 2, "completed": 2, "completed_with_exceptions": 1, "failed": 0}

SOON = timedelta(seconds=3)
"""Real time: what is so near together has no order that anybody can be held to."""


def is_hidden(scenario: Scenario) -> bool:
    """Whether the truth about a run's servers cannot always be seen."""
    return any(lie["do"] in HIDES for lie in scenario.lies)


def no_better_than(verdicts: frozenset[str]) -> frozenset[str]:
    """Return these verdicts, and all that are worse than the best of them."""
    best = max((_RANKS.get(verdict, 0) for verdict in verdicts), default=0)
    return verdicts | {verdict for verdict, rank in _RANKS.items() if rank < best}


def ended_servers(ours: Sequence[Launch], record: Record) -> dict[str, tuple[str, datetime]]:
    """Return the servers whose newest instance somebody has ended, each with that instance and when."""
    newest = {server: launch for launch in ours for server in launch.status}
    return {
        server: (launch.instances[server], record.ended[launch.instances[server]])
        for server, launch in newest.items()
        if launch.instances.get(server) in record.ended
    }


def known_lost(scenario: Scenario, said: Said, ours: Sequence[Launch], record: Record) -> dict[str, str]:
    """Return the servers of which a run must know that their instance is no more, each with that instance.

    It has asked for them after their end: a drill before it cleaned up, a recovery before it ended.
    """
    if said.report is None or is_hidden(scenario):
        return {}
    finished = instant(said.report["finished_at"])
    found = {}
    for server, (instance, at) in ended_servers(ours, record).items():
        first = min(
            (instant(job.created_at) for job in record.jobs if not job.is_launch and server in job.servers),
            default=finished,
        )
        until = first if scenario.mode == "drill" else finished
        if any(at + SOON < look <= until for look in record.looks.get(server, ())):
            found[server] = instance
    return found


def lie_problems(scenario: Scenario, said: Said, ours: Sequence[Launch], record: Record) -> Iterator[str]:
    """Yield what a run does not say of what was done behind its back, and what it leaves alive without a word."""
    if said.report is None:
        return
    text, servers = said.text, {s["server_id"]: s for wave in said.report.get("waves", ()) for s in wave["servers"]}
    why, verdict = str(said.report.get("verdict_reason")), said.report["verdict"]
    for server, instance in known_lost(scenario, said, ours, record).items():
        if verdict in ("passed", "completed"):
            yield f"the report says {verdict}, and {instance} of {server} had been ended"
        told = servers.get(server, {})
        if told.get("status") == "launched" and (scenario.mode == "recovery" or instance not in why):
            yield f"the report does not say that {instance} of {server} had been ended"
        if told.get("status") != "launched" and not told.get("reason"):
            yield f"the report does not say what is the matter with {server}"
    for launch in ours:
        for server, instance in launch.instances.items():
            if record.ec2.get(instance, "terminated") not in GONE and instance not in text:
                yield f"{instance} of {server} is {record.ec2[instance]}, and the report does not name it"
