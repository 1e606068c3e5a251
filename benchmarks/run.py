"""`make bench`: drive plans through a real Airflow and the simulator, and write down what it cost."""

import argparse
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from drs_provider.rules.run.names import dag_id_of
from rich.console import Console

from benchmarks import board, crowds, hand_over, launch_ahead, parse_time, plans, simulator
from benchmarks.figures import ChainRun, Launch, Sample, drs_calls, slots_while_waiting, spread
from demo.airflow_api import AirflowApi
from demo.environment import USER
from demo.simulator_api import jobs
from demo.stack import DATABASES, PROJECT, Settings, Stack, StackError

BENCH = PROJECT / ".bench"
SPEED = 60.0
SIDE_BY_SIDE = 4
SERVERS = 4
FOLDERS = (10, 100, 500)
SETTLE = 3.0
"""Seconds after a StartRecovery in which its tasks are still about to let go of their workers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write ``.bench/latest.json``."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--alone", type=int, default=6, help="runs of one plan alone, four hops each (6)")
    parser.add_argument("--hops", type=int, default=3, help="warm runs of each way to launch, four hand-overs each (3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of four plans side by side (3)")
    parser.add_argument(
        "--only",
        choices=("runs", "parsing", "crowds", "weather", "simulator", "board", "launch_ahead", "hand_over"),
        help="measure one part",
    )
    parser.add_argument(
        "--database", choices=DATABASES, default="sqlite", help="where Airflow keeps its tables (sqlite)"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    shutil.rmtree(BENCH / "work", ignore_errors=True)
    work = BENCH / "work"
    work.mkdir(parents=True)
    stack = Settings(state=BENCH / "stack", speed=SPEED, database=options.database)
    result: dict[str, Any] = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    result["database"] = options.database
    parts: dict[str, Callable[[], Any]] = {
        "runs": lambda: measure_runs(work, stack, options.alone, options.rounds, console.print),
        "parsing": lambda: measure_parsing(work, console.print),
        "crowds": lambda: crowds.measure(work, stack, console.print),
        "weather": lambda: crowds.measure_weather(work, stack, console.print),
        "simulator": simulator.measure,
        "board": lambda: board.measure(work / "board"),
        "launch_ahead": lambda: launch_ahead.measure_apart(work / "launch-ahead"),
        "hand_over": lambda: hand_over.measure(work / "hand-over", stack, options.hops, console.print),
    }
    try:
        for name, measure in parts.items():
            if options.only in (None, name):
                console.print(f"measuring {name}")
                result[name] = measure()
                # After every part: what comes later may fail, and this took minutes.
                (BENCH / "latest.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except StackError as error:
        console.print(str(error), style="bold")
        return 2
    for line in table(result):
        console.print(line)
    return 0


def machine() -> dict[str, Any]:
    """Say on what it was measured, and how busy that was with other things before."""
    return {
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def measure_runs(work: Path, settings: Settings, alone: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run chains alone and side by side; return what both cost."""
    folder, fleet = plans.write(work / "chains", SIDE_BY_SIDE, SERVERS)
    with Stack(replace(settings, plans=folder, fleets=(fleet,)), say) as stack:
        for plan in range(SIDE_BY_SIDE):
            stack.await_dag(dag_id_of(plans.name(plan)))
        drive(stack, 1)  # the first run after a start warms what every later one uses
        found: dict[str, Any] = {"speed": SPEED, "waves": plans.WAVES, "servers_per_wave": SERVERS}
        for label, count, repeats in (("alone", 1, alone), ("side_by_side", SIDE_BY_SIDE, rounds)):
            if not repeats:
                continue
            done = []
            since = last_call(stack)
            with sampled(stack) as samples:
                for number in range(repeats):
                    say(f"{label.replace('_', ' ')}: run {number + 1} of {repeats}")
                    done += drive(stack, count)
            found[label] = {"plans": count} | summed_up(done, samples, stack.simulator.calls(since))
    return found


