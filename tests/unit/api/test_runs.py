"""Runs over the API: steered by the verbs of the command line, told in the audit log, refused with words."""

from datetime import UTC, datetime
from urllib.parse import urljoin

import pytest
from drs_provider.api import run_desk
from drs_provider.rules.run.run_view import PendingQuestion
from drs_provider.services.airflow_api import (
    AirflowError,
    AirflowUnreachable,
    AlreadySo,
    LoginRefused,
    NotAllowed,
    NotThere,
)
from drs_provider.services.run_document import RunDocument
from kit.console import Console
from kit.in_memory_airflow import InMemoryAirflow
from kit.recorded_runs import recorded, recorded_names

RUNS = "/api/v1/runs"


def steered(tmp_path, name, **changes):
    """A console over an Airflow in which a recorded run of the plan shop takes place."""
    (tmp_path / "plans").mkdir()
    airflow = InMemoryAirflow.of(recorded(name))
    console = Console(tmp_path / "plans", airflow=airflow, **changes)
    return console, airflow, f"{RUNS}/drs.shop/{airflow.records[0].run_id}".replace("+", "%2B")


def test_a_run_is_read_as_the_command_line_prints_it(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")

    answer = console.client().get(run)

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == RunDocument.of(run_desk.RunControl(airflow).look("shop")).model_dump(
        mode="json", by_alias=True
    )
    assert {wave["name"]: wave["status"] for wave in answer.json()["waves"]} == {
        "database": "launching",
        "web": "waiting",
    }
    short = console.client().get(f"{RUNS}/drs.shop/{answer.json()['short_id']}")
    assert short.json() == answer.json()


def test_a_cancel_is_ordered_and_told_with_who_what_before_and_after(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")

    answer = console.client().post(f"{run}/cancel", json={"reason": "why"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["message"].startswith(f"{airflow.records[0].run_id} of shop is cancelled")
    assert ("record", "finish.report", "cancel") in airflow.changed
    ((event, dag_id, run_id, extra),) = console.audit
    assert (event, dag_id, run_id) == ("drs_run_cancelled", "drs.shop", airflow.records[0].run_id)
    assert (extra["verb"], extra["asked"]) == ("cancelled", {"reason": "why", "stop_failback": False})
    assert extra["before"]["waves"] == {"database": "launching", "web": "waiting"}
    assert set(extra["after"]) == {"status", "is_paused", "waves", "questions"}


def test_pause_and_resume(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")

    paused = console.client().post(f"{run}/pause")
    assert (paused.status_code, paused.json()["run"]["is_paused"], airflow.is_paused) == (200, True, True)
    resumed = console.client().post(f"{RUNS}/drs.shop/resume")

    assert (resumed.json(), airflow.is_paused) == ({"message": "shop is resumed"}, False)
    again = console.client().post(f"{RUNS}/drs.shop/resume")
    assert (again.status_code, again.json()["detail"]) == (409, "shop is not paused")
    assert [line[0] for line in console.audit] == ["drs_run_paused", "drs_run_resumed"]


def test_a_question_is_answered_with_one_of_its_options(tmp_path):
    console, _, run = steered(tmp_path, "waiting-for-approval")

    wrong = console.client().post(f"{run}/answer", json={"option": "Perhaps"})
    right = console.client().post(f"{run}/answer", json={"option": "approve", "comment": "go"})

    assert wrong.status_code == 422
    assert "preflight.approval does not ask for 'Perhaps' but for one of Approve, Reject" in wrong.json()["detail"]
    assert right.json()["message"] == "preflight.approval: Approve"
    assert [line[0] for line in console.audit] == ["drs_run_answered"]


def test_a_drill_that_is_not_kept_is_neither_ended_nor_extended(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")

    for verb, body in (("end", None), ("extend", {"by": "4h"})):
        answer = console.client().post(f"{run}/{verb}", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
        assert answer.json()["detail"].startswith("no drill of shop is kept for people now")
    assert console.client().post(f"{run}/extend", json={"by": "2y"}).status_code == 422
    assert airflow.changed == []


def test_a_kept_drill_is_extended(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")
    at = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
    airflow.pending.append(PendingQuestion("finish.keep", "End?", ("End the drill", "Extend by 4h"), at))
    airflow.snapshots["finish.keep"] = type(airflow.snapshots["web.start_recovery"])("awaiting_input")

    answer = console.client().post(f"{run}/extend", json={"by": "4h"})

    assert answer.json()["message"].endswith("is kept for 4h more"), answer.text


@pytest.mark.parametrize(
    ("verb", "body", "said"),
    [
        ("skip", {"wave": "database"}, "wave database cannot be skipped now (launching)"),
        ("retry", {"wave": "web"}, "wave web cannot be retried now (waiting"),
        ("continue", {"wave": "web", "reason": "r"}, "cannot continue past wave web now"),
    ],
)
def test_what_the_verbs_refuse_is_a_conflict_and_changes_nothing(tmp_path, verb, body, said):
    console, airflow, run = steered(tmp_path, "launching")

    answer = console.client().post(f"{run}/{verb}", json=body)

    assert (answer.status_code, answer.json()["detail"][: len(said)]) == (409, said)
    assert (airflow.changed, console.audit) == ([], [])


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (f"{RUNS}/drs.shop", {"mode": "drill"}, 409, "shop has a run that is not over"),
        (f"{RUNS}/drs.shop", {"mode": "recovery"}, 422, "a recovery brings production up: confirm it with"),
        (f"{RUNS}/drs.shop", {"mode": "destroy"}, 422, "the request does not have the form of this route"),
        (f"{RUNS}/drs.shop", {"waves": ["nope"]}, 409, "shop has a run that is not over"),
        (f"{RUNS}/drs.shop", {"wvaes": ["web"]}, 422, "the request does not have the form of this route"),
        (f"{RUNS}/drs.crm", {}, 404, "http://airflow.test has no plan called 'crm'"),
        (f"{RUNS}/other", {}, 404, "other is no DAG of a recovery plan: write drs.PLAN"),
        (f"{RUNS}/~", {}, 404, "~ is no DAG of a recovery plan: write drs.PLAN"),
        (f"{RUNS}/drs.shop/no-such/cancel", {}, 404, "shop has no run called 'no-such'"),
    ],
)
def test_what_cannot_be_started_is_refused_with_words(tmp_path, path, body, status, said):
    console, airflow, _ = steered(tmp_path, "launching")

    answer = console.client().post(path, json=body)

    assert (answer.status_code, answer.json()["detail"][: len(said)]) == (status, said)
    assert (airflow.changed, console.audit) == ([], [])


def test_a_run_is_started_with_the_form_and_nothing_else(tmp_path):
    console, airflow, _ = steered(tmp_path, _ended())
    form = {"mode": "drill", "reason": "monthly", "waves": ["database"], "exclude_servers": ["db2"]}

    answer = console.client().post(f"{RUNS}/drs.shop", json=form)

    assert answer.status_code == 201, answer.text
    ((what, conf, *_),) = [change for change in airflow.changed if change[0] == "trigger"]
    assert (what, conf) == ("trigger", form)
    started = console.client().get(urljoin(str(answer.request.url), answer.headers["location"]))
    assert (started.status_code, started.json()["run_id"]) == (200, answer.json()["run"]["run_id"])
    ((event, dag_id, _, extra),) = console.audit
    assert (event, dag_id, extra["asked"]) == (
        "drs_run_started",
        "drs.shop",
        {**form, "replace_drills": False, "replace_live_instances": False},
    )


def _ended():
    return next(
        name for name in recorded_names() if recorded(name).state == "success" and recorded(name).dag_id == "drs.shop"
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LoginRefused("the token has expired"), 401),
        (NotAllowed("user ada may not start runs"), 403),
        (NotThere("not found"), 404),
        (AlreadySo("somebody was faster"), 409),
        (AirflowError("Airflow answered 400"), 422),
        (AirflowUnreachable("no answer"), 503),
    ],
)
def test_what_airflow_refuses_is_refused_with_its_words(tmp_path, error, status):
    console, airflow, run = steered(tmp_path, "launching")

    def refuse(*_):
        raise error

    airflow.tasks = refuse

    answer = console.client().get(run)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"] == str(error)
    assert answer.headers.get("retry-after") == ("5" if status == 503 else None)


def test_a_wait_ends_when_the_time_is_up_and_holds_nothing_meanwhile(tmp_path):
    console, _, run = steered(tmp_path, "launching")

    answer = console.client().get(f"{run}/wait?seconds=5")

    assert (answer.status_code, answer.json()["is_over"]) == (200, False)
    assert console.slept == [2.0, 2.0, 1.0]
    assert console.steering._waits == 0


def test_a_wait_ends_with_the_run_and_one_for_news_with_them(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")
    over = type(airflow.records[0])(**{**vars(airflow.records[0]), "state": "failed"})

    async def sleep(seconds):
        console.slept.append(seconds)
        if len(console.slept) == 2:
            airflow.is_paused = True
        if len(console.slept) == 4:
            airflow.records[:] = [over]

    console.steering.sleep = sleep

    news = console.client().get(f"{run}/wait?seconds=60&until=news").json()
    assert (news["is_over"], news["run"]["is_paused"], len(console.slept)) == (False, True, 2)
    end = console.client().get(f"{run}/wait?seconds=60").json()
    assert (end["is_over"], end["run"]["airflow_state"], len(console.slept)) == (True, "failed", 4)


@pytest.mark.parametrize("seconds", ["61", "-1", "nan", "inf", "x"])
def test_no_wait_is_longer_than_a_minute(tmp_path, seconds):
    console, _, run = steered(tmp_path, "launching")

    assert console.client().get(f"{run}/wait?seconds={seconds}").status_code == 422


def test_too_many_waits_are_refused(tmp_path):
    console, _, run = steered(tmp_path, "launching")
    console.steering._waits = run_desk.MOST_WAITS

    answer = console.client().get(f"{run}/wait")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_line_that_cannot_be_kept_makes_no_failure_of_what_was_done(tmp_path, caplog):
    console, airflow, run = steered(tmp_path, "launching")

    def broken(*_):
        raise OSError("the database is gone")

    console.audit = type("Lines", (), {"append": broken})()

    answer = console.client().post(f"{run}/pause")

    assert (answer.status_code, airflow.is_paused) == (200, True)
    assert "could not be written into Airflow's audit log" in caplog.text


@pytest.mark.parametrize("verb", ["pause", "cancel", "skip", "retry", "continue", "answer", "end", "extend"])
def test_who_may_not_steer_changes_nothing(tmp_path, verb):
    console, airflow, run = steered(tmp_path, "launching", may_steer=False)
    body = {"wave": "web", "reason": "r", "option": "Approve", "by": "1h"}

    for path in (f"{run}/{verb}", f"{RUNS}/drs.shop", f"{RUNS}/drs.shop/resume"):
        answer = console.client().post(path, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert airflow.changed == []


def test_a_page_of_another_host_steers_nothing(tmp_path):
    console, airflow, run = steered(tmp_path, "launching")

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        for path in (f"{run}/pause", f"{RUNS}/drs.shop"):
            assert console.client().post(path, json={}, headers=headers).status_code == 403
    plain = console.client().post(f"{RUNS}/drs.shop", content=b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    assert airflow.changed == []
