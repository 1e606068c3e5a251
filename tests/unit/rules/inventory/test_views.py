"""Which servers belong where, and which want attention."""

from datetime import UTC, datetime

import pytest
from drs_provider.plan.model import ProtectionGroup, RecoveryPlan
from drs_provider.rules.inventory.membership import KnownGroup, find_conflicts, find_membership
from drs_provider.rules.inventory.server import InventoryInstance, LatestLaunch, read_servers
from drs_provider.rules.inventory.views import VIEWS, make_rows
from drs_provider.rules.run.roster import Place, Target
from kit.console import server

HERE, THERE = Place("111122223333", "us-west-2"), Place("111122223333", "us-east-1")
PLACES = {Target("aws_default", "us-west-2"): HERE, Target("other", "us-west-2"): HERE}


def a_group(name, **fields):
    document = {"kind": "ProtectionGroup", "name": name, "region": "us-west-2", **fields}
    return ProtectionGroup.model_validate(document, by_alias=True)


def a_plan(name, *groups, rpo=None):
    document = {"kind": "RecoveryPlan", "name": name, "waves": [{"name": "w", "groups": list(groups)}]}
    return RecoveryPlan.model_validate({**document, **({"rpo": rpo} if rpo else {})})


def rows_of(servers, groups, *plans):
    found = read_servers(servers, (), HERE)
    by_name = {group.name: group for group in groups}
    return {
        row.server.hostname: row
        for row in make_rows(found, find_membership(by_name, plans, found, PLACES), by_name, PLACES)
    }


def views_of(row):
    """The views of a row; who was never drilled: ``test_past_launches.py``."""
    return [name for name, belongs in VIEWS.items() if name not in {"never-drilled", "all"} and belongs(row)]


@pytest.mark.parametrize(
    ("answer", "views", "problems"),
    [
        (server(1, "a"), [], ()),
        (server(1, "a", lag="PT5M"), [], ()),
        (server(1, "a", lag="PT5M1S"), ["lagging"], ("lags 5m 01s behind, above the objective of 5m",)),
        (server(1, "a", state="STALLED"), ["lagging", "not-replicating"], ("replication: STALLED",)),
        (server(1, "a", state="INITIAL_SYNC"), ["not-replicating"], ("replication: INITIAL_SYNC",)),
        (server(2, "a"), ["unprotected", "not-in-plan"], ()),
        (
            server(2, "a", state="DISCONNECTED"),
            ["unprotected", "not-in-plan", "lagging"],
            ("replication: DISCONNECTED",),
        ),
        ({**server(2, "a"), "replicationDirection": "FAILBACK"}, [], ()),
        (server(3, "a"), ["not-in-plan"], ()),
    ],
)
def test_a_server_is_in_the_views_that_it_belongs_to(answer, views, problems):
    groups = [a_group("g", servers=[server(1, "")["sourceServerID"]]), a_group("h", servers=["s-00000000000000003"])]
    rows = rows_of([answer], groups, a_plan("strict", "g", rpo="5m"), a_plan("lax", "g", rpo="1h"))

    assert (views_of(rows["a"]), rows["a"].problems) == (views, problems)


def test_a_server_that_a_group_names_and_drs_does_not_list_has_a_row():
    row = rows_of([], [a_group("g", servers=["s-00000000000000009"])])["s-00000000000000009"]

    assert (row.server.state, row.groups, views_of(row)) == ("NOT_LISTED", ("g",), ["not-in-plan", "not-replicating"])
    assert row.problems == ("DRS does not know it in us-west-2 of account 111122223333",)


def test_a_selection_finds_servers_in_its_own_account_and_region_alone():
    groups = [a_group("g", select={"tags": {"App": "shop"}})]
    found = (
        *read_servers([server(1, "a", App="shop")], (), HERE),
        *read_servers([server(2, "b", App="shop")], (), THERE),
    )

    membership = find_membership({"g": groups[0]}, (), found, PLACES)

    assert membership.groups == {"s-00000000000000001": ("g",)}


def test_a_conflict_names_group_file_and_line_however_the_other_group_finds_the_server():
    found = read_servers([server(1, "db1", App="shop"), server(2, "web1", App="shop")], (), HERE)
    mine = a_group("new", aws_conn_id="other", select={"tags": {"App": "shop"}})
    others = [
        KnownGroup(a_group("named", servers=["s-00000000000000001"]), "groups/a.yaml:3"),
        KnownGroup(a_group("by-tag", select={"tags": {"App": "sh*"}}), "groups/b.yaml:7"),
        KnownGroup(a_group("new", servers=["s-00000000000000001"]), "groups/itself.yaml:1"),
    ]

    assert find_conflicts(mine, others, found, PLACES) == (
        "db1 (s-00000000000000001) is in group 'named' (groups/a.yaml:3) too: a server belongs to one group",
        "db1 (s-00000000000000001) is in group 'by-tag' (groups/b.yaml:7) too: a server belongs to one group",
        "web1 (s-00000000000000002) is in group 'by-tag' (groups/b.yaml:7) too: a server belongs to one group",
    )


def test_the_answers_of_drs_are_read_whole():
    answer = {
        **server(1, "db1"),
        "sourceCloudProperties": {"originAccountID": "444455556666", "originRegion": "us-east-1"},
        "lifeCycle": {
            "lastLaunch": {
                "initiated": {"apiCallDateTime": "2026-11-20T05:00:00Z", "jobID": "drsjob-1", "type": "DRILL"},
                "status": "LAUNCHED",
            },
            "lastSeenByServiceDateTime": "no instant",
        },
    }
    instances = [
        {"sourceServerID": "s-00000000000000001", "recoveryInstanceID": "i-0", "ec2InstanceState": "TERMINATED"},
        {
            "sourceServerID": "s-00000000000000001",
            "recoveryInstanceID": "i-1",
            "ec2InstanceID": "i-1",
            "ec2InstanceState": "RUNNING",
            "isDrill": True,
        },
    ]

    (found,) = read_servers([answer], instances, HERE)

    assert found.last_launch == LatestLaunch("DRILL", "LAUNCHED", "drsjob-1", datetime(2026, 11, 20, 5, tzinfo=UTC))
    assert found.instance == InventoryInstance("i-1", "i-1", "RUNNING", is_drill=True)
    assert (found.source_account, found.source_region, found.last_seen) == ("444455556666", "us-east-1", None)
    assert (found.backlog_bytes, found.lag_seconds, found.agent_version) == (1024, 0.0, "5.1")


def test_a_server_of_which_drs_says_next_to_nothing_is_read():
    (found,) = read_servers([{"sourceServerID": "s-1"}], (), HERE)

    assert (found.hostname, found.state, found.lag_seconds, found.last_launch) == ("s-1", "UNKNOWN", None, None)
