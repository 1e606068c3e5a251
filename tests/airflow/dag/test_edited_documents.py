"""Somebody who may not approve anything edits XComs and the task state store between the tasks of a run."""

from datetime import UTC, datetime

import pytest
from drs_provider.dag import hand_over
from drs_provider.rules.run.handover import RecordedAnswer, StepResult
from kit.dag_runs import SHOP, calls, instances
from kit.edited_runs import Clear, before, nobody, run_edited

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

SID = "s-000000000000000{}"
WEB = [SID.format(11), SID.format(12)]
GO = {"mode": "recovery", "confirm": "shop", "reason": "because I can"}
APPROVED = SHOP.replace("rpo: 5m\n", "recovery: {approval: {required: 2, approvers: [ann, bob, cyd], timeout: 90s}}\n")
ASKED = SHOP.replace(
    "  - {name: web, groups: [web]}",
    "  - name: web\n    groups: [web]\n    before: [{kind: approval, name: go, message: Sure?, approvers: [ann]}]",
)
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"
UNSIGNED = "it has no signature, so it was not written by this run's own tasks"
PREFLIGHT, CLEAN_UP = "XCom preflight of preflight.check", "finish.clean_up"
AT = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def edited(plans, simulator, tmp_path):
    """Run a plan while somebody edits; see ``run_edited``."""

    def run(text=SHOP, *, mode="drill", edit=nobody, conf=None, **more):
        asked = {**(GO if mode == "recovery" else {"mode": mode}), **(conf or {})}
        return run_edited(simulator, plans, tmp_path / "reports", text, asked, edit=edit, **more)

    return run


@pytest.fixture
def production(simulator):
    """The two web servers, recovered for real before."""
    drs = simulator.client("drs")
    drs.start_recovery(isDrill=False, sourceServers=[{"sourceServerID": server} for server in WEB])
    simulator.advance("30m")
    (job,) = drs.describe_jobs(filters={})["items"]
    return job["jobID"], sorted(instances(simulator))


def started(simulator):
    return [call["request"]["isDrill"] for call in calls(simulator, "StartRecovery")]


def running(simulator):
    return sorted(name for name, state in instances(simulator).items() if state != "terminated")


def test_a_run_that_nobody_edits_is_as_it_was(edited, simulator):
    ended = edited()

    assert (ended.verdict, ended.report.edited) == ("passed", ())
    assert started(simulator) == [True, True]
    assert running(simulator) == []


# -- a drill becomes a recovery ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mode": "recovery"}, EDITED),
        ({"mode": "recovery", "signature": None}, UNSIGNED),
        ({"replace_live_instances": True}, EDITED),
        (lambda _left: {"mode": "recovery", "passed": True}, UNSIGNED),
        (lambda _left: "recovery", UNSIGNED),
    ],
)
def test_a_drill_whose_preflight_is_edited_starts_nothing_more_and_is_cleaned_up(
    edited, simulator, monkeypatch, change, problem
):
    monkeypatch.setattr(hand_over, "is_dag_paused", lambda _: True)  # the wave has not begun when it is edited
    edit = before("web.start_recovery", lambda places: places.edit("preflight.check", "preflight", change))

    ended = edited(APPROVED, edit=edit)

    assert started(simulator) == [True]
    assert ended.verdict == "failed"
    assert str(ended.said("web.start_recovery")) == (
        f"the result of preflight ({PREFLIGHT}) cannot be read: {problem}. Airflow's audit log says who edited it: "
        "clear preflight.check, to write it again"
    )
    assert ended.edited == {PREFLIGHT: problem}
    assert running(simulator) == []


@pytest.mark.parametrize("change", [{"mode": "recovery"}, {"signature": None}])
def test_settings_of_a_drill_whose_preflight_is_edited_are_put_back(edited, simulator, change):
    text = SHOP.replace("select: {tags: {Tier: web}}", "select: {tags: {Tier: web}}\nlaunch: {copy_private_ip: true}")
    drs = simulator.client("drs")

    def settings():
        names = [server["sourceServerID"] for server in drs.describe_source_servers(filters={})["items"]]
        return [drs.get_launch_configuration(sourceServerID=name)["copyPrivateIp"] for name in names]

    known = settings()
    edited(text, edit=before("web.start_recovery", lambda places: places.edit("preflight.check", "preflight", change)))

    assert len(calls(simulator, "UpdateLaunchConfiguration")) >= 2
    assert settings() == known
    tags = [server["tags"] for server in drs.describe_source_servers(filters={})["items"]]
    assert not [tag for each in tags for tag in each if tag.startswith("drs-orchestrator:before-drill")]


def test_preflight_of_another_run_of_the_plan_is_not_this_runs(edited, simulator):
    theirs = []

    def take(places):
        theirs.append(places.get(("xcom", "preflight.check", "preflight")))

    edited(edit=before("database.start_recovery", take), run_id="theirs")
    begun = len(started(simulator))
    ended = edited(
        conf={"waves": ["web"]},
        edit=before(
            "web.start_recovery", lambda places: places.put(("xcom", "preflight.check", "preflight"), theirs[0])
        ),
    )

    assert len(started(simulator)) == begun
    assert EDITED in ended.said("web.start_recovery")
    assert ended.edited == {PREFLIGHT: EDITED}


