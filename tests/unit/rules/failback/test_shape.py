"""The DAG of a way back, compiled: which waves, where their servers go, and which task waits for which."""

from dataclasses import replace
from pathlib import Path

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.rules.failback.shape import FailbackShape, compile_failback
from drs_provider.rules.purpose import REPROTECT
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.state import RunOutline, WaveOutline, outline_of_edges, outline_of_shape
from kit.failback_plans import EVERYTHING

HERE, THERE = Target("aws_default", "us-west-2"), Target("aws_other", "us-west-2")


def shape_of(tmp_path: Path, text: str, name: str = "shop") -> FailbackShape | None:
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    library = read_folder(tmp_path)
    assert not library.problems
    return compile_failback(library.plans[name])


@pytest.fixture
def full(tmp_path: Path) -> FailbackShape:
    """A plan with everything that a way back can have by now."""
    shape = shape_of(tmp_path, EVERYTHING)
    assert shape is not None
    return shape


def test_waves_go_back_in_their_order_and_those_with_nothing_to_do_are_left_out(full: FailbackShape) -> None:
    assert [wave.name for wave in full.waves] == ["web", "announce", "database"]
    assert full.depends_on == {"web": (), "announce": ("web",), "database": ("announce",)}
    assert [wave.name for wave in full.plan.waves] == ["database", "announce", "web"]


def test_a_wave_knows_from_where_its_servers_go_back_to_where(full: FailbackShape) -> None:
    database = full.wave_of["database"]

    assert [(way.target, way.origin, way.groups, way.reverse_task) for way in database.ways_back] == [
        (HERE, Target("aws_origin", ""), ("db",), "database.reverse_replication"),
        (THERE, Target("aws_elsewhere", "eu-west-1"), ("mail",), "database.reverse_replication_2"),
    ]
    assert [way.titled("Reverse") for way in database.ways_back] == [
        "Reverse (aws_default, us-west-2)",
        "Reverse (aws_other, us-west-2)",
    ]
    assert [way.titled("Reverse") for way in full.wave_of["web"].ways_back] == ["Reverse"]
    assert full.chosen_targets == (HERE, THERE)


def test_no_wave_waits_for_another_to_be_copied_and_the_report_for_all(full: FailbackShape) -> None:
    reversals = {"database.reverse_replication", "database.reverse_replication_2", "web.reverse_replication"}

    assert {task: full.upstream[task] for task in reversals} == {key: {"preflight.check"} for key in reversals}
    alone = replace(full, drill=None)
    assert alone.upstream["finish.report"] >= reversals | {
        "preflight.notifications",
        "database.notifications",
        "web.notifications",
    }
    assert alone.upstream["database.notifications"] == {
        "database.recovery_job",
        "database.reverse_replication",
        "database.reverse_replication_2",
    }
    assert full.upstream["finish.notifications"] == {"finish.verdict"}


def test_shape_and_edges_outline_the_same_run(full: FailbackShape) -> None:
    drawn = outline_of_edges(full.upstream, [wave.name for wave in full.waves])

    assert full.drill is not None
    order = [wave.name for wave in full.waves]
    assert drawn == outline_of_shape(full)
    assert outline_of_edges(full.upstream, order, mode="failback_drill") == outline_of_shape(full.drill)
    assert [wave.has_servers for wave in drawn.waves] == [True, False, True]


def test_a_reprotection_has_its_reversals_only_and_a_failback_everything_else(full: FailbackShape) -> None:
    order = [wave.name for wave in full.waves]
    reversing, back = (outline_of_shape(full, mode=mode) for mode in ("reprotect", "failback"))

    assert outline_of_edges(full.upstream, order, mode="reprotect") == reversing
    assert outline_of_edges(full.upstream, order, mode="failback") == back
    assert reversing == RunOutline(
        (
            WaveOutline("web", reversals=("web.reverse_replication",)),
            WaveOutline("database", reversals=("database.reverse_replication", "database.reverse_replication_2")),
        )
    )
    assert back == replace(
        outline_of_shape(full), waves=tuple(replace(wave, reversals=()) for wave in outline_of_shape(full).waves)
    )
    assert [wave.has_servers for wave in back.waves] == [True, False, True]


