"""What a notice looks like as text, as a mail and as JSON, whatever people have written into plans."""

import json
from dataclasses import replace

import pytest
from drs_provider.notify.notice import Notice, Question, RunSummary, as_html, as_json, as_text
from drs_provider.notify.transports import signature_headers
from hypothesis import given
from hypothesis import strategies as st

RUN = RunSummary(
    plan="shop",
    title="Web shop",
    mode="recovery",
    dag_id="drs.shop",
    run_id="manual__2026-11-22T05:00:00+00:00",
    airflow="https://airflow.example",
    triggered_by="ann",
    reason="the region is dark",
)
PAGE = "https://airflow.example/dags/drs.shop/runs/manual__2026-11-22T05%3A00%3A00%2B00%3A00"
QUESTION = Question(
    "web.pause", "Is it up?", ("bob",), ("Continue", "Stop"), "2026-11-22T07:00:00+00:00", "the run fails"
)
NOTICE = Notice(
    "paused",
    RUN,
    "waits for an answer before wave web",
    "2026-11-22T05:00:00+00:00",
    (("Asked", "Is it up?"),),
    "answer Continue or Stop",
    wave="web",
    question=QUESTION,
)


def test_a_notice_as_text_says_what_happened_what_to_do_and_where():
    assert as_text(NOTICE) == (
        "Recovery of Web shop: waits for an answer before wave web.\n"
        "\n"
        "Asked: Is it up?\n"
        "What to do: answer Continue or Stop\n"
        "Started by: ann: the region is dark\n"
        f"Answer in Airflow: {PAGE}/tasks/web.pause/required_actions?map_index=-1\n"
        f"Run: {PAGE}\n"
    )


def test_a_notice_as_json_says_the_same_to_programs():
    body = json.loads(as_json(NOTICE))

    assert body.pop("text") == as_text(NOTICE)
    assert body == {
        "version": 1,
        "id": NOTICE.id,
        "event": "paused",
        "at": "2026-11-22T05:00:00+00:00",
        "plan": "shop",
        "title": "Web shop",
        "mode": "recovery",
        "dag_id": "drs.shop",
        "run_id": "manual__2026-11-22T05:00:00+00:00",
        "run_url": PAGE,
        "report_url": None,
        "triggered_by": "ann",
        "reason": "the region is dark",
        "wave": "web",
        "headline": "waits for an answer before wave web",
        "facts": {"Asked": "Is it up?"},
        "next_step": "answer Continue or Stop",
        "subject": "DRS recovery of shop: waits for an answer before wave web",
        "question": {
            "task_id": "web.pause",
            "text": "Is it up?",
            "people": ["bob"],
            "options": ["Continue", "Stop"],
            "until": "2026-11-22T07:00:00+00:00",
            "otherwise": "the run fails",
            "url": f"{PAGE}/tasks/web.pause/required_actions?map_index=-1",
        },
    }


def test_without_an_address_of_airflow_a_notice_has_no_links():
    text = as_text(replace(NOTICE, run=replace(RUN, airflow="", triggered_by=None, reason=None), has_report=True))

    assert text.splitlines()[2:] == [
        "Asked: Is it up?",
        "What to do: answer Continue or Stop",
        "Started by: the schedule",
    ]


def test_the_same_news_has_the_same_id_and_other_news_another():
    later = replace(NOTICE, at="2026-11-22T06:00:00+00:00")
    others = [replace(NOTICE, wave="mail"), replace(NOTICE, event="failed"), replace(NOTICE, occasion="80")]

    assert later.id == NOTICE.id
    assert len({NOTICE.id, *(other.id for other in others)}) == 4


@given(st.text(), st.text(), st.text())
def test_no_text_of_people_begins_a_line_or_a_tag_of_its_own(title, headline, fact):
    tidy = Notice("failed", replace(RUN, title="t", reason="r"), "h", "2026-11-22T05:00:00+00:00", (("Why", "f"),))
    wild = replace(tidy, run=replace(RUN, title=title, reason=fact), headline=headline, facts=(("Why", fact),))

    assert len(as_text(wild).split("\n")) == len(as_text(tidy).split("\n"))
    assert as_html(wild).count("<") == as_html(tidy).count("<")
    assert as_html(wild).count("'") == as_html(tidy).count("'")
    assert wild.subject.isascii()
    assert wild.subject.isprintable()
    assert len(wild.subject) <= 100
    assert json.loads(as_json(wild))["title"] == title


def test_a_title_of_markup_is_text_in_a_mail():
    title = "<img src=x onerror=alert(1)>'\""

    assert as_html(replace(NOTICE, run=replace(RUN, title=title))).startswith(
        "<p><strong>Recovery of &lt;img src=x onerror=alert(1)&gt;&#x27;&quot;: waits for an answer before wave web."
    )


@pytest.mark.parametrize("change", [{"secret": "other"}, {"body": b"{ }"}, {"timestamp": 2}])
def test_the_signature_depends_on_secret_body_and_time(change):
    signed = {"body": b"{}", "secret": "secret", "timestamp": 1}

    assert signature_headers(**signed) == {  # printf '1.{}' | openssl dgst -sha256 -hmac secret
        "X-Drs-Timestamp": "1",
        "X-Drs-Signature": "sha256=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908",
    }
    assert signature_headers(**{**signed, **change}) != signature_headers(**signed)
