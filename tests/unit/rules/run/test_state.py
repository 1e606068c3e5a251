"""The state of a run: whole states from tables, and what holds whatever Airflow and the documents say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run.handover import (
    CleanedUp,
    CleanedUpInstance,
    Document,
    FailureMessage,
    FollowedJob,
    FollowedJobs,
    FoundLaunches,
    LaterLaunches,
    Launch,
    LaunchedJob,
    Leftovers,
    LostInstance,
    PreflightFinding,
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
    RecordedAnswer,
    RunOrder,
    ServerResults,
    StepResult,
    Superseded,
    WaveVerdict,
    WrittenReport,
)
from drs_provider.rules.run.state import vocabulary
from drs_provider.rules.run.state.run_state import RunState, WaveState, ended_status, state_of
from drs_provider.rules.run.state.snapshot import (
    RunSnapshot,
    left_in,
    outline_of_edges,
    tasks_from_instances,
    tasks_from_states,
)
from drs_provider.rules.run.state.task_states import TaskPhase, TaskSnapshot, is_active, phase_of, was_sent
from drs_provider.rules.run.state.vocabulary import (
    CleanupStatus,
    PreflightStatus,
    RunStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
STOP_WORDS = "cancelled by ann: wrong network"
SKIP_WORDS = "wave app skipped by ann"
PAST_WORDS = "continued past failed wave db by ann: the desk waits"
TAKEN = "a recovery of db1 has begun"

EDGES = {
    "preflight.check": set(),
    "preflight.approval": {"preflight.check"},
    "preflight.network": {"preflight.check"},
    "preflight.notifications": {"preflight.check"},
    "before_waves.freeze": {"preflight.approval"},
    "db.launch_settings": {"preflight.check"},
    "db.start_recovery": {"before_waves.freeze", "db.launch_settings"},
    "db.start_recovery_2": {"before_waves.freeze"},
    "db.recovery_job": {"db.start_recovery", "db.start_recovery_2"},
    "db.servers": {"db.start_recovery"},
    "db.servers_2": {"db.start_recovery_2"},
    "db.tag_instances": {"db.recovery_job"},
    "db.notifications": {"db.recovery_job"},
    "app.delay": {"db.recovery_job"},
    "app.pause": {"app.delay"},
    "app.stop-old": {"app.pause"},
    "app.start_recovery": {"app.stop-old"},
    "app.recovery_job": {"app.start_recovery"},
    "app.warm": {"app.recovery_job"},
    "app.check": {"app.warm"},
    "checks.first": {"app.check"},
    "checks.second": {"checks.first"},
    "after_waves.thaw": {"checks.second"},
    "finish.keep": {"after_waves.thaw"},
    "finish.clean_up": {"finish.keep"},
    "finish.clean_up_2": {"finish.keep"},
    "finish.look_over": {"finish.clean_up"},
    "finish.report": {"finish.look_over"},
    "finish.verdict": {"finish.report"},
}
OUTLINE = outline_of_edges(EDGES)


def server(name: str, **more: Any) -> PreflightServer:
    return PreflightServer(server_id=f"s-{name}", hostname=name, group="g", **more)


def targets(*servers: PreflightServer) -> tuple[PreflightTarget, ...]:
    return tuple(
        PreflightTarget(aws_conn_id="aws", region=str(n), servers=(server,)) for n, server in enumerate(servers)
    )


PREFLIGHT = PreflightResult(
    plan="shop",
    digest="d",
    passed=True,
    mode="drill",
    checked_at=NOW,
    needs_approval=False,
    excluded=(server("left-out"),),
    waves={
        "db": PreflightWave(selected=True, targets=targets(server("db1"), server("db2"))),
        "app": PreflightWave(selected=True, targets=targets(server("app1"))),
        "checks": PreflightWave(selected=True),
    },
)
CHECKED = {"preflight.check": (PREFLIGHT,)}
PASSED = dict.fromkeys(["preflight.check", "preflight.approval", "preflight.network", "before_waves.freeze"], "success")
DB_DONE = dict.fromkeys(["db.start_recovery", "db.start_recovery_2", "db.recovery_job"], "success")


def launch(*servers: str, job: str = "job-1") -> Launch:
    return Launch(jobs=(LaunchedJob(job_id=job, servers=tuple(f"s-{name}" for name in servers)),))


def result(name: str, reason: str | None = None, status: Any = None) -> ServerResult:
    return ServerResult(f"s-{name}", name, True, status or ("failed" if reason else "launched"), reason=reason)


def results(*servers: ServerResult) -> ServerResults:
    return ServerResults(servers=servers)


def verdict(word: Any) -> WaveVerdict:
    return WaveVerdict(verdict=word)


def step(state: Any, summary: str = "") -> StepResult:
    return StepResult(name="any", state=state, summary=summary)


def failure(words: str) -> FailureMessage:
    return FailureMessage(message=words)


def cancel() -> RunOrder:
    return RunOrder(kind="cancel", message=STOP_WORDS)


def answer(option: str, by: str | None = "ann") -> RecordedAnswer:
    return RecordedAnswer(chosen=option, by=by, at=NOW)


Documents = Mapping[str, tuple[Document, ...]]


def snapshot(states: Mapping[str, str | None] | None = None, left: Documents | None = None, **more: Any) -> RunSnapshot:
    documents = {(task, document.KEY): document.to_json() for task, found in (left or {}).items() for document in found}
    return RunSnapshot(OUTLINE, tasks_from_states(states or {}), left_in(documents), **more)


def state(states: Mapping[str, str | None] | None = None, left: Documents | None = None, **more: Any) -> RunState:
    return state_of(snapshot(states, left, **more))


def wave(name: str, states: Mapping[str, str | None], left: Documents | None = None, **more: Any) -> WaveState:
    found = state(states, left, **more).wave(name)
    assert found is not None
    return found


def judged(found: WaveState) -> tuple[str, str | None, str | None]:
    return found.status, found.cause, found.reason


# The launch of a wave.

BOTH = (result("db1"), result("db2"))
DB_LEFT = {**CHECKED, "db.start_recovery": (launch("db1"),), "db.start_recovery_2": (launch("db2", job="job-2"),)}
ERROR = "DRS said no"


@pytest.mark.parametrize(
    ("starts", "watch", "left", "more", "expected"),
    [
        ((None, None), None, {}, {}, ("waiting", None, None)),
        (("queued", "scheduled"), None, {}, {}, ("waiting", None, None)),
        (("running", None), None, {}, {}, ("launching", None, None)),
        (("up_for_retry", None), None, {}, {}, ("launching", None, None)),
        (("success", "deferred"), None, {}, {}, ("launching", None, None)),
        (("success", "skipped"), "deferred", {}, {}, ("launching", None, None)),
        (("success", "success"), "up_for_retry", {}, {}, ("launching", None, None)),
        (("success", "success"), "a word to come", {}, {}, ("launching", None, None)),
        (
            ("success", "success"),
            "deferred",
            {},
            {"is_last_look": True},
            ("launching", "no_result", "its recovery job is deferred"),
        ),
        (
            ("success", "success"),
            None,
            {},
            {"run_state": "failed"},
            ("launching", "no_result", "its recovery job is not watched yet"),
        ),
        ((None, None), None, {}, {"run_state": "failed"}, ("not_started", None, None)),
        (
            ("success", "success"),
            "success",
            {"db.recovery_job": (verdict("launched"), results(*BOTH))},
            {},
            ("launched", None, None),
        ),
        (
            ("success", "success"),
            "success",
            {"db.recovery_job": (verdict("launched"), results(result("db1")))},
            {},
            ("completed_with_exceptions", "servers", "not launched: db2"),
        ),
        (
            ("success", "success"),
            "success",
            {"db.recovery_job": (verdict("completed_with_exceptions"), results(result("db1"), result("db2", "full")))},
            {},
            ("completed_with_exceptions", "servers", "db2: full"),
        ),
        (
            ("success", "success"),
            "success",
            {"db.recovery_job": (verdict("completed_with_exceptions"), results(*BOTH))},
            {},
            ("completed_with_exceptions", "servers", "completed with exceptions"),
        ),
        (
            ("success", "success"),
            "success",
            {},
            {},
            ("unproven", "no_result", "db.recovery_job is marked as successful and left no result"),
        ),
        (
            ("success", "success"),
            "failed",
            {"db.recovery_job": (failure("db2: full"), results(result("db1"), result("db2", "full")))},
            {},
            ("failed", "servers", "db2: full"),
        ),
        (("success", "success"), "failed", {}, {}, ("failed", "task", "db.recovery_job failed; see its log")),
        (
            ("success", "success"),
            "failed",
            {"db.recovery_job": (failure(ERROR), cancel(), results(result("db1"), result("db2", STOP_WORDS)))},
            {},
            ("cancelled", "cancelled", STOP_WORDS),
        ),
        (
            ("success", "success"),
            "failed",
            {"db.recovery_job": (failure(ERROR), cancel(), results(result("db1", "full"), result("db2", STOP_WORDS)))},
            {},
            ("failed", "servers", ERROR),
        ),
        (
            ("success", "success"),
            "failed",
            {"db.recovery_job": (failure(ERROR), Superseded(message=TAKEN))},
            {},
            ("failed", "superseded", ERROR),
        ),
        (
            ("failed", "success"),
            "upstream_failed",
            {"db.start_recovery": (failure(ERROR),)},
            {},
            ("failed", "task", ERROR),
        ),
        (("failed", "running"), None, {}, {}, ("failed", "task", "db.start_recovery failed; see its log")),
        (
            ("failed", "failed"),
            "upstream_failed",
            {"db.start_recovery": (failure(STOP_WORDS), cancel()), "db.start_recovery_2": ()},
            {},
            ("not_started", "cancelled", STOP_WORDS),
        ),
        (
            ("failed", "success"),
            "upstream_failed",
            {"db.start_recovery": (failure(STOP_WORDS), cancel())},
            {},
            ("failed", "cancelled", STOP_WORDS),
        ),
        (
            ("failed", "upstream_failed"),
            "upstream_failed",
            {"db.start_recovery": (failure(f"{TAKEN}: stop"), Superseded(message=TAKEN)), "db.start_recovery_2": ()},
            {},
            ("not_started", "superseded", f"{TAKEN}: stop"),
        ),
        (
            ("skipped", "skipped"),
            "skipped",
            {},
            {},
            ("skipped", "not_chosen", "not chosen for this run, or none of its servers was left"),
        ),
        (
            ("skipped", "skipped"),
            "skipped",
            {"db.start_recovery": (RunOrder(kind="skip", message=SKIP_WORDS),)},
            {},
            ("skipped", "left_out", SKIP_WORDS),
        ),
        (
            ("skipped", "skipped"),
            "skipped",
            {"db.start_recovery": (RunOrder(kind="continue", message=PAST_WORDS),)},
            {},
            ("skipped", "passed_over", PAST_WORDS),
        ),
        (
            ("success", "success"),
            "success",
            {
                "db.recovery_job": (
                    verdict("completed_with_exceptions"),
                    RunOrder(kind="continue", message=PAST_WORDS),
                )
            },
            {},
            ("completed_with_exceptions", "passed_over", PAST_WORDS),
        ),
        (
            ("skipped", "skipped"),
            "skipped",
            {"db.start_recovery": (cancel(),)},
            {},
            ("not_started", "cancelled", STOP_WORDS),
        ),
        (
            ("upstream_failed", "success"),
            "upstream_failed",
            {},
            {},
            ("failed", "task", "its recovery job is upstream_failed"),
        ),
        (
            ("upstream_failed", "upstream_failed"),
            "upstream_failed",
            {"db.start_recovery": (), "db.start_recovery_2": ()},
            {},
            ("not_started", "preflight", "it waits for preflight"),
        ),
    ],
)
def test_a_wave_is_as_far_as_its_launch(starts, watch, left, more, expected):
    states = {**PASSED, "db.start_recovery": starts[0], "db.start_recovery_2": starts[1], "db.recovery_job": watch}

    assert judged(wave("db", states, {**DB_LEFT, **left}, **more)) == expected


def test_a_failed_settings_task_says_why_the_wave_behind_it_was_not_started():
    starts = dict.fromkeys(["db.start_recovery", "db.start_recovery_2", "db.recovery_job"], "upstream_failed")
    left = {**CHECKED, "db.launch_settings": (failure("subnet-1 is gone"),)}

    found = wave("db", {**PASSED, "db.launch_settings": "failed", **starts}, left)

    assert judged(found) == ("not_started", "task", "subnet-1 is gone")
    assert found.may_be_retried


# What stands before and after a launch.

APP_DONE = {"app.delay": "success", "app.pause": "success", "app.stop-old": "success"}
APP_UP = {**APP_DONE, "app.start_recovery": "success", "app.recovery_job": "success"}
APP_LEFT = {
    **CHECKED,
    "app.stop-old": (step("succeeded"),),
    "app.start_recovery": (launch("app1"),),
    "app.recovery_job": (verdict("launched"), results(result("app1"))),
}
APP_OFF = dict.fromkeys(["app.start_recovery", "app.recovery_job", "app.warm", "app.check"], "upstream_failed")


@pytest.mark.parametrize(
    ("states", "left", "more", "expected"),
    [
        ({"app.delay": "deferred"}, {}, {}, ("delayed", None, None)),
        ({"app.delay": "success", "app.pause": "awaiting_input"}, {}, {}, ("waiting_for_answer", None, None)),
        (
            {"app.delay": "success", "app.pause": "deferred"},
            {},
            {"asked": frozenset({"app.pause"})},
            ("waiting_for_answer", None, None),
        ),
        (
            {"app.delay": "success", "app.pause": "failed", "app.stop-old": "upstream_failed", **APP_OFF},
            {"app.pause": (failure("ann stopped the run"), answer("Stop"))},
            {},
            ("not_started", "answer", "ann stopped the run"),
        ),
        ({"app.delay": "failed"}, {"app.delay": (failure("lost"),)}, {}, ("not_started", "task", "lost")),
        ({**APP_DONE, "app.stop-old": "deferred"}, {}, {}, ("preparing", None, None)),
        ({**APP_DONE, "app.stop-old": "awaiting_input"}, {}, {}, ("waiting_for_answer", None, None)),
        (
            {**APP_DONE, "app.stop-old": "failed", **APP_OFF},
            {"app.stop-old": (step("failed", "no answer"),)},
            {},
            ("not_started", "step", "step stop-old: no answer"),
        ),
        (
            {**APP_DONE, "app.stop-old": "failed"},
            {"app.stop-old": (failure("boom"),)},
            {},
            ("not_started", "step", "step stop-old: boom"),
        ),
        (
            {**APP_DONE, "app.stop-old": "failed", **APP_OFF},
            {"app.stop-old": (cancel(), step("failed", STOP_WORDS))},
            {},
            ("not_started", "cancelled", STOP_WORDS),
        ),
        (APP_UP, APP_LEFT, {}, ("running_steps", None, None)),
        ({**APP_UP, "app.warm": "running"}, APP_LEFT, {}, ("running_steps", None, None)),
        ({**APP_UP, "app.warm": "awaiting_input"}, APP_LEFT, {}, ("waiting_for_answer", None, None)),
        (
            {**APP_UP, "app.warm": "success", "app.check": "success"},
            {**APP_LEFT, "app.warm": (step("succeeded"),), "app.check": (step("succeeded"),)},
            {},
            ("launched", None, None),
        ),
        (
            {**APP_UP, "app.warm": "failed", "app.check": "upstream_failed"},
            {**APP_LEFT, "app.warm": (step("failed", "exit code 1"),)},
            {},
            ("failed", "step", "step warm: exit code 1"),
        ),
        (
            {**APP_UP, "app.warm": "skipped", "app.check": "success"},
            {**APP_LEFT, "app.warm": (step("failed", "exit code 1"),), "app.check": (step("succeeded"),)},
            {},
            ("completed_with_exceptions", "step", "step warm failed, and the plan continues"),
        ),
        (
            {**APP_UP, "app.warm": "success", "app.check": "success"},
            {**APP_LEFT, "app.check": (step("succeeded"),)},
            {},
            (
                "completed_with_exceptions",
                "no_result",
                "step warm: its task is marked as successful and left no result",
            ),
        ),
        (
            {**APP_UP, "app.warm": "failed", "app.check": "upstream_failed"},
            {**APP_LEFT, "app.warm": (cancel(), step("failed", STOP_WORDS))},
            {},
            ("cancelled", "cancelled", STOP_WORDS),
        ),
        (
            APP_UP,
            APP_LEFT,
            {"run_state": "failed"},
            ("completed_with_exceptions", "step", "step warm: not started"),
        ),
    ],
)
def test_a_wave_is_as_far_as_what_stands_before_and_after_its_launch(states, left, more, expected):
    found = wave("app", {**PASSED, **DB_DONE, **states}, {**CHECKED, **left}, **more)

    assert judged(found) == expected


def test_a_wave_behind_a_failed_one_says_what_it_waits_for():
    states = {**PASSED, "db.start_recovery": "failed", "db.recovery_job": "upstream_failed", **APP_OFF}
    chain = {"app.delay": "upstream_failed", "app.pause": "upstream_failed", "app.stop-old": "upstream_failed"}

    found = wave("app", {**states, **chain}, CHECKED)

    assert judged(found) == ("not_started", "dependency", "it waits for db")
    assert not found.may_be_retried


# A wave of steps only.


@pytest.mark.parametrize(
    ("first", "second", "left", "more", "expected"),
    [
        (None, None, {}, {}, ("waiting", None, None)),
        ("scheduled", None, {}, {}, ("waiting", None, None)),
        ("running", None, {}, {}, ("running_steps", None, None)),
        ("awaiting_input", None, {}, {}, ("waiting_for_answer", None, None)),
        ("success", None, {"checks.first": (step("succeeded"),)}, {}, ("running_steps", None, None)),
        (
            "success",
            "skipped",
            {"checks.first": (step("succeeded"),)},
            {},
            ("completed", None, None),
        ),
        (
            "skipped",
            "skipped",
            {},
            {},
            ("skipped", "not_chosen", "not chosen for this run, or none of its steps is for it"),
        ),
        (
            "success",
            "skipped",
            {"checks.first": (step("succeeded"),), "checks.second": (step("failed", "closed"),)},
            {},
            ("completed_with_exceptions", "step", "step second failed, and the plan continues"),
        ),
        (
            "success",
            "success",
            {"checks.first": (step("succeeded"),)},
            {},
            (
                "completed_with_exceptions",
                "no_result",
                "step second: its task is marked as successful and left no result",
            ),
        ),
        (
            "failed",
            "upstream_failed",
            {"checks.first": (step("failed", "closed"),)},
            {},
            ("failed", "step", "step first: closed"),
        ),
        ("failed", "upstream_failed", {"checks.first": (cancel(),)}, {}, ("not_started", "cancelled", STOP_WORDS)),
        (
            "success",
            "failed",
            {"checks.first": (step("succeeded"),), "checks.second": (cancel(),)},
            {},
            ("cancelled", "cancelled", STOP_WORDS),
        ),
        ("upstream_failed", "upstream_failed", {}, {}, ("not_started", "preflight", "it waits for preflight")),
        (None, None, {}, {"run_state": "failed"}, ("not_started", None, None)),
    ],
)
def test_a_wave_of_steps_only_is_as_far_as_they_are(first, second, left, more, expected):
    found = wave("checks", {"checks.first": first, "checks.second": second}, left, **more)

    assert judged(found) == expected
    assert (found.has_servers, found.results_known) == (False, False)


# Servers.


@pytest.mark.parametrize(
    ("states", "left", "more", "expected"),
    [
        ({}, {}, {}, {"db1": ("waiting", None), "db2": ("waiting", None)}),
        (
            {"db.start_recovery": "success"},
            {"db.start_recovery": (launch("db1"),)},
            {},
            {"db1": ("launching", None), "db2": ("waiting", None)},
        ),
        (
            {"db.start_recovery": "success", "db.recovery_job": "scheduled"},
            {
                "db.start_recovery": (launch("db1"),),
                "db.recovery_job": (
                    FollowedJobs(
                        jobs=(FollowedJob(job_id="job-9", servers=("s-db2",), aws_conn_id="aws", region="x"),)
                    ),
                ),
            },
            {},
            {"db1": ("launching", None), "db2": ("launching", None)},
        ),
        (
            {"db.start_recovery": "success", "db.recovery_job": "failed"},
            {
                "db.start_recovery": (launch("db1"),),
                "db.recovery_job": (LaterLaunches(launches=(launch("db2", job="job-9"),)), results(result("db1"))),
            },
            {},
            {"db1": ("launched", None), "db2": ("unknown", None)},
        ),
        (
            {"db.start_recovery": "success", "db.recovery_job": "failed"},
            {
                "db.start_recovery": (launch("db1"),),
                "db.recovery_job": (results(result("db1", "it stopped", "launched")),),
            },
            {},
            {"db1": ("failed", "it stopped"), "db2": ("not_started", None)},
        ),
        (
            {"db.start_recovery": "success"},
            {"db.start_recovery": (launch("db1"),)},
            {"run_state": "failed"},
            {"db1": ("unknown", None), "db2": ("not_started", None)},
        ),
        (
            dict.fromkeys(["db.start_recovery", "db.start_recovery_2", "db.recovery_job"], "skipped"),
            {},
            {},
            {"db1": ("skipped", None), "db2": ("skipped", None)},
        ),
    ],
)
def test_a_server_is_only_where_somebody_saw_it(states, left, more, expected):
    found = wave("db", {**PASSED, **states}, {**CHECKED, **left}, **more)

    assert {server.hostname: (server.status, server.reason) for server in found.servers or ()} == expected


def test_failures_that_the_wave_tolerates_are_told_apart():
    words = {"db.recovery_job": (verdict("completed_with_exceptions"), results(result("db1"), result("db2", "full")))}

    found = wave("db", {**PASSED, **DB_DONE}, {**DB_LEFT, **words})

    assert [(server.hostname, server.status, server.is_tolerated, server.job_id) for server in found.servers or ()] == [
        ("db1", ServerStatus.LAUNCHED, False, "job-1"),
        ("db2", ServerStatus.FAILED, True, "job-2"),
    ]
    assert (found.launched, found.failed, found.results_known) == (1, 1, True)
    assert found.jobs == ("job-1", "job-2")


@pytest.mark.parametrize(
    ("ec2_state", "status", "end"),
    [
        ("stopped", ServerStatus.LAUNCHED, "somebody has stopped it since; start it in EC2 if it shall run"),
        ("terminated", ServerStatus.FAILED, "somebody, or EC2 itself, has ended it since"),
    ],
)
def test_what_is_stopped_at_the_end_of_a_recovery_is_there_and_what_is_terminated_is_not(ec2_state, status, end):
    lost = FoundLaunches(lost={"s-db1": LostInstance(instance_id="i-9", state=ec2_state)})
    words = {"db.recovery_job": (verdict("launched"), results(result("db1"), result("db2")))}
    states = {**PASSED, **DB_DONE, "finish.look_over": "skipped"}

    found = wave("db", states, {**DB_LEFT, **words, "finish.look_over": (lost,)}).servers or ()

    assert [server.status for server in found] == [status, ServerStatus.LAUNCHED]
    assert found[0].reason == f"it was launched, and at the end of the run its instance i-9 is {ec2_state}: {end}"


def test_no_servers_are_known_before_preflight_has_found_them():
    found = wave("db", {})

    assert (found.servers, found.results_known, found.has_servers) == (None, False, True)


def test_excluded_servers_stand_beside_the_waves():
    assert [server.server_id for server in state(PASSED, CHECKED).excluded] == ["s-left-out"]


# Runs that were cleared, and tasks that are under way whatever the status says.


def test_what_a_cleared_task_left_before_says_nothing_any_more():
    left = {**DB_LEFT, "db.recovery_job": (verdict("launched"), results(*BOTH))}

    cleared = wave("db", PASSED, left)

    assert judged(cleared) == ("waiting", None, None)
    assert {server.status for server in cleared.servers or ()} == {ServerStatus.WAITING}
    assert (cleared.jobs, cleared.results_known) == ((), False)


def test_the_report_of_an_earlier_start_of_a_cleared_run_is_not_its_verdict():
    report = {"finish.report": (WrittenReport(json_path="j", html_path="h", verdict="failed", reason="Why."),)}

    assert state({**PASSED, "db.start_recovery": "running"}, {**CHECKED, **report}).status == "running"
    assert state({"finish.report": "success"}, report, run_state="failed").status == "failed"


@pytest.mark.parametrize(
    ("states", "is_going", "has_begun", "retry"),
    [
        ({}, False, False, False),
        ({"db.start_recovery": "queued"}, True, True, False),
        ({"db.start_recovery": "failed", "db.start_recovery_2": "running"}, True, True, False),
        ({"db.start_recovery": "failed", "db.start_recovery_2": "success"}, False, True, True),
        ({"db.start_recovery": "upstream_failed"}, False, False, False),
        (
            {"db.launch_settings": "running", "db.notifications": "running", "db.servers": "running"},
            False,
            False,
            False,
        ),
    ],
)
def test_a_wave_tells_whether_anything_of_it_goes_on(states, is_going, has_begun, retry):
    found = wave("db", states)

    assert (found.is_active, found.has_begun, found.may_be_retried) == (is_going, has_begun, retry)


# Steps, preflight, clean-up, the run.


@pytest.mark.parametrize(
    ("task_state", "left", "more", "expected"),
    [
        (None, (), {}, ("waiting", None, None)),
        ("queued", (), {}, ("waiting", None, None)),
        (None, (), {"run_state": "success"}, ("not_started", None, None)),
        ("running", (step("failed", "earlier attempt"),), {}, ("running", None, None)),
        ("up_for_retry", (), {}, ("running", None, None)),
        ("awaiting_input", (), {}, ("waiting_for_answer", None, None)),
        ("success", (step("succeeded"),), {}, ("succeeded", None, None)),
        ("success", (), {}, ("unproven", "no_result", "its task is marked as successful and left no result")),
        (
            "success",
            (step("failed"),),
            {},
            ("unproven", "no_result", "its task is marked as successful and left no result"),
        ),
        ("failed", (step("failed", "exit code 1"),), {}, ("failed", "step", "exit code 1")),
        ("failed", (failure("boom"),), {}, ("failed", "step", "boom")),
        ("failed", (), {}, ("failed", "step", "before_waves.freeze failed without a result; see its log")),
        ("failed", (cancel(), step("failed", STOP_WORDS)), {}, ("not_started", "cancelled", STOP_WORDS)),
        ("skipped", (step("failed", "exit code 1"),), {}, ("tolerated", "step", "exit code 1")),
        ("skipped", (step("skipped", "for a recovery"),), {}, ("skipped", None, "for a recovery")),
        ("skipped", (), {}, ("skipped", None, None)),
        ("upstream_failed", (), {}, ("not_started", "dependency", None)),
        ("removed", (), {}, ("not_started", "dependency", None)),
    ],
)
def test_a_step_has_done_only_what_it_recorded(task_state, left, more, expected):
    (found,) = state({"before_waves.freeze": task_state}, {"before_waves.freeze": left}, **more).before

    assert (found.status, found.cause, found.reason) == expected


REFUSED = PREFLIGHT.model_copy(
    update={"passed": False, "findings": (PreflightFinding(severity="refusal", what="db1 is stalled"),)}
)


@pytest.mark.parametrize(
    ("states", "left", "more", "expected"),
    [
        ({}, {}, {}, ("waiting", None, None)),
        ({"preflight.check": "queued"}, {}, {}, ("waiting", None, None)),
        ({}, {}, {"run_state": "failed"}, ("not_started", None, None)),
        ({"preflight.check": "running"}, {}, {}, ("running", None, None)),
        ({"preflight.check": "up_for_retry"}, {}, {}, ("running", None, None)),
        ({"preflight.check": "success", "preflight.network": "running"}, CHECKED, {}, ("running", None, None)),
        (
            {"preflight.check": "success", "preflight.approval": "awaiting_input", "preflight.network": "success"},
            CHECKED,
            {},
            ("waiting_for_answer", None, None),
        ),
        ({"preflight.check": "success", "preflight.approval": "skipped"}, CHECKED, {}, ("passed", None, None)),
        ({"preflight.check": "success", "preflight.notifications": "running"}, CHECKED, {}, ("passed", None, None)),
        (
            {"preflight.check": "success"},
            {},
            {},
            ("unproven", "no_result", "its task is marked as successful and left no result"),
        ),
        ({"preflight.check": "failed"}, {}, {}, ("refused", "preflight", "preflight.check failed; see its log")),
        (
            {"preflight.check": "failed"},
            {"preflight.check": (REFUSED, failure("two servers do not replicate"))},
            {},
            ("refused", "preflight", "two servers do not replicate"),
        ),
        (
            {"preflight.check": "up_for_retry"},
            {"preflight.check": (REFUSED,)},
            {},
            ("refused", "preflight", "preflight found 1 reason against it"),
        ),
        (
            {"preflight.check": "success", "preflight.approval": "failed"},
            {**CHECKED, "preflight.approval": (failure("ann rejected it"),)},
            {},
            ("refused", "answer", "ann rejected it"),
        ),
        (
            {"preflight.check": "success", "preflight.network": "failed"},
            {**CHECKED, "preflight.network": (failure("no subnet"),)},
            {},
            ("refused", "preflight", "no subnet"),
        ),
    ],
)
def test_preflight_has_passed_only_when_all_of_it_says_so(states, left, more, expected):
    found = state(states, left, **more).preflight

    assert (found.status, found.cause, found.reason) == expected


GONE = CleanedUp(terminated=(CleanedUpInstance(instance_id="i-1"),))
NOTHING_LEFT = Leftovers()
ENDED = {"finish.clean_up": "success", "finish.clean_up_2": "success", "finish.look_over": "success"}


@pytest.mark.parametrize(
    ("states", "left", "more", "expected"),
    [
        (dict.fromkeys(ENDED), {}, {}, ("waiting", None, 0, {})),
        ({**dict.fromkeys(ENDED), "finish.keep": "awaiting_input"}, {}, {}, ("kept", None, 0, {})),
        ({**ENDED, "finish.clean_up": "deferred"}, {}, {}, ("running", None, 0, {})),
        ({**ENDED, "finish.look_over": None}, {"finish.clean_up": (GONE,)}, {}, ("running", None, 1, {})),
        (ENDED, {"finish.clean_up": (GONE,)}, {}, ("completed", None, 1, {})),
        (ENDED, {"finish.clean_up": (CleanedUp(),)}, {}, ("nothing_to_do", None, 0, {})),
        (ENDED, {"finish.look_over": (NOTHING_LEFT,)}, {}, ("nothing_to_do", None, 0, {})),
        (ENDED, {}, {}, ("unproven", "its task is marked as successful and left no result", 0, {})),
        (dict.fromkeys(ENDED, "skipped"), {}, {}, ("not_run", "a recovery is not cleaned up", 0, {})),
        ({}, {}, {}, ("not_run", "the plan launches nothing", 0, {})),
        (
            dict.fromkeys(ENDED),
            {},
            {"run_state": "failed"},
            ("not_run", "the run ended before its clean-up did", 0, {}),
        ),
        (
            {**ENDED, "finish.look_over": None},
            {"finish.clean_up": (GONE,)},
            {"run_state": "failed"},
            ("incomplete", "the run ended before its clean-up did", 1, {}),
        ),
        (
            {**ENDED, "finish.clean_up_2": "failed", "finish.look_over": "failed"},
            {
                "finish.clean_up": (GONE,),
                "finish.clean_up_2": (failure("i-2 is still there"),),
                "finish.look_over": (failure("one thing is left"), Leftovers(left={"i-2": "running"})),
            },
            {},
            ("incomplete", "i-2 is still there\none thing is left", 1, {"i-2": "running"}),
        ),
        ({**ENDED, "finish.look_over": "upstream_failed"}, {}, {}, ("incomplete", None, 0, {})),
    ],
)
def test_a_clean_up_is_done_only_when_somebody_saw_it(states, left, more, expected):
    found = state(states, left, **more).cleanup

    assert (found.status, found.reason, found.terminated, found.remaining) == expected


OVER = {**PASSED, **dict.fromkeys([task for wave in OUTLINE.waves for task in wave.chain], "skipped")}
OVER |= {"after_waves.thaw": "skipped"}


@pytest.mark.parametrize(
    ("states", "more", "expected"),
    [
        ({}, {"run_state": "queued"}, "queued"),
        ({"preflight.check": "running"}, {}, "checking"),
        ({"preflight.check": "success", "preflight.approval": "awaiting_input"}, {}, "waiting_for_answer"),
        ({**PASSED, "db.start_recovery": "running"}, {}, "running"),
        ({**PASSED, **DB_DONE, "app.pause": "awaiting_input"}, {}, "waiting_for_answer"),
        ({**PASSED, "db.start_recovery": "running", "checks.first": "awaiting_input"}, {}, "running"),
        ({**OVER, "after_waves.thaw": "running"}, {}, "running"),
        ({**OVER, **dict.fromkeys(ENDED), "finish.keep": "awaiting_input"}, {}, "cleaning_up"),
        ({**OVER, "finish.clean_up": "deferred"}, {}, "cleaning_up"),
        ({**OVER, **dict.fromkeys(ENDED, "skipped"), "finish.report": "running"}, {}, "reporting"),
        ({}, {"run_state": "success"}, "unknown"),
        ({"finish.report": "failed"}, {"run_state": "failed"}, "unknown"),
    ],
)
def test_a_run_that_has_no_report_is_never_said_to_have_ended_well(states, more, expected):
    assert state(states, CHECKED, **more).status == expected


@pytest.mark.parametrize(
    "word",
    ["passed", "completed", "completed_with_exceptions", "failed", "refused", "cancelled", "superseded"],
)
def test_the_verdict_of_its_report_is_the_status_of_a_run(word):
    report = WrittenReport(json_path="j", html_path="h", verdict=word, reason="Because.")

    found = state({"finish.report": "success"}, {"finish.report": (report,)}, run_state="failed")

    assert (found.status, found.reason, found.is_over) == (word, "Because.", True)
    assert ended_status("failed", word) == word


@pytest.mark.parametrize(
    ("airflow_state", "verdict_word", "expected"),
    [
        ("queued", None, "queued"),
        ("running", None, "running"),
        ("running", "passed", "running"),
        ("success", None, "unknown"),
        ("failed", "a word to come", "unknown"),
    ],
)
def test_a_run_of_a_list_stands_where_airflow_and_its_report_say(airflow_state, verdict_word, expected):
    assert ended_status(airflow_state, verdict_word) == expected


@pytest.mark.parametrize(
    ("states", "left", "cancelled", "superseded"),
    [
        ({}, {}, None, None),
        (
            {"preflight.approval": "failed"},
            {"preflight.approval": (answer("Reject"),)},
            "ann rejected the recovery",
            None,
        ),
        ({"preflight.approval": "failed"}, {"preflight.approval": (answer("Approve"),)}, None, None),
        ({"app.pause": "failed"}, {"app.pause": (answer("Stop"),)}, "ann stopped the run before wave app", None),
        ({"app.pause": "success"}, {"app.pause": (answer("Stop"),)}, None, None),
        ({"db.start_recovery": "failed"}, {"db.start_recovery": (cancel(),)}, STOP_WORDS, None),
        ({"db.recovery_job": "failed"}, {"db.recovery_job": (cancel(),)}, STOP_WORDS, None),
        ({"app.warm": "failed"}, {"app.warm": (cancel(),)}, STOP_WORDS, None),
        ({"before_waves.freeze": "failed"}, {"before_waves.freeze": (cancel(),)}, STOP_WORDS, None),
        (
            {"app.start_recovery": "skipped"},
            {"app.start_recovery": (RunOrder(kind="skip", message=SKIP_WORDS),)},
            None,
            None,
        ),
        ({"db.start_recovery": "failed"}, {"db.start_recovery": (Superseded(message=TAKEN),)}, None, TAKEN),
        ({"finish.clean_up_2": "success"}, {"finish.clean_up_2": (Superseded(message=TAKEN),)}, None, TAKEN),
    ],
)
def test_who_ended_a_run_is_said_in_the_words_of_the_order(states, left, cancelled, superseded):
    found = state(states, left)

    assert (found.cancelled, found.superseded) == (cancelled, superseded)


# Outlines and snapshots.


def test_an_outline_is_read_from_the_edges_of_a_dag():
    db, app, checks = OUTLINE.waves

    assert [(wave.name, wave.depends_on) for wave in OUTLINE.waves] == [
        ("db", ()),
        ("app", ("db",)),
        ("checks", ("app",)),
    ]
    assert (db.starts, db.watch, db.settings) == (
        ("db.start_recovery", "db.start_recovery_2"),
        "db.recovery_job",
        ("db.launch_settings",),
    )
    assert (app.gates, [step.name for step in app.before]) == (("app.delay", "app.pause"), ["stop-old"])
    assert [step.name for step in app.after] == ["warm", "check"]
    assert (checks.watch, [step.name for step in checks.after]) == (None, ["first", "second"])
    assert ([step.task for step in OUTLINE.before], [step.task for step in OUTLINE.after]) == (
        ["before_waves.freeze"],
        ["after_waves.thaw"],
    )


def test_waves_stand_in_the_order_of_the_plan_where_it_is_known():
    edges: dict[str, set[str]] = {"a.start_recovery": set(), "b.start_recovery": set(), "c.start_recovery": set()}

    assert [wave.name for wave in outline_of_edges(edges, order=["c", "gone", "a"]).waves] == ["c", "a", "b"]


def test_squares_of_servers_are_no_steps():
    edges = {**EDGES, "db.servers_0": set(), "db.servers_2_0": set()}

    assert outline_of_edges(edges) == OUTLINE


def test_tasks_are_read_as_the_rest_api_gives_them():
    instances = [
        {"task_id": "a", "map_index": -1, "state": "running", "start_date": "2026-11-22T05:10:00Z", "end_date": None},
        {"task_id": "a", "map_index": 0, "state": "failed"},
        {"task_id": "b", "state": None},
    ]

    assert tasks_from_instances(instances) == {"a": TaskSnapshot("running", NOW), "b": TaskSnapshot(None)}


def test_a_wave_lasts_from_its_first_task_to_its_last():
    later = NOW + timedelta(minutes=9)
    tasks = {
        "db.start_recovery": TaskSnapshot("success", NOW, NOW),
        "db.start_recovery_2": TaskSnapshot("skipped", NOW, NOW),
        "db.recovery_job": TaskSnapshot("failed", NOW, later),
        "db.tag_instances": TaskSnapshot("success", later, later + timedelta(hours=1)),
    }
    over = state_of(RunSnapshot(OUTLINE, tasks)).waves[0]
    going = state_of(RunSnapshot(OUTLINE, tasks | {"db.recovery_job": TaskSnapshot("deferred", NOW)})).waves[0]

    assert (over.started_at, over.ended_at) == (NOW, later)
    assert (going.started_at, going.ended_at) == (NOW, None)


def test_documents_are_fetched_once_and_only_from_tasks_that_have_begun():
    asked: list[tuple[str, str]] = []

    def left(task: str, key: str) -> object:
        asked.append((task, key))
        return None

    state_of(RunSnapshot(OUTLINE, tasks_from_states({**PASSED, "db.start_recovery": "success"}), left))

    assert len(asked) == len(set(asked))
    assert {task for task, _ in asked} == {
        "preflight.check",
        "before_waves.freeze",
        "db.start_recovery",
        "finish.report",
    }


# What holds whatever Airflow and the documents say.

WORDS = [
    None,
    "scheduled",
    "queued",
    "running",
    "deferred",
    "awaiting_input",
    "up_for_retry",
    "success",
    "failed",
    "skipped",
    "upstream_failed",
    "removed",
    "a word to come",
]
ALL_STATES = st.fixed_dictionaries({task: st.sampled_from(WORDS) for task in EDGES})
RUNS = st.sampled_from(["queued", "running", "success", "failed", None, "a word to come"])
SOME: list[Document] = [
    PREFLIGHT,
    REFUSED,
    launch("db1", "app1"),
    results(result("db1"), result("db2", "full")),
    results(*BOTH, result("app1")),
    verdict("launched"),
    verdict("completed_with_exceptions"),
    verdict("failed"),
    step("succeeded"),
    step("failed", "no"),
    step("skipped"),
    failure("boom"),
    cancel(),
    RunOrder(kind="skip", message=SKIP_WORDS),
    Superseded(message=TAKEN),
    answer("Stop"),
    GONE,
    NOTHING_LEFT,
]
DOCUMENTS = st.dictionaries(
    st.tuples(st.sampled_from(sorted(EDGES)), st.sampled_from(sorted({document.KEY for document in SOME}))),
    st.sampled_from(SOME).map(lambda document: document.to_json())
    | st.sampled_from([1, "text", [], {}, [None], {"version": 99}]),
    max_size=12,
)


@st.composite
def runs(draw: st.DrawFn) -> RunSnapshot:
    tasks = tasks_from_states(draw(ALL_STATES))
    return RunSnapshot(OUTLINE, tasks, left_in(draw(DOCUMENTS)), draw(RUNS), is_last_look=draw(st.booleans()))


GOOD = (WaveStatus.LAUNCHED, WaveStatus.COMPLETED)


@given(runs())
def test_a_wave_of_which_a_task_failed_is_never_done(snapshot):
    for outline, found in zip(snapshot.outline.waves, state_of(snapshot).waves, strict=True):
        own = (*outline.starts, *((outline.watch,) if outline.watch else ()))
        if any(snapshot.phase(task) is TaskPhase.FAILED for task in own):
            assert not found.status.is_done
        if any(step.status is StepStatus.FAILED for step in found.steps):
            assert not found.status.is_done


@given(runs())
def test_a_wave_is_launched_only_if_every_server_of_it_is(snapshot):
    for found in state_of(snapshot).waves:
        servers = found.servers or ()
        if found.status in GOOD:
            assert {server.status for server in servers} <= {ServerStatus.LAUNCHED}
            assert all(step.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED) for step in found.steps)
        if found.status is WaveStatus.COMPLETED_WITH_EXCEPTIONS:
            assert all(server.is_tolerated for server in servers if server.status is ServerStatus.FAILED)


@given(ALL_STATES, RUNS)
def test_nothing_of_which_nobody_left_a_word_is_called_done(states, run_state):
    found = state(states, run_state=run_state)

    done = [StepStatus.SUCCEEDED, ServerStatus.LAUNCHED, CleanupStatus.COMPLETED, CleanupStatus.NOTHING_TO_DO]
    assert not any(part.status in done for wave in found.waves for part in (*wave.steps, *(wave.servers or ())))
    assert not any(wave.status in GOOD and wave.has_servers for wave in found.waves)
    assert found.cleanup.status not in done
    assert found.preflight.status is not PreflightStatus.PASSED
    assert found.status not in (RunStatus.PASSED, RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_EXCEPTIONS)


@given(runs())
def test_every_state_that_is_not_good_has_a_cause_and_says_why(snapshot):
    found = state_of(snapshot)

    for judged in found.waves:
        if judged.status in (WaveStatus.FAILED, WaveStatus.CANCELLED, WaveStatus.SKIPPED, WaveStatus.UNPROVEN):
            assert judged.cause
            assert judged.reason
    for one_step in (step for wave in found.waves for step in wave.steps):
        if one_step.status in (StepStatus.FAILED, StepStatus.TOLERATED, StepStatus.UNPROVEN):
            assert one_step.cause
            assert one_step.reason
    if found.preflight.status in (PreflightStatus.REFUSED, PreflightStatus.UNPROVEN):
        assert found.preflight.cause
        assert found.preflight.reason


@given(runs())
def test_nothing_is_to_come_in_a_run_that_is_over(snapshot):
    found = state_of(snapshot)

    if snapshot.is_over:
        assert not any(wave.status in (WaveStatus.WAITING, WaveStatus.DELAYED) for wave in found.waves)
        assert not any(step.status is StepStatus.WAITING for wave in found.waves for step in wave.steps)
        assert found.cleanup.status not in (CleanupStatus.WAITING, CleanupStatus.KEPT)


# The words.


@pytest.mark.parametrize(
    ("word", "phase", "active", "sent"),
    [
        (None, "waiting", False, False),
        ("none", "waiting", False, False),
        ("scheduled", "waiting", False, False),
        ("queued", "waiting", True, True),
        ("running", "under_way", True, True),
        ("restarting", "under_way", True, True),
        ("deferred", "under_way", True, True),
        ("up_for_retry", "under_way", True, True),
        ("up_for_reschedule", "under_way", True, True),
        ("awaiting_input", "asks", False, False),
        ("success", "succeeded", False, True),
        ("failed", "failed", False, True),
        ("skipped", "skipped", False, True),
        ("upstream_failed", "not_started", False, False),
        ("removed", "not_started", False, False),
        ("a word to come", "under_way", True, True),
    ],
)
def test_every_word_of_airflow_has_one_meaning(word, phase, active, sent):
    assert (phase_of(word), is_active(word), was_sent(word)) == (phase, active, sent)


@pytest.mark.parametrize("words", [RunStatus, PreflightStatus, WaveStatus, ServerStatus, StepStatus, CleanupStatus])
def test_every_word_stands_in_the_table(words):
    section = (vocabulary.__doc__ or "").split(f"**of {TABLE[words]}**")[1].split("**of ")[0]

    assert [word for word in words if f"``{word}``" not in section] == []


TABLE = {
    RunStatus: "a run",
    PreflightStatus: "preflight",
    WaveStatus: "a wave",
    ServerStatus: "a server",
    StepStatus: "a step",
    CleanupStatus: "the clean-up",
}
