"""What launching ahead saves: the same plans in waves, ahead, and as DRS's native Recovery Plans, on one simulator.

Everything goes by the simulator's clock, at DRS's real speed: the tasks are the product's own, run by Airflow's task
runner, and each takes Airflow a second to start or to go on (``combinations.runs.TASK_SECONDS``). All figures are
read from what that simulator has recorded of jobs, and of starts of instances. AWS's calls take no time in it.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks import plans
from benchmarks.crowds import MOST_JOBS, MOST_SERVERS
from benchmarks.figures import LaunchedRun, TimedJob, TimedStart

WAVES: Final = (1, 2, 4, 8)
SERVERS: Final = (100, 500)
CROWD: Final = (1000, 10)
"""Servers and waves of the plan that needs two rounds under DRS's quotas."""

MOST_IN_NATIVE_PLAN: Final = 100
"""DRS's quota of servers in one native Recovery Plan; one execution runs at a time in an account and Region."""

_LONGEST: Final = 86400.0
"""Simulated seconds after which a run that has not ended hangs."""

_LOOKS_EVERY: Final = 5.0
"""Simulated seconds between two looks at a native plan."""

_AT_ONCE: Final = 100
_TERMINATION: Final = 600.0
"""Servers of a job that terminates what a native plan has launched, and the simulated seconds that it is given."""

Way = str
IN_WAVES, AHEAD, NATIVE = "in_waves", "ahead", "native"


@dataclass(frozen=True)
class Cell:
    """A plan of so many servers in so many waves that wait for each other."""

    number: int
    servers: int
    waves: int

    @property
    def sizes(self) -> list[int]:
        """How many servers each wave has."""
        each, more = divmod(self.servers, self.waves)
        return [each + (wave < more) for wave in range(self.waves)]

    def members(self, wave: int) -> list[str]:
        """The ids of a wave's servers."""
        return [plans.server_id(self.number, wave, number) for number in range(self.sizes[wave])]

    @property
    def wave_of(self) -> dict[str, int]:
        """By server, its wave."""
        return {server: wave for wave in range(self.waves) for server in self.members(wave)}

    @property
    def name(self) -> str:
        """Its plan's name."""
        return plans.name(self.number)


def cells(sizes: Sequence[tuple[int, int]]) -> list[Cell]:
    """Give a plan of its own to each pair of servers and waves."""
    return [Cell(number, servers, waves) for number, (servers, waves) in enumerate(sizes)]


def documents(cell: Cell) -> Iterator[dict[str, object]]:
    """Yield a plan that launches ahead, and its groups."""
    for wave in range(cell.waves):
        group = f"{cell.name}-{wave}"
        yield {"kind": "ProtectionGroup", "name": group, "region": plans.REGION, "servers": cell.members(wave)}
    yield {
        "kind": "RecoveryPlan",
        "name": cell.name,
        "launch": "ahead",
        "drill": {"network": "shared"},
        "waves": [{"name": f"wave-{wave}", "groups": [f"{cell.name}-{wave}"]} for wave in range(cell.waves)],
    }


def write(folder: Path, found: Sequence[Cell]) -> Path:
    """Write the plans, a file each, and their fleet; return the fleet's file."""
    (folder / "plans").mkdir(parents=True)
    for cell in found:
        text = yaml.safe_dump_all(documents(cell), sort_keys=False)
        (folder / "plans" / f"{cell.name}.yaml").write_text(text, encoding="utf-8")
    fleet = plans.fleet_of([])
    region: Any = fleet["accounts"][0]["regions"][0]  # type: ignore[index]
    region["servers"] = [
        {"id": server, "hostname": f"h{server[2:]}", "origin": {"account": plans.ACCOUNT, "region": "us-east-1"}}
        for cell in found
        for server in cell.wave_of
    ]
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(fleet, sort_keys=False), encoding="utf-8")
    return path


