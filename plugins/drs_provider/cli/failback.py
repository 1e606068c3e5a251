"""``drs failback``: where the servers of a plan stand on their way there and back, as the cloud says it."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from drs_provider.cli.options import plans_named
from drs_provider.cli.run_output import table
from drs_provider.configuration import plans_folder
from drs_provider.formatting import duration
from drs_provider.rules.failback.progress import WORDS, copied
from drs_provider.rules.failback.state import Stage
from drs_provider.services.failback.plan_status import PlanWayBack, plan_way_back

if TYPE_CHECKING:
    from drs_provider.hooks.failback import FailbackHook
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import FailbackServer
    from drs_provider.services.failback.read import HookOf

NAME = "failback"
HELP = "show where a plan's servers stand on their way back"


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Ask every account and Region of a plan, and the Regions that its servers came from, where each server stands: "
        "protected, recovered, copied back, ready, failed back, protected again. It needs no Airflow that lives, and "
        "changes nothing. Uses the Airflow connections of the groups, from the environment (AIRFLOW_CONN_…) or "
        "Airflow's own database. Exit codes: 0 shown, 1 a server is stuck or a place does not answer, 2 wrong use."
    )
    parser.add_argument("plan", metavar="PLAN")
    parser.add_argument("action", choices=("status",), help="status: the table of all servers")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else ./plans")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(
    options: Namespace,
    *,
    hook_of: "HookOf | None" = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Look, print, and give the exit code."""
    folder = options.plans or plans_folder() or Path("plans")
    found = {
        runnable.plan.name: plan_way_back(runnable, hook_of or _hook, now=now)
        for runnable in plans_named(options.plan, folder)
    }
    if options.format == "json":
        print(json.dumps({plan: _as_json(way_back) for plan, way_back in found.items()}, indent=2))
    else:
        print("\n".join(line for plan, way_back in found.items() for line in in_words(plan, way_back)))
    return 1 if any(map(_is_troubled, found.values())) else 0


def in_words(plan: str, way_back: PlanWayBack) -> Iterator[str]:
    """Yield the lines of a plan: what does not answer, a table for each account and Region, and what to do."""
    count = sum(map(len, way_back.servers.values()))
    yield f"{plan}: {count} server{'s'[: count != 1]}"
    for where, why in way_back.unanswered.items():
        yield f"  {where} does not answer, so where servers stand there is not known: {why}"
    for target, servers in way_back.servers.items():
        yield f"  {target}"
        heads = ("server", "stage", "copy", "lag", "left of the way back")
        yield from table([heads, *(_row(server, way_back) for server in servers)], indent=4)
        for server in servers:
            for said in filter(None, (server.why, server.needs, *server.notes)):
                yield f"    {server.hostname}: {said}"


def _row(server: "FailbackServer", way_back: PlanWayBack) -> tuple[str, ...]:
    name = server.hostname if server.hostname == server.server_id else f"{server.hostname} {server.server_id}"
    stage = WORDS[Stage(server.stage)] + (f": {WORDS[Stage(server.stuck_at)]}" if server.stuck_at else "")
    lag = "" if server.lag_seconds is None else duration(timedelta(seconds=server.lag_seconds))
    return name, stage, copied(server, now=way_back.at), lag, " ".join(server.leftovers)


def _is_troubled(way_back: PlanWayBack) -> bool:
    stuck = any(server.stage == Stage.STUCK for servers in way_back.servers.values() for server in servers)
    return stuck or bool(way_back.unanswered)


def _as_json(way_back: PlanWayBack) -> dict[str, object]:
    return {
        "at": way_back.at.isoformat(),
        "servers": [
            {"aws_conn_id": target.aws_conn_id, "region": target.region, **server.model_dump(mode="json")}
            for target, servers in way_back.servers.items()
            for server in servers
        ],
        "unanswered": dict(way_back.unanswered),
    }


def _hook(aws: "AwsArguments") -> "FailbackHook":
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**aws)
