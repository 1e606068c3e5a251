"""``drs run``: start, watch and steer the runs of a plan, through Airflow's REST API."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drs_provider.cli.airflow_client import AirflowClient, Login
from drs_provider.cli.run_commands import Control
from drs_provider.cli.run_output import listing, status
from drs_provider.cli.run_view import RunView
from drs_provider.exceptions import UsageError
from drs_provider.rules.run.controls import BY, END

if TYPE_CHECKING:
    import httpx

NAME = "run"
HELP = "start, watch, pause, cancel and mend runs of a plan in Airflow"

_URLS = ("DRS_AIRFLOW_URL", "AIRFLOW__API__BASE_URL")


@dataclass(frozen=True)
class CommandOutcome:
    """What a subcommand says: a sentence, the run or runs, and the exit code."""

    said: str | None = None
    run: RunView | None = None
    runs: tuple[RunView, ...] | None = None
    code: int = 0


def configure(parser: ArgumentParser) -> None:
    """Add the subcommands and their options."""
    parser.description = (
        "Start, watch and steer the runs of a plan. Talks to Airflow's REST API as the user whose token "
        "(DRS_AIRFLOW_TOKEN), or name and password (DRS_AIRFLOW_USER, DRS_AIRFLOW_PASSWORD), it is given. RUN is a "
        "run's id; left out, it is the run that goes on, else the newest. Exit codes: 0 done, 1 refused, or the run "
        "is not green (start --wait, wait), 2 wrong use."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _start(_action(actions, "start", "start a drill, or a recovery with --confirm"))
    listed = _action(actions, "list", "the newest runs of a plan, or of all")
    listed.add_argument("plan", nargs="?", metavar="PLAN")
    _on_run(_action(actions, "status", "waves, servers, what waits for a person, where the report is"))
    wait = _on_run(_action(actions, "wait", "wait for the end of a run; exit code 0 only if it is green"))
    wait.add_argument("--timeout", type=float, metavar="SECONDS", help="give up waiting after that; the run goes on")
    _on_run(_action(actions, "pause", "nothing new starts; running DRS jobs go on"))
    _action(actions, "resume", "let a paused plan go on").add_argument("plan", metavar="PLAN")
    cancel = _on_run(_action(actions, "cancel", "no further wave starts; what runs is watched to its end and reported"))
    cancel.add_argument("--reason", metavar="TEXT", help="stands in the report")
    for name, text in (
        ("skip", "leave out a wave that has not started"),
        ("retry", "run a failed wave again, with everything after it"),
    ):
        one = _action(actions, name, text)
        one.add_argument("plan", metavar="PLAN")
        one.add_argument("wave", metavar="WAVE")
        one.add_argument("run_id", nargs="?", metavar="RUN")
        one.add_argument("--reason", metavar="TEXT", help="stands in the run's note")
    _on_run(_action(actions, "end", "end a drill that is kept for people: it is cleaned up now"))
    extend = _on_run(_action(actions, "extend", "keep a drill longer for people"))
    extend.add_argument("--by", choices=tuple(BY), default="1h", help="default: 1h")
    for name, text in (("approve", "say yes to what a run asks"), ("reject", "say no to what a run asks")):
        one = _on_run(_action(actions, name, text))
        which = one.add_mutually_exclusive_group()
        which.add_argument("--task", metavar="T", help="the task that asks; needed only where several do")
        which.add_argument("--wave", metavar="W", help="the wave that asks")
        one.add_argument("--comment", metavar="TEXT", help="why; goes with the answer, else into the run's note")


def run(
    options: Namespace,
    *,
    environ: Mapping[str, str] = os.environ,
    transport: "httpx.BaseTransport | None" = None,
    control_of: Callable[..., Control] = Control,
) -> int:
    """Do it, print what came of it, and give the exit code."""
    address, login = address_of(options, environ), login_of(options, environ)
    with AirflowClient(address, login, transport) as client:
        client.log_in()
        control = control_of(client, say=lambda line: print(line, file=sys.stderr, flush=True))
        outcome = _ACTIONS[options.action](control, options)
        print(_as_json(outcome) if options.format == "json" else _as_text(outcome, control))
    return outcome.code


def _action(actions: Any, name: str, text: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    add_airflow_options(parser)
    return parser


def add_airflow_options(parser: ArgumentParser) -> None:
    """Add what every command that asks Airflow has: the form of its answer, where Airflow is, and who asks."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    airflow = parser.add_argument_group("Airflow")
    airflow.add_argument("--airflow", metavar="URL", help=f"default: {' or '.join(_URLS)}")
    airflow.add_argument("--user", metavar="NAME", help="default: DRS_AIRFLOW_USER")
    airflow.add_argument(
        "--password", metavar="TEXT", help="default: DRS_AIRFLOW_PASSWORD, which no process list shows"
    )


