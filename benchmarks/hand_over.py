"""`make bench`, part hand_over: from the event that allows a wave to the call that starts it, at DRS's real pace.

Jobs are ten times shorter than real ones, and nothing else is: from the last server's launch to the end of its job, and
from a start to a running instance, it takes as long as in reality. That is what a hand-over has to go by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.run.names import dag_id_of

from benchmarks import plans
from benchmarks.figures import spread
from demo.simulator_api import jobs
from demo.stack import Settings, Stack, StackError

WAVES: Final = 5
SERVERS: Final = 2
SHORTER: Final = 0.1

LAUNCHES: Final[Mapping[str, Mapping[str, object]]] = {"in_waves": {}, "ahead": {"launch": "ahead"}}
"""By name, what the plan says beside its waves."""


def measure(work: Path, settings: Settings, runs: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Drill a chain of five waves in both ways: once right after the start of Airflow, then so many times.

    :param work: an empty folder
    :returns: by way, seconds from each event to the call that it allows: ``cold`` and ``warm``
    """
    found: dict[str, Any] = {"waves": WAVES, "servers_a_wave": SERVERS}
    for launch, more in LAUNCHES.items():
        folder, fleet = plans.write_of(work / launch, [(SERVERS, WAVES)], **more)
        with Stack(replace(settings, speed=1.0, plans=folder, fleets=(fleet,)), say) as stack:
            stack.simulator.add_faults({"hostname": "*", "do": "slow", "factor": SHORTER})
            stack.await_dag(dag_id_of(plans.name(0)))
            dead = []
            for number in range(1 + runs):
                say(f"{launch}: run {number + 1} of {1 + runs}")
                dead.append(_hops(stack, launch))
        warm = [seconds for run in dead[1:] for seconds in run]
        found[launch] = {"cold": asdict(spread(dead[0])), "warm": asdict(spread(warm)), "hops_s": dead}
    return found


def _hops(stack: Stack, launch: str) -> list[float]:
    """Drill once; return the seconds between each wave and the next.

    :raises StackError: the drill has failed: its figures would mean nothing
    """
    calls = stack.simulator.calls()
    since, known = (int(calls[-1]["n"]) if calls else 0), len(_starts(stack))
    dag_id = dag_id_of(plans.name(0))
    run_id = stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make bench"})
    while (state := stack.airflow.run(dag_id, run_id)["state"]) not in {"success", "failed"}:
        stack.check(wait=1.0)
    if state != "success":
        raise StackError(f"{dag_id} {run_id} ended as {state}; see {stack.places.logs}")
    return (
        hops_of_starts(_starts(stack)[known:], stack.simulator.calls(since))
        if launch == "ahead"
        else hops_of_jobs(stack.simulator.state(), stack.simulator.calls(since))
    )


def hops_of_jobs(state: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> list[float]:
    """Give the seconds from the end of each wave's job to the StartRecovery of the next wave."""
    ends = {frozenset(job.servers): job.ended_at for job in jobs(state) if job.ended_at}
    began = [
        (float(call["at"]), frozenset(server["sourceServerID"] for server in call["request"]["sourceServers"]))
        for call in calls
        if call["operation"] == "StartRecovery" and call["committed"]
    ]
    ended = [ends[servers].timestamp() for _, servers in began]
    return [at - end for (at, _), end in zip(began[1:], ended, strict=False)]


def hops_of_starts(starts: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]) -> list[float]:
    """Give the seconds from when the last instance of each wave runs to the StartInstances of the next wave.

    :param starts: what the simulator notes of each instance's start, in order
    """
    asked = [float(call["at"]) for call in calls if call["operation"] == "StartInstances" and call["committed"]]
    waves: dict[str, list[float]] = {}
    for start in starts:
        wave = str(start["server"])[8:11]  # see plans.server_id
        waves.setdefault(wave, []).append(parse_instant(str(start["ran"])).timestamp())
    run = [max(ran) for _, ran in sorted(waves.items())]
    return [at - ran for at, ran in zip(asked[1:], run, strict=False)]


def _starts(stack: Stack) -> list[dict[str, Any]]:
    return [
        start
        for account in stack.simulator.state()["accounts"].values()
        for region in account.values()
        for start in region["starts"]
    ]


def table(found: Mapping[str, Any]) -> list[str]:
    """Write the figures as lines of a Markdown table."""
    return [
        f"| hand-over, {launch.replace('_', ' ')}, {when} | median {each['median']:.2f} s, p99 {each['p99']:.2f} s, "
        f"{each['smallest']:.2f} to {each['largest']:.2f} s, n = {each['n']} |"
        for launch in LAUNCHES
        for when, each in ((when, found[launch][when]) for when in ("cold", "warm"))
    ]
