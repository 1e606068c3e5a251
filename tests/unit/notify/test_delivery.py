"""Sending: bounded, a few times, side by side, never raising, never twice."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from drs_provider.exceptions import AccessDenied
from drs_provider.notify.delivery import DeliveryPolicy, Letter, deliver, letters_of, merged, unsent, wanted
from drs_provider.notify.notice import Notice, NotSent, RunSummary
from drs_provider.plan.model import RecoveryPlan
from drs_provider.rules.run.handover import NotificationRecord

RUN = RunSummary("shop", "Shop", "drill", "drs.shop", "r1")
NOTICE = Notice("started", RUN, "started", "2026-11-22T05:00:00+00:00")
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SOON = DeliveryPolicy(tries=3, seconds=0.2, pause=0)


def letter(send, *, key="webhook-0"):
    return Letter(key, "webhook", "connection chat", NOTICE, lambda: send)


def raising(*errors):
    """Raise these errors in turn, then send."""
    left = list(errors)

    def send(notice):
        if left:
            raise left.pop(0)

    return send


def never(*_):
    threading.Event().wait(5)


def unknown():
    raise type("AirflowNotFoundException", (Exception,), {})("The conn_id `chat` isn't defined; secret")


@pytest.mark.parametrize(
    ("send", "outcome", "tries", "why"),
    [
        pytest.param(raising(), "sent", 1, None, id="at once"),
        pytest.param(raising(NotSent("it answered 500")), "sent", 2, None, id="the second time"),
        pytest.param(raising(*[NotSent("it answered 500")] * 3), "failed", 3, "it answered 500", id="never"),
        pytest.param(raising(NotSent("it answered 404", is_final=True)), "failed", 1, "it answered 404", id="for good"),
        pytest.param(
            raising(*[OSError("https://u:secret@chat")] * 3),
            "failed",
            3,
            "it could not be reached (OSError)",
            id="an error whose text may hold a secret",
        ),
        pytest.param(
            raising(*[AccessDenied("Publish", "AuthorizationError", "no")] * 3),
            "failed",
            3,
            str(AccessDenied("Publish", "AuthorizationError", "no")),
            id="AWS says no",
        ),
        pytest.param(never, "failed", 3, "no answer within 0.2 s", id="hangs"),
    ],
)
def test_a_letter_is_sent_or_its_record_says_why_not(send, outcome, tries, why):
    (record,) = deliver([letter(send)], SOON, clock=lambda: NOW)

    assert record == NotificationRecord(
        key="webhook-0",
        id=NOTICE.id,
        event="started",
        wave=None,
        kind="webhook",
        target="connection chat",
        at=NOW,
        outcome=outcome,
        tries=tries,
        why=why,
    )


def test_a_connection_that_does_not_exist_is_a_record_and_harms_no_other_letter():
    lost = Letter("webhook-1", "webhook", "connection gone", NOTICE, unknown)

    records = deliver([lost, letter(raising())], SOON)

    assert [(record.outcome, record.tries, record.why) for record in records] == [
        ("failed", 0, "there is no Airflow connection of this name"),
        ("sent", 1, None),
    ]


def test_what_was_sent_is_not_sent_again_and_what_failed_is():
    sent, failed = letter(raising()), letter(raising(*[NotSent("no", is_final=True)]), key="webhook-1")
    records = deliver([sent, failed], SOON)

    assert unsent([sent, failed], records) == [failed]
    assert unsent([replace(sent, notice=replace(NOTICE, event="failed"))], records) != []


def test_of_the_tries_of_a_task_the_newest_record_of_every_receiver_counts():
    sent, failed = letter(raising()), letter(raising(*[NotSent("no", is_final=True)]), key="webhook-1")
    first = deliver([sent, failed], SOON)
    second = deliver(unsent([sent, failed], first), SOON)

    assert merged(first, second) == (first[0], second[0])
    assert [record.outcome for record in merged(first, second)] == ["sent", "sent"]


def test_a_plan_addresses_those_who_asked_for_the_event():
    topic = "arn:aws:sns:us-west-2:111122223333:dr"
    notify = [
        {"kind": "sns", "topic_arn": topic},
        {"kind": "webhook", "http_conn_id": "chat", "on": ("failed",)},
        {"kind": "email", "to": ("a@x.org", "b@x.org"), "people": {"ann": "ann@x.org"}, "on": ("started",)},
        {"kind": "email", "to": ("a@x.org",), "on": ("started", "wave_completed")},
    ]
    plan = RecoveryPlan.model_validate(
        {"kind": "RecoveryPlan", "name": "shop", "waves": ({"name": "a"},), "notify": tuple(notify)}
    )

    found = letters_of(NOTICE, plan.notify)

    assert [(letter.key, letter.target) for letter in found] == [
        ("sns-0", "topic dr in us-west-2"),
        ("email-2", "2 addresses"),
        ("email-2-ann", "ann"),
        ("email-3", "1 address"),
    ]
    assert plan.notify[0].on == ("started", "paused", "wave_failed", "completed", "failed", "rto_at_risk", "clean_up")
    assert (wanted(plan.notify, "wave_completed"), wanted(plan.notify[:3], "wave_completed")) == (True, False)
