"""Waiting for the run of another plan: its end, the question at its end, or the time that is over."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.standard.triggers import external_task
from drs_provider.airflow_internals import tasks
from drs_provider.triggers import dag_runs
from drs_provider.triggers.dag_runs import DagRunTrigger


def heard(monkeypatch, *, state=None, asks=(), within=60.0, asks_task="finish.commit"):
    """What the trigger fires where the run ends in a state, or never, and its task has these states in turn."""

    async def run(self):
        if state is None:
            await asyncio.sleep(60)
        yield SimpleNamespace(payload=("", {"r1": state}))

    looks = list(asks)
    monkeypatch.setattr(external_task.DagStateTrigger, "run", run)
    monkeypatch.setattr(
        tasks, "task_states", lambda **_: {"finish.commit": looks.pop(0) if len(looks) > 1 else (looks or [None])[0]}
    )
    monkeypatch.setattr(dag_runs, "ASKS_PERIOD_SECONDS", 0.01)
    deadline = (datetime.now(UTC) + timedelta(seconds=within)).isoformat()
    trigger = DagRunTrigger(dag_id="drs.crm", run_id="r1", deadline=deadline, asks_task=asks_task)

    async def first():
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(asyncio.wait_for(first(), 20))


@pytest.mark.parametrize("state", ["success", "failed"])
def test_the_end_of_a_run_is_told_with_its_state(monkeypatch, state):
    assert heard(monkeypatch, state=state) == {"outcome": "ended", "state": state}


def test_a_question_at_the_end_of_a_run_is_told_once_it_is_open(monkeypatch):
    asks = [None, "scheduled", "running", "awaiting_input"]

    assert heard(monkeypatch, asks=asks) == {"outcome": "asks", "state": "running"}


def test_no_question_is_looked_for_where_none_is_named(monkeypatch):
    found = heard(monkeypatch, asks=["awaiting_input"], within=0.2, asks_task=None)

    assert found == {"outcome": "timed_out", "state": "running"}


def test_the_time_ends_the_wait(monkeypatch):
    assert heard(monkeypatch, asks=["running"], within=0.2) == {"outcome": "timed_out", "state": "running"}
