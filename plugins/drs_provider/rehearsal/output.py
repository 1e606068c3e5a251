"""A prediction as text, as wide as the terminal, without colours."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drs_provider.formatting import duration, plural
from drs_provider.rehearsal.prediction import ByTheClock, Objective, Prediction, StepForecast, WaveForecast

WIDTH = 100
"""Columns where nobody knows how wide the page is."""
NARROWEST, WIDEST = 80, 120
_FIGURES, _REMARK = 40, 9
"""Columns of a line of the timeline beside its name and bar; and of what may be remarked behind the bar."""
_MINUTE, _HOUR = 60, 3600
_TIED = "~"
"""Stands where a line must not break."""

_IDLE = 0.1
"""So many other processes are none."""

_FATES = {"good": "ENDS WELL", "objective_missed": "MISSES", "failed": "FAILS"}


@dataclass(frozen=True)
class Page:
    """How wide what is."""

    width: int = WIDTH

    @property
    def name(self) -> int:
        """Columns of a name in the timeline."""
        return 26 if self.width >= WIDTH else 18

    @property
    def bar(self) -> int:
        """Columns of a bar."""
        return self.width - self.name - _FIGURES - _REMARK

    def short(self, name: str) -> str:
        """Bring a name to its width."""
        name = "".join(c if c.isprintable() else " " for c in name)
        return f"{name[: self.name - 1]}…" if len(name) > self.name else f"{name:<{self.name}}"

    def drawn(self, start: float, end: float | None, whole: float, full: str) -> str:
        """Draw a stretch of the whole as a bar."""
        first = min(round(start / whole * self.bar), self.bar - 1)
        last = self.bar if end is None else round(end / whole * self.bar)
        return (" " * first + full * max(last - first, 1)).ljust(self.bar)

    def wrapped(self, text: str, indent: str) -> Iterator[str]:
        """Wrap a text behind its first indent; control characters and line ends become spaces."""
        further = " " * len(indent)
        yield from textwrap.wrap(_plain(text), self.width, initial_indent=indent, subsequent_indent=further) or [indent]

    def cut(self, line: str) -> str:
        """Cut what is wider."""
        line = line.rstrip()
        return f"{line[: self.width - 1]}…" if len(line) > self.width else line


def as_text(one: Prediction, width: int = WIDTH) -> str:
    """Write the prediction for a terminal of this width; a very narrow or wide one gets lines of 80 or 120."""
    page = Page(min(max(width, NARROWEST), WIDEST))
    parts = [
        _head(one, page),
        _timeline(one, page),
        _path(one, page),
        _quotas(one),
        _api_calls(one, page),
        _failures(one, page),
        _list("Preflight warns", one.warnings, page),
        _list("Taken for granted", one.assumptions, page),
        _list("Not foretold", one.not_predicted, page),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _head(one: Prediction, page: Page) -> Iterator[str]:
    name = one.plan if one.title in ("", one.plan) else f"{one.title} ({one.plan})"
    yield from page.wrapped(f"Rehearsal of {name}: {one.mode}, plan version {one.plan_digest[:12]}", "")
    yield from page.wrapped(f"{one.fleet}; seed {one.random_seed}", "")
    yield ""
    verdict = one.verdict.replace("_", " ")
    yield from page.wrapped(f"{verdict}: {one.verdict_reason}", f"  {_FATES[one.fate]:<10}")
    yield from page.wrapped(_objective(one.rto), f"  {'RTO':<10}")
    yield from page.wrapped(_objective(one.rpo), f"  {'RPO':<10}")
    yield from page.wrapped(_elapsed(one.launched_seconds, one.elapsed_seconds), f"  {'Elapsed':<10}")
    if fast := one.by_the_clock:
        yield from page.wrapped(_by_the_clock(fast), f"  {'By the clock':<14}")


def _by_the_clock(fast: ByTheClock) -> str:
    rto = "no RTO" if fast.rto_seconds is None else f"RTO {_about(fast.rto_seconds, fast.margin_seconds)}"
    took = f"{duration(fast.elapsed_seconds)} in all, where DRS works {fast.speed:g} times faster"
    if fast.busy is None:
        return f"{rto}; {took}"
    busy = "has nothing else to do" if fast.busy < _IDLE else f"has {fast.busy:.1f} other processes at work"
    return f"{rto}; {took}, and this machine {busy}"


def _about(seconds: float, margin: float) -> str:
    return f"{duration(seconds)}, give or take {duration(margin)}"


def _elapsed(launched: float | None, whole: float) -> str:
    until = "no server launched" if launched is None else f"{duration(launched)} until the last server is launched"
    return f"{until}, {duration(whole)} in all"


def _objective(one: Objective) -> str:
    predicted, target = one.predicted_seconds, one.target_seconds
    said = "no server tells" if predicted is None else duration(predicted)
    if target is not None and predicted is None:
        return f"{said}; the objective is {duration(target)}"
    if target is None:
        return f"{said}; the plan sets no objective"
    left = target - (predicted or 0.0)
    if one.outcome == "met":
        return f"{said} of {duration(target)}: met, {duration(left)} to spare"
    if one.outcome == "missed":
        return f"{said} of {duration(target)}: MISSED by {duration(-left)}"
    return f"{said} of {duration(target)} where servers were launched; not met, for not all were"


def _timeline(one: Prediction, page: Page) -> Iterator[str]:
    ends = [end for end in (*_ends(one.waves), *_step_ends(one)) if end is not None]
    whole = max(ends, default=0.0) or 1.0
    axis = f"0:00{clock(whole):>{page.bar - 4}}"
    yield f"  {'Timeline':<{page.name}} {'servers':>8} {'start':>8} {'end':>8} {'took':>8}  {axis}"
    yield from (_step(step, whole, page) for step in one.before)
    for wave in one.waves:
        yield from (_step(step, whole, page) for step in wave.steps if step.place == "before")
        yield _wave(wave, whole, page)
        yield from (_step(step, whole, page) for step in wave.steps if step.place == "after")
    yield from (_step(step, whole, page) for step in one.after)
    critical = sum(wave.critical for wave in one.waves)
    servers = sum(wave.servers for wave in one.waves)
    yield f"  * on the critical path; {critical} of {plural(servers, 'server')} {_are(critical)} critical"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _ends(waves: Iterable[WaveForecast]) -> Iterator[float | None]:
    return (wave.end_seconds for wave in waves)


def _step_ends(one: Prediction) -> Iterator[float | None]:
    steps = (*one.before, *(step for wave in one.waves for step in wave.steps), *one.after)
    return (step.end_seconds for step in steps)


def _wave(wave: WaveForecast, whole: float, page: Page) -> str:
    mark = "*" if wave.on_critical_path else " "
    servers = f"{wave.launched}/{wave.servers}" if wave.launched < wave.servers else str(wave.servers)
    if wave.start_seconds is None:
        state = wave.state.replace("_", " ")
        return page.cut(
            f"{mark} {page.short(wave.name)} {servers:>8}  {state}: {_plain(wave.state_reason or 'nothing to launch')}"
        )
    failed = "" if wave.state not in {"failed", "running"} else f"  {wave.state.upper()}"
    end = wave.end_seconds
    bar = page.drawn(wave.start_seconds, end, whole, "█")
    took = None if end is None else end - wave.start_seconds
    return page.cut(
        f"{mark} {page.short(wave.name)} {servers:>8} {clock(wave.start_seconds):>8} {clock(end):>8} {clock(took):>8}"
        f"  {bar}{failed}"
    )


def _step(step: StepForecast, whole: float, page: Page) -> str:
    name = page.short(f"  {step.place} {step.name}")
    if step.start_seconds is None:
        return f"  {name} {step.kind:>8}  {step.state.replace('_', ' ')}".rstrip()
    end = step.end_seconds
    took = None if end is None else end - step.start_seconds
    how = "  assumed" if step.assumed else "" if step.state == "success" else f"  {step.state.upper()}"
    bar = page.drawn(step.start_seconds, end, whole, "▒").rstrip()
    return page.cut(
        f"  {name} {_kind(step.kind):>8} {clock(step.start_seconds):>8} {clock(end):>8} {clock(took):>8}  {bar}{how}"
    )


def _kind(kind: str) -> str:
    return {"ssm_command": "ssm", "ssm_automation": "ssm"}.get(kind, kind)


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def clock(seconds: float | None) -> str:
    """Write seconds since the start as a clock: ``0:02``, ``27:05``, ``1:02:03``; a dash for none."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"


