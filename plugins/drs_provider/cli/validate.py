"""``drs validate``: check plan files and say everything that is wrong with them."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from drs_provider.cli.inventory.row_output import print_rows
from drs_provider.configuration import plans_folder
from drs_provider.exceptions import UsageError
from drs_provider.plan.loader import Library, plan_files, read_paths
from drs_provider.plan.problems import Problem

NAME = "validate"
HELP = "check plan files; exit code 0 fine, 1 problems, 2 wrong use"

COLUMNS: Final = ("path", "line", "column", "where", "what", "hint")


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Check files and folders of plans and groups. Groups that a plan uses are looked for in the plans folder: "
        "DRS_PLANS_FOLDER where the file is inside it, else the nearest folder called plans that holds the file, "
        "else the file's own folder."
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a plan file, or a folder of them")
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text", help="default: text")


def run(options: Namespace) -> int:
    """Check, print, and give the exit code."""
    for path in options.paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        if path.is_dir() and not plan_files(path):
            raise UsageError(f"{path}: the folder holds no .yaml or .yml file")
    library = read_paths(options.paths, plans_folder=plans_folder())
    if options.format == "csv":
        print_rows([_problem(problem) for problem in library.problems], COLUMNS, "csv")
    else:
        print(_as_json(library) if options.format == "json" else _as_text(library))
    return 1 if library.problems else 0


def _as_text(library: Library) -> str:
    if library.problems:
        files = len({problem.path for problem in library.problems})
        lines = [str(problem) for problem in library.problems]
        print(f"{_count(len(lines), 'problem')} in {_count(files, 'file')}", file=sys.stderr)
        return "\n".join(lines)
    return f"{_count(len(library.plans), 'plan')}, no problem"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s'[: number != 1]}"


def _as_json(library: Library) -> str:
    plans = {name: plan.digest for name, plan in library.plans.items()}
    problems = [_problem(problem) for problem in library.problems]
    return json.dumps({"valid": not problems, "plans": plans, "problems": problems}, indent=2)


def _problem(problem: Problem) -> dict[str, JsonValue]:
    return {
        "path": str(problem.path),
        "line": problem.line,
        "column": problem.column,
        "where": problem.where,
        "what": problem.what,
        "hint": problem.hint,
    }
