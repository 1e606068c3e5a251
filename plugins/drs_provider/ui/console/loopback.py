"""Airflow's own REST API from inside its API server: the verbs of a run are the same as those of the command line.

A request of the provider's API asks Airflow's API in its own process, with the very login that it came with. So rights,
the name of who starts a run, Airflow's audit log and everything else are Airflow's, and nothing is decided twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any, Final

import httpx

_LONGEST_SECONDS: Final = 30.0
"""How long an answer of this same process is waited for."""

_LOGIN: Final = ("authorization", "cookie")

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Scope]], Callable[[Scope], Awaitable[None]]], Awaitable[None]]


class Loopback(httpx.BaseTransport):
    """Carries requests from a worker thread to the app that this process serves.

    :param app: the whole app of the API server
    :param loop: the event loop that serves it
    :param headers: of the request that came in: its login goes along, and nothing else of it
    """

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, headers: httpx.Headers) -> None:
        self._app, self._loop = app, loop
        self._login = {name: headers[name] for name in _LOGIN if name in headers}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and wait for the answer in this thread."""
        request.headers.update({**self._login, "accept-encoding": "identity"})
        asked = asyncio.run_coroutine_threadsafe(self._ask(request), self._loop)
        try:
            return asked.result(_LONGEST_SECONDS)
        except TimeoutError as error:
            asked.cancel()
            raise httpx.ReadTimeout(f"no answer in {_LONGEST_SECONDS:g} s", request=request) from error

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        inside = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        answer = await inside.handle_async_request(request)
        body = await answer.aread()
        # A server adds the date; a run is started with an instant of Airflow's own clock.
        headers = {"date": formatdate(usegmt=True), **answer.headers}
        return httpx.Response(answer.status_code, headers=headers, content=body, request=request)
