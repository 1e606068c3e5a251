"""Broken plans as import errors of their own file, so that one of them never takes the others along."""

import inspect
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drs_provider.plan.problems import Problem

log = logging.getLogger(__name__)


def report_problems(problems: Sequence[Problem], dag_file: Path) -> None:
    """Hand the problems of each plan file to the Airflow importer that is executing ``dag_file``.

    An exception would make one import error out of all plans, and take every DAG of the factory away. Airflow's
    importer collects errors by file name, so each broken file gets an error of its own there. Outside an import (a
    plain ``python dags/recovery_plans.py``) the problems go to the log.
    """
    by_file: dict[Path, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_file[Path(problem.path)].append(problem)
    errors = _importer_errors()
    for path, found in sorted(by_file.items()):
        text = "\n".join(str(problem) for problem in found)
        if errors is None:
            log.error("plan file %s has problems, its plans cannot run:\n%s", path, text)
        else:
            errors.append(_import_error(os.path.relpath(path, dag_file.parent), text))


def _importer_errors() -> list[Any] | None:
    """The error list of the ``DagImportResult`` that is being filled, if this code runs inside an import.

    Airflow passes no handle into a DAG file; the importer's frame is the only way to it.
    """
    frame = inspect.currentframe()
    while frame is not None:
        result: Any = frame.f_locals.get("result")
        if type(result).__name__ == "DagImportResult":
            errors: list[Any] = result.errors
            return errors
        frame = frame.f_back
    return None


def _import_error(file_path: str, message: str) -> Any:
    from airflow.dag_processing.importers.base import DagImportError

    return DagImportError(file_path=file_path, message=message, error_type="plan")
