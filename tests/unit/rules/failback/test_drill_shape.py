"""A failback drill, compiled: the plan as a drill of its own in the origin."""

from datetime import timedelta
from pathlib import Path

import pytest
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.plan.model import LaunchSettings, VpcNetwork
from drs_provider.rules.failback.drill_shape import FailbackDrillShape, in_origin, laid_over, with_launch_settings_back
from drs_provider.rules.failback.shape import compile_failback, shape_of_mode
from drs_provider.rules.purpose import FAILBACK_DRILL
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Target
from hypothesis import given
from hypothesis import strategies as st
from kit.failback_plans import EVERYTHING

DRILL = "drill: {network: {vpc: vpc-0drill}, keep_for: 2h, max_cost: 7}"
FULL = (
    EVERYTHING.replace(
        "order: reversed}", f"order: reversed, {DRILL}, launch: {{instance_type: m6i.large, copy_tags: true}}}}"
    )
    .replace("origin: {region: eu-west-1", "failback_launch: {instance_type: m7i.large}\norigin: {region: eu-west-1")
    .replace("order: 2, critical: false,", "order: 2, critical: false, failback_launch: {subnet_id: subnet-0east},")
)
ORIGIN, ELSEWHERE = Target("aws_origin", ""), Target("aws_elsewhere", "eu-west-1")


def plan_of(tmp_path: Path, text: str = FULL) -> RunnablePlan:
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    library = read_folder(tmp_path)
    assert not library.problems
    return library.plans["shop"]


@pytest.fixture
def drill(tmp_path: Path) -> FailbackDrillShape:
    shape = compile_failback(plan_of(tmp_path))
    assert shape is not None
    assert shape.drill is not None
    return shape.drill


def test_it_launches_in_the_origins_as_the_failback_says(drill: FailbackDrillShape) -> None:
    assert drill.dag_id == "drs.shop.failback"
    assert [place.target for place in drill.targets] == [ORIGIN, ELSEWHERE]
    assert (drill.plan.drill.network, drill.plan.drill.keep_for, drill.plan.drill.max_cost) == (
        VpcNetwork(vpc="vpc-0drill"),
        timedelta(hours=2),
        7,
    )
    assert drill.plan.drill.max_lag == timedelta(minutes=15)
    assert drill.keep_task == "finish.keep"
    assert [place.remove_network_task for place in drill.targets] == [
        "finish.remove_network",
        "finish.remove_network_2",
    ]


def test_its_waves_are_those_with_servers_in_the_order_of_the_way_back(drill: FailbackDrillShape) -> None:
    """``announce`` has steps only, and stands between them."""
    assert [(wave.name, wave.depends_on) for wave in drill.waves] == [("web", ()), ("database", ("web",))]
    assert drill.wave_of["database"].start_tasks == ("database.start_drill", "database.start_drill_2")
    assert drill.upstream["database.start_drill"] >= {"web.drill_job", "database.launch_settings"}


def test_nobody_is_asked_and_no_step_is_done(drill: FailbackDrillShape) -> None:
    assert (drill.steps, drill.approval_tasks, drill.stop_approval_tasks, drill.commit_task) == ((), (), (), None)
    assert {task for wave in drill.waves for task in wave.opening} == set()


def test_launch_settings_are_those_of_the_way_back_alone(tmp_path: Path) -> None:
    groups = with_launch_settings_back(plan_of(tmp_path)).groups

    assert groups["db"].launch == LaunchSettings(instance_type="m6i.large", copy_tags=True)
    assert groups["mail"].launch == LaunchSettings(instance_type="m7i.large", copy_tags=True)
    assert [member.launch for member in groups["db"].servers] == [
        LaunchSettings(),
        LaunchSettings(subnet_id="subnet-0east"),
    ]
    assert {group.drill_launch for group in groups.values()} == {LaunchSettings()}
    assert {name: (group.region, group.aws_conn_id) for name, group in groups.items()} == {
        "db": ("us-west-2", "aws_default"),
        "mail": ("us-west-2", "aws_other"),
        "web": ("us-west-2", "aws_default"),
    }


def test_it_is_the_same_plan_by_its_fingerprint(tmp_path: Path) -> None:
    runnable = plan_of(tmp_path)

    assert in_origin(runnable).digest == runnable.digest


def test_every_wave_knows_by_which_ways_its_servers_come(drill: FailbackDrillShape) -> None:
    assert [way.groups for way in drill.ways_to("database", ORIGIN)] == [("db",)]
    assert [way.groups for way in drill.ways_to("database", ELSEWHERE)] == [("mail",)]
    assert drill.ways_to("web", ELSEWHERE) == ()


@pytest.mark.parametrize(("mode", "is_drill"), [("failback_drill", True), ("reprotect", False), (None, False)])
def test_a_run_has_the_shape_of_its_mode(tmp_path: Path, mode: object, is_drill: bool) -> None:
    shape = shape_of_mode(plan_of(tmp_path), mode)

    assert isinstance(shape, FailbackDrillShape) is is_drill


def test_a_request_says_what_it_is_for(drill: FailbackDrillShape) -> None:
    run = drill.for_request(
        RunRequest("failback_drill", "latest", ("web",), (), replace_live_instances=False, reason="")
    )

    assert (run.purpose, [wave.name for wave in run.chosen_waves]) == (FAILBACK_DRILL, ["web"])
    assert run.chosen_targets == (ORIGIN,)
    assert run.ways == drill.ways


_SETTINGS = st.builds(
    LaunchSettings,
    instance_type=st.sampled_from([None, "m6i.large", "t3.medium"]),
    copy_tags=st.sampled_from([None, True, False]),
)


@given(_SETTINGS, _SETTINGS)
def test_what_is_said_above_counts(below: LaunchSettings, above: LaunchSettings) -> None:
    found = laid_over(below, above)

    for key in ("instance_type", "copy_tags"):
        said = getattr(above, key)
        assert getattr(found, key) == (getattr(below, key) if said is None else said)
