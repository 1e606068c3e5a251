"""Which network addresses a step or a notification may reach: never a cloud's metadata, nor the worker itself."""

import re
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from drs_provider.exceptions import AddressRefused

Ip = IPv4Address | IPv6Address

LOOPBACK: Final = "a loopback address: it is the Airflow worker itself"
"""Why an address is refused that an installation may allow."""

_METADATA: Final = "where clouds give credentials to whoever asks"

_REFUSED: Final[tuple[tuple[IPv4Network | IPv6Network, str], ...]] = (
    (IPv4Network("169.254.0.0/16"), f"a link-local address, {_METADATA}"),
    (IPv6Network("fe80::/10"), "a link-local address"),
    (IPv6Network("fd00:ec2::/32"), f"an address of EC2's own services, {_METADATA}"),
    (IPv4Network("100.100.100.200/32"), f"a metadata address, {_METADATA}"),
    (IPv4Network("168.63.129.16/32"), f"a metadata address, {_METADATA}"),
    (IPv4Network("192.0.0.192/32"), f"a metadata address, {_METADATA}"),
    (IPv4Network("0.0.0.0/8"), "no address of another machine"),
    (IPv6Network("::/128"), "no address of another machine"),
    (IPv4Network("127.0.0.0/8"), LOOPBACK),
    (IPv6Network("::1/128"), LOOPBACK),
    (IPv4Network("224.0.0.0/4"), "a multicast address"),
    (IPv6Network("ff00::/8"), "a multicast address"),
    (IPv4Network("240.0.0.0/4"), "no address of another machine"),
    (IPv6Network("fec0::/10"), "a site-local address, which nobody may use any more"),
)

_WITH_IPV4_AT_END: Final = (
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated
    IPv6Network("64:ff9b::/96"),  # NAT64
    IPv6Network("64:ff9b:1::/48"),  # NAT64, of one's own
)
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")

_NAMES: Final = {
    "localhost": LOOPBACK,
    "ip6-localhost": LOOPBACK,
    "localhost.localdomain": LOOPBACK,
    "instance-data": f"the name of a metadata service, {_METADATA}",
    "instance-data.ec2.internal": f"the name of a metadata service, {_METADATA}",
    "metadata.google.internal": f"the name of a metadata service, {_METADATA}",
}

_PLACEHOLDER: Final = "{{"
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_MOST_PARTS, _BYTE, _ADDRESS_BITS = 4, 256, 32


def why_refused(address: Ip, *, loopback: bool = False) -> str | None:
    """Say why an address must not be reached; None: it may be.

    :param loopback: whether the worker's own addresses are allowed
    """
    for candidate in _meant_by(address):
        for network, why in _REFUSED:
            if candidate.version == network.version and candidate in network and not (loopback and why is LOOPBACK):
                return why
    return None


def ensure_allowed(host: str, *, loopback: bool = False) -> None:
    """Refuse a host that is an address, in whatever spelling, or a name that must not be reached.

    Any other name passes: what it stands for is judged when it is looked up.

    :raises AddressRefused: it must not be reached
    """
    name = plain_host(host)
    why: str | None
    if address := read_address(name):
        why = why_refused(address, loopback=loopback)
    else:
        why = _NAMES.get(name) or (LOOPBACK if name.endswith(".localhost") else None)
        if loopback and why is LOOPBACK:
            why = None
    if why:
        raise AddressRefused(host, why, address)


def ensure_url_allowed(url: str, *, loopback: bool = False) -> None:
    """Refuse a URL by its host, as :func:`ensure_allowed` does. A URL without a host passes: nobody can ask it.

    :raises AddressRefused: it must not be reached
    """
    if host := host_of(url):
        ensure_allowed(host, loopback=loopback)


def host_of(url: str) -> str | None:
    """Return the host of a URL, without brackets; None: it has none, or only a placeholder knows it."""
    # Backslashes and blanks: one reader's end of the host is another reader's part of it.
    text = re.sub(r"[\s\x00-\x1f]", "", url).replace("\\", "/")
    try:
        host = urlsplit(text).hostname
    except ValueError:
        return None
    return None if not host or _PLACEHOLDER in text.partition("://")[2].partition("/")[0] else host


def plain_host(host: str) -> str:
    """Return a host as resolvers read it: one spelling for full-width digits, other full stops, escapes and case."""
    text = unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".").strip().strip("[]")
    return text.rstrip(".").lower()


def read_address(host: str) -> Ip | None:
    """Read a host that is an address in any spelling that resolvers accept; None: it is a name.

    Beside the usual ones these are the forms of ``inet_aton``: decimal, octal and hexadecimal numbers, and fewer than
    four of them, so ``2852039166``, ``0251.0376.0251.0376`` and ``169.254.43518`` are one address.
    """
    text = host.partition("%")[0]  # without the zone of an IPv6 address
    try:
        return ip_address(text)
    except ValueError:
        return _of_numbers(text)


def _of_numbers(text: str) -> IPv4Address | None:
    parts = text.split(".")
    if len(parts) > _MOST_PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *first, last = (_number(part) for part in parts)
    except ValueError:
        return None
    if any(number >= _BYTE for number in first) or last >= 1 << (_ADDRESS_BITS - 8 * len(first)):
        return None
    return IPv4Address(sum(number << (24 - 8 * place) for place, number in enumerate(first)) + last)


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)


def _meant_by(address: Ip) -> tuple[Ip, ...]:
    """Return an address and the IPv4 address that it carries in itself, where it does."""
    if isinstance(address, IPv4Address):
        return (address,)
    without_zone = IPv6Address(int(address))
    if address.teredo:
        return (without_zone, *address.teredo)
    if without_zone in _SIX_TO_FOUR:
        return (without_zone, IPv4Address((int(address) >> 80) & 0xFFFFFFFF))
    if any(without_zone in network for network in _WITH_IPV4_AT_END) and int(address) > 1:
        return (without_zone, IPv4Address(int(address) & 0xFFFFFFFF))
    return (without_zone,)
