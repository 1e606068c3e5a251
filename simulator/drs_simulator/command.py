"""What the command does: ``python -m drs_simulator --fleet FILE``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from drs_simulator.clock import checked_speed
from drs_simulator.errors import BadInput
from drs_simulator.faults.engine import faults_of
from drs_simulator.fleet.file import example, read_fleet
from drs_simulator.server.standalone import RunningSimulator
from drs_simulator.strict_input import load

BAD_INPUT = 2
EXAMPLES = ("hello.yaml", "ledger.yaml", "web-shop.yaml")
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="drs_simulator", description="A simulated AWS Elastic Disaster Recovery, over HTTP."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5555)
    parser.add_argument(
        "--fleet",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="may be given again: fleets are merged",
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="the servers of the example plans: hello (2), ledger (6) and web-shop (100)",
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="simulated seconds per second (default 1: real time)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the state in this file, and go on from it")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="faults to begin with, YAML or JSON")
    parser.add_argument(
        "--lambda-code",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="Python file whose functions Lambda functions may call; may be given again",
    )
    parser.add_argument("--random-seed", type=int, default=0, help="same seed, same ids, same lengths of jobs")
    options = parser.parse_args(given)
    options.fleet += [example(name) for name in EXAMPLES] if options.example else []
    if not options.fleet:
        parser.error("name what exists: --fleet FILE, or --example")
    return options


def _speed(text: str) -> float:
    try:
        return checked_speed(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(given: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGTERM or Ctrl-C; returns the exit code."""
    options = _arguments(given)
    try:
        fleet = read_fleet(options.fleet)
        faults = faults_of(load(options.faults), str(options.faults)) if options.faults else []
        running = RunningSimulator(
            fleet,
            host=options.host,
            port=options.port,
            speed=options.speed,
            random_seed=options.random_seed,
            faults=faults,
            state=options.state,
            warm_everything=True,
            lambda_code=options.lambda_code,
        )
    except BadInput as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the command
        return BAD_INPUT
    except (OSError, OverflowError) as error:
        why = "the port must be between 0 and 65535" if isinstance(error, OverflowError) else error.strerror
        print(f"cannot listen on {options.host}:{options.port}: {why}", file=sys.stderr)  # noqa: T201
        return 1
    # Blocked before threads start, so that no thread but the waiting one takes the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    _say_ready(running)
    _wait_for_the_end()
    running.stop()
    return 0


def _say_ready(running: RunningSimulator) -> None:
    health = running.gateway.control.health()
    running.start()
    print(f"drs-simulator ready on {running.url} (speed {health['speed']:g}, {health['servers']} servers)", flush=True)  # noqa: T201


def _wait_for_the_end() -> None:
    """Return when SIGTERM or SIGINT has come."""
    signal.sigwait(ENDING)
