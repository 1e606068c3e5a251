"""The end of the failbacks of machines in data centres, where a person has cancelled a run and ordered just that."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.docs import COLOURS
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_going_home
from drs_provider.dag.failback.other_runs import other_ways_back
from drs_provider.dag.run_reader import order_of
from drs_provider.dag.task_times import LeavesTimes, began_of_task
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import some
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.failback.data_centre.stop import why_followed, why_not_ended
from drs_provider.rules.failback.shape import WayHome
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import FailbackOutcome, PreflightServer

WITHIN: Final = timedelta(minutes=30)
"""How long AWS may not answer before that is said."""


class StopClients(LeavesTimes, BaseOperator):
    """End the failbacks (StopFailback) of the machines that this run was to convert, and has not.

    Only where a person has cancelled the run with the order to do so: it costs the copy, for people must boot each
    machine from the failback client again. Nothing is ended that is converted, or that another run follows.
    """

    ui_color = COLOURS["ui_color"]
    ui_fgcolor = COLOURS["ui_fgcolor"]

    def __init__(self, *, plan: str, digest: str, home: WayHome, start_task_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.home, self.start_task_ids = plan, digest, home, tuple(start_task_ids)

    def execute(self, context: Context) -> JsonValue:
        """Look for the order, and end what is to be ended."""
        from drs_provider.rules.run.handover import RunOrder
        from drs_provider.services.store import save

        with failing_for_good():
            began = began_of_task(context)
            until = began + WITHIN
            servers = self._servers(context)
            self._wait_for_jobs(context, began)
            with asking_later(self, self.look_again, until=until):
                outcome = self._end(context, servers)
        # It is obeyed once: a cleared task would end the failbacks that people have begun since.
        save(task_memory(context), RunOrder(kind="none"))
        return sealed(context["ti"], outcome)

    def look_again(self, context: Context, event: object = None) -> JsonValue:
        """Look again after a wait: what is ended already is passed over."""
        return self.execute(context)

    def _wait_for_jobs(self, context: Context, began: datetime) -> None:
        """Wait once where a start has failed: DRS may not show yet what it has sent, and whose answer was lost."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from drs_provider.services.failback.call_memory import INVISIBLE_FOR

        ti, moment = context["ti"], began + INVISIBLE_FOR
        if clock.now() >= moment:
            return
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        failed = [task for task in self.start_task_ids if str(states.get(task)) == "failed"]
        if failed:
            self.log.info("%s failed: what they have sent is waited for until %s", some(failed), moment)
            self.defer(trigger=DateTimeTrigger(moment=moment), method_name=self.look_again.__name__)

    def _servers(self, context: Context) -> "tuple[PreflightServer, ...]":
        order = order_of(context)
        if order is None or not order.is_cancellation:
            raise AirflowSkipException(
                "nobody has cancelled the run with the order to end its failbacks, or it was obeyed already: to end "
                "others, cancel again with --stop-failback"
            )
        preflight = cut_over_of(context, self.plan, self.digest)
        leave(context["ti"], order)
        going = servers_going_home(preflight, self.home)
        if not (found := tuple(server for server in going if server.back and server.back.is_converted)):
            raise AirflowSkipException("this run was to convert no machine of a data centre")
        ids = {server.server_id for server in found}
        waves = [
            name
            for name, wave in preflight.chosen_waves.items()
            if any(server.server_id in ids for server in wave.servers)
        ]
        if why := why_followed(waves, other_ways_back(context)):
            raise RunRefused(why)
        return found

    def _end(self, context: Context, servers: "tuple[PreflightServer, ...]") -> "FailbackOutcome":
        from drs_provider.rules.run.handover import FailbackOutcome
        from drs_provider.services.failback.ends import FailbackEnds, stop_failback

        reader = reader_of(self.home.way)
        read = reader.read([server.server_id for server in servers])
        left = {name: why for name, state in read.states.items() if (why := why_not_ended(state, read.circles[name]))}
        ended = [name for name in read.states if name not in left]
        ends = stop_failback(reader, ended) if ended else FailbackEnds({}, {})
        refused = {name: str(error) for name, error in ends.refused.items()}
        earlier = pull_newest(context, self.task_id, FailbackOutcome)
        done = {**(earlier.done if earlier else {}), **ends.done}
        left = {name: why for name, why in {**left, **refused}.items() if name not in done}
        for name, words in {**left, **done}.items():
            self.log.info("%s: %s", read.name_of(name), words)
        outcome = FailbackOutcome(is_complete=not refused, done=done, left=left)
        if refused:
            leave(context["ti"], outcome)  # what is ended costs people a boot, whatever becomes of the rest
            ends.raise_refusal()
        return outcome
