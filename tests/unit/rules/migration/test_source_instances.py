"""Which instance is the source of a server, and every reason against stopping or starting it."""

from dataclasses import replace

import pytest
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.migration.source_instances import (
    NamedSource,
    not_done,
    source_of,
    to_change,
    what_is_stopped,
    why_not_changed,
)

HERE = ReplicationPlace("111122223333", "us-west-2")
NAMED = NamedSource("s-1", "db1", "i-1", "444455556666", "us-east-1")
WHO = "db1 (i-1 in us-east-1 of account 444455556666)"


def server(**more):
    return {
        "sourceServerID": "s-1",
        "replicationDirection": "FAILOVER",
        "sourceProperties": {"identificationHints": {"awsInstanceID": "i-1", "hostname": "db1"}},
        "sourceCloudProperties": {"originRegion": "us-east-1", "originAccountID": "444455556666"},
        **more,
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (server(), NAMED),
        (server(sourceCloudProperties={"originRegion": "us-east-1"}), replace(NAMED, account="111122223333")),
        (server(sourceCloudProperties={}), None),
        (server(sourceProperties={"identificationHints": {"hostname": "db1"}}), None),
        (server(replicationDirection="FAILBACK"), None),
    ],
    ids=["an instance", "of the same account", "a data centre", "no instance is named", "a recovered instance"],
)
def test_the_source_is_the_instance_that_drs_names(found, expected):
    assert source_of(found, HERE) == expected


@pytest.mark.parametrize(
    ("change", "found", "account", "state", "why"),
    [
        ("stop", NAMED, NAMED.account, "running", None),
        ("stop", NAMED, NAMED.account, "pending", None),
        ("stop", NAMED, NAMED.account, "stopping", None),
        ("stop", NAMED, NAMED.account, "stopped", None),
        ("stop", NAMED, NAMED.account, "terminated", f"{WHO}: EC2 calls it terminated"),
        ("stop", NAMED, NAMED.account, "shutting-down", f"{WHO}: EC2 calls it shutting-down"),
        ("stop", NAMED, NAMED.account, None, f"{WHO}: EC2 does not know the instance there"),
        ("start", NAMED, NAMED.account, "stopped", None),
        ("start", NAMED, NAMED.account, "running", None),
        ("start", NAMED, NAMED.account, "terminated", f"{WHO}: EC2 calls it terminated"),
        ("stop", None, NAMED.account, "running", f"{WHO}: DRS names no EC2 instance as the source of s-1 any more"),
        (
            "stop",
            replace(NAMED, instance_id="i-2"),
            NAMED.account,
            "running",
            f"{WHO}: DRS names another instance as its source now, db1 (i-2 in us-east-1 of account 444455556666)",
        ),
        (
            "stop",
            replace(NAMED, region="eu-west-1"),
            NAMED.account,
            "running",
            f"{WHO}: DRS names another instance as its source now, db1 (i-1 in eu-west-1 of account 444455556666)",
        ),
        (
            "stop",
            NAMED,
            "999999999999",
            "running",
            f"{WHO}: the connection for the origin is in account 999999999999",
        ),
    ],
)
def test_every_reason_against_it_is_said(change, found, account, state, why):
    assert why_not_changed(change, NAMED, found, account=account, state=state) == why


def test_what_is_done_or_under_way_is_left_alone():
    states = {"i-1": "running", "i-2": "stopping", "i-3": "stopped", "i-4": "pending"}

    assert to_change("stop", states) == ["i-1", "i-4"]
    assert not_done("stop", states) == ["i-1", "i-2", "i-4"]
    assert to_change("start", states) == ["i-2", "i-3"]
    assert not_done("start", states) == ["i-2", "i-3", "i-4"]


def test_every_instance_stands_in_the_question():
    assert what_is_stopped([NAMED], others=["db3"]).split("\n") == [
        "| server | instance | Region | account |",
        "|---|---|---|---|",
        "| db1 | `i-1` | us-east-1 | 444455556666 |",
        "",
        "Not stopped, for their sources are no EC2 instances: db3.",
    ]
