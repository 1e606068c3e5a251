"""The routes over runs in memory: who is asked, what is answered."""

import json
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from drs_provider import patience
from drs_provider.plan.loader import Library, read_folder
from drs_provider.plan.problems import Problem
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.store import SHORTENED, kept_report, to_json, write_report
from drs_provider.rules.run.handover import KeptReport, PreflightFinding
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import COMMIT_TASK, REPORT_TASK
from drs_provider.ui import plan_list
from drs_provider.ui.read_model import LastRun, RunData
from kit.evidence import a_passed_drill
from kit.run_pages import RunsInMemory, pages_of_runs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
    from fastapi.testclient import TestClient

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"
GOOD = """
kind: ProtectionGroup
name: shop-db
region: us-west-2
servers: [s-0123456789abcdef0]
---
kind: RecoveryPlan
name: shop
title: "<script>alert(1)</script>"
description: "<script>alert(1)</script>"
rto: 45m
drill: {network: shared}
waves: [{name: database, groups: [shop-db]}]
"""


def a_client(folder: Path, runs: RunsInMemory | None = None, **how: object) -> TestClient:
    how = {"readable": ("drs.shop", "drs.web-shop"), "problems": True, **how}
    return TestClient(pages_of_runs(folder, runs or RunsInMemory(), **how))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(GOOD)
    (plans / "crm.yaml").write_text(f"kind: RecoveryPlan\nname: crm\n'{EVIL}': 1\nwaves: []\n")
    return tmp_path


@pytest.mark.parametrize("schedules_checks", [True, False])
def test_a_plan_says_that_its_checks_by_schedule_are_paused_where_it_has_any(folder, schedules_checks):
    if schedules_checks:
        text = GOOD.replace("kind: RecoveryPlan\n", 'kind: RecoveryPlan\ncheck: {schedule: "0 6 * * *"}\n')
        (folder / "plans" / "shop.yaml").write_text(text)
    client = a_client(folder, RunsInMemory(paused=["drs.shop.check", "drs.web-shop.check"]))
    (plan,) = client.get("/plans.json").json()["plans"]
    shown = f"""<a data-airflow href="../dags/{plan["dag_id"]}.check">{plan["dag_id"]}.check</a>"""

    assert plan["is_paused"] is False
    assert plan["paused_checks"] == (f"{plan['dag_id']}.check" if schedules_checks else "")
    assert (shown in client.get("/plans").text) is schedules_checks


def test_a_forecast_that_could_not_be_read_is_looked_for_again(monkeypatch):
    answers = iter([OSError("the bucket does not answer"), ()])

    def read(*_asked):
        if isinstance(answer := next(answers), OSError):
            raise answer
        return answer

    monkeypatch.setattr(plan_list, "_reports", read)
    monkeypatch.setattr(plan_list, "forecasts_from", lambda reports: ("read", reports))

    asked = ("s3://reports", "drs.shop", "manual__forecast")
    assert plan_list.forecast_of(*asked) == plan_list.USUAL
    assert plan_list.forecast_of(*asked) == plan_list.forecast_of(*asked) == ("read", ())


def test_the_plans_page_shows_texts_of_plans_and_problems_as_text(folder):
    page = a_client(folder).get("/plans").text

    assert page.count("<script>") == 1
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


def test_a_broken_plan_shows_every_problem_with_its_line(folder):
    broken = a_client(folder).get("/plans.json").json()["broken"]

    assert [file["file"] for file in broken] == ["plans/crm.yaml"]
    assert all(problem.startswith("plans/crm.yaml:") for problem in broken[0]["problems"])
    assert any(problem.startswith("plans/crm.yaml:3:1: ") and EVIL in problem for problem in broken[0]["problems"])


def test_problems_are_kept_from_those_who_may_not_read_import_errors(folder):
    client = a_client(folder, problems=False)

    assert client.get("/plans.json").json()["broken"] == []
    assert "crm.yaml" not in client.get("/plans").text


