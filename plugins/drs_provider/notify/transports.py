"""The three ways out: SNS, a signed webhook, mail. Each makes a function that sends one notice, or raises."""

import hashlib
import hmac
import json
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit

from airflow.sdk import Connection

from drs_provider import clock
from drs_provider.addresses import ensure_url_allowed
from drs_provider.configuration import may_reach_loopback
from drs_provider.exceptions import AddressRefused
from drs_provider.notify.notice import Notice, NotSent, Send, as_html, as_json, as_text
from drs_provider.plan.model import EmailNotification, SnsNotification, WebhookNotification
from drs_provider.services.egress import connect

_SECONDS = 8
"""For a single step of a conversation; the whole of it is bounded by whoever sends."""

_TRY_AGAIN = (408, 425, 429)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500

_SECRET = "secret"  # noqa: S105 - the name of a key, no secret
"""Key in the connection's extra."""

_OPTIONS_OF_HTTP_CONNECTIONS = frozenset(
    {"stream", "cert", "proxies", "proxy", "timeout", "verify", "verify_ssl", "allow_redirects", "max_redirects"}
    | {"trust_env", "check_response", "srv_lookup", _SECRET}
)
"""What is no header in a connection's extra: what Airflow's own HTTP hook takes for options, and the secret."""


def sns(to: SnsNotification) -> Send:
    """Publish to a topic; event, plan and mode are attributes, so that subscriptions can filter."""
    from drs_provider.hooks.sns import publisher

    publish = publisher(to.topic_arn, to.aws_conn_id)

    def send(notice: Notice) -> None:
        attributes = {"event": notice.event, "plan": notice.run.plan, "mode": notice.run.mode}
        publish(notice.subject, as_text(notice), attributes, notice.id)

    return send


def webhook(to: WebhookNotification) -> Send:
    """Post JSON, signed with the ``secret`` in the connection's extra or else with its password, if it has one."""
    connection = Connection.get(to.http_conn_id)
    extra = connection.extra_dejson
    address, headers, secret = address_of(connection), headers_of(extra), extra.get(_SECRET) or connection.password

    def send(notice: Notice) -> None:
        body = as_json(notice).encode()
        signature = signature_headers(body, secret, timestamp=int(clock.now().timestamp())) if secret else {}
        post(address, body, {"Content-Type": "application/json", **headers, **signature})

    return send


def email(to: EmailNotification, addresses: Sequence[str]) -> Send:
    """Write a mail through Airflow's SMTP hook; it takes server, login and sender from the connection."""
    try:
        from airflow.providers.smtp.hooks.smtp import SmtpHook
    except ImportError:
        raise NotSent("apache-airflow-providers-smtp is not installed", is_final=True) from None

    connection = _quick(Connection.get(to.smtp_conn_id))

    class KnownServer(SmtpHook):
        """The hook with a connection that was looked up before: it is used in another thread."""

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003 - Airflow's signature
            return connection

    def send(notice: Notice) -> None:
        try:
            with KnownServer(smtp_conn_id=to.smtp_conn_id, auth_type=_auth_type(connection)) as server:
                server.send_email_smtp(to=list(addresses), subject=notice.subject, html_content=as_html(notice))
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= _SERVER_ERROR
            raise NotSent(f"the mail server answered {error.smtp_code}", is_final=is_final) from None
        except smtplib.SMTPRecipientsRefused:
            raise NotSent("the mail server refuses every address", is_final=True) from None

    return send


def post(address: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Post a body and expect an answer below 300; a redirection is not followed, it would carry the body elsewhere."""
    request = urllib.request.Request(address, data=body, headers=dict(headers), method="POST")  # noqa: S310 - checked
    handlers = (_NoRedirection, _CheckedHttp(), _CheckedHttps())
    try:
        ensure_url_allowed(address, loopback=may_reach_loopback())
        with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as answer:
            answer.read(1)
    except AddressRefused as refusal:
        raise NotSent(f"its connection's address is {refusal.why}: it is never reached", is_final=True) from None
    except HTTPError as error:
        code = error.code
        error.close()
        is_final = code < _SERVER_ERROR and code not in _TRY_AGAIN
        raise NotSent(f"it answered {code}", is_final=is_final) from None
    except URLError as error:
        raise NotSent(f"it could not be reached ({type(error.reason).__name__})") from None


def _judged(made: type[HTTPConnection], request: urllib.request.Request) -> Callable[..., HTTPConnection]:
    """Give what makes the connection of a request: to an address that was judged, unless a proxy looks the name up."""
    if request.host != urlsplit(request.full_url).netloc:
        return made

    def make(*args: Any, **kwargs: Any) -> HTTPConnection:
        connection = made(*args, **kwargs)
        # Kept as an attribute by http.client so that it can be replaced; TLS still checks the name.
        vars(connection)["_create_connection"] = partial(connect, loopback=may_reach_loopback())
        return connection

    return make


class _CheckedHttp(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_judged(HTTPConnection, req), req)


class _CheckedHttps(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_judged(HTTPSConnection, req), req, context=ssl.create_default_context())


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def address_of(connection: Connection) -> str:
    """Put the address together as Airflow's HTTP hook does: the host may hold scheme and path, too."""
    host = connection.host or ""
    if "://" not in host:
        host = f"{connection.schema or 'http'}://{host}"
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotSent("its connection has no host with http:// or https://", is_final=True)
    if connection.port and parts.port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return urlunsplit(parts)


def headers_of(extra: Mapping[str, Any]) -> dict[str, str]:
    """Take the headers out of a connection's extra, where Airflow's HTTP hook expects them."""
    return {name: str(value) for name, value in extra.items() if name not in _OPTIONS_OF_HTTP_CONNECTIONS}


def _quick(connection: Connection) -> Connection:
    """Let the hook give up soon and try once: whoever sends tries again."""
    extra = {**connection.extra_dejson, "retry_limit": 0, "timeout": _SECONDS}
    return Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        host=connection.host,
        schema=connection.schema,
        login=connection.login,
        password=connection.password,
        port=connection.port,
        extra=json.dumps(extra),
    )


def _auth_type(connection: Connection) -> str:
    return str(connection.extra_dejson.get("auth_type") or "basic")


TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Drs-Timestamp", "X-Drs-Signature"


def signature_headers(body: bytes, secret: str, *, timestamp: int) -> dict[str, str]:
    """Return the two headers: HMAC-SHA256, keyed with the secret, over ``<timestamp>.<body>``, in hexadecimal.

    :param timestamp: seconds since 1970, part of what is signed: a receiver that refuses old ones refuses replays.
    """
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: f"sha256={digest}"}
