"""The board on a terminal, live, or as plain lines where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from drs_provider.rules.run.state.words import Tone, shown
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.board import Phase, Wave, clock

# Sign and words carry the meaning; colour only repeats it, in blue and orange, which everybody tells apart.
STYLES = {
    Tone.NEUTRAL: "dim",
    Tone.BUSY: "bold blue",
    Tone.GOOD: "blue",
    Tone.WARN: "bold yellow",
    Tone.BAD: "bold dark_orange",
}
UNDER_WAY = {
    Phase.WAITING: "waiting",
    Phase.SNAPSHOT: "snap",
    Phase.CONVERSION: "conv",
    Phase.LAUNCHING: "launch",
}


@dataclass(frozen=True)
class Header:
    """What stands above the board.

    :ivar objective: the plan's RTO; None when it has none.
    """

    run: str
    mode: str
    elapsed: timedelta
    objective: timedelta | None
    speed: float

    def line(self) -> str:
        """Return the header as one line of at most 80 columns."""
        rto = f"RTO objective {clock(self.objective)}" if self.objective else "no RTO objective"
        return f"{self.run} · {self.mode} · elapsed {clock(self.elapsed)} · {rto} · DRS time x{self.speed:g}"


class Screen(Protocol):
    """Something that boards are shown on."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, header: Header, waves: Sequence[Wave]) -> None:
        """Show how things stand now."""


def under_way(wave: Wave) -> str:
    """Say where the servers are that are neither launched nor failed."""
    return ", ".join(f"{wave.phases[phase]} {word}" for phase, word in UNDER_WAY.items() if wave.phases.get(phase))


class LiveScreen:
    """A table that is drawn afresh in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, header: Header, waves: Sequence[Wave]) -> None:
        """Draw the table."""
        self._live.update(Group(Text(header.line(), style="bold"), _table(waves)), refresh=True)


class PlainScreen:
    """One line per change, no control codes: for files, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[object, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, header: Header, waves: Sequence[Wave]) -> None:
        """Print the waves that have changed since the last time."""
        if not self._shown:
            self._print(header.line())
        for wave in waves:
            now = (wave.status, wave.jobs, wave.total, wave.launched, wave.failed)
            if self._shown.get(wave.name) != now:
                self._shown[wave.name] = now
                self._print(f"{clock(header.elapsed):>5}  {plain(wave)}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def plain(wave: Wave) -> str:
    """Return a wave as one line of text."""
    look = shown(wave.status)
    line = f"{look.sign} {wave.name:<16} {look.words:<13}"
    if wave.jobs:
        line += f" {wave.launched}/{wave.total} launched, {wave.failed} failed, {_jobs(wave.jobs)}"
    elif wave.total:
        line += f" {wave.total} servers"
    return line.rstrip()


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _table(waves: Sequence[Wave]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("wave", no_wrap=True, width=16)
    table.add_column("state", width=15)
    for name, width in (("jobs", 4), ("launched", 9), ("failed", 6), ("elapsed", 8)):
        table.add_column(name, justify="right", no_wrap=True, width=width)
    table.add_column("under way", min_width=12)
    for wave in waves:
        look = shown(wave.status)
        table.add_row(
            Text(f"{look.sign} {wave.name}", style=STYLES[look.tone]),
            Text(look.words, style=STYLES[look.tone]),
            str(wave.jobs or ""),
            f"{wave.launched}/{wave.total}" if wave.total else "",
            Text(str(wave.failed or ""), style="bold dark_orange"),
            clock(wave.elapsed),
            under_way(wave),
        )
    return table


def screen_for(console: Console) -> Screen:
    """Choose the live table on a terminal and plain lines elsewhere."""
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)
