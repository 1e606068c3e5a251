"""Which servers are there, failed, or were never tried."""

from typing import Literal, Protocol

Standing = Literal["launched", "failed", "not_started", "excluded"]

_STANDING_OF: dict[str, Standing] = {"LAUNCHED": "launched", "NOT_STARTED": "not_started", "EXCLUDED": "excluded"}


class LaunchedServer(Protocol):
    """What evidence, report and board know of a server."""

    @property
    def status(self) -> str:
        """DRS's launch status, or NOT_STARTED or EXCLUDED."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it is not usable, if it is not."""
        ...


def standing_of(server: LaunchedServer) -> Standing:
    """Say where a server stands when its run has ended.

    Only LAUNCHED without a reason against it is there. Every status that is not known to be harmless counts as
    failed: a server that is still PENDING when the run ends is not there either, and DRS's enums are open.
    """
    standing = _STANDING_OF.get(server.status, "failed")
    return "failed" if standing == "launched" and server.reason else standing
