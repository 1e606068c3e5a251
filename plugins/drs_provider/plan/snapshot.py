"""A plan as a run began with it, kept as text for the time in which nobody can read its own files."""

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from drs_provider.plan.loader import Library, RunnablePlan, read_contents
from drs_provider.plan.problems import Problem

_HEADLINE = "# Kept when a run of this plan began: the run continues with it while the plan's own files have problems."


@dataclass(frozen=True)
class KeptPlan:
    """The plan, and the id of the run that kept it. Its paths are those of the files that it was read from."""

    runnable: RunnablePlan
    run_id: str


def kept_text(runnable: RunnablePlan, folder: Path, *, run_id: str) -> str:
    """Write a plan and its groups as a plan file, with a line of JSON in front that says where they came from.

    ``folder`` is the plans folder. Raises ValueError where reading the text would not give the same plan.
    """
    text = _text(_said(runnable, folder, run_id), definitions_of(runnable))
    if read_kept(text, runnable.plan.name, folder) is None:
        raise ValueError(f"plan {runnable.plan.name}, written down, does not read as the same plan")
    return text


def _text(said: Any, documents: list[Any]) -> str:
    return f"{_HEADLINE}\n# {json.dumps(said)}\n{yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True)}"


def drawn_text(runnable: RunnablePlan, folder: Path) -> str | None:
    """Write a plan and its groups as JSON for its DAG; None: they do not lie in the plans folder, as in a rehearsal.

    Every parse of the DAG file writes all plans, and JSON is a hundred times faster than YAML.

    :param folder: the plans folder
    """
    if not all(path.is_relative_to(folder) for path in (runnable.path, *runnable.group_paths.values())):
        return None
    return json.dumps([_said(runnable, folder, ""), *definitions_of(runnable)], separators=(",", ":"))


def read_drawn(text: str, plan_name: str, folder: Path) -> RunnablePlan | None:
    """Read what a DAG says of its plan; None where the text is anything else. Never raises for what is in it.

    :param folder: the paths of the plan's files are below it, whether there is such a folder or not
    """
    try:
        said, *documents = json.loads(text)
        kept = read_kept(_text(said, documents), plan_name, folder)
    except (ValueError, TypeError, RecursionError):
        return None
    return kept.runnable if kept else None


def definitions_of(runnable: RunnablePlan) -> list[dict[str, Any]]:
    """Give a plan, and after it each of its groups, as their YAML has them, without what is left to defaults."""
    models = [runnable.plan, *runnable.groups.values()]
    return [model.model_dump(mode="json", by_alias=True, exclude_defaults=True) for model in models]


def _said(runnable: RunnablePlan, folder: Path, run_id: str) -> dict[str, Any]:
    """Say where the documents come from: what stands in one line of JSON before them."""
    return {
        "plan": runnable.plan.name,
        "digest": runnable.digest,
        "run": run_id,
        "file": _within(runnable.path, folder),
        "groups": {name: _within(path, folder) for name, path in runnable.group_paths.items()},
    }


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def read_kept(text: str, plan_name: str, folder: Path) -> KeptPlan | None:
    """Read what was kept of a plan; None where the text is anything else. Never raises for what is in it."""
    try:
        said = json.loads(text.split("\n", 2)[1].removeprefix("# "))
        path, run_id, digest = _file(folder, said["file"]), str(said["run"]), said["digest"]
        group_paths = {str(name): _file(folder, file) for name, file in dict(said["groups"]).items()}
        content = text.encode()
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    library = read_contents([(path, content)], is_whole=False)
    found = library.plans.get(plan_name)
    if library.problems or found is None or found.digest != digest or found.groups.keys() != group_paths.keys():
        return None
    return KeptPlan(replace(found, group_paths={name: group_paths[name] for name in found.groups}), run_id)


def _file(folder: Path, written: Any) -> Path:
    file = PurePosixPath(written)
    if file.is_absolute() or ".." in file.parts:
        raise ValueError(f"{written} is not in the plans folder")
    return folder / file


def is_in_need(library: Library, kept: RunnablePlan) -> bool:
    """Tell whether runs of a kept plan can only go on with what was kept.

    So it is where the plan still stands in the folder but has problems, and where its file holds something that may be
    the plan, but nobody can read what. A plan that can be read needs nothing, and one that was taken away is gone.
    """
    name = kept.plan.name
    if name in library.plans or name in library.contested:
        return False
    return name in library.broken_plans or kept.path in library.unnamed


def problems_in_the_way(library: Library, runnable: RunnablePlan) -> tuple[Problem, ...]:
    """Give the problems of the files of a plan that cannot be read any more; none for a plan that can, or is gone."""
    if not is_in_need(library, runnable):
        return ()
    files = {runnable.path, *runnable.group_paths.values(), *library.broken_plans.get(runnable.plan.name, ())}
    return tuple(problem for problem in library.problems if problem.path in files)
