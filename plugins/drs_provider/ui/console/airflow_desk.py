"""What steers runs from inside Airflow's API server: its own REST API, asked with the login of the request."""

import asyncio
import json
from collections.abc import Mapping

import httpx
from fastapi import Request
from pydantic import JsonValue

from drs_provider.airflow_internals.api_server import (
    DagAccessEntity,
    GetUserDep,
    conf,
    requires_access_dag,
    write_to_audit_log,
)
from drs_provider.api.access import Access, RunLine, RunRights
from drs_provider.api.run_desk import Steering
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.ui.console.loopback import Loopback
from drs_provider.ui.console.server_key import SERVER


def airflow_steering(access: Access) -> Steering:
    """Return what the routes that steer runs are built from."""
    return Steering(
        airflow=_client,
        access=access,
        rights=RunRights(
            may_start=requires_access_dag("POST", DagAccessEntity.RUN),
            may_pause=requires_access_dag("PUT"),
            may_order=requires_access_dag("PUT", DagAccessEntity.RUN),
            may_answer=requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL),
            line=_line,
        ),
    )


async def _client(request: Request, user: GetUserDep) -> AirflowClient:
    """Give a client of this very server. Asynchronous: the loop that runs here is the one that serves it."""
    headers = httpx.Headers(request.headers.raw)
    inside = Loopback(request.scope[SERVER], asyncio.get_running_loop(), headers)
    address = (conf.get("api", "base_url", fallback="") or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")
    return AirflowClient(address, Login(user=user.get_name()), inside)


def _line(user: GetUserDep) -> RunLine:
    def write(event: str, dag_id: str, run_id: str | None, extra: Mapping[str, JsonValue]) -> None:
        write_to_audit_log(event, user.get_name(), json.dumps(extra), dag_id=dag_id, run_id=run_id)

    return write
