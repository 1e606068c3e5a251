"""``drs rehearse``: run a plan against a simulator of its own, and say what the run will be like."""

import argparse
import json
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from drs_provider.cli.options import is_file, length, plans_named
from drs_provider.configuration import plans_folder
from drs_provider.exceptions import UsageError
from drs_provider.formatting import timespan
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rehearsal.facts import RehearsalRequest
from drs_provider.rehearsal.fault_targets import FleetServer, idle_faults
from drs_provider.rehearsal.fleet_choice import ChosenFleet, of_accounts, of_files, supposed
from drs_provider.rehearsal.output import WIDTH, as_text
from drs_provider.rehearsal.plan_estimates import with_plans
from drs_provider.rehearsal.prediction import GREEN, Prediction, RunRecord, StepKey, beside, predict
from drs_provider.rehearsal.processes import Connection, RehearsalFailed, ensure_installed, rehearse, simulator
from drs_provider.rehearsal.step_doubles import StepsTake, decisions, length_of_steps, make_up, steps_take, words
from drs_provider.rehearsal.steps import StepDecision
from drs_provider.rules.purpose import DRILL, PURPOSES, purpose_of
from drs_provider.rules.run.shape import RunShape, compile_shape
from drs_provider.rules.servers import hostname_of

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
    parser.add_argument(
        "--mode",
        choices=[purpose.name for purpose in PURPOSES if purpose.launches],
        default=DRILL.name,
        help=f"default: {DRILL.name}",
    )
    parser.add_argument(
        "--launch",
        choices=("ahead", "in_waves"),
        default="ahead",
        help="launch servers ahead of their waves where the plan says so, and in waves beside it; or in waves only",
    )
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
    supposed_.add_argument("--random-seed", type=int, default=0, help="same seed, same lengths of jobs (default 0)")
    supposed_.add_argument(
        "--answers-after", type=length, default=timedelta(0), metavar="TIME", help="people answer after (default 0s)"
    )
    supposed_.add_argument(
        "--steps-take",
        type=length_of_steps,
        action="append",
        default=[],
        metavar="[STEP=]TIME",
        help="steps that are not run, all of them or one by name (default 0s; a plan as a step: as long as its waves)",
    )
    supposed_.add_argument(
        "--task-seconds",
        type=_seconds,
        default=TASK_SECONDS,
        metavar="S",
        help=f"Airflow needs to start a task or let it continue (default {TASK_SECONDS:g})",
    )


def run(options: Namespace) -> int:
    """Rehearse, print what is foretold, and give the exit code."""
    ensure_installed()
    folder = options.plans or plans_folder() or Path("plans")
    found = plans_named(options.plan, folder)
    if len(found) > 1:
        names = ", ".join(sorted(runnable.plan.name for runnable in found))
        raise UsageError(f"{options.plan}: the file holds several plans: {names}; name one of them")
    if options.faults is not None and not options.faults.is_file():
        raise UsageError(f"{options.faults}: there is no such file")
    with TemporaryDirectory(prefix="drs-rehearsal-") as home:
        try:
            prediction = _both_ways(found[0], folder, options, Path(home))
        except RehearsalFailed as error:
            raise UsageError(str(error)) from error
    if options.format == "json":
        print(json.dumps(prediction.as_json(), indent=2))
    else:
        print(as_text(prediction, shutil.get_terminal_size((WIDTH, 24)).columns), end="")
    return 0 if prediction.fate == "good" else 1


def _both_ways(runnable: RunnablePlan, folder: Path, options: Namespace, home: Path) -> Prediction:
    """Rehearse a run as it launches; where it launches ahead, rehearse it in waves too."""
    prediction = _rehearsed(runnable, folder, options, home)
    if prediction.launch != "ahead":
        return prediction
    in_waves = Namespace(**{**vars(options), "launch": "in_waves"})
    return beside(prediction, _rehearsed(runnable, folder, in_waves, home))


