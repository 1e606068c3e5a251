"""Runs that tell people: by SNS, by a signed webhook and by mail; what arrives, and what the report says about it."""

import hashlib
import hmac
import json
from types import SimpleNamespace

import pytest
from drs_provider.dag.notifications.tasks import TellStart
from kit.dag_runs import SHOP
from kit.receivers import MailReceiver, WebhookReceiver, html_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

TOPIC = "arn:aws:sns:us-west-2:111122223333:dr"
SECRET, HIDDEN_PATH, LOGIN = "s3cret-of-the-webhook", "/hooks/T0K3N-in-the-path", "pw-of-the-mail-server"
KEYS = ("return_value", "told", "error", "preflight", "launch", "servers")
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
    server |= {"password": LOGIN}  # without a login it is not used, and must be seen nowhere all the same
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
            found += [json.loads(message["Body"]) for message in got]
            for received in got:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
        return sorted(found, key=lambda message: message["Timestamp"])

    return messages


@pytest.fixture
def everybody(queue, webhook, mail):
    """The three receivers."""
    return SimpleNamespace(queue=queue, webhook=webhook, mail=mail)


@pytest.fixture
def secrets_in(capfd, tmp_path):
    """Search everything that a run wrote for secrets: output, XComs, reports."""

    def search(ended):
        left = [
            str(instance.xcom_pull(instance.task_id, key=key))
            for instance in ended.dag_run.get_task_instances()
            for key in KEYS
        ]
        texts = [*capfd.readouterr(), *left, *(path.read_text() for path in tmp_path.rglob("report.*"))]
        assert len(texts) > len(KEYS)
        return [secret for secret in (SECRET, "T0K3N-in-the-path", LOGIN) for text in texts if secret in text]

    return search


def events(bodies):
    return [(body["event"], body["wave"]) for body in bodies]


def signed_by(secret, headers, body):
    signed = headers["X-Drs-Timestamp"].encode() + b"." + body
    return headers["X-Drs-Signature"] == "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def test_everybody_is_told_what_they_asked_for_and_the_report_says_so(run, everybody, secrets_in):
    queue, webhook, mail = everybody.queue, everybody.webhook, everybody.mail
    ended = run(TELLING, reason="{{ 7 * 7 }} <script>alert(1)</script>")

    assert ended.state == "success"
    assert ended.report["verdict"] == "passed"
    started, completed = queue()
    assert started["Subject"] == "DRS drill of shop: started, 5 servers in 2 waves"
    assert started["Message"] == (
        "Drill of Shop <b>bold</b>: started, 5 servers in 2 waves.\n"
        "\n"
        "Waves: database (3), web (2)\n"
        "Started by: dag_test: {{ 7 * 7 }} <script>alert(1)</script>\n"
    )
    assert {name: attribute["Value"] for name, attribute in started["MessageAttributes"].items()} == {
        "event": "started",
        "plan": "shop",
        "mode": "drill",
    }
    assert completed["Subject"] == "DRS drill of shop: passed"
    assert events(webhook.bodies) == [
        ("started", None),
        ("wave_completed", "database"),
        ("wave_completed", "web"),
        ("completed", None),
    ]
    assert webhook.bodies[1]["headline"] == "wave database completed, 3 of 3 servers up"
    assert all(signed_by(SECRET, headers, body) for headers, body in webhook.requests)
    assert [(addresses, message["Subject"]) for addresses, message in sorted(mail.mails, key=str)] == [
        (["ann@example.org"], "DRS drill of shop: passed"),
        (["ops@example.org", "dr@example.org"], "DRS drill of shop: passed"),
    ]
    page = html_of(mail.mails[0][1])
    assert "Drill of Shop &lt;b&gt;bold&lt;/b&gt;: passed." in page
    assert "dag_test: {{ 7 * 7 }} &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert sorted(
        (notification["event"], notification["kind"], notification["target"], notification["outcome"])
        for notification in ended.report["notifications"]
    ) == [
        ("completed", "email", "2 addresses", "sent"),
        ("completed", "email", "ann", "sent"),
        ("completed", "sns", "topic dr in us-west-2", "sent"),
        ("completed", "webhook", "connection chat", "sent"),
        ("started", "sns", "topic dr in us-west-2", "sent"),
        ("started", "webhook", "connection chat", "sent"),
        ("wave_completed", "webhook", "connection chat", "sent"),
        ("wave_completed", "webhook", "connection chat", "sent"),
    ]
    assert secrets_in(ended) == []


def test_a_failed_wave_is_told_and_a_receiver_that_says_no_harms_nothing(run, everybody, simulator, secrets_in):
    queue, webhook = everybody.queue, everybody.webhook
    simulator.fault(
        {"service": "drs", "hostname": "db2", "do": "fail_at", "event": "CONVERSION_START", "error": "NoCapacity"}
    )
    webhook.answers = [500, 404, 302]  # tried again, never again, not followed

    ended = run(TELLING)

    assert events(webhook.bodies) == [
        ("started", None),
        ("started", None),
        ("wave_failed", "database"),
        ("failed", None),
    ]
    assert webhook.bodies[0]["id"] == webhook.bodies[1]["id"]
    told = webhook.bodies[2]
    assert told["headline"] == "wave database failed: db2: CONVERSION_FAIL: NoCapacity"
    assert "NoCapacity" in told["facts"]["Server db2"]
    assert told["facts"]["Wave web"] in ("waiting, 2 servers", "not started, 2 servers")
    assert told["next_step"].startswith("look at the job's log in the DRS console and correct the cause, then start")
    assert queue()[-1]["Subject"] == "DRS drill of shop: failed: db2 (wave database): CONVERSION_FAIL: NoCapacity"
    assert [
        notification["why"] for notification in ended.report["notifications"] if notification["kind"] == "webhook"
    ] == [
        "it answered 404",
        "it answered 302",
        None,
    ]
    assert ended.state == "failed"
    assert ended.tasks["database.notifications"] == "success"
    assert ended.tasks["web.notifications"] == "skipped"
    assert [error["task"] for error in ended.report["errors"]] == ["database.recovery_job"]
    assert secrets_in(ended) == []


def test_a_task_that_tells_never_fails_whatever_is_broken(capfd):
    task = TellStart(plan="shop", title="Shop", notify=())

    assert task.execute({}) is None  # not even a run to tell about
    assert "the notification failed; the run continues" in "".join(capfd.readouterr())
