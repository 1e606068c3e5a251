"""The tasks of a plan that launches ahead, and what each of them waits for."""

import pytest
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.shape import compile_shape
from kit.plan_files import read_beside_groups

PLAN = """kind: RecoveryPlan
name: p
launch: ahead
drill: {{network: {network}}}
before: [{{kind: wait, name: freeze, for: 1m}}]
waves:
  - {{name: db, groups: [g1], pause_before: {{message: sure?, approvers: [ann]}}}}
  - {{name: rest, before: [{{kind: wait, name: settle, for: 1m}}]}}
  - {{name: web, groups: [g2]}}
"""


def shape(tmp_path, network="shared", edit=lambda text: text):
    return compile_shape(read_beside_groups(tmp_path, edit(PLAN.format(network=network))).plans["p"])


def test_a_wave_is_launched_ahead_after_the_plans_own_steps_and_the_waves_above_and_started_in_its_turn(tmp_path):
    upstream = shape(tmp_path).upstream

    assert upstream["db.launch_ahead"] == {"before_waves.freeze", "db.launch_settings"}
    assert upstream["web.launch_ahead"] == {"before_waves.freeze", "web.launch_settings", "db.launch_ahead"}
    assert upstream["db.start_recovery"] == {"db.launch_settings", "db.launch_ahead", "db.pause"}
    assert upstream["web.start_recovery"] == {"rest.settle", "web.launch_settings", "web.launch_ahead"}
    assert {"db.launch_ahead", "web.launch_ahead"} <= upstream["finish.clean_up"]


def test_a_drill_with_a_network_of_its_own_launches_nothing_before_it_is_there(tmp_path):
    upstream = shape(tmp_path, network="isolated").upstream

    assert "preflight.network" in upstream["db.launch_ahead"] & upstream["web.launch_ahead"]


@pytest.mark.parametrize(
    ("edit", "ahead"),
    [
        (lambda text: text.replace("launch: ahead", "launch: in_waves"), ()),
        (lambda text: text.replace("launch: ahead\n", ""), ()),
        (lambda text: text.replace("groups: [g2]", "groups: [g2], launch: in_waves"), ("db.launch_ahead",)),
    ],
)
def test_waves_that_are_launched_in_their_turn_have_no_such_task(tmp_path, edit, ahead):
    found = shape(tmp_path, edit=edit)

    assert tuple(task for task in found.upstream if task.endswith("launch_ahead")) == ahead
    assert found.has_launch_ahead == bool(ahead)
    assert bool(found.wave_of["web"].settings_tasks) == bool("web.launch_ahead" in ahead)


@pytest.mark.parametrize(("launch", "is_ahead"), [("ahead", True), ("in_waves", False)])
def test_a_run_may_leave_it(tmp_path, launch, is_ahead):
    request = RunRequest("drill", "latest", ("db",), (), replace_live_instances=False, reason="", launch=launch)

    assert shape(tmp_path).for_request(request).launches_ahead is is_ahead


AGAIN = {
    "retry_failed": lambda text: text.replace("groups: [g2]", "groups: [g2], retry_failed: 1"),
    "a delay before the first wave": lambda text: text.replace("groups: [g1]", "groups: [g1], retry_failed: 2"),
    "nothing is tried twice": lambda text: text,
    "its turn comes at once": lambda text: text.replace(
        ", pause_before: {message: sure?, approvers: [ann]}}", ", retry_failed: 1}"
    ),
    "in waves": lambda text: text.replace("groups: [g2]", "groups: [g2], retry_failed: 1, launch: in_waves"),
}


@pytest.mark.parametrize(
    ("edit", "again"),
    list(zip(AGAIN.values(), [("web",), ("db",), (), (), ()], strict=True)),
    ids=AGAIN,
)
def test_what_failed_ahead_is_launched_again_where_a_wave_waits_and_tries_twice(tmp_path, edit, again):
    found = shape(tmp_path, edit=edit)

    assert tuple(wave.name for wave in found.waves if wave.relaunch_tasks) == again
    for name in again:
        task = f"{name}.relaunch_ahead"
        assert found.upstream[task] == {f"{name}.launch_ahead"}
        assert not any(task in before for below, before in found.upstream.items() if not below.startswith("finish."))
        assert task in found.upstream["finish.clean_up"]
        assert task in found.launching_tasks
