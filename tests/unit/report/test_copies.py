"""The report of a run that has servers replicated to their origin: whole sentences, and what its page shows."""

from typing import Any

import pytest
from drs_provider.report.evidence import PreflightEvidence, RunEvidence, ServerEvidence, TaskError, WaveEvidence
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.result import RunReport
from drs_provider.rules.run.handover import FailbackServer, PreflightFinding
from drs_provider.rules.run.state.vocabulary import ServerStatus, WaveStatus
from kit.evidence import at, some_facts

READY, STUCK = ServerStatus.READY, ServerStatus.STUCK
WHY = "its recovered instance was disconnected from DRS, and cannot be reversed: install the agent on it"


def server(name: str, status: ServerStatus = READY, **facts: Any) -> ServerEvidence:
    return ServerEvidence(server_id=f"s-{name}", hostname=name, status=status, **facts)


def wave(name: str, *servers: ServerEvidence, state: WaveStatus = WaveStatus.READY, **facts: Any) -> WaveEvidence:
    return WaveEvidence(name=name, servers=servers, state=state, **facts)


def report_of(*waves: WaveEvidence, passed: bool = True, **facts: Any) -> RunReport:
    findings = () if passed else (PreflightFinding(severity="refusal", what="no such server"),)
    given: dict[str, Any] = {
        "run": some_facts(mode="reprotect", dag_id="drs.web-shop.failback"),
        "preflight": PreflightEvidence(passed=passed, checked_at=at(1), findings=findings),
        "waves": waves,
        "finished_at": at(7200),
    }
    return measure(RunEvidence(**(given | facts)))


@pytest.mark.parametrize(
    ("waves", "facts", "verdict", "reason"),
    [
        (
            (wave("db", server("db1"), server("db2")), wave("web", server("web1"))),
            {},
            "completed",
            "All 3 servers in 2 waves can be launched in their origin.",
        ),
        ((wave("db", server("db1")),), {}, "completed", "The server in 1 wave can be launched in its origin."),
        (
            (wave("db", server("db1"), server("db2", STUCK, reason=WHY), state=WaveStatus.FAILED),),
            {},
            "failed",
            f"1 of 2 servers can be launched in their origin; wave db: db2 not ready ({WHY}).",
        ),
        (
            (
                wave(
                    "db",
                    server("db1"),
                    server("db2", STUCK, reason=WHY, critical=False),
                    state=WaveStatus.COMPLETED_WITH_EXCEPTIONS,
                ),
                wave("web", state=WaveStatus.SKIPPED, state_reason="not chosen for this run", groups=("web",)),
                wave("say", state=WaveStatus.SKIPPED, state_reason="none of its steps is for it"),
            ),
            {},
            "completed_with_exceptions",
            (
                f"1 of 2 servers can be launched in their origin; wave db: db2 not ready ({WHY}); "
                "wave web was skipped: not chosen for this run."
            ),
        ),
        (
            (wave("db", state=WaveStatus.NOT_STARTED),),
            {"passed": False},
            "refused",
            "Nothing was called: preflight found 1 reason against it.",
        ),
        (
            (),
            {"preflight": None, "errors": (TaskError(task="preflight.check", message="mode 'x' is no mode"),)},
            "refused",
            "Nothing was called: preflight ended with: mode 'x' is no mode.",
        ),
        ((), {"preflight": None}, "failed", "Preflight left no result, so nothing is known."),
        (
            (wave("db", server("db1", STUCK), state=WaveStatus.FAILED),),
            {"cancelled": "cancelled by ann: wrong plan"},
            "cancelled",
            "Cancelled by ann: wrong plan; 0 of 1 server can be launched in their origin; DRS goes on replicating.",
        ),
        (
            (wave("db", server("db1", STUCK), state=WaveStatus.UNPROVEN, state_reason="it left no result"),),
            {},
            "failed",
            "0 of 1 server can be launched in their origin; wave db: db1 not ready; no server is ready.",
        ),
        (
            (wave("db", server("db1")),),
            {"errors": (TaskError(task="web.reverse_replication", message="boom"),)},
            "completed_with_exceptions",
            "1 of 1 server can be launched in their origin; task web.reverse_replication failed.",
        ),
    ],
)
def test_a_run_is_called_completed_only_where_every_server_is_ready(
    waves: tuple[WaveEvidence, ...], facts: dict[str, Any], verdict: str, reason: str
) -> None:
    report = report_of(*waves, **facts)

    assert (report.verdict, report.verdict_reason) == (verdict, reason)


def test_what_is_stuck_is_a_failure_with_a_next_step() -> None:
    report = report_of(wave("db", server("db1"), server("db2", STUCK, reason=WHY), state=WaveStatus.FAILED))

    assert [(failure.hostname, failure.reason, failure.next_step) for failure in report.failures] == [
        ("db2", WHY, "do what the reason says, then reprotect again: it goes on with what is there")
    ]
    assert (report.counts.ready, report.counts.failed, report.counts.launched) == (1, 1, 0)


def test_its_page_shows_how_far_servers_are_and_nothing_of_launches() -> None:
    seen = FailbackServer(
        server_id="s-db1",
        hostname="db1",
        stage="ready",
        share=1.0,
        done_bytes=8 * 2**30,
        total_bytes=8 * 2**30,
        lag_seconds=2.0,
        failback_server="s-00000000000000002",
    )
    page = render(report_of(wave("db", server("db1", on_the_way=seen))))

    for words in (
        "Reprotection of",
        '1 of 1</b><span class="soft small">servers ready in their origin',
        "ready to fail back",
        "100 % of 8.0 GiB copied",
        "replication lag 2 s",
        "replicated in the origin as s-00000000000000002",
    ):
        assert words in page
    for words in ("RTO", "Clean-up", "drill instances terminated", "Time in DRS"):
        assert words not in page


def test_a_written_report_is_read_again() -> None:
    report = report_of(wave("db", server("db1", on_the_way=FailbackServer(server_id="s", hostname="h", stage="ready"))))

    assert RunReport.model_validate_json(report.model_dump_json()) == report
