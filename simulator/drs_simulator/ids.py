"""Identifiers in the shapes of DRS and EC2: stable ones from names, random ones from the seeded source."""

import hashlib
from random import Random

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789abcdef"
LENGTH = 17


def stable(prefix: str, *names: object) -> str:
    """Return the same ``prefix`` + 17 hexadecimal digits for the same names, in every process."""
    return prefix + hashlib.sha256("\x00".join(str(name) for name in names).encode()).hexdigest()[:LENGTH]


def fresh(prefix: str, random: Random, *, hexadecimal: bool = False) -> str:
    """Return ``prefix`` + 17 random characters."""
    return prefix + "".join(random.choices(_HEX if hexadecimal else _ALPHABET, k=LENGTH))


def arn(service: str, region: str, account: str, kind: str, name: str) -> str:
    """Return the ARN of a resource."""
    return f"arn:aws:{service}:{region}:{account}:{kind}/{name}"
