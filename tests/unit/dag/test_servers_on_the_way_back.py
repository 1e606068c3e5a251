"""Where the steps of a failback find a server: production runs where it was recovered, until it runs in its origin."""

import pytest
from drs_provider.dag.steps.context import _on_its_way_back
from drs_provider.rules.run.handover import ServerBack
from drs_provider.rules.run.placeholders import KnownServer

BACK = ServerBack(
    failback_server="s-2", recovered="i-recovered", account="1", region="us-east-1", aws_conn_id="aws_origin"
)


@pytest.mark.parametrize(
    ("instance_id", "reason", "found"),
    [
        (None, None, ("i-recovered", "aws_default", "us-west-2")),
        ("i-back", None, ("i-back", "aws_origin", "us-east-1")),
        (None, "its launch failed", (None, "aws_default", "us-west-2")),
    ],
)
def test_a_server_is_found_where_its_production_runs(instance_id, reason, found):
    known = KnownServer("s-1", "db1", "database", "aws_default", "us-west-2", instance_id, reason)
    server = _on_its_way_back(known, BACK)

    assert (server.instance_id, server.aws_conn_id, server.region) == found
    assert (server.server_id, server.hostname, server.reason) == ("s-1", "db1", reason)
