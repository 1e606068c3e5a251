"""The page behind a person's own answer link: shows what is asked, and takes the answer.

These are the only routes that ask for no sign-in: whoever holds the link is taken for the person that it was made for.
It allows one answer to one question and nothing else; what that answer is worth is for Airflow and the task to say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse

from drs_provider.notify.answer_links import LinkRefused, Permit, fingerprint, unseal
from drs_provider.ui.pages import answer_page

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_FORBIDDEN, _GONE = 403, 410
_LONGEST_FORM = 1000


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


def add_answers(
    app: FastAPI, *, questions: Callable[..., Questions], key: Callable[[], str], now: Callable[[], datetime]
) -> None:
    """Add the routes; ``questions`` is a FastAPI dependency."""

    @app.get("/answers/{token}")
    def ask(token: str, found: Annotated[Questions, Depends(questions)]) -> HTMLResponse:
        try:
            permit = unseal(token, key(), now=now())
            asked = found.asked(permit, used=fingerprint(token))
        except LinkRefused as refusal:
            return _refused(refusal)
        return _page(200, title=asked.subject, person=permit.person, asked=asked, until=permit.is_over_at, said=None)

    @app.post("/answers/{token}")
    def take(
        token: str, form: Annotated[str, Depends(_choice)], found: Annotated[Questions, Depends(questions)]
    ) -> HTMLResponse:
        try:
            permit = unseal(token, key(), now=now())
            found.answer(permit, form, used=fingerprint(token))
        except LinkRefused as refusal:
            return _refused(refusal)
        said = f"{form}: thank you, {permit.person}. Airflow has recorded your answer; the run's page shows the result."
        return _page(200, title="Answered", person=permit.person, asked=None, until=None, said=said)


async def _choice(request: Request) -> str:
    body = (await request.body())[:_LONGEST_FORM]
    return parse_qs(body.decode("utf-8", "replace")).get("choice", [""])[0]


def _refused(refusal: LinkRefused) -> HTMLResponse:
    status = _GONE if refusal.is_over else _FORBIDDEN
    said = f"{refusal} To answer, sign in to Airflow and open the run's required actions."
    return _page(status, title="This link is not valid", person=None, asked=None, until=None, said=said)


def _page(status: int, **values: object) -> HTMLResponse:
    return HTMLResponse(answer_page(**values), status_code=status, headers=_HEADERS)
