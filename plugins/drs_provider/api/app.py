"""The API as an app of its own: its routes, its OpenAPI document and its one format for errors."""

from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute

from drs_provider import __version__
from drs_provider.api.bounds import RequestBounds
from drs_provider.api.problems import RESPONSES, add_problem_handlers, with_problem_type
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.plan_changes import plan_changes_router
from drs_provider.api.v1.protection_groups import protection_groups_router
from drs_provider.api.v1.server_details import launch_choices_router, server_details_router
from drs_provider.api.v1.source_servers import source_servers_router

PREFIX: Final = "/api/v1"
"""Where the app is mounted below ``/drs``."""


def create_api(sources: ApiSources, *more: APIRouter) -> FastAPI:
    """Build the app. Every route has a guard; the document is for those who may read too.

    :param more: routers of other parts, each of which guards its own routes
    """
    app = FastAPI(
        title="DRS recovery plans",
        version=__version__,
        description="Source servers, protection groups and recovery plans of AWS Elastic Disaster Recovery.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=RESPONSES,
        generate_unique_id_function=_operation_id,
    )
    add_problem_handlers(app)

    app.add_middleware(RequestBounds)

    @app.get("/openapi.json", dependencies=[Depends(sources.access.may_read)], include_in_schema=False)
    def openapi(request: Request) -> dict[str, Any]:
        """Describe this API."""
        document = with_problem_type(dict(app.openapi()))
        document["servers"] = [{"url": str(request.scope.get("root_path") or "/")}]
        return document

    own = (
        source_servers_router(sources),
        server_details_router(sources),
        protection_groups_router(sources),
        launch_choices_router(sources),
        plan_changes_router(sources),
    )
    for router in (*own, *more):
        app.include_router(router)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
