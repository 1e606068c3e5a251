"""``drs run``: start, watch and steer the runs of a plan, through Airflow's REST API."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drs_provider.cli.run_output import listing, progress, status
from drs_provider.exceptions import UsageError
from drs_provider.rules.launch.recovery_points import read_point_in_time
from drs_provider.rules.purpose import ALL_PURPOSES, DRILL
from drs_provider.rules.run.controls import BY
from drs_provider.rules.run.run_view import RunView
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.services.run_control import Decision, RunControl, RunStart, Steered
from drs_provider.services.run_document import run_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    import httpx

NAME = "run"
HELP = "start, watch, pause, cancel and retry runs of a plan in Airflow"

_URLS = ("DRS_AIRFLOW_URL", "AIRFLOW__API__BASE_URL")


@dataclass(frozen=True)
class CommandOutcome:
    """What a subcommand answers: a sentence, the run or runs, and the exit code."""

    message: str | None = None
    run: RunView | None = None
    runs: tuple[RunView, ...] | None = None
    code: int = 0


def configure(parser: ArgumentParser) -> None:
    """Add the subcommands and their options."""
    parser.description = (
        "Start, watch and steer the runs of a plan. Talks to Airflow's REST API as the user whose token "
        "(DRS_AIRFLOW_TOKEN), or name and password (DRS_AIRFLOW_USER, DRS_AIRFLOW_PASSWORD), it is given. RUN is a "
        "run's id, or its short id as status and list show it; without it, the run that is not over, else the newest; "
        "where several are not over it must be given. Exit codes: 0 done, 1 refused, or the run is not green (start "
        "--wait, wait), 2 wrong use."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _start(_action(actions, "start", "start a drill, or a recovery with --confirm"))
    listed = _action(actions, "list", "the newest runs of a plan, or of all")
    listed.add_argument("plan", nargs="?", metavar="PLAN")
    _on_run(_action(actions, "status", "waves, servers, open questions, where the report is"))
    wait = _on_run(_action(actions, "wait", "wait for the end of a run; exit code 0 only if it is green"))
    wait.add_argument("--timeout", type=float, metavar="SECONDS", help="stop waiting after that; the run continues")
    _on_run(_action(actions, "pause", "nothing new starts; running DRS jobs continue"))
    _action(actions, "resume", "resume a paused plan").add_argument("plan", metavar="PLAN")
    cancel = _on_run(_action(actions, "cancel", "no further wave starts; what runs is watched to its end and reported"))
    cancel.add_argument("--reason", metavar="TEXT", help="shown in the report")
    cancel.add_argument(
        "--stop-failback",
        action="store_true",
        help="of a failback: end those of machines in data centres too, which people must boot again for another one",
    )
    for name, text in (
        ("skip", "skip a wave that has not started"),
        ("retry", "run a failed wave again, with everything after it"),
    ):
        on_wave = _action(actions, name, text)
        on_wave.add_argument("plan", metavar="PLAN")
        on_wave.add_argument("wave", metavar="WAVE")
        on_wave.add_argument("run_id", nargs="?", metavar="RUN")
        on_wave.add_argument("--reason", metavar="TEXT", help="shown in the run's note")
    go_on = _action(actions, "continue", "go on past a failed wave: it stays as it is, and what waits for it begins")
    go_on.add_argument("plan", metavar="PLAN")
    go_on.add_argument("run_id", nargs="?", metavar="RUN")
    go_on.add_argument("--wave", required=True, metavar="WAVE", help="the wave that has failed")
    go_on.add_argument("--reason", required=True, metavar="TEXT", help="why; shown in the report")
    _on_run(_action(actions, "end", "end a drill that is kept for people: it is cleaned up now"))
    extend = _on_run(_action(actions, "extend", "keep a drill longer for people"))
    extend.add_argument("--by", choices=tuple(BY), default="1h", help="default: 1h")
    for name, text in (
        ("approve", "approve an open question"),
        ("reject", "reject an open question"),
        ("answer", "answer an open question with one of its options"),
    ):
        answer = _on_run(_action(actions, name, text))
        if name == "answer":
            answer.add_argument("--option", required=True, metavar="TEXT", help="one of the options that status shows")
        which = answer.add_mutually_exclusive_group()
        which.add_argument("--task", metavar="T", help="the task with the question; needed only if several are open")
        which.add_argument("--wave", metavar="W", help="the wave with the question")
        answer.add_argument("--comment", metavar="TEXT", help="why; goes with the answer, else into the run's note")


def run(
    options: Namespace,
    *,
    environ: Mapping[str, str] = os.environ,
    transport: "httpx.BaseTransport | None" = None,
    control_of: Callable[..., RunControl] = RunControl,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Do it, print what came of it, and give the exit code."""
    address, login = address_of(options, environ), login_of(options, environ)
    with AirflowClient(address, login, transport) as client:
        client.log_in()
        command = _Command(control_of(client, say=tell), options, now)
        outcome = _ACTIONS[options.action](command)
        print(_as_json(outcome) if options.format == "json" else _as_text(outcome, now()))
    return outcome.code


