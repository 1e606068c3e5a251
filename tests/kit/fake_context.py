"""What Airflow gives a task of its run, for operators that run without Airflow."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from kit.fake_drs import MemoryStore


@dataclass
class FakeTaskInstance:
    """A task instance with the names that its documents are signed for.

    :ivar pushed: what the task has left, by key, signed
    :ivar left: what other tasks of its run have left, by task and key
    """

    dag_id: str = "drs.shop"
    run_id: str = "manual__1"
    task_id: str = "t"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    pushed: dict = field(default_factory=dict)
    left: dict = field(default_factory=dict)

    def xcom_push(self, key, value):
        self.pushed[key] = value

    def xcom_pull(self, *, task_ids, key):
        return self.left.get((task_ids, key))


def fake_context(store=None, **names):
    """Return the context of a running task; ``names`` are those of its task instance."""
    ti = FakeTaskInstance(**names)
    return {
        "ti": ti,
        "pushed": ti.pushed,
        "task_state_store": MemoryStore() if store is None else store,
        "dag_run": SimpleNamespace(dag_id=ti.dag_id, run_id=ti.run_id, start_date=datetime.now(UTC), clear_number=0),
    }
