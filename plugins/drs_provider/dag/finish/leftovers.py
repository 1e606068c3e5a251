"""The last look of a drill: whether anything that is its own is left in an account and Region."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.airflow_internals import TaskStore
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.job_tags import jobs_of_run, keys_of_run
from drs_provider.exceptions import DrillRemains
from drs_provider.operators.base import DrsOperator, asking_later, failing_for_good
from drs_provider.rules.purpose import purpose_of
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook
    from drs_provider.rules.run.handover import Leftovers


LOOK_AGAIN_AFTER = timedelta(seconds=5)
MOST_TIME: Final = timedelta(minutes=1)
"""How long EC2 may go on showing what was just removed."""

_ASKING: Final = timedelta(hours=1)


class LookOver(LeavesTimes, DrsOperator):
    """Look once over everything in an account and Region that bears the run's tags; fail if anything is there.

    The clean-up, the putting back and the removal of the network each see that what they knew of is gone. This task
    knows nothing: it asks for the run's tags, for the instances of its jobs, and for what a drill leaves at servers.
    It removes nothing. A few requests, however big the drill was. The default versions of the servers' launch templates
    are looked at as well: others may have made one on top of the drill's since the settings were put back.

    Returns a ``Leftovers`` as JSON (``rules.run.handover``).
    """

    template_fields: Sequence[str] = ()  # nothing to render: the servers come from preflight
    ui_color = "#c9a6a6"
    ui_fgcolor = "#1c1917"

    def __init__(self, *, target: Target, prepare_task_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, **kwargs)
        self.target, self.prepare_task_id = target, prepare_task_id

    @cached_property
    def hook(self) -> "TracesHook":
        """The hook of this task's account and Region, which also finds by tags."""
        from drs_provider.hooks.drill_resources import TracesHook

        return TracesHook(**self.aws)

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Look; look again for a while where something is left."""
        from drs_provider.rules.run.handover import Leftovers, PreflightResult

        if not purpose_of(context["params"]["mode"]).is_temporary:
            raise AirflowSkipException("a recovery leaves everything: it is production now")
        preflight = PreflightResult.read(context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PreflightResult.KEY))
        if preflight is None or not preflight.passed:
            raise AirflowSkipException("preflight has not passed, so nothing was made")
        servers = [server.server_id for server in preflight.servers(self.target)]
        began = _began(context)
        with failing_for_good(), asking_later(self, self.resume_look, until=began + _ASKING):
            left = self._look(context, servers)
            context["ti"].xcom_push(key=Leftovers.KEY, value=left.to_json())
            for name, what in left.left.items():
                self.log.info("%s: %s", name, what)
            if left.left and clock.now() < began + MOST_TIME:
                self._look_again()
            if left.left:
                raise DrillRemains(left.left)
        self.log.info("nothing of the run is left")
        return left.to_json()

    def resume_look(self, context: Context, event: object = None) -> dict[str, JsonValue]:
        """Look again."""
        return self.execute(context)

    def _look(self, context: Context, servers: Sequence[str]) -> "Leftovers":
        from drs_provider.rules.run.handover import Leftovers
        from drs_provider.services.drill.last_look import find_remains

        runs, jobs, places = keys_of_run(context), jobs_of_run(self.hook, context), self._places(context)
        return Leftovers(left=find_remains(self.hook, runs, jobs=jobs, server_ids=servers, places=places))

    def _places(self, context: Context) -> frozenset[str]:
        from drs_provider.rules.run.handover import PreparedNetworks

        if not self.prepare_task_id:
            return frozenset()
        found = PreparedNetworks.read(context["ti"].xcom_pull(task_ids=self.prepare_task_id, key=PreparedNetworks.KEY))
        return found.places if found else frozenset()

    def _look_again(self) -> NoReturn:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = clock.now() + LOOK_AGAIN_AFTER
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.resume_look.__name__)


def _began(context: Context) -> datetime:
    """Return when this task was begun, or cleared, whatever leg of it this is."""
    from drs_provider.rules.run.handover import LastLookBegan
    from drs_provider.services.store import load, save

    store, max_tries = TaskStore(context), context["ti"].max_tries
    known = load(store, LastLookBegan)
    if known is None or known.max_tries != max_tries:
        known = LastLookBegan(max_tries=max_tries, at=clock.now())
        save(store, known)
    return known.at
