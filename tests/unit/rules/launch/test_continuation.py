"""Which run of the cloud another one may continue."""

import pytest
from drs_provider.rules.launch.continuation import Continuation, continuation_problems, installation_of, jobs_of_plan
from drs_provider.rules.launch.tags import MODE, PLAN, RUN, job_tags, run_key, same_launch, same_wave
from drs_provider.rules.purpose import DRILL, RECOVERY

KEY = run_key("drs.shop", "old")
WAVES = {"s-1": "db", "s-2": "web"}


def job(number=1, in_wave="db", *, server="s-1", by="START_DRILL", **tags):
    ours = job_tags(dag_id="drs.shop", run_id="old", wave=in_wave, chunk=0, attempt=1)
    changed = {f"drs-orchestrator:{name}": value for name, value in tags.items()}
    return {
        "jobID": f"drsjob-{number}",
        "initiatedBy": by,
        "tags": {key: value for key, value in {**ours, **changed}.items() if value is not None},
        "participatingServers": [{"sourceServerID": server}],
    }


def test_a_run_that_two_airflows_have_gone_on_with_is_of_the_one_that_began_it():
    key = run_key("drs.shop", "old", "dublin")
    began = job(run=key, installation="dublin")
    taken_over = [job(2, run=key, installation=name, **{"run-id": "new"}) for name in ("paris", "rome")]

    assert installation_of([*taken_over, began]) == "dublin"
    assert installation_of(taken_over) == "paris"
    assert installation_of([job()]) == ""


def asked(*jobs, key=KEY, run="new", **more):
    return Continuation(key, jobs, "shop", run_key("drs.shop", run), "drs.shop", WAVES, **more)


@pytest.mark.parametrize(
    ("continuation", "purpose", "said"),
    [
        (asked(job(), job(2, "web", server="s-2")), DRILL, ""),
        (asked(job(mode="drill")), DRILL, ""),
        (asked(job(by="START_RECOVERY", mode="recovery")), RECOVERY, ""),
        (asked(job(server="s-that-left-the-plan")), DRILL, ""),
        (
            asked(job(plan="drs.payroll")),
            DRILL,
            (
                f"continue_run: run {KEY} is not of drs.shop but of drs.payroll: a run continues only a run of its own "
                "plan; drs takeover shop shows the keys"
            ),
        ),
        (
            asked(job(), job(2, plan="drs.payroll"), job(3, plan="drs.Shop"), job(4, plan=None)),
            DRILL,
            (
                f"continue_run: run {KEY} is not of drs.shop but of a plan that its jobs do not name, drs.Shop, "
                "drs.payroll: a run continues only a run of its own plan; drs takeover shop shows the keys"
            ),
        ),
        (asked(), DRILL, f"continue_run: no job of a run with the key {KEY} is in the cloud; see drs takeover shop"),
        (
            asked(job(), run="old"),
            DRILL,
            f"continue_run: {KEY} is the key of this run itself: leave continue_run empty to start a new run",
        ),
        (
            asked(job(), going_on="old"),
            DRILL,
            (
                f"continue_run: run {KEY} is going on in this Airflow as old: wait for its end or cancel it "
                "(drs run cancel shop old); two runs must not hold the same servers"
            ),
        ),
        (asked(job()), RECOVERY, f"continue_run: run {KEY} is a drill and cannot continue as a recovery"),
        (
            asked(job(by="START_RECOVERY")),
            DRILL,
            f"continue_run: run {KEY} is a recovery and cannot continue as a drill",
        ),
        (asked(job(mode="recovery")), DRILL, f"continue_run: run {KEY} is a recovery and cannot continue as a drill"),
        (asked(job(mode="Drill")), DRILL, f"continue_run: run {KEY} is a Drill and cannot continue as a drill"),
        (
            asked(job(server="s-2"), job(2, wave=None, server="s-1")),
            DRILL,
            (
                f"continue_run: run {KEY} launched servers in other waves than the plan has them in now, and would "
                "launch them again: s-2 (db, now web), s-1 (no wave, now db). Restore the plan that the run was "
                "started with"
            ),
        ),
    ],
)
def test_only_a_run_of_the_same_plan_and_mode_that_is_not_active_here_is_continued(continuation, purpose, said):
    assert "\n".join(continuation_problems(continuation, purpose)) == said


def test_a_clean_up_ends_only_drills_of_its_own_plan():
    jobs = [
        job(1),
        job(2, mode="drill"),
        job(3, mode="recovery"),
        job(4, by="START_RECOVERY"),
        job(5, plan="drs.payroll"),
        job(6, plan=None),
        {"jobID": "drsjob-7", "initiatedBy": "START_DRILL"},
    ]

    assert jobs_of_plan(jobs, "drs.shop", DRILL) == {"drsjob-1", "drsjob-2"}


def test_a_typed_key_adopts_no_job_of_another_plan():
    ours = {**job_tags(dag_id="drs.shop", run_id="new", wave="db", chunk=0, attempt=1), RUN: KEY}
    theirs = {**ours, PLAN: "drs.payroll"}

    assert (same_wave(ours, ours), same_launch(ours, ours)) == (True, True)
    assert (same_wave(theirs, ours), same_launch(theirs, ours)) == (False, False)
    assert same_wave({key: value for key, value in ours.items() if key != PLAN}, ours)
    assert MODE not in ours
