"""Whether reports can be written to their place, and are seen there, asked before a run needs it."""

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from drs_provider.configuration import reports_are_a_plain_folder, reports_location
from drs_provider.dag.plan_store import in_time
from drs_provider.report.store import local, write_whole
from drs_provider.rules.preflight.report_place import ReportPlace, executors_elsewhere

_IN_A_POD: Final = "AIRFLOW_IS_K8S_EXECUTOR_POD"
"""What Airflow's Kubernetes executor sets in the pod of a task; the Helm chart sets LocalExecutor there."""

_PROBE: Final = ".drs-writable"
_EXTRAS: Final = {"s3": "airflow-provider-drs[s3]", "s3a": "airflow-provider-drs[s3]"}


def look_at_report_place() -> ReportPlace:
    """Say whether a report can be written now, and who else will see it. Never raises.

    An object store keeps the small file that this writes: whoever may write there need not be allowed to delete.
    """
    from airflow.sdk import conf

    place = reports_location()
    try:
        in_time(lambda: _probe(place))
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        return ReportPlace(problem=words_for(place, error))
    executors = executors_elsewhere(str(conf.get("core", "executor", fallback="")))
    if not executors and os.environ.get(_IN_A_POD):
        executors = ("KubernetesExecutor",)
    return ReportPlace(folder=str(local(place)) if reports_are_a_plain_folder() else None, executors=executors)


def words_for(place: str, error: Exception) -> str:
    """Word why nothing can be written to a place, and what to do."""
    scheme = urlsplit(place).scheme
    if isinstance(error, ImportError) or (isinstance(error, ValueError) and "protocol" in str(error).lower()):
        package = _EXTRAS.get(scheme)
        what = f"install {package}" if package else f"install the Airflow provider for {scheme}://"
        return f"{place} needs a package that is not installed: {what} where Airflow's tasks and pages run ({error})"
    return f"nothing can be written to {place}: {str(error) or type(error).__name__}"


def _probe(place: str) -> None:
    folder = _folder(place)
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / _PROBE
    write_whole(probe, "Preflight writes this file to see that reports can be written here.\n")
    if isinstance(probe, Path):
        probe.unlink(missing_ok=True)


def _folder(place: str) -> Any:
    if place.startswith("file://"):
        return local(place)
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(place)
