"""Asking people before something that cannot be undone, with an answer that nobody can write by hand."""

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from drs_provider.services.signed import leave


class DrsApprovalOperator(ApprovalOperator):
    """Airflow's ``ApprovalOperator``, which also signs who has answered what.

    What an ``ApprovalOperator`` returns is an XCom that people may edit, and a task cannot ask Airflow for its own
    record of another task's question. This one gets the answer from that record, handed over by Airflow when somebody
    has answered, and signs it at that moment: a ``RecordedAnswer`` (``rules.run.handover``) under ``answer``. Nothing
    is left where the time was over.
    """

    ui_color = "#f6e3c5"
    ui_fgcolor = "#3d2a10"

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Leave the answer, signed, and do as Airflow's operator does."""
        from drs_provider.rules.run.handover import RecordedAnswer

        answered = super().execute_complete(context=context, event=event)
        who = None if event.get("timedout") else event.get("responded_by_user")
        leave(
            context["ti"],
            RecordedAnswer(
                chosen=answered["chosen_options"][0],
                by=(who.get("name") or who.get("id")) if who else None,
                at=answered["responded_at"],
                expired=bool(event.get("timedout")),
            ),
        )
        return answered