def measure(
    work: Path,
    say: Callable[[str], None],
    *,
    sizes: Sequence[tuple[int, int]],
    crowded: tuple[int, int] | None = CROWD,
) -> dict[str, Any]:
    """Recover every plan in each way, one after the other on one simulator.

    :param work: an empty folder
    :param sizes: servers and waves of the plans that are recovered in every way
    :param crowded: those of a plan that is recovered ahead only
    :raises RuntimeError: a run did not recover everything: its figures would mean nothing
    """
    from drs_provider.rehearsal.processes import simulator
    from drs_simulator.client import SimulatorHandle

    found = cells([*sizes, *([crowded] if crowded else [])])
    fleet = write(work, found)
    result: dict[str, Any] = {"plans": []}
    with simulator([fleet], faults=None, random_seed=0) as running:
        field = _Field(work, SimulatorHandle(running.url, plans.REGION))
        with field.prepared():
            for cell in found[: len(sizes)]:
                say(f"{cell.servers} servers in {cell.waves} waves")
                ways = {way: field.recovered(cell, way) for way in (IN_WAVES, AHEAD, NATIVE)}
                result["plans"].append(figures(cell, ways))
                say(json.dumps(result["plans"][-1]))
            if crowded:
                say(f"{crowded[0]} servers in {crowded[1]} waves")
                crowd = field.recovered(found[-1], AHEAD).crowded(MOST_JOBS, MOST_SERVERS)
                size = {"servers": crowded[0], "waves": crowded[1]}
                result["crowd"] = {**size, **asdict(crowd), "excess": crowd.excess}
    return result