def test_a_document_under_another_key_or_of_another_task_is_not_believed(edited, simulator):
    def swap(places):
        places.put(("xcom", "web.start_recovery", "launch"), places.get(("xcom", "database.start_recovery", "launch")))

    ended = edited(edit=before("web.recovery_job", swap))

    assert ended.verdict == "failed"
    assert EDITED in ended.said("web.recovery_job")
    assert ended.edited == {"XCom launch of web.start_recovery": EDITED}
    assert running(simulator) == []


# -- approvals that nobody gave ---------------------------------------------------------------------------------------


def by_hand(who, places):
    checked = places.get(("xcom", "preflight.check", "preflight"))
    answer = RecordedAnswer(chosen="Approve", by=who, at=checked["checked_at"], checked_at=checked["checked_at"])
    return answer.to_json()


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "with the signature of another document"])
def test_one_person_alone_cannot_approve_for_two(edited, simulator, signed):
    approvals = {"preflight.approval": "ann", "preflight.approval_2": "bob"}

    def forge(task, places):
        if who := approvals.get(task):
            answer = by_hand(who, places)
            if signed:
                answer["signature"] = places.get(("xcom", "preflight.check", "preflight"))["signature"]
            places.put(("xcom", task, "answer"), answer)

    ended = edited(APPROVED, mode="recovery", edit=forge, marked=approvals, answers=False)

    assert started(simulator) == []
    assert ended.verdict == "failed"
    said = EDITED if signed else UNSIGNED
    assert f"the recorded answer (XCom answer of preflight.approval) cannot be read: {said}" in str(
        ended.said("database.start_recovery")
    )
    assert "XCom answer of preflight.approval" in ended.edited


def test_people_who_answer_let_the_recovery_start(edited, simulator):
    ended = edited(APPROVED, mode="recovery")

    assert ended.verdict == "completed"
    assert started(simulator) == [False, False]


@pytest.mark.parametrize("state", ["succeeded", "skipped"])
def test_an_approval_step_is_not_answered_by_hand(edited, simulator, state):
    result = StepResult(name="go", kind="approval", state=state, started_at=AT, ended_at=AT, summary="approved by ann")

    def forge(task, places):
        if task == "web.go":
            places.put(("xcom", task, "step"), result.to_json())

    ended = edited(ASKED, edit=forge, marked=["web.go"], answers=False)

    assert started(simulator) == [True]
    assert f"the result of a step (XCom step of web.go) cannot be read: {UNSIGNED}" in ended.said("web.start_recovery")
    assert ended.verdict == "failed"
    assert "XCom step of web.go" in ended.edited


def test_an_approval_step_that_nobody_answered_is_not_approved_by_marking_it(edited, simulator):
    ended = edited(ASKED, forgiven=["web.go"], answers=False)

    assert ended.states["web.go"] == "success"
    assert started(simulator) == [True]
    assert str(ended.said("web.start_recovery")) == (
        "web.go ended without an agreement: not approved within 10m: ann must approve; clear this task with everything "
        "downstream to ask again (a task that is marked as successful approves nothing). Nothing was done; clear "
        "web.go with everything downstream to ask again"
    )
    assert ended.verdict == "failed"


# -- what is destroyed ------------------------------------------------------------------------------------------------


def test_a_clean_up_that_is_told_of_productions_instances_terminates_none_of_them(edited, simulator, production):
    _, theirs = production

    def replace(task, places):
        if task == CLEAN_UP:
            targets = {"instances": dict(zip(theirs, WEB, strict=True))}
            places.put(("task_state_store", CLEAN_UP, "drs_targets"), targets)

    ended = edited(conf={"waves": ["database"]}, edit=replace)

    assert set(theirs) <= set(running(simulator))
    assert ended.verdict == "failed"
    assert f"(task state store entry drs_targets of {CLEAN_UP}) cannot be read: {UNSIGNED}" in ended.said(CLEAN_UP)


def test_a_clean_up_that_is_told_of_productions_job_terminates_what_the_run_has_launched(edited, simulator, production):
    job, theirs = production

    def replace(places):
        places.edit(
            "database.start_recovery",
            "launch",
            lambda left: {**left, "jobs": [{**left["jobs"][0], "job_id": job, "servers": WEB}]},
        )

    ended = edited(conf={"waves": ["database"]}, edit=before(CLEAN_UP, replace))

    assert running(simulator) == theirs
    assert ended.edited == {"XCom launch of database.start_recovery": EDITED}
    assert ended.verdict != "passed"


def test_volumes_of_others_are_not_deleted(edited, simulator):
    ec2 = simulator.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=8)["VolumeId"]

    def replace(task, places):
        if task == CLEAN_UP:
            parts = {"volumes": [volume], "interfaces": []}
            places.put(("task_state_store", CLEAN_UP, "drs_parts"), parts)

    ended = edited(conf={"waves": ["web"]}, edit=replace)

    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    assert f"(task state store entry drs_parts of {CLEAN_UP}) cannot be read: {UNSIGNED}" in ended.said(CLEAN_UP)
    assert ended.verdict == "failed"


