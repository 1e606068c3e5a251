"""Airflow's API server from inside: its users and their rights, its sessions, and how it takes an answer."""

import logging
from collections.abc import MutableMapping
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.api_fastapi.core_api.security import GetUserDep, bearer_scheme, get_user, requires_access_dag
from airflow.configuration import conf
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

__all__ = [
    "AccessView",
    "BaseUser",
    "DagAccessEntity",
    "DagDetails",
    "GetUserDep",
    "SessionDep",
    "SimpleAuthManager",
    "UpdateHITLDetailPayload",
    "add_to_audit_log",
    "conf",
    "get_auth_manager",
    "requires_access_dag",
    "update_hitl_detail",
    "user_of",
    "write_to_audit_log",
]

_log = logging.getLogger(__name__)


async def user_of(scope: MutableMapping[str, Any]) -> str | None:
    """Return the name of who sends a request, as Airflow's own routes find it; None: nobody who is signed in.

    :param scope: the request's ASGI scope
    """
    request = Request(scope)
    try:
        user = await get_user(request, None, await bearer_scheme(request))
        return user.get_name()
    except HTTPException:
        return None
    except Exception:  # noqa: BLE001  (whatever an auth manager raises: the request itself is not refused for it)
        _log.exception("Airflow's auth manager does not say who sends this request: it counts as nobody's")
        return None


async def add_to_audit_log(
    event: str, user: str, extra: str, *, dag_id: str | None, run_id: str | None, task_id: str | None
) -> None:
    """Write a line into Airflow's audit log, in a transaction of its own.

    :param extra: what else there is to say, as JSON
    """
    await run_in_threadpool(write_to_audit_log, event, user, extra, dag_id=dag_id, run_id=run_id, task_id=task_id)


def write_to_audit_log(
    event: str,
    user: str,
    extra: str,
    *,
    dag_id: str | None = None,
    run_id: str | None = None,
    task_id: str | None = None,
) -> None:
    """Write a line into Airflow's audit log; it is there, whatever becomes of the request, when this returns."""
    from drs_provider.airflow_internals.metadata import Log

    with create_session() as session:
        session.add(Log(event, owner=user, extra=extra, dag_id=dag_id, run_id=run_id, task_id=task_id))
