"""What the person who starts a run asks for, checked before anything is called."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from drs_provider.errors import PreflightRefused

DRILL, RECOVERY = "drill", "recovery"
MODES = (DRILL, RECOVERY)


@dataclass(frozen=True)
class RunRequest:
    """The trigger form, read. ``waves`` are names in the plan's order; ``exclude_servers`` ids or hostnames."""

    mode: str
    point_in_time: str
    waves: tuple[str, ...]
    exclude_servers: tuple[str, ...]
    replace_live_instances: bool
    reason: str

    @property
    def is_drill(self) -> bool:
        """Whether DRS is to be told ``isDrill``. Never the truth of a text: see ``is_drill``."""
        return is_drill(self.mode)


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
    params: Mapping[str, Any], *, plan: str, waves: Sequence[str], started_by_schedule: bool
) -> RunRequest:
    """Read the trigger form, or raise ``PreflightRefused`` with everything that is wrong with it."""
    problems = list(_problems(params, plan=plan, waves=waves, started_by_schedule=started_by_schedule))
    if problems:
        raise PreflightRefused(plan, problems)
    chosen = set(params.get("waves") or waves)
    return RunRequest(
        mode=params["mode"],
        point_in_time=params.get("point_in_time") or "latest",
        waves=tuple(wave for wave in waves if wave in chosen),
        exclude_servers=tuple(params.get("exclude_servers") or ()),
        replace_live_instances=params.get("replace_live_instances") is True,
        reason=params.get("reason") or "",
    )


def _problems(
    params: Mapping[str, Any], *, plan: str, waves: Sequence[str], started_by_schedule: bool
) -> Iterator[str]:
    mode = params.get("mode")
    if mode not in MODES:
        yield f"mode {mode!r} is neither 'drill' nor 'recovery'"
    elif mode == RECOVERY:
        if started_by_schedule:
            yield "only drills are started by a schedule: a recovery needs a person"
        elif params.get("confirm") != plan:
            yield f"mode is recovery: type the plan's name, {plan}, into 'confirm'"
        yield "mode recovery is not supported yet: this version runs drills only"
    if (params.get("point_in_time") or "latest") != "latest":
        yield "point_in_time other than 'latest' is not supported yet"
    if params.get("replace_live_instances") not in (None, False, True):
        yield f"replace_live_instances is {params['replace_live_instances']!r}: it must be true or false"
    yield from _unknown_waves(params.get("waves") or (), waves)


def _unknown_waves(chosen: Sequence[Any], waves: Sequence[str]) -> Iterator[str]:
    for wave in chosen:
        if wave not in waves:
            near = get_close_matches(str(wave), waves, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the plan has {', '.join(waves)}"
            yield f"waves: no wave called {wave!r} ({hint})"
