"""What a wave's tasks refuse before they call anybody."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from drs_provider.dag.finish.group import SayVerdict
from drs_provider.dag.steps.context import ensure_steps_approved
from drs_provider.dag.waves.group import WatchWave
from drs_provider.dag.waves.start import ServerOutcome, StartWave
from drs_provider.exceptions import PlanChanged, RunRefused
from drs_provider.rules.run.handover import HandoverUnreadable, ServerResults, StepResult
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import AskedBefore
from kit.fake_drs import FakeDrs
from kit.signatures import signed, signed_xcoms

pytestmark = pytest.mark.airflow

DAG, RUN = "drs.shop", "manual__1"
HERE = Target("aws_default", "us-west-2")
DB1 = {"server_id": "s-00000000000000001", "hostname": "db1", "group": "db", "critical": True, "region": "us-west-2"}
PASSED = {
    "plan": "shop",
    "passed": True,
    "digest": "a" * 64,
    "mode": "drill",
    "point_in_time": "latest",
    "needs_approval": False,
    "checked_at": "2026-11-22T05:00:00+00:00",
    "replace_live_instances": False,
    "quotas": {str(HERE): {"jobs": 20, "servers_per_job": 100, "servers_in_jobs": 500}},
    "waves": {
        "database": {
            "selected": True,
            "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": [DB1]}],
        }
    },
}


class Xcoms:
    """The task instance, as far as these tasks ask it: XComs by task and key."""

    dag_id, run_id = DAG, RUN

    def __init__(self, left):
        self.left = left

    def xcom_pull(self, task_ids, key="return_value"):
        return self.left.get((task_ids, key))


def context(**left):
    run = SimpleNamespace(dag_id=DAG, run_id=RUN, start_date=datetime.now(UTC))
    ti = Xcoms(signed_xcoms({tuple(name.rsplit("/", 1)): value for name, value in left.items()}, DAG, RUN))
    return {"ti": ti, "dag_run": run, "params": {}}


def start():
    return StartWave(task_id="start_recovery", plan="shop", digest="a" * 64, wave="database", target=HERE)


def after(preflight):
    return context(**{"preflight.check/preflight": preflight})


def test_a_wave_takes_its_servers_mode_and_quotas_from_preflight():
    task = start()
    task.__dict__["hook"] = FakeDrs()
    task.prepare(after(PASSED))

    assert (task.source_server_ids, task.is_drill, task.quotas["jobs"]) == (["s-00000000000000001"], True, 20)


@pytest.mark.parametrize(
    ("preflight", "error", "said"),
    [
        pytest.param(
            {**PASSED, "digest": "b" * 64},
            PlanChanged,
            "plan shop was edited during this run: started with bbbbbbbbbbbb, now aaaaaaaaaaaa. Nothing more is "
            "launched. Restore the old plan and clear this task to continue, or start a new run of the new plan",
            id="the plan was edited",
        ),
        pytest.param(
            None,
            RunRefused,
            "preflight of shop has not passed in this run (a task that is marked as successful checks nothing): clear "
            "preflight.check to check again",
            id="preflight was marked as successful",
        ),
        pytest.param(
            {**PASSED, "passed": False},
            RunRefused,
            "preflight of shop has not passed in this run (a task that is marked as successful checks nothing): clear "
            "preflight.check to check again",
            id="a refusal was marked as successful",
        ),
        pytest.param(
            {**PASSED, "mode": "True"},
            HandoverUnreadable,
            "the result of preflight (XCom preflight) cannot be read: mode: Input should be 'drill', 'recovery', "
            "'migration', 'check', 'reprotect', 'failback_drill' or 'failback'. Clear the task that wrote it, to write "
            "it again",
            id="a mode that is no mode",
        ),
    ],
)
def test_a_wave_that_may_not_start_says_why(preflight, error, said):
    with pytest.raises(error) as refused:
        start().prepare(after(preflight))

    assert str(refused.value) == said


ASKED = [AskedBefore("database.ask")]
AGREED = StepResult(name="ask", kind="approval", state="succeeded", summary="approved by bob")
REJECTED = AGREED.model_copy(update={"state": "failed", "summary": "bob rejected it"})


@pytest.mark.parametrize(
    ("left", "said"),
    [
        pytest.param(
            signed(REJECTED, DAG, RUN, "database.ask"),
            "database.ask ended without an agreement: bob rejected it (a task that is marked as successful approves "
            "nothing). Nothing was done; clear database.ask with everything downstream to ask again",
            id="rejected, and marked as successful",
        ),
        pytest.param(
            None,
            "database.ask has left no answer (a task that is marked as successful approves nothing). Nothing was done; "
            "clear database.ask with everything downstream to ask",
            id="marked as successful",
        ),
        pytest.param(
            AGREED.to_json(),
            "the result of a step (XCom step of database.ask) cannot be read: it has no signature, so it was not "
            "written by this run's own tasks. Airflow's audit log says who edited it: clear database.ask, to write it "
            "again",
            id="written by somebody else",
        ),
        pytest.param(
            {**signed(REJECTED, DAG, RUN, "database.ask"), "state": "succeeded"},
            "the result of a step (XCom step of database.ask) cannot be read: it is not what was written: somebody has "
            "edited it, or brought it here from elsewhere. Airflow's audit log says who edited it: clear database.ask, "
            "to write it again",
            id="edited",
        ),
        pytest.param(
            signed(AGREED, DAG, "manual__2", "database.ask"),
            "the result of a step (XCom step of database.ask) cannot be read: it is not what was written: somebody has "
            "edited it, or brought it here from elsewhere. Airflow's audit log says who edited it: clear database.ask, "
            "to write it again",
            id="of another run",
        ),
    ],
)
def test_an_approval_step_that_nobody_agreed_to_stops_what_comes_after_it(left, said):
    with pytest.raises(RunRefused) as refused:
        ensure_steps_approved({"ti": Xcoms({("database.ask", "step"): left})}, ASKED)

    assert str(refused.value) == said


@pytest.mark.parametrize(
    "left",
    [
        AGREED,
        REJECTED.model_copy(update={"goes_on": True}),
        REJECTED.model_copy(update={"state": "skipped", "summary": "this run is a drill"}),
    ],
    ids=["agreed", "the plan goes on without", "not asked in this run"],
)
def test_an_approval_step_that_ended_as_the_plan_wants_it_lets_what_comes_after_it_go_on(left):
    ensure_steps_approved({"ti": Xcoms({("database.ask", "step"): signed(left, DAG, RUN, "database.ask")})}, ASKED)


def test_a_wave_that_was_not_chosen_is_skipped():
    waves = {"database": {"selected": False, "targets": []}}

    with pytest.raises(AirflowSkipException, match="wave database was not chosen for this run"):
        start().prepare(after({**PASSED, "waves": waves}))


def test_a_start_task_that_was_only_marked_as_successful_is_no_launch():
    watch = WatchWave(
        task_id="recovery_job", plan="shop", wave="database", start_task_ids=["database.start_recovery"], timeout=60
    )

    with pytest.raises(AirflowFailException) as refused:
        watch.prepare(after(PASSED))

    assert str(refused.value) == (
        "wave database: no record of a started job. A start task that was marked as successful launched nothing; clear "
        "it to launch the wave"
    )


SHARED = {"server_id": DB1["server_id"], "hostname": "db1", "critical": True}
LAUNCHED = {**SHARED, "status": "launched", "reason": None, "instance_id": "i-1"}
FAILED = {**SHARED, "status": "failed", "reason": "LAUNCH_FAILED: no capacity"}


def results(*servers):
    return ServerResults.from_json(list(servers)).to_json()


@pytest.mark.parametrize(
    ("left", "error", "said"),
    [
        pytest.param(
            {"w/servers": results(FAILED)},
            AirflowFailException,
            "db1: LAUNCH_FAILED: no capacity",
            id="the wave failed",
        ),
        pytest.param(
            {"w/servers": results(FAILED), "w/return_value": {"verdict": "completed_with_exceptions"}},
            AirflowSkipException,
            "db1: LAUNCH_FAILED: no capacity (the wave tolerates it)",
            id="tolerated",
        ),
        pytest.param({}, AirflowFailException, "db1: the wave's job left no result for it", id="no result"),
    ],
)
def test_a_server_that_is_not_up_shows_it(left, error, said):
    with pytest.raises(error) as shown:
        ServerOutcome(task_id="servers", server=DB1, watch_task_id="w").execute(context(**left))

    assert str(shown.value) == said


def test_a_server_that_is_up_is_a_success_labelled_with_its_hostname():
    found = context(**{"w/servers": results(LAUNCHED)})

    assert ServerOutcome(task_id="servers", server=DB1, watch_task_id="w").execute(found)["instance_id"] == "i-1"
    assert found["server_name"] == "db1"


@pytest.mark.parametrize("verdict", ["passed", "completed", "completed_with_exceptions"])
def test_a_good_verdict_ends_green(verdict):
    report = {"verdict": verdict, "reason": "because", "json_path": "report.json", "html_path": "report.html"}

    assert SayVerdict(task_id="verdict", report_task_id="r").execute(context(**{"r/return_value": report})) == verdict


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            {"verdict": "failed", "reason": "Wave web failed", "json_path": "report.json", "html_path": "report.html"},
            "failed: Wave web failed. Report: report.html",
        ),
        (
            {
                "verdict": "cancelled",
                "reason": "Ann rejected the recovery",
                "json_path": "report.json",
                "html_path": "report.html",
            },
            "cancelled: Ann rejected the recovery. Report: report.html",
        ),
        (
            {"verdict": "unheard of", "reason": "", "json_path": "report.json", "html_path": "r"},
            "unheard of: . Report: r",
        ),
        (None, "report missing: the result of the run is unknown; see the report task's log"),
    ],
)
def test_every_other_verdict_ends_red(report, said):
    with pytest.raises(AirflowFailException) as failed:
        SayVerdict(task_id="verdict", report_task_id="r").execute(context(**{"r/return_value": report}))

    assert str(failed.value) == said
