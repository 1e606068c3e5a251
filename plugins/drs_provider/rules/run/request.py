"""What the person who starts a run asks for, checked before anything is called."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from drs_provider.exceptions import PreflightRefused
from drs_provider.formatting import duration, joined, parse_instant, plural
from drs_provider.plan.model import LaunchTime
from drs_provider.rules.launch.live_instances import no_replacing
from drs_provider.rules.launch.recovery_points import LATEST, read_point_in_time
from drs_provider.rules.purpose import (
    ALL_PURPOSES,
    DRILL,
    LAUNCHES_NOTHING,
    PURPOSES,
    PURPOSES_BACK,
    STARTERS,
    Purpose,
    find_purpose,
    no_mode,
    purpose_of,
)

LATEST_TICK: Final = timedelta(minutes=15)
"""How late a schedule may start a drill: after that the plan was paused or deployed, or Airflow was down."""

_KEY: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class RunRequest:
    """The trigger form, read. ``waves`` are names in the plan's order; ``exclude_servers`` ids or hostnames.

    ``point_in_time`` is ``latest`` or an ISO 8601 instant in UTC, to the second. ``continue_run``: key of the run, most
    likely of another Airflow, that this one goes on with. ``replace_live_instances`` is never true in a drill.
    ``replace_drills``: drill instances that others have launched may be terminated. ``launch``: whether waves that the
    plan launches ahead are; ``in_waves``: each is launched in its turn.
    """

    mode: str
    point_in_time: str
    waves: tuple[str, ...]
    exclude_servers: tuple[str, ...]
    replace_live_instances: bool
    reason: str
    continue_run: str | None = None
    replace_drills: bool = False
    launch: LaunchTime = "in_waves"

    @property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return purpose_of(self.mode, ALL_PURPOSES)

    def scope(self, waves: Sequence[str]) -> str:
        """Say in a line what takes part, and from which data.

        :param waves: all waves of the plan
        """
        chosen = "all its waves" if len(self.waves) == len(waves) else f"{plural(len(self.waves), 'wave')} of "
        if len(self.waves) != len(waves):
            chosen += f"{len(waves)}, {joined(self.waves)}"
        without = f", without {joined(self.exclude_servers)}" if self.exclude_servers else ""
        if find_purpose(self.mode, PURPOSES_BACK):
            return f"{chosen}{without}"
        data = "the most recent data" if self.point_in_time == LATEST else f"data of {self.point_in_time} or before"
        replaces = ", live recovered instances are replaced" if self.replace_live_instances else ""
        return f"{chosen}{without}, from {data}{replaces}"

    @property
    def as_of(self) -> datetime | None:
        """The instant that the run goes back to; None: the most recent data."""
        return read_as_of(self.point_in_time)


def read_as_of(point_in_time: str) -> datetime | None:
    """Read a request's ``point_in_time`` again, after it has travelled as text."""
    return None if point_in_time == LATEST else parse_instant(point_in_time)


def lateness(due: datetime, began: datetime) -> timedelta | None:
    """Say by how much a tick of a schedule is too late to be run; None: it is in time."""
    return began - due if began - due > LATEST_TICK else None


def too_late(mode: str, late: timedelta, *, plan: str) -> str:
    """Say of a tick of a schedule that it is not run any more, and what to do."""
    chosen = "" if mode == DRILL.name else f" --mode {mode}"
    return (
        f"this {mode} was due {duration(late)} ago by the plan's schedule, and what is missed is not caught up: "
        f"wait for the next one, or start one now (drs run start {plan}{chosen})"
    )


