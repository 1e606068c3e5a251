"""`make chaos`: drive plans through a real Airflow whose processes are killed, and a failing cloud; judge the record.

Exit code 0: every run kept every rule. 1: one did not; the command that runs it again is printed. 2: it could not run.
"""

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.campaign import Judged, campaign
from benchmarks.chaos.scenarios import Scenario, scenario
from demo.stack import DATABASES, PROJECT, Database, StackError

SIDE_BY_SIDE = 8
MOST_RUNS, MOST_SERVERS = 60, 1500
"""What one stack is given; then comes a fresh one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; return its exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="number of runs (20)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; the next have the next numbers (1)")
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE, help=f"runs at a time ({SIDE_BY_SIDE})")
    parser.add_argument("--state", type=Path, default=PROJECT / ".chaos", help="folder for all that it writes (.chaos)")
    parser.add_argument(
        "--database", choices=DATABASES, default="sqlite", help="where Airflow keeps its tables (sqlite)"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    scenarios = [scenario(seed) for seed in range(options.seed, options.seed + options.runs)]
    began = time.monotonic()
    try:
        judged = overlapping(
            list(batches(scenarios)),
            options.state,
            console.print,
            partial(campaign, side_by_side=options.side_by_side, database=options.database),
        )
    except StackError as error:
        console.print(str(error), style="bold")
        return 2
    for line in summary(judged, time.monotonic() - began, options.database):
        console.print(line)
    return 1 if any(run.problems for run in judged) else 0


Run = Callable[..., list[Judged]]
"""What runs a batch in a folder, as :func:`campaign` does."""


def overlapping(cut: Sequence[Sequence[Scenario]], state: Path, say: Callable[[str], None], run: Run) -> list[Judged]:
    """Run one batch after the other; the next stack is started while the last few runs of the one before still go on.

    Two stacks at most live at a time, in folders of their own.
    """
    judged: list[Judged] = []
    with ThreadPoolExecutor(2) as pool:
        running: list[Future[list[Judged]]] = []
        for number, batch in enumerate(cut):
            say(f"{len(batch)} runs, seeds {batch[0].seed} to {batch[-1].seed}")
            if len(running) > 1:
                running[-2].result()  # its folder is free now
            tail = threading.Event()
            own = state / f"stack-{number % 2}"
            future = pool.submit(_batch, batch, own, partial(run, say=say, tail=tail.set), say)
            future.add_done_callback(lambda _, event=tail: event.set())  # type: ignore[misc]  # the event of this batch
            running.append(future)
            tail.wait()
        for future in running:
            judged += future.result()
    return judged


def _batch(batch: Sequence[Scenario], own: Path, run: Run, say: Callable[[str], None]) -> list[Judged]:
    judged = run(batch, own)
    for outcome in judged:
        for problem in outcome.problems:
            say(f"  FAILED {outcome.scenario.plan}: {problem}")
    if any(outcome.problems for outcome in judged):
        _keep(own, own.parent / f"failed-{batch[0].seed}")
    return judged


def batches(scenarios: Sequence[Scenario]) -> Iterator[list[Scenario]]:
    """Cut runs into what one stack is given."""
    batch: list[Scenario] = []
    servers = 0
    for drawn in scenarios:
        if batch and (len(batch) >= MOST_RUNS or servers + len(drawn.servers) > MOST_SERVERS):
            yield batch
            batch, servers = [], 0
        batch.append(drawn)
        servers += len(drawn.servers)
    if batch:
        yield batch


def summary(judged: Sequence[Judged], seconds: float, database: Database = "sqlite") -> Iterator[str]:
    """Say how the campaign went: every failure with the command that runs it again, then the counts."""
    there = "" if database == "sqlite" else f" DATABASE={database}"
    for run in judged:
        for problem in run.problems:
            yield f"FAILED {run.scenario.plan}: {problem}"
        if run.problems:
            again = f"make chaos RUNS=1 SEED={run.scenario.seed}{there}"
            yield f"  killed: {', '.join(run.hits) or 'nothing'}; again: {again}"
    good = sum(not run.problems for run in judged)
    kills = sum(len(run.hits) for run in judged)
    servers = sum(len(run.scenario.servers) for run in judged)
    verdicts: dict[str, int] = {}
    for run in judged:
        verdict = (run.said.report or {}).get("verdict", "no verdict")
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    yield f"{good} of {len(judged)} runs kept every rule ({counts}); {servers} servers, {kills} kills"
    yield f"{seconds:.0f} s, {len(judged) / seconds * 3600:.0f} runs an hour"


def _keep(own: Path, where: Path) -> None:
    """Keep plans, logs and records of a stack with a failed run."""
    shutil.rmtree(where, ignore_errors=True)
    for part in ("stack/logs", "stack/airflow/logs", "stack/reports", "plans"):
        if (own / part).exists():
            shutil.copytree(own / part, where / part)
    for record in own.glob("*.json"):
        shutil.copy(record, where / record.name)


if __name__ == "__main__":
    sys.exit(main())
