"""The tasks that ask people, leg by leg: what they ask, whose answer they take, what they leave."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput
from drs_provider.dag import hand_over
from drs_provider.dag.people.ask import AskApproval, AskBeforeWave, WaitBeforeWave
from drs_provider.dag.people.question_text import RunProgress
from drs_provider.formatting import instant_words
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import Pause, ProtectionGroup, RecoveryPlan, WebhookNotification
from drs_provider.rules.run.approvals import Policy
from drs_provider.rules.run.handover import Asked, ServerResults
from drs_provider.rules.run.shape import compile_shape
from kit.receivers import WebhookReceiver
from kit.signatures import signed_xcoms, unsigned

pytestmark = pytest.mark.airflow

POLICY = Policy(2, ("ann", "bob", "cyd"), timedelta(minutes=30), always=True, four_eyes=True)
AT = "2026-11-22T05:00:00+00:00"
IDS = ("preflight.approval", "preflight.approval_2")
SERVERS = [
    {
        "server_id": "s-1",
        "hostname": "db1",
        "point": {"snapshot_id": "pit-1", "at": "2026-11-22T04:00:00+00:00", "why": "source_unreachable"},
    },
    {"server_id": "s-2", "hostname": "db2"},
]
CHECKED = {
    "plan": "shop",
    "digest": "digest",
    "passed": True,
    "mode": "recovery",
    "reason": "{{ 7 * 7 }} *fire*",
    "point_in_time": "latest",
    "needs_approval": True,
    "too_old": ["db1"],
    "replace_live_instances": False,
    "checked_at": "2026-11-22T05:00:00+00:00",
    "findings": [{"severity": "warning", "hostname": "db1", "what": "STALLED", "next_step": "go on"}],
    "waves": {
        "database": {
            "selected": True,
            "targets": [{"aws_conn_id": "aws_default", "region": "us-west-2", "servers": SERVERS}],
        },
        "web": {"selected": False, "targets": []},
    },
}


def shape(rto=None):
    written = {"kind": "RecoveryPlan", "name": "shop", "rto": rto, "drill": {"network": "shared"}}
    plan = RecoveryPlan.model_validate({**written, "waves": [{"name": "database", "groups": ["db"]}, {"name": "web"}]})
    group = ProtectionGroup.model_validate({"kind": "ProtectionGroup", "name": "db", "region": "us-west-2"})
    return compile_shape(RunnablePlan(plan, {"db": group}, Path("shop.yaml"), "digest"))


class Store(dict):
    """The task state store: survives retries and clears."""

    def set(self, key, value, *, retention=None):
        self[key] = value


class Ti:
    """A task instance: XComs of the whole run, pushed under its own task."""

    def __init__(self, task_id, left, try_number=1):
        self.id, self.task_id, self.left, self.try_number = "ti-1", task_id, left, try_number
        self.max_tries, self.dag_id, self.run_id, self.map_index, self.states = 2, "drs.shop", "manual__1", -1, {}

    def get_task_states(self, *, dag_id, run_ids):
        return {run_ids[0]: self.states}

    def xcom_pull(self, task_ids, key="return_value"):
        return self.left.get((task_ids, key))

    def xcom_push(self, key, value):
        self.left[self.task_id, key] = value


@pytest.fixture
def asked(monkeypatch):
    """What was written as Airflow's human-in-the-loop request."""
    requests = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **request: requests.append(request))
    return requests


def context(task, preflight=None, *, triggered_by="ann", try_number=1, **left):
    xcoms = {("preflight.check", "preflight"): {**CHECKED, **(preflight or {})}}
    xcoms |= {tuple(name.rsplit("/", 1)): value for name, value in left.items()}
    ti = Ti(task.task_id, signed_xcoms(xcoms, "drs.shop", "manual__1"), try_number)
    began = datetime.now(UTC) - timedelta(minutes=12, seconds=3)
    run = SimpleNamespace(
        triggering_user_name=triggered_by, run_id="manual__1", dag_id="drs.shop", start_date=began, run_after=began
    )
    return {"ti": ti, "task_instance": ti, "dag_run": run, "task_state_store": Store()}


def approval(number=1):
    task = AskApproval(task_id=IDS[number - 1], plan="shop", policy=POLICY, number=number, task_ids=IDS)
    task.know(shape())
    return task


