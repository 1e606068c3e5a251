"""Posting to an Airflow connection: where it may go, and what is kept of the answer."""

import json
import socket

import pytest
from drs_provider.triggers.one_shot import WebhookOnce
from drs_provider.triggers.webhook import post
from kit.endpoints import open_endpoint

pytestmark = pytest.mark.airflow

FORBIDDEN = (
    "the address of connection chat is a link-local address, where clouds give credentials to whoever asks: steps and "
    "notifications never reach such an address; correct the connection"
)


@pytest.fixture
def chat(monkeypatch):
    def connection(host, **more):
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "host": host, **more}))

    return connection


def heard():
    return post("chat", b"{}", event_id="e", seconds=5)


@pytest.mark.parametrize("host", ["http://169.254.169.254/", "https://0xA9FEA9FE/x", "http://[::ffff:169.254.170.2]/"])
def test_metadata_addresses_are_never_posted_to(chat, host):
    chat(host)

    found = heard()

    assert (found.outcome, found.succeeded, found.summary) == ("refused", False, FORBIDDEN)


def test_a_name_that_stands_for_a_metadata_address_is_never_posted_to(chat, monkeypatch):
    chat("http://hooks.example/")
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

    assert heard().summary == FORBIDDEN


def test_a_post_goes_to_the_judged_address_under_its_own_name(chat, monkeypatch):
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host, *arguments, **more):
        asked.append(host)
        return real("127.0.0.1" if host == "hooks.example" else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with open_endpoint() as endpoint:
        endpoint.answers["/in"] = (200, "thanks")
        chat(f"http://hooks.example:{endpoint.server_port}/in")
        found = heard()

    assert (found.outcome, found.succeeded, found.output) == ("answered", True, "thanks")
    assert endpoint.heard[0][2]["Host"] == f"hooks.example:{endpoint.server_port}"
    assert asked.count("hooks.example") == 1


def test_a_redirect_is_not_followed(chat):
    with open_endpoint() as endpoint:
        endpoint.answers["/in"] = (307, "elsewhere")
        chat(f"{endpoint.url}/in")
        found = heard()

    assert (found.succeeded, found.summary, found.said) == (False, "connection chat answered 307", "elsewhere")
    assert len(endpoint.heard) == 1


@pytest.mark.parametrize(
    ("keeps", "summary", "output"),
    [
        (False, "connection chat answered 403", ""),
        (True, "connection chat answered 403: no: token=***", "no: token=***"),
    ],
)
def test_what_was_answered_is_kept_only_where_asked_for_and_masked(chat, keeps, summary, output):
    whose = {"dag_id": "d", "run_id": "r", "task_id": "t", "attempt": 1}
    with open_endpoint() as endpoint:
        endpoint.answers["/in"] = (403, "no: token=abcdef")
        chat(f"{endpoint.url}/in")
        trigger = WebhookOnce(
            whose=whose,
            deadline="2099-01-01T00:00:00+00:00",
            repeatable=False,
            http_conn_id="chat",
            payload="{}",
            event_id="e",
            keep_answer=keeps,
        )
        event = trigger.act(5)

    assert (event["outcome"], event["succeeded"]) == ("answered", False)
    assert (event["summary"], event["output"]) == (summary, output)