def test_plans_of_dags_that_the_caller_may_not_read_are_left_out(folder):
    client = a_client(folder, readable=["drs.other"])

    assert client.get("/plans.json").json()["plans"] == []
    assert "There is no plan that you may read" in client.get("/plans").text


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (None, "○ never run"),
        (LastRun("r", "running", NOW), "… running"),
        (LastRun("r", "success", NOW, "passed"), "✓ passed"),
        (LastRun("r", "success", NOW, "completed_with_exceptions"), "! completed with exceptions"),
        (LastRun("r", "failed", NOW, "refused"), "⊘ refused"),
        (LastRun("r", "failed", NOW), "! unknown, report missing"),
        (LastRun("r", "success", NOW), "! unknown, report missing"),
    ],
)
def test_the_last_run_of_a_plan_is_shown_with_its_verdict(folder, last, words):
    page = a_client(folder, RunsInMemory(newest={"drs.shop": last} if last else {})).get("/plans").text

    assert words in page


WARNING = {"severity": "warning", "what": "replication lags", "server_id": "s-1", "hostname": "db1", "rule": "lag"}


@pytest.mark.parametrize(
    ("check", "findings", "words"),
    [
        (None, (), None),
        (LastRun("c", "running", NOW), (), "… running"),
        (LastRun("c", "success", NOW, "checked"), (), "✓ checked"),
        (LastRun("c", "success", NOW, "checked"), (WARNING,), "! checked with 1 warning"),
        (LastRun("c", "failed", NOW, "refused"), (WARNING, {**WARNING, "severity": "refusal"}), "⊘ refused"),
        (LastRun("c", "failed", NOW), (), "! unknown"),
    ],
    ids=["never", "goes on", "passed", "warnings", "refused", "no report"],
)
def test_the_last_check_of_a_plan_is_shown_beside_its_last_run(folder, check, findings, words):
    report = measure(a_passed_drill())
    preflight = report.preflight.model_copy(
        update={"findings": tuple(PreflightFinding(**finding) for finding in findings)}
    )
    facts = report.run.model_copy(update={"dag_id": "drs.shop", "run_id": "c", "mode": "check"})
    write_report(report.model_copy(update={"run": facts, "preflight": preflight}), folder / "reports")
    runs = RunsInMemory(
        newest={"drs.shop": LastRun("r", "success", NOW, "passed")}, checks={"drs.shop": check} if check else {}
    )

    page = a_client(folder, runs).get("/plans").text

    assert ">✓ passed</span>" in page
    assert (
        f'>{words}</span> <a data-airflow href="../dags/drs.shop/runs/c/plugin/drs-run">Last check</a>' in page
    ) is (check is not None)
    assert ("Last check" in page) is (check is not None)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("drs.shop/manual__2026-11-22T05:00:00+00:00/left/web.recovery_job/servers", (200, {"value": [1]})),
        ("drs.shop/manual__2026-11-22T05:00:00+00:00/left/web.recovery_job/preflight", (404, None)),
        ("drs.shop/manual__2026-11-22T05:00:00+00:00/left/web.recovery_job/secret", (404, None)),
        ("drs.shop/other/left/web.recovery_job/servers", (404, None)),
        ("drs.other/manual__2026-11-22T05:00:00+00:00/left/web.recovery_job/servers", (403, None)),
    ],
)
def test_a_document_of_a_task_is_read_by_who_may_read_the_run_and_nothing_else_is(folder, path, answer):
    run = RunData(
        "drs.shop",
        "manual__2026-11-22T05:00:00+00:00",
        "running",
        left={("web.recovery_job", "servers"): [1], ("web.recovery_job", "secret"): "x"},
    )

    found = a_client(folder, RunsInMemory([run])).get(f"/runs/{path.replace('+', '%2B')}")

    assert (found.status_code, found.json() if found.status_code == 200 else None) == answer


def test_a_plan_that_was_mended_is_read_again(folder):
    client = a_client(folder)
    assert len(client.get("/plans.json").json()["broken"]) == 1

    (folder / "plans" / "crm.yaml").unlink()

    assert client.get("/plans.json").json()["broken"] == []


def test_a_missing_plans_folder_is_said_and_not_a_crash(tmp_path):
    broken = a_client(tmp_path).get("/plans.json").json()["broken"]

    assert [problem for file in broken for problem in file["problems"]] == [
        "plans:1:1: plans folder: there is no such folder (set DRS_PLANS_FOLDER to the plans)"
    ]


@pytest.mark.parametrize("path", ["/runs/secret/r", "/runs/secret/r/board", "/reports/secret/r/report.html"])
def test_every_route_of_a_run_asks_whether_its_dag_may_be_read(folder, path):
    client = a_client(folder, RunsInMemory([RunData("secret", "r", "running")]))

    assert client.get(path).status_code == 403


