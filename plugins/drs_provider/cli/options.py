"""What the commands have in common: where the plans are, and how to say that a command was used wrongly."""

import argparse
from datetime import timedelta
from pathlib import Path

from drs_provider.exceptions import PlanInvalid, UsageError
from drs_provider.plan.durations import parse_duration
from drs_provider.plan.loader import SUFFIXES, RunnablePlan, read_folder, read_paths
from drs_provider.plan.problems import nearest


def plans_named(plan: str, folder: Path) -> list[RunnablePlan]:
    """Read the plan of this name in the folder, or all plans of this file."""
    return _of_file(Path(plan), folder) if is_file(plan) else [_of_name(plan, folder)]


def length(text: str) -> timedelta:
    """Read a length of time; raises argparse.ArgumentTypeError where it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def is_file(plan: str) -> bool:
    """Tell a file from a name."""
    return plan.endswith(SUFFIXES) or "/" in plan


def _of_file(path: Path, folder: Path) -> list[RunnablePlan]:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    library = read_paths([path], plans_folder=folder)
    if library.problems:
        raise PlanInvalid(library.problems)
    if not library.plans:
        raise UsageError(f"{path}: the file holds no plan, only groups")
    return list(library.plans.values())


def _of_name(name: str, folder: Path) -> RunnablePlan:
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name one with --plans or DRS_PLANS_FOLDER")
    library = read_folder(folder)
    if name in library.plans:
        return library.plans[name]
    if name in library.broken_plans:
        files = library.broken_plans[name]
        raise PlanInvalid([problem for problem in library.problems if problem.path in files])
    hint = nearest(name, library.plans) or "the folder has no plan that is free of problems"
    raise UsageError(f"no plan called {name!r} in {folder} ({hint})")
