"""A run that is cancelled while a wave waits for room with some of its servers launched already."""

import pytest
from drs_provider.dag.conducting import WatchWave
from drs_provider.dag.waves import StartWave
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

WORDS = "cancelled by ann: wrong network"
ROOM_FOR_TWO = {"do": "quota_used", "in_jobs": 498}
ROOM_FOR_ONE = {"do": "quota_used", "in_jobs": 499}


@pytest.fixture
def cancelled_while(monkeypatch):
    """Order a cancel while a task waits, as ``drs run cancel`` does: it is in the store when the task wakes up."""

    def order(operator, leg):
        wake_up = getattr(operator, leg)

        def ordered(self, context, *arguments, **more):
            context["task_state_store"].set("drs_order", {"kind": "cancel", "words": WORDS})
            return wake_up(self, context, *arguments, **more)

        monkeypatch.setattr(operator, leg, ordered)

    return order


def started(simulator):
    return [len(call["request"]["sourceServers"]) for call in calls(simulator, "StartRecovery") if call["committed"]]


def test_a_wave_that_waits_for_room_starts_no_further_job_and_what_it_started_is_watched(
    run, simulator, cancelled_while
):
    simulator.fault(ROOM_FOR_TWO)
    cancelled_while(StartWave, "resume_start")

    ended = run(SHOP)

    assert ended.said("database.start_recovery") is None
    assert (ended.state, ended.report["verdict"], ended.report["verdict_reason"]) == (
        "failed",
        "cancelled",
        f"C{WORDS[1:]}; wave database ended with 2 of 3 servers launched; wave web was not started.",
    )
    assert started(simulator) == [2]
    assert ended.servers == {
        "db1": "LAUNCHED", "db2": "LAUNCHED", "db3": "FAILED", "web1": "NOT_STARTED", "web2": "NOT_STARTED"
    }  # fmt: skip
    (lost,) = [one for one in ended.report["waves"][0]["servers"] if one["hostname"] == "db3"]
    assert lost["reason"] == WORDS
    assert set(instances(simulator).values()) == {"terminated"}


def test_a_plan_that_tolerates_failures_does_not_go_on_after_a_cancel(run, simulator, cancelled_while):
    simulator.fault(ROOM_FOR_TWO)
    cancelled_while(StartWave, "resume_start")

    ended = run(SHOP.replace("groups: [db]}", 'groups: [db], tolerate_failures: "100%"}'))

    assert (ended.state, ended.report["verdict"]) == ("failed", "cancelled")
    assert started(simulator) == [2]


def test_what_a_boot_order_has_begun_when_the_run_is_cancelled_is_watched_too(run, simulator, cancelled_while):
    simulator.fault(ROOM_FOR_ONE)
    cancelled_while(WatchWave, "room_found")

    ended = run(
        SHOP.replace("  - s-00000000000000002\n", "  - {id: s-00000000000000002, order: 2}\n").replace(
            "critical: false", "order: 2"
        )
    )

    assert (ended.report["verdict"], ended.report["verdict_reason"]) == (
        "cancelled",
        f"C{WORDS[1:]}; wave database ended with 2 of 3 servers launched; wave web was not started.",
    )
    assert started(simulator) == [1, 1]
    assert {host: ended.servers[host] for host in ("db1", "db2", "db3")} == {
        "db1": "LAUNCHED", "db2": "LAUNCHED", "db3": "FAILED"
    }  # fmt: skip
    assert set(instances(simulator).values()) == {"terminated"}
