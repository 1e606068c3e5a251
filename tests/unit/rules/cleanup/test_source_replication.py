"""Who may end a source's replication, and when: every way around it is closed."""

from datetime import UTC, datetime

import pytest
from drs_provider.rules.cleanup.source_replication import what_it_destroys, why_not_agreed, why_not_replaced
from drs_provider.rules.run.handover import RecordedAnswer
from hypothesis import given
from hypothesis import strategies as st

OURS = RecordedAnswer(chosen="Approve", by="ann", at=datetime(2026, 1, 31, tzinfo=UTC))
NAME = "db1 (s-1)"


def replace(**facts):
    return OURS.model_copy(update=facts)


def agreed(answer, *, run_type="manual", triggered_by="bob", approvers=()):
    return why_not_agreed("ask", answer, run_type=run_type, triggered_by=triggered_by, approvers=approvers)


def test_another_person_s_approval_allows_it():
    assert agreed(OURS) is None
    assert agreed(OURS, approvers=["ann"]) is None


@pytest.mark.parametrize(
    ("answer", "more", "why"),
    [
        (None, {}, "ask has recorded no answer (a task that is marked as successful approves nothing)"),
        (replace(chosen="Reject"), {}, "the answer of ask is 'Reject', given by ann"),
        (replace(chosen=None), {}, "the answer of ask is None, given by ann"),
        (
            replace(by=None),
            {},
            "no person is recorded as having answered ask: a timeout approves nothing",
        ),
        (
            replace(expired=True),
            {},
            "no person is recorded as having answered ask: a timeout approves nothing",
        ),
        (OURS, {"triggered_by": "ann"}, "ann triggered this run: somebody else must approve it in ask"),
        (OURS, {"approvers": ["eve"]}, "ann, who answered ask, is not among the approvers: eve"),
        (
            OURS,
            {"run_type": "scheduled"},
            "the run is scheduled, and only a person may start this: trigger it manually",
        ),
    ],
)
def test_every_other_answer_is_said_not_to(answer, more, why):
    assert agreed(answer, **more) == why


@given(
    st.sampled_from(["Approve", "Reject", "approve", None]),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["manual", "scheduled", "backfill", "asset_triggered"]),
)
def test_only_a_manual_run_approved_by_another_person_gets_through(chosen, who, run_type):
    allowed = agreed(replace(chosen=chosen, by=who), run_type=run_type) is None

    assert allowed == (chosen == "Approve" and who == "ann" and run_type == "manual")


def an_instance(*, is_drill=False):
    return {"recoveryInstanceID": "i-1", "ec2InstanceID": "i-1", "isDrill": is_drill}


@pytest.mark.parametrize(
    ("ending", "instances", "given_id", "states", "unhealthy", "why"),
    [
        ("stop", [an_instance()], None, {"i-1": "running"}, {}, None),
        ("disconnect", [], "i-1", {"i-1": "running"}, {}, None),
        (
            "stop", [], None, {}, {},
            f"{NAME} has no recovered instance that replaces it (a drill's does not count): recover it first",
        ),
        (
            "stop", [an_instance(is_drill=True)], None, {"i-1": "running"}, {},
            f"{NAME} has no recovered instance that replaces it (a drill's does not count): recover it first",
        ),
        (
            "stop", [an_instance(is_drill=True)], "i-1", {"i-1": "running"}, {},
            f"{NAME} is replaced by i-1, which is a drill's instance: recover it first",
        ),
        (
            "stop", [an_instance()], None, {"i-1": "stopped"}, {},
            f"{NAME} is replaced by i-1, which EC2 calls stopped: it must run",
        ),
        ("stop", [an_instance()], None, {}, {}, f"{NAME} is replaced by i-1, which EC2 calls unknown: it must run"),
        (
            "stop", [an_instance()], None, {"i-1": "running"}, {"i-1": "system ok, instance impaired"},
            f"{NAME} is replaced by i-1, whose status checks have not passed: system ok, instance impaired",
        ),
        (
            "disconnect", [an_instance()], "i-1", {"i-1": "running"}, {},
            (f"{NAME} still has a recovery instance in DRS (i-1), and DRS refuses to disconnect it: disconnect and "
            "delete that instance's record in the DRS console first, which leaves the EC2 instance alone"),
        ),
        (
            "disconnect", [], None, {}, {},
            (f"{NAME} has no recovered instance that replaces it (a drill's does not count): name it in "
            "recovered_instances"),
        ),
    ],
)  # fmt: skip
def test_a_source_is_given_up_only_for_an_instance_that_is_seen_to_run(  # noqa: PLR0917
    ending, instances, given_id, states, unhealthy, why
):
    assert why_not_replaced(ending, NAME, instances, given_id, states, unhealthy) == why


@pytest.mark.parametrize("ending", ["stop", "disconnect"])
def test_who_is_asked_reads_what_is_lost(ending):
    text = what_it_destroys(ending, ["s-1", "s-2"])

    assert "DRS deletes all their recovery points" in text
    assert text.endswith("- `s-1`\n- `s-2`")
    assert ("no way back" in text) == (ending == "disconnect")
