"""Asking where a late answer is worth no more than none: people, or the next wave, wait for it."""

from typing import Any, Final

from botocore.config import Config

from drs_provider.hooks.drs import DrsHook

QUICK_SECONDS: Final = 12.0
"""For so long a read is repeated: a throttled one has its answer by then, a Region that is down will not have one."""

_TIMEOUTS: Final = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2, "mode": "standard"})


class QuickHook(DrsHook):
    """A :class:`DrsHook` that soon takes silence for an answer, also where it takes the connection's role."""

    def __init__(self, *args: Any, patience: float = QUICK_SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, patience=patience, **kwargs)

    @property
    def config(self) -> Config:
        """The connection's own configuration, with times of this hook's."""
        return super().config.merge(_TIMEOUTS)