BOARD = "/runs/drs.shop/r/board"


def test_who_has_the_board_already_gets_no_body_and_the_time(folder):
    runs = RunsInMemory([RunData("drs.shop", "r", "running")])
    client = a_client(folder, runs)
    first = client.get(BOARD)

    again = client.get(BOARD, headers={"If-None-Match": first.headers["etag"]})
    other = client.get(BOARD, headers={"If-None-Match": 'W/"of-another-board"'})

    assert (first.status_code, first.json()["run_id"]) == (200, "r")
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status_code, other.json()) == (200, first.json())
    assert runs.asked == 1
    for answer in (first, again):
        assert answer.headers["x-drs-now"] == "2026-11-22T05:10:00+00:00"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Accept-Encoding"


def test_what_others_see_already_is_kept_from_those_who_may_not_read_the_run(folder):
    """One app, whose viewers come and go: neither the kept board nor its name opens a door."""
    readable = ["drs.shop"]
    runs = RunsInMemory([RunData("drs.shop", "r", "running")])
    client = a_client(folder, runs, readable=readable)
    seen = client.get(BOARD)
    readable.clear()

    refused = [client.get(BOARD, headers=known) for known in ({}, {"If-None-Match": seen.headers["etag"]})]

    assert [(answer.status_code, answer.json()) for answer in refused] == [(403, {"detail": "Forbidden"})] * 2
    assert [sorted({"etag", "x-drs-now"}.intersection(answer.headers)) for answer in refused] == [[], []]


@pytest.mark.parametrize("accepted", ["gzip, deflate", "identity"])
def test_a_big_board_is_packed_for_who_unpacks_it(folder, accepted):
    run = RunData("drs.shop", "r", "running", disbelieved={Origin("drs.shop", "r", "t", "k"): "x" * 5000})
    client = a_client(folder, RunsInMemory([run]))

    answer = client.get(BOARD, headers={"Accept-Encoding": accepted})

    assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in accepted else None)
    assert answer.json()["edited"][0]["reason"] == "x" * 5000


def test_the_board_of_a_run_that_there_is_not_is_not_found(folder):
    answer = a_client(folder).get(BOARD)

    assert (answer.status_code, answer.json()) == (404, {"detail": "DAG drs.shop has no run r"})


def test_the_run_page_shows_ids_as_text(folder):
    client = a_client(folder, readable=[EVIL, "</title>"])

    assert "alert(1)</script>" not in client.get("/runs/%3C%2Ftitle%3E/x").text.split("<body>")[0]


def test_a_report_comes_with_headers_that_keep_it_private(folder):
    report = measure(a_passed_drill())
    write_report(report, folder / "reports")

    answer = a_client(folder).get(f"/reports/drs.web-shop/{report.run.run_id.replace('+', '%2B')}/report.json")

    assert answer.json()["verdict"] == "passed"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_run_without_a_report_is_answered_without_a_path_of_the_server(folder):
    answer = a_client(folder).get("/reports/drs.shop/r1/report.json")

    assert (answer.status_code, answer.json()) == (404, {"detail": "run r1 of drs.shop has no report"})


def no_such_store():
    raise ImportError("Install s3fs to access S3")


def ask_for_a_report(folder, name, kept, reports=None):
    report = measure(a_passed_drill())
    run = RunData("drs.web-shop", report.run.run_id, "success", left={(REPORT_TASK, KeptReport.KEY): kept})
    client = a_client(folder, RunsInMemory([run]), reports=reports)
    return client.get(f"/reports/drs.web-shop/{report.run.run_id.replace('+', '%2B')}/{name}")


@pytest.mark.parametrize("reports", [None, no_such_store])
def test_a_report_on_a_disk_or_a_store_that_cannot_be_read_is_what_the_run_has_kept(folder, reports):
    report = measure(a_passed_drill())
    kept = kept_report(report).to_json()

    for name, text in (("report.json", to_json(report)), ("report.html", render(report))):
        answer = ask_for_a_report(folder, name, kept, reports)
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("sandbox ")
    assert SHORTENED not in text


