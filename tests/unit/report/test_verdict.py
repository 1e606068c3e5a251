"""The verdict, and that nothing that went wrong can end as passed."""

from datetime import timedelta

import pytest
from drs_provider.report.evidence import (
    CleanupEvidence,
    CommitFacts,
    Objectives,
    RunEvidence,
    ServerEvidence,
    StepEvidence,
    TaskError,
    TerminatedInstance,
    WaveEvidence,
)
from drs_provider.report.measure import measure
from drs_provider.report.verification import verify
from drs_provider.rules.run.handover import PreflightFinding
from drs_provider.rules.run.state.vocabulary import (
    CleanupStatus,
    CommitStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
)
from hypothesis import given
from hypothesis import strategies as st
from kit.evidence import (
    a_drill_with_a_failed_database,
    a_drill_with_exceptions,
    a_drill_with_leftovers,
    a_passed_drill,
    a_preflight,
    a_refused_drill,
    a_run,
    a_wave,
    an_unstarted_wave,
    at,
    some_facts,
)

DATABASE = a_wave("database", 2, 9.4)
SHORT = Objectives(rto=timedelta(minutes=1))


def server(**changes) -> ServerEvidence:
    return DATABASE.servers[0].model_copy(update=changes)


def cut_short(reason: str) -> WaveEvidence:
    """A wave of two servers of which one is missing for this reason."""
    wave = a_wave("database", 2, 9, failed=[1])
    servers = tuple(
        server if server.status == "launched" else server.model_copy(update={"reason": reason})
        for server in wave.servers
    )
    state = "cancelled" if reason.endswith("cancelled it") else "failed"
    return wave.model_copy(update={"servers": servers, "state": WaveStatus(state)})


def server_unknown() -> WaveEvidence:
    """A wave that failed when a job of it had been started."""
    wave = a_wave("database", 1, 9, state="failed")
    servers = tuple(server.model_copy(update={"status": ServerStatus.UNKNOWN}) for server in wave.servers)
    return wave.model_copy(update={"servers": servers})


WARM = StepEvidence(
    name="warm", kind="lambda", task="database.warm", side="after", state="tolerated", summary="nobody there"
)
MARKED = WARM.model_copy(update={"state": StepStatus.UNPROVEN, "summary": ""})


