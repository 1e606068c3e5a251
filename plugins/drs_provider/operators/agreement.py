"""Whether people have agreed to what cannot be undone: the signed answer of an approval task of this run."""

from collections.abc import Mapping, Sequence
from typing import Final

from airflow.sdk import Context
from jinja2 import Environment, meta

from drs_provider.exceptions import RunRefused
from drs_provider.operators.other_tasks import pull_newest

NOT_MAPPED: Final = -1
"""Airflow's ``map_index`` of a task that is not mapped."""

FIXED_IN_A_RUN: Final = frozenset({"params", "dag_run"})
"""What a template may read that nobody changes between the question and what is done."""


def ensure_fixed(**fields: object) -> None:
    """Refuse a list that may change after people have agreed to it: the answer says no more than yes.

    Literal values pass, and templates of ``params`` and ``dag_run``. XComs and Variables may be edited meanwhile.

    :param fields: what a task does something to, as it stands in the DAG, by the name of its argument
    :raises ValueError: one of them is read from anything else
    """
    for name, value in fields.items():
        if read := _read_by(value):
            raise ValueError(
                f"{name} is read from {', '.join(sorted(read))}, which can change after people have agreed to it: "
                "write it into the DAG, or take it from params"
            )


def _read_by(value: object) -> set[str]:
    """Return what a value is read from that is not fixed in a run; empty: from nothing."""
    match value:
        case str():
            return meta.find_undeclared_variables(Environment(autoescape=True).parse(value)) - FIXED_IN_A_RUN
        case Mapping():
            return {found for pair in value.items() for part in pair for found in _read_by(part)}
        case Sequence() | set() | frozenset():
            return {found for part in value for found in _read_by(part)}
        case None:
            return set()
        case _:
            return {f"another task ({type(value).__name__})"}


def ensure_agreed(context: Context, approval_task_id: str, approvers: Sequence[str]) -> None:
    """Refuse what nobody but who triggered the run has agreed to, as Airflow's own record says.

    :param approval_task_id: a ``DrsApprovalOperator``, or an approval of a plan, in the same DAG
    :param approvers: user names whose answer counts; none: anybody's but the one's who triggered the run
    :raises RunRefused: it is not agreed; nothing was called
    """
    from drs_provider.rules.cleanup.source_replication import why_not_agreed
    from drs_provider.rules.run.handover import RecordedAnswer

    ti, dag_run = context["ti"], context["dag_run"]
    if getattr(ti, "map_index", NOT_MAPPED) not in {None, NOT_MAPPED}:
        raise RunRefused(
            "this task is mapped: what it is expanded over can change after people have agreed to it. Nothing was "
            "called; write a task for each list into the DAG"
        )
    answer = pull_newest(context, approval_task_id, RecordedAnswer)
    if answer is None and ti.xcom_pull(task_ids=approval_task_id):
        raise RunRefused(
            f"not approved: what {approval_task_id} returned is not signed, and whoever may edit XComs can "
            "write it. Nothing was called; ask with a DrsApprovalOperator (drs_provider.operators.approval), which "
            "takes the place of Airflow's ApprovalOperator, or with an approval of a plan"
        )
    why = why_not_agreed(
        approval_task_id,
        answer,
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        triggered_by=getattr(dag_run, "triggering_user_name", None),
        approvers=approvers,
    )
    if why:
        raise RunRefused(f"not approved: {why}. Nothing was called; clear {approval_task_id} to ask again")
