"""The routes of plans, runs, history and health together."""

from fastapi import APIRouter

from drs_provider.api.plan_sources import PlanSources
from drs_provider.api.run_desk import Steering
from drs_provider.api.v1.health import health_router
from drs_provider.api.v1.history import history_router, reports_router
from drs_provider.api.v1.plan_checks import plan_checks_router
from drs_provider.api.v1.recovery_plans import recovery_plans_router
from drs_provider.api.v1.runs import runs_router


def api_routers(plans: PlanSources, steering: Steering) -> tuple[APIRouter, ...]:
    """Return the routers."""
    return (
        recovery_plans_router(plans),
        plan_checks_router(plans),
        runs_router(steering, plans.history),
        history_router(plans.history),
        reports_router(plans.history),
        health_router(plans),
    )
