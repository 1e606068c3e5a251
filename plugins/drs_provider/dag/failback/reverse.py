"""The task of a wave on its way back: have its servers replicated to their origin, and follow that to its end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.dag.failback.check import arguments_of, reader_of
from drs_provider.dag.run_reader import began_at, order_of, preflight_result
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.exceptions import PlanChanged
from drs_provider.formatting import MANY, duration, plural, some
from drs_provider.operators.base import asking_later, failing_for_good
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.run.shape import WayBack
from drs_provider.services.signed import leave, pull_believed, sealed

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import FailbackOutcome, PreflightServer
    from drs_provider.services.failback.look import FailbackLook
    from drs_provider.services.failback.reverse import ReversalGoal

LONGEST: Final = timedelta(days=30)
"""How long a run follows what is copied; DRS goes on, and so does a new run."""

PEOPLE_HAVE: Final = timedelta(days=1)
"""How long a task waits where nothing but people is waited for: a run that does nothing holds a place of others."""

LOOK_EVERY: Final = timedelta(minutes=10)
"""After so long at the latest the task looks itself, for orders of people and calls that are due."""

POLL_SECONDS: Final = 120.0
"""How often the trigger of each wave asks; what is waited for takes hours."""


CALL_AGAIN: Final = timedelta(minutes=1)
"""How long after DRS has refused a call, or its answer was lost, the task looks again itself."""

CALL_POLL_SECONDS: Final = 20.0
"""How often the trigger asks meanwhile."""


class ReverseWave(LeavesTimes, BaseOperator):
    """Have the recovered servers of a wave replicated to where they came from, until each can be launched there.

    What is there is adopted, in whatever state: by people in the console, by another run, by another Airflow. No worker
    is held while DRS copies. Where a critical server does not come there by itself, the task says which, why and what
    to do, and fails once all others are ready; cleared, it goes on with what is there.
    """

    ui_color = "#cfe2f3"
    ui_fgcolor = "#12303f"
    goal: "ClassVar[ReversalGoal]" = "ready"
    reversed_from: ClassVar[Stage] = Stage.RECOVERED

    def __init__(self, *, plan: str, digest: str, wave: str, way: WayBack, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan, self.digest, self.wave, self.way = plan, digest, wave, way

    def execute(self, context: Context) -> JsonValue:
        """Look, call what is due, and wait or end."""
        with failing_for_good():
            return self._leg(context)

    def resume_copying(self, context: Context, event: object) -> JsonValue:
        """Look again, after something has changed or some time has passed."""
        return self.execute(context)

    def _leg(self, context: Context) -> JsonValue:
        from drs_provider.services.failback.reverse import Reversal

        servers = self.servers(context)
        self._obey(context)
        until = began_at(context) + LONGEST
        with asking_later(self, self.resume_copying, until=until):
            reversal = Reversal(reader_of(self.way), task_memory(context), goal=self.goal)
            look = reversal.look([server.server_id for server in servers])
        self._show(context, look)
        if look.is_over or clock.now() >= until or self._is_left_to_people(context, look):
            return self.end(context, look, servers)
        self.wait(context, look, until)
        return None  # never reached: waiting ends this leg

    @property
    def of_what(self) -> str:
        """What the servers are of, for people."""
        return f"wave {self.wave}"

    def servers(self, context: Context) -> "tuple[PreflightServer, ...]":
        """Give the servers that preflight found on this way. Raises where there is none, or the plan has changed."""
        preflight = preflight_result(context, self.plan)
        if preflight.digest != self.digest:
            raise PlanChanged(self.plan, preflight.digest, self.digest)
        if not preflight.purpose.copies:
            raise AirflowSkipException(f"a {preflight.purpose.title.lower()} replicates nothing")
        if not preflight.wave(self.wave).selected:
            raise AirflowSkipException(f"wave {self.wave} was not chosen for this run")
        found = preflight.servers_of(self.wave, self.way.target)
        servers = tuple(server for server in found if server.group in self.way.groups)
        if not servers:
            raise AirflowSkipException(f"wave {self.wave} has no recovered server in {self.way.target}")
        return servers

    def _obey(self, context: Context) -> None:
        """End where a person has ordered so: what was reversed stays so, and DRS goes on copying."""
        if (order := order_of(context)) is None:
            return
        leave(context["ti"], order)
        if order.is_cancellation:
            raise AirflowFailException(f"{order.message}; DRS goes on replicating what was reversed")
        raise AirflowSkipException(order.message)

    @staticmethod
    def _is_left_to_people(context: Context, look: "FailbackLook") -> bool:
        """Tell whether people alone are waited for, and have been asked long enough; a cleared task asks anew."""
        began = context["ti"].start_date or clock.now()
        return not look.waiting and clock.now() >= began + PEOPLE_HAVE

    def _show(self, context: Context, look: "FailbackLook") -> None:
        """Leave how far every server is for the page, and write what is new into the log."""
        from drs_provider.rules.failback.progress import progress_line, what_is_new
        from drs_provider.rules.run.handover import FailbackProgress

        ti, now = context["ti"], clock.now()
        before = next(iter(pull_believed(ti, [ti.task_id], FailbackProgress)), None)
        for server in what_is_new(look.progress, before):
            self.log.info("%s", progress_line(server, now=now))
        leave(ti, look.progress)
        self.log.info(
            "%s: %d of %s %s, %d on the way, %d wait for people, %d stuck",
            self.of_what,
            len(look.done),
            plural(len(look.steps), "server"),
            self.goal,
            len(look.waiting),
            len(look.people),
            len(look.refused),
        )

    def wait(self, context: Context, look: "FailbackLook", until: datetime) -> None:
        """Leave the wait to the triggerer."""
        from drs_provider.triggers.failback import DrsFailbackTrigger

        ti = context["ti"]
        watched = [*look.waiting, *look.people]
        # DRS has refused the call of such a server, or did not answer: to call it again at once would be no use.
        is_refused = any(look.read.states[server].stage is self.reversed_from for server in look.waiting)
        trigger = DrsFailbackTrigger(
            watches=[
                {
                    "aws": arguments_of(self.way.target),
                    "origin": arguments_of(self.way.origin),
                    "server_ids": list(look.steps),
                }
            ],
            goal=self.goal,
            deadline=min(until, clock.now() + (CALL_AGAIN if is_refused else LOOK_EVERY)).isoformat(),
            poll_seconds=CALL_POLL_SECONDS if is_refused else POLL_SECONDS,
            acts=not is_refused,
            shown_for={"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "attempt": ti.try_number},
        )
        self.log.info("Waiting for %s: %s", plural(len(watched), "server"), some(self._names(look, watched), MANY))
        self.defer(trigger=trigger, method_name=self.resume_copying.__name__)

    def end(self, context: Context, look: "FailbackLook", servers: "tuple[PreflightServer, ...]") -> JsonValue:
        """Return the result, or fail for the critical servers that are not ready."""
        outcome = self.outcome(look)
        absent = [server for server in servers if server.critical and server.server_id in outcome.left]
        if not absent:
            return sealed(context["ti"], outcome)
        leave(context["ti"], outcome)
        said = [f"{look.read.name_of(server.server_id)}: {outcome.left[server.server_id]}" for server in absent]
        raise AirflowFailException(
            f"{len(outcome.done)} of {plural(len(servers), 'server')} of wave {self.wave} are ready. Not ready: "
            f"{some(said, MANY, '; ')}. Once that is corrected, clear this task or start a new run: what is reversed "
            "stays so, and is not copied again"
        )

    def outcome(self, look: "FailbackLook") -> "FailbackOutcome":
        """Say which servers are there, and why the others are not."""
        from drs_provider.rules.run.handover import FailbackOutcome

        late, undone = (
            f"not {self.goal} after {duration(LONGEST)}",
            f"nobody has done it within {duration(PEOPLE_HAVE)}",
        )
        left = {
            **look.refused,
            **{server: f"{late}: {why}" for server, why in look.waiting.items()},
            **{server: f"{undone}: {why}" for server, why in look.people.items()},
        }
        return FailbackOutcome(is_complete=not left, done=look.done, left=left)

    @staticmethod
    def _names(look: "FailbackLook", server_ids: list[str]) -> list[str]:
        names: Mapping[str, str] = look.read.hostnames
        return [names.get(server_id, server_id) for server_id in server_ids]
