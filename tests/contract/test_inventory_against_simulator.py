"""The inventory over the simulator: how often it asks, and what it reads."""

from datetime import UTC, datetime, timedelta

from drs_provider.exceptions import AwsError
from drs_provider.rules.run.roster import Target
from drs_provider.services.inventory.cache import Inventory


def calls_of(hook, operation):
    made = []
    hook.conn.meta.events.register(f"before-call.drs.{operation}", lambda params, **_: made.append(params))
    return made


def test_servers_are_read_in_one_call_and_have_what_the_page_shows(hook):
    made = calls_of(hook, "DescribeSourceServers")
    inventory = Inventory(lambda _: hook, lambda: datetime.now(UTC), timedelta(seconds=30))

    (state,) = inventory.look([Target("", "us-west-2")], wait=20)

    assert (state.problem, len(made)) == ("", 1)
    assert len(state.servers) == len(hook.source_servers())
    found = state.servers[0]
    assert found.state == "CONTINUOUS"
    assert found.lag_seconds is not None
    assert found.agent_version
    newest, problem = inventory.newest_recovery_point(found)
    assert (newest is not None, problem) == (True, "")


def test_a_page_that_is_too_long_for_the_service_is_asked_for_at_its_own_length(hook):
    refused = []

    def refuse(params, **_):
        if b"maxResults" in params["body"]:
            refused.append(params)
            error = AwsError("DescribeSourceServers", "ValidationException", "maxResults is too large")
            raise error

    hook.conn.meta.events.register("before-call.drs.DescribeSourceServers", refuse)

    assert {found["sourceServerID"] for found in hook.every_source_server()} == {
        found["sourceServerID"] for found in hook.source_servers()
    }
    assert len(refused) == 1
