"""One inventory of all source servers: asked again in the background when somebody looks and it has grown old."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from drs_provider.exceptions import DrsProviderError
from drs_provider.formatting import duration, parse_instant
from drs_provider.rules.inventory.server import InventoryServer, read_servers
from drs_provider.rules.run.roster import Place, Target
from drs_provider.rules.servers import Answer

FRESH_FOR: Final = timedelta(seconds=30)
"""What is younger is not asked for again."""

HOOKS_FOR: Final = timedelta(minutes=10)
"""How long a connection is believed to lead to the same account, and its clients are used."""

SILENT_AFTER: Final = timedelta(seconds=60)
"""An account that takes longer to answer is said to be silent; what was known of it stays."""

FIRST_WAIT: Final = 8.0
"""Seconds that whoever looks first waits for accounts of which nothing is known yet."""

SIDE_BY_SIDE: Final = 8
"""Accounts and Regions that are asked at the same time."""


class InventoryHook(Protocol):
    """What is asked of AWS: ``hooks.drs.DrsHook``."""

    @property
    def region(self) -> str:
        """The Region that is asked."""
        ...

    def caller_account(self) -> str:
        """Return the account that the connection works in."""
        ...

    def every_source_server(self) -> tuple[Answer, ...]:
        """Return all source servers, in the fewest calls."""
        ...

    def recovery_instances(self) -> tuple[Answer, ...]:
        """Return all recovery instances."""
        ...

    def newest_recovery_snapshot(self, server_id: str) -> Answer | None:
        """Return the newest point in time of a server; None: there is none."""
        ...

    def recovery_snapshots(self, server_id: str) -> tuple[Answer, ...]:
        """Return the newest points in time of a server, the newest first."""
        ...


@dataclass(frozen=True)
class AccountState:
    """What is known of an account and Region.

    ``targets`` are the ways in which groups and settings name it. ``place`` None: nobody knows which account the
    connection leads to. ``asked_at``: of when ``servers`` are; None: it has never answered. ``problem``: why the last
    try has failed; empty: it has not.
    """

    targets: tuple[Target, ...]
    place: Place | None = None
    servers: tuple[InventoryServer, ...] = ()
    asked_at: datetime | None = None
    problem: str = ""


@dataclass
class _Asked:
    """Of one way to name an account and Region: the hook, where it leads, when it was last tried.

    ``is_awaited``: its first try goes on, and nobody has waited in vain for it.
    """

    hook: InventoryHook | None = None
    place: Place | None = None
    made_at: datetime | None = None
    tried_at: datetime | None = None
    is_busy: bool = False
    is_awaited: bool = True
    problem: str = ""


@dataclass
class _Kept:
    """What one account and Region has answered, and since when it is being asked again; ``is_awaited`` as above."""

    servers: tuple[InventoryServer, ...] = ()
    asked_at: datetime | None = None
    tried_at: datetime | None = None
    is_busy: bool = False
    is_awaited: bool = True
    problem: str = ""


@dataclass
class Inventory:
    """The inventory of a process. Accounts that cannot be asked keep what was known of them; the others go on.

    :param hook_of: makes a hook for a way to name an account and Region
    """

    hook_of: Callable[[Target], InventoryHook]
    now: Callable[[], datetime]
    fresh_for: timedelta = FRESH_FOR
    _asked: dict[Target, _Asked] = field(default_factory=dict)
    _kept: dict[Place, _Kept] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(SIDE_BY_SIDE))

    def look(self, targets: Iterable[Target], *, wait: float = FIRST_WAIT) -> tuple[AccountState, ...]:
        """Return what is known now, and ask in the background for what has grown old.

        :param targets: every account and Region that belongs to the inventory now; others are forgotten
        :param wait: seconds for which accounts are waited for of which nothing is known at all, while they are asked
            for the first time
        """
        wanted = tuple(dict.fromkeys(targets))
        with self._changed:
            self._forget_others(wanted)
            for target in wanted:
                self._ask_in_background(target)
            until = time.monotonic() + wait
            while any(self._is_unheard(target) for target in wanted):
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if wait > 0:
                        self._await_no_more(wanted)
                    break
            return self._states(wanted)

    def newest_recovery_point(self, server: InventoryServer) -> tuple[datetime | None, str]:
        """Ask DRS for the newest recovery point of a server; None: there is none, or the words say why not."""
        hook = self._hook_for(server.place)
        if hook is None:
            return None, "its account cannot be asked now"
        try:
            found = hook.newest_recovery_snapshot(server.server_id)
        except DrsProviderError as error:
            return None, str(error)
        return (parse_instant(str(found["timestamp"])), "") if found else (None, "DRS has no recovery point of it")

    def recovery_points(self, server: InventoryServer) -> tuple[tuple[tuple[datetime, str], ...], str]:
        """Ask DRS for the recovery points of a server: instant and id, the newest first; else the words say why not."""
        hook = self._hook_for(server.place)
        if hook is None:
            return (), "its account cannot be asked now"
        try:
            found = hook.recovery_snapshots(server.server_id)
        except DrsProviderError as error:
            return (), str(error)
        points = tuple((parse_instant(str(item["timestamp"])), str(item.get("snapshotID") or "")) for item in found)
        return points, "" if points else "DRS has no recovery point of it"

    def _hook_for(self, place: Place) -> InventoryHook | None:
        with self._changed:
            return next((asked.hook for asked in self._asked.values() if asked.place == place and asked.hook), None)

    def _forget_others(self, wanted: tuple[Target, ...]) -> None:
        for target in [target for target, asked in self._asked.items() if target not in wanted and not asked.is_busy]:
            del self._asked[target]
        places = {asked.place for asked in self._asked.values()}
        for place in [place for place in self._kept if place not in places]:
            del self._kept[place]

    def _ask_in_background(self, target: Target) -> None:
        asked = self._asked.setdefault(target, _Asked())
        if asked.is_busy or (asked.tried_at is not None and self.now() - asked.tried_at < self.fresh_for):
            return
        asked.is_busy, asked.tried_at = True, self.now()
        # A daemon: the server ends although somebody far away still keeps a connection open.
        threading.Thread(target=self._ask, args=(target, asked), daemon=True, name="drs-inventory").start()

    def _ask(self, target: Target, asked: _Asked) -> None:
        try:
            with self._slots:
                self._ask_one(target, asked)
            problem = ""
        except DrsProviderError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  (whatever one account's connection leads to, the others are shown)
            problem = f"{type(error).__name__}: {error}"
        with self._changed:
            asked.problem, asked.is_busy, asked.is_awaited = problem, False, False
            if problem:
                asked.hook = None  # the connection may be mended: look it up again
            self._changed.notify_all()

    def _ask_one(self, target: Target, asked: _Asked) -> None:
        hook, place = self._hook_and_place(target, asked)
        with self._changed:
            kept = self._kept.setdefault(place, _Kept())
            is_fresh = kept.tried_at is not None and self.now() - kept.tried_at < self.fresh_for
            if kept.is_busy or is_fresh:  # another way to name it has asked
                return
            kept.is_busy, kept.tried_at = True, self.now()
        try:
            servers = read_servers(hook.every_source_server(), hook.recovery_instances(), place)
            with self._changed:
                kept.servers, kept.asked_at, kept.problem = servers, self.now(), ""
        except Exception as error:
            with self._changed:
                kept.problem = str(error) if isinstance(error, DrsProviderError) else f"{type(error).__name__}: {error}"
            raise
        finally:
            with self._changed:
                kept.is_busy = kept.is_awaited = False

    def _hook_and_place(self, target: Target, asked: _Asked) -> tuple[InventoryHook, Place]:
        now = self.now()
        if asked.hook is not None and asked.place is not None and asked.made_at and now - asked.made_at < HOOKS_FOR:
            return asked.hook, asked.place
        hook = self.hook_of(target)
        place = Place(hook.caller_account(), hook.region)
        with self._changed:
            asked.hook, asked.place, asked.made_at = hook, place, now
        return hook, place

    def _is_unheard(self, target: Target) -> bool:
        asked = self._asked.get(target)
        if asked is None:  # somebody who waits for fewer has forgotten it meanwhile
            return False
        kept = self._kept.get(asked.place) if asked.place else None
        if kept is not None and kept.asked_at is not None:
            return False
        return (asked.is_busy and asked.is_awaited) or (kept is not None and kept.is_busy and kept.is_awaited)

    def _await_no_more(self, wanted: Iterable[Target]) -> None:
        for target in wanted:
            asked = self._asked.get(target)
            if asked is not None and asked.is_busy:
                asked.is_awaited = False
            if asked is not None and asked.place in self._kept:
                self._kept[asked.place].is_awaited = False
        self._changed.notify_all()

    def _states(self, wanted: Iterable[Target]) -> tuple[AccountState, ...]:
        of_place: dict[Place, AccountState] = {}
        alone: list[AccountState] = []
        for target in wanted:
            asked = self._asked.get(target, _Asked())
            if asked.place is None:
                silence = self._silence(asked.tried_at, is_busy=asked.is_busy)
                alone.append(AccountState((target,), problem=silence or asked.problem or "has not answered yet"))
                continue
            found = of_place.get(asked.place) or self._state(asked.place)
            problem = found.problem or asked.problem or self._silence(asked.tried_at, is_busy=asked.is_busy)
            of_place[asked.place] = replace(found, targets=(*found.targets, target), problem=problem)
        return (*of_place.values(), *alone)

    def _state(self, place: Place) -> AccountState:
        kept = self._kept.get(place, _Kept())
        said = kept.problem or self._silence(kept.tried_at, is_busy=kept.is_busy)
        said = said or ("" if kept.asked_at else "has not answered yet")
        return AccountState((), place, kept.servers, kept.asked_at, said)

    def _silence(self, since: datetime | None, *, is_busy: bool) -> str:
        """Say that whoever is being asked takes too long to answer; empty: they do not."""
        if not is_busy or since is None or self.now() - since < SILENT_AFTER:
            return ""
        return f"no answer for {duration(self.now() - since)}; it is still being asked"


def places_of(states: Iterable[AccountState], *, answered: bool = False) -> Mapping[Target, Place]:
    """Return what the accounts and Regions are, by how they are named.

    :param answered: only those that have answered at least once
    """
    return {
        target: state.place
        for state in states
        if state.place is not None and (state.asked_at is not None or not answered)
        for target in state.targets
    }
