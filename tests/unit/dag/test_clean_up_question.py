"""What people read who are asked whether the recovered instances may go."""

from datetime import timedelta
from types import SimpleNamespace

from drs_provider.dag.failback.cut_over.question_text import clean_up_text
from drs_provider.rules.run.approvals import Policy

DOUBT = "nothing of the plan stops the writes: no step with when: failback stands before"


def asked(**more):
    policy = Policy(1, ("bob",), timedelta(hours=1), always=True, four_eyes=True)
    return clean_up_text(SimpleNamespace(plan="shop"), [], {}, policy, triggered_by="ann", **more).splitlines()


def test_who_removes_the_only_copy_of_writes_knows_it():
    said = set(asked(doubts=[DOUBT])) - set(asked())

    assert said == {f"- **What is removed may hold writes that production has not**: {DOUBT}."}
