"""The approval for DAGs of one's own: as Airflow's, and signed."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import DAG
from drs_provider.operators.approval import DrsApprovalOperator
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.driver import Driver, Rules
from drs_provider.rehearsal.engine.loop import JumpingLoop
from drs_provider.rules.run.handover import RecordedAnswer
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import opened

pytestmark = pytest.mark.airflow

PLACE = Origin("giving_up", "manual__1", "ask", RecordedAnswer.KEY)
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN = {"id": "7", "name": "ann"}


@pytest.fixture
def ask():
    """Ask, and give what was left and the state of the task."""

    def ask(*, answers_after=timedelta(minutes=1), **more):
        clock = RehearsalClock(START, [].append)
        with DAG(PLACE.dag_id, schedule=None) as dag:
            DrsApprovalOperator(
                task_id="ask", subject="Delete?", response_timeout=timedelta(hours=1), assigned_users=ANN, **more
            )
        rules = Rules(task_seconds=0.0, answers_after=answers_after)
        driver = Driver(dag, {}, PLACE.run_id, clock, rules)
        loop = JumpingLoop(clock)
        try:
            loop.run_until_complete(driver.run())
        finally:
            loop.close()
        return opened(driver.supervisor.xcom("ask", PLACE.key), RecordedAnswer, PLACE), driver.states["ask"], driver

    return ask


def test_an_answer_is_left_signed_with_who_gave_it_beside_what_airflow_returns(ask):
    answer, state, driver = ask()

    at = START + timedelta(minutes=1)
    assert (answer, state) == (RecordedAnswer(chosen="Approve", by="ann", at=at), "success")
    assert driver.supervisor.xcom("ask", "return_value")["chosen_options"] == ["Approve"]


def test_a_default_that_was_taken_is_nobodys_answer(ask):
    answer, state, _ = ask(answers_after=timedelta(hours=2), defaults="Approve")

    assert (answer.chosen, answer.by, answer.expired, state) == ("Approve", None, True, "success")


def test_silence_leaves_nothing(ask):
    answer, state, _ = ask(answers_after=timedelta(hours=2))

    assert (answer, state) == (None, "failed")
