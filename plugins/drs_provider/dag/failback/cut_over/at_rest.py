"""The last task of a failback: whether every server is protected as in the beginning, and nothing is left."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_going_home
from drs_provider.dag.task_times import LeavesTimes, began_of_task
from drs_provider.formatting import MANY, plural, some
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.rules.failback.left_behind import is_before_launch
from drs_provider.rules.failback.progress import WORDS
from drs_provider.rules.failback.shape import WayHome
from drs_provider.rules.failback.state import Stage
from drs_provider.services.signed import leave, sealed

if TYPE_CHECKING:
    from drs_provider.rules.failback.state import CircleState

WITHIN: Final = timedelta(minutes=30)
"""How long a server may be behind, or DRS may show what is gone, before that is said."""
LOOK_EVERY: Final = timedelta(seconds=30)


class AssertRest(LeavesTimes, BaseOperator):
    """Look at both Regions whether the servers of one way home are at rest; change nothing.

    At rest: one server in the recovery Region replicates what production runs on, up to date; there is no recovery
    instance in either Region, and no FAILBACK server. What is not, is named.
    """

    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(self, *, plan: str, digest: str, home: WayHome, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.home = plan, digest, home

    def execute(self, context: Context) -> JsonValue:
        """Look, and look again while waiting may help."""
        from drs_provider.rules.run.handover import FailbackOutcome

        with failing_for_good():
            until = self._until(context)
            with asking_later(self, self.look_again, until=until):
                servers = servers_going_home(cut_over_of(context, self.plan, self.digest), self.home)
                if not servers:
                    raise AirflowSkipException(f"no server of this run was recovered in {self.home.target}")
                read = reader_of(self.home.way).read([server.server_id for server in servers])
                read.ensure_answered()
        # What was not failed back has its word in the task that protects again.
        states = {server_id: state for server_id, state in read.states.items() if not is_before_launch(state)}
        left = {server_id: why for server_id, state in states.items() if (why := _why_not_at_rest(state))}
        if left and clock.now() < until and all(_may_pass(read.states[name]) for name in left):
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            self.log.info("not at rest yet: %s", some([f"{read.name_of(k)}: {v}" for k, v in left.items()], MANY, "; "))
            self.defer(trigger=DateTimeTrigger(moment=clock.now() + LOOK_EVERY), method_name=self.look_again.__name__)
        done = {name: WORDS[state.stage] for name, state in states.items() if name not in left}
        outcome = FailbackOutcome(is_complete=not left, done=done, left=left)
        critical = {server.server_id for server in servers if server.critical}
        if absent := [f"{read.name_of(name)}: {why}" for name, why in left.items() if name in critical]:
            leave(context["ti"], outcome)
            raise AirflowFailException(
                f"{len(done)} of {plural(len(states), 'server')} are at rest. Not at rest: "
                f"{some(absent, MANY, '; ')}. Once that is corrected, clear this task"
            )
        for name, words in done.items():
            self.log.info("%s: %s", read.name_of(name), words)
        return sealed(context["ti"], outcome)

    def look_again(self, context: Context, event: object = None) -> JsonValue:
        """Look again, after some time has passed or AWS did not answer."""
        return self.execute(context)

    @staticmethod
    def _until(context: Context) -> datetime:
        return began_of_task(context) + WITHIN


def _why_not_at_rest(state: "CircleState") -> str:
    if state.stage is Stage.RESTING:
        return ""
    parts = [WORDS[state.stage], state.why, *state.notes]
    if state.leftovers:
        parts.append(f"left: {', '.join(state.leftovers)}")
    return "; ".join(part for part in parts if part)


def _may_pass(state: "CircleState") -> bool:
    """Whether waiting may help: only lag, or what DRS shows a little longer."""
    return state.stage is Stage.PROTECTED