def test_what_was_left_out_of_a_kept_report_is_said_on_its_page(folder):
    most = len(json.dumps(measure(a_passed_drill()).model_dump(mode="json"))) - 1
    kept = kept_report(measure(a_passed_drill()), most)
    assert kept.is_shortened

    assert SHORTENED in ask_for_a_report(folder, "report.html", kept.to_json()).text
    told = ask_for_a_report(folder, "report.json", kept.to_json()).json()
    assert (told["verdict"], told["is_shortened"]) == ("passed", True)
    whole = kept_report(measure(a_passed_drill())).to_json()
    assert "is_shortened" not in ask_for_a_report(folder, "report.json", whole).json()


@pytest.mark.parametrize(
    ("of_report", "verdict"), [(None, "completed"), ("no report", "completed"), ("failed", "failed")]
)
def test_while_a_run_asks_whether_to_commit_the_report_so_far_is_shown(folder, of_report, verdict):
    report = measure(a_passed_drill())
    so_far, last = (
        kept_report(report.model_copy(update={"verdict": word})).to_json() for word in ("completed", "failed")
    )
    left = {(COMMIT_TASK, KeptReport.KEY): so_far}
    if of_report:
        left[REPORT_TASK, KeptReport.KEY] = last if of_report == "failed" else of_report
    client = a_client(folder, RunsInMemory([RunData("drs.web-shop", "r", "running", left=left)]))

    assert client.get("/reports/drs.web-shop/r/report.json").json()["verdict"] == verdict


def test_a_written_report_goes_before_the_one_that_the_run_has_kept(folder):
    report = measure(a_passed_drill())
    write_report(report, folder / "reports")
    kept = kept_report(report.model_copy(update={"verdict": "failed"})).to_json()

    assert ask_for_a_report(folder, "report.json", kept).json()["verdict"] == "passed"


@pytest.mark.parametrize(
    "kept", [None, "no report", {"document": "else"}, KeptReport(verdict="passed", reason="").to_json()]
)
def test_a_run_that_has_kept_nothing_readable_has_no_report(folder, kept):
    assert ask_for_a_report(folder, "report.html", kept).status_code == 404


@pytest.mark.parametrize("problems", [True, False])
def test_an_api_server_without_plan_files_shows_what_airflow_has_made_of_them(folder, tmp_path, problems):
    library = Library(read_folder(folder / "plans").plans)  # what is broken has no DAG
    runs = RunsInMemory(library=library, broken={"../plans/crm.yaml": "3:1: none\n4:1: and more"})
    with_files = a_client(folder, RunsInMemory(), problems=problems).get("/plans.json").json()
    (folder / "plans").rename(folder / "elsewhere")

    without = a_client(folder, runs, problems=problems).get("/plans.json").json()

    assert [plan["name"] for plan in without["plans"]] == ["shop"]
    assert without["plans"] == with_files["plans"]
    said = {"file": "../plans/crm.yaml", "problems": ["3:1: none", "4:1: and more"]}
    assert without["broken"] == ([said] if problems else [])


def test_what_airflow_has_made_of_plans_is_not_asked_where_their_files_are(folder):
    runs = RunsInMemory(library=Library(), broken={"../plans/other.yaml": "no"})
    shown = a_client(folder, runs).get("/plans.json").json()

    assert [plan["name"] for plan in shown["plans"]] == ["shop"]
    assert [broken["file"] for broken in shown["broken"]] == ["plans/crm.yaml"]


@pytest.mark.parametrize("place", [None, "nosuch://bucket/reports"])
@pytest.mark.parametrize(("verdict", "verified"), [("passed", None), (None, False)])
def test_a_plan_whose_reports_lie_on_another_machine_is_not_called_unverified(folder, place, verdict, verified):
    ran = LastRun(f"r-{verdict}-{bool(place)}", "success" if verdict else "running", NOW, verdict)
    client = a_client(folder, RunsInMemory(newest={"drs.shop": ran}), reports=place and (lambda: place))

    (plan,) = client.get("/plans.json").json()["plans"]

    assert plan["verified"] is (None if place else verified)
    assert plan["production"] == ""


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("problems", [True, False])
def test_why_no_plan_can_be_shown_is_said_where_there_are_no_files(folder, tmp_path, is_there, problems):
    """Every plan is broken, or not parsed again yet; the folder is missing, or an empty one is mounted."""
    (folder / "plans").rename(folder / "elsewhere")
    if is_there:
        (folder / "plans").mkdir()
    runs = RunsInMemory(broken={"../plans/crm.yaml": "3:1: none"})

    shown = a_client(folder, runs, problems=problems).get("/plans.json").json()

    said = {"file": "../plans/crm.yaml", "problems": ["3:1: none"]}
    assert (shown["plans"], shown["broken"]) == ([], [said] if problems else [])