def _on_run(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("plan", metavar="PLAN")
    parser.add_argument("run_id", nargs="?", metavar="RUN")
    return parser


def _start(parser: ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN")
    parser.add_argument("--mode", choices=("drill", "recovery"), default="drill", help="default: drill")
    parser.add_argument("--confirm", metavar="NAME", help="the plan's name; a recovery needs it")
    parser.add_argument("--reason", metavar="TEXT", help="stands in the report")
    parser.add_argument("--wave", nargs="+", metavar="W", help="only these waves; default: all")
    parser.add_argument("--exclude-server", nargs="+", metavar="S", help="leave out these hostnames or ids")
    parser.add_argument("--point-in-time", metavar="T", help="latest, or an instant as 2026-01-31T14:05:00Z")
    parser.add_argument(
        "--replace-live-instances",
        action="store_true",
        help="launch servers that hold a live recovered instance; DRS terminates that instance",
    )
    parser.add_argument("--wait", action="store_true", help="wait for the end; exit code 0 only for a green run")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="with --wait: give up waiting after that")


def _do_start(control: Control, options: Namespace) -> CommandOutcome:
    started = control.start(options.plan, options)
    if options.wait:
        return _waited(control.wait(options.plan, started.run_id, options.timeout))
    return CommandOutcome(f"started {started.run_id}: drs run status {options.plan}", started)


def _do_wait(control: Control, options: Namespace) -> CommandOutcome:
    return _waited(control.wait(options.plan, options.run_id, options.timeout))


def _waited(run: RunView) -> CommandOutcome:
    return CommandOutcome(run=run, code=0 if run.is_green else 1)


def _do_resume(control: Control, options: Namespace) -> CommandOutcome:
    return CommandOutcome(control.resume(options.plan))


def _told(result: tuple[RunView, str]) -> CommandOutcome:
    return CommandOutcome(result[1], result[0])


_ACTIONS: Mapping[str, Callable[[Control, Namespace], CommandOutcome]] = {
    "start": _do_start,
    "list": lambda control, options: CommandOutcome(runs=tuple(control.list_runs(options.plan))),
    "status": lambda control, options: CommandOutcome(run=control.look(options.plan, options.run_id)),
    "wait": _do_wait,
    "pause": lambda control, options: _told(control.pause(options.plan, options.run_id)),
    "resume": _do_resume,
    "cancel": lambda control, options: _told(control.cancel(options.plan, options.run_id, options.reason)),
    "skip": lambda control, options: _told(control.skip(options.plan, options.wave, options.run_id, options.reason)),
    "retry": lambda control, options: _told(control.retry(options.plan, options.wave, options.run_id, options.reason)),
    "end": lambda control, options: _told(control.answer_kept(options.plan, options.run_id, END)),
    "extend": lambda control, options: _told(
        control.answer_kept(options.plan, options.run_id, f"Extend by {options.by}")
    ),
    "approve": lambda control, options: _told(control.answer(options.plan, options, "Approve")),
    "reject": lambda control, options: _told(control.answer(options.plan, options, "Reject")),
}


def _as_text(outcome: CommandOutcome, control: Control) -> str:
    if outcome.said is not None:
        return outcome.said
    if outcome.runs is not None:
        return listing(outcome.runs) or "no run yet"
    return status(outcome.run, control.now()) if outcome.run else ""


def _as_json(outcome: CommandOutcome) -> str:
    if outcome.runs is not None:
        return json.dumps([run.as_json() for run in outcome.runs], indent=2)
    run = outcome.run.as_json() if outcome.run else None
    return json.dumps({"said": outcome.said, "run": run}, indent=2)


def address_of(options: Namespace, environ: Mapping[str, str]) -> str:
    """Return the address of Airflow that the options or the environment name."""
    named = [options.airflow, *(environ.get(name) for name in _URLS)]
    address = next((one for one in named if one), None)
    if address is None:
        raise UsageError("which Airflow? Name its address with --airflow, or DRS_AIRFLOW_URL")
    return str(address)


def login_of(options: Namespace, environ: Mapping[str, str]) -> Login:
    """Return as whom Airflow is asked, by the options or the environment."""
    user = options.user or environ.get("DRS_AIRFLOW_USER")
    password = options.password or environ.get("DRS_AIRFLOW_PASSWORD")
    token = environ.get("DRS_AIRFLOW_TOKEN")
    if options.user is None and token:
        return Login(token=token)
    if user and password:
        return Login(user, password)
    raise UsageError(
        "who are you? Give DRS_AIRFLOW_TOKEN, or DRS_AIRFLOW_USER and DRS_AIRFLOW_PASSWORD (or --user and --password)"
    )
