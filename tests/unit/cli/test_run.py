"""``drs run`` against an Airflow that answers what the test says: every refusal in words, every exit code."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from drs_provider.cli import run
from drs_provider.exceptions import DrsProviderError, UsageError
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.services.airflow_api import AirflowError
from drs_provider.services.airflow_client import subject
from drs_provider.services.run_control import RunControl

URL = "http://airflow.test/prefix"
ENVIRON = {"DRS_AIRFLOW_URL": URL, "DRS_AIRFLOW_USER": "ada", "DRS_AIRFLOW_PASSWORD": "secret"}
RUN = "manual__1"
ID = short_run_id("drs.shop", RUN)
CHAIN = {"one": [], "two": ["one"], "three": ["two"]}


class Airflow:
    """Answers as Airflow 3.3 does; ``answers`` wins over that, ``changed`` holds what was asked to change."""

    def __init__(self):
        self.dag = {
            "dag_id": "drs.shop",
            "is_paused": False,
            "params": {"mode": {"value": "drill"}, "waves": {"value": list(CHAIN)}},
        }
        self.runs = [
            {
                "dag_id": "drs.shop",
                "dag_run_id": RUN,
                "state": "running",
                "run_after": "2026-11-23T10:00:00Z",
                "start_date": "2026-11-23T10:00:01Z",
                "end_date": None,
                "triggering_user_name": "ada",
                "conf": {"mode": "drill"},
                "note": None,
            }
        ]
        self.states = {"preflight.check": "success", "finish.clean_up": None, "finish.report": None}
        for wave in CHAIN:
            self.states |= {f"{wave}.{task}": None for task in ("start_recovery", "recovery_job", "servers")}
        self.xcoms = {}
        self.questions = []
        self.answers = {}
        self.changed = []
        self.date = None

    def __call__(self, request):
        answer = self.answer(request)
        if self.date is not None:
            answer.headers["Date"] = self.date
        return answer

    def answer(self, request):
        path = request.url.path.removeprefix("/prefix").removeprefix("/api/v2")
        for (method, part), answer in self.answers.items():
            if method == request.method and part in path:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if path == "/auth/token":
            return httpx.Response(201, json={"access_token": "token"})
        assert request.headers["Authorization"].startswith("Bearer ")
        if request.method != "GET":
            body = json.loads(request.content)
            self.changed.append((request.method, path.removeprefix("/dags/drs.shop"), body))
            return self.change(path, body)
        return self.shown(path)

    def change(self, path, body):
        if path.endswith("/dagRuns"):
            started = {**self.runs[0], "dag_run_id": "manual__2", "state": "queued", "conf": body["conf"]}
            self.runs.insert(0, started)
            return httpx.Response(200, json=started)
        if path.endswith("/orders"):
            words = {"cancel": "cancelled", "skip": f"wave {body.get('wave')} skipped"}
            why = f": {body['reason']}" if body.get("reason") else ""
            message = f"{words.get(body.get('kind'), 'retried')} by ada{why}"
            return httpx.Response(200, json={"message": message})
        if path.endswith(f"/dagRuns/{RUN}"):
            self.runs[0]["note"] = body["note"]
        if path.endswith("clearTaskInstances"):
            return httpx.Response(200, json={"task_instances": [{"task_id": task_id} for task_id in body["task_ids"]]})
        return httpx.Response(200, json={})

    def shown(self, path):
        if path.endswith("/xcomEntries"):
            return httpx.Response(
                200, json=page("xcom_entries", [{"task_id": task, "key": key} for task, key in self.xcoms])
            )
        if "/left/" in path:
            task, key = path.split("/left/")[1].split("/")
            known = {path: {"value": self.xcoms[task, key]}} if (task, key) in self.xcoms else {}
        else:
            of = "/dags/drs.shop/dagRuns"
            edges = [{"task_id": task, "downstream_task_ids": below(task)} for task in self.states]
            instances = [{"task_id": task, "state": state, "map_index": -1} for task, state in self.states.items()]
            known = {
                "/dags": page("dags", [self.dag]),
                "/dags/drs.shop/details": self.dag,
                "/dags/drs.shop/tasks": {"tasks": edges},
                of: page("dag_runs", self.runs),
            }
            for run in self.runs:
                known[f"{of}/{run['dag_run_id']}"] = run
                known[f"{of}/{run['dag_run_id']}/taskInstances"] = page("task_instances", instances)
                known[f"{of}/{run['dag_run_id']}/hitlDetails"] = page("hitl_details", self.questions)
        if path in known:
            return httpx.Response(200, json=known[path])
        return httpx.Response(404, json={"detail": "not found"})

    def wave(self, name, start, job):
        self.states |= {f"{name}.start_recovery": start, f"{name}.recovery_job": job}

    def launched(self, name, *failed):
        servers = [{"server_id": f"s-{name}-{number}", "hostname": f"{name}{number}"} for number in (1, 2)]
        self.wave(name, "success", "success")
        self.results(name, servers, failed)
        verdict = "completed_with_exceptions" if failed else "launched"
        self.xcoms[f"{name}.recovery_job", "return_value"] = {"verdict": verdict}

    def results(self, name, servers, failed):
        self.xcoms[f"{name}.recovery_job", "servers"] = [
            {
                **server,
                "status": "failed" if server["hostname"] in failed else "launched",
                "reason": "no capacity" if server["hostname"] in failed else None,
                "instance_id": None,
                "critical": True,
                "job_id": "drsjob-1",
            }
            for server in servers
        ]

    def ask(self, task, *options, params=None):
        self.states[task] = "awaiting_input"
        self.questions.append(
            {
                "task_instance": {"task_id": task, "map_index": -1, "state": "awaiting_input"},
                "subject": "May it go on?",
                "options": options or ["Approve", "Reject"],
                "created_at": "2026-11-23T10:00:05Z",
                "params": params or {},
                "response_received": False,
            }
        )


def page(name, rows):
    return {name: rows, "total_entries": len(rows)}


def parsed(*arguments):
    parser = ArgumentParser()
    run.configure(parser)
    return parser.parse_args(arguments)


ORDERS = f"/drs/runs/drs.shop/{RUN}/orders"


def orders(airflow):
    """What was given to tasks to obey."""
    return [body for method, path, body in airflow.changed if (method, path) == ("POST", ORDERS) and body["tasks"]]


def order(kind, *tasks, wave=None, reason=None, is_recorded=True):
    """An order as the server is asked to sign and keep it."""
    body = {
        "kind": kind,
        "tasks": list(tasks),
        "wave": wave,
        "reason": reason,
        "is_recorded": is_recorded,
    }
    return ("POST", ORDERS, body)


def cleared_by(airflow):
    return next(change for change in airflow.changed if change[1] == "/clearTaskInstances")


STEPS_BEFORE = ("ready", "pause")


def below(task):
    wave, _, name = task.partition(".")
    if name in STEPS_BEFORE:
        return [f"{wave}.start_recovery"]
    if name == "start_recovery":
        return [f"{wave}.recovery_job"]
    return [f"{other}.start_recovery" for other, above in CHAIN.items() if name == "recovery_job" and wave in above]


@pytest.fixture
def airflow():
    return Airflow()


@pytest.fixture
def drs(airflow, capsys):
    """Run a command; return its exit code, and what it printed."""

    def drs(*arguments, environ=ENVIRON):
        clock = iter(range(0, 100000, 50))
        options = parsed(*arguments)
        code = run.run(
            options,
            environ=environ,
            transport=httpx.MockTransport(airflow),
            control_of=lambda client, say: RunControl(client, say, sleep=lambda _: None, monotonic=lambda: next(clock)),
            now=lambda: datetime(2026, 11, 23, 10, 1, 1, tzinfo=UTC),
        )
        return code, capsys.readouterr().out

    return drs


LOGIN = ("POST", "/auth/token")
RIGHT = "it takes PUT on task instances (can_edit on Task Instances)."


@pytest.mark.parametrize(
    ("key", "answer", "arguments", "said"),
    [
        pytest.param(
            LOGIN,
            httpx.Response(401, json={"detail": "Invalid credentials"}),
            ["status", "shop"],
            f"{URL} refused the login of 'ada': check --user and --password, or DRS_AIRFLOW_USER and "
            "DRS_AIRFLOW_PASSWORD",
            id="refused login",
        ),
        pytest.param(
            LOGIN,
            httpx.Response(404, text="<html>"),
            ["status", "shop"],
            f"{URL} does not speak Airflow 3's API (POST /auth/token was answered with 404): check the "
            "address; it is that of Airflow's pages, with its path prefix and without /api/v2",
            id="wrong address",
        ),
        pytest.param(
            ("GET", "/details"),
            httpx.Response(200, text="<html>"),
            ["status", "shop"],
            f"{URL} does not speak Airflow 3's API (GET /prefix/api/v2/dags/drs.shop/details was answered with no "
            "JSON): check the address; it is that of Airflow's pages, with its path prefix and without /api/v2",
            id="a web page",
        ),
        pytest.param(
            LOGIN,
            httpx.ConnectError("Connection refused"),
            ["status", "shop"],
            f"no answer from {URL}: Connection refused. Is Airflow up, and is this its address? "
            "Running DRS jobs continue without it",
            id="Airflow is down",
        ),
        pytest.param(
            ("PATCH", "/dags/drs.shop"),
            httpx.ReadTimeout("slow"),
            ["pause", "shop"],
            f"{URL} did not answer within 30 s. Whether Airflow did it (pause and resume the plan) is not known: "
            "look at the status",
            id="no answer to a change",
        ),
        pytest.param(
            ("GET", "/details"),
            httpx.Response(401, json={"detail": "Invalid JWT"}),
            ["status", "shop"],
            f"{URL} does not accept the token: it is wrong or has expired; ask for a new one, or log in again",
            id="expired token",
        ),
        pytest.param(
            ("POST", "/orders"),
            httpx.Response(403, json={"detail": "Forbidden"}),
            ["cancel", "shop"],
            "user ada may not give orders to a run: it takes PUT on DAG runs (can_edit on DAG Runs).",
            id="no right to cancel",
        ),
        pytest.param(
            ("PATCH", "/dags/drs.shop"),
            httpx.Response(403, json={"detail": "Forbidden"}),
            ["pause", "shop"],
            "user ada may not pause and resume the plan: it takes PUT on the DAG (can_edit on the DAG).",
            id="no right to pause",
        ),
        pytest.param(
            ("GET", "/tasks"),
            httpx.Response(500, json={"detail": "database is locked"}),
            ["status", "shop"],
            "Airflow answered 500 when asked to read the plan's runs: database is locked",
            id="Airflow is ill",
        ),
    ],
)
def test_what_airflow_refuses_is_said_with_what_to_do_next(drs, airflow, key, answer, arguments, said):  # noqa: PLR0917  (a table's columns)
    airflow.answers[key] = answer

    with pytest.raises(AirflowError) as caught:
        drs(*arguments)

    assert str(caught.value) == said


def test_a_start_that_the_user_may_not_make_names_the_right(drs, airflow):
    airflow.runs[0]["state"] = "success"
    airflow.answers["POST", "/dagRuns"] = httpx.Response(403, json={"detail": "Forbidden"})

    with pytest.raises(AirflowError, match=r"^user ada may not start runs of the plan: it takes POST on DAG runs"):
        drs("start", "shop")


def test_an_answer_of_one_who_is_not_asked_repeats_airflows_words(drs, airflow):
    airflow.ask("two.pause")
    airflow.answers["PATCH", "/hitlDetails"] = httpx.Response(403, json={"detail": "User=ada is not a respondent."})

    with pytest.raises(AirflowError, match=r"HITL Detail\), and to be among the approvers\. Airflow says: User=ada"):
        drs("approve", "shop")


@pytest.mark.parametrize(
    ("environ", "arguments", "said"),
    [
        ({}, ["status", "shop"], "No address of Airflow: set DRS_AIRFLOW_URL or give --airflow"),
        (
            {"DRS_AIRFLOW_URL": URL},
            ["status", "shop"],
            (
                "No credentials: set DRS_AIRFLOW_TOKEN or DRS_AIRFLOW_USER and DRS_AIRFLOW_PASSWORD, or give --user "
                "and --password"
            ),
        ),
        (ENVIRON, ["status", "shp"], f"{URL} has no plan called 'shp' (did you mean 'shop'?)"),
        (ENVIRON, ["status", "shop", "manual__9"], "shop has no run called 'manual__9' (did you mean 'manual__1'?)"),
        (ENVIRON, ["skip", "shop", "tow"], "shop has no wave called 'tow' (did you mean 'two'?)"),
        (
            ENVIRON,
            ["start", "shop", "--mode", "recovery"],
            "a recovery brings production up: confirm it with the plan's name, shop",
        ),
        (
            ENVIRON,
            ["start", "shop", "--point-in-time", "2026-01-31T14:05:00"],
            (
                "point_in_time: '2026-01-31T14:05:00' does not say in which time zone: write 2026-01-31T14:05:00Z for "
                "UTC, or the offset, for example 2026-01-31T14:05:00+02:00"
            ),
        ),
        (
            ENVIRON,
            ["start", "shop", "--point-in-time", "noon"],
            "point_in_time: 'noon' is neither 'latest' nor an instant such as 2026-01-31T14:05:00Z",
        ),
    ],
)
def test_wrong_use_is_told_from_a_refusal(drs, environ, arguments, said):
    with pytest.raises(UsageError) as caught:
        drs(*arguments, environ=environ)

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["start", "shop"],
            (
                "shop has a run that is not over, manual__1, and drills of a plan never overlap: wait for it (drs run "
                f"wait shop {ID}) or cancel it (drs run cancel shop {ID})"
            ),
        ),
        (["resume", "shop"], "shop is not paused"),
        (
            ["skip", "shop", "one"],
            "wave one cannot be skipped now (launched): only a wave that has not started can",
        ),
        (
            ["skip", "shop", "two"],
            "wave two cannot be skipped now (launching): only a wave that has not started can",
        ),
        (["retry", "shop", "one"], "wave one cannot be retried now (launched): only a wave that has failed can"),
        (["retry", "shop", "two"], "wave two cannot be retried now (launching): only a wave that has failed can"),
        (["retry", "shop", "three"], "wave three cannot be retried now (waiting): only a wave that has failed can"),
        (["approve", "shop"], "manual__1 of shop has no pending approval"),
        (["wait", "shop", "--timeout", "40"], "manual__1 of shop is not over after 40 s (running); it continues"),
    ],
)
def test_what_a_run_does_not_allow_now_is_refused_and_nothing_is_changed(drs, airflow, arguments, said):
    airflow.launched("one")
    airflow.wave("two", "success", "deferred")

    with pytest.raises(DrsProviderError) as caught:
        drs(*arguments)

    assert str(caught.value) == said
    assert airflow.changed == []


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_run_that_is_over_is_left_alone(drs, airflow, action):
    airflow.runs[0]["state"] = "failed"

    with pytest.raises(DrsProviderError, match=f"^cannot {action} manual__1 of shop: it is over, unknown$"):
        drs(action, "shop")
    assert airflow.changed == []


def test_a_paused_plan_is_not_started(drs, airflow):
    airflow.dag["is_paused"] = True

    with pytest.raises(DrsProviderError, match=r"^shop is paused, so a run would not begin: drs run resume shop$"):
        drs("start", "shop")


def test_a_start_sends_what_was_asked_for_and_nothing_else(drs, airflow):
    airflow.runs[0]["state"] = "success"

    code, said = drs("start", "shop", "--wave", "one", "two", "--exclude-server", "db3", "--reason", "try")

    assert (code, said) == (0, f"started manual__2: drs run status shop {short_run_id('drs.shop', 'manual__2')}\n")
    conf = {"mode": "drill", "reason": "try", "waves": ["one", "two"], "exclude_servers": ["db3"]}
    assert airflow.changed == [("POST", "/dagRuns", {"logical_date": None, "conf": conf, "note": None})]


def test_a_run_gets_a_logical_date_of_airflow_s_clock_that_is_past(drs, airflow):
    """This machine's clock is years behind or ahead of that answer."""
    airflow.runs[0]["state"] = "success"
    airflow.date = "Mon, 23 Nov 2020 10:00:00 GMT"
    then = datetime(2020, 11, 23, 10, tzinfo=UTC)

    drs("start", "shop")

    ((_, _, body),) = airflow.changed
    assert then - timedelta(seconds=1) < datetime.fromisoformat(body["logical_date"]) <= then


