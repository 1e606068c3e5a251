"""What somebody asks the history for, from a request's query; a form sends empty fields for what is not set."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Query

from drs_provider.api.problems import RequestRefused
from drs_provider.rules.history.query import NEWEST_FIRST, ORDERS, HistoryQuery, read_day

_LONGEST: Final = 200
"""Characters of a field that somebody types."""

ORDER_WORDS: Final = tuple(word for name in ORDERS for word in (f"-{name}", name))

Names = Annotated[list[str] | None, Query(max_length=50)]
Typed = Annotated[str, Query(max_length=_LONGEST)]


def asked_query(  # noqa: PLR0917  (the fields of a query)
    plan: Names = None,
    mode: Names = None,
    result: Names = None,
    user: Typed = "",
    q: Typed = "",
    since: Annotated[str, Query(max_length=40, description="a day or an instant, ISO 8601; without offset: UTC")] = "",
    until: Annotated[str, Query(max_length=40, description="the same; a day counts as a whole")] = "",
    sort: Annotated[str, Query(description=f"one of {', '.join(ORDER_WORDS)}")] = NEWEST_FIRST,
) -> HistoryQuery:
    """Read which runs, in which order."""
    order = sort or NEWEST_FIRST
    if order not in ORDER_WORDS:
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, f"sort: {order!r} is none of {', '.join(ORDER_WORDS)}")
    return HistoryQuery(
        plans=_names(plan),
        modes=_names(mode),
        results=_names(result),
        user=user.strip(),
        text=q.strip(),
        since=_instant("since", since),
        until=_instant("until", until, is_end=True),
        order=order,
    )


def _names(given: list[str] | None) -> frozenset[str]:
    return frozenset(name for name in given or () if name)


def _instant(field: str, text: str, *, is_end: bool = False) -> datetime | None:
    if not text.strip():
        return None
    try:
        return read_day(text, is_end=is_end)
    except ValueError as error:
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {error}") from None
