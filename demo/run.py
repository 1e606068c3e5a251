"""`make demo`: drill a plan on a simulated fleet, before everybody's eyes."""

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from drs_provider.plan.reading import RunnablePlan, read_one
from rich.console import Console

from demo import closing
from demo.board import ServerNow, Wave, board, instant
from demo.environment import USER
from demo.ports import PortTaken
from demo.screen import Header, Screen, screen_for
from demo.simulator_api import instances, jobs
from demo.stack import PROJECT, Settings, Stack, StackError

LOOK_EVERY = 1.0
"""Seconds between two looks at the run."""

REPORT = "finish.report"
PREFLIGHT_TASK, PREFLIGHT = "preflight.check", "preflight"
"""Where preflight leaves the servers of every wave: task and XCom key."""
OVER = ("success", "failed")
PASSED = ("passed", "completed_with_exceptions")

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
"""Exit codes: the drill did not pass; the demo could not run; somebody stopped it."""


class Stopped(BaseException):
    """A person or the system asked the demo to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return its exit code."""
    options = parse(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return demo(options, console)
    except (Stopped, KeyboardInterrupt):
        console.print("\nstopped: no process of the demo is left")
        return INTERRUPTED
    except (StackError, PortTaken, ValueError) as error:
        console.print(str(error), style="bold")
        return UNUSABLE


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description="Drill a recovery plan against the simulator.")
    parser.add_argument("--plan", default="web-shop", help="the plan's name (web-shop)")
    parser.add_argument("--plans", type=Path, default=PROJECT / "plans", help="the folder of plans")
    parser.add_argument("--speed", type=float, default=60, help="how many times faster than in reality DRS works (60)")
    parser.add_argument("--faults", type=Path, help="a file of faults for the simulator")
    parser.add_argument("--port", type=int, help="the port of Airflow's pages (8080, or any when that is in use)")
    parser.add_argument("--state", type=Path, default=PROJECT / ".demo", help="the folder for all that the demo writes")
    parser.add_argument("--exit", action="store_true", help="end with the drill, its verdict as exit code")
    return parser.parse_args(arguments)


def demo(options: argparse.Namespace, console: Console) -> int:
    """Start the stack, drill, say how it went, and wait for Ctrl-C unless told to end."""
    runnable = read_one(options.plans, options.plan)
    if runnable is None:
        raise StackError(
            f"there is no usable plan called {options.plan!r} in {options.plans}; see: drs validate {options.plans}"
        )
    settings = Settings(
        state=options.state, plans=options.plans, speed=options.speed, faults=options.faults, port=options.port
    )
    began = datetime.now(UTC)
    with Stack(settings, console.print) as stack:
        stack.await_dag(f"drs.{options.plan}")
        console.print(f"ready after {(datetime.now(UTC) - began).total_seconds():.0f} s: {_door(stack)}\n")
        code = drill(stack, runnable, console)
        if options.exit:
            return code
        console.print(f"\nEverything keeps running: {_door(stack)}\nCtrl-C stops it.")
        while True:
            stack.check(wait=60)


def drill(stack: Stack, runnable: RunnablePlan, console: Console) -> int:
    """Run one drill and show it; return 0 when it passed, 1 when it did not."""
    dag_id = f"drs.{runnable.plan.name}"
    before = instances(stack.simulator.address)
    run_id = stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make demo"})
    with screen_for(console) as screen:
        run = watch(stack, run_id, runnable, screen)
    proof, is_clean = closing.left_over(before, instances(stack.simulator.address))
    result = stack.airflow.result(dag_id, run_id, REPORT)
    console.print()
    if result is None:
        console.print(f"✗ the run ended as {run['state']} and left no report; see {stack.places.logs}")
        console.print(proof)
        return FAILED
    report = json.loads(local(result["json"]).read_text(encoding="utf-8"))
    for line in closing.verdict(report, stack.settings.speed):
        console.print(line)
    console.print(f"{proof}\n  report     {local(result['html'])}\n             {local(result['json'])}")
    is_good = run["state"] == "success" and result["verdict"] in PASSED and is_clean
    return 0 if is_good else FAILED


def watch(stack: Stack, run_id: str, runnable: RunnablePlan, screen: Screen) -> dict[str, Any]:
    """Show a run until it is over; return it as Airflow's API gives it."""
    dag_id = f"drs.{runnable.plan.name}"
    names = [wave.name for wave in runnable.plan.waves]
    roster: dict[str, list[str]] = {}
    asked_at = datetime.now(UTC)
    while True:
        run = stack.airflow.run(dag_id, run_id)
        began = instant(run["start_date"]) if run["start_date"] else asked_at
        now = instant(run["end_date"]) if run["end_date"] else datetime.now(UTC)
        roster = roster or roster_of(stack.airflow.result(dag_id, run_id, PREFLIGHT_TASK, PREFLIGHT))
        servers = [
            ServerNow(server, job.job_id, job.created_at, phase)
            for job in jobs(stack.simulator.state())
            if job.created_at >= began
            for server, phase in job.servers.items()
        ]
        waves: list[Wave] = board(names, stack.airflow.tasks(dag_id, run_id), roster, servers, now)
        screen.show(Header(dag_id, "drill", now - began, runnable.plan.rto, stack.settings.speed), waves)
        if run["state"] in OVER:
            return run
        stack.check(wait=LOOK_EVERY)


def roster_of(preflight: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """Read wave → server ids from what preflight returned; empty while it has not."""
    if preflight is None:
        return {}
    return {
        name: [server["server_id"] for target in wave["targets"] for server in target["servers"]]
        for name, wave in preflight["waves"].items()
    }


def local(address: str) -> Path:
    """Turn a report's address, a path or a ``file://`` URL, into a path."""
    return Path(unquote(urlsplit(address).path)) if address.startswith("file:") else Path(address)


def _door(stack: Stack) -> str:
    return f"{stack.airflow.address}  user {USER}  password {stack.password}"


def _stop(number: int, _: FrameType | None) -> None:
    # A second Ctrl-C must not break off the end of the first.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
