"""Posting to the address of an Airflow HTTP connection, signed, without telling its secrets to anybody."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drs_provider import clock
from drs_provider.configuration import may_reach_loopback
from drs_provider.exceptions import AddressRefused
from drs_provider.rules.step_answers import kept, last_words, mask_credentials, masked

if TYPE_CHECKING:
    from airflow.sdk import Connection

SECRET = "secret"  # noqa: S105  (the name of a key, no secret)
"""Key in the connection's extra: what requests are signed with."""
_LONGEST_SECONDS = 60.0
_SHORTEST_SECRET = 4
_MOST_READ = 65_536
_GOOD = range(200, 300)


@dataclass(frozen=True)
class Heard:
    """How a post ended; ``unknown``: it may have been heard.

    ``output`` is the beginning of the answer and ``said``, where it was no success, its last words; both are masked.
    """

    outcome: Literal["answered", "refused", "unknown"]
    succeeded: bool
    summary: str
    output: str = ""
    said: str = ""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what ``X-Drs-Signature`` holds: HMAC-SHA256 over timestamp, a full stop and the body, in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def post(http_conn_id: str, body: bytes, *, event_id: str, seconds: float) -> Heard:
    """Post once. Errors name the connection, never its address: many services keep their secret in the path."""
    import requests
    from airflow.providers.http.hooks.http import HttpHook
    from airflow.sdk.exceptions import AirflowException

    from drs_provider.triggers.checked_adapter import CheckedAdapter

    try:
        hook = HttpHook(method="POST", http_conn_id=http_conn_id)
        connection = hook.get_connection(http_conn_id)
        headers = _headers(connection, body, event_id)
        session = hook.get_conn(headers)
    except (AirflowException, ValueError, RuntimeError) as error:
        why = f"Airflow's connection {http_conn_id} cannot be used ({type(error).__name__}): create or correct it"
        return Heard("refused", succeeded=False, summary=why)
    # The hook makes headers of everything in extra that it does not know.
    session.headers.pop(SECRET, None)
    for scheme in ("http://", "https://"):
        session.mount(scheme, CheckedAdapter(loopback=may_reach_loopback()))
    try:
        with session.post(
            hook.url_from_endpoint(None),
            data=body,
            timeout=min(seconds, _LONGEST_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as answer:
            status, sent = answer.status_code, answer.request.headers
            text = next(answer.iter_content(_MOST_READ), b"").decode(errors="replace")
    except (AddressRefused, requests.exceptions.RequestException) as error:
        return _unheard(http_conn_id, error)
    text = mask_credentials(masked(text, _secrets(connection, sent)))
    summary = f"connection {http_conn_id} answered {status}"
    if status in _GOOD:
        return Heard("answered", succeeded=True, summary=summary, output=kept(text))
    return Heard("answered", succeeded=False, summary=summary, output=kept(text), said=last_words(text, 200))


def _headers(connection: "Connection", body: bytes, event_id: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "X-Drs-Event": event_id}
    secret = signing_secret(connection)
    if secret:
        timestamp = str(int(clock.now().timestamp()))
        headers |= {"X-Drs-Timestamp": timestamp, "X-Drs-Signature": signature(secret, timestamp, body)}
    return headers


def signing_secret(connection: "Connection") -> str | None:
    """Return what to sign with: ``secret`` of the extra, else the password of a connection without a login."""
    secret = (connection.extra_dejson or {}).get(SECRET)
    return str(secret) if secret else (None if connection.login else connection.password or None)


def _secrets(connection: "Connection", sent: Mapping[str, str | bytes]) -> list[str]:
    extra = [value for value in (connection.extra_dejson or {}).values() if isinstance(value, str)]
    found = [connection.password or "", *extra, str(sent.get("Authorization") or "").rpartition(" ")[2]]
    return [secret for secret in found if len(secret) >= _SHORTEST_SECRET]


def _unheard(http_conn_id: str, error: Exception) -> Heard:
    """Say what is known of a post that nobody answered."""
    from requests.exceptions import ConnectionError as NotConnected
    from requests.exceptions import ConnectTimeout

    from drs_provider.triggers.checked_adapter import was_never_sent

    if isinstance(error, AddressRefused):
        why = (
            f"the address of connection {http_conn_id} is {error.why}: steps and notifications never reach such an "
            "address; correct the connection"
        )
        return Heard("refused", succeeded=False, summary=why)
    # Refused, unknown name, bad certificate: before the request went out; a reset may come after it.
    before = isinstance(error, ConnectTimeout) or (isinstance(error, NotConnected) and was_never_sent(error))
    return Heard("refused" if before else "unknown", succeeded=False, summary=_lost(http_conn_id, error))


def _lost(http_conn_id: str, error: Exception) -> str:
    return f"no answer from the address of connection {http_conn_id} ({type(error).__name__})"