def test_it_is_the_way_back_of_its_plan(full: FailbackShape) -> None:
    assert (full.dag_id, full.title) == ("drs.shop.failback", "Web shop: failback")
    assert full.targets == ()
    assert full.start_tasks == ("web.start_recovery", "database.start_recovery", "database.start_recovery_2")
    assert full.approval_tasks == ("preflight.approval",)
    assert [step.step.name for step in full.steps] == ["breathe", "answers", "say"]


def test_a_wave_is_launched_after_its_last_sync_and_the_end_of_its_originals(full: FailbackShape) -> None:
    launched = ("database.start_recovery", "database.start_recovery_2")

    assert {task: full.upstream[task] for task in launched} == {task: {"database.stop_originals"} for task in launched}
    assert full.upstream["database.stop_originals"] == {"announce.say", "database.final_sync"}
    assert full.upstream["database.recovery_job"] == {*launched}


def test_nothing_is_protected_again_or_removed_before_every_wave_and_step_is_over(full: FailbackShape) -> None:
    ends = {wave.last_task for wave in full.waves}

    assert full.upstream["finish.protect_again"] >= ends | {*full.start_tasks}
    assert full.upstream["finish.agree"] == {"finish.protect_again", "finish.protect_again_2"}
    assert full.upstream["finish.remove_recovered_2"] == {"finish.agree"}
    assert full.upstream["finish.at_rest"] == {"finish.remove_recovered"}


def test_what_only_a_failback_has_is_everything_between_but_the_copies(full: FailbackShape) -> None:
    tasks = set(full.cut_over_tasks)

    assert not tasks & {*full.reverse_tasks, "preflight.check", "finish.report", "finish.verdict"}
    assert not [task for task in tasks if task.endswith("notifications")]
    assert not tasks & {*full.drill_tasks}
    assert tasks | {*full.reverse_tasks, *full.drill_tasks} == {
        task
        for task in full.upstream
        if not task.endswith("notifications") and task not in ("preflight.check", "finish.report", "finish.verdict")
    }


def test_steps_with_when_failback_stop_the_writes_and_others_are_not_there(tmp_path: Path) -> None:
    text = (
        "kind: ProtectionGroup\nname: db\nservers: [s-00000000000000001]\n---\nkind: RecoveryPlan\nname: shop\n"
        "failback: {}\n"
        "before: [{kind: wait, name: x, for: 1s, when: drill}, {kind: wait, name: y, for: 1s, when: failback}]\n"
        "waves:\n  - {name: a, groups: [db], before: [{kind: wait, name: z, for: 1s, when: failback}]}\n"
        "  - {name: b, after: [{kind: wait, name: v, for: 1s, when: recovery}]}\n"
    )
    shape = shape_of(tmp_path, text)
    assert shape is not None

    assert (shape.quiesce_tasks, shape.stops_writes) == (("before_waves.y",), True)
    assert shape.quiesce_tasks_of(shape.waves[0]) == ("before_waves.y", "a.z")
    assert not shape.syncs_ahead
    assert [wave.name for wave in shape.waves] == ["a"]
    assert [step.step.name for step in shape.steps] == ["y", "z"]


def test_a_request_says_which_waves_the_run_has(full: FailbackShape) -> None:
    run = full.for_request(RunRequest("reprotect", "latest", ("web",), (), replace_live_instances=False, reason=""))

    assert (run.purpose, [wave.name for wave in run.chosen_waves]) == (REPROTECT, ["web"])
    assert run.chosen_targets == (HERE,)
    assert isinstance(run, FailbackShape)


@pytest.mark.parametrize(
    ("failback", "groups", "has_one"),
    [("failback: {}\n", "groups: [db]", True), ("", "groups: [db]", False)],
)
def test_a_plan_without_failback_has_no_way_back(tmp_path: Path, failback: str, groups: str, has_one: bool) -> None:
    text = (
        "kind: ProtectionGroup\nname: db\nservers: [s-00000000000000001]\n---\nkind: RecoveryPlan\nname: shop\n"
        f"{failback}waves:\n  - {{name: database, {groups}}}\n"
    )

    assert (shape_of(tmp_path, text) is not None) is has_one


def test_a_plan_of_steps_alone_has_no_way_back(tmp_path: Path) -> None:
    text = (
        "kind: RecoveryPlan\nname: shop\nfailback: {}\nwaves:\n"
        "  - {name: say, after: [{kind: wait, name: a, for: 1m}]}\n"
    )

    assert shape_of(tmp_path, text) is None
