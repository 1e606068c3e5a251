"""Ending the replication of sources, against the simulator over HTTP: refused in every way but one."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from drs_provider.hooks.failback import FailbackHook
from drs_provider.operators.source_replication import (
    DrsDisconnectSourceServersOperator,
    DrsStopSourceReplicationOperator,
)
from drs_provider.rules.run.handover import RecordedAnswer
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

ONE, TWO = "s-0hello00000000001", "s-0hello00000000002"
ANSWER = RecordedAnswer(chosen="Approve", by="ann", at=datetime(2026, 1, 31, tzinfo=UTC))
PLACE = Origin("giving_up", "manual__1", "ask", RecordedAnswer.KEY)
ENDINGS = ("StopReplication", "DisconnectSourceServer")


@pytest.fixture(scope="module")
def clients(one_simulator):
    once = {"retries": {"total_max_attempts": 1}}
    return SimpleNamespace(
        drs=one_simulator.client("drs"), hook=FailbackHook(aws_conn_id=None, region_name="us-west-2", config=once)
    )


@pytest.fixture
def drs(simulator, clients):
    return clients


def recover(drs, simulator, *, is_drill=False):
    drs.drs.start_recovery(isDrill=is_drill, sourceServers=[{"sourceServerID": ONE}])
    simulator.advance("40m")
    filters = {"sourceServerIDs": [ONE]}
    return drs.drs.describe_recovery_instances(filters=filters)["items"][0]["ec2InstanceID"]


def execute(
    drs, kind=DrsStopSourceReplicationOperator, *, answer=ANSWER, returned=None, by="bob", servers=(ONE,), **more
):
    task = kind(task_id="t", aws_conn_id=None, source_server_ids=list(servers), approval_task_id="ask", **more)
    task.__dict__["hook"] = drs.hook
    left = {RecordedAnswer.KEY: keys().seal(answer.to_json(), PLACE) if isinstance(answer, RecordedAnswer) else answer}
    left |= returned or {}
    ti = SimpleNamespace(
        dag_id=PLACE.dag_id,
        run_id=PLACE.run_id,
        xcom_pull=lambda task_ids, key="return_value": left.get(key) if task_ids == "ask" else None,
    )
    return task.execute({"ti": ti, "dag_run": SimpleNamespace(run_type="manual", triggering_user_name=by)})


def endings(simulator):
    return [call["operation"] for call in simulator.calls() if call["operation"] in ENDINGS]


def test_an_approved_stop_deletes_the_recovery_points_of_a_server_that_was_recovered(drs, simulator):
    recover(drs, simulator)

    assert execute(drs) == {"ended": [ONE], "already": []}
    assert execute(drs) == {"ended": [], "already": [ONE]}
    assert endings(simulator) == ["StopReplication"]
    assert drs.drs.describe_recovery_snapshots(sourceServerID=ONE)["items"] == []


def test_marked_as_successful_or_approved_by_who_triggered_it_calls_nothing(drs, simulator):
    recover(drs, simulator)

    with pytest.raises(AirflowFailException) as unanswered:
        execute(drs, answer=None)
    with pytest.raises(AirflowFailException) as alone:
        execute(drs, by="ann")

    assert str(unanswered.value) == (
        "not approved: ask has recorded no answer (a task that is marked as successful approves nothing). Nothing was "
        "called; clear ask to ask again"
    )
    assert "ann triggered this run: somebody else must approve it in ask" in str(alone.value)
    assert endings(simulator) == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (ANSWER.to_json(), "it has no signature, so it was not written by this run's own tasks"),
        (
            keys().seal(ANSWER.to_json(), replace(PLACE, run_id="manual__0")),
            "it is not what was written: somebody has edited it, or brought it here from elsewhere",
        ),
        (
            {**keys().seal(ANSWER.model_copy(update={"by": "bob"}).to_json(), PLACE), "by": "ann"},
            "it is not what was written: somebody has edited it, or brought it here from elsewhere",
        ),
    ],
    ids=["by hand", "another run's", "another name"],
)
def test_an_answer_that_was_written_by_hand_calls_nothing(drs, simulator, answer, problem):
    recover(drs, simulator)

    with pytest.raises(AirflowFailException) as refused:
        execute(drs, answer=answer)

    assert str(refused.value) == (
        f"the recorded answer (XCom answer of ask) cannot be read: {problem}. Airflow's audit log says who edited it: "
        "clear ask, to write it again"
    )
    assert endings(simulator) == []


def test_what_airflows_own_approval_returns_is_refused_for_anybody_can_write_it(drs, simulator):
    recover(drs, simulator)
    answered = {"chosen_options": ["Approve"], "responded_by_user": {"id": "ann", "name": "ann"}}

    with pytest.raises(AirflowFailException) as refused:
        execute(drs, answer=None, returned={"return_value": answered})

    assert str(refused.value) == (
        "not approved: what ask returned is not signed, and whoever may edit XComs can write it. Nothing was called; "
        "ask with a DrsApprovalOperator (drs_provider.operators.approval), which takes the place of Airflow's "
        "ApprovalOperator, or with an approval of a plan"
    )
    assert endings(simulator) == []


def test_all_servers_are_looked_at_before_the_first_call(drs, simulator):
    recover(drs, simulator)

    with pytest.raises(AirflowFailException) as refused:
        execute(drs, servers=[ONE, TWO, "s-00000000000000099"])

    assert str(refused.value) == (
        "refused, 2 reasons; nothing was called:\n"
        f"  - hello2 ({TWO}) has no recovered instance that replaces it (a drill's does not count): recover it first\n"
        "  - s-00000000000000099: DRS knows no such source server in this account and Region"
    )
    assert endings(simulator) == []


def test_a_disconnect_waits_for_the_record_of_the_recovery_instance_to_go(drs, simulator):
    instance = recover(drs, simulator)
    more = {"kind": DrsDisconnectSourceServersOperator, "recovered_instances": {ONE: instance}}

    with pytest.raises(AirflowFailException, match="still has a recovery instance in DRS"):
        execute(drs, **more)
    drs.drs.disconnect_recovery_instance(recoveryInstanceID=instance)
    drs.drs.delete_recovery_instance(recoveryInstanceID=instance)

    assert execute(drs, **more) == {"ended": [ONE], "already": []}
    assert endings(simulator) == ["DisconnectSourceServer"]