def pause(wave="database", rto=None, **changes):
    asking = Pause.model_validate({"message": "Is it up?", "approvers": ["bob"], "timeout": "2h", **changes})
    task = AskBeforeWave(task_id=f"{wave}.pause", plan="shop", wave=wave, pause=asking)
    task.know(shape(rto))
    return task


def answered(option, who, **changes):
    user = {"id": "7", "name": who} if who else None
    at = datetime(2026, 11, 22, 5, 9, tzinfo=UTC)
    return {"chosen_options": [option], "params_input": {}, "responded_at": at, "responded_by_user": user} | changes


EXPIRED = {"error": "The response timeout has passed", "error_type": "timeout"}


def test_an_approval_says_what_it_launches_and_what_speaks_against_it(asked):
    task = approval()

    here = context(task)
    with pytest.raises(TaskAwaitingInput) as waits:
        task.execute(here)

    (request,) = asked
    began = instant_words(here["dag_run"].start_date)
    assert request["subject"] == "Recover shop? Approval 1 of 2"
    assert request["options"] == ["Approve", "Reject"]
    assert request["assigned_users"] == [{"id": name, "name": name} for name in ("bob", "cyd")]
    assert request["body"] == (
        "**A real recovery of shop**, requested by ann: \\{\\{ 7 \\* 7 \\}\\} \\*fire\\*\n"
        "\n"
        "Once approved, these servers are launched as production. They are not cleaned up; the source is not changed.\n"
        "\n"
        "| wave | servers | of which pinned | where |\n"
        "|---|---|---|---|\n"
        "| database | 2 | 1 | us-west-2 of connection aws\\_default |\n"
        "\n"
        "- Pinned servers hold data from 2026-11-22 04:00:00 UTC to 2026-11-22 04:00:00 UTC.\n"
        "- **Older than recovery.max_lag allows** (1): db1.\n"
        "\n"
        "Preflight has 1 warning:\n"
        "\n"
        "- db1: STALLED; go on\n"
        "\n"
        f"The run began at {began}; the plan has no RTO.\n"
        "\n"
        "2 must approve, of: ann, bob, cyd. Who triggered the run does not count. "
        "Without an answer within 30m nothing is launched."
    )
    assert round(waits.value.timeout.total_seconds()) == 1800


def test_a_pause_says_how_far_the_run_is_and_what_comes_next(asked):
    web = {"selected": True, "targets": [{"aws_conn_id": "a", "region": "r", "servers": SERVERS[:1]}]}
    results = [
        {"server_id": "s-1", "hostname": "db1", "critical": True, "job_id": "drsjob-1", "status": "launched"},
        {"server_id": "s-2", "hostname": "db2", "critical": False, "job_id": "drsjob-1", "status": "failed"},
    ]
    task = pause("web", "45m")
    here = context(
        task,
        {"mode": "drill", "waves": {**CHECKED["waves"], "web": web}},
        **{
            "database.recovery_job/servers": ServerResults.from_json(results),
            "database.recovery_job/return_value": {"verdict": "completed_with_exceptions", "servers": results},
        },
    )
    here["ti"].states = {
        "preflight.check": "success",
        "database.start_recovery": "success",
        "database.recovery_job": "success",
        "web.pause": "running",
    }

    with pytest.raises(TaskAwaitingInput):
        task.execute(here)

    began = here["dag_run"].start_date
    body = re.sub(r"^At .* UTC:$", "At NOW:", asked[0]["body"], flags=re.MULTILINE)
    assert body == (
        "**Is it up?**\n"
        "\n"
        "*Continue* launches wave web of this drill, 1 server: db1.\n"
        "*Stop* launches neither this wave nor those after it; what is up is left to the run's own clean-up.\n"
        "\n"
        "At NOW:\n"
        "\n"
        "| wave | state | servers up | failed |\n"
        "|---|---|---|---|\n"
        "| database | completed with exceptions | 1 of 2 | 1 |\n"
        "| web | **next** | of 1 | |\n"
        "\n"
        f"The run began at {instant_words(began)}; its RTO of 45m ends at "
        f"{instant_words(began + timedelta(minutes=45))}.\n"
        "\n"
        "Asked: bob. Without an answer within 2h the run fails."
    )


