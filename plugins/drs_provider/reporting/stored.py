"""The reports that were written of a plan's runs."""

import logging
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from drs_provider.reporting.naming import JSON_NAME, safe_name
from drs_provider.reporting.result import RunReport
from drs_provider.reporting.writing import run_folder

MOST = 40
"""Reports of one plan that are read, the newest runs first."""

log = logging.getLogger(__name__)


def stored_reports(folder: Any, dag_id: str, most: int = MOST) -> Iterator[RunReport]:
    """Read the newest reports of a DAG; what is no report, or one of a later form, is passed over and logged.

    :param folder: a ``pathlib.Path``, an ``ObjectStoragePath`` or text that names a local folder
    """
    home = run_folder(folder, dag_id, "x").parent
    if not home.exists():
        return
    for path in sorted(home.iterdir(), key=lambda one: _when(one.name), reverse=True)[:most]:
        try:
            report = RunReport.model_validate_json((path / JSON_NAME).read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            log.info("%s is passed over: %s", path, str(error).splitlines()[0])
            continue
        if safe_name(report.run.dag_id) == home.name:
            yield report


def _when(run_id: str) -> str:
    """Return the part of a run id by which runs are in order: the instant behind Airflow's own word for the kind."""
    return run_id.rpartition("__")[2]