@pytest.mark.parametrize("date", ["", "yesterday", None])
def test_a_run_gets_no_logical_date_where_airflow_tells_none(drs, airflow, date):
    airflow.runs[0]["state"] = "success"
    airflow.date = date

    drs("start", "shop")

    assert airflow.changed[0][2]["logical_date"] is None


@pytest.mark.parametrize(
    ("given", "waves", "left_out"),
    [
        (("--wave", "one", "--wave", "three"), ["one", "three"], None),
        (("--wave", "one,three", "--wave", "one", "two"), ["one", "three", "two"], None),
        (("--exclude-server", "db1", "--exclude-server", "db2,", "--exclude-server", " db3 ,db1"), None, "db1 db2 db3"),
    ],
)
def test_every_wave_and_server_that_is_named_counts_however_it_is_written(drs, airflow, given, waves, left_out):
    airflow.runs[0]["state"] = "success"

    drs("start", "shop", *given)

    conf = airflow.changed[-1][2]["conf"]
    assert (conf.get("waves"), conf.get("exclude_servers")) == (waves, left_out and left_out.split())


def test_a_status_shows_waves_questions_and_what_is_paused(drs, airflow):
    airflow.dag["is_paused"] = True
    airflow.launched("one", "one2")
    airflow.ask("two.pause")

    assert drs("status", "shop") == (
        0,
        (
            f"shop  {ID}  manual__1  waiting for an answer, drill\n"
            "  requested 2026-11-23 10:00:00 UTC by ada\n"
            "  running for 1:00\n"
            "  the plan is paused: nothing new starts, DRS jobs continue; drs run resume shop\n"
            "    one    completed with exceptions  1 of 2 launched, 1 failed\n"
            "    two    waiting for an answer\n"
            "    three  waiting\n"
            "  waiting for an answer: two.pause: May it go on?\n"
            f"    drs run approve shop {ID} --task two.pause\n"
            f"    drs run reject shop {ID} --task two.pause\n"
            "  first cause: one2 (wave one): no capacity\n"
            "  next step: look at the job's log in the DRS console and correct the cause, then start the drill again\n"
        ),
    )


