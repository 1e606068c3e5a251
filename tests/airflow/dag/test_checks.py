"""Whole checks: everything that preflight looks at, and nothing launched, made, tagged or asked."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.utils.session import create_session
from drs_provider.dag.factory import build_dag
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.handover import PreflightResult, PreflightServer, PreflightTarget, PreflightWave
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import PREFLIGHT_TASK
from drs_provider.services.signed import keys
from kit.dag_runs import SHOP, calls, instances

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

GUARDED = (
    SHOP.replace("drill: {network: shared}", "drill: {network: isolated, keep_for: 1h}")
    .replace("waves:\n", "recovery: {approval: {required: 2, approvers: [ann, bob]}}\nwaves:\n")
    .replace(
        "{name: web, groups: [web]}",
        "{name: web, groups: [web], pause_before: {approvers: [ann], message: Go on?}, "
        "after: [{kind: wait, name: settle, for: 1h}]}",
    )
)
"""A plan whose drill makes a network, asks, waits for an hour and is kept for another."""

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DB1 = PreflightServer(server_id="s-00000000000000001", hostname="db1", group="db", region="us-west-2")
LOOKS = ("Describe", "Get", "List", "Search", "Simulate", "Lookup")
LEFT = {"preflight.check": "success", "finish.report": "success", "finish.verdict": "success"}


def changes(simulator):
    """What the record of the simulator has of calls that are more than a look."""
    return [call["operation"] for call in simulator.calls() if not call["operation"].startswith(LOOKS)]


def test_a_check_looks_at_everything_and_changes_nothing(run, simulator):
    ended = run(GUARDED, mode="check")

    assert (ended.state, ended.report["verdict"], ended.report["run"]["mode"]) == ("success", "checked", "check")
    assert ended.report["verdict_reason"].startswith("5 servers in 2 waves checked, ")
    assert ended.report["verdict_reason"].endswith("; nothing was launched.")
    assert {name: state for name, state in ended.tasks.items() if state != "skipped"} == LEFT
    assert set(ended.servers.values()) == {"skipped"}
    assert {wave["state_reason"] for wave in ended.report["waves"]} == {"a check launches nothing"}
    assert ended.report["cleanup"]["reason"] == "a check launches nothing"
    assert len(calls(simulator, "DescribeSourceServers")) >= 1
    assert changes(simulator) == []
    assert instances(simulator) == {}
    with create_session() as session:
        from drs_provider.ui.airflow_runs import AirflowRuns  # the whole API server comes with it, and its warnings

        runs = AirflowRuns(session)
        last, last_check = runs.newest(["drs.shop"]), runs.newest_checks(["drs.shop"])["drs.shop"]
    assert (last_check.run_id, last_check.status) == (ended.dag_run.run_id, "checked")
    assert "drs.shop" not in last or last["drs.shop"].run_id != ended.dag_run.run_id


def test_a_check_that_finds_a_reason_is_refused_and_changes_nothing(run, simulator):
    ended = run(GUARDED.replace("s-00000000000000002", "s-00000000000000099"), mode="check")

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert "DRS knows no such source server" in ended.report["verdict_reason"]
    assert changes(simulator) == []


def test_a_check_is_not_refused_because_others_hold_its_servers(run, simulator):
    simulator.client("drs").start_recovery(isDrill=True, sourceServers=[{"sourceServerID": "s-00000000000000001"}])
    simulator.client("drs").start_recovery(isDrill=False, sourceServers=[{"sourceServerID": "s-00000000000000011"}])
    simulator.advance("30m")
    before = changes(simulator)

    ended = run(SHOP, mode="check")

    assert (ended.state, ended.report["verdict"]) == ("success", "checked")
    said = {finding["hostname"]: finding["what"] for finding in ended.report["preflight"]["findings"]}
    assert "it has a drill instance that this plan did not launch" in said["db1"]
    assert "it has a live recovered instance" in said["web1"]
    assert {finding["severity"] for finding in ended.report["preflight"]["findings"]} == {"warning"}
    assert changes(simulator) == before


class Left:
    """The task instance of a run whose preflight passed as a check."""

    dag_id, run_id, try_number, max_tries, map_index = "drs.shop", "r", 1, 0, -1

    def __init__(self, task_id):
        self.task_id = task_id

    def xcom_pull(self, *, task_ids, key="return_value"):
        if (task_ids, key) != (PREFLIGHT_TASK, PreflightResult.KEY):
            return None
        here = PreflightTarget(aws_conn_id="aws_default", region="us-west-2", servers=(DB1,))
        waves = {"database": PreflightWave(selected=True, targets=(here,))}
        found = PreflightResult(
            plan="shop", passed=True, digest="a" * 64, mode="check", needs_approval=False, checked_at=NOW, waves=waves
        )
        return keys().seal(found.to_json(), Origin(self.dag_id, self.run_id, task_ids, key))


@pytest.mark.parametrize(
    "task",
    [
        "database.start_recovery",
        "preflight.network",
        "database.launch_settings",
        "database.recovery_job",
        "database.tag_instances",
        "finish.clean_up",
        "finish.restore_settings",
        "finish.remove_network",
        "finish.look_over",
    ],
)
def test_a_task_of_a_check_that_somebody_clears_alone_does_nothing(tmp_path, task):
    (tmp_path / "shop.yaml").write_text(GUARDED)
    dag = build_dag(read_folder(tmp_path).plans["shop"], tmp_path)
    context = {
        "params": {name: param.value for name, param in dag.params.items()} | {"mode": "check"},
        "ti": Left(task),
        "dag_run": SimpleNamespace(dag_id=dag.dag_id, run_id="r"),
        "task_state_store": SimpleNamespace(get=lambda _: None, set=lambda *_, **__: None),
    }

    with pytest.raises(AirflowSkipException, match="a check launches nothing"):
        dag.task_dict[task].execute(context)
