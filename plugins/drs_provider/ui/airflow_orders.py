"""Where orders to a run are kept in Airflow's database: the task state store, in the request's own session."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select

from drs_provider.airflow_internals.api_server import GetUserDep, SessionDep
from drs_provider.airflow_internals.metadata import DagRun, Log, TaskInstance, TaskStateStoreModel

_NOT_MAPPED = -1

ORDERED = "drs_order"
"""Event in Airflow's audit log: who ordered what; its extra is the entry that was kept."""


class AirflowRunStore:
    """The task state store, as a ``RunStore``."""

    def __init__(self, session: Any, user: str) -> None:
        self.session, self.user = session, user

    def tasks(self, dag_id: str, run_id: str) -> frozenset[str]:
        """Return the unmapped tasks of a run; empty: there is no such run."""
        found = self.session.scalars(
            select(TaskInstance.task_id).where(
                TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.map_index == _NOT_MAPPED
            )
        )
        return frozenset(found)

    def get(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return an entry; None: there is none."""
        row = self._row(dag_id, run_id, task_id, key)
        return None if row is None else json.loads(row.value)

    def set(self, dag_id: str, run_id: str, task_id: str, key: str, value: Mapping[str, JsonValue]) -> None:
        """Keep an entry, for good, and tell Airflow's audit log of it."""
        row, text = self._row(dag_id, run_id, task_id, key), json.dumps(value)
        where: dict[str, Any] = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
        if row is not None:
            row.value, row.expires_at, row.updated_at = text, None, datetime.now(UTC)
        else:
            run = self.session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
            self.session.add(TaskStateStoreModel(dag_run_id=run, **where, map_index=_NOT_MAPPED, key=key, value=text))
        self.session.add(Log(ORDERED, owner=self.user, extra=text, map_index=_NOT_MAPPED, **where))
        self.session.flush()

    def _row(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        return self.session.scalar(
            select(TaskStateStoreModel)
            .where(
                TaskStateStoreModel.dag_id == dag_id,
                TaskStateStoreModel.run_id == run_id,
                TaskStateStoreModel.task_id == task_id,
                TaskStateStoreModel.map_index == _NOT_MAPPED,
                TaskStateStoreModel.key == key,
            )
            .with_for_update()
        )


def airflow_store(session: SessionDep, user: GetUserDep) -> AirflowRunStore:
    """Give the store of a request."""
    return AirflowRunStore(session, user.get_name())
