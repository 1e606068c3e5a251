"""``/health``: whether a recovery could be started now, and what stands in its way."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from drs_provider import __version__
from drs_provider.api.history_sources import SeenHistory, seen_by
from drs_provider.api.plan_sources import PlanSources
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import joined, plural
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.survey import targets_of_inventory
from drs_provider.services.signed import keys


class HealthCheck(BaseModel):
    """One thing that a recovery needs; ``detail``: what is wrong, or empty."""

    name: Literal["airflow", "signing_key", "plans", "reports", "inventory"]
    is_healthy: bool
    detail: str


class Health(BaseModel):
    """Whether everything is there that a recovery needs."""

    status: Literal["healthy", "degraded"]
    version: str
    checks: list[HealthCheck]


def health_router(sources: PlanSources) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["health"], dependencies=[Depends(sources.api.access.may_read)])
    catalog_now: Any = sources.api.catalog()
    stopped_of: Any = sources.stopped_parts
    seen_of: Any = seen_by(sources.history)

    @router.get("/health")
    def health(
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        stopped: Annotated[Sequence[str], Depends(stopped_of)],
        seen: Annotated[SeenHistory, Depends(seen_of)],
    ) -> Health:
        """Say whether everything is there that a recovery needs; the answer is 200 either way."""
        api = sources.api
        states = api.inventory.look(targets_of_inventory(catalog, api.more_accounts()), wait=0.0)
        silent = [str(state.place or state.targets[0]) for state in states if state.problem]
        found = [
            ("airflow", f"{joined(stopped)} not running: no run goes on" if stopped else ""),
            ("signing_key", _without_key()),
            ("plans", "; ".join(_broken(catalog))),
            ("reports", seen.history.problem),
            ("inventory", f"{joined(silent)}: no answer, or none yet" if silent else ""),
        ]
        checks = [HealthCheck(name=name, is_healthy=not detail, detail=detail) for name, detail in found]
        is_whole = all(check.is_healthy for check in checks)
        return Health(status="healthy" if is_whole else "degraded", version=__version__, checks=checks)

    return router


def _without_key() -> str:
    try:
        keys()
    except RunRefused as error:
        return str(error)
    return ""


def _broken(catalog: GroupCatalog) -> Iterator[str]:
    """Say how many files have problems, and name none: not everybody may read all of them."""
    if broken := {problem.path for problem in catalog.library.problems}:
        yield f"{plural(len(broken), 'file')} with problems: drs validate says which"
    if not catalog.library.plans:
        yield "no plan can be read"
