import re
from pathlib import Path

import pytest
from drs_provider.plan.checks import NO_PLAN_NAMES, NO_STEP_NAMES, NO_WAVE_NAMES
from drs_provider.plan.fields import NAME_PATTERN
from drs_provider.rules.run import names

GOLDEN = Path(__file__).parents[3] / "golden"


def golden_tasks(plan: str) -> list[str]:
    lines = (GOLDEN / f"{plan}.dag.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("task ")]


def test_a_plans_dag_bears_its_name_and_leads_back_to_it() -> None:
    assert names.dag_id_of("web-shop") == "drs.web-shop"
    assert names.plan_of("drs.web-shop") == "web-shop"


@pytest.mark.parametrize("dag_id", ["drs.sweeper", "example_drs_start_recovery", "etl"])
def test_a_dag_that_is_no_plans_has_no_plan(dag_id: str) -> None:
    assert names.plan_of(dag_id) is None
    assert not names.is_plan_dag(dag_id)


@pytest.mark.parametrize(
    ("task_id", "group", "name", "number"),
    [
        ("preflight.check", "preflight", "check", 1),
        ("preflight.approval_3", "preflight", "approval", 3),
        ("finish.clean_up", "finish", "clean_up", 1),
        ("finish.clean_up_12", "finish", "clean_up", 12),
        ("web.start_recovery_2", "web", "start_recovery", 2),
        ("web.recovery_job", "web", "recovery_job", 1),
        ("web.warm-caches-2", "web", "warm-caches-2", 1),
        ("sweep", "", "sweep", 1),
    ],
)
def test_a_task_id_is_taken_apart_and_put_together_again(task_id: str, group: str, name: str, number: int) -> None:
    assert names.read_task(task_id) == (group, name, number)
    assert (names.task_in(group, name, number) if group else name) == task_id


@pytest.mark.parametrize(
    ("task_id", "wave", "kind"),
    [
        ("web.start_recovery", "web", None),
        ("web.recovery_job", "web", None),
        ("web.delay", "web", None),
        ("web.pause", "web", None),
        ("web.servers", "web", "square"),
        ("web.servers_2", "web", "square"),
        ("web.servers_0", "web", "square"),
        ("web.servers_2_0", "web", "square"),
        ("web.servers_12_345", "web", "square"),
        ("web.launch_settings_2", "web", "beside"),
        ("web.tag_instances", "web", "beside"),
        ("web.notifications", "web", "teller"),
        ("web.warm-caches", "web", "step"),
        ("before_waves.tell-the-desk", None, "step"),
        ("after_waves.smoke-test", None, "step"),
        ("preflight.check", None, None),
        ("preflight.notifications", None, "teller"),
        ("finish.report", None, None),
        ("finish.notifications", None, "teller"),
    ],
)
def test_every_task_is_told_by_its_id(task_id: str, wave: str | None, kind: str | None) -> None:
    assert names.wave_of(task_id) == wave
    assert names.is_server_square(task_id) == (kind == "square")
    assert names.is_teller(task_id) == (kind == "teller")
    assert names.is_step(task_id) == (kind == "step")
    assert names.is_beside_wave(task_id) == (kind in ("square", "beside") or task_id == "web.notifications")


def test_the_square_of_one_server_bears_the_number_of_its_account_and_region() -> None:
    assert names.read_task("web.servers_2_0") == ("web", names.SERVERS, 2)
    assert names.steps_in(["web.servers_2_0", "web.servers_0", "web.warm-caches"], "web") == ["web.warm-caches"]


def test_the_name_of_a_task_in_its_group_is_its_id_without_the_group() -> None:
    assert [names.name_in_group(task) for task in ("web.start_recovery_2", "sweep")] == ["start_recovery_2", "sweep"]


def test_a_task_of_a_wave_that_the_plan_does_not_have_is_of_no_wave() -> None:
    assert names.wave_of("gone.start_recovery", ["web"]) is None
    assert names.wave_of("web.start_recovery", ["web"]) == "web"


def test_a_wave_whose_name_begins_with_anothers_keeps_its_tasks() -> None:
    tasks = ["web.start_recovery", "web-eu.start_recovery", "web.start_recovery_2", "web.warm-caches"]
    assert names.tasks_that(tasks, "web", names.START) == ["web.start_recovery", "web.start_recovery_2"]
    assert names.tasks_in(tasks, "web-eu") == ["web-eu.start_recovery"]
    assert names.steps_in(tasks, "web") == ["web.warm-caches"]
    assert names.waves_in(tasks) == ["web", "web-eu"]


def test_tasks_of_accounts_and_regions_come_in_the_order_of_their_numbers() -> None:
    tasks = [names.wave_task("web", names.START, number) for number in (10, 9, 1, 2)]
    assert names.tasks_that(tasks, "web", names.START) == [
        "web.start_recovery",
        "web.start_recovery_2",
        "web.start_recovery_9",
        "web.start_recovery_10",
    ]


def test_approvals_are_numbered_from_the_second_on() -> None:
    assert names.approval_tasks(0) == ()
    assert names.approval_tasks(3) == ("preflight.approval", "preflight.approval_2", "preflight.approval_3")


def test_the_plans_own_steps_have_a_group_for_each_side() -> None:
    assert [names.plan_step_group(side) for side in ("before", "after")] == ["before_waves", "after_waves"]


@pytest.mark.parametrize("plan", ["hello", "ledger", "web-shop"])
def test_every_task_of_a_plans_dag_has_a_name_from_here(plan: str) -> None:
    known = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    tasks = golden_tasks(plan)
    assert tasks
    assert [task_id for task_id in tasks if names.read_task(task_id).name not in known] == []


def test_whole_ids_are_made_of_the_names_of_their_group_and_task() -> None:
    whole = {value for name, value in vars(names).items() if name.endswith("_TASK") and "." in value}
    own = {
        *(f"preflight.{name}" for name in (names.CHECK, names.APPROVAL, names.STOP_APPROVAL, names.NETWORK)),
        *(f"finish.{name}" for name in (names.KEEP, names.CLEAN_UP, names.RESTORE_SETTINGS, names.REMOVE_NETWORK)),
        *(f"finish.{name}" for name in (names.LOOK_OVER, names.COMMIT, names.ROLL_BACK)),
        *(f"finish.{name}" for name in (names.REPORT, names.VERDICT)),
        *(f"finish.{name}" for name in (names.PROTECT_AGAIN, names.AGREE, names.REMOVE_RECOVERED, names.AT_REST)),
        f"finish.{names.STOP_FAILBACK}",
    }
    assert whole == own


def test_no_plan_wave_or_step_can_bear_a_name_of_the_packages_own() -> None:
    def is_writable(name: str) -> bool:
        return re.fullmatch(NAME_PATTERN, name) is not None

    assert {name for name in names.AROUND_WAVES if is_writable(name)} <= set(NO_WAVE_NAMES)
    assert {name for name in names.WAVE_TASKS if is_writable(name)} <= set(NO_STEP_NAMES)
    assert names.SWEEPER_DAG.removeprefix(names.DAG_PREFIX) in NO_PLAN_NAMES


@pytest.mark.parametrize(
    ("dag_id", "plan", "checked"),
    [
        ("drs.shop", "shop", None),
        ("drs.check", "check", None),
        ("drs.shop.check", None, "shop"),
        ("drs.sweeper", None, None),
        ("shop.check", None, None),
    ],
)
def test_the_dag_that_starts_checks_is_told_from_its_plan(dag_id, plan, checked):
    assert (names.plan_of(dag_id), names.plan_checked_by(dag_id)) == (plan, checked)
    assert checked is None or names.check_dag_of(checked) == dag_id


@pytest.mark.parametrize(
    ("dag_id", "plan"),
    [
        ("drs.web-shop.failback", "web-shop"),
        ("drs.web-shop", None),
        ("drs.web-shop.check", None),
        ("drs.sweeper", None),
        ("other.failback", None),
        ("drs.failback", None),
    ],
)
def test_the_dag_of_a_way_back_is_told_from_its_plans(dag_id, plan):
    assert names.plan_failed_back_by(dag_id) == plan
    if plan:
        assert names.failback_dag_of(plan) == dag_id
        assert (names.plan_of(dag_id), names.is_plan_dag(dag_id)) == (None, False)
        assert (names.plan_behind(dag_id), names.has_plan_runs(dag_id)) == (plan, True)


def test_a_plan_called_failback_is_a_plan():
    assert names.plan_of("drs.failback") == "failback"
    assert names.plan_failed_back_by(names.failback_dag_of("failback")) == "failback"
