"""Whether people have agreed to a part of another plan's run: in that run, or in its own."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.dag.people.agreement import ensure_people_agreed
from drs_provider.exceptions import RunRefused
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import InheritedApproval, PlanRunStart, PreflightResult, RecordedAnswer
from kit.fake_context import fake_context
from kit.signatures import signed

NOW = datetime(2026, 11, 30, 5, tzinfo=UTC)
PARENT = ("drs.all", "manual__1", "before_waves.run-shop")
TASK = "preflight.approval"
POLICY = Policy(1, ("ann", "bob"), timedelta(minutes=30), always=True, four_eyes=True)


def part(*, answered_by=None):
    """A run of the shop that a step of another plan has started, with ann's approval there, as its parameters say."""
    context = fake_context(run_id="drs__all")
    ann = InheritedApproval(dag_id=PARENT[0], run_id=PARENT[1], task_id=TASK, by="ann", at=NOW)
    start = PlanRunStart(
        plan="shop",
        dag_id="drs.shop",
        run_id="drs__all",
        parent_plan="all",
        parent_dag_id=PARENT[0],
        parent_run_id=PARENT[1],
        parent_task_id=PARENT[2],
        mode="recovery",
        triggered_by="ada",
        approvals=(ann,),
    )
    context["dag_run"].conf = {"started_by": signed(start, *PARENT)}
    context["dag_run"].run_type = "operator_triggered"
    context["dag_run"].triggering_user_name = None
    if answered_by:
        answer = RecordedAnswer(chosen="Approve", by=answered_by, at=NOW, checked_at=NOW)
        context["ti"].left[TASK, "answer"] = signed(answer, "drs.shop", "drs__all", TASK)
    return context


def checked(*, needs_approval):
    return PreflightResult(
        plan="shop", digest="d", passed=True, mode="recovery", checked_at=NOW, needs_approval=needs_approval, waves={}
    )


def test_what_was_approved_in_the_whole_is_approved_in_the_part():
    ensure_people_agreed(part(), checked(needs_approval=False), POLICY, [TASK])


def test_a_part_whose_inherited_approval_is_lost_starts_nothing_before_its_own_people_agree():
    with pytest.raises(RunRefused, match=f"the recovery is not approved: {TASK}: no answer is recorded"):
        ensure_people_agreed(part(), checked(needs_approval=True), POLICY, [TASK])
    ensure_people_agreed(part(answered_by="bob"), checked(needs_approval=True), POLICY, [TASK])