def read_request(
    params: Mapping[str, object],
    *,
    plan: str,
    waves: Sequence[str],
    run_type: str,
    now: datetime,
    late: timedelta | None = None,
    by_plan: bool = False,
    purposes: Sequence[Purpose] = PURPOSES,
    has_launch_ahead: bool = False,
) -> RunRequest:
    """Read the trigger form, or raise ``PreflightRefused`` with everything that is wrong with it.

    :param run_type: Airflow's word for how the run came to be; only a ``manual`` one has a person behind it
    :param now: the present instant
    :param late: by how much a schedule's tick is too late, see :func:`lateness`
    :param purposes: the kinds of run that its DAG has
    :param by_plan: a step of another plan's run has started it and has proven that: the person behind it is that run's
    :param has_launch_ahead: whether the plan launches any wave ahead of its turn
    """
    problems = list(_launch_problems(params, has_launch_ahead=has_launch_ahead))
    problems += list(_problems(params, purposes, plan=plan, waves=waves, run_type=run_type, by_plan=by_plan))
    if late is not None:
        problems.append(too_late(DRILL.name, late, plan=plan))
    as_of = None
    try:
        as_of = read_point_in_time(_text(params.get("point_in_time")) or LATEST, now=now)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise PreflightRefused(plan, problems)
    chosen = set(read_names(params.get("waves")) or waves)
    return RunRequest(
        mode=_text(params["mode"]),
        point_in_time=as_of.isoformat() if as_of else LATEST,
        waves=tuple(wave for wave in waves if wave in chosen),
        exclude_servers=read_names(params.get("exclude_servers")),
        replace_live_instances=params.get("replace_live_instances") is True,
        reason=_text(params.get("reason")).strip(),
        continue_run=_text(params.get("continue_run")) or None,
        replace_drills=params.get("replace_drills") is True,
        launch="ahead" if has_launch_ahead and params.get("launch", "ahead") == "ahead" else "in_waves",
    )


def _text(value: object) -> str:
    return str(value or "")


def read_names(value: object) -> tuple[str, ...]:
    """Read a field that holds names: a list of them, one alone, or nothing."""
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return (str(value),) if value else ()


def _launch_problems(params: Mapping[str, object], *, has_launch_ahead: bool) -> Iterator[str]:
    chosen = params.get("launch", "in_waves")
    if chosen not in ("in_waves", "ahead"):
        yield f"launch is {chosen!r}: it must be in_waves or ahead"
    elif chosen == "ahead" and not has_launch_ahead:
        yield "launch is ahead, and the plan launches nothing ahead: write launch: ahead into the plan"


def _problems(
    params: Mapping[str, object],
    purposes: Sequence[Purpose],
    *,
    plan: str,
    waves: Sequence[str],
    run_type: str,
    by_plan: bool,
) -> Iterator[str]:
    purpose = find_purpose(params.get("mode"), purposes)
    if purpose is None:
        yield no_mode(params.get("mode"), purposes)
    else:
        yield from _missing(purpose, params, plan=plan, run_type="manual" if by_plan else run_type, confirmed=by_plan)
    for name in ("replace_live_instances", "replace_drills"):
        if not isinstance(params.get(name), bool | None):
            yield f"{name} is {params[name]!r}: it must be true or false"
    if purpose and params.get("replace_live_instances") is True and not purpose.may_replace_recovered:
        yield no_replacing(purpose)
    if purpose and purpose.quiesces and (_text(params.get("point_in_time")) or LATEST).strip().lower() != LATEST:
        yield f"mode is {purpose}: it launches from data younger than the last write, so point_in_time must be latest"
    continued = params.get("continue_run")
    if continued and purpose and not purpose.launches:
        yield f"continue_run: {LAUNCHES_NOTHING}, so it continues no run: leave the field empty"
    if continued and not _KEY.fullmatch(str(continued)):
        yield f"continue_run {continued!r} is no key of a run: drs takeover {plan} shows the keys"
    if isinstance(params.get("waves"), list | tuple) and not params["waves"]:
        yield f"waves: none is chosen; choose some of {', '.join(waves)}, or leave the field out for all"
    yield from _unknown_waves(read_names(params.get("waves")), waves)


def _missing(
    purpose: Purpose, params: Mapping[str, object], *, plan: str, run_type: str, confirmed: bool
) -> Iterator[str]:
    if run_type not in STARTERS:
        yield f"a run of a plan is started by a person, a schedule or another DAG, and this one is {run_type}"
    elif not purpose.may_be_scheduled and run_type != "manual":
        starter = STARTERS[run_type]
        yield f"only drills and checks are started by {starter}: a {purpose} needs a person, and this run is {run_type}"
    elif purpose.needs_confirmation and not confirmed and params.get("confirm") != plan:
        yield f"mode is {purpose}: type the plan's name, {plan}, into 'confirm'"
    if purpose.needs_reason and not _text(params.get("reason")).strip():
        yield f"mode is {purpose}: write into 'reason' why production is recovered; it is in the report"


def _unknown_waves(chosen: Sequence[str], waves: Sequence[str]) -> Iterator[str]:
    for wave in chosen:
        if wave not in waves:
            near = get_close_matches(wave, waves, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the plan has {', '.join(waves)}"
            yield f"waves: no wave called {wave!r} ({hint})"
