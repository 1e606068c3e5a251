"""What the console asks of AWS for people, over the simulator: launch settings, choices, recovery points."""

import pytest
from drs_provider.hooks.console import ConsoleHook
from drs_provider.plan.model import ProtectionGroup
from drs_provider.services.inventory.launch_look import check_launch, look_at_launch


@pytest.fixture
def hook(simulator):
    return ConsoleHook(aws_conn_id=None, region_name="us-west-2")


def a_group(server_id, **more):
    return ProtectionGroup.model_validate(
        {"kind": "ProtectionGroup", "name": "g", "region": "us-west-2", "servers": [{"id": server_id}], **more}
    )


def test_launch_settings_are_those_of_aws_beside_what_the_file_wants(hook):
    server_id = hook.every_source_server()[0]["sourceServerID"]
    plain = look_at_launch(hook, server_id, None)
    assert plain.differing == 0
    assert {line.field for line in plain.lines} >= {"instance_type", "subnet_id", "copy_tags", "right_sizing"}
    before = next(line for line in plain.lines if line.field == "copy_tags")

    wanted = before.now == "false"
    group = a_group(server_id, launch={"copy_tags": wanted}, drill_launch={"copy_tags": not wanted})
    line = next(line for line in look_at_launch(hook, server_id, group).lines if line.field == "copy_tags")
    assert (line.now, line.recovery, line.drill, line.differs) == (
        before.now,
        str(wanted).lower(),
        str(not wanted).lower(),
        True,
    )

    hook.update_configuration(server_id, {"copyTags": wanted})
    again = next(line for line in look_at_launch(hook, server_id, group).lines if line.field == "copy_tags")
    assert (again.now, again.differs) == (str(wanted).lower(), False)


def test_settings_are_refused_as_preflight_refuses_them(hook):
    server_id = hook.every_source_server()[0]["sourceServerID"]
    choices = hook.launch_choices()
    assert not choices.problems
    good = a_group(server_id, launch={"subnet_id": choices.subnets[0].value})
    assert [found for found in check_launch(hook, good, [server_id]) if found.severity == "refusal"] == []

    bad = a_group(server_id, drill_launch={"subnet_id": "subnet-00000000000000bad"})
    (found,) = [found for found in check_launch(hook, bad, [server_id]) if found.severity == "refusal"]
    assert "subnet-00000000000000bad" in found.what


def test_everything_that_is_offered_is_accepted(hook):
    choices = hook.launch_choices()
    assert choices.subnets
    assert choices.security_groups
    assert "m5.large" in {choice.value for choice in choices.instance_types}
    subnets = {subnet["SubnetId"] for subnet in hook.beside("ec2").describe_subnets()["Subnets"]}
    assert {choice.value for choice in choices.subnets} == subnets


def test_recovery_points_are_the_newest_first_and_no_more_than_asked_for(hook):
    server_id = hook.every_source_server()[0]["sourceServerID"]
    points = hook.recovery_snapshots(server_id, most=3)
    times = [point["timestamp"] for point in points]
    assert 1 <= len(times) <= 3
    assert times == sorted(times, reverse=True)
    assert points[0] == hook.newest_recovery_snapshot(server_id)
