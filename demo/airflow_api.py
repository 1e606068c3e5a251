"""Airflow's REST API, as much of it as the demo asks."""

from collections.abc import Mapping
from typing import Any, cast

import httpx


class AirflowApi:
    """A session of one user with one Airflow.

    :param address: ``http://127.0.0.1:8080``.
    :param timeout: seconds; the first task of an API server holds up all its answers for half a minute where the
        machine is busy (seen at a load of 32).
    :raises httpx.HTTPError: from every method, when Airflow does not answer or answers with an error.
    """

    def __init__(self, address: str, user: str, password: str, timeout: float = 120.0) -> None:
        self.address = address
        self._login = {"username": user, "password": password}
        self._http = httpx.Client(base_url=address, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def log_in(self) -> None:
        """Ask for a token; every later call carries it."""
        answer = self._http.post("/auth/token", json=self._login)
        answer.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @property
    def authorization(self) -> str:
        """The header that every call after :meth:`log_in` carries."""
        return self._http.headers["Authorization"]

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return the JSON object at a path below ``/api/v2``."""
        answer = self._http.get(f"/api/v2{path}", params=query)
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())

    def health(self) -> Mapping[str, str]:
        """Return component → status (``healthy``, ``unhealthy``); empty while nobody answers."""
        try:
            parts = self.get("/monitor/health")
        except httpx.HTTPError:
            return {}
        return {name: part["status"] or "unknown" for name, part in parts.items() if part}

    def knows_dag(self, dag_id: str) -> bool:
        """Say whether a DAG has been parsed and may run."""
        answer = self._http.get(f"/api/v2/dags/{dag_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        answer.raise_for_status()
        return not answer.json()["is_paused"]

    def import_errors(self) -> list[str]:
        """Return what the DAG processor could not read, as ``file: error``."""
        found = self.get("/importErrors", limit=20)["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip()}" for error in found]

    def trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Start a run; return its id."""
        body = {"logical_date": None, "conf": dict(conf)} | ({"dag_run_id": run_id} if run_id else {})
        answer = self._http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run: ``state``, ``start_date``, ``end_date``, ``note`` and more."""
        return self.get(f"/dags/{dag_id}/dagRuns/{run_id}")

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return every task instance of a run, mapped ones too."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100, offset=len(found))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def result(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task left under an XCom key, by default what it returned; None when that is nothing."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self._http.get(path, params={"deserialize": "true"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return a task's log as plain lines."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        lines = self.get(path, map_index=map_index, full_content="true")["content"]
        return "\n".join(str(line.get("event", line)) if isinstance(line, dict) else str(line) for line in lines)
