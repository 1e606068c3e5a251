"""The page: self-contained, calm about odd text, small for many servers."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from drs_provider.report.evidence import CleanupEvidence, NotificationRecord, PreflightFinding, TaskError
from drs_provider.report.measure import measure
from drs_provider.report.page import render
from drs_provider.report.view import web_url
from drs_provider.rules.run.state.vocabulary import ServerStatus
from kit.evidence import (
    START,
    a_drill_with_a_failed_database,
    a_drill_with_exceptions,
    a_drill_with_leftovers,
    a_passed_drill,
    a_preflight,
    a_refused_drill,
    a_run,
    a_wave,
    an_unstarted_wave,
    some_facts,
)

RUNS = {
    "passed": a_passed_drill(),
    "failed": a_drill_with_a_failed_database(),
    "refused": a_refused_drill(),
    "completed with exceptions": a_drill_with_exceptions(),
    "leftovers": a_drill_with_leftovers(),
    "empty": a_run([]),
}
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</style>"


class Page(HTMLParser):
    """Tags, attributes and text as a browser reads them."""

    VOID = frozenset({"meta", "line", "br", "img", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def page_of(evidence) -> Page:
    return Page(render(measure(evidence)))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_page_is_whole_and_asks_nobody_for_anything(run):
    html = render(measure(run))
    page = Page(html)

    assert (page.open, page.unbalanced) == ([], [])
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form"})
    assert not re.search(r"url\(|@import|\bsrc=", html)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def evil_run():
    servers = tuple(
        server.model_copy(
            update={"hostname": EVIL, "reason": EVIL, "status": ServerStatus.FAILED, "instance_state": EVIL}
        )
        for server in a_wave("web", 2, 9).servers
    )
    wave = a_wave("web", 2, 9, state="failed", state_reason=EVIL)
    job = wave.jobs[0].model_copy(update={"job_id": EVIL, "region": EVIL, "console_url": "javascript:alert(3)"})
    wave = wave.model_copy(update={"name": EVIL, "servers": servers, "jobs": (job,), "depends_on": (f"not {EVIL}",)})
    facts = dict.fromkeys(
        ("dag_id", "run_id", "plan", "title", "description", "owner", "plan_path", "triggered_by", "reason"), EVIL
    )
    return a_run(
        [wave, an_unstarted_wave("later", 1, depends_on=[EVIL])],
        run=some_facts(**facts, params={EVIL: [EVIL]}, airflow_url="javascript:alert(4)"),
        preflight=a_preflight(
            findings=(PreflightFinding(severity="warning", rule=EVIL, hostname=EVIL, what=EVIL, next_step=EVIL),),
            quotas={EVIL: EVIL},
        ),
        cleanup=CleanupEvidence(state="incomplete", left={EVIL: EVIL}, reason=EVIL),
        errors=(TaskError(task=EVIL, message=EVIL),),
        notifications=(
            NotificationRecord(
                event=EVIL, wave=EVIL, kind=EVIL, target=EVIL, at=START, outcome="failed", tries=3, why=EVIL
            ),
        ),
    )


def test_whatever_stands_in_plans_tags_and_hostnames_is_text():
    html = render(measure(evil_run()))
    page = Page(html)

    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert "<script" not in html
    assert "javascript:" not in html
    assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\S+)", html)
    assert page.text.count(EVIL) >= 15
    assert (page.open, page.unbalanced) == ([], [])


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://airflow.example/dags", "https://airflow.example/dags"),
        ("http://localhost:8080/", "http://localhost:8080/"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//evil.example", None),
        ("http://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_only_web_addresses_become_links(url, link):
    assert web_url(url) == link


@pytest.mark.parametrize(
    ("run", "sentences"),
    [
        pytest.param(
            RUNS["passed"],
            ["Passed", "All 100 servers in 4 waves were launched.", "28m 47s", "✓ met", "nothing left"],
            id="passed",
        ),
        pytest.param(
            RUNS["failed"],
            [
                "dat3",
                "InsufficientInstanceCapacity: We currently do not have sufficient r6i.xlarge capacity in us-west-2a",
                "application, web, monitoring",
                "choose an instance type or subnet that has capacity in the server's launch settings, then start",
                "91 of 100 servers are not there: dat3, app1, app2, app3, app4 and 86 more.",
            ],
            id="failed",
        ),
        pytest.param(
            RUNS["refused"],
            [
                "Refused",
                "replication is STALLED since 2026-11-21 23:10 UTC",
                "exclude web41, or trigger with replace_live_instances",
                "not measured",
            ],
            id="refused",
        ),
        pytest.param(
            RUNS["completed with exceptions"],
            [
                "Completed with exceptions",
                "2 of 50 servers failed, 10% are tolerated",
                "web7",
                "not critical",
            ],
            id="exceptions",
        ),
        pytest.param(
            RUNS["leftovers"],
            [
                "Failed",
                "✕ 1 left",
                "99 drill instances terminated. 1 instance could not be terminated",
                "UnauthorizedOperation: not authorized to perform ec2:TerminateInstances",
                "Next step: clear the clean-up task to try again",
            ],
            id="leftovers",
        ),
    ],
)
def test_the_page_says_what_an_operator_must_know(run, sentences):
    text = page_of(run).text

    assert [sentence for sentence in sentences if sentence not in text] == []


def test_it_says_how_far_the_data_of_the_waves_is_apart():
    servers = {name: a_wave(name, 2, 10.0) for name in ("database", "web")}
    taken = {"database": [100, 130], "web": [100.5, 191]}
    waves = [
        wave.model_copy(
            update={
                "servers": tuple(
                    server.model_copy(update={"point_in_time": START + timedelta(seconds=second)})
                    for server, second in zip(wave.servers, taken[name], strict=True)
                )
            }
        )
        for name, wave in servers.items()
    ]

    words = "between the oldest and the newest data of its servers"
    assert f"1m 31s{words}" in page_of(a_run(waves)).text.replace("\n", "")
    assert words not in page_of(a_run(waves[:1])).text
    assert words not in page_of(a_run([waves[0], an_unstarted_wave("web", 2)])).text


def test_failures_stand_before_everything_that_went_well():
    text = page_of(RUNS["failed"]).text

    assert text.index("What went wrong") < text.index("Where the time went") < text.index("Waves and servers")


def test_in_a_refused_run_the_reasons_stand_first():
    text = page_of(RUNS["refused"]).text

    assert text.index("Preflight findings") < text.index("What went wrong")
    assert text.count("servers: preflight refused the run") == 3
    assert "Nothing was launched." in text


def test_a_refused_run_shows_no_picture_of_jobs_that_never_were():
    assert "svg" not in {tag for tag, _ in page_of(RUNS["refused"]).tags}


def test_the_picture_has_a_bar_per_job_and_marks_path_and_dead_time():
    page = page_of(RUNS["passed"])
    classes = [attributes.get("class") for tag, attributes in page.tags if tag in ("rect", "g")]

    assert classes.count("job") == 4
    assert classes.count("gap") == 3
    assert sum("critical" in (name or "") for name in classes) == 3


def test_a_job_without_an_end_is_drawn_open():
    wave = a_wave("web", 2, 9, state="launching")
    wave = wave.model_copy(update={"jobs": (wave.jobs[0].model_copy(update={"ended_at": None}),)})
    page = page_of(a_run([wave], finished_at=START + timedelta(minutes=20)))

    assert "job open" in [attributes.get("class") for tag, attributes in page.tags if tag == "rect"]


@pytest.mark.parametrize(("scale", "most"), [(1, 200_000), (10, 2_000_000)])
def test_a_page_of_many_servers_stays_small_and_folds_them_away(scale, most):
    html = render(measure(a_passed_drill(scale)))

    assert len(html.encode()) < most
    assert html.count("<details>") >= 3


def test_a_thousand_failures_get_a_table_below_the_first_few():
    text = page_of(a_run([a_wave("web", 1000, 9, failed=range(1, 1001))])).text

    assert "975 more failed servers" in text
    assert "web1000" in text


def test_light_and_dark_have_the_same_colours_to_name():
    html = render(measure(RUNS["passed"]))
    root = html[: html.index("@media (prefers-color-scheme: dark)")]
    dark = html[html.index("@media (prefers-color-scheme: dark)") : html.index('[data-theme="dark"]')]

    names = set(re.findall(r"(--[a-z-]+):", root))
    assert names == set(re.findall(r"(--[a-z-]+):", dark))
    assert set(re.findall(r"var\((--[a-z-]+)\)", html)) <= names
