"""Few combinations in which every allowed pair of values occurs. Pure.

Greedy: each row begins with a pair that no row has yet, and takes for every other factor the value that brings most
pairs that are still missing; where nothing is allowed any more for a factor, it goes back. Of some such rows the best
is kept. The same seed gives the same rows, in the same order, those that bring most first.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

Factors = Mapping[str, Sequence[str]]
"""Factor → its values."""

Row = Mapping[str, str]
"""Factor → the value it has."""

Value = tuple[str, str]
"""Factor and value."""

Pair = tuple[Value, Value]
"""Two values of different factors, in the order of the factors."""

Excludes = Callable[[Value, Value], bool]
"""Tells whether two values cannot be in one row; asked in the order of the factors."""

_TRIES = 6
"""Rows of which the best is kept."""


@dataclass(frozen=True)
class Cover:
    """``rows`` hold every pair; ``impossible``: pairs that are not excluded, but every row that has them is."""

    rows: Sequence[Row]
    impossible: frozenset[Pair]


def pairs_of(row: Row, factors: Factors) -> Iterator[Pair]:
    """Yield the pairs that a row has."""
    return combinations([(factor, row[factor]) for factor in factors], 2)


def allowed_pairs(factors: Factors, excludes: Excludes) -> list[Pair]:
    """Return every pair that is not excluded by itself."""
    values = [[(factor, value) for value in factors[factor]] for factor in factors]
    every = (pair for ours, theirs in combinations(values, 2) for pair in product(ours, theirs))
    return [pair for pair in every if not excludes(*pair)]


def cover(factors: Factors, excludes: Excludes, seed: int) -> Cover:
    """Return rows in which every allowed pair occurs."""
    return _Search(factors, excludes, seed).cover()


class _Search:
    def __init__(self, factors: Factors, excludes: Excludes, seed: int) -> None:
        self._factors, self._places = factors, {factor: number for number, factor in enumerate(factors)}
        self._chance = random.Random(seed)
        self._allowed = frozenset(allowed_pairs(factors, excludes))
        order = sorted(self._allowed)
        self._chance.shuffle(order)
        self._missing = dict.fromkeys(order)

    def cover(self) -> Cover:
        rows: list[Row] = []
        impossible: set[Pair] = set()
        while self._missing:
            first = next(iter(self._missing))
            tried = [row for _ in range(_TRIES) if (row := self._row(first))]
            if not tried:
                impossible.add(first)
                del self._missing[first]
                continue
            rows.append(max(tried, key=lambda row: sum(pair in self._missing for pair in pairs_of(row, self._factors))))
            for pair in pairs_of(rows[-1], self._factors):
                self._missing.pop(pair, None)
        return Cover(tuple(rows), frozenset(impossible))

    def _row(self, first: Pair) -> Row | None:
        """Complete a pair; None: it cannot be completed."""
        chosen = dict(first)
        left = {factor: tuple(values) for factor, values in self._factors.items() if factor not in chosen}
        for value in first:
            left = self._narrowed(left, value)
        found = self._completed(chosen, left)
        return None if found is None else {factor: found[factor] for factor in self._factors}

    def _completed(self, chosen: Row, left: Mapping[str, Sequence[str]]) -> Row | None:
        if not left:
            return chosen
        factor = min(left, key=lambda name: (len(left[name]), self._chance.random()))
        rest = {name: values for name, values in left.items() if name != factor}
        brings = {
            value: (-sum(self._pair((factor, value), known) in self._missing for known in chosen.items()), number)
            for number, value in enumerate(self._chance.sample(left[factor], len(left[factor])))
        }
        for value in sorted(brings, key=lambda name: brings[name]):
            if found := self._completed({**chosen, factor: value}, self._narrowed(rest, (factor, value))):
                return found
        return None

    def _narrowed(self, left: Mapping[str, Sequence[str]], chosen: Value) -> dict[str, tuple[str, ...]]:
        """Return what is allowed beside a value."""
        return {
            factor: tuple(value for value in values if self._pair((factor, value), chosen) in self._allowed)
            for factor, values in left.items()
        }

    def _pair(self, ours: Value, theirs: Value) -> Pair:
        return (ours, theirs) if self._places[ours[0]] < self._places[theirs[0]] else (theirs, ours)