def tell(line: str) -> None:
    """Tell news where they are no part of the answer."""
    print(line, file=sys.stderr, flush=True)


def _action(actions: "_SubParsersAction[ArgumentParser]", name: str, text: str) -> ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
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
    parser.add_argument(
        "--mode",
        choices=[purpose.name for purpose in ALL_PURPOSES],
        default=DRILL.name,
        help="default: drill; a migration stops the writes first; a check looks at everything and launches nothing; of "
        "the way back (PLAN.failback): reprotect, failback_drill, failback",
    )
    parser.add_argument("--confirm", metavar="NAME", help="the plan's name: for a recovery, a migration, a failback")
    parser.add_argument("--reason", metavar="TEXT", help="shown in the report")
    _add_names(parser, "--wave", "W", "only these waves; default: all")
    _add_names(parser, "--exclude-server", "S", "exclude these hostnames or ids")
    parser.add_argument(
        "--point-in-time",
        metavar="T",
        help="latest, or an instant as 2026-01-31T14:05:00Z or 2026-01-31T16:05:00+02:00",
    )
    parser.add_argument(
        "--replace-live-instances",
        action="store_true",
        help="a recovery launches servers that hold a live recovered instance too; DRS terminates that instance",
    )
    parser.add_argument(
        "--replace-drills",
        action="store_true",
        help="launch servers although somebody else launched a drill instance of them; DRS terminates that instance",
    )
    parser.add_argument(
        "--launch",
        choices=("ahead", "in_waves"),
        help="in_waves: waves that the plan launches ahead are launched in their turn; default: as the plan says",
    )
    parser.add_argument("--wait", action="store_true", help="wait for the end; exit code 0 only for a green run")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="with --wait: stop waiting after that")


