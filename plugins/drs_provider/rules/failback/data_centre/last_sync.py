"""The last sync of failback clients: as near to a proof as DRS allows, which is none.

A FAILBACK server has recovery points, and one that is younger than the last write holds it. Of a client DRS tells only
its state, its lag and what is left to send, at a moment that it does not name. So the run waits until nothing of that
speaks against it, for a while after the writes have stopped; and everybody who decides or reads is told that it is not
proven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from drs_provider.formatting import MANY, duration, plural, some
from drs_provider.rules.answers import Answer
from drs_provider.rules.failback.copy_progress import CopyProgress
from drs_provider.rules.failback.launches.conversion import instant_of
from drs_provider.rules.failback.progress import size

SETTLE: Final = timedelta(minutes=1)
"""So much older than what DRS says the last write must be: how old its figures are it does not tell."""


@dataclass(frozen=True)
class ClientSync:
    """How the last sync of some failback clients stands.

    :ivar settled: by server id what DRS said of those of which nothing speaks against it
    :ivar waiting: which the others are, and why; empty: there are none
    """

    settled: Mapping[str, str] = field(default_factory=dict)
    waiting: str = ""


@dataclass(frozen=True)
class ClientCopy:
    """A failback client that is about to be converted.

    :ivar hostname: what a person calls its server
    :ivar record: its recovered instance, as DescribeRecoveryInstances gives it
    :ivar why_not_ready: why it cannot be converted now; empty: it can
    """

    hostname: str
    record: Answer
    why_not_ready: str = ""


def client_sync(copies: Mapping[str, ClientCopy], *, quiesced_at: datetime, at: datetime) -> ClientSync:
    """Tell of which clients DRS says nothing that speaks against the end of their last sync.

    :param copies: by server id
    :param quiesced_at: from then on nothing was written any more
    :param at: when DRS was asked
    """
    settled, late = dict[str, str](), list[str]()
    for server_id, copy in copies.items():
        if why := copy.why_not_ready or _why_late(copy.record, quiesced_at=quiesced_at, at=at):
            late.append(f"{copy.hostname} ({why})")
        else:
            settled[server_id] = _said(copy.record, after=at - quiesced_at)
    if not late:
        return ClientSync(settled)
    return ClientSync(settled, f"{plural(len(late), 'failback client')} not seen up to date: {some(late, MANY)}")


def why_not_synced(copies: Mapping[str, ClientCopy], *, quiesced_at: datetime, at: datetime) -> str:
    """Say why clients whose last sync was seen may hold less than production by now; empty: nothing speaks for that.

    Between a sync and a conversion people may have booted a client again, and hours of writes may have come since.

    :param copies: by server id
    :param quiesced_at: from then on nothing was written any more, when the last sync was waited for
    :param at: when DRS was asked
    """
    again = [
        copy.hostname
        for copy in copies.values()
        if (begun := instant_of((copy.record.get("failback") or {}).get("failbackInitiationTime")))
        and begun > quiesced_at
    ]
    if again:
        return f"the failback client of {some(again, MANY)} was booted after the last sync"
    return client_sync(copies, quiesced_at=quiesced_at, at=at).waiting


def not_proven(hostnames: Sequence[str]) -> str:
    """Say of servers that their last sync is not proven, without a full stop; some there must be."""
    return f"that everything was copied to {some(hostnames, MANY)} is not proven: DRS makes no recovery point there"


def _why_late(record: Answer, *, quiesced_at: datetime, at: datetime) -> str:
    copy = CopyProgress.of(record.get("dataReplicationInfo"))
    if copy.backlog_bytes:
        return f"{size(copy.backlog_bytes)} left to send"
    if at - (copy.lag or timedelta(0)) < quiesced_at + SETTLE:
        lag = f"its lag is {duration(copy.lag)}" if copy.lag is not None else "DRS does not say its lag"
        return f"{lag}, and {duration(SETTLE)} more have to pass after the last write"
    return ""


def _said(record: Answer, *, after: timedelta) -> str:
    copy = CopyProgress.of(record.get("dataReplicationInfo"))
    lag = f"a lag of {duration(copy.lag)}" if copy.lag is not None else "no lag"
    rest = "nothing left to send" if copy.total_bytes else "nothing of what is left to send"
    return f"{duration(after)} after the writes had stopped DRS told {lag} and {rest}, which proves nothing"
