"""``drs plans``: the recovery plans of the plans folder, and what is written of one."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from drs_provider.cli.inventory.row_output import add_format, print_rows
from drs_provider.cli.inventory.servers import catalog_in
from drs_provider.exceptions import PlanInvalid, UnknownName
from drs_provider.formatting import plural
from drs_provider.plan.problems import nearest
from drs_provider.plan.snapshot import definitions_of
from drs_provider.services.groups.plan_rows import all_plans, holds_text, plan_row

NAME = "plans"
HELP = "list recovery plans, or read one; exit code 1 if files have problems"

COLUMNS: Final = ("name", "title", "owner", "file", "waves", "groups", "rto_seconds", "rpo_seconds", "disputes")


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "List the recovery plans of the plans folder, or read one: as JSON with its definition and those of its "
        "groups. Checks of files: drs validate. Drawings: drs graph. Exit codes: 0 fine, 1 files have problems, or "
        "no run of the plan can begin, 2 wrong use."
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="default: all plans")
    parser.add_argument("--search", default="", metavar="TEXT", help="only plans with this text")
    parser.add_argument("--group", metavar="NAME", help="only plans that use this protection group")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
    add_format(parser)


def run(options: Namespace) -> int:
    """Read the plans, print, and give the exit code."""
    catalog = catalog_in(options.plans)
    library = catalog.library
    found = all_plans(library)
    if options.plan is not None:
        if options.plan in library.broken_plans and options.plan not in found:
            files = library.broken_plans[options.plan]
            raise PlanInvalid([problem for problem in library.problems if problem.path in files])
        if options.plan not in found:
            hint = nearest(options.plan, found) or "it has none that is free of problems"
            raise UnknownName(f"no plan called {options.plan!r} in {catalog.folder} ({hint})")
        row = plan_row(found[options.plan], catalog)
        if options.format == "json":
            definition, *groups = definitions_of(found[options.plan])
            by_name = {str(group["name"]): group for group in groups}
            print(json.dumps({**row, "definition": definition, "group_definitions": by_name}, indent=2))
        else:
            print_rows([row], COLUMNS, options.format)
        return 0 if row["is_startable"] else 1
    rows = [
        plan_row(runnable, catalog)
        for runnable in found.values()
        if holds_text(runnable, options.search) and (options.group is None or options.group in runnable.groups)
    ]
    print_rows(rows, COLUMNS, options.format)
    if broken := {problem.path for problem in library.problems}:
        print(f"{plural(len(broken), 'file')} with problems: drs validate {catalog.folder}", file=sys.stderr)
    return 1 if broken else 0
