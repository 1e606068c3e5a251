"""`make demo`: drill a plan on a simulated fleet, before everybody's eyes."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import unquote, urlsplit

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from drs_provider.plan.loader import RunnablePlan, read_one
from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.run_view import RunView
from drs_provider.rules.run.state import RunStatus
from rich.console import Console

from demo import people, summary
from demo.environment import USER
from demo.ports import PortTaken
from demo.processes import GuardDied
from demo.run_watch import Watch
from demo.screen import screen_for
from demo.simulator_api import instances
from demo.stack import PROJECT, Settings, Stack, StackError

PASSED, FAILED, UNUSABLE, EXCEPTIONS, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: passed; failed or refused; the demo could not run; passed but for failures that the plan tolerates;
somebody stopped it."""

DEMO_PLANS = PROJECT / "demo" / "plans"
"""Plans that only the demo has: they ask people, so Airflow has some."""


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
    except (StackError, PortTaken, GuardDied, httpx.HTTPError) as error:
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
    plans = plans_with(options.plan, options.plans)
    runnable = read_one(plans, options.plan)
    if runnable is None:
        raise StackError(
            f"there is no usable plan called {options.plan!r} in {options.plans}; see: drs validate {options.plans}"
        )
    has_people = plans == DEMO_PLANS
    settings = Settings(
        state=options.state,
        plans=plans,
        speed=options.speed,
        faults=options.faults,
        port=options.port,
        airflow=people.SETTING if has_people else {},
    )
    began = datetime.now(UTC)
    with Stack(settings, console.print) as stack:
        stack.await_dag(dag_id_of(options.plan))
        console.print(f"ready after {(datetime.now(UTC) - began).total_seconds():.0f} s: {_door(stack)}\n")
        cast = people.passwords_of(stack) if has_people else {}
        code = drill(stack, runnable, console, cast=cast, answers=options.exit)
        if options.exit:
            return code
        console.print(f"\nEverything keeps running: {_door(stack)}\nCtrl-C stops it.")
        while True:
            stack.check(wait=60)


def _instances_now(stack: Stack) -> dict[str, str] | None:
    """Ask EC2 once more; None: it does not answer, and nothing is proven."""
    try:
        return instances(stack.simulator.address)
    except (BotoCoreError, ClientError):
        return None


def plans_with(plan: str, folder: Path) -> Path:
    """Choose the folder of plans: the demo's own where only that has the plan, with people who answer."""
    is_own = read_one(folder, plan) is None and read_one(DEMO_PLANS, plan) is not None
    return DEMO_PLANS if is_own else folder


def drill(
    stack: Stack, runnable: RunnablePlan, console: Console, *, cast: Mapping[str, str] | None = None, answers: bool
) -> int:
    """Run one drill and show it; return its exit code.

    :param cast: the passwords of the people of the demo, where the plan asks some
    :param answers: whether the demo itself answers what they are asked
    """
    dag_id = dag_id_of(runnable.plan.name)
    before = instances(stack.simulator.address)
    run_id = stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "make demo"})
    meanwhile: Callable[[RunView], None] = lambda _: None  # noqa: E731  (the case without people)
    if cast:
        for line in people.what_next(stack.airflow.address, dag_id, run_id, cast, answers=answers):
            console.print(line)
        if answers:
            meanwhile = people.Answers(stack, runnable.plan.name, cast, console.print).answer
    with screen_for(console) as screen:
        run = Watch(stack, runnable, run_id).until_over(screen, meanwhile)
    after = _instances_now(stack)
    console.print()
    if run.report is None:
        proof, _ = summary.left_over(before, after, None)
        console.print(f"✕ {run.state.status.words}: {run.state.reason}; see {stack.places.logs}")
        console.print(proof)
        return FAILED
    report = json.loads(local(run.report.json_path).read_text(encoding="utf-8"))
    proof, is_clean = summary.left_over(before, after, summary.launched_by(report))
    for line in summary.verdict(report, stack.settings.speed):
        console.print(line)
    console.print(f"{proof}\n  report     {local(run.report.html_path)}\n             {local(run.report.json_path)}")
    return exit_code(run.state.airflow_state, run.state.status, is_clean=is_clean)


def exit_code(airflow_state: str | None, status: RunStatus, *, is_clean: bool) -> int:
    """Choose the exit code: a good one needs a green run, a good verdict and an empty EC2, all three."""
    if airflow_state != "success" or not is_clean:
        return FAILED
    return {RunStatus.PASSED: PASSED, RunStatus.COMPLETED_WITH_EXCEPTIONS: EXCEPTIONS}.get(status, FAILED)


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
