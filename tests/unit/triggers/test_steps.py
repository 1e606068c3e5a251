"""Triggers of steps: what they ask, what only slows them down, and when they give up."""

import asyncio
import hmac
import socket
from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, ServiceUnavailable, Throttled
from drs_provider.triggers.one_shot import OnceEvent, OneShotTrigger
from drs_provider.triggers.probes import HttpProbe, Probe, ProbeAttempt, TcpProbe
from drs_provider.triggers.ssm import PENDING, SsmTrigger
from drs_provider.triggers.webhook import signature
from kit.endpoints import open_endpoint

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
SOON = (NOW + timedelta(seconds=10)).isoformat()


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at

    async def sleep(self, seconds):
        self.at += timedelta(seconds=seconds)


class Hook:
    def __init__(self, *answers):
        self.answers = list(answers)

    def command_status(self, command_id):
        one = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(one, Exception):
            raise one
        return one


def waited(*answers):
    clock = Clock()
    watched = [{"aws_conn_id": None, "region_name": None, "ids": ["c-1"]}]
    trigger = SsmTrigger(what="commands", watched=watched, deadline=SOON)
    return asyncio.run(trigger.wait([Hook(*answers)], now=clock, sleep=clock.sleep, jitter=lambda: 1.0))["outcome"]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (["InProgress", Throttled("x", "y", "z"), ServiceUnavailable("x", "y", "z"), "Failed"], "over"),
        (["Pending"], "timed_out"),
        (["Pending", AccessDenied("x", "y", "z")], "refused"),
    ],
)
def test_commands_are_waited_for_through_what_passes(answers, outcome):
    assert waited(*answers) == outcome


def test_everything_that_can_be_waited_for_is_asked_in_its_own_way():
    assert set(PENDING) == {"agents", "commands", "automations"}


class Scripted(Probe):
    def __init__(self, *answers):
        super().__init__(deadline=SOON)
        self.answers = list(answers)

    def serialize(self):
        return "", {}

    async def attempt(self, seconds):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    ("answers", "event"),
    [
        (
            [ProbeAttempt(passed=False, words="503"), ProbeAttempt(passed=True, words="200", latency_ms=12, body="ok")],
            ("passed", 2, 12, "200", "ok"),
        ),
        ([ProbeAttempt(passed=False, words="503", latency_ms=7, body="down")], ("timed_out", 5, 7, "503", "down")),
    ],
)
def test_a_probe_asks_until_it_passes_or_the_time_is_over(answers, event):
    clock = Clock()

    found = asyncio.run(Scripted(*answers).ask(now=clock, sleep=clock.sleep, jitter=lambda: 1.0))

    assert tuple(found.values()) == event


def test_a_port_answers_or_says_why_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert asyncio.run(TcpProbe(host="127.0.0.1", port=port, deadline=SOON).attempt(5)).passed
    closed = asyncio.run(TcpProbe(host="127.0.0.1", port=port, deadline=SOON).attempt(5))

    assert (closed.passed, closed.words.startswith("no answer: ")) == (False, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::x", "ftp://x", "http://no.such.host.invalid/"])
def test_an_address_that_cannot_be_asked_is_an_answer_too(url):
    found = asyncio.run(HttpProbe(url=url, deadline=SOON).attempt(5))

    assert (found.passed, found.words.startswith("no answer")) == (False, True)


def found(*addresses):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


@pytest.mark.parametrize(
    "probe",
    [
        HttpProbe(url="http://169.254.169.254/latest/meta-data/", deadline=SOON),
        HttpProbe(url="http://rebinding.example/", deadline=SOON),
        HttpProbe(url="https://[::ffff:a9fe:a9fe]/", deadline=SOON),
        TcpProbe(host="2852039166", port=80, deadline=SOON),
        TcpProbe(host="rebinding.example", port=80, deadline=SOON),
    ],
    ids=lambda probe: getattr(probe, "url", None) or probe.host,
)
def test_a_metadata_address_is_refused_at_once_by_itself_and_by_name(probe, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found("10.0.0.1", "169.254.169.254"))
    clock = Clock()

    event = asyncio.run(probe.ask(now=clock, sleep=clock.sleep))

    assert (event["outcome"], event["attempts"], event["output"]) == ("refused", 1, "")
    assert event["last"].endswith(
        "where clouds give credentials to whoever asks. Steps and notifications never reach such an address"
    )


def test_a_redirect_is_an_answer_and_leads_nowhere():
    with open_endpoint() as endpoint:
        endpoint.answers["/moved"] = (302, "see http://169.254.169.254/")
        answer = asyncio.run(HttpProbe(url=f"{endpoint.url}/moved", deadline=SOON).attempt(5))

    assert (answer.passed, answer.words, answer.body) == (False, "answered 302, not 200", "")
    assert [path for _, path, _, _ in endpoint.heard] == ["/moved"]


def test_a_request_goes_to_the_judged_address_under_its_own_name(monkeypatch):
    with open_endpoint() as endpoint:
        endpoint.answers["/up"] = (200, '{"password": "hunter2", "state": "up"}')
        answers = [found("127.0.0.1")]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *more, **kinds: (
                answers.pop(0) if host == "shop.example" else real(host, *more, **kinds)  # fails when asked again
            ),
        )
        probe = HttpProbe(url=f"http://shop.example:{endpoint.server_port}/up", deadline=SOON, keep_answer=True)
        answer = asyncio.run(probe.attempt(5))

    assert (answer.passed, answer.words) == (True, "answered 200")
    assert endpoint.heard[0][2]["Host"] == f"shop.example:{endpoint.server_port}"
    assert answers == []


@pytest.mark.parametrize(("keeps", "kept"), [(False, ""), (True, '{"password": ***, "state": "up"}')])
def test_what_was_answered_is_kept_only_where_asked_for_and_masked(keeps, kept):
    with open_endpoint() as endpoint:
        endpoint.answers["/up"] = (200, '{"password": "hunter2", "state": "up"}')
        probe = HttpProbe(url=f"{endpoint.url}/up", deadline=SOON, keep_answer=keeps)
        event = asyncio.run(probe.ask(now=Clock()))

    assert (event["outcome"], event["output"]) == ("passed", kept)


class Acting(OneShotTrigger):
    def __init__(self, *answers):
        whose = {"dag_id": "d", "run_id": "r", "task_id": "t", "attempt": 1}
        super().__init__(whose=whose, deadline=SOON, repeatable=False)
        self.answers = list(answers)

    def serialize(self):
        return "", {}

    def act(self, seconds):
        one = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(one, Exception):
            raise one
        return one


class NoMarks:
    def is_there(self):
        return False

    def leave(self):
        pass


DONE = OnceEvent(outcome="answered", succeeded=True, summary="done", output="")


@pytest.mark.parametrize(
    ("answers", "outcome", "summary"),
    [
        ([Throttled("Invoke", "TooMany", "later"), DONE], "answered", "done"),
        ([Throttled("Invoke", "TooMany", "later")], "refused", "Invoke: TooMany: later"),
    ],
)
def test_what_had_no_effect_is_tried_again_until_the_time_is_over(answers, outcome, summary):
    clock = Clock()

    found = asyncio.run(Acting(*answers).go(NoMarks(), now=clock, sleep=clock.sleep))

    assert (found["outcome"], found["summary"]) == (outcome, summary)


def test_a_signature_covers_time_and_body():
    wanted = hmac.new(b"s", b"1.{}", "sha256").hexdigest()

    assert signature("s", "1", b"{}") == f"sha256={wanted}"
