"""Whether reports can be written to their place, asked before a run needs it."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from drs_provider.configuration import reports_location
from drs_provider.dag.plan_store import in_time
from drs_provider.report.store import local, write_whole

_PROBE: Final = ".drs-writable"
_EXTRAS: Final = {"s3": "airflow-provider-drs[s3]", "s3a": "airflow-provider-drs[s3]"}


def why_not_writable() -> str | None:
    """Say why no report can be written now; None: one can. Never raises.

    An object store keeps the small file that this writes: whoever may write there need not be allowed to delete.
    """
    place = reports_location()
    try:
        in_time(lambda: _probe(place))
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        return words_for(place, error)
    return None


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
