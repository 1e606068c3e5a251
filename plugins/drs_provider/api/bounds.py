"""What stands around every request: how long its body may be, and that no cache keeps the answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from drs_provider.api.problems import MEDIA_TYPE, PRIVATE, ProblemDocument

LONGEST_BODY: Final = 2 * 1024 * 1024
"""Bytes of a request that are read; the definition of a group with 10,000 servers is half as long."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLongError(Exception):
    """A body goes on beyond the bound; what is beyond is not read."""


class RequestBounds:
    """ASGI middleware of the API."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass whose body is not too long."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"")
        if said.isdigit() and int(said) > LONGEST_BODY:
            await _refuse(send)
            return
        length = 0

        async def bounded() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > LONGEST_BODY:
                raise TooLongError(f"the request is longer than {LONGEST_BODY} bytes")
            return message

        async def private(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                more = ((name.lower().encode(), value.encode()) for name, value in PRIVATE.items())
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in known)]
            await send(message)

        await self.app(scope, bounded, private)


async def _refuse(send: Send) -> None:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    detail = f"the request is longer than {LONGEST_BODY} bytes"
    body = ProblemDocument(title=status.phrase, status=status, detail=detail).model_dump_json().encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
