"""The page of a failback's report: where every server runs, whether it is protected, what went and what stays."""

import re
from typing import Any

import pytest
from drs_provider.report.collect.home import _removed, way_home
from drs_provider.report.evidence import (
    HomeStep,
    PreflightEvidence,
    RunEvidence,
    ServerEvidence,
    WaveEvidence,
    WayHomeFacts,
)
from drs_provider.report.home.rows import home_rows
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.result import RunReport
from drs_provider.rules.run.handover import RemovedThing, ServerBack
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus
from kit.evidence import at, some_facts

PLACE = "us-east-1 of account 111122223333"
EC2 = WayHomeFacts(recovered="i-recovered", failback_server="s-back", place=PLACE)
MACHINE = WayHomeFacts(recovered="i-mill")
GONE = ("s-back stopped, disconnected, deleted", "i-recovered terminated, record deleted", "i-home record deleted")


def server(name: str = "db1", way: WayHomeFacts | None = EC2, **facts: Any) -> ServerEvidence:
    given = {"status": ServerStatus.LAUNCHED, "instance_id": "i-home", "region": "us-west-2"}
    return ServerEvidence(server_id=f"s-{name}", hostname=name, way_home=way, **(given | facts))


def report_of(*servers: ServerEvidence, mode: str = "failback", **steps: dict[str, Any]) -> RunReport:
    home = tuple(
        HomeStep(task=f"finish.{does}", does=does, **({"state": "done"} | steps.get(does, {"state": "not_reached"})))  # type: ignore[arg-type]
        for does in ("protect_again", "agree", "remove_recovered", "at_rest", "stop_failback")
    )
    return measure(
        RunEvidence(
            run=some_facts(mode=mode, dag_id="drs.web-shop.failback"),
            preflight=PreflightEvidence(passed=True, checked_at=at(1)),
            waves=(WaveEvidence(name="db", state=WaveStatus.LAUNCHED, servers=servers),),
            home=home,
            finished_at=at(7200),
        )
    )


DONE: dict[str, Any] = {"done": {"s-db1": "protected"}}
REST: dict[str, Any] = {"done": {"s-db1": "at rest"}}


