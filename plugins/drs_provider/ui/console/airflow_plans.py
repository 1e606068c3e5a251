"""How plans stand and what speaks against them, asked of the Airflow that serves the API."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from pydantic import JsonValue

from drs_provider.airflow_internals.api_server import (
    DagAccessEntity,
    DagDetails,
    GetUserDep,
    SessionDep,
    get_auth_manager,
)
from drs_provider.api.access import Access
from drs_provider.api.history_sources import HistorySources
from drs_provider.api.path_parts import PlanName
from drs_provider.api.plan_sources import LookWithoutRun, PlanSources, PlanStanding
from drs_provider.api.sources import ApiSources
from drs_provider.plan.loader import Library, RunnablePlan
from drs_provider.report.store import stored_reports
from drs_provider.rules.preflight.outcome import PreflightOutcome
from drs_provider.rules.run.names import dag_id_of
from drs_provider.ui.console.airflow_sources import console_hook
from drs_provider.ui.plan_list import PlanRow, check_dag_ids, check_of, plan_ids, plan_list, production_of, verified_of
from drs_provider.ui.read_model import Runs


def plan_sources(
    api: ApiSources, history: HistorySources, access: Access, runs_of: Callable[[SessionDep], Runs]
) -> PlanSources:
    """Return what the routes of recovery plans are built from in an API server."""

    def standings(session: SessionDep) -> Callable[[Library], Mapping[str, PlanStanding]]:
        return lambda library: _standings(library, api.plans_folder(), runs_of(session), history.reports_folder())

    def stopped(session: SessionDep) -> tuple[str, ...]:
        return runs_of(session).stopped_parts(api.now())

    def preflight(user: GetUserDep) -> LookWithoutRun:
        def look(runnable: RunnablePlan, library: Library, form: Mapping[str, JsonValue]) -> PreflightOutcome:
            from drs_provider.services.preflight.look import look_without_run  # only now: it takes a second to import

            return look_without_run(
                runnable,
                library,
                form,
                now=api.now(),
                hook_of=console_hook,
                asked_by=user.get_name(),
                read_reports=lambda: stored_reports(history.reports_folder(), dag_id_of(runnable.plan.name)),
            )

        return look

    return PlanSources(
        api=api,
        history=history,
        standings=standings,
        may_read_problems=access.may_read_problems,
        may_preflight=_may_preflight,
        preflight=preflight,
        stopped_parts=stopped,
    )


def _may_preflight(name: PlanName, user: GetUserDep) -> None:
    details = DagDetails(id=dag_id_of(name))
    is_allowed = get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
    )
    if not is_allowed:
        raise HTTPException(HTTPStatus.FORBIDDEN, "Forbidden: who takes preflight may start runs of the plan")


def _standings(library: Library, folder: Path, runs: Runs, reports: Any) -> dict[str, PlanStanding]:
    """Put together for every plan what the page of plans shows."""
    known = Library(plans={**library.contested, **library.plans})
    shown = set(plan_ids(known))
    newest, checks = runs.newest(shown), runs.newest_checks(shown)
    found = plan_list(
        known,
        folder,
        readable=shown,
        newest=newest,
        paused=runs.paused({*shown, *check_dag_ids(known, shown)}),
        verified=lambda runnable: verified_of(runnable, reports, newest, datetime.now(UTC)),
        production=lambda runnable: production_of(runnable, reports, newest),
        checked=lambda runnable: check_of(runnable, reports, checks),
    )
    return _by_name(found.plans)


def _by_name(rows: Iterable[PlanRow]) -> dict[str, PlanStanding]:
    return {
        row.name: PlanStanding(
            is_paused=row.is_paused,
            last_run=row.last_run,
            last_run_at=row.last_run_at,
            last_status=str(row.last_status) if row.last_status else None,
            kept_until=row.kept_until,
            is_verified=row.verified,
            verified_why=row.verified_why,
            production=row.production,
            next_steps=tuple(row.next_steps),
            last_check=row.last_check.run if row.last_check else None,
            last_check_at=row.last_check.at if row.last_check else None,
            last_check_status=str(row.last_check.status) if row.last_check else None,
        )
        for row in rows
    }
