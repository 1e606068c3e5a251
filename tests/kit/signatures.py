"""Documents that tests leave in the place of a task, signed as that task would sign them."""

from collections.abc import Mapping

from drs_provider.rules.run.handover import Document
from drs_provider.rules.run.handover.document import StoredIn
from drs_provider.rules.run.handover.signature import SIGNATURE, Origin
from drs_provider.services.signed import RunningTask, keys, origin
from pydantic import JsonValue


def signed(
    document: Document | Mapping[str, JsonValue],
    *place: str,
    key: str | None = None,
    map_index: int = -1,
    stored_in: StoredIn = "xcom",
) -> dict[str, JsonValue]:
    """Return a document's JSON as the task at a place would leave it.

    :param place: DAG, run and task
    :param key: the document's own, if it is not said
    """
    body = document.to_json() if isinstance(document, Document) else document
    if key is None:
        if not isinstance(document, Document):
            raise TypeError("a mapping does not say under which key it lies")
        key = document.KEY
    dag_id, run_id, task_id = place
    return keys().seal(body, Origin(dag_id, run_id, task_id, key, map_index, stored_in))


def signed_xcoms(left: Mapping[tuple[str, str], object], dag_id: str, run_id: str) -> dict[tuple[str, str], object]:
    """Sign what lies in a run's XComs, by task and key; whatever is no mapping cannot be signed and stays."""
    return {
        (task, key): signed(value, dag_id, run_id, task, key=key) if isinstance(value, Document | Mapping) else value
        for (task, key), value in left.items()
    }


def unsigned(value: object) -> object:
    """Return a document's JSON without its signature, to compare what it says."""
    return {key: held for key, held in value.items() if key != SIGNATURE} if isinstance(value, Mapping) else value


def remembered(document: Document | Mapping[str, JsonValue], ti: RunningTask, key: str | None = None) -> object:
    """Return a document's JSON as a task itself would keep it in its task state store."""
    mine = origin(ti, "")
    return signed(
        document,
        mine.dag_id,
        mine.run_id,
        mine.task_id,
        key=key,
        map_index=mine.map_index,
        stored_in="task_state_store",
    )
