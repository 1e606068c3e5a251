"""Another file that names a plan's servers: what goes on goes on, nothing new begins, and everybody is told."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from kit.dag_runs import SHOP, Run, calls

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DAG_FILE = Path(__file__).parents[3] / "dags" / "recovery_plans.py"
NEWCOMER = """\
kind: ProtectionGroup
name: other
region: us-west-2
servers: [s-00000000000000002]
---
kind: RecoveryPlan
name: other
waves: [{name: one, groups: [other]}]
"""


def test_the_dags_of_plans_that_share_a_server_stay_and_both_files_have_their_error(tmp_path, monkeypatch):
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "other.yaml").write_text(NEWCOMER)
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(tmp_path))

    bag = DagBag(str(DAG_FILE))

    # A DAG that is gone is stale for Airflow, and the scheduler lets its runs stand still.
    assert set(bag.dags) == {"drs.shop", "drs.other", "drs.sweeper"}
    assert {Path(path).name for path in bag.import_errors} == {"shop.yaml", "other.yaml"}


def test_a_plan_whose_own_file_is_broken_has_none(tmp_path, monkeypatch):
    (tmp_path / "shop.yaml").write_text(SHOP.replace("rto: 45m", "rto: soon"))
    (tmp_path / "other.yaml").write_text(NEWCOMER)
    monkeypatch.setenv("DRS_PLANS_FOLDER", str(tmp_path))

    assert set(DagBag(str(DAG_FILE)).dags) == {"drs.other", "drs.sweeper"}


def test_no_run_of_a_plan_whose_servers_another_group_names_begins(plans, airflow_db, simulator, tmp_path):
    (plans / "shop.yaml").write_text(SHOP)
    (plans / "other.yaml").write_text(NEWCOMER)

    dag = DagBag(str(DAG_FILE)).dags["drs.shop"]
    ended = Run(dag.test(run_conf={"mode": "drill"}), tmp_path / "reports")

    assert (ended.state, ended.report["verdict"]) == ("failed", "refused")
    assert ended.said("preflight.check") == (
        "the run of shop is refused, 2 reasons; nothing was launched:\n"
        f"  - {plans}/other.yaml:4:11: servers[0]: s-00000000000000002 is in group 'db' "
        f"({plans}/shop.yaml:6) too (a server belongs to one group; remove it from the others)\n"
        f"  - {plans}/shop.yaml:6:5: servers[1]: s-00000000000000002 is in group 'other' "
        f"({plans}/other.yaml:4) too (a server belongs to one group; remove it from the others)"
    )
    assert calls(simulator, "StartRecovery") == []
