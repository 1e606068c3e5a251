"""``drs takeover``: what runs of a plan exist in the cloud, and going on with one from an empty Airflow."""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drs_provider.cli.run import add_airflow_options, address_of, login_of, tell
from drs_provider.cli.run_output import moment, table
from drs_provider.configuration import plans_folder
from drs_provider.exceptions import AwsError, DrsProviderError, PlanInvalid, RunRefused, UsageError
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.plan.problems import nearest
from drs_provider.rules.launch.takeover import LOOK_BACK, STATES, FoundRun, find_runs
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.roster import Target, call_roll, targets_of
from drs_provider.services.airflow_client import AirflowClient
from drs_provider.services.preflight.places import ask_side_by_side
from drs_provider.services.run_control import RunControl, RunStart
from drs_provider.services.run_document import run_json

if TYPE_CHECKING:
    import httpx

    from drs_provider.hooks.drs import DrsHook

NAME = "takeover"
HELP = "show what runs of a plan exist in the cloud, and continue one from an Airflow that does not know it"

_NO_CREDENTIALS = "NoCredentialsError"

ANSWERED_WITHIN: Final = timedelta(minutes=5)
"""How long the accounts and Regions of a plan have to answer, where there are several."""

_WORDS = {
    "launched": "launched",
    "prepared": "launched and stopped",
    "running": "running",
    "failed": "failed",
    "gone": "gone",
    "not_started": "not started",
}


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Look in the cloud for runs of a plan: job tags, jobs and recovery instances say what was started, without "
        "any database. With --start a run on this Airflow continues one of them: launched servers are kept, running "
        "jobs adopted, the rest launched. Make sure first that the other Airflow is down. Exit codes: 0 done, 1 "
        "refused, 2 wrong use."
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN")
    parser.add_argument("--all", action="store_true", help="all plans of the folder")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else ./plans")
    parser.add_argument("--start", action="store_true", help="continue a run; a recovery needs --confirm and --reason")
    parser.add_argument("--run", dest="key", metavar="KEY", help="which run, as shown; default: the newest not over")
    parser.add_argument("--confirm", metavar="NAME", help="the plan's name; a recovery needs it")
    parser.add_argument("--reason", metavar="TEXT", help="shown in the report")
    add_airflow_options(parser)