@pytest.mark.parametrize(
    ("given", "steps", "row"),
    [
        (
            server(),
            {"protect_again": DONE, "remove_recovered": {"removed": {"s-db1": GONE}}, "at_rest": REST},
            ("i-home", f"its origin, {PLACE}", True, "protected again", GONE, ()),
        ),
        # Nobody has agreed: what was recovered goes on, and costs money.
        (
            server(),
            {"protect_again": DONE, "agree": {"state": "failed"}},
            (
                "i-home",
                f"its origin, {PLACE}",
                True,
                "protected again",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        # Stopped is not deleted, and a removal that has failed leaves what it has not ended.
        (
            server(),
            {
                "protect_again": DONE,
                "remove_recovered": {
                    "state": "failed",
                    "removed": {"s-db1": ("s-back stopped", "i-recovered terminated")},
                },
            },
            (
                "i-home",
                f"its origin, {PLACE}",
                True,
                "protected again",
                ("s-back stopped", "i-recovered terminated"),
                ("its FAILBACK server s-back",),
            ),
        ),
        (
            server(),
            {"protect_again": DONE, "at_rest": {"left": {"s-db1": "protected, not at rest; left: s-back"}}},
            ("i-home", f"its origin, {PLACE}", True, "protected again", (), ("protected, not at rest; left: s-back",)),
        ),
        (
            server(),
            {"protect_again": {"left": {"s-db1": "its replication is STALLED"}}},
            (
                "i-home",
                f"its origin, {PLACE}",
                False,
                "its replication is STALLED",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        (
            server(),
            {"protect_again": {"state": "failed", "error": "access is denied"}},
            (
                "i-home",
                f"its origin, {PLACE}",
                None,
                "access is denied",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        # A task that somebody has marked says nothing.
        (
            server(),
            {"protect_again": {"state": "unproven"}},
            (
                "i-home",
                f"its origin, {PLACE}",
                None,
                "no task has said so",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        (
            server(status=ServerStatus.FAILED, instance_id=None, reason="no capacity"),
            {"protect_again": {"left": {"s-db1": "not failed back: no capacity"}}},
            (
                "i-recovered",
                "where it was recovered, us-west-2",
                None,
                "not failed back: no capacity",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        (
            server("mill1", MACHINE, status=ServerStatus.NOT_STARTED, instance_id=None),
            {"stop_failback": {"done": {"s-mill1": "the failback of i-mill is ended"}}},
            (
                "i-mill",
                "where it was recovered, us-west-2",
                None,
                "it was not failed back: the failback of i-mill is ended",
                (),
                ("the recovered instance i-mill",),
            ),
        ),
        (
            server("mill1", MACHINE, status=ServerStatus.NOT_STARTED, instance_id=None),
            {"stop_failback": {"state": "failed", "left": {"s-mill1": "access is denied"}}},
            (
                "i-mill",
                "where it was recovered, us-west-2",
                None,
                "it was not failed back, and its failback is not ended: access is denied",
                (),
                ("the recovered instance i-mill",),
            ),
        ),
        # It was back before the run, which has left its wave out.
        (
            server(way=EC2.model_copy(update={"already": "i-back"}), status=ServerStatus.NOT_STARTED, instance_id=None),
            {},
            (
                "i-back",
                f"its origin, {PLACE}, since before this run",
                None,
                "this run has not looked",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        (
            server(
                "mill1",
                MACHINE.model_copy(update={"already": "its machine"}),
                status=ServerStatus.SKIPPED,
                instance_id=None,
            ),
            {},
            (
                "",
                "its machine in the data centre, since before this run",
                None,
                "this run has not looked",
                (),
                ("the recovered instance i-mill",),
            ),
        ),
        (
            server(status=ServerStatus.UNKNOWN, instance_id=None, reason="look in EC2"),
            {},
            (
                "",
                "not known: look in EC2",
                None,
                "no task has said so",
                (),
                ("the recovered instance i-recovered", "its FAILBACK server s-back"),
            ),
        ),
        (
            server("mill1", MACHINE, instance_id=None),
            {
                "protect_again": {"left": {"s-mill1": "nothing replicates the machine"}},
            },
            (
                "",
                "its machine in the data centre",
                False,
                "nothing replicates the machine",
                (),
                ("the recovered instance i-mill",),
            ),
        ),
    ],
)
def test_every_server_says_where_it_runs_and_what_is_left(
    given: ServerEvidence, steps: dict[str, dict[str, Any]], row: tuple[object, ...]
) -> None:
    report = report_of(given, **steps)
    (found,) = home_rows(report)
    html = render(report)

    assert (found.runs_on, found.where, found.is_protected, found.protection, found.removed, found.stays) == row
    section = re.sub(r"<[^>]+>|\s+", " ", html.split('<h2 id="home">')[1].split("</section>")[0])
    for words in (found.runs_on, found.where, *found.removed, *found.stays):
        assert words in section
    assert ("✓ yes" in section, "✕ no" in section) == (found.is_protected is True, found.is_protected is False)


@pytest.mark.parametrize("mode", ["reprotect", "failback_drill", "drill", "recovery"])
def test_other_runs_have_no_such_section(mode: str) -> None:
    report = report_of(server(), mode=mode)

    assert home_rows(report) == ()
    assert 'id="home"' not in render(report)


def test_a_server_that_was_not_on_its_way_has_no_line() -> None:
    assert home_rows(report_of(server(way=None))) == ()


def test_a_last_sync_that_is_not_proven_is_an_exception_and_stands_beside_its_server() -> None:
    said = "1m after the writes had stopped DRS told no lag and nothing left to send, which proves nothing"
    named = {"done": {"s-mill1": "yes"}}
    report = report_of(
        server("mill1", MACHINE, instance_id=None, not_synced=said),
        protect_again=named,
        agree={},
        remove_recovered={},
        at_rest=named,
    )

    assert (report.verdict, report.verdict_reason) == (
        "completed_with_exceptions",
        "That everything was copied to mill1 is not proven: DRS makes no recovery point there.",
    )
    assert f"its last sync is not proven: {said}" in render(report)


def test_what_was_called_is_told_by_thing_and_once() -> None:
    calls = [
        ("s-back", "StopReplication"),
        ("i-1", "TerminateRecoveryInstances"),
        ("i-1", "TerminateRecoveryInstances"),
        ("i-1", "DeleteRecoveryInstance"),
        ("s-back", "DisconnectSourceServer"),
        ("s-back", "DeleteSourceServer"),
    ]
    things = [RemovedThing(thing=thing, server_id="s-1", call=call, at=at(1)) for thing, call in calls]

    assert _removed(things) == {"s-1": ("s-back stopped, disconnected, deleted", "i-1 terminated, record deleted")}


def test_a_data_centre_has_no_place_in_aws() -> None:
    back = ServerBack(failback_server="s-2", recovered="i-1", account="1", region="us-east-1", aws_conn_id="a")
    machine = back.model_copy(update={"failback_server": "", "region": "", "account": "", "from_data_centre": True})

    assert way_home(back) == WayHomeFacts(recovered="i-1", failback_server="s-2", place="us-east-1 of account 1")
    assert way_home(machine) == WayHomeFacts(recovered="i-1")
