"""Whether a source runs that a roll back would go back to: whole sentences, and every doubt refuses a migration."""

import pytest
from drs_provider.plan.model import Migration, RecoveryPlan, Wave
from drs_provider.rules.commit.roll_back import why_refused
from drs_provider.rules.commit.source_runs import SourceNow, stops_sources, why_source_stays_down
from drs_provider.rules.migration.source_instances import NamedSource
from drs_provider.rules.purpose import MIGRATION, RECOVERY
from hypothesis import given
from hypothesis import strategies as st

SOURCE = NamedSource("s-1", "db1", "i-source", "111122223333", "us-east-1")
START = (
    ": after a roll back nothing of it would run. Start it (in EC2, or with DrsStartSourceInstancesOperator), wait "
    "until DRS calls its replication CONTINUOUS, then answer again; or commit"
)
NAMED = "its source i-source in us-east-1 of account 111122223333"
LEFT = "the recovered instance may be all that is left of it. Commit"


@pytest.mark.parametrize(
    ("state", "problem", "by_run", "why"),
    [
        ("running", "", False, ""),
        ("running", "", True, ""),
        ("stopped", "", True, f"{NAMED} is stopped, and a migration of this plan stops its sources{START}"),
        ("stopped", "", False, f"{NAMED} is stopped{START}"),
        ("stopping", "", False, f"{NAMED} is stopping{START}"),
        ("pending", "", True, f"{NAMED} is pending, and a migration of this plan stops its sources{START}"),
        ("terminated", "", False, f"{NAMED} is terminated, although DRS does not say so yet: {LEFT}"),
        ("shutting-down", "", True, f"{NAMED} is shutting-down: {LEFT}"),
        (None, "", True, f"{NAMED} is not known to EC2: {LEFT}"),
        (None, "no answer", False, ""),
        (
            None,
            "no answer",
            True,
            (
                "a migration of this plan stops its source i-source in us-east-1 of account 111122223333, and whether "
                "that runs is unknown: no answer"
            ),
        ),
    ],
)
def test_what_ec2_says_of_a_source(state, problem, by_run, why):
    assert why_source_stays_down(SourceNow(SOURCE, state, problem, by_run)) == why


@given(state=st.one_of(st.none(), st.text(max_size=12)), problem=st.sampled_from(["", "no answer"]))
def test_a_run_that_may_have_stopped_it_goes_back_to_nothing_but_a_running_source(state, problem):
    runs = state == "running" and not problem
    found = SourceNow(SOURCE, state, problem, may_be_stopped_by_run=True)

    assert bool(why_source_stays_down(found)) is not runs


def test_a_stopped_source_cannot_be_insisted_on():
    server = {
        "sourceServerID": "s-1",
        "sourceProperties": {"identificationHints": {"hostname": "db1"}},
        "dataReplicationInfo": {"dataReplicationState": "DISCONNECTED"},
    }
    instance = {"recoveryInstanceID": "i-1", "sourceServerID": "s-1"}

    (refusal,) = why_refused(instance, server, None, source=SourceNow(SOURCE, "stopped", "", True))

    assert str(refusal) == f"db1 (s-1): {NAMED} is stopped, and a migration of this plan stops its sources{START}"
    assert not refusal.may_be_insisted_on
    assert not refusal.is_lifted({"s-1"})


@pytest.mark.parametrize(
    ("stops", "purpose", "continues", "expected"),
    [
        (True, MIGRATION, False, True),
        (True, RECOVERY, True, True),  # what it goes on with may have been a migration: jobs do not say
        (True, RECOVERY, False, False),
        (False, MIGRATION, False, False),
        (False, RECOVERY, True, False),
    ],
)
def test_whose_sources_a_run_may_have_stopped(stops, purpose, continues, expected):
    policy = {"required": 1, "approvers": ["ann", "bob"]} if stops else None
    plan = RecoveryPlan(
        kind="RecoveryPlan",
        name="shop",
        migration=Migration(stop_sources=policy),
        waves=[Wave(name="database", groups=["db"])],
    )

    assert stops_sources(plan, purpose, continues=continues) is expected
