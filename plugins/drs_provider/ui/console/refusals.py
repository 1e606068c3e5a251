"""What the pages answer where they refuse: words for people in a browser, JSON for everything else."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as RoutingException

from drs_provider.api.problems import PRIVATE, RequestRefused
from drs_provider.ui import pages

_TITLES: Final = {
    HTTPStatus.UNAUTHORIZED: "You are signed out",
    HTTPStatus.FORBIDDEN: "You may not see or change this",
    HTTPStatus.NOT_FOUND: "There is no such page",
}


def add_refusal_pages(app: FastAPI) -> None:
    """Let an app of pages say in words why it refuses, where somebody looks with a browser."""

    @app.exception_handler(RoutingException)
    async def refused(request: Request, error: RoutingException) -> Response:
        if (page := _page(request, error.status_code, str(error.detail))) is not None:
            return page
        return await http_exception_handler(request, error)

    @app.exception_handler(RequestRefused)
    async def refused_by_api(request: Request, error: RequestRefused) -> Response:
        return _page(request, error.status, error.detail) or JSONResponse({"detail": error.detail}, error.status)


def _page(request: Request, status: int, detail: str) -> HTMLResponse | None:
    if "text/html" not in request.headers.get("accept", ""):
        return None
    title = _TITLES.get(HTTPStatus(status), HTTPStatus(status).phrase)
    html, policy = pages.refusal_page(status, title, detail)
    return HTMLResponse(html, status, headers={**PRIVATE, "Content-Security-Policy": policy})