def _rehearsed(runnable: RunnablePlan, folder: Path, options: Namespace, home: Path) -> Prediction:
    fleet, shape = _fleet(runnable, options, home), compile_shape(runnable)
    takes = with_plans(steps_take(options.steps_take), shape, folder, options.mode)
    step_tasks: dict[StepKey, str] = {(step.wave, step.side, step.step.name): step.task_id for step in shape.steps}
    with simulator(fleet.paths, faults=options.faults, random_seed=options.random_seed) as running:
        steps = decisions(shape, running, fleet.places)
        make_up(steps, running, takes)
        request = RehearsalRequest(
            plan=runnable.plan.name,
            file=str(runnable.path.resolve()) if is_file(options.plan) else None,
            plans_folder=str(folder.resolve()),
            conf=_conf(runnable, shape, options),
            simulator=running.url,
            seed=options.random_seed,
            task_seconds=options.task_seconds,
            answers_after=options.answers_after.total_seconds(),
            assumed={
                decision.step.task_id: _seconds_of(decision, options.mode, takes)
                for decision in steps
                if decision.assumed
            },
            reports=str(home / "reports"),
            facts=str(home / "facts.json"),
            finds_nobody=frozenset(decision.step.task_id for decision in steps if decision.finds_nobody),
        )
        facts = rehearse(request, _connections(fleet), home)
        left = RunRecord(
            facts,
            running.get("state"),
            running.get("calls"),
            steps,
            step_tasks,
            fleet=fleet.words,
            random_seed=options.random_seed,
            assumptions=(*fleet.assumptions, *_assumptions(shape, options), *words(steps, options.mode, takes)),
            accounts={str(target): place for target, place in fleet.places.items()},
        )
    try:
        prediction = predict(left)
    except ValueError as error:
        raise RehearsalFailed(str(error)) from error
    _ensure_faults_hit(left, options, prediction)
    return prediction


def _ensure_faults_hit(left: RunRecord, options: Namespace, prediction: Prediction) -> None:
    """Refuse a rehearsal with a fault that hit nobody: it would say of a failure that the plan survives it."""
    servers = [
        FleetServer(server["sourceServerID"], hostname_of(server, ""), server.get("tags") or {})
        for regions in left.state["accounts"].values()
        for region in regions.values()
        for server in region["servers"].values()
    ]
    has_ended_well = prediction.verdict in GREEN
    if idle := idle_faults(left.state["faults"], servers, has_ended_well=has_ended_well):
        raise RehearsalFailed("\n".join(f"{options.faults}: {line}" for line in idle))


def _fleet(runnable: RunnablePlan, options: Namespace, home: Path) -> ChosenFleet:
    if options.from_account:
        return of_accounts(runnable, home, now=datetime.now(UTC))
    if options.fleet:
        return of_files(runnable, options.fleet, _accounts(options.account), region=options.region)
    return supposed(runnable, home, selected=options.selected, region=options.region)


def _accounts(said: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in said]
    if bad := [text for text, (name, _, account) in zip(said, pairs, strict=True) if not name or not account.isdigit()]:
        raise UsageError(f"--account {bad[0]}: write a connection and its account, as aws_default=111122223333")
    return {name: account for name, _, account in pairs}


def _conf(runnable: RunnablePlan, shape: RunShape, options: Namespace) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = {"mode": options.mode, "reason": "a rehearsal"}
    if purpose_of(options.mode).needs_confirmation:
        said["confirm"] = runnable.plan.name
    if shape.has_launch_ahead:
        said["launch"] = options.launch
    return said


def _connections(fleet: ChosenFleet) -> Mapping[str, Connection]:
    """A connection's own Region is that of the groups which leave it to the connection."""
    found: dict[str, Connection] = {}
    for target, (account, region) in sorted(fleet.places.items()):
        found.setdefault(target.aws_conn_id, Connection(account, region))
    return found


def _seconds_of(decision: StepDecision, mode: str, takes: StepsTake) -> float | None:
    """Return what a step takes that is not run; None: a run of this mode does not have it."""
    return takes.of(decision.step.step.name).total_seconds() if decision.takes_place(mode) else None


def _assumptions(shape: RunShape, options: Namespace) -> list[str]:
    plan, mode = shape.plan, options.mode
    said = [f"Airflow takes {options.task_seconds:g} s to start a task, and to let a waiting one continue"]
    if (
        any(wave.pause_before for wave in plan.waves)
        or any(step.step.ASKS_PEOPLE for step in shape.steps)
        or (purpose_of(mode).asks_for_approval and plan.recovery.approval)
    ):
        after = options.answers_after
        said.append(f"people approve {f'after {timespan(after)}' if after else 'at once'}")
    if plan.notify:
        said.append("no notifications are sent")
    return said


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 4000:  # noqa: PLR2004 - DRS's quota of source servers
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 1 and 4000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 600:  # noqa: PLR2004 - ten minutes
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 0 and 600")
    return seconds
