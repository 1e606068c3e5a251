"""The DAG of a way back as Airflow sees it."""

import json
import os
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from kit.drawn_dags import as_text
from kit.failback_plans import EVERYTHING, SHOP

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[4]
DAG_FILE = ROOT / "dags" / "recovery_plans.py"
GOLDEN = ROOT / "tests" / "golden" / "shop.failback.dag.txt"


def bag(plans, text):
    (plans / "shop.yaml").write_text(text)
    found = DagBag(str(DAG_FILE))
    assert found.import_errors == {}
    return found.dags


def test_the_way_back_of_a_plan_with_everything_is_the_golden_one(plans):
    drawn = as_text(bag(plans, EVERYTHING)["drs.shop.failback"])
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(drawn)

    assert drawn == GOLDEN.read_text(), "REWRITE_GOLDEN=1 writes it afresh; read the difference before you commit it"


def test_only_a_plan_with_failback_has_a_way_back(plans):
    assert set(bag(plans, SHOP.replace("failback: {}\n", ""))) == {"drs.shop", "drs.sweeper"}
    assert set(bag(plans, SHOP)) == {"drs.shop", "drs.shop.failback", "drs.sweeper"}


def test_only_what_is_built_is_offered_and_a_person_alone_starts_it(plans):
    dag = bag(plans, EVERYTHING)["drs.shop.failback"]

    assert dag.params["mode"] == "reprotect"
    assert dag.params.get_param("mode").schema["enum"] == ["reprotect", "failback_drill", "failback"]
    assert dag.schedule is None
    assert [str(getattr(kind, "value", kind)) for kind in dag.allowed_run_types] == ["manual"]
    assert not dag.deadline


def test_waves_stand_in_the_order_of_the_way_back(plans):
    dag = bag(plans, EVERYTHING)["drs.shop.failback"]
    groups = [key for key in dag.task_group.children if "." not in key]

    assert groups == [
        "preflight",
        "before_waves",
        "prepare_waves",
        "web",
        "announce",
        "database",
        "beside_waves",
        "finish",
    ]


def test_the_same_plan_gives_the_same_dag(plans):
    first, second = (bag(plans, EVERYTHING)["drs.shop.failback"] for _ in range(2))

    assert json.dumps(DagSerialization.to_dict(first), sort_keys=True, default=str) == json.dumps(
        DagSerialization.to_dict(second), sort_keys=True, default=str
    )


def test_one_task_of_it_reads_its_own_plan_only(plans, monkeypatch):
    (plans / "broken.yaml").write_text("kind: RecoveryPlan\nname: broken\n")
    (plans / "shop.yaml").write_text(SHOP)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "drs.shop.failback")

    found = DagBag(str(DAG_FILE))

    assert (set(found.dags), found.import_errors) == ({"drs.shop.failback"}, {})
