"""A prediction as text, as wide as the terminal, without colours."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drs_provider.formatting import duration, plural
from drs_provider.plan.step_kinds import step_kind
from drs_provider.rehearsal.prediction import Objective, OtherWay, Prediction, StepForecast, WaveForecast

WIDTH = 100
"""Columns where nobody knows how wide the page is."""
NARROWEST, WIDEST = 80, 120
_FIGURES, _REMARK = 40, 9
"""Columns of a line of the timeline beside its name and bar; and of what may be remarked behind the bar."""
_MINUTE, _HOUR = 60, 3600
_TIED = "~"
"""Stands where a line must not break."""

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


def as_text(prediction: Prediction, width: int = WIDTH) -> str:
    """Write the prediction for a terminal of this width; a very narrow or wide one gets lines of 80 or 120."""
    page = Page(min(max(width, NARROWEST), WIDEST))
    parts = [
        _head(prediction, page),
        _timeline(prediction, page),
        _path(prediction, page),
        _quotas(prediction),
        _api_calls(prediction, page),
        _failures(prediction, page),
        _list("Preflight warns", prediction.warnings, page),
        _list("Assumptions", prediction.assumptions, page),
        _list("Not predicted", prediction.not_predicted, page),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _head(prediction: Prediction, page: Page) -> Iterator[str]:
    name = prediction.plan if prediction.title in ("", prediction.plan) else f"{prediction.title} ({prediction.plan})"
    yield from page.wrapped(f"Rehearsal of {name}: {prediction.mode}, plan version {prediction.plan_digest[:12]}", "")
    yield from page.wrapped(f"{prediction.fleet}; seed {prediction.random_seed}", "")
    yield ""
    verdict = prediction.verdict.replace("_", " ")
    yield from page.wrapped(f"{verdict}: {prediction.verdict_reason}", f"  {_FATES[prediction.fate]:<10}")
    yield from page.wrapped(_objective(prediction.rto), f"  {'RTO':<10}")
    yield from page.wrapped(_objective(prediction.rpo), f"  {'RPO':<10}")
    if prediction.in_waves:
        yield from page.wrapped(_launch(prediction.in_waves), f"  {'Launch':<10}")
    yield from page.wrapped(_elapsed(prediction.launched_seconds, prediction.elapsed_seconds), f"  {'Elapsed':<10}")


def _launch(in_waves: OtherWay) -> str:
    """Say what launching ahead saves."""
    if in_waves.rto_seconds is None:
        return f"ahead; launched in waves the run would end as {in_waves.verdict.replace('_', ' ')}"
    other = f"launched in waves the RTO would be {duration(in_waves.rto_seconds)}"
    saved = in_waves.saved_seconds
    if saved is None:
        return f"ahead; {other}"
    return f"ahead {'saves' if saved >= 0 else 'costs'} {duration(abs(saved))}: {other}"


def _elapsed(launched: float | None, whole: float) -> str:
    until = "no server launched" if launched is None else f"{duration(launched)} until the last server is launched"
    return f"{until}, {duration(whole)} in all"


def _objective(objective: Objective) -> str:
    predicted, target = objective.predicted_seconds, objective.target_seconds
    said = "not known" if predicted is None else duration(predicted)
    if target is not None and predicted is None:
        return f"{said}; the objective is {duration(target)}"
    if target is None:
        return f"{said}; the plan sets no objective"
    left = target - (predicted or 0.0)
    if objective.outcome == "met":
        return f"{said} of {duration(target)}: met, {duration(left)} to spare"
    if objective.outcome == "missed":
        return f"{said} of {duration(target)}: MISSED by {duration(-left)}"
    return f"{said} of {duration(target)} where servers were launched; not met, for not all were"


def _timeline(prediction: Prediction, page: Page) -> Iterator[str]:
    ends = [end for end in (*_ends(prediction.waves), *_step_ends(prediction)) if end is not None]
    whole = max(ends, default=0.0) or 1.0
    axis = f"0:00{clock(whole):>{page.bar - 4}}"
    yield f"  {'Timeline':<{page.name}} {'servers':>8} {'start':>8} {'end':>8} {'took':>8}  {axis}"
    yield from (_step(step, whole, page) for step in prediction.before)
    for wave in prediction.waves:
        yield from (_step(step, whole, page) for step in wave.steps if step.place == "before")
        yield _wave(wave, whole, page)
        yield from (_step(step, whole, page) for step in wave.steps if step.place == "after")
    yield from (_step(step, whole, page) for step in prediction.after)
    critical = sum(wave.critical for wave in prediction.waves)
    servers = sum(wave.servers for wave in prediction.waves)
    yield f"  * on the critical path; {critical} of {plural(servers, 'server')} {_are(critical)} critical"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _ends(waves: Iterable[WaveForecast]) -> Iterator[float | None]:
    return (wave.end_seconds for wave in waves)


def _step_ends(prediction: Prediction) -> Iterator[float | None]:
    steps = (*prediction.before, *(step for wave in prediction.waves for step in wave.steps), *prediction.after)
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
    return step_kind(kind).short_name


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


def _path(prediction: Prediction, page: Page) -> Iterator[str]:
    if prediction.critical_path:
        yield from page.wrapped(" -> ".join(prediction.critical_path), "Critical path  ")
        yield from page.wrapped(
            f"{duration(prediction.drs_seconds)} in DRS jobs, {_boots(prediction)}"
            f"{duration(prediction.waited_seconds)} waited on purpose, "
            f"{duration(prediction.orchestration_seconds)} between them",
            " " * 15,
        )


def _boots(prediction: Prediction) -> str:
    return f"{duration(prediction.boots_seconds)} in boots, " if prediction.boots_seconds else ""


def _quotas(prediction: Prediction) -> Iterator[str]:
    yield f"{'Quotas, at the fullest moment':<44}{'jobs':>12}{'servers in jobs':>20}"
    for use in prediction.quotas:
        jobs, servers = f"{use.jobs} of {use.jobs_quota}", f"{use.servers} of {use.servers_quota}"
        yield f"  {f'account {use.account}, {use.region}':<42}{jobs:>12}{servers:>20}"


def _api_calls(prediction: Prediction, page: Page) -> Iterator[str]:
    if not prediction.api_calls:
        yield "AWS calls: none"
        return
    yield f"AWS calls: {sum(prediction.api_calls.values()):,}"
    said = ", ".join(f"{count:,}{_TIED}{name.replace('drs:', '')}" for name, count in prediction.api_calls.items())
    yield from (line.replace(_TIED, " ") for line in page.wrapped(said, "  "))


def _failures(prediction: Prediction, page: Page) -> Iterator[str]:
    if prediction.failures:
        yield "What goes wrong"
        for failure in prediction.failures:
            yield from page.wrapped(f"{failure.what}: {failure.why}", "  - ")
            if failure.next_step:
                yield from page.wrapped(failure.next_step, "    ")


def _list(title: str, lines: Sequence[str], page: Page) -> Iterator[str]:
    if lines:
        yield title
        for line in lines:
            yield from page.wrapped(line, "  - ")