@pytest.mark.parametrize(
    ("evidence", "verdict", "why"),
    [
        pytest.param(a_passed_drill(), "passed", "All 100 servers in 4 waves were launched.", id="passed"),
        pytest.param(a_run([a_wave("web", 1, 9)]), "passed", "The server in 1 wave was launched.", id="one server"),
        pytest.param(
            a_drill_with_a_failed_database(),
            "failed",
            "Wave database failed: dat3 not launched; waves application, web, monitoring were not started.",
            id="failed",
        ),
        pytest.param(
            a_run(
                [a_wave("web", 1, 9).model_copy(update={"jobs": ()})],
                cleanup=CleanupEvidence(state="not_run"),
            ),
            "failed",
            "Clean-up did not run: the drill instances may still be there.",
            id="nobody cleaned up after a job that is not known",
        ),
        pytest.param(
            a_refused_drill(), "refused", "Nothing was launched: preflight found 2 reasons against it.", id="refused"
        ),
        pytest.param(
            a_refused_drill().model_copy(
                update={"cleanup": CleanupEvidence(terminated=(TerminatedInstance(instance_id="i-1"),))}
            ),
            "refused",
            "Nothing more was launched after the run was cleared (from before: 1 instance terminated by the clean-up): "
            "preflight found 2 reasons against it.",
            id="refused when it was tried again",
        ),
        pytest.param(
            a_run(
                [an_unstarted_wave("database", 2)],
                preflight=None,
                errors=(TaskError(task="preflight.check", message="confirm must be 'web-shop'\n"),),
            ),
            "refused",
            "Nothing was launched: preflight ended with: confirm must be 'web-shop'",
            id="refused before preflight could look",
        ),
        pytest.param(
            a_run([an_unstarted_wave("database", 2)], preflight=None),
            "failed",
            "Wave database was not started; no server was launched.",
            id="nothing happened and nobody said why",
        ),
        pytest.param(
            a_drill_with_exceptions(),
            "completed_with_exceptions",
            "Wave web: web7, web31 not launched.",
            id="exceptions",
        ),
        pytest.param(
            a_drill_with_leftovers(), "failed", "1 drill instance is still there.", id="instances that did not go"
        ),
        pytest.param(
            a_run([DATABASE], objectives=SHORT),
            "completed_with_exceptions",
            "RTO missed: 8m 51s is over the objective of 1m.",
            id="an objective missed",
        ),
        pytest.param(
            a_run([DATABASE], cleanup=CleanupEvidence(state="not_run")),
            "failed",
            "Clean-up did not run: the drill instances may still be there.",
            id="a drill that nobody cleaned up",
        ),
        pytest.param(
            a_run([DATABASE], cleanup=CleanupEvidence(state="incomplete", reason="access denied")),
            "failed",
            "Clean-up is incomplete: access denied.",
            id="clean-up that could not look",
        ),
        pytest.param(
            a_run([DATABASE], run=some_facts(mode="recovery"), cleanup=CleanupEvidence(state="not_run")),
            "completed",
            "All 2 servers in 1 wave were launched.",
            id="a recovery is not cleaned up",
        ),
        pytest.param(
            a_run(
                [an_unstarted_wave("web", 2)],
                run=some_facts(mode="recovery"),
                cancelled="ann rejected the recovery",
                errors=(TaskError(task="preflight.approval", message="ann rejected the recovery"),),
            ),
            "cancelled",
            "Ann rejected the recovery; wave web was not started.",
            id="a rejected recovery",
        ),
        pytest.param(
            a_run(
                [an_unstarted_wave("web", 2)],
                run=some_facts(mode="recovery"),
                errors=(TaskError(task="preflight.approval", message="no approval of the recovery within 30m"),),
            ),
            "refused",
            "Nothing was launched: preflight ended with: no approval of the recovery within 30m",
            id="an approval that expired",
        ),
        pytest.param(
            a_run([a_wave("database", 2, 9, failed=[1]), an_unstarted_wave("web", 2)], cancelled="ann cancelled it"),
            "failed",
            "Wave database failed: dat1 not launched; wave web was not started.",
            id="cancelled after a failure",
        ),
        pytest.param(
            a_run([cut_short("ann cancelled it"), an_unstarted_wave("web", 2)], cancelled="ann cancelled it"),
            "cancelled",
            "Ann cancelled it; wave database ended with 1 of 2 servers launched; wave web was not started.",
            id="cancelled in the middle of a wave",
        ),
        pytest.param(
            a_run([cut_short("EC2 has no capacity")], cancelled="ann cancelled it"),
            "failed",
            "Wave database failed: dat1 not launched.",
            id="a wave that failed before the cancel could end it",
        ),
        pytest.param(
            a_run([DATABASE], cancelled="ann cancelled it"),
            "cancelled",
            "Ann cancelled it; everything had been launched by then.",
            id="cancelled when nothing was left to start",
        ),
        pytest.param(
            a_run([DATABASE, an_unstarted_wave("web", 3, state="skipped")]),
            "completed_with_exceptions",
            "Wave web was skipped.",
            id="a part of the plan",
        ),
        pytest.param(
            a_run([DATABASE.model_copy(update={"servers": (server(), server(hostname="db9", status="excluded"))})]),
            "completed_with_exceptions",
            "Excluded: db9.",
            id="an excluded server",
        ),
        pytest.param(
            a_run([DATABASE, an_unstarted_wave("web", 3, state="launching")]),
            "failed",
            "Wave web was still running when the run ended.",
            id="still running",
        ),
        pytest.param(
            a_run([DATABASE], errors=(TaskError(task="switch-dns", message="no zone"),)),
            "failed",
            "Task switch-dns failed.",
            id="a task outside the waves",
        ),
        pytest.param(
            a_run([DATABASE], errors=(TaskError(task="database.check", message="port closed"),)),
            "completed_with_exceptions",
            "Task database.check failed.",
            id="a task that its wave survived",
        ),
        pytest.param(
            a_run([DATABASE.model_copy(update={"servers": (server(reason="stopped", status="failed"),)})]),
            "failed",
            "No server was launched.",
            id="launched, but not usable",
        ),
        pytest.param(a_run([]), "failed", "No server was launched.", id="no wave"),
        pytest.param(
            a_run([DATABASE.model_copy(update={"state": WaveStatus.UNPROVEN, "state_reason": "nobody watched it"})]),
            "failed",
            "Wave database: nobody watched it.",
            id="a wave that somebody marked as successful",
        ),
        pytest.param(
            a_run([DATABASE], cleanup=CleanupEvidence(state="unproven", reason="its task is marked as successful")),
            "failed",
            "Clean-up is not proven: its task is marked as successful.",
            id="a clean-up that somebody marked as successful",
        ),
        pytest.param(
            a_run([DATABASE], run=some_facts(mode="recovery"), cleanup=CleanupEvidence(state="unproven")),
            "completed",
            "All 2 servers in 1 wave were launched.",
            id="a clean-up that a recovery does not need",
        ),
        pytest.param(
            a_run([a_wave("database", 1, 9, state="failed", state_reason="preflight is gone\nand more")]),
            "failed",
            "Wave database failed: preflight is gone and more.",
            id="a wave of which only its state is known",
        ),
        pytest.param(
            a_run([server_unknown()]),
            "failed",
            "Wave database failed: unknown whether dat1 was launched; no server is known to be launched.",
            id="a wave that was started by half",
        ),
        pytest.param(
            a_run([cut_short("ann cancelled it"), a_wave("web", 1, 9, failed=[1])], cancelled="ann cancelled it"),
            "failed",
            "Wave web failed: web1 not launched; wave database ended with 1 of 2 servers launched.",
            id="cancelled beside a failure",
        ),
        pytest.param(
            a_run([WaveEvidence(name="checks", state="cancelled")], cancelled="ann cancelled it"),
            "cancelled",
            "Ann cancelled it; wave checks ended before all its steps were done.",
            id="cancelled among steps",
        ),
        pytest.param(
            a_run([DATABASE.model_copy(update={"state": WaveStatus.COMPLETED_WITH_EXCEPTIONS, "steps": (WARM,)})]),
            "completed_with_exceptions",
            "Step warm of wave database failed: nobody there.",
            id="a tolerated step is said once",
        ),
        pytest.param(
            a_run([DATABASE.model_copy(update={"state": WaveStatus.COMPLETED_WITH_EXCEPTIONS, "steps": (MARKED,)})]),
            "completed_with_exceptions",
            "Step warm of wave database was marked as successful manually.",
            id="an unproven step is said once",
        ),
        pytest.param(
            a_run([DATABASE.model_copy(update={"state": WaveStatus.COMPLETED_WITH_EXCEPTIONS})]),
            "completed_with_exceptions",
            "Wave database: completed with exceptions.",
            id="exceptions that nobody explained",
        ),
    ],
)
def test_a_verdict_says_why(evidence, verdict, why):
    report = measure(evidence)

    assert (report.verdict, report.verdict_reason) == (verdict, why)


