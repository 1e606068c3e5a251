"""Sends notices to everybody whom a plan names: bounded in time, a few times, and never raising.

An address of a webhook or the answer of a server may hold a secret: what is recorded about a failure names the
connection, a status or the type of an error, never more.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drs_provider.notify.notice import Notice, NotSent, Send
from drs_provider.plan.model import EmailNotification, Notification, SnsNotification, WebhookNotification

log = logging.getLogger(__name__)


LinkFor = Callable[[str], str | None]
"""Gives the answer link of one person; None: this person has none."""

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class DeliveryPolicy:
    """How often sending is tried, how many seconds each try may take, and how many lie between two tries."""

    tries: int = 3
    seconds: float = 10.0
    pause: float = 1.0


DEFAULT = DeliveryPolicy()


@dataclass(frozen=True)
class Letter:
    """One message to one receiver.

    :ivar key: tells the receivers of a plan apart: the position in ``notify``, and for mails to one person the name.
    :ivar target: names the receiver for a report, without secrets and without addresses of people.
    """

    key: str
    kind: str
    target: str
    notice: Notice
    prepare: Callable[[], Send]


def wanted(notifications: Sequence[Notification], event: str) -> bool:
    """Tell whether anybody asked for an event."""
    return any(event in one.on for one in notifications)


def letters_of(
    notice: Notice, notifications: Sequence[Notification], link_for: LinkFor = lambda _: None
) -> list[Letter]:
    """Address a notice to everybody who asked for its event."""
    from drs_provider.notify import transports

    letters = []
    for position, one in enumerate(notifications):
        if notice.event not in one.on:
            continue
        key = f"{one.kind}-{position}"
        match one:
            case SnsNotification():
                topic = one.topic_arn.split(":")
                to = f"topic {topic[5]} in {topic[3]}"
                letters.append(Letter(key, one.kind, to, notice, _bound(transports.sns, one)))
            case WebhookNotification():
                to = f"connection {one.http_conn_id}"
                letters.append(Letter(key, one.kind, to, notice, _bound(transports.webhook, one)))
            case EmailNotification():
                letters += _mails(key, one, notice, link_for)
    return letters


def _mails(key: str, one: EmailNotification, notice: Notice, link_for: LinkFor) -> list[Letter]:
    from drs_provider.notify import transports

    mails = []
    if one.to:
        count = f"{len(one.to)} address{'es'[: 2 * (len(one.to) != 1)]}"
        mails.append(Letter(key, one.kind, count, notice, _bound(transports.email, one, one.to)))
    for person, address in one.people.items():
        link = link_for(person)
        own = notice.for_person(link) if link else notice
        mails.append(Letter(f"{key}-{person}", one.kind, person, own, _bound(transports.email, one, (address,))))
    return mails


def _bound(transport: Callable[..., Send], *args: Any) -> Callable[[], Send]:
    return lambda: transport(*args)


def deliver(letters: Sequence[Letter], patience: DeliveryPolicy = DEFAULT) -> list[dict[str, Any]]:
    """Send letters side by side and return one record for each, in order; never raises.

    A record is ``{"key", "id", "event", "wave", "kind", "target", "at", "outcome", "tries", "why"}``: ``outcome`` is
    ``sent`` or ``failed``, ``at`` the instant at which that was known, ``why`` None for a sent one. Connections are
    looked up one after the other, in the calling thread: Airflow's way to them allows nothing else everywhere.
    """
    if not letters:
        return []
    ready = [(letter, _prepared(letter)) for letter in letters]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda one: _deliver(one[0], one[1], patience), ready))


def _prepared(letter: Letter) -> Send | NotSent:
    try:
        return letter.prepare()
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a record
        return in_words(error)


def _deliver(letter: Letter, send: Send | NotSent, patience: DeliveryPolicy) -> dict[str, Any]:
    tries, why = 0, send if isinstance(send, NotSent) else None
    while not isinstance(send, NotSent):
        tries += 1
        why = _within(patience.seconds, send, letter.notice)
        if why is None or why.is_final or tries >= patience.tries:
            break
        time.sleep(patience.pause)
    record = {
        "key": letter.key,
        "id": letter.notice.id,
        "event": letter.notice.event,
        "wave": letter.notice.wave,
        "kind": letter.kind,
        "target": letter.target,
        "at": datetime.now(UTC).isoformat(),
        "outcome": "failed" if why else "sent",
        "tries": tries,
        "why": str(why) if why else None,
    }
    if why:
        log.warning("%s was not told to %s (%s): %s", letter.notice.event, letter.target, letter.kind, why)
    else:
        log.info("%s was told to %s (%s)", letter.notice.event, letter.target, letter.kind)
    return record


def _within(seconds: float, send: Send, notice: Notice) -> NotSent | None:
    """Send in a thread of its own, and wait no longer than that: a server may answer one byte a second for ever."""
    said: list[NotSent | None] = []

    def attempt() -> None:
        try:
            send(notice)
        except Exception as error:  # noqa: BLE001 - as above
            said.append(in_words(error))
        else:
            said.append(None)

    thread = threading.Thread(target=attempt, daemon=True, name="drs-notification")
    thread.start()
    thread.join(seconds)
    return said[0] if said else NotSent(f"no answer within {seconds:g} s")


def in_words(error: Exception) -> NotSent:
    """Say why something was not sent, in words that can stand in a report."""
    from drs_provider.exceptions import AwsError

    if isinstance(error, NotSent):
        return error
    if isinstance(error, AwsError):
        return NotSent(str(error))
    if type(error).__name__ == "AirflowNotFoundException":
        return NotSent("there is no Airflow connection of this name", is_final=True)
    return NotSent(f"it could not be reached ({type(error).__name__})")


def unsent(letters: Sequence[Letter], before: Sequence[Mapping[str, Any]]) -> list[Letter]:
    """Leave out what has been sent already, as its record of an earlier try says."""
    done = {(one["key"], one["id"]) for one in before if one["outcome"] == "sent"}
    return [letter for letter in letters if (letter.key, letter.notice.id) not in done]
