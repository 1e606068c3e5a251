"""What the person who starts a run asks for, checked before anything is called."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from drs_provider.exceptions import PreflightRefused
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.recovery_points import LATEST, read_point_in_time

DRILL, RECOVERY = "drill", "recovery"
MODES = (DRILL, RECOVERY)

_KEY = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class RunRequest:
    """The trigger form, read. ``waves`` are names in the plan's order; ``exclude_servers`` ids or hostnames.

    ``point_in_time`` is ``latest`` or an ISO 8601 instant in UTC, to the second. ``continue_run``: key of the run, most
    likely of another Airflow, that this one goes on with.
    """

    mode: str
    point_in_time: str
    waves: tuple[str, ...]
    exclude_servers: tuple[str, ...]
    replace_live_instances: bool
    reason: str
    continue_run: str | None = None

    @property
    def is_drill(self) -> bool:
        """Whether DRS is to be told ``isDrill``. Never the truth of a text: see ``is_drill``."""
        return is_drill(self.mode)

    @property
    def as_of(self) -> datetime | None:
        """The instant that the run goes back to; None: the most recent data."""
        return read_as_of(self.point_in_time)


def read_as_of(point_in_time: str) -> datetime | None:
    """Read a request's ``point_in_time`` again, after it has travelled as text."""
    return None if point_in_time == LATEST else parse_instant(point_in_time)


def is_drill(mode: object) -> bool:
    """Say whether a mode is a drill; refuse everything that is not exactly one of the two words.

    ``bool("False")`` is true, a template renders to text, and a recovery by mistake is a disaster of its own: so the
    mode is compared as text, and what is neither word never reaches AWS.
    """
    if mode == DRILL:
        return True
    if mode == RECOVERY:
        return False
    raise PreflightRefused("this plan", [f"mode {mode!r} is neither 'drill' nor 'recovery'"])


def read_request(
    params: Mapping[str, Any], *, plan: str, waves: Sequence[str], run_type: str, now: datetime
) -> RunRequest:
    """Read the trigger form, or raise ``PreflightRefused`` with everything that is wrong with it.

    :param run_type: Airflow's word for how the run came to be; only a ``manual`` one has a person behind it
    :param now: the present instant
    """
    problems = list(_problems(params, plan=plan, waves=waves, run_type=run_type))
    as_of = None
    try:
        as_of = read_point_in_time(params.get("point_in_time") or LATEST, now=now)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise PreflightRefused(plan, problems)
    chosen = set(params.get("waves") or waves)
    return RunRequest(
        mode=params["mode"],
        point_in_time=as_of.isoformat() if as_of else LATEST,
        waves=tuple(wave for wave in waves if wave in chosen),
        exclude_servers=tuple(params.get("exclude_servers") or ()),
        replace_live_instances=params.get("replace_live_instances") is True,
        reason=(params.get("reason") or "").strip(),
        continue_run=params.get("continue_run") or None,
    )


def _problems(params: Mapping[str, Any], *, plan: str, waves: Sequence[str], run_type: str) -> Iterator[str]:
    mode = params.get("mode")
    if mode not in MODES:
        yield f"mode {mode!r} is neither 'drill' nor 'recovery'"
    elif mode == RECOVERY:
        if run_type != "manual":
            yield f"only drills are started by a schedule: a recovery needs a person, and this run is {run_type}"
        elif params.get("confirm") != plan:
            yield f"mode is recovery: type the plan's name, {plan}, into 'confirm'"
        if not (params.get("reason") or "").strip():
            yield "mode is recovery: write into 'reason' why production is recovered; it is in the report"
    if params.get("replace_live_instances") not in (None, False, True):
        yield f"replace_live_instances is {params['replace_live_instances']!r}: it must be true or false"
    continued = params.get("continue_run")
    if continued and not _KEY.fullmatch(str(continued)):
        yield f"continue_run {continued!r} is no key of a run: drs takeover {plan} shows the keys"
    yield from _unknown_waves(params.get("waves") or (), waves)


def _unknown_waves(chosen: Sequence[Any], waves: Sequence[str]) -> Iterator[str]:
    for wave in chosen:
        if wave not in waves:
            near = get_close_matches(str(wave), waves, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the plan has {', '.join(waves)}"
            yield f"waves: no wave called {wave!r} ({hint})"
