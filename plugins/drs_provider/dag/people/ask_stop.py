"""The question whether a planned migration may stop its sources: every instance stands in it."""

from collections.abc import Sequence

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.people.agreement import triggered_by
from drs_provider.dag.people.ask import AskApproval
from drs_provider.formatting import timespan
from drs_provider.people import is_same_person
from drs_provider.rules.run.approvals import eligible
from drs_provider.rules.run.handover import PreflightResult


class AskStop(AskApproval):
    """One approval to stop the sources of a migration; other runs skip it."""

    def question(self, context: Context, preflight: PreflightResult) -> Sequence[str]:
        """Name every instance that will be stopped."""
        from drs_provider.dag.people.question_text import stop_text

        if not preflight.purpose.quiesces:
            raise AirflowSkipException(f"a {preflight.mode} stops no sources")
        who, earlier = triggered_by(context), self._earlier(context)
        self.subject = f"Stop the sources of {self.plan}? Approval {self.number} of {self.policy.required}"
        self.body = stop_text(
            preflight,
            self.policy,
            triggered_by=who,
            earlier=earlier,
            progress=self.progress(context, preflight),
        )
        able = eligible(self.policy, triggered_by=who)
        return [name for name in able if not any(is_same_person(name, other) for other in earlier)]

    def in_short(self) -> tuple[str, str]:
        """Say in plain text what is asked, and what happens without an answer."""
        return self.subject, "nothing is stopped or launched"

    def said_no(self, who: str) -> str:
        """Word a refusal."""
        return f"{who} rejected the stop of the sources; nothing was stopped or launched"

    def said_nothing(self) -> str:
        """Word that nobody answered in time."""
        return (
            f"no approval to stop the sources within {timespan(self.within)}; nothing was stopped or launched. Clear "
            "this task with everything downstream to ask again"
        )
