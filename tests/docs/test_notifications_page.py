"""What ``docs/notifications.md`` says holds: its plan runs, its code checks signatures, every field stands there."""

import json
import re
import time
from pathlib import Path

from drs_provider.notify.notice import Notice, RunSummary, as_json
from drs_provider.notify.transports import signature_headers
from drs_provider.plan.loader import read_folder
from drs_provider.plan.model import EVENTS

TEXT = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()


def _block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return found


def test_the_plan_of_the_page_runs(tmp_path):
    (tmp_path / "x.yaml").write_text(_block("yaml"))

    assert read_folder(tmp_path).problems == ()


def test_the_code_of_the_page_knows_a_genuine_message():
    names = {}
    exec(_block("python"), names)  # noqa: S102 - our own page
    body, now = b'{"version": 1}', int(time.time())
    headers = signature_headers(body, "secret", timestamp=now)

    assert names["is_genuine"](headers, body, "secret")
    assert not names["is_genuine"](headers, body + b" ", "secret")
    assert not names["is_genuine"](signature_headers(body, "secret", timestamp=now - 600), body, "secret")


def test_every_event_and_every_field_of_the_json_is_on_the_page():
    run = RunSummary("p", "p", "drill", "d", "r")
    fields = json.loads(as_json(Notice("started", run, "h", "2026-11-22T05:00:00+00:00")))

    assert [word for word in (*EVENTS, *fields) if f"`{word}`" not in TEXT] == []
