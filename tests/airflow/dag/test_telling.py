"""Runs that tell people: by SNS, by a signed webhook and by mail; what arrives, and what the report says about it."""

import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest
from kit.dag_runs import SHOP
from kit.receivers import MailReceiver, WebhookReceiver, html_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

TOPIC = "arn:aws:sns:us-west-2:111122223333:dr"
SECRET, HIDDEN_PATH, LOGIN = "s3cret-of-the-webhook", "/hooks/T0K3N-in-the-path", "pw-of-the-mail-server"
NOTIFY = f"""\
title: "Shop <b>bold</b>"
notify:
  - {{kind: sns, topic_arn: "{TOPIC}"}}
  - {{kind: webhook, http_conn_id: chat, on: [started, wave_completed, wave_failed, completed, failed]}}
  - kind: email
    to: [ops@example.org, dr@example.org]
    people: {{ann: ann@example.org}}
    on: [completed, failed]
"""
TELLING = SHOP.replace("waves:\n", NOTIFY + "waves:\n")


@pytest.fixture
def webhook(monkeypatch):
    receiver = WebhookReceiver()
    chat = {"conn_type": "http", "host": f"http://127.0.0.1:{receiver.port}{HIDDEN_PATH}", "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(chat))
    yield receiver
    receiver.close()


@pytest.fixture
def mail(monkeypatch):
    receiver = MailReceiver()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
    server = {"conn_type": "smtp", "host": "127.0.0.1", "port": receiver.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(server))
    yield receiver
    receiver.close()


@pytest.fixture
def queue(simulator):
    """A queue behind the topic."""
    sns, sqs = (simulator.client(name, region_name="us-west-2") for name in ("sns", "sqs"))
    assert sns.create_topic(Name="dr")["TopicArn"] == TOPIC
    url = sqs.create_queue(QueueName="dr")["QueueUrl"]
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint="arn:aws:sqs:us-west-2:111122223333:dr")

    def messages():
        found = []
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(one["Body"]) for one in got]
            for one in got:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return sorted(found, key=lambda one: one["Timestamp"])

    return messages


def test_everybody_is_told_what_they_asked_for_and_the_report_says_so(run, queue, webhook, mail, caplog):
    ended = run(TELLING, reason="{{ 7 * 7 }} <script>alert(1)</script>")

    assert ended.state == "success"
    for one in queue(): print(one["Subject"], "\n", one["Message"])
    for one in webhook.bodies: print(json.dumps(one, indent=1))
    for a, m in mail.mails: print(a, m["Subject"], html_of(m))
    print(json.dumps(ended.report["notifications"], indent=1))
    print(ended.tasks)
    assert 0
