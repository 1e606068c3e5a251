"""Plans as Airflow's grid and graph show them: waves in dependency order, edges as the compiled plan has them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.dag_edges import dag_edges
from drs_provider.dag.factory import build_dag
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.rules.run import names
from drs_provider.rules.run.shape import RunShape, compile_shape
from hypothesis import HealthCheck, given, settings
from properties.plans.strategies import libraries

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[3]
PLAN_FOLDERS = (ROOT / "plans", Path(__file__).parent / "plans")

UPSIDE_DOWN = """
kind: ProtectionGroup
name: a
region: us-west-2
servers: [s-00000000000000001]
---
kind: ProtectionGroup
name: b
region: us-west-2
servers: [s-00000000000000002]
---
kind: RecoveryPlan
name: upside-down
drill: {network: isolated}
before: [{kind: wait, name: settle, for: 1m}]
waves:
  - {name: zoo, groups: [a], depends_on: []}
  - {name: bar, depends_on: [zoo], after: [{kind: wait, name: rest, for: 1m}]}
  - {name: art, groups: [b], depends_on: [bar]}
after: [{kind: wait, name: part, for: 1m}]
"""


def serialized(runnable: RunnablePlan, folder: Path) -> SerializedDAG:
    return DagSerialization.from_dict(DagSerialization.to_dict(build_dag(runnable, folder)))


def listed(dag: SerializedDAG) -> list[str]:
    return [str(group.node_id) for group in dag.task_group.topological_sort()]


def wanted(shape: RunShape) -> list[str]:
    return [
        names.PREFLIGHT_GROUP,
        *sorted(
            [
                *([names.PREPARATION_GROUP] if _prepared(shape) else []),
                *([names.BEFORE_WAVES] if shape.before else []),
            ],
            reverse=not shape.syncs_ahead,
        ),
        *(wave.name for wave in shape.waves),
        *([names.AFTER_WAVES] if shape.after else []),
        *([names.ASIDE_GROUP] if any(wave.targets for wave in shape.waves) else []),
        names.FINISH_GROUP,
    ]


def _prepared(shape: RunShape) -> bool:
    return any(wave.settings_tasks or wave.ahead_tasks for wave in shape.waves)


def read(text: str) -> Iterator[RunnablePlan]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_text(text, encoding="utf-8")
        library = read_folder(Path(folder))
        assert library.problems == ()
        yield from library.plans.values()


def test_the_example_plans_are_listed_in_the_order_of_their_dependencies() -> None:
    plans = read_folder(ROOT / "plans").plans

    assert listed(serialized(plans["hello"], ROOT)) == ["preflight", "first", "second", "beside_waves", "finish"]
    assert listed(serialized(plans["web-shop"], ROOT)) == [
        "preflight",
        "prepare_waves",
        "database",
        "application",
        "web",
        "monitoring",
        "beside_waves",
        "finish",
    ]


def test_neither_names_nor_what_runs_ahead_change_the_order() -> None:
    (plan,) = read(UPSIDE_DOWN)

    assert listed(serialized(plan, ROOT)) == [
        "preflight",
        "prepare_waves",
        "before_waves",
        "zoo",
        "bar",
        "art",
        "after_waves",
        "beside_waves",
        "finish",
    ]


@pytest.mark.parametrize("folder", PLAN_FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_plan_is_listed_as_its_compiled_form_has_it(folder: Path) -> None:
    plans = [read_folder(file.parent).plans for file in sorted(folder.glob("*.yaml"))]

    for plan in [plan for found in plans for plan in found.values()]:
        assert listed(serialized(plan, folder)) == wanted(compile_shape(plan))


@pytest.mark.timeout(400)  # a busy machine needs several seconds for a plan
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(libraries())
def test_any_plan_is_listed_in_order_and_drawn_with_its_own_edges_only(
    library: tuple[dict[str, object], list[dict[str, object]]],
) -> None:
    plan, groups = library
    for runnable in read(yaml.safe_dump_all([plan, *groups])):
        shape = compile_shape(runnable)
        dag = serialized(runnable, ROOT)

        assert listed(dag) == wanted(shape)
        assert {task.task_id: frozenset(task.upstream_task_ids) for task in dag.tasks} == shape.upstream
        # The order is no edge: the graph draws, and the scheduler waits for, what it did without it.
        drawn = {(edge["source_id"], edge["target_id"]) for edge in dag_edges(dag)}
        assert drawn == {(above, task) for task, found in shape.upstream.items() for above in found}


def test_a_wave_has_its_chain_only_so_that_nothing_else_colours_it_or_stretches_its_bar() -> None:
    (plan,) = read(UPSIDE_DOWN)
    dag, shape = serialized(plan, ROOT), compile_shape(plan)
    groups = dag.task_group.get_task_group_dict()

    for wave in shape.waves:
        assert {task.task_id for task in groups[wave.name].iter_tasks()} == set(wave.chain)
    assert {task.task_id for task in groups[names.PREPARATION_GROUP].iter_tasks()} == {
        "zoo.launch_settings",
        "art.launch_settings",
    }
    assert {task.task_id for task in groups[names.ASIDE_GROUP].iter_tasks()} == {
        "zoo.servers",
        "zoo.tag_instances",
        "art.servers",
        "art.tag_instances",
    }


def test_launch_settings_run_ahead_of_all_earlier_waves() -> None:
    (plan,) = read(UPSIDE_DOWN)
    dag = serialized(plan, ROOT)

    assert dag.get_task("art.launch_settings").upstream_task_ids == {"preflight.check", "preflight.network"}
