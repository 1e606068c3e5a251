"""What the reports of past runs say of single servers: which were launched or failed, in which drill or recovery."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from drs_provider.rules.purpose import find_purpose

MOST_LAUNCHES: Final = 10
"""Launches of a server that are kept, the newest ones; its newest drill and recovery that launched it stay anyway."""


@dataclass(frozen=True, slots=True)
class PastLaunch:
    """What became of a server in a run: ``status`` is the report's word, ``launched`` or ``failed``.

    :param at: when it was launched, else when the run was started
    """

    dag_id: str
    run_id: str
    plan: str
    mode: str
    status: str
    at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """DAG id and run id."""
        return self.dag_id, self.run_id

    @property
    def is_drill(self) -> bool:
        """Whether it proves that the server can be recovered: a drill has launched it."""
        purpose = find_purpose(self.mode)
        return self.status == "launched" and purpose is not None and purpose.proves_plan

    @property
    def is_recovery(self) -> bool:
        """Whether a run that removes nothing at its end has launched it: a recovery, a migration, a failback."""
        purpose = find_purpose(self.mode)
        return self.status == "launched" and purpose is not None and purpose.launches and not purpose.cleans_up


@dataclass(frozen=True)
class PastLaunches:
    """The launches of every server, the newest first.

    :param pending: reports that are not read yet: a server without a launch may have one
    :param problem: why reports cannot be read; empty: they can
    """

    of_server: Mapping[str, tuple[PastLaunch, ...]] = field(default_factory=dict)
    pending: int = 0
    problem: str = ""

    def of(self, server_id: str) -> tuple[PastLaunch, ...]:
        """Return what past runs did with a server."""
        return self.of_server.get(server_id, ())


def last_drill(launches: Iterable[PastLaunch]) -> PastLaunch | None:
    """Return the newest drill that has launched a server."""
    return next((launch for launch in launches if launch.is_drill), None)


def last_recovery(launches: Iterable[PastLaunch]) -> PastLaunch | None:
    """Return the newest run that has launched a server for good."""
    return next((launch for launch in launches if launch.is_recovery), None)


def newest_launches(launches: Iterable[PastLaunch]) -> tuple[PastLaunch, ...]:
    """Return the launches of a server that are kept, the newest first, one a run."""
    of_run = {launch.key: launch for launch in launches}
    standing = sorted(of_run.values(), key=lambda launch: launch.at, reverse=True)
    kept = standing[:MOST_LAUNCHES]
    for newest in (last_drill(standing), last_recovery(standing)):
        if newest is not None and newest not in kept:
            kept.append(newest)
    return tuple(kept)


def with_launch(known: tuple[PastLaunch, ...], launch: PastLaunch) -> tuple[PastLaunch, ...]:
    """Return the launches of a server with one more, as :func:`newest_launches` keeps them."""
    is_old = len(known) >= MOST_LAUNCHES and launch.at < known[-1].at
    if is_old and last_drill(known) and last_recovery(known):
        return known
    return newest_launches((*known, launch))
