"""Keyset pagination, sorting and search over lists that are in memory."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query

from drs_provider.api.problems import RequestRefused

Row = TypeVar("Row")
SortKey = str | float

MOST_ROWS: Final = 1000
"""Rows on one page at most."""

_LARGEST: Final = 1e300

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows on a page.")]
After = Annotated[
    str | None, Query(max_length=4000, description="The `next` of the page before; none: the first page.")
]
Sort = Annotated[str | None, Query(max_length=60, description="The field to sort by; with `-` before it, backwards.")]
Search = Annotated[str, Query(max_length=200, description="Text that a row must hold, whatever its case.")]


@dataclass(frozen=True)
class RowPage(Generic[Row]):
    """One page; ``next`` names the page after it (None: there is none), ``total`` counts all rows of all pages."""

    rows: tuple[Row, ...]
    next: str | None
    total: int


def take_page(
    rows: Sequence[Row],
    *,
    key: Callable[[Row], str],
    fields: Mapping[str, Callable[[Row], SortKey | None]],
    sort: str | None,
    limit: int,
    after: str | None,
) -> RowPage[Row]:
    """Return one page of rows that stand in order.

    Rows that are added or removed meanwhile neither repeat nor hide others: a page begins after a row, not a count.

    :param key: what no two rows have in common; equal rows stand in its order
    :param fields: what can be sorted by: the value of a row; None stands last
    :param sort: the field, with ``-`` in front for backwards; None: by the key
    :raises RequestRefused: 422, nothing is sorted by that field, or ``after`` is of another list
    """
    backwards = bool(sort) and str(sort).startswith("-")
    name = (sort or "").removeprefix("-")
    if name and name not in fields:
        raise RequestRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"sort: no field {name!r}; known: {', '.join(sorted(fields))}"
        )
    value_of = fields[name] if name else key
    order = _Order(value_of, key, backwards=backwards)
    standing = sorted(rows, key=order.place)
    if after:
        begin = _read(after, sort or "")
        standing = [row for row in standing if order.place(row) > order.place_of(*begin)]
    page = tuple(standing[:limit])
    more = len(standing) > limit
    return RowPage(page, _write(sort or "", value_of(page[-1]), key(page[-1])) if more else None, len(rows))


class _Order(Generic[Row]):
    def __init__(self, value: Callable[[Row], SortKey | None], key: Callable[[Row], str], *, backwards: bool) -> None:
        self.value, self.key, self.backwards = value, key, backwards

    def place(self, row: Row) -> tuple[object, ...]:
        return self.place_of(self.value(row), self.key(row))

    def place_of(self, value: SortKey | None, key: str) -> tuple[object, ...]:
        if value is None:
            return (2, 0.0, (), key)
        if isinstance(value, str):
            codes = (*(-ord(letter) for letter in value), 1) if self.backwards else tuple(map(ord, value))
            return (1, 0.0, codes, key)
        return (0, -float(value) if self.backwards else float(value), (), key)


def _write(sort: str, value: SortKey | None, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, value, key]).encode()).decode().rstrip("=")


def _read(after: str, sort: str) -> tuple[SortKey | None, str]:
    try:
        written, value, key = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValueError, TypeError, RecursionError):
        written, value, key = None, None, ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    known = value is None or isinstance(value, str) or is_number
    if written != sort or not known or not isinstance(key, str):
        raise RequestRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "after: this is no page of this list in this order; begin with the first page",
        )
    return value, key
