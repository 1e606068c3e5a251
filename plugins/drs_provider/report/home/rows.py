"""The end of a failback as the report's page shows it: where every server runs, how it is protected, what is left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from drs_provider.report.evidence import HomeStep, WayHomeFacts
from drs_provider.report.result import RunReport, ServerReport
from drs_provider.rules.run.state.vocabulary import ServerStatus

_NOT_SAID: Final = "no task has said so"
_NOT_BACK: Final = "it was not failed back"
_NOT_ASKED: Final = "this run has not looked"
_UNKNOWN: Final = frozenset({ServerStatus.LAUNCHING, ServerStatus.UNKNOWN})


@dataclass(frozen=True)
class HomeRow:
    """One server at the end of a failback.

    :ivar runs_on: id of the instance that it runs on; empty: a machine of a data centre, or nobody knows
    :ivar where: where that is, in words
    :ivar is_protected: whether DRS protects what it runs on; None: it was not failed back, or nobody knows
    :ivar protection: the same in words
    :ivar removed: what was removed of its recovery
    :ivar stays: what stays of it, which goes on and costs money
    """

    server: ServerReport
    runs_on: str
    where: str
    is_protected: bool | None
    protection: str
    removed: tuple[str, ...]
    stays: tuple[str, ...]


def home_rows(report: RunReport) -> tuple[HomeRow, ...]:
    """Arrange what a failback has left by server; nothing of other runs, and of servers that were not on their way."""
    if not report.run.purpose.cuts_over or not report.home:
        return ()
    return tuple(
        _row(report, server, server.way_home)
        for wave in report.waves
        for server in wave.servers
        if server.way_home is not None
    )


def _row(report: RunReport, server: ServerReport, way: WayHomeFacts) -> HomeRow:
    is_back = server.status is ServerStatus.LAUNCHED
    runs_on, where = _place(server, way)
    protected = _of(report, "protect_again")
    done = any(server.server_id in step.done for step in protected)
    left = next((step.left[server.server_id] for step in protected if server.server_id in step.left), "")
    if done:
        is_protected, protection = True, "protected again"
    elif not is_back and server.status not in _UNKNOWN:
        is_protected, protection = None, left or next(_ends(report, server), _NOT_ASKED if way.already else _NOT_BACK)
    else:
        is_protected, protection = (False, left) if left else (None, next(_errors(protected), _NOT_SAID))
    removed = tuple(
        words for step in _of(report, "remove_recovered") for words in step.removed.get(server.server_id, ())
    )
    return HomeRow(server, runs_on, where, is_protected, protection, removed, tuple(_stays(report, server, way)))


def _ends(report: RunReport, server: ServerReport) -> Iterator[str]:
    """Say what became of the failback that a cancel was to end; nothing where none was ordered."""
    for step in _of(report, "stop_failback"):
        if done := step.done.get(server.server_id):
            yield f"it was not failed back: {done}"
        elif why := step.left.get(server.server_id):
            yield f"it was not failed back, and its failback is not ended: {why}"


def _place(server: ServerReport, way: WayHomeFacts) -> tuple[str, str]:
    if server.status is ServerStatus.LAUNCHED:
        if not way.place:
            return "", "its machine in the data centre"
        return server.instance_id or "", f"its origin, {way.place}"
    if server.status in _UNKNOWN:
        return "", f"not known: {server.reason or 'no task has seen its launch through'}"
    if way.already:
        where = f"its origin, {way.place}" if way.place else "its machine in the data centre"
        return way.already if way.place else "", f"{where}, since before this run"
    return way.recovered, f"where it was recovered, {server.region}"


def _stays(report: RunReport, server: ServerReport, way: WayHomeFacts) -> Iterator[str]:
    """Yield what is left of a recovery: nothing only where a task has looked, and said so."""
    rests = _of(report, "at_rest")
    if any(server.server_id in step.done for step in rests):
        return
    if said := next((step.left[server.server_id] for step in rests if server.server_id in step.left), ""):
        yield said
        return
    gone = [words for step in _of(report, "remove_recovered") for words in step.removed.get(server.server_id, ())]
    for name, what, end in (
        (way.recovered, "the recovered instance", "terminated"),
        (way.failback_server, "its FAILBACK server", "deleted"),
    ):
        if name and not _is_ended(gone, name, end):
            yield f"{what} {name}"


def _is_ended(gone: Sequence[str], name: str, end: str) -> bool:
    return any(words.startswith(f"{name} ") and end in words.split(" ", 1)[1].split(", ") for words in gone)


def _of(report: RunReport, does: str) -> Sequence[HomeStep]:
    return [step for step in report.home if step.does == does]


def _errors(steps: Sequence[HomeStep]) -> Iterator[str]:
    yield from (step.error for step in steps if step.error)
