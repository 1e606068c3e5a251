"""Where reports are written and looked for."""

from collections.abc import Mapping
from pathlib import Path


def reports_location(environ: Mapping[str, str]) -> str:
    """Return ``DRS_REPORTS``, by default ``reports`` in Airflow's home, as an address with a scheme.

    :param environ: ``os.environ``; an address such as ``s3://bucket/reports`` is returned as it is.
    """
    folder = environ.get("DRS_REPORTS") or str(Path(environ.get("AIRFLOW_HOME") or "~/airflow") / "reports")
    return folder if "://" in folder else f"file://{Path(folder).expanduser().absolute()}"
