"""What an alert of the RTO does in the triggerer: whom it tells, when it keeps quiet, and that it tells once."""

import json

import pytest
from drs_provider.dag.notifications.deadline import Alert, RunLeft, deadline_alerts, tell
from drs_provider.plan.model import RecoveryPlan
from drs_provider.rules.run.handover import (
    PreflightResult,
    PreflightServer,
    PreflightTarget,
    PreflightWave,
    WaveVerdict,
)
from kit.receivers import WebhookReceiver

pytestmark = pytest.mark.airflow

RUN = {
    "dag_id": "drs.shop",
    "dag_run_id": "manual__1",
    "queued_at": "2026-11-22T05:00:00Z",
    "run_after": "2026-11-22T05:00:00Z",
    "triggering_user_name": "ann",
    "conf": {"mode": "recovery", "reason": "fire"},
}


def a_wave(*server_ids):
    servers = tuple(PreflightServer(server_id=server, hostname=server) for server in server_ids)
    return PreflightWave(selected=True, targets=(PreflightTarget(aws_conn_id="a", region="r", servers=servers),))


PREFLIGHT = PreflightResult(
    plan="shop",
    digest="d",
    passed=True,
    mode="recovery",
    checked_at="2026-11-22T05:00:00Z",
    needs_approval=False,
    waves={"database": a_wave("s-1", "s-2"), "web": a_wave("s-3"), "mail": PreflightWave(selected=False)},
).to_json()
VERDICT = WaveVerdict(verdict="launched").to_json()


class Left(RunLeft):
    """A run in memory."""

    def __init__(self, states, preflight=PREFLIGHT):
        super().__init__("drs.shop", "manual__1")
        self.found, self.kept = states, {"preflight": preflight, "return_value": VERDICT}

    def get(self, task_id, key):
        return self.kept.get(key)

    def put(self, key, document):
        self.kept[key] = document.to_json()

    def states(self):
        return self.found


@pytest.fixture
def receiver(monkeypatch):
    found = WebhookReceiver()
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", f'{{"conn_type": "http", "host": "http://127.0.0.1:{found.port}"}}')
    yield found
    found.close()


def alert(share, *, on=("rto_at_risk",)):
    webhook = {"kind": "webhook", "http_conn_id": "chat", "on": on}
    plan = {"kind": "RecoveryPlan", "name": "shop", "title": "Shop", "rto": "45m", "waves": ({"name": "database"},)}
    made = deadline_alerts(RecoveryPlan.model_validate({**plan, "notify": (webhook,)}))
    return Alert(**next(found.callback.kwargs for found in made if found.callback.kwargs["share"] == share))


def test_an_alert_tells_what_is_still_to_be_done_and_leaves_that_for_the_report(receiver):
    left = Left({"database.recovery_job": "success", "web.start_recovery": "success", "web.recovery_job": "deferred"})

    assert tell(RUN, alert(80), left) == "1 of 1 notifications sent: 80 % of the RTO of 45m has passed"

    (body,) = receiver.bodies
    assert (body["event"], body["mode"], body["triggered_by"], body["reason"]) == (
        "rto_at_risk",
        "recovery",
        "ann",
        "fire",
    )
    assert body["facts"]["To be done"] == "web (launching)"
    assert [(record["event"], record["outcome"]) for record in left.kept["told_rto_80"]["records"]] == [
        ("rto_at_risk", "sent")
    ]
    assert json.dumps(left.kept["told_rto_80"])


def test_an_alert_that_another_triggerer_runs_again_tells_nobody_twice(receiver):
    left = Left({"database.recovery_job": "deferred"})
    tell(RUN, alert(100), left)

    assert tell(RUN, alert(100), left) == "no receiver for this event, or all notifications are sent already"
    assert len(receiver.requests) == 1
    tell(RUN, alert(80), left)
    assert len({body["id"] for body in receiver.bodies}) == 2


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"database.recovery_job": "success", "web.recovery_job": "success"}, "every wave has ended"),
        ({"database.recovery_job": "failed", "web.recovery_job": "upstream_failed"}, "every wave has ended"),
        ({"database.recovery_job": "success", "web.recovery_job": "skipped"}, "every wave has ended"),
    ],
)
def test_nobody_is_told_where_nothing_is_left_to_launch(receiver, states, said):
    assert tell(RUN, alert(100), Left(states)).startswith(said)
    assert receiver.requests == []


def test_a_run_that_is_still_in_preflight_is_told_about(receiver):
    tell(RUN, alert(100), Left({"preflight.check": "running"}, preflight=None))

    assert receiver.bodies[0]["headline"] == "RTO of 45m is missed, and the run continues"


def test_an_alert_that_nobody_asked_for_is_one_of_airflows_pages_only(receiver):
    assert tell(RUN, alert(100, on=("failed",)), Left({})) == (
        "no receiver for this event, or all notifications are sent already"
    )
    assert receiver.requests == []
