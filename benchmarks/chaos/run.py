"""`make chaos`: drive plans through a real Airflow whose processes are killed, and a failing cloud; judge the record.

Exit code 0: every run kept every rule. 1: one did not; the command that runs it again is printed. 2: it could not run.
"""

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.campaign import Judged, campaign
from benchmarks.chaos.results import Results
from benchmarks.chaos.scenarios import Scenario, scenario
from demo.stack import DATABASES, PROJECT, Database, StackError
from demo.team import EXECUTORS, Executor

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
    parser.add_argument(
        "--executor", choices=EXECUTORS, default="local", help="celery: two of every part, on PostgreSQL (local)"
    )
    parser.add_argument("--most-servers", type=int, help="leave seeds with bigger plans out")
    parser.add_argument("--most-runs", type=int, default=MOST_RUNS, help=f"of one stack ({MOST_RUNS})")
    parser.add_argument("--minutes", type=float, help="begin no run later than that; those that run are judged")
    parser.add_argument(
        "--results", type=Path, help="file for what became of each run; those that are in it are not run again"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    results = Results(options.results, f"{options.executor} {options.database}")
    scenarios = drawn(options.seed, options.runs, options.executor, options.most_servers, results.seeds())
    began = time.monotonic()
    until = None if options.minutes is None else began + 60 * options.minutes
    run = partial(
        campaign,
        side_by_side=options.side_by_side,
        database=options.database,
        executor=options.executor,
        until=until,
    )
    try:
        judged = overlapping(
            list(batches(scenarios, options.most_runs)),
            options.state,
            console.print,
            run,
            results=results,
            until=until,
        )
    except StackError as error:
        console.print(str(error), style="bold")
        return 2
    for line in summary(judged, time.monotonic() - began, options.database, options.executor):
        console.print(line)
    return 1 if any(run.problems for run in judged) else 0


Run = Callable[..., list[Judged]]
"""What runs a batch in a folder, as :func:`campaign` does."""


def drawn(
    first: int, runs: int, executor: Executor = "local", most_servers: int | None = None, done: Collection[int] = ()
) -> list[Scenario]:
    """Draw so many runs from a seed on; those that have been run count, and are left out.

    :param most_servers: seeds with bigger plans are passed over
    """
    chosen: list[Scenario] = []
    seed = first
    while len(chosen) < runs:
        found = scenario(seed, executor)
        if most_servers is None or len(found.servers) <= most_servers:
            chosen.append(found)
        seed += 1
    return [found for found in chosen if found.seed not in done]


def overlapping(
    cut: Sequence[Sequence[Scenario]],
    state: Path,
    say: Callable[[str], None],
    run: Run,
    *,
    results: Results | None = None,
    until: float | None = None,
) -> list[Judged]:
    """Run one batch after the other; the next stack is started while the last few runs of the one before still go on.

    Two stacks at most live at a time, in folders of their own.

    :param until: no stack is started after that (:func:`time.monotonic`)
    """
    judged: list[Judged] = []
    with ThreadPoolExecutor(2) as pool:
        running: list[Future[list[Judged]]] = []
        for number, batch in enumerate(cut):
            if until is not None and time.monotonic() > until:
                say(f"the time is over: {sum(map(len, cut[number:]))} runs were not begun")
                break
            say(f"{len(batch)} runs, seeds {batch[0].seed} to {batch[-1].seed}")
            if len(running) > 1:
                running[-2].result()  # its folder is free now
            tail = threading.Event()
            own = state / f"stack-{number % 2}"
            future = pool.submit(_batch, batch, own, partial(run, say=say, tail=tail.set), say, results)
            future.add_done_callback(lambda _, event=tail: event.set())  # type: ignore[misc]  # the event of this batch
            running.append(future)
            tail.wait()
        for future in running:
            judged += future.result()
    return judged


def _batch(
    batch: Sequence[Scenario], own: Path, run: Run, say: Callable[[str], None], results: Results | None
) -> list[Judged]:
    judged = run(batch, own)
    if results is not None:
        results.add(judged)
    for outcome in judged:
        for problem in outcome.problems:
            say(f"  FAILED {outcome.scenario.plan}: {problem}")
    if any(outcome.problems for outcome in judged):
        _keep(own, own.parent / f"failed-{batch[0].seed}")
    return judged


def batches(scenarios: Sequence[Scenario], most_runs: int = MOST_RUNS) -> Iterator[list[Scenario]]:
    """Cut runs into what one stack is given."""
    batch: list[Scenario] = []
    servers = 0
    for each in scenarios:
        if batch and (len(batch) >= most_runs or servers + len(each.servers) > MOST_SERVERS):
            yield batch
            batch, servers = [], 0
        batch.append(each)
        servers += len(each.servers)
    if batch:
        yield batch


def summary(
    judged: Sequence[Judged], seconds: float, database: Database = "sqlite", executor: Executor = "local"
) -> Iterator[str]:
    """Say how the campaign went: every failure with the command that runs it again, then the counts."""
    there = "" if database == "sqlite" else f" DATABASE={database}"
    there = there if executor == "local" else f" EXECUTOR={executor}"
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
    if not judged:
        yield "no run was begun"
        return
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