def _add_names(parser: ArgumentParser, option: str, metavar: str, text: str) -> None:
    """Add an option that takes names: several at once, with commas, or by giving it several times."""
    parser.add_argument(
        option, nargs="+", action="extend", type=_names, metavar=metavar, help=f"{text}; may be given several times"
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@dataclass
class _Command:
    """A subcommand with its options."""

    control: RunControl
    options: Namespace
    now: Callable[[], datetime]
    _told: str = ""

    def start(self) -> CommandOutcome:
        plan = self.options.plan
        started = self.control.start(plan, start_of(self.options))
        if self.options.wait:
            return self._wait(started)
        return CommandOutcome(f"started {started.run_id}: {started.command('status')}", started)

    def list_runs(self) -> CommandOutcome:
        return CommandOutcome(runs=tuple(self.control.list_runs(self.options.plan)))

    def status(self) -> CommandOutcome:
        return CommandOutcome(run=self.control.look(self.options.plan, self.options.run_id))

    def wait(self) -> CommandOutcome:
        return self._wait(self.control.look(self.options.plan, self.options.run_id))

    def pause(self) -> CommandOutcome:
        return _told(self.control.pause(self.options.plan, self.options.run_id))

    def resume(self) -> CommandOutcome:
        return CommandOutcome(self.control.resume(self.options.plan))

    def cancel(self) -> CommandOutcome:
        given = self.options
        return _told(self.control.cancel(given.plan, given.run_id, given.reason, stops_failback=given.stop_failback))

    def skip(self) -> CommandOutcome:
        given = self.options
        return _told(self.control.skip(given.plan, given.wave, given.run_id, given.reason))

    def retry(self) -> CommandOutcome:
        given = self.options
        return _told(self.control.retry(given.plan, given.wave, given.run_id, given.reason))

    def go_on(self) -> CommandOutcome:
        given = self.options
        return _told(self.control.go_on(given.plan, given.wave, given.run_id, given.reason))

    def end(self) -> CommandOutcome:
        return _told(self.control.end_kept(self.options.plan, self.options.run_id))

    def extend(self) -> CommandOutcome:
        return _told(self.control.extend_kept(self.options.plan, self.options.run_id, self.options.by))

    def approve(self) -> CommandOutcome:
        return self._answer("Approve")

    def reject(self) -> CommandOutcome:
        return self._answer("Reject")

    def answer(self) -> CommandOutcome:
        return self._answer(self.options.option)

    def _answer(self, option: str) -> CommandOutcome:
        decision = Decision(option, self.options.task, self.options.wave, self.options.comment)
        return _told(self.control.answer(self.options.plan, self.options.run_id, decision))

    def _wait(self, run: RunView) -> CommandOutcome:
        run = self.control.wait(run, self.options.timeout, self._tell_news)
        return CommandOutcome(run=run, code=0 if run.is_green else 1)

    def _tell_news(self, run: RunView) -> None:
        news = progress(run)
        if news != self._told:
            self.control.say(f"{self.now():%H:%M:%S}  {news}")
        self._told = news


def start_of(options: Namespace) -> RunStart:
    """Return what a run is started with, by the options. Raises UsageError where the point in time is none."""
    if options.point_in_time:
        try:
            read_point_in_time(options.point_in_time, now=datetime.now(UTC))
        except ValueError as error:
            raise UsageError(str(error)) from error
    return RunStart(
        mode=options.mode,
        confirm=options.confirm,
        reason=options.reason,
        waves=_flat(options.wave),
        exclude_servers=_flat(options.exclude_server),
        point_in_time=options.point_in_time,
        replace_live_instances=options.replace_live_instances,
        replace_drills=options.replace_drills,
        launch=options.launch,
    )


def _flat(given: Sequence[Sequence[str]] | None) -> list[str] | None:
    """Return every name that was given, once, in the order in which it was."""
    return None if given is None else list(dict.fromkeys(name for names in given for name in names))


def _told(steered: Steered) -> CommandOutcome:
    return CommandOutcome(steered.message, steered.run)


_ACTIONS: Mapping[str, Callable[[_Command], CommandOutcome]] = {
    "start": _Command.start,
    "list": _Command.list_runs,
    "status": _Command.status,
    "wait": _Command.wait,
    "pause": _Command.pause,
    "resume": _Command.resume,
    "cancel": _Command.cancel,
    "skip": _Command.skip,
    "retry": _Command.retry,
    "continue": _Command.go_on,
    "end": _Command.end,
    "extend": _Command.extend,
    "approve": _Command.approve,
    "reject": _Command.reject,
    "answer": _Command.answer,
}


def _as_text(outcome: CommandOutcome, now: datetime) -> str:
    if outcome.message is not None:
        return outcome.message
    if outcome.runs is not None:
        return listing(outcome.runs) or "no run yet"
    return status(outcome.run, now) if outcome.run else ""


def _as_json(outcome: CommandOutcome) -> str:
    if outcome.runs is not None:
        return json.dumps([run_json(run) for run in outcome.runs], indent=2)
    run = run_json(outcome.run) if outcome.run else None
    return json.dumps({"message": outcome.message, "run": run}, indent=2)


def address_of(options: Namespace, environ: Mapping[str, str]) -> str:
    """Return the address of Airflow that the options or the environment name."""
    named = [options.airflow, *(environ.get(name) for name in _URLS)]
    address = next((name for name in named if name), None)
    if address is None:
        raise UsageError("No address of Airflow: set DRS_AIRFLOW_URL or give --airflow")
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
        "No credentials: set DRS_AIRFLOW_TOKEN or DRS_AIRFLOW_USER and DRS_AIRFLOW_PASSWORD, or give --user and "
        "--password"
    )