@pytest.mark.parametrize(("state", "code"), [("success", 0), ("failed", 1)])
def test_a_wait_ends_with_0_only_for_a_green_run(drs, airflow, state, code):
    airflow.runs[0]["state"] = state

    assert drs("wait", "shop", "--format", "json")[0] == code


def test_a_wait_bears_an_airflow_that_restarts(drs, airflow):
    looks = []

    def answer(request):
        looks.append(request)
        if len(looks) in (12, 13):
            raise httpx.ConnectError("Connection refused")
        if len(looks) == 14:
            return httpx.Response(500, json={"detail": "the database is starting up"})
        if len(looks) > 20:
            airflow.runs[0]["state"] = "success"
        return Airflow.__call__(airflow, request)

    options = parsed("wait", "shop")
    news = []
    code = run.run(
        options,
        environ=ENVIRON,
        transport=httpx.MockTransport(answer),
        control_of=lambda client, **_: RunControl(client, news.append, lambda _: None, iter(range(999)).__next__),
    )

    assert code == 0
    assert sum(line.startswith("no status: no answer from") for line in news) == 2
    assert (
        news.count("no status: Airflow answered 500 when asked to read the plan's runs: the database is starting up")
        == 1
    )


def test_a_cancel_gives_its_order_to_every_wave_that_has_not_begun_and_marks_only_what_asks(drs, airflow):
    airflow.wave("one", "success", "deferred")
    airflow.ask("two.pause")

    code, said = drs("cancel", "shop", "--reason", "wrong network")

    obeying = ("two.start_recovery", "three.start_recovery", "one.start_recovery", "one.recovery_job")
    assert airflow.changed == [
        order("cancel", *obeying, reason="wrong network"),
        ("PATCH", f"/dagRuns/{RUN}", {"note": "cancelled by ada: wrong network"}),
        ("PATCH", f"/dagRuns/{RUN}/taskInstances/two.pause", {"new_state": "skipped"}),
    ]
    assert (code, said) == (
        0,
        (
            "manual__1 of shop is cancelled, and will end as failed in Airflow; two and three: will not start; one: no "
            "further job is started; DRS cannot cancel a job, so what runs is "
            "watched to its end; then a drill is cleaned up, and the report is written\n"
        ),
    )