STATES = st.sampled_from(WaveStatus)
STATUSES = st.sampled_from(ServerStatus)
CLEANUPS = st.builds(
    CleanupEvidence,
    state=st.sampled_from(CleanupStatus),
    left=st.dictionaries(st.just("i-1"), st.just("denied")),
)
ERRORS = st.lists(st.builds(TaskError, task=st.sampled_from(["w0.check", "finish.report", "x"]), message=st.just("m")))


@st.composite
def runs(draw) -> RunEvidence:
    waves = [
        WaveEvidence(
            name=f"w{number}",
            state=draw(STATES),
            depends_on=(f"w{number - 1}",) if number and draw(st.booleans()) else (),
            jobs=DATABASE.jobs if draw(st.booleans()) else (),
            servers=tuple(server(status=status) for status in draw(st.lists(STATUSES, max_size=3))),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    return a_run(
        waves,
        cleanup=draw(CLEANUPS),
        errors=tuple(draw(ERRORS)),
        preflight=draw(st.sampled_from([None, a_preflight(), a_preflight(passed=False)])),
        objectives=draw(st.sampled_from([Objectives(), SHORT])),
        finished_at=at(2000),
    )


@given(runs())
def test_passed_is_said_only_when_everything_went_well(evidence):
    report = measure(evidence)

    if report.verdict in ("passed", "completed"):
        assert {wave.state for wave in evidence.waves} == {"launched"}
        assert {server.status for wave in evidence.waves for server in wave.servers} == {"launched"}
        assert not evidence.cleanup.left
        assert evidence.cleanup.state in ("completed", "nothing_to_do")
        assert evidence.errors == ()
        assert "missed" not in (report.objectives.rto.outcome, report.objectives.rpo.outcome)
    assert report.verdict_reason.endswith((".", "m"))


@given(runs())
def test_an_objective_is_met_only_when_every_server_is_there(evidence):
    objectives = measure(evidence).objectives

    if "met" in (objectives.rto.outcome, objectives.rpo.outcome):
        assert {server.status for wave in evidence.waves for server in wave.servers} == {"launched"}


@given(runs())
def test_refused_is_said_only_when_nothing_was_started(evidence):
    if measure(evidence).verdict == "refused":
        assert not any(wave.jobs for wave in evidence.waves)


@given(runs())
def test_no_measured_time_is_negative(evidence):
    report = measure(evidence)
    figures = [gap.seconds for gap in report.dead_times]
    figures += [wave.duration_seconds for wave in report.waves]
    figures += [part for wave in report.waves for part in (wave.rto_seconds, wave.rpo_seconds)]

    assert all(figure is None or figure >= 0 for figure in figures)


SKIPPED = an_unstarted_wave("database", 2).model_copy(update={"state": WaveStatus.SKIPPED})
WARNINGS = tuple(PreflightFinding(severity="warning", what="replication lags") for _ in range(2))


@pytest.mark.parametrize(
    ("evidence", "verdict", "why"),
    [
        pytest.param(
            a_run([SKIPPED], preflight=a_preflight().model_copy(update={"findings": ()})),
            "checked",
            "2 servers in 1 wave checked, nothing speaks against a drill of it; nothing was launched.",
            id="nothing found",
        ),
        pytest.param(
            a_run([SKIPPED], preflight=a_preflight().model_copy(update={"findings": WARNINGS})),
            "checked",
            "2 servers in 1 wave checked, with 2 warnings; nothing was launched.",
            id="warnings",
        ),
        pytest.param(
            a_refused_drill(), "refused", "Nothing was launched: preflight found 2 reasons against it.", id="refused"
        ),
        pytest.param(
            a_run([SKIPPED], preflight=None),
            "failed",
            "Preflight left no result, so nothing is known to be checked.",
            id="preflight was marked as successful",
        ),
        pytest.param(
            a_run([a_wave("database", 2, 9)]),
            "failed",
            "A check launches nothing, and jobs of it exist.",
            id="somebody launched in its name",
        ),
        pytest.param(a_run([SKIPPED], cancelled="cancelled by ada"), "cancelled", "Cancelled by ada.", id="cancelled"),
    ],
)
def test_a_check_is_checked_or_refused_and_proves_nothing(evidence, verdict, why):
    facts = evidence.run.model_copy(update={"mode": "check"})
    report = measure(evidence.model_copy(update={"run": facts}))

    assert (report.verdict, report.verdict_reason.split(" First cause")[0].split(" Next step")[0]) == (verdict, why)
    found = verify([report], digest=report.run.plan_digest, valid_for=None, now=report.finished_at)
    assert (found.is_verified, found.why) == (False, "no drill of it has ever been reported")


GONE = "it was launched, and at the end of the run its instance i-9 is terminated"


def lost(tolerate="0", *, critical=True):
    wave = a_wave("database", 2, 9.4)
    gone = {"status": ServerStatus.FAILED, "lost": True, "reason": GONE, "critical": critical}
    first = wave.servers[0].model_copy(update=gone)
    state = {"state": WaveStatus.COMPLETED_WITH_EXCEPTIONS, "tolerate_failures": tolerate}
    return wave.model_copy(update={**state, "servers": (first, *wave.servers[1:])}), first.hostname


@pytest.mark.parametrize(
    ("tolerate", "critical", "verdict"),
    [
        ("0", True, "failed"),
        ("49%", True, "failed"),
        ("1", True, "completed_with_exceptions"),
        ("50%", True, "completed_with_exceptions"),
        ("0", False, "completed_with_exceptions"),
    ],
)
def test_a_recovery_that_has_lost_more_than_its_plan_tolerates_when_it_ends_has_failed(tolerate, critical, verdict):
    wave, name = lost(tolerate, critical=critical)
    report = measure(a_run([wave], run=some_facts().model_copy(update={"mode": "recovery"}), cleanup=CleanupEvidence()))

    assert report.verdict == verdict
    assert report.verdict_reason.startswith(
        f"Wave database: {name} was launched, and is not there at the end of the run."
    )


def test_a_recovered_instance_that_somebody_has_stopped_since_is_an_exception_and_no_failure():
    wave = a_wave("database", 2, 9.4)
    first = wave.servers[0].model_copy(update={"stopped_since": True, "reason": "it is stopped"})
    wave = wave.model_copy(update={"servers": (first, *wave.servers[1:])})
    report = measure(a_run([wave], run=some_facts().model_copy(update={"mode": "recovery"}), cleanup=CleanupEvidence()))

    assert report.verdict == "completed_with_exceptions"
    assert report.verdict_reason.startswith(f"Wave database: {first.hostname} is stopped at the end of the run.")


def test_a_failed_wave_does_not_say_of_what_is_lost_since_that_it_was_not_launched():
    wave, name = lost()
    second = wave.servers[1].model_copy(update={"status": ServerStatus.FAILED, "hostname": "db-2"})
    wave = wave.model_copy(update={"state": WaveStatus.FAILED, "servers": (wave.servers[0], second)})
    report = measure(a_run([wave], run=some_facts().model_copy(update={"mode": "recovery"}), cleanup=CleanupEvidence()))

    assert report.verdict_reason.startswith(
        f"Wave database failed: db-2 not launched; wave database: {name} was launched, and is not there at the end of "
        "the run"
    )


def test_a_drill_whose_instance_others_have_ended_has_not_passed():
    drill = a_passed_drill()
    server = drill.waves[0].servers[0]
    gone = drill.cleanup.terminated[0].model_copy(update={"instance_id": server.instance_id, "gone_before": True})
    cleanup = drill.cleanup.model_copy(update={"terminated": (gone, *drill.cleanup.terminated[1:])})
    report = measure(drill.model_copy(update={"cleanup": cleanup}))

    assert report.verdict == "completed_with_exceptions"
    assert report.verdict_reason.startswith(
        f"Gone before the clean-up, ended by somebody else or by EC2: {server.hostname} ({server.instance_id})."
    )


@pytest.mark.parametrize("drill", [a_passed_drill, a_drill_with_exceptions, a_drill_with_a_failed_database])
def test_what_others_have_done_is_said_beside_every_verdict_and_changes_none(drill):
    before = measure(drill())
    after = measure(drill().model_copy(update={"outside": {"drsjob-1": "DRS no longer knows it"}}))

    assert after.verdict == before.verdict
    assert after.verdict_reason == f"{before.verdict_reason} Done by others: drsjob-1: DRS no longer knows it."
    assert after.outside == {"drsjob-1": "DRS no longer knows it"}


def test_a_drill_that_failed_says_beside_it_which_instances_others_have_ended():
    drill = a_drill_with_leftovers()
    server = drill.waves[0].servers[0]
    gone = drill.cleanup.terminated[0].model_copy(update={"instance_id": server.instance_id, "gone_before": True})
    cleanup = drill.cleanup.model_copy(update={"terminated": (gone, *drill.cleanup.terminated[1:])})
    report = measure(drill.model_copy(update={"cleanup": cleanup}))

    assert report.verdict == "failed"
    assert report.verdict_reason.endswith(
        f" Done by others: gone before the clean-up, ended by somebody else or by EC2: {server.hostname} "
        f"({server.instance_id})."
    )


def test_what_a_roll_back_leaves_to_people_is_an_exception():
    facts = CommitFacts(
        status=CommitStatus.ROLLED_BACK,
        words="rolled back by bob",
        began_at=at(0),
        kept={"vol-1": "available"},
        settings_left={"s-1": "the record is lost"},
    )

    report = measure(a_passed_drill().model_copy(update={"commit": facts}))

    assert report.verdict == "completed_with_exceptions"
    assert "ept by EC2 although their instances are gone: vol-1; launch settings not put back: s-1" in (
        report.verdict_reason
    )