def _path(one: Prediction, page: Page) -> Iterator[str]:
    if one.critical_path:
        yield from page.wrapped(" -> ".join(one.critical_path), "Critical path  ")
        yield from page.wrapped(
            f"{duration(one.drs_seconds)} in DRS jobs, {duration(one.waited_seconds)} waited on purpose, "
            f"{duration(one.orchestration_seconds)} between them",
            " " * 15,
        )


def _quotas(one: Prediction) -> Iterator[str]:
    yield f"{'Quotas, at the fullest moment':<44}{'jobs':>12}{'servers in jobs':>20}"
    for use in one.quotas:
        jobs, servers = f"{use.jobs} of {use.jobs_quota}", f"{use.servers} of {use.servers_quota}"
        yield f"  {f'account {use.account}, {use.region}':<42}{jobs:>12}{servers:>20}"


def _api_calls(one: Prediction, page: Page) -> Iterator[str]:
    if not one.api_calls:
        yield "AWS calls: none"
        return
    yield f"AWS calls: {sum(one.api_calls.values()):,}"
    said = ", ".join(f"{count:,}{_TIED}{name.replace('drs:', '')}" for name, count in one.api_calls.items())
    yield from (line.replace(_TIED, " ") for line in page.wrapped(said, "  "))


def _failures(one: Prediction, page: Page) -> Iterator[str]:
    if one.failures:
        yield "What goes wrong"
        for failure in one.failures:
            yield from page.wrapped(f"{failure.what}: {failure.why}", "  - ")
            if failure.next_step:
                yield from page.wrapped(failure.next_step, "    ")


def _list(title: str, lines: Sequence[str], page: Page) -> Iterator[str]:
    if lines:
        yield title
        for line in lines:
            yield from page.wrapped(line, "  - ")
