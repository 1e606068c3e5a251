"""A run that is cancelled while a wave waits for room for its first job, or for the next of its boot order."""

from datetime import timedelta
from functools import wraps

import pytest
from drs_provider.dag.waves.start import StartWave
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.rules.run.handover import RunOrder
from kit.dag_runs import SHOP, calls, instances
from kit.orders import order

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

WORDS = "cancelled by ann: wrong network"
ROOM_FOR_TWO = {"do": "quota_used", "in_jobs": 498}
ROOM_FOR_ONE = {"do": "quota_used", "in_jobs": 499}


@pytest.fixture(autouse=True)
def looks_for_room_soon(monkeypatch):
    """Who waits for room looks again after a second, not after fifteen."""
    for module in ("operators.recovery", "dag.waves.watch"):
        monkeypatch.setattr(f"drs_provider.{module}.LOOK_AGAIN_AFTER", timedelta(seconds=1))


@pytest.fixture
def cancelled_while(monkeypatch):
    """Order a cancel while a task waits, as ``drs run cancel`` does: it is in the store when the task wakes up."""

    def at(operator, leg):
        wake_up = getattr(operator, leg)

        @wraps(wake_up)  # Airflow finds it again by its name
        def ordered(self, context, *arguments, **more):
            order(context, RunOrder(kind="cancel", message=WORDS))
            return wake_up(self, context, *arguments, **more)

        monkeypatch.setattr(operator, leg, ordered)

    return at


def started(simulator):
    return [len(call["request"]["sourceServers"]) for call in calls(simulator, "StartRecovery") if call["committed"]]


def test_a_wave_that_waits_for_room_with_nothing_launched_is_not_started_any_more(run, simulator, cancelled_while):
    simulator.fault(ROOM_FOR_TWO)
    cancelled_while(StartWave, "resume_start")

    ended = run(SHOP)

    assert (ended.state, ended.report["verdict"], ended.report["verdict_reason"]) == (
        "failed",
        "cancelled",
        f"C{WORDS[1:]}; waves database, web were not started.",
    )
    assert started(simulator) == []


def test_a_boot_order_that_waits_for_room_launches_nothing_more_and_what_was_launched_is_said(
    run, simulator, cancelled_while
):
    simulator.fault(ROOM_FOR_ONE)
    cancelled_while(WatchWave, "room_found")
    text = SHOP.replace("  - s-00000000000000002\n", "  - {id: s-00000000000000002, order: 2}\n")

    ended = run(text.replace("critical: false", "order: 2"))

    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "cancelled",
        f"C{WORDS[1:]}; wave database ended with 1 of 3 servers launched; wave web was not started.",
    )
    assert started(simulator) == [1]
    assert len(ended.report["cleanup"]["terminated"]) == 1
    assert set(instances(simulator).values()) <= {"terminated"}  # EC2 forgets them after an hour
