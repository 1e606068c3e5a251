"""What the console and its API ask of the Airflow that serves them: rights, plans and the audit log."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, HTTPException

from drs_provider import configuration
from drs_provider.airflow_internals.api_server import (
    BaseUser,
    DagDetails,
    GetUserDep,
    SessionDep,
    get_auth_manager,
    write_to_audit_log,
)
from drs_provider.api.access import ConsoleAccess
from drs_provider.api.sources import ApiSources
from drs_provider.plan.loader import Library
from drs_provider.rules.run.roster import Target
from drs_provider.services.groups.save import AuditRecord
from drs_provider.services.groups.survey import EVERY_DAG
from drs_provider.services.history.index import HistoryIndex
from drs_provider.services.inventory.cache import Inventory
from drs_provider.ui.read_model import Runs

if TYPE_CHECKING:
    from drs_provider.hooks.console import ConsoleHook


def console_sources(
    runs_of: Callable[[SessionDep], Runs],
    readable_dags: Callable[..., set[str]],
    plans_folder: Callable[[], Path],
    history: HistoryIndex,
) -> ApiSources:
    """Return what the API is built from in an API server.

    :param history: what has read the reports of all runs
    """

    def drawn(session: SessionDep) -> Callable[[Path], Library]:
        return runs_of(session).plans

    def readable(user: GetUserDep, dags: Annotated[set[str], Depends(readable_dags)]) -> set[str]:
        return {*dags, *_every_dag("GET", user)}

    return ApiSources(
        access=ConsoleAccess(
            may_read=_may_read,
            may_edit_groups=_may_edit_groups,
            may_edit=may_edit,
            readable_dags=readable,
            editable_dags=editable_dags,
            audit=_audit,
            person=_person,
        ),
        inventory=Inventory(console_hook, lambda: datetime.now(UTC), configuration.inventory_refresh()),
        plans_folder=plans_folder,
        drawn_library=drawn,
        more_accounts=configuration.inventory_accounts,
        may_write=configuration.may_edit_plans,
        now=lambda: datetime.now(UTC),
        settings_hook=console_hook,
        past_launches=history.launches,
        edit_branches=configuration.edit_branches,
    )


def console_hook(target: Target) -> "ConsoleHook":
    """Make what asks an account and Region of AWS while somebody looks: soon answered, or not at all."""
    from drs_provider.hooks.console import ConsoleHook  # only now: no page waits for what takes seconds to import

    return ConsoleHook(aws_conn_id=target.aws_conn_id or None, region_name=target.region or None)


def _may_read(user: GetUserDep) -> None:
    """Let those through who may read DAGs, whichever; what belongs to plans that they may not read is left out."""
    if not get_auth_manager().is_authorized_dag(method="GET", user=user):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Forbidden: you may not read DAGs")


def may_edit(user: GetUserDep) -> bool:
    """Tell whether somebody may change groups and plans: who may change connections may.

    A group decides which servers of a connection are launched.
    """
    return get_auth_manager().is_authorized_connection(method="PUT", user=user)


def _may_edit_groups(user: GetUserDep) -> None:
    if not may_edit(user):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Forbidden: who changes protection groups may change connections")


def editable_plans(user: GetUserDep, session: SessionDep) -> set[str]:
    """Return the ids of the DAGs of the plans that somebody may change: with both rights, to connections and DAGs."""
    return editable_dags(user, session) if may_edit(user) else set()


def editable_dags(user: GetUserDep, session: SessionDep) -> set[str]:
    """Return the ids of the DAGs that somebody may change."""
    dags = get_auth_manager().get_authorized_dag_ids(user=user, method="PUT", session=session)
    return {*dags, *_every_dag("PUT", user)}


def _every_dag(method: Literal["GET", "PUT"], user: BaseUser) -> set[str]:
    """Tell whether somebody has a right to every DAG: then they have it to one that there is not."""
    details = DagDetails(id=EVERY_DAG)
    return {EVERY_DAG} if get_auth_manager().is_authorized_dag(method=method, details=details, user=user) else set()


def _person(user: GetUserDep) -> str:
    return user.get_name()


def _audit(user: GetUserDep) -> AuditRecord:
    """Give what writes lines in transactions of their own: the file is changed before the request's one ends."""
    return lambda event, extra: write_to_audit_log(event, user.get_name(), json.dumps(extra))
