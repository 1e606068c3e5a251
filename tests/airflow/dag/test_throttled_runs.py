"""Whole runs under a bad sky."""

import pytest
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

OPERATIONS = {
    "servicequotas": ["ListServiceQuotas"],
    "ec2": ["DescribeInstances"],
    "drs": [
        "DescribeSourceServers",
        "DescribeRecoverySnapshots",
        "DescribeRecoveryInstances",
        "DescribeJobs",
        "DescribeJobLogItems",
        "StartRecovery",
        "TerminateRecoveryInstances",
    ],
}


def test_every_kind_of_call_may_be_throttled_and_its_next_answer_be_lost(run, simulator):
    for service, operations in OPERATIONS.items():
        for operation in operations:
            where = {"service": service, "operation": operation, "count": 1}
            simulator.fault({**where, "do": "throttle"}, {**where, "do": "commit_then_drop"})

    ended = run(SHOP)

    assert ended.state == "success", (ended.report["verdict_reason"], ended.tasks)
    assert set(ended.servers.values()) == {"launched"}
    assert set(instances(simulator).values()) <= {"terminated"}
    started = [call["request"]["sourceServers"] for call in calls(simulator, "StartRecovery") if call["committed"]]
    assert [len(servers) for servers in started] == [3, 2]


def test_a_role_that_may_not_start_anything_fails_at_once(run, simulator):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "access_denied"})

    ended = run(SHOP)

    assert ended.state == "failed"
    assert len(calls(simulator, "StartRecovery")) == 1
    assert ended.said("database.start_recovery").startswith("StartRecovery: AccessDeniedException: ")
