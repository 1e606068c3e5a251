"""The page behind a person's own answer link: shows what is asked, and takes the answer.

These are the only routes that ask for no sign-in: whoever holds the link is taken for the person that it was made for.
It allows one answer to one question and nothing else; what that answer is worth is for Airflow and the task to say.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from drs_provider.notify.answer_links import LinkRefused, Permit, fingerprint, unseal
from drs_provider.ui.pages import answer_page, opening_page

_log = logging.getLogger(__name__)

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}
_FORBIDDEN, _GONE = 403, 410
LONGEST_FORM = 8_192
"""Bytes of a form that are read: a token has 2,000 characters at most."""


@dataclass(frozen=True)
class OpenQuestion:
    """A question that waits for an answer; ``body`` is the Markdown that Airflow shows."""

    subject: str
    body: str
    options: tuple[str, ...]


class Questions(Protocol):
    """Where questions are found and answered. Both raise LinkRefused."""

    def asked(self, permit: Permit, *, used: str) -> OpenQuestion:
        """Return the question of a permit while it waits; ``used`` is the fingerprint of its link."""
        ...

    def answer(self, permit: Permit, choice: str, *, used: str) -> None:
        """Answer it as the permit's person, and remember that the link is used."""
        ...

    def record_refusal(self, permit: Permit, *, used: str) -> None:
        """Record, once a link, that it was true and yet refused."""
        ...


def add_answers(
    app: FastAPI, *, questions: Callable[..., Questions], key: Callable[[], str], now: Callable[[], datetime]
) -> None:
    """Add the routes; ``questions`` is a FastAPI dependency.

    The token is never part of an address that a server sees, where logs and proxies would keep it: a link carries it
    behind ``#``, and the page sends it in a form.
    """

    @app.get("/answers")
    def open_link() -> HTMLResponse:
        html, digest = opening_page()
        return HTMLResponse(html, headers=_headers(f"script-src 'sha256-{digest}'; "))

    @app.post("/answers")
    def take(
        form: Annotated[_Form, Depends(_read_form)], found: Annotated[Questions, Depends(questions)]
    ) -> HTMLResponse:
        permit, used = None, fingerprint(form.token)
        try:
            permit = unseal(form.token, key(), now=now())
            if form.choice is None:
                return _question(permit, found.asked(permit, used=used), form.token)
            found.answer(permit, form.choice, used=used)
        except LinkRefused as refusal:
            _log.warning("an answer link of %s is refused: %s", permit.person if permit else "nobody known", refusal)
            if permit is not None:
                found.record_refusal(permit, used=used)
            return _refused(refusal)
        said = (
            f"{form.choice}: thank you, {permit.person}. Airflow has recorded your answer; the run's page shows the "
            "result."
        )
        return _page(200, title="Answered", said=said)


@dataclass(frozen=True)
class _Form:
    """What the page sent; without a choice the question is to be shown."""

    token: str
    choice: str | None


async def _read_form(request: Request) -> _Form:
    body = await read_body(request, LONGEST_FORM)
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    choice = fields.get("choice")
    return _Form(fields.get("token", [""])[0].strip().removeprefix("#"), choice[0] if choice else None)


def _question(permit: Permit, asked: OpenQuestion, token: str) -> HTMLResponse:
    return _page(200, title=asked.subject, person=permit.person, asked=asked, until=permit.is_over_at, token=token)


def _refused(refusal: LinkRefused) -> HTMLResponse:
    status = _GONE if refusal.is_over else _FORBIDDEN
    said = f"{refusal} To answer, sign in to Airflow and open the run's required actions."
    return _page(status, title="This link is not valid", said=said)


def _page(status: int, *, title: str, **values: object) -> HTMLResponse:
    return HTMLResponse(answer_page(title=title, **values), status_code=status, headers=_headers())


def _headers(scripts: str = "") -> dict[str, str]:
    policy = (
        f"default-src 'none'; {scripts}style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    return {**_HEADERS, "Content-Security-Policy": policy}


async def read_body(request: Request, most: int) -> bytes:
    """Return the body of a request, whatever it says about its own length.

    :param most: bytes that are read at most
    :raises HTTPException: 413, the body is longer; what is beyond the bound is not read
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most:
        raise _too_long(most)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_long(most)
    return body


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"the request is longer than {most} bytes")
