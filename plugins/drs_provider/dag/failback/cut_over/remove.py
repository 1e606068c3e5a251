"""The task that removes what a failback has left: only what people have agreed to, looked at again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drs_provider import clock
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_going_home
from drs_provider.dag.people.agreement import answers_of, triggered_by
from drs_provider.dag.run_reader import order_of
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.exceptions import RunRefused
from drs_provider.formatting import MANY, some
from drs_provider.operators.failback import DrsFailbackOperator
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.rules.failback.shape import WayHome
from drs_provider.rules.run.approvals import Policy, ensure_approved
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import ListedServer
    from drs_provider.services.failback.look import FailbackLook
    from drs_provider.services.failback.read import CircleReader, CirclesRead

LONGEST: Final = timedelta(hours=6)
"""How long a removal goes on before it says what each server waits for."""


class RemoveRecovered(LeavesTimes, DrsFailbackOperator):
    """Remove what a failback has left of the servers of one way home, in the order in which nothing is lost.

    Refused unless the recorded answer is there, given for the list that was shown, and unless what is there now is what
    stands on that list. Nothing is called for a server that is not protected again, twice confirmed.
    """

    template_fields: Sequence[str] = ()  # nothing to render: everything comes from preflight and the list
    ui_color = "#e6b8af"
    ui_fgcolor = "#3d1410"

    def __init__(
        self, *, plan: str, digest: str, home: WayHome, policy: Policy, agree_task_id: str, **kwargs: Any
    ) -> None:
        super().__init__(
            source_server_ids=(),
            aws_conn_id=home.target.aws_conn_id,
            region_name=home.target.region or None,
            max_wait=LONGEST,
            **kwargs,
        )
        self.plan, self.digest, self.home = plan, digest, home
        self.policy, self.agree_task_id = policy, agree_task_id
        self.listed: Mapping[str, ListedServer] = {}

    def reader(self) -> "CircleReader":
        """Return what reads both places of the way home."""
        return reader_of(self.home.way)

    def prepare(self, context: Context) -> None:
        """Take the servers from the list that people were shown; look for their answer and for orders."""
        from drs_provider.rules.run.handover import CleanUpList

        preflight = cut_over_of(context, self.plan, self.digest)
        if order := order_of(context):
            leave(context["ti"], order)
            if order.is_cancellation:
                raise AirflowFailException(f"{order.message}; what is removed already stays so")
            raise AirflowSkipException(order.message)
        shown = pull_newest(context, self.agree_task_id, CleanUpList)
        if shown is None:
            raise AirflowSkipException(f"{self.agree_task_id} has shown nobody anything to remove")
        answers = answers_of(context, [self.agree_task_id])
        ensure_approved(
            self.policy,
            answers,
            triggered_by=triggered_by(context),
            checked_at=preflight.checked_at,
            what="the clean-up is not approved",
            left_alone="Nothing was removed",
        )
        answer = answers[self.agree_task_id]
        if answer is None or answer.at < shown.at:
            raise RunRefused(
                f"{self.agree_task_id} has left no list that its answer is of. Nothing was removed; clear it with "
                "everything downstream to ask again"
            )
        mine = {server.server_id for server in servers_going_home(preflight, self.home)}
        self.listed = {name: server for name, server in shown.by_id.items() if name in mine}
        if not self.listed:
            raise AirflowSkipException(f"nothing is to be removed of what was recovered in {self.home.target}")
        self.source_server_ids = list(self.listed)

    def look(self, context: Context) -> "FailbackLook":
        """Remove what is due, where what is there is what people have agreed to."""
        from drs_provider.services.failback.removal import Removal

        removal = Removal(self.reader(), task_memory(context), ensure=self.ensure_agreed, now=clock.now)
        return removal.look(list(self.listed))

    def ensure_agreed(self, read: "CirclesRead") -> None:
        """Refuse what is not on the list, by the very look that the calls come from.

        :raises RunRefused: something else is there than people have agreed to remove
        """
        from drs_provider.rules.failback.clean_up import why_not_agreed

        against = [
            f"{read.name_of(name)}: {why}"
            for name, listed in self.listed.items()
            if (why := why_not_agreed(listed, read.states[name], read.circles[name]))
        ]
        if against:
            raise RunRefused(
                f"what is there is not what people have agreed to remove, and nothing more was called: "
                f"{some(against, MANY, '; ')}. Clear {self.agree_task_id} with everything downstream to ask again"
            )
