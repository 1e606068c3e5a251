"""``drs rehearse``: run a plan against a simulator of its own, and say what the run will be like."""

import argparse
import json
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drs_provider.cli.options import is_file, plans_folder, plans_named
from drs_provider.exceptions import UsageError
from drs_provider.plan.durations import format_duration, parse_duration
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rehearsal.fleet_choice import ChosenFleet, of_accounts, of_files, supposed
from drs_provider.rehearsal.output import WIDTH, as_text
from drs_provider.rehearsal.prediction import Prediction, RunRecord, at_speed, machine_of, predict
from drs_provider.rehearsal.processes import Connection, RehearsalFailed, ensure_installed, rehearse, simulator
from drs_provider.rehearsal.step_doubles import StepsTake, decisions, length_of_steps, make_up, steps_take, words
from drs_provider.rehearsal.steps import PlannedStep, planned_steps

NAME = "rehearse"
HELP = "run a plan against the simulator, and say how long it takes and what goes wrong"

TASK_SECONDS = 0.9
"""From the moment when a task may start, or go on, until it does: half the dead time between two waves that a quiet
machine was measured to have (docs/performance.md), less half a polling period."""


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Run a plan's own tasks against a simulator of their own, in compressed time and without Airflow's services. "
        "Nothing real is changed. Exit codes: 0 the run ends well and meets its objectives; 1 it fails, is refused or "
        "misses an objective, or the plan has problems; 2 nothing was rehearsed: wrong use, or an account that cannot "
        "be read."
    )
    parser.add_argument("plan", metavar="PLAN", help="a plan's name, or a plan file with one plan")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else ./plans")
    parser.add_argument("--mode", choices=("drill", "recovery"), default="drill", help="default: drill")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong: faults of the simulator")
    world = parser.add_argument_group("the fleet (default: made up from the plan)")
    either = world.add_mutually_exclusive_group()
    either.add_argument("--fleet", type=Path, action="append", default=[], metavar="FILE", help="a fleet file")
    either.add_argument(
        "--from-account", action="store_true", help="read the live accounts of the plan's connections; changes nothing"
    )
    world.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="CONN=ID",
        help="with --fleet: the account that a connection means, where the fleet does not tell",
    )
    world.add_argument(
        "--selected", type=_count, default=5, metavar="N", help="servers that each select finds, made up (default 5)"
    )
    world.add_argument("--region", default="us-east-1", help="for groups without a Region, made up (default us-east-1)")
    supposed_ = parser.add_argument_group("what is supposed")
    supposed_.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="tell too what a run against a simulator of this speed takes by the clock (default 1: DRS itself)",
    )
    supposed_.add_argument("--random-seed", type=int, default=0, help="same seed, same lengths of jobs (default 0)")
    supposed_.add_argument(
        "--answers-after", type=_length, default=timedelta(0), metavar="TIME", help="people answer after (default 0s)"
    )
    supposed_.add_argument(
        "--steps-take",
        type=length_of_steps,
        action="append",
        default=[],
        metavar="[STEP=]TIME",
        help="steps that are not run, all of them or one by name (default 0s)",
    )
    supposed_.add_argument(
        "--task-seconds",
        type=_seconds,
        metavar="S",
        help=f"Airflow needs to start a task or let it go on (default {TASK_SECONDS:g}; by the clock: as measured)",
    )
    supposed_.add_argument(
        "--busy",
        type=_seconds,
        metavar="N",
        help="by the clock: others that want a processor of this machine all the time (default: as measured)",
    )


def run(options: Namespace) -> int:
    """Rehearse, print what is foretold, and give the exit code."""
    ensure_installed()
    folder = options.plans or plans_folder() or Path("plans")
    found = plans_named(options.plan, folder)
    if len(found) > 1:
        names = ", ".join(sorted(one.plan.name for one in found))
        raise UsageError(f"{options.plan}: the file holds several plans: {names}; name one of them")
    if options.faults is not None and not options.faults.is_file():
        raise UsageError(f"{options.faults}: there is no such file")
    with TemporaryDirectory(prefix="drs-rehearsal-") as home:
        try:
            prediction = _rehearsed(found[0], folder, options, Path(home))
        except RehearsalFailed as error:
            raise UsageError(str(error)) from error
    if options.format == "json":
        print(json.dumps(prediction.as_json(), indent=2))
    else:
        print(as_text(prediction, shutil.get_terminal_size((WIDTH, 24)).columns), end="")
    return 0 if prediction.fate == "good" else 1