def measure_apart(work: Path) -> dict[str, Any]:
    """Measure in a process of its own, for everything in it goes by the simulator's clock.

    :param work: an empty folder, for its output
    """
    work.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.launch_ahead"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True)
    (work / "output.txt").write_bytes(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(cell: Cell, ways: Mapping[Way, LaunchedRun]) -> dict[str, Any]:
    """Set the ways of one plan side by side."""
    ahead = ways[AHEAD]
    return {
        "servers": cell.servers,
        "waves": cell.waves,
        **{f"{way}_s": run.elapsed for way, run in ways.items()},
        **{f"{way}_at_540_s": run.at_real_jobs for way, run in ways.items()},
        **{f"{way}_jobs": len(run.jobs) for way, run in ways.items()},
        "job_and_boots_s": ahead.least,
        "ahead_over_job_and_boots": ahead.elapsed / ahead.least,
        "in_waves_over_ahead": ways[IN_WAVES].elapsed / ahead.elapsed,
        "native_over_ahead": ways[NATIVE].elapsed / ahead.elapsed,
    }


class _Field:
    """One simulator with its fleet, and the processes' own time, which is the simulator's.

    :param work: the folder with the plans
    """

    def __init__(self, work: Path, simulator: Any) -> None:
        self.work, self.simulator, self.runs = work, simulator, 0
        self.clock: Any = None
        self.loop: Any = None

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Let everything in this process go by the simulator's clock."""
        from drs_provider.hooks.preload import preload_clients
        from drs_provider.hooks.session import read_once

        from benchmarks.kill_sweep.lives import environment, fewer_clients, simulated_time

        read_once()
        preload_clients()
        before = dict(os.environ)
        os.environ.update(environment(self.simulator.url, self.work))
        try:
            with fewer_clients(), simulated_time(self.simulator, looks_every=None) as (self.clock, self.loop):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def recovered(self, cell: Cell, way: Way) -> LaunchedRun:
        """Recover a plan in one way, in a drill, and clean up.

        :raises RuntimeError: it did not recover everything
        """
        asked_at = self.clock.now().timestamp()
        if way == NATIVE:
            self._native(cell)
        else:
            self._drill(cell, way)
        run = self._run(cell, asked_at)
        launched = sum(job.servers for job in run.jobs)
        if launched != cell.servers or (way == AHEAD and len(run.starts) != cell.servers):
            raise RuntimeError(f"{cell.name} {way}: {launched} servers in jobs, {len(run.starts)} instances started")
        return run

    def _drill(self, cell: Cell, way: Way) -> None:
        from drs_provider.airflow_internals.task_runner import set_supervisor_comms
        from drs_provider.dag.factory import dags_of_folder
        from drs_provider.rules.run.names import dag_id_of

        from benchmarks.combinations.runs import Run, Runs

        folder = self.work / "plans"
        dag = {dag.dag_id: dag for dag in dags_of_folder(folder, dag_file=folder / "none.py")}[dag_id_of(cell.name)]
        self.runs += 1
        runs = Runs()
        conf = {"mode": "drill", "reason": "a benchmark", "launch": way}
        run = Run(dag, conf, f"manual__{self.runs}", self.clock, runs)
        with set_supervisor_comms(runs):
            self.loop.run_until_complete(asyncio.wait_for(run.run(), _LONGEST))
        if run.state != "success":
            said = [f"{name}: {record.error}" for name, record in run.records.items() if record.error]
            raise RuntimeError(f"{cell.name} {way} ended as {run.state}: {said}")

    def _native(self, cell: Cell) -> None:
        """Run native plans one after the other, as many as DRS's quota of servers asks for, each with every wave."""
        drs = self.simulator.client("drs")
        pages = drs.get_paginator("describe_source_servers").paginate(filters={})
        arns = {server["sourceServerID"]: server["arn"] for page in pages for server in page["items"]}
        for number in range(-(-cell.servers // MOST_IN_NATIVE_PLAN)):
            plan = drs.create_recovery_plan(name=f"{cell.name}-{number}")["recoveryPlan"]["recoveryPlanArn"]
            for wave in range(cell.waves):
                if share := self._share(cell, wave, number):
                    servers = [{"serverArn": arns[server], "impactLevel": "CRITICAL"} for server in share]
                    drs.create_recovery_plan_step(
                        recoveryPlanArn=plan,
                        stepName=f"wave-{wave}",
                        configuration={"serverStepConfiguration": {"servers": servers}},
                    )
            started = drs.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL")
            self._await(drs, started["recoveryPlanExecution"]["recoveryPlanExecutionArn"])
        self._terminate(drs, cell)

    @staticmethod
    def _share(cell: Cell, wave: int, number: int) -> list[str]:
        """Give a wave's servers in one of several plans that share the servers evenly."""
        count = -(-cell.servers // MOST_IN_NATIVE_PLAN)
        whole = [server for each in range(cell.waves) for server in cell.members(each)]
        return [
            server for place, server in enumerate(whole) if place % count == number and cell.wave_of[server] == wave
        ]

    def _await(self, drs: Any, execution: str) -> None:
        for _ in range(int(_LONGEST)):
            status = drs.get_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"][
                "status"
            ]
            if status == "COMPLETED":
                return
            if status not in ("CREATED", "IN_PROGRESS"):
                raise RuntimeError(f"{execution} ended as {status}")
            self.clock.advance(_LOOKS_EVERY)
        raise RuntimeError(f"{execution} does not end")

    def _terminate(self, drs: Any, cell: Cell) -> None:
        """Remove what a native plan has launched: it does not do so itself."""
        pages = drs.get_paginator("describe_recovery_instances").paginate(filters={})
        there = [
            instance["recoveryInstanceID"]
            for page in pages
            for instance in page["items"]
            if instance["sourceServerID"] in cell.wave_of and instance["ec2InstanceState"] == "RUNNING"
        ]
        for first in range(0, len(there), _AT_ONCE):
            drs.terminate_recovery_instances(recoveryInstanceIDs=there[first : first + _AT_ONCE])
            self.clock.advance(_TERMINATION)

    def _run(self, cell: Cell, asked_at: float) -> LaunchedRun:
        """Read what has been done since it was asked for: jobs of its servers, and starts of their instances."""
        region = self.simulator.state()["accounts"][plans.ACCOUNT][plans.REGION]
        wave_of = cell.wave_of

        def at(text: str) -> float:
            return datetime.fromisoformat(text).timestamp()

        jobs = [
            TimedJob(
                wave_of[job["participatingServers"][0]["sourceServerID"]],
                len(job["participatingServers"]),
                at(job["creationDateTime"]),
                at(job["endDateTime"]),
            )
            for job in region["jobs"].values()
            if job["type"] == "LAUNCH"
            and job["participatingServers"][0]["sourceServerID"] in wave_of
            and at(job["creationDateTime"]) >= asked_at
        ]
        starts = [
            TimedStart(wave_of[start["server"]], at(start["at"]), at(start["ran"]))
            for start in region["starts"]
            if start["server"] in wave_of and at(start["at"]) >= asked_at
        ]
        return LaunchedRun(asked_at, tuple(jobs), tuple(starts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, in this process: everything in it goes by the simulator's clock."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.launch_ahead", description=__doc__)
    parser.add_argument("--servers", type=int, nargs="*", default=SERVERS, help="servers of the plans (100 500)")
    parser.add_argument("--waves", type=int, nargs="*", default=WAVES, help="waves of the plans (1 2 4 8)")
    parser.add_argument("--no-crowd", action="store_true", help="without the plan of 1,000 servers")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    sizes = [(servers, waves) for servers in options.servers for waves in options.waves]
    with tempfile.TemporaryDirectory(prefix="drs-launch-ahead-") as work:
        found = measure(
            Path(work),
            lambda line: print(line, file=sys.stderr, flush=True),
            sizes=sizes,
            crowded=None if options.no_crowd else CROWD,
        )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
