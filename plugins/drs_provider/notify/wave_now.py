"""How far one wave of a run has come."""

from dataclasses import dataclass

from drs_provider.reporting.words import plural


@dataclass(frozen=True)
class WaveNow:
    """How far a wave of a run has come: one of ``done``, ``failed``, ``running``, ``waiting``, ``left out``.

    ``launched`` and ``failed`` are counts of servers, None where nobody has counted yet.
    """

    name: str
    state: str
    servers: int
    launched: int | None = None
    failed: int | None = None

    def in_words(self) -> str:
        """Say the state with its figures: ``done, 3 of 3 servers up``."""
        if self.launched is None:
            return f"{self.state}, {plural(self.servers, 'server')}"
        return f"{self.state}, {self.launched} of {plural(self.servers, 'server')} up"
