"""Sends notices to everybody whom a plan names: bounded in time, a few times, and never raising.

An address of a webhook or the answer of a server may hold a secret: what is recorded about a failure names the
connection, a status or the type of an error, never more.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from drs_provider.clock import now, sleep
from drs_provider.notify.notice import Notice, NotSent, Send
from drs_provider.plan.model import EmailNotification, Notification, SnsNotification, WebhookNotification
from drs_provider.rules.run.handover import NotificationRecord

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
    return any(event in notification.on for notification in notifications)


def letters_of(
    notice: Notice, notifications: Sequence[Notification], link_for: LinkFor = lambda _: None
) -> list[Letter]:
    """Address a notice to everybody who asked for its event."""
    from drs_provider.notify import transports

    letters = []
    for position, wish in enumerate(notifications):
        if notice.event not in wish.on:
            continue
        key = f"{wish.kind}-{position}"
        match wish:
            case SnsNotification():
                topic = wish.topic_arn.split(":")
                to = f"topic {topic[5]} in {topic[3]}"
                letters.append(Letter(key, wish.kind, to, notice, partial(transports.sns, wish)))
            case WebhookNotification():
                to = f"connection {wish.http_conn_id}"
                letters.append(Letter(key, wish.kind, to, notice, partial(transports.webhook, wish)))
            case EmailNotification():
                letters += _mails(key, wish, notice, link_for)
    return letters


def _mails(key: str, wish: EmailNotification, notice: Notice, link_for: LinkFor) -> list[Letter]:
    from drs_provider.notify import transports

    mails = []
    if wish.to:
        count = f"{len(wish.to)} address{'es'[: 2 * (len(wish.to) != 1)]}"
        mails.append(Letter(key, wish.kind, count, notice, partial(transports.email, wish, wish.to)))
    for person, address in wish.people.items():
        link = link_for(person)
        own = notice.for_person(link) if link else notice
        mails.append(Letter(f"{key}-{person}", wish.kind, person, own, partial(transports.email, wish, (address,))))
    return mails


def deliver(
    letters: Sequence[Letter], policy: DeliveryPolicy = DEFAULT, *, clock: Callable[[], datetime] = now
) -> list[NotificationRecord]:
    """Send letters side by side and return one record for each, in order; never raises.

    Connections are looked up one after the other, in the calling thread: Airflow's way to them allows nothing else
    everywhere.

    :param clock: gives the instant at which it is known that a letter is sent, or is not
    """
    if not letters:
        return []
    ready = [(letter, _prepared(letter)) for letter in letters]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda pair: _deliver(pair[0], pair[1], policy, clock), ready))


def _prepared(letter: Letter) -> Send | NotSent:
    try:
        return letter.prepare()
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a record
        return in_words(error)


def _deliver(
    letter: Letter, send: Send | NotSent, policy: DeliveryPolicy, clock: Callable[[], datetime]
) -> NotificationRecord:
    tries, why = 0, send if isinstance(send, NotSent) else None
    while not isinstance(send, NotSent):
        tries += 1
        why = _within(policy.seconds, send, letter.notice)
        if why is None or why.is_final or tries >= policy.tries:
            break
        sleep(policy.pause)
    record = NotificationRecord(
        key=letter.key,
        id=letter.notice.id,
        event=letter.notice.event,
        wave=letter.notice.wave,
        kind=letter.kind,
        target=letter.target,
        at=clock(),
        outcome="failed" if why else "sent",
        tries=tries,
        why=str(why) if why else None,
    )
    if why:
        log.warning("Notification %s was not sent to %s (%s): %s", letter.notice.event, letter.target, letter.kind, why)
    else:
        log.info("Notification %s was sent to %s (%s)", letter.notice.event, letter.target, letter.kind)
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


def unsent(letters: Sequence[Letter], before: Sequence[NotificationRecord]) -> list[Letter]:
    """Leave out what has been sent already, as its record of an earlier try says."""
    done = {(record.key, record.id) for record in before if record.outcome == "sent"}
    return [letter for letter in letters if (letter.key, letter.notice.id) not in done]


def merged(
    before: Sequence[NotificationRecord], records: Sequence[NotificationRecord]
) -> tuple[NotificationRecord, ...]:
    """Give one record for every receiver and event: the newest."""
    again = {(record.key, record.id) for record in records}
    return (*(record for record in before if (record.key, record.id) not in again), *records)
