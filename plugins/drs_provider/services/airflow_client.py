"""Airflow's REST API as ``services.airflow_api.AirflowApi``, with every refusal in words."""

import base64
import binascii
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import quote

from pydantic import JsonValue

from drs_provider.rules.run.handover import RunOrder
from drs_provider.rules.run.names import is_plan_dag
from drs_provider.rules.run.run_view import PendingQuestion
from drs_provider.rules.run.state import TaskSnapshot, tasks_from_instances
from drs_provider.rules.run.state.snapshot import read_instant
from drs_provider.services.airflow_api import (
    AirflowError,
    AirflowUnreachable,
    AlreadySo,
    DagRunRecord,
    LoginRefused,
    NotAllowed,
    NotThere,
    OrderToRun,
    PlanDagRecord,
)

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 30.0
_PAGE = 100
_NOT_MAPPED = -1

READ, TRIGGER, PAUSE = "read the plan's runs", "start runs of the plan", "pause and resume the plan"
MARK, CLEAR, ANSWER, NOTE = "mark tasks", "clear tasks", "answer questions of a run", "write a run's note"
ORDER = "give orders to a run"
RIGHTS: Mapping[str, str] = {
    READ: "GET on the DAG, its runs, tasks and XComs",
    TRIGGER: "POST on DAG runs (can_create on DAG Runs)",
    PAUSE: "PUT on the DAG (can_edit on the DAG)",
    ORDER: "PUT on DAG runs (can_edit on DAG Runs)",
    MARK: "PUT on task instances (can_edit on Task Instances)",
    CLEAR: "PUT on task instances (can_edit on Task Instances)",
    ANSWER: "PUT on human-in-the-loop details (can_edit on HITL Detail), and to be among the approvers",
    NOTE: "PUT on DAG runs (can_edit on DAG Runs)",
}
"""What the user must be allowed to do for each thing that is asked for."""


class NotAirflow(AirflowError):
    """Somebody answered, who is not Airflow 3's API."""


Body = dict[str, Any]
"""A JSON object of Airflow's REST API."""


@dataclass(frozen=True)
class Login:
    """How to log in: a token, or user and password."""

    user: str | None = None
    password: str | None = None
    token: str | None = None


