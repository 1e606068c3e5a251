"""Whether a plan is verified, for the plans page; its reports are read again only after another run."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from drs_provider.plan.reading import RunnablePlan
from drs_provider.reporting.result import RunReport
from drs_provider.reporting.stored import stored_reports
from drs_provider.reporting.verification import Verification, verify
from drs_provider.ui.read_model import LastRun


def verified_of(
    runnable: RunnablePlan, reports: Any, newest: Mapping[str, LastRun], now: datetime
) -> Verification | None:
    """Say whether a plan is verified; None: its reports cannot be read, which the page must survive."""
    dag_id = f"drs.{runnable.plan.name}"
    last = newest.get(dag_id)
    try:
        found = _reports(str(reports), dag_id, (last.run_id, last.verdict) if last else None)
    except OSError:
        return None
    return verify(found, digest=runnable.digest, valid_for=runnable.plan.drill.valid_for, now=now)


@lru_cache(maxsize=1000)
def _reports(folder: str, dag_id: str, _newest: tuple[str, str | None] | None) -> tuple[RunReport, ...]:
    if "://" in folder and not folder.startswith("file://"):
        from airflow.sdk import ObjectStoragePath

        return tuple(stored_reports(ObjectStoragePath(folder), dag_id))
    return tuple(stored_reports(folder, dag_id))