def test_a_skip_gives_its_order_to_that_wave_alone(drs, airflow):
    airflow.wave("one", "success", "deferred")

    assert drs("skip", "shop", "two") == (0, "wave two is skipped when its turn comes; then three\n")
    assert airflow.changed == [
        order("skip", "two.start_recovery", wave="two"),
        ("PATCH", f"/dagRuns/{RUN}", {"note": "wave two skipped by ada"}),
    ]


def test_a_retry_takes_orders_back_and_clears_the_wave_with_everything_after_it(drs, airflow):
    airflow.runs[0]["state"] = "failed"
    airflow.wave("one", "success", "success")
    airflow.wave("two", "success", "failed")
    airflow.wave("three", "upstream_failed", "upstream_failed")

    assert drs("retry", "shop", "two")[1] == (
        "wave two runs again: servers that are up are kept, the others are launched; then three\n"
    )
    assert [body["kind"] for body in orders(airflow)] == ["retry"]
    assert cleared_by(airflow) == (
        "POST",
        "/clearTaskInstances",
        {
            "dry_run": False,
            "dag_run_id": RUN,
            "task_ids": ["two.start_recovery"],
            "only_failed": False,
            "include_downstream": True,
            "prevent_running_task": True,
        },
    )


@pytest.mark.parametrize(
    ("wave", "step", "cleared", "said"),
    [
        pytest.param(
            ("success", "success"),
            {"two.look": "success", "two.switch-on": "failed", "two.tell": "upstream_failed"},
            ["two.switch-on"],
            "wave two continues with step switch-on: its servers are up, and what was done before is kept; then "
            "three\n",
            id="a step after the launch failed: neither servers nor earlier steps run again",
        ),
        pytest.param(
            ("upstream_failed", "upstream_failed"),
            {"two.ready": "failed"},
            ["two.ready", "two.start_recovery"],
            "wave two runs again: servers that are up are kept, the others are launched; then three\n",
            id="a step before the launch failed",
        ),
    ],
)
def test_a_retry_begins_where_a_step_failed(drs, airflow, wave, step, cleared, said):  # noqa: PLR0917  (a table)
    airflow.runs[0] |= {"state": "failed", "conf": {"mode": "recovery"}}
    airflow.wave("one", "success", "success")
    airflow.wave("two", *wave)
    airflow.states |= step
    airflow.wave("three", "upstream_failed", "upstream_failed")

    assert drs("retry", "shop", "two")[1] == said
    assert cleared_by(airflow)[2]["task_ids"] == cleared
    assert cleared_by(airflow)[2]["include_downstream"] is True
    ordered = [task for body in orders(airflow) for task in body["tasks"]]
    assert sorted(ordered) == sorted({*step, "two.start_recovery", "two.recovery_job", "three.start_recovery"})


