"""Who wrote a document, for which task of which run: signed, so that no edited one is believed.

Airflow lets people edit XComs and the task state store. A document carries a signature over its body and over the
place where it lies: an HMAC-SHA256 (RFC 2104) with a key that only Airflow's own machines have. Whatever was edited,
or brought from another run, task or key, does not fit its signature any more.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from pydantic import JsonValue

from drs_provider.rules.run.handover.document import StoredIn

SIGNATURE = "signature"
"""Key of a document's JSON under which its signature lies."""

_ID_LENGTH = 8
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S{1,1024}\Z")
"""What an XCom backend gives for a value that it keeps elsewhere and does not find there."""

_UNSIGNED = "it has no signature, so it was not written by this run's own tasks"


@dataclass(frozen=True)
class Origin:
    """Where a document lies, and so who alone may have written it.

    :ivar map_index: number of a mapped task instance; -1: it is not mapped
    :ivar key: key of the XCom or of the task state store entry
    """

    dag_id: str
    run_id: str
    task_id: str
    key: str
    map_index: int = -1
    stored_in: StoredIn = "xcom"

    def under(self, key: str) -> Self:
        """Return the same place under another key."""
        return replace(self, key=key)

    @property
    def next_step(self) -> str:
        """What to do where something lies here that its task has not written."""
        if self.stored_in == "task_state_store":
            return (
                "Airflow's audit log says who wrote it: delete this entry of the task's state store and clear "
                f"{self.task_id}"
            )
        return f"Airflow's audit log says who edited it: clear {self.task_id}, to write it again"

    def __str__(self) -> str:
        where = "XCom" if self.stored_in == "xcom" else "task state store entry"
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{where} {self.key} of {self.task_id}{index}"


@dataclass(frozen=True)
class Keys:
    """The keys of an installation: the first one signs, all of them verify, so that a key can be replaced.

    :ivar secrets: at least one
    """

    secrets: tuple[bytes, ...]

    def seal(self, data: Mapping[str, JsonValue], origin: Origin, *, attempt: int = 0) -> dict[str, JsonValue]:
        """Return a document's JSON with its signature; an earlier signature is replaced.

        :param attempt: number of the task's try that writes it
        """
        body = _body(data)
        secret = self.secrets[0]
        return {
            **body,
            SIGNATURE: {"key": key_id(secret), "try": attempt, "hmac": _hmac(secret, body, origin, attempt)},
        }

    def problem(self, data: object, origin: Origin, *, newest_try: int | None = None) -> str | None:
        """Say in words why a document is not to be believed; None: it is as it was written.

        :param newest_try: number of the newest try of the task, by Airflow's own record; None: nobody knows
        """
        found = data.get(SIGNATURE) if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(found, Mapping):
            return _why_unsigned(data)
        attempt, said = found.get("try"), found.get("hmac")
        if not isinstance(attempt, int) or not isinstance(said, str) or not said.isascii():
            return _UNSIGNED
        try:
            body = _body(data)
            if any(hmac.compare_digest(_hmac(secret, body, origin, attempt), said) for secret in self.secrets):
                return _why_outdated(attempt, newest_try)
        except (TypeError, ValueError):
            return "it is not what was written: it holds what JSON cannot say"
        if found.get("key") not in [key_id(secret) for secret in self.secrets]:
            return (
                f"it is signed with a key that this machine does not have (its id is {found.get('key')!r}): every "
                "machine of this Airflow needs the same [drs] signing_key, and a replaced key stays behind the new "
                "one until the runs of its time are over"
            )
        return "it is not what was written: somebody has edited it, or brought it here from elsewhere"


def _why_unsigned(data: object) -> str:
    if isinstance(data, str) and _ADDRESS.match(data):
        return f"the XCom backend gave its address only, {data}: nothing lies there, or it cannot be read"
    return _UNSIGNED


def _why_outdated(attempt: int, newest: int | None) -> str | None:
    if newest is None or not 0 < attempt < newest:
        return None
    return (
        f"it is an older one: try {attempt} of the task wrote it, and Airflow says that try {newest} has begun since; "
        "somebody has put it back"
    )


def key_id(secret: bytes) -> str:
    """Name a key without telling it: the first characters of its SHA-256."""
    return hashlib.sha256(b"id of " + secret).hexdigest()[:_ID_LENGTH]


def keys_of(secrets: Iterable[str]) -> Keys | None:
    """Make keys for documents from secrets that may also serve other ends; None: there is no secret."""
    made = tuple(hmac.digest(text.encode(), b"documents between tasks of drs", "sha256") for text in secrets if text)
    return Keys(made) if made else None


def _body(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in data.items() if key != SIGNATURE}


def _hmac(secret: bytes, body: Mapping[str, JsonValue], origin: Origin, attempt: int) -> str:
    place = [origin.dag_id, origin.run_id, origin.task_id, origin.map_index, origin.stored_in, origin.key, attempt]
    text = json.dumps([place, body], sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _plain(value: object) -> object:
    """Bring what Airflow's own serialisation may have made of JSON back to JSON."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