class AirflowClient:
    """A session of one user with one Airflow. Every method raises ``AirflowError`` with what to do next.

    :param address: Airflow's base URL, ``https://airflow.example.org/prefix``
    :param transport: how requests travel; tests give their own
    """

    def __init__(self, address: str, login: Login, transport: "httpx.BaseTransport | None" = None) -> None:
        import httpx

        self.address = address.rstrip("/")
        self._login = login
        self._answered_at: datetime | None = None
        self._http = httpx.Client(timeout=_TIMEOUT_SECONDS, transport=transport)
        if login.token:
            self._http.headers["Authorization"] = f"Bearer {login.token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def user(self) -> str | None:
        """The name of the user, as far as it is known: the one given, or the subject of the token."""
        return self._login.user or subject(self._login.token or "")

    def log_in(self) -> None:
        """Ask for a token, unless there is one; every later call carries it."""
        if self._login.token:
            return
        body = {"username": self._login.user, "password": self._login.password}
        answer = self._send("POST", "/auth/token", what="log in", json=body)
        if answer.status_code in (401, 403):
            raise LoginRefused(
                f"{self.address} refused the login of {self._login.user!r}: check --user and --password, or "
                "DRS_AIRFLOW_USER and DRS_AIRFLOW_PASSWORD"
            )
        if answer.status_code in (404, 405, 422):
            self._not_airflow(f"POST /auth/token was answered with {answer.status_code}")
        token = self._json(answer, "log in").get("access_token")
        if not token:
            self._not_airflow("POST /auth/token gave no token")
        self._http.headers["Authorization"] = f"Bearer {token}"

    def dag(self, dag_id: str) -> PlanDagRecord:
        """Return a DAG with its params and whether it is paused."""
        return _dag(self._get(f"/dags/{_part(dag_id)}/details"))

    def plan_dags(self) -> list[PlanDagRecord]:
        """Return the DAGs of all plans, by name; without the defaults of their trigger forms."""
        found = [_dag(body) for body in self._pages("/dags", "dags", tags="drs")]
        return sorted((dag for dag in found if is_plan_dag(dag.dag_id)), key=lambda dag: dag.dag_id)

    def upstream(self, dag_id: str) -> dict[str, set[str]]:
        """Return every task of a DAG with the tasks that it waits for directly."""
        tasks = self._get(f"/dags/{_part(dag_id)}/tasks")["tasks"]
        above: dict[str, set[str]] = {str(task["task_id"]): set() for task in tasks}
        for task in tasks:
            for below in task["downstream_task_ids"]:
                above.setdefault(str(below), set()).add(str(task["task_id"]))
        return above

    def runs(self, dag_id: str, limit: int) -> list[DagRunRecord]:
        """Return a DAG's newest runs, the newest first; ``~`` is every DAG that the user may read."""
        answer = self._get(f"/dags/{_part(dag_id)}/dagRuns", limit=limit, order_by="-run_after")
        return [_run(body) for body in answer["dag_runs"]]

    def run(self, dag_id: str, run_id: str) -> DagRunRecord:
        """Return a run."""
        return _run(self._get(_run_path(dag_id, run_id)))

    def tasks(self, dag_id: str, run_id: str) -> dict[str, TaskSnapshot]:
        """Return how far the tasks of a run are, mapped ones left aside."""
        return tasks_from_instances(self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances"))

    def xcom_keys(self, dag_id: str, run_id: str) -> set[tuple[str, str]]:
        """Return under which keys which tasks left something; nothing if this user may not see it."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/~/xcomEntries"
        try:
            entries = list(self._pages(path, "xcom_entries", map_index=_NOT_MAPPED))
        except (NotThere, NotAllowed):
            return set()
        return {(str(entry["task_id"]), str(entry["key"])) for entry in entries}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return what a task left under a key; None when that is nothing, or not for this user to see.

        The plugin is asked, not Airflow's own API: it reads through the XCom backend, and knows what was edited.
        """
        path = f"/drs/runs/{_part(dag_id)}/{_part(run_id)}/left/{_part(task_id)}/{key}"
        try:
            return self._json(self._send("GET", path, what=READ), READ).get("value")
        except (NotThere, NotAllowed):
            return None

    def stored(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return what stands in the state store of a task; None when that is nothing, or not for this user to see."""
        if key != RunOrder.KEY:
            return self.xcom(dag_id, run_id, task_id, key)
        return self._seen(f"{_run_path(dag_id, run_id)}/taskInstances/{_part(task_id)}/state-store/{key}")

    def questions(self, dag_id: str, run_id: str) -> list[PendingQuestion]:
        """Return what a run asks people and nobody has answered."""
        return _pending(self._pages(f"{_run_path(dag_id, run_id)}/hitlDetails", "hitl_details"))

    def trigger(self, dag_id: str, conf: Mapping[str, JsonValue], note: str | None) -> DagRunRecord:
        """Start a run, with a logical date as the trigger form gives it; return it.

        Only in runs with one does Airflow tell a task which try of another is the newest.
        """
        body: dict[str, JsonValue] = {"logical_date": self._present(), "conf": dict(conf), "note": note}
        return _run(self._change("POST", f"/dags/{_part(dag_id)}/dagRuns", TRIGGER, body))

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or resume a DAG."""
        self._change("PATCH", f"/dags/{_part(dag_id)}", PAUSE, {"is_paused": paused})

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task that is not mapped as ``failed`` or ``skipped``."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_part(task_id)}"
        self._change("PATCH", path, MARK, {"new_state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> list[str]:
        """Clear tasks with everything downstream; return the ids of all that were cleared."""
        body: dict[str, JsonValue] = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": True,
            "prevent_running_task": True,
        }
        answer = self._change("POST", f"/dags/{_part(dag_id)}/clearTaskInstances", CLEAR, body)
        return sorted({str(instance["task_id"]) for instance in answer["task_instances"]})

    def order(self, dag_id: str, run_id: str, order: OrderToRun) -> str:
        """Give an order to tasks of a run, in this user's name; return it in words."""
        body = {**asdict(order), "tasks": list(order.tasks)}
        return str(
            self._json(self._send("POST", _orders_path(dag_id, run_id), what=ORDER, json=body), ORDER)["message"]
        )

    def give_back(self, dag_id: str, run_id: str, orders: Mapping[str, Mapping[str, JsonValue]]) -> None:
        """Put back what ``stored`` gave of the orders of tasks, by task."""
        self._json(self._send("PUT", _orders_path(dag_id, run_id), what=ORDER, json={"entries": orders}), ORDER)

    def write_note(self, dag_id: str, run_id: str, note: str) -> None:
        """Replace a run's note."""
        self._change("PATCH", _run_path(dag_id, run_id), NOTE, {"note": note})

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task: tuple[str, int],
        options: Sequence[str],
        params: Mapping[str, JsonValue],
    ) -> None:
        """Answer what a task, by id and map index, asks."""
        task_id, map_index = task
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_part(task_id)}/{map_index}/hitlDetails"
        self._change("PATCH", path, ANSWER, {"chosen_options": list(options), "params_input": dict(params)})

    def _present(self) -> str | None:
        """Return an instant just past by Airflow's clock; None: its answers have no date.

        A date that is still to come, as a fast clock of this machine gives, would have every task wait for it; and two
        runs of a DAG never have the same.
        """
        if self._answered_at is None:
            return None
        fraction = timedelta(microseconds=secrets.randbelow(1_000_000))
        return (self._answered_at - fraction).isoformat()

    def _pages(self, path: str, name: str, **query: Any) -> Iterator[Body]:
        seen = 0
        while True:
            page = self._get(path, limit=_PAGE, offset=seen, **query)
            yield from page[name]
            seen += len(page[name])
            if not page[name] or seen >= page["total_entries"]:
                return

    def _seen(self, path: str, **query: str) -> object:
        try:
            return self._get(path, **query)["value"]
        except (NotThere, NotAllowed):
            return None

    def _get(self, path: str, **query: Any) -> Body:
        return self._json(self._send("GET", f"/api/v2{path}", what=READ, params=query), READ)

    def _change(self, method: str, path: str, what: str, body: Mapping[str, JsonValue]) -> Body:
        return self._json(self._send(method, f"/api/v2{path}", what=what, json=dict(body)), what)

    def _send(self, method: str, path: str, *, what: str, **request: Any) -> "httpx.Response":
        import httpx

        try:
            answer = self._http.request(method, self.address + path, **request)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise NotAirflow(f"{self.address!r} is no address of an Airflow: write http://host:port") from error
        except httpx.TimeoutException as error:
            unknown = "" if method == "GET" else f". Whether Airflow did it ({what}) is not known: look at the status"
            raise AirflowUnreachable(
                f"{self.address} did not answer within {_TIMEOUT_SECONDS:.0f} s{unknown}"
            ) from error
        except httpx.TransportError as error:
            raise AirflowUnreachable(
                f"no answer from {self.address}: {error or type(error).__name__}. Is Airflow up, and is this its "
                "address? Running DRS jobs continue without it"
            ) from error
        with suppress(ValueError):  # no date, or none that can be read
            self._answered_at = parsedate_to_datetime(answer.headers.get("Date", "")).astimezone(UTC)
        return answer

    def _json(self, answer: "httpx.Response", what: str) -> Body:
        try:
            body = answer.json() if answer.content else {}
        except ValueError:
            body = None
        if answer.is_success and isinstance(body, dict):
            return body
        detail = _detail(body)
        match answer.status_code:
            case 401:
                raise LoginRefused(
                    f"{self.address} does not accept the token: it is wrong or has expired; ask for a new one, or log "
                    "in again"
                )
            case 403:
                more = f" Airflow says: {detail}" if detail and detail != "Forbidden" else ""
                who = f"user {self.user}" if self.user else "the user of this token"
                raise NotAllowed(f"{who} may not {what}: it takes {RIGHTS[what]}.{more}")
            case 404 if isinstance(body, dict):
                raise NotThere(detail or "not found")
            case 409:
                raise AlreadySo(f"Airflow refused to {what}: {detail}")
        if body is None and not answer.is_server_error:
            self._not_airflow(f"{answer.request.method} {answer.request.url.path} was answered with no JSON")
        said = f"Airflow answered {answer.status_code} when asked to {what}: {detail or 'no reason given'}"
        raise AirflowUnreachable(said) if answer.is_server_error else AirflowError(said)

    def _not_airflow(self, why: str) -> NoReturn:
        raise NotAirflow(
            f"{self.address} does not speak Airflow 3's API ({why}): check the address; it is that "
            "of Airflow's pages, with its path prefix and without /api/v2"
        )


def subject(token: str) -> str | None:
    """Read whom a JWT was given to, without checking it: Airflow does that."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  (header, payload, signature)
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return str(payload["sub"]) if isinstance(payload, dict) and payload.get("sub") else None


def _part(name: str) -> str:
    """Write a name as one part of a path.

    :raises NotThere: it is none: ``.`` and ``..`` lead to other addresses, however they are written
    """
    if name in {"", ".", ".."}:
        raise NotThere(f"nothing is called {name!r}")
    return quote(name, safe="")


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}"


def _orders_path(dag_id: str, run_id: str) -> str:
    return f"/drs/runs/{_part(dag_id)}/{_part(run_id)}/orders"


def _dag(body: Body) -> PlanDagRecord:
    defaults = {name: param.get("value") for name, param in (body.get("params") or {}).items()}
    return PlanDagRecord(
        dag_id=str(body["dag_id"]),
        is_paused=bool(body.get("is_paused")),
        mode=defaults.get("mode"),
        waves=tuple(defaults.get("waves") or ()),
    )


def _run(body: Body) -> DagRunRecord:
    return DagRunRecord(
        dag_id=str(body["dag_id"]),
        run_id=str(body["dag_run_id"]),
        state=str(body["state"]),
        conf=body.get("conf") or {},
        triggered_by=body.get("triggering_user_name"),
        asked_for_at=read_instant(body.get("run_after")),
        started_at=read_instant(body.get("start_date")),
        ended_at=read_instant(body.get("end_date")),
        note=body.get("note"),
    )


def _pending(details: Iterable[Body]) -> list[PendingQuestion]:
    return [
        PendingQuestion(
            task=str(detail["task_instance"]["task_id"]),
            subject=str(detail["subject"]),
            options=tuple(detail["options"]),
            asked_at=datetime.fromisoformat(detail["created_at"]),
            asked=tuple(user["name"] or user["id"] for user in detail.get("assigned_users") or ()),
            map_index=int(detail["task_instance"]["map_index"]),
            params={name: param["value"] for name, param in (detail.get("params") or {}).items()},
        )
        for detail in details
        if not detail["response_received"] and detail["task_instance"]["state"] in ("awaiting_input", "deferred")
    ]


def _detail(body: object) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, list):
        return "; ".join(str(part.get("msg", part)) if isinstance(part, dict) else str(part) for part in detail)
    return str(detail) if detail else ""