def drive(stack: Stack, count: int) -> list[ChainRun]:
    """Drill so many plans at the same time; return their runs.

    :raises StackError: when a run fails: its figures would mean nothing.
    """
    since = last_call(stack)
    asked = {}
    for plan in range(count):
        dag_id = dag_id_of(plans.name(plan))
        asked[plan] = (dag_id, stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make bench"}), time.time())
    for dag_id, run_id, _ in asked.values():
        while (state := stack.airflow.run(dag_id, run_id)["state"]) not in {"success", "failed"}:
            stack.check(wait=1.0)
        if state != "success":
            raise StackError(f"{dag_id} {run_id} ended as {state}; see {stack.places.logs}")
    launches = launches_since(stack, since)
    return [ChainRun(at, tuple(launches[plan])) for plan, (_, _, at) in asked.items()]


def last_call(stack: Stack) -> int:
    """Return the number of the newest call that the simulator has received."""
    calls = stack.simulator.calls()
    return int(calls[-1]["n"]) if calls else 0


def launches_since(stack: Stack, since: int) -> dict[int, list[Launch]]:
    """Return plan → its launches in order; server ids tell whose a call is."""
    newest = {frozenset(job.servers): job for job in jobs(stack.simulator.state())}
    found: dict[int, list[Launch]] = {}
    for call in stack.simulator.calls(since):
        if call["operation"] != "StartRecovery" or call["status"] >= HTTPStatus.MULTIPLE_CHOICES:
            continue
        members = frozenset(server["sourceServerID"] for server in call["request"]["sourceServers"])
        job = newest[members]
        if job.ended_at is None:
            raise StackError(f"{job.job_id} runs on although its run has ended")
        plan = int(min(members)[2:8])
        found.setdefault(plan, []).append(Launch(job.job_id, call["at"], job.ended_at.timestamp()))
    return found


@contextmanager
def sampled(stack: Stack) -> Iterator[list[Sample]]:
    """Count the tasks that run on workers twice a second, in the background."""
    samples: list[Sample] = []
    done = threading.Event()
    api = AirflowApi(stack.airflow.address, USER, stack.password)
    api.log_in()

    def sample() -> None:
        while not done.wait(0.5):
            at = time.time()
            running = api.get("/dags/~/dagRuns/~/taskInstances", state="running", limit=1)["total_entries"]
            samples.append(Sample(at, running))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
        api.close()


def summed_up(
    runs: Sequence[ChainRun], samples: Sequence[Sample], calls: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Turn runs into figures."""
    dead = [seconds for run in runs for seconds in run.dead_times]
    waiting = slots_while_waiting(runs, samples, SETTLE)
    overheads = [run.overhead for run in runs]
    return {
        "runs": len(runs),
        "dead_time_s": asdict(spread(dead)),
        "dead_times_s": [round(seconds, 3) for seconds in dead],
        "elapsed_s": asdict(spread([run.elapsed for run in runs])),
        "overhead_s": asdict(spread(overheads)),
        "overhead_share_as_run": sum(overheads) / sum(run.elapsed for run in runs),
        "overhead_share_at_540_s_jobs": spread([run.real_share for run in runs]).median,
        "drs_calls": drs_calls(calls),
        "slots_while_waiting": {
            "samples": len(waiting),
            "mean": sum(waiting) / len(waiting) if waiting else None,
            "most": max(waiting, default=None),
        },
    }


def measure_parsing(work: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure folders of 10, 100 and 500 plans."""
    empty = next(BENCH.glob("stack/empty-airflow-*.db"), None)
    if empty is None:
        with Stack(Settings(state=BENCH / "stack"), say):
            pass  # it leaves Airflow's empty tables behind
        empty = next(BENCH.glob("stack/empty-airflow-*.db"))
    found = []
    for count in FOLDERS:
        say(f"parsing {count} plans")
        folder = work / f"folder-{count}"
        folder.mkdir()
        found.append(parse_time.measure(count, folder, empty))
    return found


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """Write the figures as lines of a Markdown table."""
    yield "| what | measured |"
    yield "|---|---|"
    for label in ("alone", "side_by_side"):
        if label in result.get("runs", ()):
            yield from _run_rows(label.replace("_", " "), result["runs"][label])
    for folder in result.get("parsing", ()):
        yield (
            f"| {folder['plans']} plans | whole folder {folder['folder_s']:.2f} s, "
            f"one task start {folder['task_start_s'] * 1000:.0f} ms "
            f"({folder['task_start_after_airflow_s'] * 1000:.0f} ms after all that Airflow imports), "
            f"DAG processor once {folder['processor_wall_s']:.1f} s, peak {folder['folder_peak_mib']:.0f} MiB |"
        )
    for label, crowd in result.get("crowds", {}).items():
        yield (
            f"| {label.replace('_', ' ')}, quotas 20 jobs, 100 servers a job, 500 in jobs | {crowd['elapsed']:.1f} s, "
            f"{crowd['allowed']:.1f} s are allowed: "
            f"{crowd['longer_than_allowed_at_real_speed']:.2%} longer at real speed; "
            f"at most {crowd['most_jobs']} jobs, {crowd['most_servers']} servers at a time; "
            f"{crowd['refused_for_want_of_room']} calls refused for want of room |"
        )
    if found := result.get("weather"):
        yield (
            f"| {found['servers']} servers, half of all calls throttled, a tenth of answers lost | green, "
            f"{found['bad']['calls']} calls instead of {found['calm']['calls']}: {found['times_the_calls']:.2f} times; "
            f"{found['bad']['seconds']:.0f} s instead of {found['calm']['seconds']:.0f} s |"
        )
        yield (
            f"| {found['servers']} servers, DRS away for 90 s, credentials that expire three times | green, "
            f"{found['outage']['calls']} calls, {found['outage']['seconds']:.0f} s |"
        )
    if found := result.get("simulator"):
        rounds = found["rounds"]
        yield (
            f"| simulator, {found['servers']} servers, 20 jobs, 500 servers in flight | DescribeJobs "
            f"{rounds[0]['describe_jobs_cpu_ms']:.1f} ms CPU, {rounds[-1]['describe_jobs_cpu_ms']:.1f} ms behind "
            f"{rounds[-1]['finished_jobs']} finished jobs; start {found['start_cpu_s']:.1f} s CPU |"
        )
    if found := result.get("board"):
        yield (
            f"| board of {found['servers']} servers, CPU of a poll | beside others {found['crowd_ms']:.1f} ms, one "
            f"viewer alone {found['alone_ms']:.1f} ms (at most {found['alone_max_ms']:.1f} ms), first after a change "
            f"{found['after_change_ms']:.1f} ms; {found['page_ms']:.1f} ms of it for a page without data |"
        )

    if found := result.get("hand_over"):
        yield from hand_over.table(found)
    if found := result.get("launch_ahead"):
        yield from _ahead_rows(found)


def _ahead_rows(found: Mapping[str, Any]) -> Iterator[str]:
    for plan in found["plans"]:
        yield (
            f"| {plan['servers']} servers in {plan['waves']} waves | in waves {plan['in_waves_s']:.0f} s, "
            f"native {plan['native_s']:.0f} s, ahead {plan['ahead_s']:.0f} s: {plan['ahead_over_job_and_boots']:.2f} "
            f"times one job and the boots; in waves takes {plan['in_waves_over_ahead']:.1f} times, native "
            f"{plan['native_over_ahead']:.1f} times as long |"
        )
    if crowd := found.get("crowd"):
        yield (
            f"| ahead under quotas 20 / 100 / 500, {crowd['servers']} servers in {crowd['waves']} waves | "
            f"{crowd['elapsed']:.0f} s of {crowd['allowed']:.0f} s allowed with boots: {crowd['excess']:.2%} longer; "
            f"at most {crowd['most_jobs']} jobs, {crowd['most_servers']} servers at a time |"
        )


def _run_rows(label: str, found: Mapping[str, Any]) -> Iterator[str]:
    dead, slots = found["dead_time_s"], found["slots_while_waiting"]
    calls = ", ".join(f"{name} {count}" for name, count in found["drs_calls"].items())
    yield (
        f"| {label}: dead time between dependent waves | median {dead['median']:.2f} s, p99 {dead['p99']:.2f} s, "
        f"{dead['smallest']:.2f} to {dead['largest']:.2f} s, n = {dead['n']} |"
    )
    yield (
        f"| {label}: overhead on the critical path | {found['overhead_s']['median']:.1f} s a run of five waves: "
        f"{found['overhead_share_as_run']:.1%} as run, {found['overhead_share_at_540_s_jobs']:.2%} with jobs of 540 s |"
    )
    held = "not measured: never did all runs wait at the same moment"
    if slots["samples"]:
        held = f"mean {slots['mean']:.2f}, most {slots['most']}, {slots['samples']} samples"
    yield f"| {label}: workers held while waiting | {held} |"
    yield f"| {label}: DRS calls, {found['runs']} runs | {calls} |"


if __name__ == "__main__":
    sys.exit(main())
