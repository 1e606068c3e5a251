"""Changes are taken from Airflow's own pages and from programs with a token, not from pages of other hosts.

Airflow's cookie is sent along by browsers for whatever page asks; ``SameSite=Lax`` does not cover hosts of one site.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request

from drs_provider.api.problems import RequestRefused

_OWN = frozenset({"same-origin", "none"})


def refuse_other_origins(request: Request) -> None:
    """Refuse a change that a page of another host asks for, and one whose body a plain HTML form could send.

    :raises RequestRefused: 403, it comes from elsewhere; 415, its body is no JSON
    """
    body = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if has_body and body != "application/json":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
    if request.headers.get("authorization", "").lower().startswith("bearer "):  # no browser sends that by itself
        return
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin")
        site = "none" if origin is None or urlsplit(origin).netloc == request.headers.get("host") else "cross-site"
    if site not in _OWN:
        raise RequestRefused(HTTPStatus.FORBIDDEN, "changes are taken from Airflow's own pages only")
