"""A plan compiled: waves in order, accounts and Regions, every task and what it waits for."""

import tempfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from drs_provider.exceptions import PreflightRefused
from drs_provider.plan.loader import RunnablePlan, read_folder
from drs_provider.rules.purpose import DRILL, RECOVERY
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import AskedBefore, RunShape, compile_shape
from drs_provider.rules.run.timing import lifetime_of
from hypothesis import HealthCheck, given, settings
from properties.plans.strategies import libraries

ROOT = Path(__file__).parents[4]
GOLDEN = ROOT / "tests" / "golden"

GROUPS = """
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, {id: s-00000000000000002, launch: {instance_type: r5.large}}]
---
kind: ProtectionGroup
name: db-eu
region: eu-central-1
aws_conn_id: europe
servers: [s-00000000000000003]
---
kind: ProtectionGroup
name: web
region: us-west-2
select: {tags: {App: shop}}
"""

FULL = """
kind: RecoveryPlan
name: full
title: Full
rto: 4h
drill: {network: isolated, keep_for: 2h}
recovery: {approval: {required: 2, approvers: [ann, bob, cem]}}
notify: [{kind: webhook, http_conn_id: desk}]
before:
  - {kind: approval, name: may-we, message: Go on?, approvers: [ann]}
  - {kind: wait, name: settle, for: 1m}
waves:
  - name: web
    groups: [web]
    depends_on: [database, talk]
    delay_before: 5m
    pause_before: {message: Go on?, approvers: [ann]}
    before: [{kind: approval, name: ready, message: Go on?, approvers: [bob]}]
    after: [{kind: ssm_command, name: smoke-test, document: AWS-RunShellScript}]
  - name: database
    groups: [db, db-eu]
    depends_on: []
    after:
      - {kind: approval, name: data-is-there, message: Go on?, approvers: [ann]}
      - {kind: wait, name: servers-rest, for: 1m}
  - {name: talk, depends_on: [], after: [{kind: approval, name: all-agree, message: Go on?, approvers: [ann]}]}
after:
  - {kind: wait, name: rest, for: 1m}
"""


def runnable(text: str, name: str) -> RunnablePlan:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "groups.yaml").write_text(GROUPS, encoding="utf-8")
        Path(folder, "plan.yaml").write_text(text, encoding="utf-8")
        library = read_folder(Path(folder))
    assert library.problems == ()
    return library.plans[name]


def example(plan: str) -> RunnablePlan:
    return read_folder(ROOT / "plans").plans[plan]


@pytest.fixture(scope="module")
def full() -> RunShape:
    return compile_shape(runnable(FULL, "full"))


def request_for(mode: str, *waves: str) -> RunRequest:
    return RunRequest(mode, "latest", waves, (), replace_live_instances=False, reason="")


