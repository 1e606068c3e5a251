"""Links with which one person answers one question: signed, expiring, and of no use for anything else."""

import hashlib
import logging
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal, cast, get_args

from itsdangerous import BadData, URLSafeSerializer

log = logging.getLogger(__name__)

Rule = Literal["users", "plan", "off"]
"""Whose link counts: of people whom Airflow itself knows by name today; of everybody whom the plan names; nobody's."""

RULE = "DRS_ANSWER_LINKS"
"""What the setting with the rule is called in the environment; workers and API servers share it."""

_SALT = "drs.answer.v1"
"""What is signed for another purpose with the same key is no answer link, and the other way round."""

_LONGEST = 2000


def rule_of(setting: str) -> Rule:
    """Return which links count, by default ``users``; a word that nobody knows is said in the log, and none count.

    :param setting: ``configuration.answer_links``
    """
    word = setting or "users"
    if word not in get_args(Rule):
        log.error("%s is %r: write users, plan or off. No answer links are made or taken", RULE, word)
        return "off"
    return cast("Rule", word)


def is_made(rule: Rule, auth_manager: str) -> bool:
    """Tell whether links are made: ``users`` needs an auth manager that can look its users up by name.

    :param auth_manager: ``[core] auth_manager``, a class path
    """
    return rule == "plan" or (rule == "users" and auth_manager.endswith(".SimpleAuthManager"))


class LinkRefused(Exception):
    """A link answers nothing; the text says why. ``is_over``: it was a good one once."""

    def __init__(self, why: str, *, is_over: bool = False) -> None:
        super().__init__(why)
        self.is_over = is_over


@dataclass(frozen=True)
class Permit:
    """What a link allows: that ``person`` answers this very question until ``until`` (ISO 8601).

    ``ti_id`` is Airflow's id of the task's try: a question that is asked anew after a clear is another one.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    ti_id: str
    person: str
    until: str

    @property
    def is_over_at(self) -> datetime:
        """The instant from which on it allows nothing."""
        return datetime.fromisoformat(self.until)


def seal(permit: Permit, key: str) -> str:
    """Write a permit as a token for an address. The same permit gives the same token."""
    return _serializer(key).dumps(asdict(permit))


def unseal(token: str, key: str, *, now: datetime) -> Permit:
    """Read a token; raises LinkRefused unless it was sealed with this key and its time is not over."""
    if not key:
        raise LinkRefused("This Airflow has no [api] secret_key, so it cannot verify answer links.")
    try:
        found = _serializer(key).loads(token[:_LONGEST])
        permit = Permit(**{field.name: found[field.name] for field in fields(Permit)})
        is_over = permit.is_over_at <= now
    except (BadData, KeyError, TypeError, ValueError):
        raise LinkRefused("This link is not from this Airflow. Open the complete link from your mail.") from None
    if is_over:
        raise LinkRefused("The time for this answer is over.", is_over=True)
    return permit


def fingerprint(token: str) -> str:
    """What can be kept to know a used token by, and is no token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"})
