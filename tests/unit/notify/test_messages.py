"""What each event says, word for word."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.notify.messages import (
    ended,
    paused,
    rto_at_risk,
    started,
    wave_completed,
    wave_failed,
)
from drs_provider.notify.notice import Question, RunSummary, as_text
from drs_provider.report.measure import measure
from drs_provider.rules.run.handover import (
    PreflightFinding,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
)
from drs_provider.rules.run.state import ServerState, ServerStatus, WaveState, WaveStatus
from kit.evidence import a_passed_drill

RUN = RunSummary("shop", "Web shop", "recovery", "drs.shop", "r1", triggered_by="ann", reason="fire")
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
WARNING = PreflightFinding(severity="warning", what="replication lags")
TAIL = "Started by: ann: fire\n"


def a_wave(name, status, launched=0, failed=0, to_come=0, **changes):
    statuses = [ServerStatus.LAUNCHED] * launched + [ServerStatus.FAILED] * failed + [ServerStatus.WAITING] * to_come
    servers = tuple(
        ServerState(f"s-{number}", f"{name}{number}", critical=True, status=server, reason="no capacity")
        for number, server in enumerate(statuses)
    )
    facts = {"depends_on": (), "results_known": bool(launched or failed)}
    return WaveState(name=name, status=WaveStatus(status), servers=servers, **(facts | changes))


WAVES = [
    a_wave("database", "launched", launched=3),
    a_wave("web", "launching", to_come=2),
    a_wave("mail", "waiting", to_come=1),
]


def preflight(**changes):
    servers = [PreflightServer(server_id=f"s-{number}", hostname=f"db{number}") for number in range(4)]
    parts = [
        PreflightTarget(aws_conn_id="aws_default", region="us-west-2", servers=tuple(servers[:2])),
        PreflightTarget(aws_conn_id="aws_default", region="eu-central-1", servers=tuple(servers[2:])),
    ]
    waves = {
        "database": PreflightWave(selected=True, targets=tuple(parts)),
        "web": PreflightWave(selected=False),
    }
    facts = {"plan": "shop", "digest": "d", "passed": True, "mode": "recovery", "checked_at": NOW, "waves": waves}
    return PreflightResult(**(facts | {"needs_approval": False} | changes))


def test_a_start_says_what_is_launched():
    assert as_text(started(RUN, preflight(), at=NOW)) == (
        "Recovery of Web shop: started, 4 servers in 1 wave.\n\nWaves: database (4)\n" + TAIL
    )


def test_a_start_says_what_it_waits_for_and_what_preflight_warns_of():
    found = preflight(needs_approval=True, findings=(WARNING,), point_in_time="2026-11-22T04:00:00+00:00")

    assert as_text(started(RUN, found, at=NOW)) == (
        "Recovery of Web shop: started, 4 servers in 1 wave; it waits for approval before anything is launched.\n"
        "\n"
        "Waves: database (4)\n"
        "Point in time: 2026-11-22T04:00:00+00:00\n"
        "Preflight: 1 warning; see the log of preflight.check\n" + TAIL
    )


@pytest.mark.parametrize(
    ("wave", "people", "headline", "of_whom"),
    [
        ("web", ("bob", "cyd"), "waits for an answer before wave web", "bob, cyd"),
        (None, (), "waits for approval", "any user who may answer in Airflow"),
    ],
)
def test_a_question_says_what_is_asked_of_whom_until_when_and_what_happens_otherwise(wave, people, headline, of_whom):
    question = Question("t", "Is it up?", people, ("Continue", "Stop"), "2026-11-22T07:00:00+00:00", "the run fails")

    assert as_text(paused(RUN, question, wave=wave, at=NOW)) == (
        f"Recovery of Web shop: {headline}.\n"
        "\n"
        "Asked: Is it up?\n"
        f"Of whom: {of_whom}\n"
        "Until: 2026-11-22 07:00:00 UTC; without an answer the run fails\n"
        "What to do: answer Continue or Stop\n" + TAIL
    )


def test_a_completed_wave_says_how_far_the_others_are():
    assert as_text(
        wave_completed(RUN, a_wave("app", "completed_with_exceptions", launched=8, failed=1), others=WAVES, at=NOW)
    ) == (
        "Recovery of Web shop: wave app completed, 8 of 9 servers up, 1 failed and tolerated.\n"
        "\n"
        "Wave database: launched, 3 of 3 servers up\n"
        "Wave web: launching, 2 servers\n"
        "Wave mail: waiting, 1 server\n" + TAIL
    )


@pytest.mark.parametrize(
    ("wave", "headline"),
    [
        (a_wave("checks", "completed"), "wave checks completed"),
        (a_wave("checks", "completed_with_exceptions"), "wave checks completed"),
    ],
)
def test_a_wave_without_servers_says_nothing_of_servers(wave, headline):
    assert wave_completed(RUN, wave, others=[wave], at=NOW).headline == headline
    assert dict(wave_completed(RUN, wave, others=[wave], at=NOW).facts) == {"Wave checks": wave.status.words}


@pytest.mark.parametrize(
    ("status", "headline"),
    [
        ("failed", "wave app failed"),
        ("cancelled", "wave app was cancelled"),
        ("not_started", "wave app was not started"),
    ],
)
def test_a_wave_that_did_not_go_through_says_how(status, headline):
    assert wave_failed(RUN, a_wave("app", status), others=[], at=NOW).headline == headline


def test_a_failed_wave_says_why_which_servers_and_what_to_do():
    notice = wave_failed(RUN, a_wave("app", "failed", 0, 7, reason="7 failed"), others=WAVES[2:], at=NOW)

    assert as_text(notice) == (
        "Recovery of Web shop: wave app failed: app0: no capacity.\n"
        "\n"
        "Why: app0 (wave app): no capacity\n"
        "Server app0: no capacity\n"
        "Server app1: no capacity\n"
        "Server app2: no capacity\n"
        "Server app3: no capacity\n"
        "Server app4: no capacity\n"
        "And: 2 more servers; the wave's recovery_job lists them\n"
        "Wave mail: waiting, 1 server\n"
        "What to do: look at the job's log in the DRS console and correct the cause, then clear the wave's tasks in "
        "Airflow to launch what is not there. While this run goes on, you can clear the failed tasks of wave app with "
        "everything downstream: what is up already is not launched again, and the waves behind start\n" + TAIL
    )


@pytest.mark.parametrize(
    ("share", "headline"),
    [(80, "80 % of the RTO of 45m has passed"), (100, "RTO of 45m is missed, and the run continues")],
)
def test_an_rto_at_risk_says_what_is_still_to_be_done(share, headline):
    notice = rto_at_risk(
        RUN, rto_seconds=2700, share=share, waves=WAVES[1:], since=NOW - timedelta(minutes=36, seconds=5), at=NOW
    )

    assert as_text(notice) == (
        f"Recovery of Web shop: {headline}.\n"
        "\n"
        "Running for: 36m 05s, since 2026-11-22 04:23:55 UTC\n"
        "To be done: web (launching), mail (waiting)\n"
        "What to do: see in Airflow what the run waits for: an answer, a job of DRS, or a worker\n" + TAIL
    )


def test_an_end_says_what_the_report_says():
    report = measure(a_passed_drill())
    notice = ended(RUN, report, at=NOW)

    assert (notice.event, notice.headline, notice.has_report) == ("completed", "passed", True)
    assert dict(notice.facts)["Verdict"] == report.verdict_reason
    assert dict(notice.facts)["RTO"] == report.objectives.rto.why


@pytest.mark.parametrize(
    ("verdict", "event", "headline"),
    [
        ("passed", "completed", "passed"),
        ("completed", "completed", "completed"),
        ("completed_with_exceptions", "completed", "completed with exceptions"),
        ("failed", "failed", "failed"),
        ("refused", "failed", "was refused"),
        ("cancelled", "failed", "was cancelled"),
        ("superseded", "failed", "superseded"),
    ],
)
def test_every_verdict_has_its_event(verdict, event, headline):
    notice = ended(RUN, measure(a_passed_drill()).model_copy(update={"verdict": verdict}), at=NOW)

    assert (notice.event, notice.headline) == (event, headline)


def test_an_end_without_a_report_is_a_failure():
    assert as_text(ended(RUN, None, at=NOW)) == (
        "Recovery of Web shop: report missing: the result of the run is unknown.\n"
        "\n"
        "What to do: look at the log of finish.report in Airflow, and clear that task to write the report\n" + TAIL
    )
