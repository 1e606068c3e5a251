"""Connections to what a plan or a connection names: only to addresses that were looked up and judged before."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from drs_provider.addresses import ensure_allowed, plain_host, why_refused
from drs_provider.exceptions import AddressRefused

Resolve = Callable[..., Iterable[tuple[Any, ...]]]
"""What ``socket.getaddrinfo`` is."""


async def look_up(host: str, port: int, *, loopback: bool) -> tuple[str, ...]:
    """Return the addresses of a host, for a caller that must not block. See :func:`resolve`."""
    ensure_allowed(host, loopback=loopback)
    found = await asyncio.get_running_loop().getaddrinfo(plain_host(host), port, type=socket.SOCK_STREAM)
    return _judged(host, found, loopback=loopback)


def resolve(host: str, port: int, *, loopback: bool, getaddrinfo: Resolve | None = None) -> tuple[str, ...]:
    """Return the addresses of a host, at least one, in the order in which they are to be tried.

    Whoever connects must connect to one of these: looked up a second time, the name may stand for something else. A
    name that stands for a refused address beside others is refused as a whole.

    :param loopback: whether the worker's own addresses are allowed
    :param getaddrinfo: who looks the name up; None: this machine
    :raises AddressRefused: one of them must not be reached
    :raises OSError: nobody knows the name
    """
    ensure_allowed(host, loopback=loopback)
    found = (getaddrinfo or socket.getaddrinfo)(plain_host(host), port, type=socket.SOCK_STREAM)
    return _judged(host, found, loopback=loopback)


def connect(
    place: tuple[str, int],
    timeout: float | None,
    source_address: tuple[str, int] | None = None,
    *,
    loopback: bool,
    getaddrinfo: Resolve | None = None,
) -> socket.socket:
    """Connect to the first judged address that accepts; the arguments are those of ``socket.create_connection``.

    :param place: host and port
    :param timeout: in seconds
    :raises AddressRefused: an address of the host must not be reached
    :raises OSError: none of them accepts, or nobody knows the name
    """
    port = place[1]
    *others, last = resolve(*place, loopback=loopback, getaddrinfo=getaddrinfo)
    for address in others:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout, source_address)
    return socket.create_connection((last, port), timeout, source_address)


def _judged(host: str, found: Iterable[tuple[Any, ...]], *, loopback: bool) -> tuple[str, ...]:
    addresses = tuple(dict.fromkeys(str(item[4][0]) for item in found))
    if not addresses:
        raise OSError(f"no address of {host} is known")
    for text in addresses:
        address = ip_address(text)
        if why := why_refused(address, loopback=loopback):
            raise AddressRefused(host, why, address)
    return addresses
