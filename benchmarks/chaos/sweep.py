"""`make chaos-sweep`: kill the task process after each single AWS call of a two-wave drill, one run per call.

The outcome must be the same every time: each server launched exactly once, no drill instance left, verdict passed.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.between import Between
from benchmarks.chaos.campaign import Drive, judged, ready
from benchmarks.chaos.judge import strangers
from benchmarks.chaos.judge_cloud import over_quota
from benchmarks.chaos.scenarios import REGION, Scenario, Server, Wave
from demo.guard import parents_now
from demo.stack import DATABASES, PROJECT, Database, Stack, StackError

FIRST = 900000
"""Seed of the run without a kill; those with one have the next numbers."""

MOST_CALLS = 120
"""A drill makes 82 to 104 calls: how often it looks whether a job has ended depends on how busy the machine is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep; 0: the same outcome every time, 1: not, 2: it could not run."""
    parser = argparse.ArgumentParser(prog="make chaos-sweep", description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="the first call after which is killed (1)")
    parser.add_argument("--step", type=int, default=1, help="only every so many-th call (1)")
    parser.add_argument("--most", type=int, default=MOST_CALLS, help=f"no call after this one ({MOST_CALLS})")
    parser.add_argument("--side-by-side", type=int, default=4, help="runs at a time (4)")
    parser.add_argument("--state", type=Path, default=PROJECT / ".chaos-sweep", help="folder for all that it writes")
    parser.add_argument(
        "--database", choices=DATABASES, default="sqlite", help="where Airflow keeps its tables (sqlite)"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    numbers = range(options.first, options.most + 1, options.step)
    try:
        problems, struck, calls = sweep(
            numbers, options.state, options.side_by_side, console.print, database=options.database
        )
    except StackError as error:
        console.print(str(error), style="bold")
        return 2
    for problem in problems:
        console.print(f"FAILED {problem}")
    console.print(f"a calm drill makes {calls} calls from its tasks; killed after {struck}, {len(problems)} problems")
    return 1 if problems else 0


def drill(number: int) -> Scenario:
    """Return a drill of two waves with a server each."""
    seed = FIRST + number
    servers = [Server(f"s-{seed:09d}{place:08d}", f"k{number}-{place}") for place in range(2)]
    waves = (Wave("first", (servers[0],)), Wave("second", (servers[1],), ("first",)))
    return Scenario(seed, "drill", waves, (), ())


def key(scenario: Scenario) -> str:
    """Return the access key with which a run signs: so its calls can be told from those of others."""
    return f"AKIACHAOS{scenario.seed:09d}"


def connection(scenario: Scenario, address: str) -> str:
    """Return the Airflow connection of one run."""
    extra = {"region_name": REGION, "endpoint_url": address, "service_config": {"sts": {"endpoint_url": address}}}
    return json.dumps({"conn_type": "aws", "login": key(scenario), "password": "demo", "extra": extra})


def sweep(
    points: Sequence[int | str],
    state: Path,
    side_by_side: int,
    say: Callable[[str], None],
    beside: Sequence[Scenario] = (),
    *,
    database: Database = "sqlite",
) -> tuple[list[str], int, int]:
    """Drill once without a kill and once per point; return what is wrong, how many kills struck, and the calls.

    :param points: numbers of the call after which the task dies, or operations of DRS
    :param beside: runs of a campaign that share the stack
    """
    runs = [drill(number) for number in range(len(points) + 1)]
    shutil.rmtree(state, ignore_errors=True)
    # The simulator's port is chosen by the stack: the stand learns it when everything is up, before the first call.
    between = Between("http://127.0.0.1:1", dict(zip(map(key, runs), (0, *points), strict=True)), lambda: ())
    conn_ids = {run.seed: f"chaos_{run.seed}" for run in runs}
    own = {f"AIRFLOW_CONN_{conn_ids[run.seed].upper()}": connection(run, between.address) for run in runs}
    everything = [*beside, *runs]
    try:
        with ready(everything, state, say, database=database, airflow=own, conn_ids=conn_ids) as all_set:
            stack = all_set.stack
            between.point_at(stack.simulator.address)
            between.tasks = lambda: _tasks(stack)
            ended = Drive(stack, side_by_side, say).drive(everything)
            record = all_set.record()
    finally:
        between.close()
    problems = [*strangers(everything, record), *over_quota(record)]
    for run in judged(ended, record):
        struck = between.killed.get(key(run.scenario), ", ".join(run.hits) or "no kill")
        say(f"  {run.scenario.plan}: killed after {struck}")
        problems += [f"{run.scenario.plan} ({struck}): {what}" for what in run.problems]
    return problems, len(between.killed), between.counted.get(key(runs[0]), 0)


def _tasks(stack: Stack) -> list[int]:
    """The processes two levels below the scheduler: the tasks that its workers supervise."""
    parents = parents_now()
    hosts = stack.tasks_below()
    workers = {pid for pid, parent in parents.items() if parent in hosts}
    return [pid for pid, parent in parents.items() if parent in workers]


if __name__ == "__main__":
    sys.exit(main())
