"""Into which existing instances DRS would launch servers, and when the account's default has to be asked for."""

import pytest
from drs_provider.services.launch.existing_instances import existing_instances

INTO = {"launchIntoInstanceProperties": {"launchIntoEC2InstanceID": "i-there"}}


def source(server, **cloud):
    return {"sourceServerID": server, "sourceCloudProperties": cloud}


class Hook:
    region = "us-west-2"

    def __init__(self):
        self.asked = 0

    def launch_templates(self):
        self.asked += 1
        return ({"launchIntoSourceInstance": True},)


@pytest.mark.parametrize(
    ("sources", "configurations", "found", "asked"),
    [
        pytest.param([source("s-1"), source("s-2")], {}, {}, 0, id="no server of EC2"),
        pytest.param([source("s-1", originRegion="us-east-1")], {}, {}, 0, id="a server of another Region"),
        pytest.param([source("s-1")], {"s-1": INTO}, {"s-1": "server"}, 0, id="the server itself says where"),
        pytest.param([source("s-1"), source("s-2", originRegion="us-west-2")], {}, {"s-2": "account"}, 1, id="home"),
        pytest.param(
            [source("s-1"), {**source("s-2"), "replicationDirection": "FAILBACK"}],
            {"s-1": INTO},
            {"s-1": "server", "s-2": "account"},
            1,
            id="a failback beside one that says where",
        ),
    ],
)
def test_the_accounts_default_is_asked_for_where_it_can_hold_and_only_there(sources, configurations, found, asked):
    hook = Hook()

    said = existing_instances(hook, ["s-1", "s-2"], configurations=configurations, sources=sources)

    assert {server: existing.by for server, existing in said.items()} == found
    assert hook.asked == asked