@pytest.mark.parametrize("plan", ["hello", "ledger", "web-shop"])
def test_the_tasks_of_a_shape_are_those_of_the_golden_dag(plan: str) -> None:
    golden = {}
    for line in (GOLDEN / f"{plan}.dag.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("task "):
            above = line.rpartition(" after ")[2]
            golden[line.split()[1]] = frozenset() if above == "nothing" else frozenset(above.split(", "))

    assert dict(compile_shape(example(plan)).upstream) == golden


def test_waves_stand_in_the_order_of_their_dependencies_else_in_the_plans(full: RunShape) -> None:
    assert [wave.name for wave in full.waves] == ["database", "talk", "web"]
    assert [wave.name for wave in compile_shape(example("web-shop")).waves] == [
        "database",
        "application",
        "web",
        "monitoring",
    ]
    assert full.depends_on == {"database": (), "talk": (), "web": ("database", "talk")}
    assert full.levels == (("database", "talk"), ("web",))


def test_a_plan_knows_its_accounts_and_regions_and_the_tasks_around_the_waves(full: RunShape) -> None:
    assert [(str(place.target), place.number, place.network) for place in full.targets] == [
        ("us-west-2 of connection aws_default", 1, 1),
        ("eu-central-1 of connection europe", 2, 2),
    ]
    assert [place.waves for place in full.targets] == [("database", "web"), ("database",)]
    second = full.targets[1]
    assert (second.prepare_network_task, second.clean_up_task, second.restore_settings_task) == (
        "preflight.network_2",
        "finish.clean_up_2",
        "finish.restore_settings_2",
    )
    assert (second.remove_network_task, second.look_over_task) == ("finish.remove_network_2", "finish.look_over_2")
    assert full.networks == {Target("aws_default", "us-west-2"): 1, Target("europe", "eu-central-1"): 2}
    assert full.network_tasks == ("preflight.network", "preflight.network_2")
    assert (full.keep_task, full.start_notifications_task, full.end_notifications_task) == (
        "finish.keep",
        "preflight.notifications",
        "finish.notifications",
    )


def test_a_wave_knows_where_it_launches_and_its_tasks_there(full: RunShape) -> None:
    first, second = full.wave_of["database"].targets
    assert (first.target, first.number, first.groups, first.network) == (
        Target("aws_default", "us-west-2"),
        1,
        ("db",),
        1,
    )
    assert (second.start_task, second.servers_task, second.settings_task) == (
        "database.start_recovery_2",
        "database.servers_2",
        "database.launch_settings_2",
    )
    assert full.wave_of["database"].chain == (
        "database.start_recovery",
        "database.start_recovery_2",
        "database.recovery_job",
        "database.data-is-there",
        "database.servers-rest",
    )


def test_what_stands_before_a_launch_comes_one_after_the_other(full: RunShape) -> None:
    web = full.wave_of["web"]
    assert web.opening == ("web.delay", "web.pause", "web.ready")
    assert (web.first_tasks, web.last_task) == (("web.delay",), "web.smoke-test")
    assert full.upstream["web.delay"] == {"database.servers-rest", "talk.all-agree"}
    assert full.upstream["web.start_recovery"] == {"web.ready", "web.launch_settings"}


def test_a_wave_of_steps_only_launches_nothing(full: RunShape) -> None:
    talk = full.wave_of["talk"]
    assert (talk.has_servers, talk.targets, talk.watch_task, talk.tag_instances_task) == (False, (), None, None)
    assert (talk.first_tasks, talk.last_task, talk.end_tasks) == (
        ("talk.all-agree",),
        "talk.all-agree",
        ("talk.all-agree",),
    )
    assert "talk" not in full.watch_tasks


@pytest.mark.parametrize(
    ("wave", "ends"),
    [
        ("database", {"database.tag_instances", "database.servers-rest"}),
        ("web", {"web.tag_instances", "web.smoke-test"}),
        ("talk", {"talk.all-agree"}),
    ],
)
def test_people_are_told_of_a_wave_when_all_of_it_has_ended(full: RunShape, wave: str, ends: set[str]) -> None:
    assert full.upstream[f"{wave}.notifications"] == ends
    assert set(full.wave_of[wave].end_tasks) == ends


def test_a_wave_without_steps_ends_when_its_instances_are_tagged() -> None:
    assert compile_shape(example("hello")).wave_of["first"].end_tasks == ("first.tag_instances",)


def test_a_launch_relies_on_every_approval_that_stands_before_it(full: RunShape) -> None:
    of_database = AskedBefore("database.data-is-there", launched_by="database.recovery_job")
    of_plan, of_wave = AskedBefore("before_waves.may-we"), AskedBefore("web.ready")

    assert full.wave_of["database"].asked_before == (of_plan,)
    # Whether a wave of steps only took part is not known from outside, so nothing relies on its approvals.
    assert full.wave_of["web"].asked_before == (of_plan, of_database, of_wave)
    assert full.wave_of["web"].before[0].asked_before == (of_plan, of_database)


def test_a_step_relies_on_the_approvals_before_it_in_its_chain(full: RunShape) -> None:
    asked = {step.task_id: [task.task_id for task in step.asked_before] for step in full.steps}
    assert asked == {
        "before_waves.may-we": [],
        "before_waves.settle": ["before_waves.may-we"],
        "database.data-is-there": ["before_waves.may-we"],
        "database.servers-rest": ["before_waves.may-we", "database.data-is-there"],
        "talk.all-agree": ["before_waves.may-we"],
        "web.ready": ["before_waves.may-we", "database.data-is-there"],
        "web.smoke-test": ["before_waves.may-we", "database.data-is-there", "web.ready"],
        "after_waves.rest": ["before_waves.may-we", "web.ready", "database.data-is-there"],
    }


def test_a_step_looks_for_servers_in_its_wave_first(full: RunShape) -> None:
    west, europe = Target("aws_default", "us-west-2"), Target("europe", "eu-central-1")
    assert {step.task_id: step.targets for step in full.steps if step.step.name in ("smoke-test", "rest")} == {
        "web.smoke-test": (west, europe),
        "after_waves.rest": (west, europe),
    }
    assert [step.where for step in full.steps][:3] == ["plan: may-we", "plan: settle", "wave database: data-is-there"]


def test_everybody_who_must_agree_is_asked_before_anything_is_launched(full: RunShape) -> None:
    assert full.approval_tasks == ("preflight.approval", "preflight.approval_2")
    assert (full.passed_task, full.policy and full.policy.required) == ("preflight.approval_2", 2)
    assert full.upstream["preflight.approval_2"] == {"preflight.approval"}
    assert full.upstream["before_waves.may-we"] == {"preflight.approval_2"}
    assert compile_shape(example("hello")).passed_task == "preflight.check"


def test_the_clean_up_waits_for_everything_of_every_wave(full: RunShape) -> None:
    around = {"preflight", "finish"}
    shown = {"servers", "servers_2", "notifications"}
    waited = {
        task for task in full.upstream if task.partition(".")[0] not in around and task.partition(".")[2] not in shown
    }
    assert full.upstream["finish.clean_up_2"] == {*waited, "finish.keep"}


def test_a_plan_of_steps_alone_writes_its_report_after_its_waves() -> None:
    steps = "kind: RecoveryPlan\nname: p\nwaves: [{name: a, after: [{kind: wait, name: rest, for: 1m}]}]\n"
    shape = compile_shape(runnable(steps, "p"))
    assert dict(shape.upstream) == {
        "preflight.check": frozenset(),
        "a.rest": frozenset({"preflight.check"}),
        "finish.report": frozenset({"a.rest"}),
        "finish.verdict": frozenset({"finish.report"}),
    }
    assert (shape.targets, shape.keep_task, shape.start_tasks) == ((), None, ())


SHARED = "kind: RecoveryPlan\nname: p\ndrill: {network: shared}\nwaves: [{name: a, groups: [web]}, "


@pytest.mark.parametrize(
    ("last", "tasks"),
    [("{name: b, groups: [db]}]", {"b.launch_settings"}), ("{name: b, groups: [db-eu]}]", set())],
)
def test_launch_settings_are_applied_where_a_plan_has_some(last: str, tasks: set[str]) -> None:
    shape = compile_shape(runnable(SHARED + last, "p"))
    assert {task for task in shape.upstream if task.endswith("launch_settings")} == tasks
    assert [place.restore_settings_task for place in shape.targets if place.restore_settings_task] == (
        ["finish.restore_settings"] if tasks else []
    )
    assert (shape.networks, shape.has_network) == ({}, False)


def test_a_request_says_what_the_run_is_for_and_which_waves_it_has(full: RunShape) -> None:
    drill, recovery = (full.for_request(request_for(mode, "web")) for mode in ("drill", "recovery"))

    assert (full.purpose, drill.purpose, recovery.purpose) == (None, DRILL, RECOVERY)
    assert [wave.name for wave in full.chosen_waves] == ["database", "talk", "web"]
    assert [wave.name for wave in drill.chosen_waves] == ["web"]
    assert drill.upstream == full.upstream
    assert drill == compile_shape(full.runnable, request_for("drill", "web"))


def test_a_request_of_no_known_mode_has_no_shape(full: RunShape) -> None:
    with pytest.raises(
        PreflightRefused, match="mode 'Drill' is neither 'drill' nor 'recovery' nor 'migration' nor 'check'"
    ):
        full.for_request(request_for("Drill", "web"))


def test_what_a_drill_makes_lives_as_long_as_its_plan_allows(full: RunShape) -> None:
    assert full.lifetime == lifetime_of(full.plan)


@pytest.mark.parametrize(
    ("steps", "needs"),
    [
        ("[{kind: wait, name: rest, for: 1m}]", False),
        ("[{kind: ssm_command, name: c, document: AWS-RunShellScript}]", True),
        ("[{kind: ssm_command, name: c, document: AWS-RunShellScript, when: drill}]", True),
        ("[{kind: ssm_command, name: c, document: AWS-RunShellScript, when: recovery}]", False),
    ],
)
def test_a_drill_network_needs_endpoints_where_something_runs_on_instances(steps: str, *, needs: bool) -> None:
    text = f"kind: RecoveryPlan\nname: p\nwaves: [{{name: a, groups: [web], after: {steps}}}]\n"
    assert compile_shape(runnable(text, "p")).needs_endpoints is needs


def test_the_dag_bears_the_plans_name(full: RunShape) -> None:
    assert (full.dag_id, full.title, full.digest) == ("drs.full", "Full", full.runnable.digest)


def plans_of(library: tuple[dict[str, object], list[dict[str, object]]]) -> Iterator[RunnablePlan]:
    plan, groups = library
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_text(yaml.safe_dump_all([plan, *groups]), encoding="utf-8")
        yield from read_folder(Path(folder)).plans.values()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(libraries())
def test_every_plan_has_waves_in_order_and_tasks_without_a_circle(
    library: tuple[dict[str, object], list[dict[str, object]]],
) -> None:
    for plan in plans_of(library):
        shape = compile_shape(plan)
        order = [wave.name for wave in shape.waves]
        assert sorted(order) == sorted(wave.name for wave in plan.plan.waves)
        assert all(order.index(other) < order.index(wave.name) for wave in shape.waves for other in wave.depends_on)
        assert [name for row in shape.levels for name in row] == sorted(
            order, key=lambda name: (next(i for i, row in enumerate(shape.levels) if name in row), order.index(name))
        )
        assert set(TopologicalSorter(shape.upstream).static_order()) == set(shape.upstream)
        assert {task for task, above in shape.upstream.items() if not above} == {"preflight.check"}
        assert set(shape.start_tasks) <= set(shape.upstream)
        assert compile_shape(plan) == shape