@pytest.mark.parametrize("command", ["cancel", "skip"])
def test_steps_get_the_order_too(drs, airflow, command):
    airflow.wave("one", "success", "success")
    airflow.states |= {"one.look": "deferred", "two.ready": None, "after_waves.switch-dns": None}

    drs(command, "shop", *(["two"] if command == "skip" else []))

    given = {task: body["kind"] for body in orders(airflow) for task in body["tasks"]}
    steps = {task: kind for task, kind in given.items() if not task.endswith(("start_recovery", "recovery_job"))}
    asked_for = {"two.ready": command}
    if command == "cancel":
        asked_for |= {"one.look": "cancel", "after_waves.switch-dns": "cancel"}
    assert steps == asked_for


def test_a_drill_that_was_cleaned_up_is_not_patched_together(drs, airflow):
    airflow.runs[0]["state"] = "failed"
    airflow.wave("two", "success", "failed")
    airflow.results("two", [{"server_id": "s-1", "hostname": "a"}, {"server_id": "s-2", "hostname": "b"}], ("b",))

    with pytest.raises(DrsProviderError) as caught:
        drs("retry", "shop", "two")

    assert str(caught.value) == (
        "the drill manual__1 is over, and its clean-up has terminated the 1 server that wave two had launched: start "
        "a new drill, drs run start shop --wave two"
    )
    assert airflow.changed == []


