"""Which of two runs of one plan's way back gives way to the other.

Both are runs of one Airflow, which knows them by name. What another Airflow, or a person in the console, has started is
seen by its jobs and instances only: `launchable` tells of those.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drs_provider.formatting import joined
from drs_provider.rules.purpose import Purpose


@dataclass(frozen=True)
class OtherWayBack:
    """Another run of the same DAG that is not over.

    :param waves: those that it was started for; empty: all
    :param has_passed: its preflight has let it through; false: it has not come to an end yet
    :param is_earlier: it was started before this run
    """

    run_id: str
    purpose: Purpose
    waves: Sequence[str] = ()
    has_passed: bool = True
    is_earlier: bool = True


def refusals_beside(plan: str, purpose: Purpose, waves: Sequence[str], others: Iterable[OtherWayBack]) -> Iterator[str]:
    """Yield why a run does not begin beside others: at most one of two gets through, whichever looks first.

    What only replicates is in nobody's way, and neither is a run whose preflight looks later and refuses itself.

    :param waves: those of the run; empty: all
    """
    for other in others:
        if _clash(purpose, waves, other) and (other.has_passed or other.is_earlier):
            yield _words(plan, purpose, waves, other)


def refusals_later(plan: str, purpose: Purpose, waves: Sequence[str], others: Iterable[OtherWayBack]) -> Iterator[str]:
    """Yield why a run that preflight has let through gives way all the same, right before it changes something.

    Both may have got through, where somebody has cleared tasks of one that was over. Then a drill gives way to a
    failback, whose writes may be stopped already, and of two failbacks the later one does.
    """
    for other in others:
        gives_way = purpose.yields if purpose.yields != other.purpose.yields else other.is_earlier
        if _clash(purpose, waves, other) and other.has_passed and gives_way:
            yield _words(plan, purpose, waves, other)


def _clash(purpose: Purpose, waves: Sequence[str], other: OtherWayBack) -> bool:
    """Drills are kept apart by their jobs; a failback must know before it stops the writes."""
    both_launch = purpose.launches and other.purpose.launches
    return both_launch and (purpose.cuts_over or other.purpose.cuts_over) and _share(waves, other.waves)


def _share(waves: Sequence[str], others: Sequence[str]) -> bool:
    return not waves or not others or bool({*waves} & {*others})


def _words(plan: str, purpose: Purpose, waves: Sequence[str], other: OtherWayBack) -> str:
    shared = [wave for wave in waves if wave in other.waves] if other.waves else list(waves)
    which = f"{'wave' if len(shared) == 1 else 'waves'} {joined(shared)}" if shared else "all waves"
    goes_on = f"{other.purpose.title.lower()} {other.run_id} goes on, with {which} of this run"
    command = f"drs run cancel {plan}.failback {shlex.quote(other.run_id)}"
    if not other.purpose.cuts_over:
        return (
            f"{goes_on}: what it launches would be in the way once the writes are stopped. Wait for its end, or end it "
            f"({command}), then start again"
        )
    if purpose.cuts_over:
        return (
            f"{goes_on}: two at once would ask, stop and start everything twice. Wait for its end; or cancel it "
            f"({command}) and start again, which goes on with what it has launched"
        )
    return f"{goes_on}: a drill would take the servers that it is about to launch. Wait for its end, then start again"
