"""What becomes of a server that is launched ahead: it is launched, waits stopped, is started in its turn, is up.

EC2 is believed: an instance is started only where EC2 says that it is stopped, so that a start whose answer was lost is
never asked twice for nothing, and an instance that runs is never touched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Literal

from drs_provider.formatting import plural
from drs_provider.rules.launch.results import Allows, Ready
from drs_provider.rules.servers import GONE_STATES

SETTLES_WITHIN: Final = timedelta(seconds=30)
"""How long EC2 may still say stopped of an instance whose start it has accepted."""

CAPACITY_PATIENCE: Final = timedelta(minutes=3)
"""How long a start is asked again where EC2 has no capacity, before the server is launched as its fallback says."""

CAPACITY_PAUSE: Final = timedelta(seconds=15)
"""Pause between two such starts."""

MOST_STARTS: Final = 3
"""How often an instance is started that stops by itself."""

HELD: Final = "not started: servers that boot before it failed"
"""Why an instance was never started although it was prepared, and nobody has ended the wave."""

NOT_STARTED: Final = "prepared, not started"
"""Of a server whose instance is there, stopped, and whose wave has not started it."""

_SETTLED: Final = frozenset({"up", "give_up"})
_ENDING: Final = frozenset({"SHUTTING-DOWN", *GONE_STATES})

Launched = Literal["no", "running", "yes", "failed"]
"""What has become of its launch: none was started, its job runs, DRS calls it launched, it failed."""

Action = Literal["launch", "wait", "start", "relaunch", "up", "give_up"]
Power = Literal["not_launched", "launching", "prepared", "booting", "up", "failed"]
"""What people see of a server."""


@dataclass(frozen=True)
class StartTry:
    """One StartInstances of an instance. ``refused``: what EC2 said; empty: it has accepted."""

    at: datetime
    refused: str = ""
    is_capacity: bool = False


@dataclass(frozen=True)
class AheadServer:
    """A server that is launched ahead, as DRS and EC2 tell of it now.

    :param state: DRS's word for the state of its instance, as ``ec2InstanceState``; None: it is not shown yet
    :param checks: what EC2's status checks say against it; empty: nothing
    :param starts: the starts of its present instance that were asked for, oldest first
    :param may_relaunch: whether it may be launched once more, should this launch come to nothing
    :param kept: why it may not although it has a try left, once its start was refused; empty: nothing to say
    :param is_started: whether its wave starts it; false: the plan wants it stopped
    :param acting: what runs on it still, so that it is not ready; empty: nothing
    """

    server_id: str
    critical: bool = True
    launched: Launched = "no"
    state: str | None = None
    checks: str = ""
    starts: tuple[StartTry, ...] = field(default=())
    may_relaunch: bool = False
    kept: str = ""
    is_started: bool = True
    reason: str = ""
    acting: str = ""

    @property
    def accepted(self) -> tuple[StartTry, ...]:
        """The starts that EC2 has accepted."""
        return tuple(start for start in self.starts if not start.refused)


@dataclass(frozen=True)
class NextAction:
    """What is to be done about a server now; ``why`` for people. ``at``: when to look again, where that is known."""

    action: Action
    why: str = ""
    at: datetime | None = None


def next_action(  # noqa: PLR0911 - one line per state
    server: AheadServer, *, is_turn: bool, ready: Ready, now: datetime
) -> NextAction:
    """Say what is to be done about a server.

    :param is_turn: whether its wave's turn has come, and in its boot order its own
    """
    if server.launched == "no":
        return NextAction("launch")
    if server.launched == "running":
        return NextAction("wait", "its recovery job runs")
    if server.launched == "failed":
        return _lost(server, server.reason or "its launch failed")
    if server.state is None:
        return NextAction("wait", "DRS does not show its instance yet", at=now + SETTLES_WITHIN)
    if server.state in _ENDING:
        return _lost(server, f"its instance is {server.state}")
    if server.state == "STOPPING":
        return NextAction("wait", "its instance is stopping", at=now + SETTLES_WITHIN)
    if not is_turn:
        return NextAction("wait", NOT_STARTED if server.state == "STOPPED" else "started before its turn")
    if server.state == "STOPPED":
        return _start(server, now) if server.is_started else NextAction("up", "the plan wants it stopped")
    return _booting(server, ready)


def _booting(server: AheadServer, ready: Ready) -> NextAction:
    if ready != "launched" and server.state != "RUNNING":
        return NextAction("wait", "its instance boots")
    if ready == "status_checks" and server.checks:
        return NextAction("wait", f"EC2's status checks say: {server.checks}")
    return NextAction("wait", server.acting) if server.acting else NextAction("up")


def _start(server: AheadServer, now: datetime) -> NextAction:
    """Decide about an instance that EC2 calls stopped although its turn has come."""
    if not server.starts:
        return NextAction("start")
    last = server.starts[-1]
    if last.refused:
        return _refused(server, last, now)
    if now - last.at < SETTLES_WITHIN:
        return NextAction("wait", "its start was accepted", at=last.at + SETTLES_WITHIN)
    if len(server.accepted) < MOST_STARTS:
        return NextAction("start", "it stopped by itself")
    return _lost(server, f"its instance stops by itself, after {plural(len(server.accepted), 'start')}")


def _refused(server: AheadServer, last: StartTry, now: datetime) -> NextAction:
    words = ". ".join(filter(None, (f"EC2 refused its start: {last.refused}", server.kept)))
    if not last.is_capacity:
        return _lost(server, words)
    series = tuple(takewhile(lambda start: start.is_capacity and bool(start.refused), reversed(server.starts)))
    if now - series[-1].at >= CAPACITY_PATIENCE:
        return _lost(server, words)
    if now - last.at < CAPACITY_PAUSE:
        return NextAction("wait", f"EC2 has no capacity for it now: {last.refused}", at=last.at + CAPACITY_PAUSE)
    return NextAction("start", "EC2 had no capacity for it")


def _lost(server: AheadServer, why: str) -> NextAction:
    return NextAction("relaunch" if server.may_relaunch else "give_up", why)


@dataclass(frozen=True)
class WaveStep:
    """What is to be done in a wave now, by action; servers that wait, are up or were given up are there too.

    :param is_over: nothing is left to be done or awaited: the wave is judged
    :param held: servers whose turn never comes, since those that boot before them failed
    :param behind: servers whose turn in the boot order has not come
    """

    actions: dict[str, NextAction]
    is_over: bool
    held: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()

    def all_that(self, action: Action) -> tuple[str, ...]:
        """Return the servers with this action, in boot order."""
        return tuple(server for server, chosen in self.actions.items() if chosen.action == action)


def wave_step(
    stages: Sequence[Sequence[AheadServer]], *, is_turn: bool, ready: Ready, allows: Allows, now: datetime
) -> WaveStep:
    """Say what a wave does next about its servers that were launched ahead.

    Stage by stage: a later stage starts when every server of the earlier ones is up or given up, and not at all once
    more critical servers have failed than the wave tolerates. Launches, and launches again, wait for nobody.

    :param stages: its servers in their boot order (``next_launch.stages``)
    :param is_turn: whether the wave's turn has come
    :param allows: the wave's tolerance
    """
    critical = sum(server.critical for stage in stages for server in stage)
    actions: dict[str, NextAction] = {}
    held: list[str] = []
    behind: list[str] = []
    lost, opens, is_lost = 0, is_turn, False
    for stage in stages:
        chosen = {server.server_id: next_action(server, is_turn=opens, ready=ready, now=now) for server in stage}
        if is_lost:
            waiting = [server for server, found in chosen.items() if found.action not in _SETTLED]
            chosen.update(dict.fromkeys(waiting, NextAction("wait", HELD)))
            held += waiting
        actions.update(chosen)
        behind += () if opens else (server for server, found in chosen.items() if found.action not in _SETTLED)
        lost += sum(server.critical and chosen[server.server_id].action == "give_up" for server in stage)
        is_lost = is_lost or (opens and bool(lost) and not allows(lost, critical) and _is_settled(chosen.values()))
        opens = opens and not is_lost and _is_settled(chosen.values())
    waited = [server for server, found in actions.items() if found.action not in _SETTLED]
    return WaveStep(actions, is_turn and set(waited) <= set(held), tuple(held), tuple(behind))


def _is_settled(actions: Iterable[NextAction]) -> bool:
    return all(action.action in _SETTLED for action in actions)


def power_of(server: AheadServer, *, is_turn: bool, ready: Ready, now: datetime) -> Power:
    """Return what people see of a server."""
    action = next_action(server, is_turn=is_turn, ready=ready, now=now).action
    if server.launched == "no":
        return "not_launched"
    if action in _SETTLED:
        return "up" if action == "up" else "failed"
    if server.launched != "yes" or action == "relaunch" or server.state is None:
        return "launching"
    return "prepared" if server.state == "STOPPED" and not server.accepted else "booting"