def test_a_comment_goes_with_the_answer_where_the_question_has_a_place_for_it(drs, airflow):
    airflow.ask("two.pause", params={"comment": {"value": ""}})

    assert drs("approve", "shop", "--comment", "looks fine") == (0, "two.pause: Approve\n")
    body = {"chosen_options": ["Approve"], "params_input": {"comment": "looks fine"}}
    assert airflow.changed == [("PATCH", f"/dagRuns/{RUN}/taskInstances/two.pause/-1/hitlDetails", body)]


def test_a_comment_without_a_place_goes_into_the_runs_note(drs, airflow):
    airflow.ask("two.pause")

    drs("reject", "shop", "--comment", "not tonight")

    assert airflow.changed[-1][2] == {"note": "two.pause answered Reject by ada: not tonight"}


def test_several_questions_are_told_apart_by_task_or_wave(drs, airflow):
    airflow.ask("two.pause")
    airflow.ask("three.pause")

    with pytest.raises(
        UsageError, match=r"^2 tasks are waiting for an answer, two.pause and three.pause: name one of them$"
    ):
        drs("approve", "shop")
    assert drs("approve", "shop", "--wave", "three")[1] == "three.pause: Approve\n"


@pytest.mark.parametrize("given", ["Go on", "go on"])
def test_a_question_is_answered_with_its_own_options(drs, airflow, given):
    airflow.ask("two.pause", "Go on", "Stop")

    assert f"    drs run answer shop {ID} --task two.pause --option 'Go on'\n" in drs("status", "shop")[1]
    assert drs("answer", "shop", ID, "--task", "two.pause", "--option", given) == (0, "two.pause: Go on\n")
    assert airflow.changed[-1][2] == {"chosen_options": ["Go on"], "params_input": {}}


