"""What a refused request is answered with: a problem document (RFC 9457), and nothing else."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from drs_provider.exceptions import AwsError, DrsProviderError, UnknownName, UsageError
from drs_provider.services.airflow_api import (
    AirflowError,
    AirflowUnreachable,
    AlreadySo,
    LoginRefused,
    NotAllowed,
    NotThere,
)

_log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""Headers of every answer: what it says belongs to the person who is signed in."""

SANDBOXED: Final = {
    "Content-Security-Policy": (
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""A report is a file that others can write: nothing in it runs. The run's page, which frames it, gives it a theme."""

_KEPT_HEADERS: Final = frozenset({"www-authenticate", "allow", "etag", "retry-after"})


_AIRFLOW: Final = (
    (LoginRefused, HTTPStatus.UNAUTHORIZED),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (NotThere, HTTPStatus.NOT_FOUND),
    (AlreadySo, HTTPStatus.CONFLICT),
    (AirflowUnreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (AirflowError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
"""What is answered where Airflow has refused what it was asked on behalf of the caller."""


class ProblemDetail(BaseModel):
    """One of several reasons for a refusal: where it is, what is wrong, what to do."""

    where: str = ""
    what: str
    hint: str = ""


class ProblemDocument(BaseModel):
    """An answer that says why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(default="", description="What happened, and what to do next.")
    errors: list[ProblemDetail] = []


class RequestRefused(Exception):
    """A request is refused: ``status``, a sentence, and every single reason where there are several."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[ProblemDetail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status, self.detail, self.errors, self.headers = status, detail, tuple(errors), headers or {}


def more_responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return refusals of a route, for the OpenAPI document."""
    return {code: {"model": ProblemDocument, "description": HTTPStatus(code).phrase} for code in codes}


RESPONSES: Final = more_responses(400, 401, 403, 422)
"""What every route may answer with."""


def with_problem_type(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document that says of every refusal that it is a problem document."""
    for path in document["paths"].values():
        for operation in path.values():
            for code, response in operation.get("responses", {}).items():
                if int(code) >= HTTPStatus.BAD_REQUEST:
                    response["content"] = {MEDIA_TYPE: next(iter(response["content"].values()))}
    return document


def add_problem_handlers(app: FastAPI) -> None:
    """Let an app answer every refusal and every failure with a problem document."""

    @app.exception_handler(RequestRefused)
    async def refused(_: Request, error: RequestRefused) -> JSONResponse:
        return _answer(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        detail = error.detail if isinstance(error.detail, str) else str(jsonable_encoder(error.detail))
        return _answer(error.status_code, detail, headers=error.headers or {})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            ProblemDetail(where=".".join(str(part) for part in item["loc"]), what=str(item["msg"]))
            for item in error.errors()
        ]
        return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, "the request does not have the form of this route", errors)

    @app.exception_handler(UnknownName)
    async def unknown(_: Request, error: UnknownName) -> JSONResponse:
        return _answer(HTTPStatus.NOT_FOUND, str(error))

    @app.exception_handler(UsageError)
    async def unusable(_: Request, error: UsageError) -> JSONResponse:
        return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    @app.exception_handler(AirflowError)
    async def airflow(_: Request, error: AirflowError) -> JSONResponse:
        status = next(status for kind, status in _AIRFLOW if isinstance(error, kind))
        headers = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        return _answer(status, str(error), headers=headers)

    @app.exception_handler(AwsError)
    async def aws(_: Request, error: AwsError) -> JSONResponse:
        return _answer(HTTPStatus.BAD_GATEWAY, f"AWS has refused: {error}")

    @app.exception_handler(DrsProviderError)
    async def provider(_: Request, error: DrsProviderError) -> JSONResponse:
        return _answer(HTTPStatus.CONFLICT, str(error))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        _log.error("a request to the REST API has failed", exc_info=error)
        return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the server; its log says more")


def _answer(
    status: int, detail: str, errors: Sequence[ProblemDetail] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    document = ProblemDocument(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))
    kept = {name: value for name, value in (headers or {}).items() if name.lower() in _KEPT_HEADERS}
    return JSONResponse(
        document.model_dump(exclude_defaults=False), status, headers={**PRIVATE, **kept}, media_type=MEDIA_TYPE
    )
