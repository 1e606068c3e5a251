"""An adapter of requests that sends only to addresses that were looked up and judged before."""

from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from drs_provider.services.egress import resolve

_PORTS = {"http": 80, "https": 443}


class CheckedAdapter(HTTPAdapter):
    """Look up the host once, judge what it stands for, and send the request to exactly that address.

    Certificates are checked for the name all the same. Through a proxy it is the proxy that looks the name up, so the
    name is judged as far as it is known here. One adapter serves one host.

    :param loopback: whether the worker's own addresses are allowed
    """

    def __init__(self, *, loopback: bool) -> None:
        super().__init__()
        self.loopback = loopback

    def send(  # noqa: PLR0917 - requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request. Raises AddressRefused before anything is sent, beside what requests raises."""
        ask = partial(super().send, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies)
        url = str(request.url)
        parts, by_proxy = urlsplit(url), select_proxy(url, proxies)
        name = parts.hostname or ""
        try:
            addresses = resolve(name, parts.port or _PORTS[parts.scheme], loopback=self.loopback)
        except OSError as unknown:
            if not by_proxy:
                raise requests.exceptions.ConnectionError(_unknown(name, unknown), request=request) from unknown
        if by_proxy:
            return ask(request)
        request.headers["Host"] = parts.netloc.rpartition("@")[2]
        if parts.scheme == "https":
            self.poolmanager.connection_pool_kw |= {"server_hostname": name, "assert_hostname": name}
        *others, last = (_at(url, address) for address in addresses)
        for here in others:
            request.url = here
            try:
                return ask(request)
            except requests.exceptions.ConnectionError as refused:
                if not was_never_sent(refused):
                    raise
        request.url = last
        return ask(request)


def was_never_sent(error: Exception) -> bool:
    """Tell whether a request failed before it went out: refused, unknown name, bad certificate."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

    reason = error.args[0] if error.args else None
    cause = getattr(reason, "reason", None) if isinstance(reason, MaxRetryError) else reason
    return isinstance(cause, (NewConnectionError, SSLError))


def _unknown(name: str, error: OSError) -> Exception:
    from urllib3.connection import HTTPConnection
    from urllib3.exceptions import NewConnectionError

    return NewConnectionError(HTTPConnection(name or "nowhere"), str(error))


def _at(url: str, address: str) -> str:
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
