"""Telling people on a real Airflow: a pause, an RTO that runs out meanwhile, the end; and a receiver that is gone."""

import re
import sys
import time

import httpx
import pytest
from kit.receivers import html_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the stack looks after its processes as Linux does"),
]


def test_a_paused_run_tells_of_its_question_and_of_its_rto_and_ends_with_a_full_report(stack, receiver, mails, secret):
    run_id = stack.airflow.trigger("drs.telling", {"mode": "drill", "reason": "rehearsal"})

    def told():
        return [(body["event"], body["wave"]) for body in receiver.bodies]

    stack.until(lambda: told().count(("rto_at_risk", None)) == 2, "both alerts of the RTO")
    # Two seconds apart: a busy scheduler may tell of both at once, in any order.
    alerts = (body for body in receiver.bodies if body["event"] == "rto_at_risk")
    early, due = sorted(alerts, key=lambda body: body["headline"])
    assert early["headline"] == "80 % of the RTO of 10 s has passed"
    assert due["headline"] == "RTO of 10 s is missed, and the run continues"
    assert due["run_id"] == run_id
    stack.until(lambda: ("paused", "second") in told(), "the pause")
    (paused,) = (body for body in receiver.bodies if body["event"] == "paused")
    assert paused["question"]["text"] == "Is the first one healthy?"
    assert paused["question"]["url"].startswith(stack.airflow.address)
    assert paused["question"]["url"].endswith("/tasks/second.pause/required_actions?map_index=-1")

    stack.until(lambda: len(mails.mails) == 2, "a mail to each person")
    pages = {addresses[0]: html_of(message) for addresses, message in mails.mails}
    assert "/drs/answers" not in pages["eve@example.org"]  # not among those who are asked
    ((link, token),) = re.findall(r"'(http[^'#]*/drs/answers)#([^']*)'", pages["admin@example.org"])
    stack.until(lambda: stack.states("telling", run_id)["second.pause"] == "awaiting_input", "the question waits")
    with httpx.Client(timeout=30, trust_env=False) as client:
        assert token not in client.get(link).text
        assert "Is the first one healthy?" in client.post(link, data={"token": token}).text
        # An answer that comes before the scheduler has heard that the asking has ended is asked for again.
        time.sleep(6)
        assert client.post(link, data={"token": token, "choice": "Continue"}).status_code == 200
        assert client.post(link, data={"token": token, "choice": "Stop"}).status_code == 410

    assert stack.await_end("telling", run_id) == "success"
    assert sorted(told(), key=str) == sorted(
        [
            ("started", None),
            ("wave_completed", "first"),
            ("paused", "second"),
            ("rto_at_risk", None),
            ("rto_at_risk", None),
            ("wave_completed", "second"),
            ("completed", None),
        ],
        key=str,
    )
    report = stack.report("telling", run_id)
    listed = [
        (notification["event"], notification["target"], notification["outcome"], notification["tries"])
        for notification in report["notifications"]
    ]
    assert ("started", "connection gone", "failed", 3) in listed
    assert len([row for row in listed if row[1:] == ("connection chat", "sent", 1)]) == 7
    assert [(wait["task"], wait["outcome"], wait["by"]) for wait in report["waits"]] == [
        ("second.pause", "continued", "admin")
    ]
    written = [path for path in stack.places.state.rglob("*") if path.suffix in (".log", ".json", ".html")]
    assert len(written) > 20
    for kept in (secret, token):
        assert [path for path in written if path.is_file() and kept in path.read_text(errors="replace")] == []