def _rehearsed(runnable: RunnablePlan, folder: Path, options: Namespace, home: Path) -> Prediction:
    fleet, takes = _fleet(runnable, options, home), steps_take(options.steps_take)
    request = {
        "plan": runnable.plan.name,
        "file": str(runnable.path.resolve()) if is_file(options.plan) else None,
        "plans_folder": str(folder.resolve()),
        "conf": _conf(runnable, options.mode),
        "seed": options.random_seed,
        "task_seconds": _task_seconds(options),
        "answers_after": options.answers_after.total_seconds(),
    }

    def at(speed: float, machine: Mapping[str, Any] | None = None) -> tuple[Prediction, dict[str, Any]]:
        where = home / f"speed-{speed:g}"
        where.mkdir()
        with simulator(fleet.paths, faults=options.faults, speed=speed, random_seed=options.random_seed) as running:
            steps = decisions(runnable, running, fleet.places)
            make_up(steps, running, takes)
            assumed = [_step(one.step, options.mode, takes) for one in steps if one.assumed]
            told = {**request, "assumed": assumed, "speed": speed, "machine": machine}
            facts = rehearse(running, told, _connections(fleet), where)
            left = RunRecord(
                facts,
                running.get("state"),
                running.get("calls"),
                steps,
                fleet=fleet.words,
                random_seed=options.random_seed,
                assumptions=(*fleet.assumptions, *_assumptions(runnable, options), *words(steps, options.mode, takes)),
                accounts={str(target): place for target, place in fleet.places.items()},
            )
        try:
            return predict(left), facts
        except ValueError as error:
            raise RehearsalFailed(str(error)) from error

    prediction, facts = at(1.0)
    if options.speed == 1:
        return prediction
    machine = machine_of(facts, busy=options.busy) if options.task_seconds is None else None
    fast, _ = at(options.speed, machine)
    return replace(prediction, by_the_clock=at_speed(fast, options.speed, machine["others"] if machine else None))


def _fleet(runnable: RunnablePlan, options: Namespace, home: Path) -> ChosenFleet:
    if options.from_account:
        return of_accounts(runnable, home)
    if options.fleet:
        return of_files(runnable, options.fleet, _accounts(options.account), region=options.region)
    return supposed(runnable, home, selected=options.selected, region=options.region)


def _task_seconds(options: Namespace) -> float:
    return TASK_SECONDS if options.task_seconds is None else float(options.task_seconds)


def _accounts(said: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in said]
    if bad := [one for one, (name, _, account) in zip(said, pairs, strict=True) if not name or not account.isdigit()]:
        raise UsageError(f"--account {bad[0]}: write a connection and its account, as aws_default=111122223333")
    return {name: account for name, _, account in pairs}


def _conf(runnable: RunnablePlan, mode: str) -> dict[str, Any]:
    return {"mode": mode, "reason": "a rehearsal", **({"confirm": runnable.plan.name} if mode == "recovery" else {})}


def _connections(fleet: ChosenFleet) -> Mapping[str, Connection]:
    """A connection's own Region is that of the groups which leave it to the connection."""
    found: dict[str, Connection] = {}
    for target, (account, region) in sorted(fleet.places.items()):
        found.setdefault(target.aws_conn_id, Connection(account, region))
    return found


def _step(one: PlannedStep, mode: str, takes: StepsTake) -> dict[str, Any]:
    seconds = takes.of(one.step.name).total_seconds() if one.takes_place(mode) else None
    return {"wave": one.wave, "place": one.place, "name": one.step.name, "seconds": seconds}


def _assumptions(runnable: RunnablePlan, options: Namespace) -> list[str]:
    plan, mode = runnable.plan, options.mode
    said = [f"Airflow takes {_task_seconds(options):g} s to start a task, and to let a waiting one go on"]
    kinds = {one.step.kind for one in planned_steps(plan)}
    if (
        any(wave.pause_before for wave in plan.waves)
        or "approval" in kinds
        or (mode == "recovery" and plan.recovery.approval)
    ):
        after = options.answers_after
        said.append(f"people say yes {f'after {format_duration(after)}' if after else 'at once'}")
    if plan.notify:
        said.append("nobody is notified")
    return said


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 4000:  # noqa: PLR2004 - DRS's quota of source servers
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 1 and 4000")
    return int(text)


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 600:  # noqa: PLR2004 - ten minutes
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 0 and 600")
    return seconds


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 1e6:  # noqa: PLR2004 - the simulator's own bounds
        raise argparse.ArgumentTypeError(f"{text!r} is no speed between 0.001 and 1000000")
    return speed