# -- older values of the same place, put back after somebody has cleared the run --------------------------------------


def put_back(*tasks, before):
    """Put the first value that these tasks left in each place back, before a task's first leg."""

    def edit(task, places):
        if task in before:
            for place, values in places.former.items():
                if place[0] == "xcom" and place[1] in tasks:
                    places.put(place, values[0])

    return edit


def older(task, key):
    return {
        f"XCom {key} of {task}": "it is an older one: try 1 of the task wrote it, and Airflow says that try 2 has "
        "begun since; somebody has put it back"
    }


def test_approvals_of_an_earlier_preflight_do_not_come_back_with_it(edited, simulator):
    approvals = ("preflight.approval", "preflight.approval_2")
    first = before("database.start_recovery", lambda places: places.drop(("xcom", "preflight.check", "preflight")))
    replay = put_back("preflight.check", *approvals, before=("database.start_recovery", "finish.report"))

    ended = edited(APPROVED, mode="recovery", edit=first, cleared=Clear(edit=replay, answers=False, marked=approvals))

    assert started(simulator) == []
    assert ended.verdict == "failed"
    assert older("preflight.check", "preflight").items() <= ended.edited.items()


def test_a_verdict_of_an_earlier_try_does_not_come_back(edited, simulator):
    """A drill that passed and was cleaned up does not begin anew when somebody clears it: it is refused."""
    replay = put_back("finish.report", before=("finish.verdict",))

    ended = edited(conf={"waves": ["database"]}, cleared=Clear(edit=replay))

    assert started(simulator) == [True]
    assert ended.states["finish.verdict"] == "failed"
    (why,) = older("finish.report", "return_value").values()
    assert why in ended.said("finish.verdict")


def test_a_cleared_run_that_nobody_edits_believes_what_its_newest_tries_wrote(edited, simulator):
    first = before("database.start_recovery", lambda places: places.drop(("xcom", "preflight.check", "preflight")))

    ended = edited(APPROVED, mode="recovery", conf={"waves": ["database"]}, edit=first, cleared=Clear())

    assert (ended.verdict, ended.edited) == ("completed_with_exceptions", {})  # a wave was not chosen
    assert started(simulator) == [False]


# -- orders, results and verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cancel", "skip", "continue"])
def test_an_order_that_was_written_past_the_server_is_not_obeyed_and_told_in_the_report(edited, simulator, kind):
    order = {"version": 2, "kind": kind, "message": f"{kind} ordered by dr-lead"}

    def write(places):
        places.put(("task_state_store", "web.start_recovery", "drs_order"), order)

    ended = edited(edit=before("web.start_recovery", write))

    where = "task state store entry drs_order of web.start_recovery"
    assert started(simulator) == [True, True]
    assert ended.edited == {where: UNSIGNED}
    assert ended.report.verdict == "completed_with_exceptions"
    assert f"T{where[1:]} was not believed: {UNSIGNED}" in ended.report.verdict_reason
    assert any(entry.what == f"{where} not believed: {UNSIGNED}" for entry in ended.report.timeline)


def test_the_record_of_orders_is_not_filled_by_hand(edited):
    order = {"kind": "cancel", "by": "dr-lead", "at": AT.isoformat(), "message": "cancelled by dr-lead"}
    where = "task state store entry drs_given_orders of finish.report"

    def write(places):
        places.put(("task_state_store", "finish.report", "drs_given_orders"), {"version": 2, "orders": [order]})

    ended = edited(edit=before("finish.report", write))

    assert (ended.report.orders, ended.edited) == ((), {where: UNSIGNED})


def better(left):
    return {**left, "servers": [{**server, "status": "launched", "reason": None} for server in left["servers"]]}


@pytest.mark.parametrize(
    ("task", "key", "change"),
    [
        ("database.recovery_job", "servers", better),
        ("database.recovery_job", "return_value", lambda _left: {"verdict": "completed", "launched": 3}),
        ("database.recovery_job", "error", lambda _left: None),
    ],
)
def test_a_wave_that_failed_is_not_made_good_before_the_report(edited, simulator, task, key, change):
    simulator.fault({"service": "drs", "hostname": "db2", "do": "fail_silently"})

    ended = edited(
        edit=before(
            "finish.report",
            lambda places: places.put(("xcom", task, key), change(places.get(("xcom", task, key)))),
        )
    )

    assert ended.report.verdict == "failed"
    assert ended.states["finish.verdict"] == "failed"


def test_a_verdict_is_not_made_good_after_the_report(edited, simulator):
    simulator.fault({"service": "drs", "hostname": "db2", "do": "fail_silently"})

    ended = edited(
        edit=before(
            "finish.verdict", lambda places: places.edit("finish.report", "return_value", {"verdict": "passed"})
        )
    )

    assert ended.states["finish.verdict"] == "failed"
    assert f"(XCom return_value of finish.report) cannot be read: {EDITED}" in ended.said("finish.verdict")
