"""Broken plans as import errors of their own file, so that one of them never takes the others along."""

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from drs_provider.airflow_internals.dag_files import add_import_errors
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
    texts = {path: "\n".join(str(problem) for problem in found) for path, found in sorted(by_file.items())}
    if add_import_errors(dag_file, {os.path.relpath(path, dag_file.parent): text for path, text in texts.items()}):
        return
    for path, text in texts.items():
        log.error("plan file %s has problems, its plans cannot run:\n%s", path, text)
