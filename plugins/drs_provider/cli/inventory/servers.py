"""``drs servers``: the source servers of all accounts and Regions that the groups name, and which want attention."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from drs_provider.cli.inventory.row_output import add_format, print_rows
from drs_provider.configuration import inventory_accounts, plans_folder, reports_location
from drs_provider.exceptions import UsageError
from drs_provider.rules.inventory.past_launches import PastLaunches
from drs_provider.rules.inventory.views import NOTHING_KNOWN, VIEWS, InventoryRow
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.services.groups.catalog import GroupCatalog
    from drs_provider.services.groups.survey import InventorySurvey
    from drs_provider.services.inventory.cache import InventoryHook

NAME = "servers"
HELP = "list source servers of all accounts and Regions; exit code 1 if one of these does not answer"

MOST_SECONDS: Final = 120.0
"""How long all accounts and Regions have to answer."""

COLUMNS: Final = (
    "hostname",
    "server_id",
    "account",
    "region",
    "state",
    "lag_seconds",
    "backlog_bytes",
    "groups",
    "plans",
    "problems",
)


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "List the source servers of every account and Region that the groups and DRS_INVENTORY name, with where they "
        "belong. Uses the Airflow connections of the groups, from the environment (AIRFLOW_CONN_…) or a secrets "
        "backend. Exit codes: 0 everything has answered, 1 something has not, 2 wrong use."
    )
    parser.add_argument("--view", choices=tuple(VIEWS), default="all", help="which servers; default: all")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
    add_format(parser)


def run(options: Namespace, *, hook_of: "Callable[[Target], InventoryHook] | None" = None) -> int:
    """Ask everywhere, print, and give the exit code."""
    catalog = catalog_in(options.plans)
    past = past_launches() if options.view == "never-drilled" else NOTHING_KNOWN
    now = look_at_inventory(catalog, hook_of or aws_hook, past)
    rows = [row for row in now.rows if VIEWS[options.view](row)]
    rows.sort(key=lambda row: (row.server.hostname.lower(), row.server.server_id))
    print_rows([row_as_json(row) for row in rows], COLUMNS, options.format)
    silent = [state for state in now.states if state.problem]
    for state in silent:
        print(f"{state.place or state.targets[0]}: {state.problem}", file=sys.stderr)
    if past.problem:
        print(f"drills may be missing: {past.problem}", file=sys.stderr)
    return 1 if silent else 0


def catalog_in(folder: Path | None) -> "GroupCatalog":
    """Read the groups of the plans folder that is named, or configured."""
    from drs_provider.services.groups.catalog import read_catalog

    folder = folder or plans_folder() or Path("plans")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the plans with --plans")
    return read_catalog(folder)


def past_launches() -> PastLaunches:
    """Read from the reports in ``DRS_REPORTS`` which servers were launched."""
    from airflow.sdk import ObjectStoragePath

    from drs_provider.services.history.index import HistoryIndex

    index = HistoryIndex(lambda: ObjectStoragePath(reports_location()))
    index.launches()
    index.wait(MOST_SECONDS)
    return index.launches()


def look_at_inventory(
    catalog: "GroupCatalog", hook_of: "Callable[[Target], InventoryHook]", past: PastLaunches = NOTHING_KNOWN
) -> "InventorySurvey":
    """Ask every account and Region now.

    :param past: what the reports of past runs say of servers
    """
    from drs_provider.services.groups.survey import survey, targets_of_inventory
    from drs_provider.services.inventory.cache import Inventory

    targets = targets_of_inventory(catalog, inventory_accounts())
    if not targets:
        raise UsageError(f"{catalog.folder}: no group there names an account and Region")
    inventory = Inventory(hook_of, lambda: datetime.now(UTC))
    return survey(inventory.look(targets, wait=MOST_SECONDS), catalog, past)


def row_as_json(row: InventoryRow) -> dict[str, JsonValue]:
    """Return a row with the keys that the REST API has too."""
    server, launch, instance = row.server, row.server.last_launch, row.server.instance
    return {
        "server_id": server.server_id,
        "hostname": server.hostname,
        "account": server.place.account,
        "region": server.place.region,
        "state": server.state,
        "direction": server.direction,
        "lag_seconds": server.lag_seconds,
        "backlog_bytes": server.backlog_bytes,
        "trouble": server.trouble,
        "agent_version": server.agent_version,
        "last_seen": _written(server.last_seen),
        "source_account": server.source_account,
        "source_region": server.source_region,
        "tags": dict(server.tags),
        "groups": list(row.groups),
        "plans": list(row.plans),
        "objective_seconds": None if row.objective is None else row.objective.total_seconds(),
        "problems": list(row.problems),
        "last_launch": None
        if launch is None
        else {"kind": launch.kind, "status": launch.status, "job_id": launch.job_id, "at": _written(launch.at)},
        "instance": None if instance is None else asdict(instance),
        "drilled_at": _written(row.drilled_at),
        "recovered_at": _written(row.recovered_at),
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def aws_hook(target: Target) -> "InventoryHook":
    """Return a hook for an account and Region."""
    from drs_provider.hooks.drs import DrsHook

    return DrsHook(aws_conn_id=target.aws_conn_id or None, region_name=target.region or None)
