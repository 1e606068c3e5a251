"""One server's recovery points, runs and launch settings, and what there is to choose, over HTTP."""

from pathlib import Path

import pytest
from drs_provider.exceptions import AccessDenied
from drs_provider.rules.settings.choices import LaunchChoice, LaunchChoices
from kit.console import Console, FakeAccount, server
from kit.past_runs import a_report, put_report

GROUP = """
kind: ProtectionGroup
name: shop-db
region: us-west-2
servers: [s-00000000000000001]
launch: {instance_type: m6i.large}
drill_launch: {instance_type: t3.small}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: database, groups: [shop-db]}]
"""
ONE = "/api/v1/source-servers/s-00000000000000001"
OWN = {"Authorization": "Bearer token"}


@pytest.fixture
def console(tmp_path: Path) -> Console:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "shop.yaml").write_text(GROUP)
    point = {"timestamp": "2026-11-22T05:05:00Z", "snapshotID": "pit-1"}
    return Console(plans, {("aws_default", "us-west-2"): FakeAccount(servers=[server(1, "db1")], points=[point])})


def a_drill(console, run_id, **more):
    report = a_report(run_id=run_id, **more)
    first = report["waves"][0]["servers"][0]
    first.update(server_id="s-00000000000000001", status="launched", launched_at="2026-11-20T05:00:00+00:00")
    report["waves"] = [{**report["waves"][0], "servers": [first]}]
    put_report(console.plans.parent / "reports", report)


def test_recovery_points_are_listed_and_their_lack_has_a_reason(console):
    client = console.client()
    assert client.get(f"{ONE}/recovery-points").json() == {
        "points": [{"at": "2026-11-22T05:05:00Z", "snapshot_id": "pit-1"}],
        "problem": "",
    }
    console.accounts["aws_default", "us-west-2"].error = AccessDenied("DescribeRecoverySnapshots", "Denied", "no")
    assert client.get(f"{ONE}/recovery-points").json()["problem"].startswith("DescribeRecoverySnapshots")


def test_runs_of_a_server_are_those_that_the_caller_may_read_and_the_drill_is_known_to_all(console):
    client = console.client()
    assert client.get(f"{ONE}/runs").json()["runs"] == []
    assert client.get("/api/v1/source-servers?view=never-drilled").json()["total"] == 1
    a_drill(console, "a")
    console.history.index._listed_at = None
    console.history.index.launches()
    assert console.history.index.wait(20)

    found = client.get(f"{ONE}/runs").json()
    assert [(run["run_id"], run["status"], run["mode"]) for run in found["runs"]] == [("a", "launched", "drill")]
    assert found["drilled_at"] == "2026-11-20T05:00:00Z"
    assert client.get("/api/v1/source-servers?view=never-drilled").json()["total"] == 0
    page = client.get("/server?id=s-00000000000000001").text
    assert "runs/a/plugin/drs-run" in page

    console.readable = {"drs.shop", "drs.other"}
    a_drill(console, "secret", dag_id="drs.secret")
    console.history.index._listed_at = None
    console.history.index.launches()
    assert console.history.index.wait(20)
    assert [run["run_id"] for run in client.get(f"{ONE}/runs").json()["runs"]] == ["a"]
    assert "secret" not in client.get("/server?id=s-00000000000000001").text


def test_a_server_that_there_is_not_has_no_page_and_no_details(console):
    client = console.client()
    assert client.get("/server?id=s-nobody").status_code == 404
    for part in ("recovery-points", "runs", "launch-settings"):
        assert client.get(f"/api/v1/source-servers/s-nobody/{part}").status_code == 404


class Chooser:
    def launch_choices(self):
        return LaunchChoices(
            subnets=(LaunchChoice("subnet-1", "blue"),), problems={"instance_profile": "iam:ListInstanceProfiles: no"}
        )


def test_what_there_is_to_choose_is_that_of_an_account_that_a_group_names(console):
    console.settings["aws_default", "us-west-2"] = Chooser()
    client = console.client()
    found = client.get("/api/v1/launch-choices?region=us-west-2").json()
    assert found["subnets"] == [{"value": "subnet-1", "words": "blue"}]
    assert found["problems"] == {"instance_profile": "iam:ListInstanceProfiles: no"}
    refused = client.get("/api/v1/launch-choices?region=us-west-2&connection=payroll")
    assert refused.status_code == 404
    assert refused.json()["detail"] == (
        "us-west-2 of connection payroll is not in the inventory, or has not answered: a saved group or DRS_INVENTORY "
        "names it first"
    )


def test_a_definition_whose_account_is_not_known_is_not_checked_and_that_is_said(console):
    wanted = {"kind": "ProtectionGroup", "name": "x", "aws_conn_id": "payroll", "servers": ["s-00000000000000001"]}
    found = console.client().post("/api/v1/protection-groups/check-launch", json=wanted, headers=OWN).json()
    assert (found["checked"], found["findings"]) == (0, [])
    assert "is not in the inventory" in found["problem"]


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("", ["Replication", "Last drill"], ["Backlog", "Tags"]),
        ("columns=tags&columns=backlog", ["Backlog", "Tags"], ["Replication", "Last drill"]),
        ("columns=nonsense", ["Replication"], ["Backlog"]),
    ],
)
def test_people_choose_columns(console, query, shown, hidden):
    page = console.client().get(f"/servers?{query}").text
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert [words for words in shown if words not in head] == []
    assert [words for words in hidden if words in head] == []