@pytest.mark.parametrize(
    ("rto", "said"),
    [
        (None, "The run began at 2026-11-22 05:00:00 UTC; the plan has no RTO."),
        (
            timedelta(hours=1),
            "The run began at 2026-11-22 05:00:00 UTC; its RTO of 1h ends at 2026-11-22 06:00:00 UTC.",
        ),
        (
            timedelta(minutes=45),
            (
                "**The run began at 2026-11-22 05:00:00 UTC, and its RTO of 45m ended at 2026-11-22 05:45:00 UTC: it "
                "is missed.**"
            ),
        ),
    ],
)
def test_a_question_sets_instants_against_the_rto_for_airflow_never_changes_it(rto, said):
    began = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    assert RunProgress((), began, began + timedelta(minutes=50), rto).in_words() == said


def test_a_drill_is_not_asked_even_where_only_this_task_was_cleared(asked):
    task = approval()

    with pytest.raises(AirflowSkipException):
        task.execute(context(task, {"mode": "drill", "needs_approval": False}))

    assert asked == []


@pytest.mark.parametrize("who", ["ann", "eve", None])
def test_an_answer_that_does_not_count_is_asked_for_again_and_leaves_nothing(asked, who):
    task = approval()
    given = context(task)

    with pytest.raises(TaskAwaitingInput):
        task.execute_complete(given, answered("Approve", who))

    assert len(asked) == 1
    assert (task.task_id, "answer") not in given["ti"].left


def test_the_second_approval_is_for_another_person_and_within_the_time_of_the_first(asked):
    task = approval(2)
    began = datetime.now(UTC) - timedelta(minutes=20)
    first = {
        "preflight.approval/answer": {"chosen": "Approve", "by": "bob", "at": began.isoformat()},
        "preflight.approval/asked": {"at": began.isoformat(), "until": began.isoformat(), "try": 1},
    }

    with pytest.raises(TaskAwaitingInput) as waits:
        task.execute(context(task, **first))
    with pytest.raises(TaskAwaitingInput):
        task.execute_complete(context(task, **first), answered("Approve", "bob"))
    given = context(task, **first)
    task.execute_complete(given, answered("Approve", "cyd"))

    assert [user["id"] for user in asked[0]["assigned_users"]] == ["cyd"]
    assert timedelta(minutes=9) < waits.value.timeout <= timedelta(minutes=10)
    assert unsigned(given["ti"].left[task.task_id, "answer"]) == {
        "version": 1,
        "chosen": "Approve",
        "by": "cyd",
        "at": "2026-11-22T05:09:00Z",
        "checked_at": "2026-11-22T05:00:00Z",
        "expired": False,
        "comment": None,
    }


def test_being_asked_again_gives_no_more_time_and_clearing_does(asked):
    until = (datetime.now(UTC) + timedelta(minutes=3)).isoformat()
    before = {"preflight.approval/asked": {"at": "2026-11-22T05:00:00+00:00", "until": until, "try": 1}}
    waited = []
    for number in (1, 2):
        task = approval()
        with pytest.raises(TaskAwaitingInput) as waits:
            task.execute(context(task, try_number=number, **before))
        waited.append(round(waits.value.timeout.total_seconds() / 60))

    assert waited == [3, 30]


@pytest.mark.parametrize(
    ("task", "event", "said"),
    [
        pytest.param(
            approval(), answered("Reject", "bob"), "bob rejected the recovery; nothing was launched", id="rejected"
        ),
        pytest.param(
            approval(),
            EXPIRED,
            "no approval of the recovery within 30m; nothing was launched. Clear this task with everything downstream "
            "to ask again",
            id="an approval expired",
        ),
        pytest.param(
            pause(),
            answered("Stop", "bob"),
            "bob stopped the run before wave database; nothing of it was launched",
            id="stopped",
        ),
        pytest.param(
            pause(),
            EXPIRED,
            "no answer before wave database within 2h, and on_timeout is fail; nothing of it was "
            "launched. Clear this task with everything downstream to ask again",
            id="a pause expired",
        ),
        pytest.param(
            pause(),
            {"error": "bad form", "error_type": "unknown"},
            "Airflow could not take the answer: bad form; clear this task to ask again",
            id="an answer that Airflow could not take",
        ),
    ],
)
def test_an_end_without_consent_fails_the_task_for_good(asked, task, event, said):
    with pytest.raises(AirflowFailException) as failed:
        task.execute_complete(context(task), event)

    assert str(failed.value) == said