def test_an_answer_that_a_question_does_not_know_is_refused_with_those_that_it_does(drs, airflow):
    airflow.ask("two.pause", "Go", "Wait")

    with pytest.raises(UsageError) as caught:
        drs("approve", "shop")

    assert str(caught.value) == (
        "two.pause does not ask for 'Approve' but for one of Go, Wait: "
        f"drs run answer shop {ID} --task two.pause --option Go   or   "
        f"drs run answer shop {ID} --task two.pause --option Wait"
    )


def test_a_kept_drill_says_until_when_it_is_kept_now_and_how_that_is_changed(drs, airflow):
    airflow.launched("one")
    airflow.ask("finish.keep", "End now", "Extend by 1h")
    airflow.xcoms["finish.keep", "kept"] = {
        "until": "2026-11-23T14:00:00Z",
        "by": "bob",
        "extended": 2,
    }

    lines = drs("status", "shop")[1].splitlines()

    assert "  kept for people until 2026-11-23 14:00:00 UTC, extended 2 times, last by bob" in lines
    assert lines[-5:-3] == [f"    drs run end shop {ID}", f"    drs run extend shop {ID} --by 30m"]


def test_what_an_xcom_backend_keeps_elsewhere_is_asked_of_the_plugin(drs, airflow):
    airflow.launched("one", "one2")
    kept, airflow.xcoms = airflow.xcoms, dict.fromkeys(airflow.xcoms, "file:///store/of/a/backend.json")
    for (task, key), value in kept.items():
        path = f"/drs/runs/drs.shop/{RUN}/left/{task}/{key}"
        airflow.answers["GET", path] = httpx.Response(200, json={"value": value})

    assert "    one    completed with exceptions  1 of 2 launched, 1 failed\n" in drs("status", "shop")[1]


