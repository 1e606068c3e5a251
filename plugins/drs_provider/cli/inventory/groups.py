"""``drs groups``: the protection groups, where they are written and what is in them."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from drs_provider.cli.inventory.row_output import add_format, print_rows
from drs_provider.cli.inventory.servers import catalog_in, look_at_inventory
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.services.groups.catalog import GroupCatalog
    from drs_provider.services.inventory.cache import InventoryHook

NAME = "groups"
HELP = "list protection groups; exit code 1 if one has problems or a server in two groups"

COLUMNS: Final = ("name", "file", "line", "plans", "servers", "problems")


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "List the protection groups of the plans folder. With --resolve the accounts and Regions are asked which "
        "servers each group has now, and which are in two groups. Exit codes: 0 fine, 1 problems, 2 wrong use."
    )
    parser.add_argument("--resolve", action="store_true", help="ask which servers each group has now")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
    add_format(parser)


def run(options: Namespace, *, hook_of: "Callable[[Target], InventoryHook] | None" = None) -> int:
    """Read the groups, print, and give the exit code."""
    catalog = catalog_in(options.plans)
    members, conflicts, silent = _resolved(catalog, hook_of) if options.resolve else (_named(catalog), {}, [])
    rows: list[dict[str, JsonValue]] = [
        {
            "name": name,
            "description": str(written.definition.get("description") or ""),
            "file": written.file,
            "line": written.line,
            "plans": list(catalog.plans.get(name, ())),
            "servers": list(members.get(name, ())),
            "problems": [
                *(f"{problem.where}: {problem.what}" for problem in written.problems),
                *conflicts.get(name, ()),
            ],
        }
        for name, written in sorted(catalog.groups.items())
    ]
    print_rows(rows, COLUMNS, options.format)
    for said in silent:
        print(said, file=sys.stderr)
    return 1 if silent or any(row["problems"] for row in rows) else 0


def _named(catalog: "GroupCatalog") -> dict[str, list[str]]:
    return {name: [member.id for member in group.servers] for name, group in catalog.models.items()}


def _resolved(
    catalog: "GroupCatalog", hook_of: "Callable[[Target], InventoryHook] | None"
) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]], list[str]]:
    from drs_provider.cli.inventory.servers import aws_hook
    from drs_provider.services.groups.resolve import resolve

    now = look_at_inventory(catalog, hook_of or aws_hook)
    found = {name: resolve(written.definition, catalog, now) for name, written in catalog.groups.items()}
    silent = [f"{state.place or state.targets[0]}: {state.problem}" for state in now.states if state.problem]
    return (
        {name: list(group.servers) for name, group in found.items()},
        {name: group.conflicts for name, group in found.items()},
        silent,
    )
