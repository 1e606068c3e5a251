"""The task that protects failed-back servers again: the original direction is taken up, and followed to its end."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_going_home
from drs_provider.dag.failback.reverse import ReverseWave
from drs_provider.formatting import MANY, plural, some
from drs_provider.operators.failback import LOOK_AGAIN_AFTER
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.rules.failback.shape import WayHome
from drs_provider.rules.failback.state import Stage
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.rules.launch.results import ServerResult
    from drs_provider.rules.run.handover import PreflightServer
    from drs_provider.services.failback.look import FailbackLook
    from drs_provider.services.failback.reverse import ReversalGoal


class ProtectAgain(ReverseWave):
    """Reverse the failed-back instances of one way home, and follow until the original direction protects them.

    Protected means: the server in the recovery Region replicates just that instance, which runs, up to date and with
    every disk rescanned, and two looks say so. What is reversed already, by whomever, is adopted. Until then nothing of
    what was recovered is touched: it is the way back from a failback that went wrong.
    """

    goal: "ClassVar[ReversalGoal]" = "reprotected"
    reversed_from: ClassVar[Stage] = Stage.FAILED_BACK

    def __init__(
        self, *, plan: str, digest: str, home: WayHome, watch_task_ids: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(plan=plan, digest=digest, wave="", way=home.way, **kwargs)
        self.home = home
        self.watch_task_ids = {wave: task for wave, task in watch_task_ids.items() if wave in home.waves}

    @property
    def of_what(self) -> str:
        """What the servers are of, for people."""
        return f"what was recovered in {self.home.target}"

    def servers(self, context: Context) -> "tuple[PreflightServer, ...]":
        """Give the servers of the chosen waves that go this way. Raises AirflowSkipException where there are none."""
        found = servers_going_home(cut_over_of(context, self.plan, self.digest), self.home)
        if not found:
            raise AirflowSkipException(f"no server of this run was recovered in {self.home.target}")
        return found

    def wait(self, context: Context, look: "FailbackLook", until: datetime) -> None:
        """Leave the wait to the triggerer; what only a second look can confirm is looked at again soon."""
        if look.is_followed:
            super().wait(context, look, until)
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        for server_id, why in look.waiting.items():
            self.log.info("%s: %s", look.read.name_of(server_id), why)
        self.defer(
            trigger=DateTimeTrigger(moment=clock.now() + LOOK_AGAIN_AFTER), method_name=self.resume_copying.__name__
        )

    def end(self, context: Context, look: "FailbackLook", servers: "tuple[PreflightServer, ...]") -> JsonValue:
        """Return the result, or fail for the critical servers that run in their origin and are not protected.

        What was not launched there is left, and fails nobody: production of it runs where it was recovered.
        """
        from drs_provider.rules.failback.left_behind import left_behind

        outcome = self.outcome(look)
        found = left_behind(outcome.left, look.read.states, self._results(context))
        outcome = outcome.model_copy(update={"left": dict(found.left)})
        for server_id, why in found.left.items():
            self.log.warning("%s: %s", look.read.name_of(server_id), why)
        absent = [server for server in servers if server.critical and server.server_id in found.unprotected]
        if not absent:
            return sealed(context["ti"], outcome)
        leave(context["ti"], outcome)
        said = [f"{look.read.name_of(server.server_id)}: {outcome.left[server.server_id]}" for server in absent]
        raise AirflowFailException(
            f"{len(outcome.done)} of {plural(len(servers), 'server')} are protected again. Not protected: "
            f"{some(said, MANY, '; ')}. Nothing of what was recovered is removed. Once that is corrected, clear this "
            "task with everything downstream, or start a new run: what is protected stays so"
        )

    def _results(self, context: Context) -> "Mapping[str, ServerResult]":
        """Give what became of the servers in the waves of this run; nothing of a wave that was left out."""
        from drs_provider.rules.run.handover import ServerResults

        left = [pull_newest(context, task, ServerResults) for task in self.watch_task_ids.values()]
        return {name: result for results in left if results for name, result in results.by_id.items()}
