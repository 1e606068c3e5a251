"""The ways out over real sockets: a webhook's address, headers and answers."""

import json
import socket

import pytest
from airflow.sdk import Connection
from drs_provider.notify.notice import NotSent
from drs_provider.notify.transports import address_of, headers_of, post
from kit.receivers import WebhookReceiver


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ({"host": "https://chat.example/hooks/abc"}, "https://chat.example/hooks/abc"),
        ({"host": "chat.example", "port": 8080}, "http://chat.example:8080"),
        ({"host": "chat.example", "schema": "https"}, "https://chat.example"),
        ({"host": "http://chat.example:1/x?y=z", "port": 2}, "http://chat.example:1/x?y=z"),
        ({"host": "http://chat.example/x", "port": 2}, "http://chat.example:2/x"),
    ],
)
def test_an_address_is_put_together_as_airflow_does_it(connection, address):
    assert address_of(Connection(conn_id="chat", conn_type="http", **connection)) == address


@pytest.mark.parametrize("host", [None, "", "file:///etc/passwd", "ftp://x", "https://"])
def test_an_address_that_is_none_is_refused_for_good(host):
    with pytest.raises(NotSent, match="its connection has no host with http:// or https://") as refused:
        address_of(Connection(conn_id="chat", conn_type="http", host=host))

    assert refused.value.is_final


def test_the_extra_holds_headers_and_options_of_the_hook_are_none():
    assert headers_of({"X-Team": "dr", "verify": False, "timeout": 3, "secret": "s3cret"}) == {"X-Team": "dr"}


@pytest.mark.parametrize(
    ("status", "why", "is_final"),
    [
        (301, "it answered 301", True),
        (404, "it answered 404", True),
        (429, "it answered 429", False),
        (503, "it answered 503", False),
    ],
)
def test_only_an_answer_below_300_counts_as_sent(status, why, is_final):
    receiver = WebhookReceiver([status])
    try:
        with pytest.raises(NotSent, match=why) as refused:
            post(f"http://127.0.0.1:{receiver.port}/s3cret", b"{}", {})
        post(f"http://127.0.0.1:{receiver.port}/s3cret", json.dumps({"a": 1}).encode(), {"X-Team": "dr"})
    finally:
        receiver.close()

    assert refused.value.is_final is is_final
    assert len(receiver.requests) == 2
    assert receiver.requests[1][0]["X-Team"] == "dr"
    assert receiver.bodies[1] == {"a": 1}


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest/api/token", "https://[fd00:ec2::254]/", "http://0xA9FEA9FE/s3cret", "http://0/"],
)
def test_metadata_addresses_are_never_posted_to(address):
    with pytest.raises(NotSent) as refused:
        post(address, b"{}", {})

    assert refused.value.is_final
    assert str(refused.value).startswith("its connection's address is ")
    assert "s3cret" not in str(refused.value)


def test_a_name_that_stands_for_a_metadata_address_is_never_posted_to(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(NotSent) as refused:
        post("http://hooks.example/s3cret", b"{}", {})

    assert str(refused.value) == (
        "its connection's address is a link-local address, where clouds give credentials to whoever asks: it is never "
        "reached"
    )


def test_the_machine_itself_is_posted_to_only_where_the_installation_allows_it(monkeypatch):
    monkeypatch.setenv("DRS_ALLOW_LOOPBACK", "false")
    receiver = WebhookReceiver()
    try:
        with pytest.raises(NotSent, match="a loopback address: it is the Airflow worker itself: it is never reached"):
            post(f"http://127.0.0.1:{receiver.port}/", b"{}", {})
    finally:
        receiver.close()

    assert receiver.requests == []


def test_a_receiver_that_is_gone_is_named_without_its_address():
    receiver = WebhookReceiver()
    receiver.close()

    with pytest.raises(NotSent) as refused:
        post(f"http://127.0.0.1:{receiver.port}/s3cret", b"{}", {})

    assert str(refused.value) == "it could not be reached (ConnectionRefusedError)"
