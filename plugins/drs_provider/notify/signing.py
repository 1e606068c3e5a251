"""The signature of a webhook: proves to the receiver who wrote the body, and when."""

import hashlib
import hmac

TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-DRS-Timestamp", "X-DRS-Signature"
_VERSION = "v1"


def signature_headers(body: bytes, secret: str, *, timestamp: int) -> dict[str, str]:
    """Return the two headers: HMAC-SHA256, keyed with the secret, over ``<timestamp>.<body>``, in hexadecimal.

    :param timestamp: seconds since 1970, part of what is signed: a receiver that refuses old ones refuses replays.
    """
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: f"{_VERSION}={digest}"}
