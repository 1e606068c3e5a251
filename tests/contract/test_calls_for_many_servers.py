"""How many questions preflight asks of AWS for many servers: one each, and a handful for all of them."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from drs_provider.hooks.launch_settings import LaunchSettingsHook
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.shape import compile_shape
from drs_provider.services.preflight.check import Preflight
from drs_simulator.pytest_plugin import start_drs_simulator
from kit.aws_models import KNOWS_NATIVE_PLANS

__all__ = ["start_drs_simulator"]

HOME = "111122223333"
MANY = 450
"""Three batches of ids, and five pages of the simulator's answers."""

PLAN = """
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {App: shop}}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves: [{name: web, groups: [web]}]
"""


@pytest.fixture(scope="module")
def simulator(start_drs_simulator):
    network = {"vpc": "10.20.0.0/16", "subnets": {"big": "10.20.0.0/18"}}
    servers = {"id": "s-{n:017d}", "hostname": "web{n}", "count": MANY, "launch": {"subnet": "big"}}
    region = {"name": "us-west-2", "network": network, "servers": [servers | {"tags": {"App": "shop"}}]}
    return start_drs_simulator({"accounts": [{"id": HOME, "regions": [region]}]})


@pytest.mark.parametrize("mode", ["drill", "recovery", "check"])
def test_preflight_of_many_servers_asks_one_question_a_server(simulator, monkeypatch, tmp_path, mode):
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HOME)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (tmp_path / "shop.yaml").write_text(PLAN)
    request = RunRequest(mode, "latest", ("web",), (), replace_live_instances=False, reason="a test")
    shape = compile_shape(read_folder(tmp_path).plans["shop"], request)
    hook = LaunchSettingsHook(aws_conn_id=None, region_name="us-west-2")
    before = len(simulator.calls())

    found = Preflight(shape, request, ("drs.shop", "manual__1"), datetime.now(UTC)).take(lambda _: hook)

    assert (found.refusals, len(found.rows)) == ([], MANY)
    asked = Counter(call["operation"] for call in simulator.calls()[before:])
    assert 2 <= asked.pop("SimulatePrincipalPolicy") <= 6
    assert asked == {
        "GetLaunchConfiguration": MANY,
        "DescribeSourceServers": 5,
        "DescribeRecoveryInstances": 3,
        "DescribeLaunchTemplateVersions": 3,
        "ListServiceQuotas": 1,
        "DescribeJobs": 1,
        "DescribeSubnets": 1,
        "DescribeInstanceTypeOfferings": 1,
        "GetCallerIdentity": 1,
        **({"ListRecoveryPlanExecutions": 1} if KNOWS_NATIVE_PLANS else {}),
    }
