"""A prediction as text, 100 columns wide, without colours."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from drs_provider.rehearsal.prediction import Objective, Prediction, StepForecast, WaveForecast
from drs_provider.reporting.words import duration, plural

WIDTH = 100
_NAME, _BAR = 26, 33
_MINUTE, _HOUR = 60, 3600
_TIED = "~"
"""Stands where a line must not break."""

_FATES = {"good": "ENDS WELL", "objective_missed": "MISSES", "failed": "FAILS"}


def as_text(one: Prediction) -> str:
    """Write the prediction for a terminal."""
    parts = [
        _head(one),
        _timeline(one),
        _path(one),
        _quotas(one),
        _api_calls(one),
        _failures(one),
        _list("Preflight warns", one.warnings),
        _list("Taken for granted", one.assumptions),
        _list("Not foretold", one.not_predicted),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _head(one: Prediction) -> Iterator[str]:
    name = one.plan if one.title in ("", one.plan) else f"{one.title} ({one.plan})"
    yield f"Rehearsal of {name}: {one.mode}, plan version {one.plan_digest[:12]}"
    yield from _wrapped(f"{one.fleet}; seed {one.random_seed}", "")
    yield ""
    yield from _wrapped(f"{one.verdict}: {one.verdict_reason}", f"  {_FATES[one.fate]:<10}")
    yield f"  {'RTO':<10}{_objective(one.rto)}"
    yield f"  {'RPO':<10}{_objective(one.rpo)}"
    yield f"  {'Elapsed':<10}{_elapsed(one.launched_seconds, one.elapsed_seconds)}"
    if fast := one.by_the_clock:
        took = _elapsed(fast.launched_seconds, fast.elapsed_seconds)
        yield f"  {'':<10}at speed {fast.speed:g}, by the clock: {took}"


def _elapsed(launched: float | None, whole: float) -> str:
    until = "no server launched" if launched is None else f"{duration(launched)} until the last server is launched"
    return f"{until}, {duration(whole)} in all"


def _objective(one: Objective) -> str:
    predicted, target = one.predicted_seconds, one.target_seconds
    said = "no server tells" if predicted is None else duration(predicted)
    if target is None:
        return f"{said}; the plan sets no objective"
    left = target - (predicted or 0.0)
    if one.outcome == "met":
        return f"{said} of {duration(target)}: met, {duration(left)} to spare"
    if one.outcome == "missed":
        return f"{said} of {duration(target)}: MISSED by {duration(-left)}"
    return f"{said} of {duration(target)} where servers were launched; not met, for not all were"


def _timeline(one: Prediction) -> Iterator[str]:
    ends = [end for end in (*_ends(one.waves), *_step_ends(one)) if end is not None]
    whole = max(ends, default=0.0) or 1.0
    axis = f"0:00{clock(whole):>{_BAR - 4}}"
    yield f"  {'Timeline':<{_NAME}} {'servers':>8} {'start':>8} {'end':>8} {'took':>8}  {axis}"
    yield from (_step(step, whole) for step in one.before)
    for wave in one.waves:
        yield from (_step(step, whole) for step in wave.steps if step.place == "before")
        yield _wave(wave, whole)
        yield from (_step(step, whole) for step in wave.steps if step.place == "after")
    yield from (_step(step, whole) for step in one.after)
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


def _wave(wave: WaveForecast, whole: float) -> str:
    mark = "*" if wave.on_critical_path else " "
    servers = f"{wave.launched}/{wave.servers}" if wave.launched < wave.servers else str(wave.servers)
    if wave.start_seconds is None:
        state = wave.state.replace("_", " ")
        return _cut(f"{mark} {_short(wave.name)} {servers:>8}  {state}: {wave.state_reason or 'nothing to launch'}")
    failed = "" if wave.state not in {"failed", "running"} else f"  {wave.state.upper()}"
    end = wave.end_seconds
    bar = _bar(wave.start_seconds, end, whole, "█")
    took = None if end is None else end - wave.start_seconds
    return (
        f"{mark} {_short(wave.name)} {servers:>8} {clock(wave.start_seconds):>8} {clock(end):>8} {clock(took):>8}"
        f"  {bar}{failed}"
    ).rstrip()


def _step(step: StepForecast, whole: float) -> str:
    name = _short(f"  {step.place} {step.name}")
    if step.start_seconds is None:
        return f"  {name} {step.kind:>8}  {step.state.replace('_', ' ')}".rstrip()
    end = step.end_seconds
    took = None if end is None else end - step.start_seconds
    how = "  assumed" if step.assumed else "" if step.state == "success" else f"  {step.state.upper()}"
    bar = _bar(step.start_seconds, end, whole, "▒").rstrip()
    return (
        f"  {name} {_kind(step.kind):>8} {clock(step.start_seconds):>8} {clock(end):>8} {clock(took):>8}  {bar}{how}"
    ).rstrip()


def _kind(kind: str) -> str:
    return {"ssm_command": "ssm", "ssm_automation": "ssm"}.get(kind, kind)


def _bar(start: float, end: float | None, whole: float, full: str) -> str:
    first = min(round(start / whole * _BAR), _BAR - 1)
    last = _BAR if end is None else round(end / whole * _BAR)
    return (" " * first + full * max(last - first, 1)).ljust(_BAR)


def _short(name: str) -> str:
    return f"{name[: _NAME - 1]}…" if len(name) > _NAME else f"{name:<{_NAME}}"


def clock(seconds: float | None) -> str:
    """Write seconds since the start as a clock: ``0:02``, ``27:05``, ``1:02:03``; a dash for none."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"


def _path(one: Prediction) -> Iterator[str]:
    if one.critical_path:
        yield from _wrapped(" -> ".join(one.critical_path), "Critical path  ")
        yield (
            f"{'':<15}{duration(one.drs_seconds)} in DRS jobs, {duration(one.waited_seconds)} waited on purpose, "
            f"{duration(one.orchestration_seconds)} between them"
        )


def _quotas(one: Prediction) -> Iterator[str]:
    yield f"{'Quotas, at the fullest moment':<44}{'jobs':>12}{'servers in jobs':>20}"
    for use in one.quotas:
        jobs, servers = f"{use.jobs} of {use.jobs_quota}", f"{use.servers} of {use.servers_quota}"
        yield f"  {f'account {use.account}, {use.region}':<42}{jobs:>12}{servers:>20}"


def _api_calls(one: Prediction) -> Iterator[str]:
    yield f"AWS calls: {sum(one.api_calls.values()):,}"
    said = ", ".join(f"{count:,}{_TIED}{name.replace('drs:', '')}" for name, count in one.api_calls.items())
    yield from (line.replace(_TIED, " ") for line in _wrapped(said, "  "))


def _failures(one: Prediction) -> Iterator[str]:
    if one.failures:
        yield "What goes wrong"
        for failure in one.failures:
            yield from _wrapped(f"{failure.what}: {failure.why}", "  - ")
            if failure.next_step:
                yield from _wrapped(failure.next_step, "    ")


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
        for line in lines:
            yield from _wrapped(line, "  - ")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Wrap a text behind its first indent; control characters and line ends become spaces."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    yield from textwrap.wrap(plain, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)) or [indent]


def _cut(line: str) -> str:
    return f"{line[: WIDTH - 1]}…" if len(line) > WIDTH else line