def test_a_no_stays_a_no_when_airflow_tries_again_and_is_asked_anew_when_somebody_clears(asked):
    task = approval()
    given = context(task, **{"preflight.approval/asked": {"at": AT, "until": AT, "try": 1}})
    with pytest.raises(AirflowFailException):
        task.execute_complete(given, answered("Reject", "bob"))
    answer = given["ti"].left.pop((task.task_id, "answer"))
    given["ti"].try_number = 2

    with pytest.raises(AirflowFailException) as failed:
        task.execute(given)

    assert str(failed.value) == "bob rejected the recovery; nothing was launched"
    assert unsigned(given["ti"].left[task.task_id, "answer"]) == unsigned(answer)
    assert asked == []
    given["ti"].max_tries, given["ti"].try_number = 4, 3
    with pytest.raises(TaskAwaitingInput):
        task.execute(given)
    assert len(asked) == 1


def test_a_yes_stays_a_yes_with_its_question_when_airflow_tries_again_after_it(asked, monkeypatch):
    """Airflow takes a task for lost whose answer overtakes the news that it asked, and removes what it left."""
    monkeypatch.setattr(hand_over, "hand_over", lambda *_: None)
    task = pause()
    question = {"at": AT, "until": AT, "try": 1}
    given = context(task, **{"database.pause/asked": question})
    task.execute_complete(given, answered("Continue", "bob"))
    left = {key: given["ti"].left.pop((task.task_id, key)) for key in ("asked", "answer")}
    given["ti"].try_number = 2

    task.execute(given)

    assert asked == []
    again = {key: unsigned(given["ti"].left[task.task_id, key]) for key in left}
    assert Asked.from_json(again["asked"]) == Asked.from_json(unsigned(left["asked"]))
    assert (again["answer"], again["answer"]["by"]) == (unsigned(left["answer"]), "bob")


def test_a_pause_that_may_expire_goes_on_and_says_that_nobody_answered(asked):
    task = pause(on_timeout="continue")
    given = context(task)

    task.execute_complete(given, answered("Continue", None, timedout=True))

    answer = given["ti"].left[task.task_id, "answer"]
    assert (answer["chosen"], answer["by"], answer["expired"]) == ("Continue", None, True)


def test_a_pause_before_a_wave_that_launches_nothing_asks_nobody(asked):
    task = pause("web")

    with pytest.raises(AirflowSkipException):
        task.execute(context(task))


@pytest.mark.parametrize("mode", ["check", "reprotect"])
def test_a_run_that_launches_nothing_pauses_and_waits_for_nobody_who_ever_clears_the_task(asked, mode):
    wait = WaitBeforeWave(task_id="database.delay", plan="shop", wave="database", delay=timedelta(hours=1))
    for task in (pause(), wait):
        with pytest.raises(AirflowSkipException, match=r" launches nothing$"):
            task.execute({**context(task, {"mode": mode}), "params": {"mode": mode}})

    assert asked == []


def test_a_question_is_told_once_for_each_time_that_it_is_asked(asked, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    receiver = WebhookReceiver()
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", f'{{"conn_type": "http", "host": "http://127.0.0.1:{receiver.port}"}}')
    task = pause()
    task.notify = (WebhookNotification(kind="webhook", http_conn_id="chat"),)
    here = {**context(task), "params": {"mode": "drill"}}
    try:
        for _ in range(2):  # Airflow tries the task again
            with pytest.raises(TaskAwaitingInput):
                task.execute(here)
        assert len(receiver.requests) == 1
        here["ti"].max_tries += 2  # somebody clears it
        with pytest.raises(TaskAwaitingInput):
            task.execute(here)
    finally:
        receiver.close()

    first, second = receiver.bodies
    assert first["question"] | {"until": ""} == {
        "task_id": "database.pause",
        "text": "Is it up?",
        "people": ["bob"],
        "options": ["Continue", "Stop"],
        "until": "",
        "otherwise": "the run fails",
        "url": "https://airflow.example/dags/drs.shop/runs/manual__1/tasks/database.pause/"
        "required_actions?map_index=-1",
    }
    assert (first["wave"], first["headline"]) == ("database", "waits for an answer before wave database")
    assert second["question"]["task_id"] == "database.pause"
    assert [told["outcome"] for told in here["ti"].left["database.pause", "told"]["records"]] == ["sent"]


def test_a_question_is_asked_also_where_nobody_can_be_told(asked, monkeypatch):
    task = pause()
    task.notify = (WebhookNotification(kind="webhook", http_conn_id="nowhere"),)

    with pytest.raises(TaskAwaitingInput):
        task.execute(context(task))  # without params: telling breaks

    assert len(asked) == 1
