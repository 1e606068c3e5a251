"""In which order servers are launched ahead, where quotas do not let all of them in at once."""

from typing import Protocol


class SizedServer(Protocol):
    """A server whose disks are known, as far as DRS tells."""

    @property
    def server_id(self) -> str:
        """Its id."""
        ...

    @property
    def gigabytes(self) -> int:
        """The size of its disks together; 0: not known."""
        ...


def biggest_first(server: SizedServer) -> tuple[int, str]:
    """Sort key of the order in which servers are launched ahead: the biggest take longest."""
    return -server.gigabytes, server.server_id
