"""RTO or RPO of a plan's runs over time, against the objective: where everything stands in a drawing. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from drs_provider.formatting import duration, instant_words, plural
from drs_provider.rules.history.row import Figure
from drs_provider.rules.history.series import SeriesPoint

WIDTH, HEIGHT = 520, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 12, 12, 26
_ROOM: Final = 1.1
"""Free space above the highest figure."""

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Seconds between two lines of the scale, as people count time."""

_MOST_LINES: Final = 4

MOST_POINTS: Final = 300
"""Runs in one drawing, the newest ones."""


@dataclass(frozen=True)
class PlotMark:
    """One run: where it stands, what it says, and whether it went well and met its objective."""

    x: float
    y: float
    words: str
    is_good: bool
    is_met: bool


@dataclass(frozen=True)
class PlotLine:
    """One line of the scale."""

    y: float
    words: str


@dataclass(frozen=True)
class Plot:
    """A drawing.

    :param objective: the objective of each run as points of a line of steps, in pieces; empty: no run had one
    :param unmeasured: how many runs have no such figure
    """

    title: str
    marks: tuple[PlotMark, ...]
    objective: tuple[str, ...]
    lines: tuple[PlotLine, ...]
    first: str
    last: str
    unmeasured: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM

    @property
    def words(self) -> str:
        """Say what it shows, for whoever does not see it."""
        missed = sum(not mark.is_met for mark in self.marks)
        more = f", {missed} above the objective" if missed else ""
        without = f", {self.unmeasured} not measured" if self.unmeasured else ""
        return f"{self.title} of {plural(len(self.marks), 'run')}, {self.first} to {self.last}{more}{without}"


def plot(title: str, points: Sequence[SeriesPoint], figure_of: Callable[[SeriesPoint], Figure]) -> Plot | None:
    """Draw one figure of a plan's runs, the oldest first; None: no run has it."""
    chosen = points[-MOST_POINTS:]
    measured = [(point, value) for point in chosen if (value := figure_of(point).measured_seconds) is not None]
    if not measured:
        return None
    targets = [figure_of(point).target_seconds for point in chosen]
    top = max(1.0, *(value for _, value in measured), *(target for target in targets if target is not None)) * _ROOM
    begin, end = chosen[0].at, chosen[-1].at

    def x_of(at: datetime) -> float:
        span = (end - begin).total_seconds()
        share = (at - begin).total_seconds() / span if span else 0.5
        return round(_LEFT + 8 + share * (WIDTH - _LEFT - _RIGHT - 16), 1)

    def y_of(seconds: float) -> float:
        return round(HEIGHT - _BOTTOM - seconds / top * (HEIGHT - _TOP - _BOTTOM), 1)

    marks = tuple(
        PlotMark(
            x_of(point.at),
            y_of(value),
            f"{instant_words(point.at)}: {point.mode.replace('_', ' ')} {point.result.replace('_', ' ')}, {title} "
            f"{duration(value)}{_against(figure_of(point))}",
            point.is_good,
            figure_of(point).outcome != "missed",
        )
        for point, value in measured
    )
    return Plot(
        title,
        marks,
        tuple(_objective(chosen, figure_of, x_of, y_of)),
        tuple(PlotLine(y_of(at), duration(at) if at else "0") for at in _scale(top)),
        f"{begin.astimezone(UTC):%Y-%m-%d}",
        f"{end.astimezone(UTC):%Y-%m-%d}",
        len(chosen) - len(measured),
    )


def _against(figure: Figure) -> str:
    return "" if figure.target_seconds is None else f" (objective {duration(figure.target_seconds)})"


def _scale(top: float) -> list[float]:
    step = next((step for step in _STEPS if top / step <= _MOST_LINES), None)
    if step is None:
        step = _STEPS[-1] * (1 + int(top / _STEPS[-1] / _MOST_LINES))
    return [float(step * number) for number in range(int(top / step) + 1)]


def _objective(
    points: Sequence[SeriesPoint],
    figure_of: Callable[[SeriesPoint], Figure],
    x_of: Callable[[datetime], float],
    y_of: Callable[[float], float],
) -> list[str]:
    """Draw the objective of each run until the next one, for a plan may change it; in pieces where there was none."""
    pieces: list[list[str]] = [[]]
    edges = [_LEFT, *(x_of(point.at) for point in points[1:]), WIDTH - _RIGHT]
    for number, point in enumerate(points):
        target = figure_of(point).target_seconds
        if target is None:
            pieces.append([])
            continue
        pieces[-1] += [f"{edges[number]},{y_of(target)}", f"{edges[number + 1]},{y_of(target)}"]
    return [" ".join(piece) for piece in pieces if piece]
