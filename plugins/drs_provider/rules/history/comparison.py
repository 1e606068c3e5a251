"""Two runs side by side: every figure of both, and what is different."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from drs_provider.formatting import duration
from drs_provider.rules.history.row import HistoryRow

NOT_KNOWN: Final = "not known"

_SMALLEST: Final = 0.5
"""Seconds, or dollars in hundreds of it, below which two figures count as the same."""


@dataclass(frozen=True, slots=True)
class WaveFigures:
    """What a run's report says of one of its waves, in seconds; None: it was not measured."""

    state: str
    duration_seconds: float | None = None
    rto_seconds: float | None = None
    rpo_seconds: float | None = None


@dataclass(frozen=True)
class RunDetail:
    """A run with its waves, by name in their order; none where it left no report."""

    row: HistoryRow
    waves: Mapping[str, WaveFigures] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedFigure:
    """One line of a comparison, in words.

    :param what: what is compared, such as ``RTO`` or ``wave web: RTO``
    :param change: by how much the right one differs; empty: it does not, or nobody can tell
    :param is_worse: whether the right one is worse; None: it is the same, or neither better nor worse
    """

    what: str
    left: str
    right: str
    change: str = ""
    is_worse: bool | None = None

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.left != self.right

    def as_json(self) -> dict[str, JsonValue]:
        """Return plain JSON."""
        return {
            "what": self.what,
            "left": self.left,
            "right": self.right,
            "change": self.change,
            "is_worse": self.is_worse,
        }


def compare(left: RunDetail, right: RunDetail) -> tuple[ComparedFigure, ...]:
    """Compare two runs, of the same plan or not: first the whole runs, then the waves that either of them has."""
    old, new = left.row, right.row
    lines = [
        _words("plan", old.plan, new.plan),
        _words("mode", old.mode, new.mode),
        _words("result", str(old.result), str(new.result)),
        _words("started by", old.user or NOT_KNOWN, new.user or NOT_KNOWN),
        _seconds("duration", old.duration_seconds, new.duration_seconds),
        _seconds("RTO", old.rto.measured_seconds, new.rto.measured_seconds),
        _seconds("RTO objective", old.rto.target_seconds, new.rto.target_seconds, none="no objective", judged=False),
        _seconds("RPO", old.rpo.measured_seconds, new.rpo.measured_seconds),
        _seconds("RPO objective", old.rpo.target_seconds, new.rpo.target_seconds, none="no objective", judged=False),
        _count("servers", old.servers, new.servers),
        _count("servers launched", old.launched, new.launched),
        _count("servers failed", old.failed, new.failed, less_is_better=True),
        _count("exceptions", old.exceptions, new.exceptions, less_is_better=True),
        _count("preflight warnings", old.warnings, new.warnings, less_is_better=True),
        _dollars(old, new),
        _words("clean-up", _worded(old.cleanup), _worded(new.cleanup)),
    ]
    for wave in dict.fromkeys((*left.waves, *right.waves)):
        lines += _of_wave(wave, left.waves.get(wave), right.waves.get(wave))
    return tuple(lines)


def _of_wave(wave: str, left: WaveFigures | None, right: WaveFigures | None) -> list[ComparedFigure]:
    none = WaveFigures("not in this run")
    old, new = left or none, right or none
    return [
        _words(f"wave {wave}: state", _worded(old.state), _worded(new.state)),
        _seconds(f"wave {wave}: jobs", old.duration_seconds, new.duration_seconds),
        _seconds(f"wave {wave}: RTO", old.rto_seconds, new.rto_seconds),
        _seconds(f"wave {wave}: RPO", old.rpo_seconds, new.rpo_seconds),
    ]


def _words(what: str, left: str, right: str) -> ComparedFigure:
    return ComparedFigure(what, left, right)


def _worded(word: str) -> str:
    return word.replace("_", " ") or NOT_KNOWN


def _seconds(
    what: str, left: float | None, right: float | None, *, none: str = "not measured", judged: bool = True
) -> ComparedFigure:
    def written(value: float | None) -> str:
        return none if value is None else duration(value)

    return _figure(what, left, right, written, less_is_better=True if judged else None)


def _count(what: str, left: int | None, right: int | None, *, less_is_better: bool | None = None) -> ComparedFigure:
    def written(value: float | None) -> str:
        return NOT_KNOWN if value is None else f"{value:g}"

    return _figure(what, left, right, written, less_is_better=less_is_better)


def _dollars(old: HistoryRow, new: HistoryRow) -> ComparedFigure:
    def written(value: float | None) -> str:
        return NOT_KNOWN if value is None else f"${value:.2f}"

    found = _figure("cost", old.cost_dollars, new.cost_dollars, written, less_is_better=True, smallest=0.005)
    kinds = {row.is_cost_measured for row in (old, new) if row.cost_dollars is not None}
    # An estimate and a bill are two things: their difference says nothing.
    return ComparedFigure(found.what, found.left, found.right) if len(kinds) > 1 else found


def _figure(
    what: str,
    left: float | None,
    right: float | None,
    written: Callable[[float | None], str],
    *,
    less_is_better: bool | None,
    smallest: float = _SMALLEST,
) -> ComparedFigure:
    if left is None or right is None or abs(right - left) < smallest:
        return ComparedFigure(what, written(left), written(right))
    more = right > left
    is_worse = None if less_is_better is None else more == less_is_better
    change = f"{'+' if more else '-'}{written(abs(right - left))}"
    return ComparedFigure(what, written(left), written(right), change, is_worse)