def test_what_an_xcom_backend_keeps_from_everybody_counts_as_not_left(drs, airflow):
    airflow.launched("one")
    airflow.xcoms = dict.fromkeys(airflow.xcoms, "file:///store/of/a/backend.json")

    assert drs("status", "shop")[0] == 0


@pytest.mark.parametrize(
    ("question", "then"),
    [
        (None, f"it is cleaned up and reported, drs run wait shop {ID} waits for that"),
        ("finish.keep", f"the drill is kept for people, drs run end shop {ID} cleans it up now"),
    ],
)
def test_a_cancel_that_comes_too_late_says_so_at_once_and_changes_nothing(drs, airflow, question, then):
    for wave in CHAIN:
        airflow.launched(wave)
    if question:
        airflow.ask(question, "End now", "Extend by 1h")

    with pytest.raises(DrsProviderError) as caught:
        drs("cancel", "shop")

    assert str(caught.value) == f"too late to cancel manual__1 of shop: everything was launched; {then}"
    assert airflow.changed == []


def test_an_answer_that_came_too_late_is_refused(drs, airflow):
    airflow.ask("two.pause")
    airflow.answers["PATCH", "/hitlDetails"] = httpx.Response(409, json={"detail": "already updated"})

    with pytest.raises(
        DrsProviderError, match=r"^two.pause has been answered already: drs run status shop [0-9a-f]{6}$"
    ):
        drs("approve", "shop")


def test_a_pause_says_what_goes_on(drs, airflow):
    airflow.wave("one", "success", "deferred")

    assert drs("pause", "shop")[1] == (
        "shop is paused: nothing new starts, no wave, no clean-up, no scheduled drill. DRS jobs of one continue and "
        "are judged after the resume; Airflow pauses plans, not runs: another run of it waits too. To continue: drs "
        "run resume shop\n"
    )
    assert airflow.changed == [("PATCH", "", {"is_paused": True})]


@pytest.mark.parametrize(
    ("arguments", "first"), [(["list"], "shop  running  drill"), (["list", "shop"], "shop  running")]
)
def test_runs_are_listed(drs, arguments, first):
    assert drs(*arguments)[1].startswith(first)


@pytest.mark.parametrize(
    ("token", "who"), [("e30.eyJzdWIiOiAiYWRhIn0.x", "ada"), ("nothing", None), ("a.b.c", None), ("e30.e30.x", None)]
)
def test_a_token_says_whose_it_is(token, who):
    assert subject(token) == who
