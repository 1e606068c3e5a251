"""The questions of a failback: whether production goes back, and whether what it came from may be removed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider import clock
from drs_provider.dag.failback.check import reader_of
from drs_provider.dag.failback.cut_over.last_sync import doubts_of
from drs_provider.dag.failback.cut_over.servers import cut_over_of, servers_going_home
from drs_provider.dag.people.agreement import triggered_by
from drs_provider.dag.people.ask import AskApproval
from drs_provider.formatting import timespan
from drs_provider.people import is_same_person
from drs_provider.rules.failback.shape import WayHome
from drs_provider.rules.run.approvals import Policy, eligible
from drs_provider.rules.run.handover import PreflightResult
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.rules.run.handover import ListedServer


class AskCutOver(AskApproval):
    """One approval of the cut-over of a failback; other runs skip it."""

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Say what goes back to where, what is overwritten, and what preflight warns of."""
        from drs_provider.dag.failback.cut_over.question_text import cut_over_text

        if not preflight.needs_approval:
            raise AirflowSkipException(f"a {preflight.mode} that needs no approval")
        who, earlier = triggered_by(context), self._earlier(context)
        self.subject = f"Fail back {self.plan}? Approval {self.number} of {self.policy.required}"
        self.body = cut_over_text(preflight, self.policy, triggered_by=who, earlier=earlier)
        able = eligible(self.policy, triggered_by=who)
        return [name for name in able if not any(is_same_person(name, other) for other in earlier)]

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "nothing is stopped or launched, and production stays where it was recovered"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected the failback; nothing was stopped or launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"no approval of the failback within {timespan(self.within)}; nothing was stopped or launched. Clear this "
            "task with everything downstream to ask again"
        )


class AskCleanUp(AskApproval):
    """Ask whether what a failback has left may be removed; always somebody else than who started the run.

    Leaves the list that is shown, signed: nothing that is not on it is removed, and nothing whose place another thing
    has taken since.
    """

    def __init__(
        self,
        *,
        plan: str,
        digest: str,
        policy: Policy,
        homes: Sequence[WayHome],
        sync_task_ids: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(plan=plan, policy=policy, number=1, task_ids=(kwargs["task_id"],), **kwargs)
        self.digest, self.homes, self.sync_task_ids = digest, tuple(homes), tuple(sync_task_ids)

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Look at both Regions, and name everything that will be removed."""
        from drs_provider.dag.failback.cut_over.question_text import clean_up_text
        from drs_provider.rules.run.handover import CleanUpList

        cut_over_of(context, self.plan, self.digest)
        at = clock.now()
        listed, unlisted = self._listed(preflight)
        if not listed:
            raise AirflowSkipException("nothing of the way back is left of any server that is protected again")
        leave(context["ti"], CleanUpList(at=at, servers=tuple(listed)))
        who = triggered_by(context)
        self.subject = f"Remove what the failback of {self.plan} has left?"
        doubts = self._doubts(context, preflight, listed)
        self.body = clean_up_text(preflight, listed, unlisted, self.policy, triggered_by=who, doubts=doubts)
        return eligible(self.policy, triggered_by=who)

    def _doubts(
        self, context: Context, preflight: PreflightResult, listed: "Sequence[ListedServer]"
    ) -> tuple[str, ...]:
        """Say why what is removed may hold what production has not: whichever run has converted a machine."""
        from drs_provider.rules.failback.data_centre.last_sync import not_proven

        machines = {server.server_id for server in preflight.servers() if server.back and server.back.from_data_centre}
        names = [server.hostname for server in listed if server.server_id in machines]
        return (*doubts_of(context, self.sync_task_ids), *([not_proven(names)] if names else []))

    def _listed(self, preflight: PreflightResult) -> "tuple[list[ListedServer], Mapping[str, str]]":
        """Give what can be removed by server, and why nothing is of the others."""
        from drs_provider.rules.failback.clean_up import listed_server, why_not_listed

        listed: list[ListedServer] = []
        unlisted: dict[str, str] = {}
        for home in self.homes:
            servers = servers_going_home(preflight, home)
            if not servers:
                continue
            read = reader_of(home.way).read([server.server_id for server in servers])
            read.ensure_answered()
            for server in servers:
                state, circle = read.states[server.server_id], read.circles[server.server_id]
                if why := why_not_listed(state, circle):
                    unlisted[server.hostname] = why
                elif found := listed_server(state, circle, hostname=server.hostname):
                    listed.append(found)
        return listed, unlisted

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "nothing is removed, and what was recovered goes on and costs money"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected the clean-up: nothing was removed, and what was recovered goes on"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"nobody has agreed to the clean-up within {timespan(self.within)}; nothing was removed. Clear this task "
            "with everything downstream to ask again"
        )
