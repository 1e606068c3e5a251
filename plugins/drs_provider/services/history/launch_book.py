"""Which runs have launched which server, from their reports: a few launches a server, however many runs there are."""

from collections.abc import Iterable
from types import MappingProxyType

from drs_provider.rules.inventory.past_launches import PastLaunch, PastLaunches, with_launch


class LaunchBook:
    """The launches of every server. Its owner holds a lock while it is used."""

    def __init__(self) -> None:
        self._of_server: dict[str, tuple[PastLaunch, ...]] = {}
        self._shown: PastLaunches | None = None

    def take(self, launches: Iterable[tuple[str, PastLaunch]]) -> None:
        """Add what a report says of its servers."""
        for server_id, launch in launches:
            self._of_server[server_id] = with_launch(self._of_server.get(server_id, ()), launch)
            self._shown = None

    def forget(self, run: tuple[str, str]) -> None:
        """Drop what was known from the report of a run, which is written again or gone.

        :param run: DAG id and run id
        """
        for server_id, launches in list(self._of_server.items()):
            if any(launch.key == run for launch in launches):
                self._of_server[server_id] = tuple(launch for launch in launches if launch.key != run)
                self._shown = None

    def launches(self, pending: int, problem: str) -> PastLaunches:
        """Return what is known now; the very same object where nothing has changed.

        :param pending: reports that are not read yet
        :param problem: why reports cannot be read
        """
        shown = self._shown
        if shown is None or (shown.pending, shown.problem) != (pending, problem):
            kept = shown.of_server if shown else MappingProxyType(dict(self._of_server))
            shown = self._shown = PastLaunches(kept, pending, problem)
        return shown
