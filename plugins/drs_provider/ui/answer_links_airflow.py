"""Answering through Airflow's own code, as the person for whom a link was made."""

from typing import Any

from fastapi import HTTPException
from sqlalchemy import select

from drs_provider.airflow_internals.api_server import (
    BaseUser,
    DagAccessEntity,
    DagDetails,
    SessionDep,
    SimpleAuthManager,
    UpdateHITLDetailPayload,
    get_auth_manager,
    update_hitl_detail,
)
from drs_provider.airflow_internals.metadata import HITLDetail, Log, TaskInstance
from drs_provider.configuration import answer_links
from drs_provider.notify.answer_links import RULE, LinkRefused, Permit, Rule, rule_of
from drs_provider.ui.answer_links import OpenQuestion, Questions

USED = "drs_answer_link"
"""Event in Airflow's audit log: who answered what with a link; its extra knows the link again."""

REFUSED = "drs_answer_link_refused"
"""Event in Airflow's audit log: whose link was refused."""

_WAITING = "awaiting_input"
_ANSWERED = "This has been answered already."
_NOT_ASKED = "This question is closed: it was answered, has expired, or was asked again with a new link."


class Named(BaseUser):
    """A person of whom nothing is known but the name that a plan gives them; ids are names then."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_id(self) -> str:
        """Return the name."""
        return self.name

    def get_name(self) -> str:
        """Return the name."""
        return self.name


class AirflowQuestions:
    """Questions as Airflow's database has them, in the request's own session and transaction.

    :param manager: Airflow's auth manager
    :param rule: whose links count
    """

    def __init__(self, session: Any, *, manager: Any, rule: Rule) -> None:
        self.session, self.manager, self.rule = session, manager, rule

    def asked(self, permit: Permit, *, used: str) -> OpenQuestion:
        """Look the question up; see ``Questions``."""
        self._may_answer(permit)
        if self._is_in_audit_log(USED, used):
            raise LinkRefused("This link has been used.", is_over=True)
        task = self.session.scalar(
            select(TaskInstance)
            .where(
                TaskInstance.dag_id == permit.dag_id,
                TaskInstance.run_id == permit.run_id,
                TaskInstance.task_id == permit.task_id,
                TaskInstance.map_index == permit.map_index,
            )
            .with_for_update(of=TaskInstance)  # until the answer is in, nobody clears the task and asks anew
        )
        if task is None or str(task.id) != permit.ti_id or str(task.state) != _WAITING:
            raise LinkRefused(_NOT_ASKED, is_over=True)
        detail = self.session.get(HITLDetail, task.id)
        if detail is None or detail.response_received:
            raise LinkRefused(_ANSWERED, is_over=True)
        return OpenQuestion(detail.subject, detail.body or "", tuple(detail.options))

    def answer(self, permit: Permit, choice: str, *, used: str) -> None:
        """Answer by the function that Airflow's API answers with; see ``Questions``."""
        asked = self.asked(permit, used=used)
        if choice not in asked.options:
            raise LinkRefused(f"The answer is one of: {', '.join(asked.options)}.")
        try:
            update_hitl_detail(
                dag_id=permit.dag_id,
                dag_run_id=permit.run_id,
                task_id=permit.task_id,
                update_hitl_detail_payload=UpdateHITLDetailPayload(chosen_options=[choice]),
                user=self._may_answer(permit),
                session=self.session,
                map_index=permit.map_index,
            )
        except HTTPException as refusal:
            self.session.rollback()
            raise LinkRefused(f"Airflow does not take this answer: {refusal.detail}") from refusal
        self._add_to_audit_log(USED, permit, used)

    def record_refusal(self, permit: Permit, *, used: str) -> None:
        """Write one line for each link, so that nobody fills the table with it; see ``Questions``."""
        if not self._is_in_audit_log(REFUSED, used):
            self._add_to_audit_log(REFUSED, permit, used)

    def _is_in_audit_log(self, event: str, used: str) -> bool:
        found = select(Log.id).where(Log.event == event, Log.extra == used).limit(1)
        return self.session.scalar(found) is not None

    def _add_to_audit_log(self, event: str, permit: Permit, used: str) -> None:
        where: dict[str, Any] = {"dag_id": permit.dag_id, "run_id": permit.run_id, "task_id": permit.task_id}
        self.session.add(Log(event, owner=permit.person, extra=used, map_index=permit.map_index, **where))

    def _may_answer(self, permit: Permit) -> Any:
        """Return who answers: Airflow's own user with the rights of today, or the one whom the plan names.

        Where users cannot be looked up, the signed link is the credential: the task made it for somebody whom it asks,
        and looks at the answer again (who is asked, four eyes, nobody twice) before it counts.
        """
        if self.rule == "off":
            raise LinkRefused(f"This Airflow accepts no answer links ({RULE} is off).")
        if not isinstance(self.manager, SimpleAuthManager):
            if self.rule == "plan":
                return Named(permit.person)
            raise LinkRefused(
                f"This Airflow's users cannot be looked up by name, so links are not accepted (unless {RULE} is plan)."
            )
        user = next((known for known in self.manager.get_users() if known.get_name() == permit.person), None)
        if user is None:
            raise LinkRefused(f"Airflow has no user {permit.person}.")
        details = DagDetails(id=permit.dag_id)
        if not self.manager.is_authorized_dag(
            method="PUT", access_entity=DagAccessEntity.HITL_DETAIL, details=details, user=user
        ):
            raise LinkRefused(f"{permit.person} may not answer questions of this plan.")
        return user


def airflow_questions(session: SessionDep) -> Questions:
    """Give the questions of a request; a FastAPI dependency."""
    return AirflowQuestions(session, manager=get_auth_manager(), rule=rule_of(answer_links()))
