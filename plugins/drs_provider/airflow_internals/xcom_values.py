"""The values behind the rows of Airflow's XCom table, read as a task reads them: through the configured backend.

Airflow's own API hands out what stands in the table, which for a backend such as object storage is where the value is.
For the API server and the scheduler, which may read the table; a task has its own ways.
"""

import logging
from functools import cache
from types import SimpleNamespace
from typing import Any

log = logging.getLogger(__name__)


def value_of(row: Any) -> object:
    """Return the value of a row of the XCom table; where its backend cannot give it, what stands in the row."""
    from drs_provider.airflow_internals.metadata import XComModel

    stored: object = XComModel.deserialize_value(row)
    backend = _custom_backend()
    if backend is None:
        return stored
    entry = SimpleNamespace(
        key=row.key,
        value=stored,
        dag_id=row.dag_id,
        run_id=row.run_id,
        task_id=row.task_id,
        map_index=row.map_index,
    )
    try:
        value: object = backend.deserialize_value(entry)
    except Exception as error:  # noqa: BLE001  (a backend of anybody's: a page without one value is better than none)
        log.warning(
            "XCom %s of %s in %s: the XCom backend did not give it: %s", row.key, row.task_id, row.run_id, error
        )
        return stored
    return value


@cache
def _custom_backend() -> Any:
    """Return the configured backend; None: values stand in the table."""
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom

    return None if XCom is BaseXCom else XCom
