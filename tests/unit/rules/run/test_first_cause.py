"""The first cause of a run that is not well: one sentence for verdict, note, notices, board and command line."""

from datetime import datetime, timedelta

import pytest
from drs_provider.report.collect.run import evidence_of
from drs_provider.report.evidence import RunFacts
from drs_provider.report.measure import measure
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.state import (
    Cause,
    CleanupState,
    CleanupStatus,
    LeftDocuments,
    PreflightState,
    PreflightStatus,
    RunState,
    RunStatus,
    WaveState,
    WaveStatus,
    first_cause,
    state_of,
)
from kit.recorded_runs import recorded, recorded_names

PROMOTE = (
    "lambda:Invoke: ResourceNotFoundException: Function not found: "
    "arn:aws:lambda:us-west-2:111122223333:function:nobody"
)
NO_REASON = (
    "DRS gave no reason and stopped before the conversion. The two usual causes: the role of the Airflow connection "
    "lacks an EC2 permission that a launch needs (docs/permissions.md), or the server's launch template names no "
    "subnet and the account has no default VPC"
)
CHECK_BOTH = "this is what missing EC2 permissions or a launch template without subnet look like: check both"
TAKEN = "a recovery of web1 began during the drill"

CAUSES = {
    "failed": (
        "db2 (wave database): CONVERSION_FAIL: NoCapacity",
        "look at the job's log in the DRS console and correct the cause, then start the drill again",
    ),
    "refused": (
        "s-00000000000000099 (preflight): DRS knows no such source server in this account and Region",
        "check the id, the connection's account and the Region of its protection group",
    ),
    # What its error says already is not said again.
    "rejected": ("preflight: ann rejected the recovery; nothing was launched", ""),
    "steps-failed": (
        f"step promote of wave database: {PROMOTE}",
        "see the log of database.promote, correct the cause, then start the drill again",
    ),
    "stopped": (
        "wave web: bob stopped the run before wave web; nothing of it was launched",
        "start the run again once it is agreed",
    ),
    "tolerated": (
        f"db3 (wave database): {NO_REASON}",
        f"{CHECK_BOTH}, then start the drill again",
    ),
}


@pytest.mark.parametrize("name", [name for name in recorded_names() if name != "superseded"])
def test_the_first_cause_of_every_recorded_run(name):
    cause = first_cause(state_of(recorded(name).for_the_pages()))

    assert (cause and (cause.words, cause.next_step)) == CAUSES.get(name)


def test_a_superseded_drill_names_the_recovery_and_that_it_has_the_servers():
    cause = first_cause(state_of(recorded("superseded").for_the_pages()))

    assert cause.words.startswith(f"wave web: {TAKEN}")
    assert cause.next_step == "the recovery has the servers now; start the drill again when it is over"


@pytest.mark.parametrize("status", [WaveStatus.SKIPPED, WaveStatus.COMPLETED_WITH_EXCEPTIONS])
@pytest.mark.parametrize(
    ("cause", "then"),
    [
        (Cause.LOST, "when the account and Region answer again, start a new run of this wave"),
        (Cause.PASSED_OVER, "once its cause is gone, start a new run of this wave for what is missing"),
    ],
)
def test_a_wave_that_the_run_has_gone_past_says_what_to_do_about_it(status, cause, then):
    preflight, cleanup = PreflightState(PreflightStatus.PASSED), CleanupState(CleanupStatus.NOT_RUN)
    waves = (WaveState("web", (), status, cause, "why"), WaveState("app", (), WaveStatus.LAUNCHED))

    found = first_cause(RunState(RunStatus.RUNNING, preflight, cleanup, mode="recovery", waves=waves))

    assert (found.words, found.next_step) == ("wave web: why", then)


def report_of(name, folder):
    run = recorded(name)
    shape = compile_shape(run.runnable(folder))
    left = LeftDocuments(run.in_a_task(folder, is_last_look=True))
    began = datetime.fromisoformat(run.started_at)
    facts = RunFacts(dag_id=run.dag_id, run_id=name, mode=run.conf["mode"], plan="shop", started_at=began)
    return measure(evidence_of(facts, shape, left, now=began + timedelta(minutes=30)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "failed",
            "Wave database failed: db2 not launched; wave web was not started. First cause: {0}. Next step: {1}.",
        ),
        ("refused", "Nothing was launched: preflight found 3 reasons against it. First cause: {0}. Next step: {1}."),
        # A step is named with its reason already.
        (
            "steps-failed",
            f"Wave database failed: step promote failed: {PROMOTE}; wave web was not started. Next step: {{1}}.",
        ),
        ("tolerated", "Wave database: db3 not launched; excluded: web1. First cause: {0}. Next step: {1}."),
    ],
)
def test_the_verdict_gives_the_first_cause_its_server_and_the_next_step(name, said, tmp_path):
    report = report_of(name, tmp_path)

    assert report.verdict_reason == said.format(*CAUSES[name])
    assert report.first_cause == first_cause(state_of(recorded(name).for_the_pages()))


@pytest.mark.parametrize("name", ["passed", "cancelled-at-once", "cancelled-on-the-way", "stopped"])
def test_a_run_that_went_well_or_that_a_person_ended_has_no_first_cause_in_its_report(name, tmp_path):
    report = report_of(name, tmp_path)

    assert report.first_cause is None
    assert "First cause" not in report.verdict_reason


@pytest.mark.parametrize("name", recorded_names())
def test_where_the_time_went_sums_to_the_whole_of_every_recorded_run(name, tmp_path):
    report = report_of(name, tmp_path)

    assert sum(share.seconds for share in report.time_shares) == pytest.approx(report.elapsed_seconds, abs=1e-5)
