"""Asking an HTTP address or a TCP port again and again until it answers as it should."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from drs_provider import clock
from drs_provider.configuration import may_reach_loopback
from drs_provider.exceptions import AddressRefused
from drs_provider.formatting import parse_instant
from drs_provider.rules.step_answers import judge_answer, kept, last_words, mask_credentials
from drs_provider.services.egress import look_up
from drs_provider.triggers.answer_delay import not_before

if TYPE_CHECKING:
    import httpx

PERIOD_SECONDS = 2.0
SHORTEST_ATTEMPT_SECONDS, LONGEST_ATTEMPT_SECONDS = 1.0, 10.0
_PORTS = {"http": 80, "https": 443}
MOST_BODY = 65_536
"""Bytes of an answer that are read: what is expected must stand within them."""


class ProbeEvent(TypedDict):
    """How the asking ended; ``last`` is the last answer in words, ``output`` the beginning of its body, if it is kept.

    ``refused``: the address must not be reached, and nothing was sent.
    """

    outcome: Literal["passed", "timed_out", "refused"]
    attempts: int
    latency_ms: int | None
    last: str
    output: str


@dataclass(frozen=True)
class ProbeAttempt:
    """One attempt: whether it passed, what it was in words, and the body where there was one and it is kept.

    ``refused``: the address must not be reached; another attempt would not be better.
    """

    passed: bool
    words: str
    latency_ms: int | None = None
    body: str = ""
    refused: bool = False


class Probe(BaseTrigger):
    """Ask until an attempt passes or the time is over. Asking changes nothing, so a restart simply asks on.

    :param deadline: ISO instant after which the trigger fires ``timed_out``
    """

    def __init__(self, *, deadline: str) -> None:
        super().__init__()
        self.deadline = deadline

    async def attempt(self, seconds: float) -> ProbeAttempt:
        """Ask once, for at most so many seconds; never raises."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until there is something to say, and say it once."""
        began = time.monotonic()
        event = await self.ask(now=clock.now)
        await not_before(self, began)
        yield TriggerEvent(event)

    async def ask(
        self,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> ProbeEvent:
        """Ask again and again, at least once; every change of the answer goes into the log.

        Where the time was over before anybody could ask (a triggerer that is busy or was down), a failure without a
        single question would tell nobody anything.
        """
        attempts, said = 0, ""
        while True:
            left = (parse_instant(self.deadline) - now()).total_seconds()
            attempts += 1
            answer = await self.attempt(min(max(left, SHORTEST_ATTEMPT_SECONDS), LONGEST_ATTEMPT_SECONDS))
            if answer.words != said:
                said = answer.words
                self.log.info("%s", said)
            left = (parse_instant(self.deadline) - now()).total_seconds()
            if answer.passed or answer.refused or left <= 0:
                break
            await sleep(min(PERIOD_SECONDS * jitter(), left))
            if (parse_instant(self.deadline) - now()).total_seconds() <= 0:
                break
        return ProbeEvent(
            outcome="passed" if answer.passed else "refused" if answer.refused else "timed_out",
            attempts=attempts,
            latency_ms=answer.latency_ms,
            last=answer.words,
            output=kept(mask_credentials(answer.body)),
        )


class HttpProbe(Probe):
    """Get a URL until status, text and JSON are the expected ones. Redirects are answers and are not followed.

    The name is looked up once an attempt, and the request goes to the address that was judged then: a name that
    stands for something else a moment later leads nowhere.

    :param verify_tls: whether the certificate is checked
    :param keep_answer: whether the beginning of the answer is kept
    """

    def __init__(
        self,
        *,
        url: str,
        deadline: str,
        expect_status: int = 200,
        expect_text: str | None = None,
        expect_json: Mapping[str, object] | None = None,
        verify_tls: bool = True,
        keep_answer: bool = False,
    ) -> None:
        super().__init__(deadline=deadline)
        self.url = url
        self.expect_status, self.expect_text = expect_status, expect_text
        self.expect_json, self.verify_tls, self.keep_answer = dict(expect_json or {}), verify_tls, keep_answer

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {
            "url": self.url,
            "deadline": self.deadline,
            "expect_status": self.expect_status,
            "expect_text": self.expect_text,
            "expect_json": self.expect_json,
            "verify_tls": self.verify_tls,
            **({"keep_answer": True} if self.keep_answer else {}),
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def attempt(self, seconds: float) -> ProbeAttempt:
        """Send one request on a connection of its own: what is tested is what a new client would meet."""
        import httpx

        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                status, body = await self._get(httpx.URL(self.url), seconds)
        except AddressRefused as refusal:
            return ProbeAttempt(passed=False, words=str(refusal), refused=True)
        except TimeoutError:
            return ProbeAttempt(passed=False, words=f"no answer within {round(seconds, 1):g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return ProbeAttempt(passed=False, words=f"no answer: {last_words(str(error) or type(error).__name__)}")
        latency = round((time.monotonic() - began) * 1000)
        text = body.decode(errors="replace")
        why = judge_answer(
            status,
            text,
            expect_status=self.expect_status,
            expect_text=self.expect_text,
            expect_json=self.expect_json,
        )
        words = mask_credentials(why or f"answered {status}")
        return ProbeAttempt(why is None, words, latency, text if self.keep_answer else "")

    async def _get(self, url: "httpx.URL", seconds: float) -> tuple[int, bytes]:
        """Send the request to the first judged address that accepts a connection; return status and body."""
        import httpx

        name = url.raw_host.decode()
        if url.scheme not in _PORTS or not name:
            raise httpx.UnsupportedProtocol(f"{self.url} is no address with http:// or https://")
        *others, last = await look_up(name, url.port or _PORTS[url.scheme], loopback=may_reach_loopback())
        async with httpx.AsyncClient(verify=self.verify_tls, timeout=seconds, trust_env=False) as client:
            for address in others:
                try:
                    return await self._ask_at(client, url, address)
                except httpx.ConnectError as error:
                    self.log.debug("%s at %s: %s", name, address, error)
            return await self._ask_at(client, url, last)

    async def _ask_at(self, client: "httpx.AsyncClient", url: "httpx.URL", address: str) -> tuple[int, bytes]:
        here, name = url.copy_with(host=address), url.raw_host.decode()
        headers, extensions = {"Host": url.netloc.decode()}, {"sni_hostname": name}
        async with client.stream("GET", here, headers=headers, extensions=extensions) as answer:
            return answer.status_code, await _beginning(answer.aiter_bytes())


class TcpProbe(Probe):
    """Connect to a port until somebody accepts; nothing is sent."""

    def __init__(self, *, host: str, port: int, deadline: str) -> None:
        super().__init__(deadline=deadline)
        self.host, self.port = host, port

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {"host": self.host, "port": self.port, "deadline": self.deadline}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def attempt(self, seconds: float) -> ProbeAttempt:
        """Connect once, and hang up."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                writer = await self._connect()
        except AddressRefused as refusal:
            return ProbeAttempt(passed=False, words=str(refusal), refused=True)
        except TimeoutError:
            return ProbeAttempt(passed=False, words=f"no answer within {round(seconds, 1):g} s")
        except (OSError, ValueError) as error:
            return ProbeAttempt(passed=False, words=f"no answer: {last_words(str(error) or type(error).__name__)}")
        latency = round((time.monotonic() - began) * 1000)
        writer.close()
        return ProbeAttempt(passed=True, words="connected", latency_ms=latency)

    async def _connect(self) -> asyncio.StreamWriter:
        *others, last = await look_up(self.host, self.port, loopback=may_reach_loopback())
        for address in others:
            try:
                return (await asyncio.open_connection(address, self.port))[1]
            except OSError as error:
                self.log.debug("%s at %s: %s", self.host, address, error)
        return (await asyncio.open_connection(last, self.port))[1]


async def _beginning(chunks: AsyncIterator[bytes]) -> bytes:
    body = b""
    async for chunk in chunks:
        body += chunk
        if len(body) >= MOST_BODY:
            break
    return body[:MOST_BODY]
