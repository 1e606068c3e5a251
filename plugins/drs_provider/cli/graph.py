"""``drs graph``: draw a plan, with what its waves will take."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from drs_provider.cli.options import UsageError, plans_folder
from drs_provider.errors import PlanInvalid
from drs_provider.graph.drawing import draw_mermaid, draw_text
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.plan.problems import nearest
from drs_provider.plan.reading import SUFFIXES, RunnablePlan, read_folder, read_paths

NAME = "graph"
HELP = "draw a plan: which wave waits for which, and the critical path"

_DRAW: Mapping[str, Callable[[RecoveryPlan, Mapping[str, ProtectionGroup]], str]] = {
    "text": draw_text,
    "mermaid": draw_mermaid,
}


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Draw a plan. Durations are estimates: 535 s for a DRS recovery job, as measured in a real drill, plus the "
        "wave's delay; steps and pauses are not counted."
    )
    parser.add_argument("plan", metavar="PLAN", help="a plan's name, or a plan file")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else ./plans")
    parser.add_argument("--format", choices=tuple(_DRAW), default="text", help="default: text")


def run(options: Namespace) -> int:
    """Draw the plan, or all plans of the file."""
    folder = options.plans or plans_folder() or Path("plans")
    plans = _of_file(Path(options.plan), folder) if _is_file(options.plan) else [_of_name(options.plan, folder)]
    print("\n".join(_DRAW[options.format](plan.plan, plan.groups) for plan in plans), end="")
    return 0


def _is_file(plan: str) -> bool:
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
