"""The middleware of the API server that sees to it that no try at a plan's runs is without a trace.

Every request of the API server passes here, so what is no change is let through at once, and nothing is imported that
takes time. A line is written before the answer goes out: who has an answer has left a trace.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from drs_provider.ui.audit.rule import event_of, is_watched

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)

_writer: ContextVar[str | None] = ContextVar("drs_writer", default=None)


def writer() -> str | None:
    """Return who asks for the change that is being made; None: nobody who is signed in, or not by way of the API."""
    return _writer.get()


class AuditTrail:
    """ASGI middleware: a line in Airflow's audit log for what is refused, and for changes that Airflow logs nowhere."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, and write what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        if not is_watched(method, path):
            await self.app(scope, receive, send)
            return
        from drs_provider.airflow_internals.api_server import user_of

        user = await user_of(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await _record(user, scope, method, path, int(message["status"]))
            await send(message)

        token = _writer.set(user)
        try:
            await self.app(scope, receive, answer)
        finally:
            _writer.reset(token)


async def _record(user: str | None, scope: Scope, method: str, path: str, status: int) -> None:
    event = event_of(method, path, status)
    if event is None:
        return
    _log.warning("%s: %s %r by %s, answered with %s", event, method, path, user or "somebody unknown", status)
    if user is None:  # who is not signed in must not be able to fill a table
        return
    from drs_provider.airflow_internals.api_server import add_to_audit_log

    place = scope.get("path_params") or {}
    extra = json.dumps({"method": method, "path": path, "status": status})
    try:
        await add_to_audit_log(
            event,
            user,
            extra,
            dag_id=place.get("dag_id"),
            run_id=place.get("dag_run_id", place.get("run_id")),
            task_id=place.get("task_id"),
        )
    except Exception:  # noqa: BLE001  (the answer goes out all the same)
        _log.exception("this line could not be written into Airflow's audit log")