def run(
    options: Namespace,
    *,
    environ: Mapping[str, str] = os.environ,
    hook_of: "Callable[[Target], DrsHook] | None" = None,
    transport: "httpx.BaseTransport | None" = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Look, say what is there, and start what was asked for."""
    plans = _plans(options)
    found = {runnable.plan.name: runs_of(runnable, hook_of or _hook, now()) for runnable in plans}
    if not options.start:
        print(_as_json(found) if options.format == "json" else "\n".join(map(in_words, found, found.values())))
        return 0
    name = plans[0].plan.name
    chosen = choose(name, found[name], options.key)
    with AirflowClient(address_of(options, environ), login_of(options, environ), transport) as client:
        client.log_in()
        started = RunControl(client, say=tell).start(name, _start_of(chosen, options))
    if options.format == "json":
        print(json.dumps({"continues": chosen.as_json(), "run": run_json(started)}, indent=2))
    else:
        print(f"started {started.run_id}, which continues {chosen.run_id}: {started.command('status')}")
    return 0


def runs_of(runnable: RunnablePlan, hook_of: "Callable[[Target], DrsHook]", now: datetime) -> tuple[FoundRun, ...]:
    """Ask every account and Region of a plan, all at once, and return the runs that the answers tell of.

    One that does not answer is told, and the others are gone by.
    """
    hooks = {target: hook_of(target) for target in targets_of(list(runnable.groups.values()))}
    answers = ask_side_by_side(
        hooks,
        lambda _, hook: (hook.source_servers(), hook.jobs_since(now - LOOK_BACK), hook.recovery_instances()),
        within=ANSWERED_WITHIN if len(hooks) > 1 else None,
    )
    for target, error in answers.refused.items():
        if not answers.found:
            raise _without_credentials(target, error)
        tell(f"{target} does not answer, so what runs have launched there is not known: {error}")
    servers = {target: sources for target, (sources, _, _) in answers.found.items()}
    roster = call_roll(runnable.groups, {wave.name: wave.groups for wave in runnable.plan.waves}, servers, DRILL)
    return find_runs(
        dag_id_of(runnable.plan.name),
        {wave: [(server.server_id, server.hostname) for server in members] for wave, members in roster.waves.items()},
        [job for _, jobs, _ in answers.found.values() for job in jobs],
        [instance for _, _, instances in answers.found.values() for instance in instances],
        now=now,
    )


def _without_credentials(target: Target, error: AwsError) -> DrsProviderError:
    """Name the connection where a question had no credentials; give any other error back as it is."""
    if error.code != _NO_CREDENTIALS:
        return error
    return RunRefused(
        f"{target}: no credentials. Define the connection where this command runs (AIRFLOW_CONN_"
        f"{target.aws_conn_id.upper()}, or Airflow's database), or log in to AWS in this shell"
    )


def choose(plan: str, runs: Sequence[FoundRun], key: str | None) -> FoundRun:
    """Return the run to continue, or raise RunRefused with what speaks against it."""
    if key is not None:
        named = [run for run in runs if key in (run.key, run.run_id)]
        if not named:
            raise RunRefused(f"no run {key} of {plan} in the cloud: drs takeover {plan} shows those that are there")
        chosen = named[0]
    else:
        alive = [run for run in runs if not (run.is_over or run.is_finished)]
        if not alive and (finished := [run for run in runs if run.is_finished]):
            raise RunRefused(
                f"{finished[0].run_id} of {plan} has launched every server: nothing is left to launch. Only if its "
                f"steps are still to be done: drs takeover {plan} --start --run {finished[0].key}"
            )
        if not alive:
            raise RunRefused(f"no run of {plan} in the cloud that could be continued: drs run start {plan} starts one")
        chosen = alive[0]
    if chosen.is_over:
        raise RunRefused(f"{chosen.run_id} of {plan} is over: nothing of it is there any more; start a new run")
    return chosen


def in_words(plan: str, runs: Sequence[FoundRun]) -> str:
    """Word what the cloud says of a plan."""
    if not runs:
        return f"{plan}: no run in the cloud within {LOOK_BACK.days} days"
    lines = [f"{plan}: {len(runs)} run{'s'[: len(runs) != 1]} in the cloud"]
    for run_found in runs:
        over = ", over: nothing of it is there any more" if run_found.is_over else ""
        over = ", finished: every server is launched" if run_found.is_finished else over
        lines.append(f"  {run_found.run_id}  {run_found.mode}, began {moment(run_found.began)}{over}")
        of = f", Airflow installation {run_found.installation}" if run_found.installation else ""
        lines.append(f"    key {run_found.key}{of}")
        lines += table(_rows(run_found), indent=4)
    alive = [run_found for run_found in runs if not (run_found.is_over or run_found.is_finished)]
    if alive:
        more = f" --confirm {plan} --reason …" if alive[0].mode == "recovery" else ""
        which = f" --run {alive[0].key}" if len(alive) > 1 else ""
        lines.append(f"  continue it, once the other Airflow is down: drs takeover {plan} --start{which}{more}")
    return "\n".join(lines)


def _rows(run_found: FoundRun) -> Iterator[tuple[str, str]]:
    for wave in run_found.waves:
        counts = ", ".join(f"{wave.counts[state]} {_WORDS[state]}" for state in STATES if state in wave.counts)
        yield wave.name, counts or "no servers"
        failed = [server.hostname for server in wave.servers if server.state == "failed"]
        if failed:
            yield "", f"failed: {', '.join(failed)}"


def _start_of(chosen: FoundRun, options: Namespace) -> RunStart:
    reason = options.reason
    if chosen.mode == "recovery" and not reason:
        raise UsageError("a recovery needs --reason TEXT: it is shown in the report")
    return RunStart(
        mode=chosen.mode,
        confirm=options.confirm,
        reason=reason or f"continues {chosen.run_id}",
        continue_run=chosen.key,
    )


def _plans(options: Namespace) -> list[RunnablePlan]:
    if bool(options.plan) == options.all:
        raise UsageError("name a plan, or --all")
    if options.all and options.start:
        raise UsageError("--start continues the run of one plan: name it")
    folder = options.plans or plans_folder() or Path("plans")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name one with --plans or DRS_PLANS_FOLDER")
    library = read_folder(folder)
    if options.all:
        return [runnable for _, runnable in sorted(library.plans.items())]
    if options.plan in library.plans:
        return [library.plans[options.plan]]
    if options.plan in library.broken_plans:
        files = library.broken_plans[options.plan]
        raise PlanInvalid([problem for problem in library.problems if problem.path in files])
    hint = nearest(options.plan, library.plans) or "the folder has no plan that is free of problems"
    raise UsageError(f"no plan called {options.plan!r} in {folder} ({hint})")


def _hook(target: Target) -> "DrsHook":
    from drs_provider.hooks.drs import DrsHook

    return DrsHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)


def _as_json(found: Mapping[str, Sequence[FoundRun]]) -> str:
    return json.dumps({plan: [run_found.as_json() for run_found in runs] for plan, runs in found.items()}, indent=2)
