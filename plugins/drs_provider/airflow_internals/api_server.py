"""Airflow's API server from inside: its users and their rights, its sessions, and how it takes an answer."""

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf

__all__ = [
    "AccessView",
    "BaseUser",
    "DagAccessEntity",
    "DagDetails",
    "GetUserDep",
    "SessionDep",
    "SimpleAuthManager",
    "UpdateHITLDetailPayload",
    "conf",
    "get_auth_manager",
    "requires_access_dag",
    "update_hitl_detail",
]