def test_an_empty_folder_hides_no_plans_that_airflow_has(folder):
    library = read_folder(folder / "plans")
    (folder / "plans").rename(folder / "elsewhere")
    (folder / "plans").mkdir()

    shown = a_client(folder, RunsInMemory(library=library)).get("/plans.json").json()

    assert [plan["name"] for plan in shown["plans"]] == ["shop"]


def test_a_dag_that_airflow_cannot_read_is_listed_beside_the_plans_and_the_broken_files(folder):
    plans = read_folder(folder / "plans").plans
    unread = Problem(Path("drs.crm"), 1, 1, "DAG", "Airflow cannot read it", "see the log")
    (folder / "plans").rename(folder / "elsewhere")
    runs = RunsInMemory(library=Library(plans, problems=(unread,)), broken={"../plans/x.yaml": "no"})

    shown = a_client(folder, runs).get("/plans.json").json()

    assert [plan["name"] for plan in shown["plans"]] == ["shop"]
    assert shown["broken"] == [
        {"file": "../plans/x.yaml", "problems": ["no"]},
        {"file": "drs.crm", "problems": ["drs.crm:1:1: DAG: Airflow cannot read it (see the log)"]},
    ]


@pytest.mark.parametrize("verdict", ["passed", None])
def test_reports_that_are_not_there_yet_are_looked_for_again(folder, verdict):
    report = measure(a_passed_drill())
    asked = (str(folder / "reports"), report.run.dag_id, (report.run.run_id, verdict))
    assert plan_list._reports(*asked) == ()

    write_report(report, folder / "reports")

    assert plan_list._reports(*asked) == ((report,) if verdict else ())


class SilentStore:
    """An object store that answers once it is let, and counts how often it was asked."""

    protocol = "s3"

    def __init__(self, name):
        self.name, self.answers, self.asked = name, Event(), 0

    def __str__(self):
        return f"s3://{self.name}"

    def __truediv__(self, name):
        return self

    def exists(self):
        self.asked += 1
        self.answers.wait(20)
        return False


def test_a_silent_store_is_waited_for_once_and_the_kept_report_is_shown(folder, monkeypatch):
    monkeypatch.setattr(patience, "MOST_SECONDS", 0.2)
    store = SilentStore("silent")
    kept = kept_report(measure(a_passed_drill())).to_json()
    try:
        for _ in range(3):
            assert ask_for_a_report(folder, "report.json", kept, lambda: store).json()["verdict"] == "passed"
            assert store.asked == 1
    finally:
        store.answers.set()
    for _ in range(100):
        if str(store) not in patience._SILENT:
            break
        time.sleep(0.05)
    ask_for_a_report(folder, "report.json", kept, lambda: store)
    assert store.asked == 2  # it has answered after all


def test_what_a_slow_store_says_in_the_end_is_there_for_the_next_look(monkeypatch):
    monkeypatch.setattr(patience, "MOST_SECONDS", 0.2)
    answers = Event()
    monkeypatch.setattr(plan_list, "stored_reports", lambda *_: [answers.wait(20)])
    asked = ("s3://slow", "drs.shop", ("r", "passed"))

    with pytest.raises(TimeoutError, match=r"^no answer in 0\.2 s$"):
        plan_list._reports(*asked)
    with pytest.raises(TimeoutError, match=r"^no answer a moment ago; asked again 60 s after that$"):
        plan_list._reports("s3://slow", "drs.other", None)
    answers.set()
    for _ in range(100):
        if "s3://slow" not in patience._SILENT:
            break
        time.sleep(0.05)

    assert plan_list._reports(*asked) == (True,)


def test_what_one_file_is_refused_for_at_once_silences_no_store():
    def refuse():
        raise PermissionError("no")

    for _ in range(2):
        with pytest.raises(PermissionError):
            patience.asked("s3://refusing", refuse)
    assert patience.asked("s3://refusing", lambda: 1) == 1
