"""Whether and how long what a drill has launched is kept for people to look at."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import escaped, instant_words, timespan
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.controls import END, EXTEND, by_of
from drs_provider.rules.run.handover import KeptDrill, KeptExtension, PreflightResult, RunOrder, Superseded
from drs_provider.rules.run.limits import LONGEST_CLEAN_UP
from drs_provider.rules.run.timing import SLACK

_MOST_SHOWN: Final = 40


def why_not_kept(
    preflight: PreflightResult | None,
    *,
    is_launched: bool,
    superseded: Superseded | None,
    orders: Iterable[RunOrder | None],
) -> str | None:
    """Say why nothing is kept for people; None: something is.

    :param is_launched: whether anything was launched
    :param superseded: what a start left of a recovery that took the servers
    :param orders: what the tasks of the waves obeyed
    """
    if preflight is None or not preflight.purpose.cleans_up:
        return "not a drill, so nothing is kept"
    if not is_launched:
        return "nothing was launched, so there is nothing to look at"
    if superseded:
        return f"{superseded.message}: the drill is cleaned up at once"
    if any(order.is_cancellation for order in orders if order):
        return "the run was cancelled: the drill is cleaned up at once"
    return None


def begun(keep_for: timedelta, *, now: datetime) -> KeptDrill:
    """Begin to keep a drill."""
    return KeptDrill(began_at=now, until=now + keep_for)


def extended(kept: KeptDrill, option: str, *, who: str | None, at: datetime) -> KeptDrill:
    """Keep a drill for longer, as an answer of this instant says that is one of ``EXTEND``."""
    until = kept.until + by_of(option)
    extensions = (*kept.extensions, KeptExtension(at=at, until=until, by=who))
    return kept.model_copy(update={"until": until, "by": who, "extended": kept.extended + 1, "extensions": extensions})


def ended(kept: KeptDrill, *, who: str | None, now: datetime) -> KeptDrill:
    """End a kept drill. ``who`` None: its time is over."""
    return kept.model_copy(update={"ended_at": now, "by": who})


def is_extension(option: str | None) -> bool:
    """Tell whether an answer asks for more time."""
    return option in EXTEND


def time_left(kept: KeptDrill, *, now: datetime) -> timedelta:
    """Return how long people may still answer: at least a second."""
    return max(kept.until - now, timedelta(seconds=1))


def expiry(kept: KeptDrill) -> datetime:
    """Return when everything of the drill is over at the latest, its clean-up included."""
    return kept.until + LONGEST_CLEAN_UP + SLACK


def question_subject(plan: str) -> str:
    """Word what people are asked, in one line. Airflow never changes a question: until when stands elsewhere."""
    return f"The drill of {plan} is up, and kept for people"


def question_text(keep_for: timedelta, kept: KeptDrill, servers: Sequence[tuple[str, ServerResult]]) -> str:
    """Word it in Markdown.

    :param keep_for: how long the plan keeps its drills
    :param kept: since when it is kept
    :param servers: the waves and what became of their servers
    """
    first = instant_words((kept.began_at or kept.until - keep_for) + keep_for)
    lines = [
        f"What the drill has launched stays up for people to look at: by the plan for {timespan(keep_for)},",
        f"until {first}, and longer where somebody extends it.",
        "",
        f"*{END}* cleans it up now, *Extend* keeps it so much longer. Without an answer it goes when its time is over;",
        "*drs run status* says until when it is kept now.",
        "",
        "| server | wave | outcome | instance |",
        "|---|---|---|---|",
    ]
    rows = [
        f"| {escaped(server.hostname)} | {wave} | {server.status} | {server.instance_id or '-'} |"
        for wave, server in servers
    ]
    more = [f"| and {len(rows) - _MOST_SHOWN} more | | | |"] if len(rows) > _MOST_SHOWN else []
    return "\n".join([*lines, *rows[:_MOST_SHOWN], *more])
