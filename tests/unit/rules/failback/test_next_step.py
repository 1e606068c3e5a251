"""What is next for a server in every state, and that no state leads to a loss."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from drs_provider.rules.failback.circle import circles_of
from drs_provider.rules.failback.confirmation import LEAST_APART, confirm
from drs_provider.rules.failback.launchable import convertible, launchable
from drs_provider.rules.failback.next_step import INSTALL_AGENT, FailbackCall, next_reprotection, next_reversal
from drs_provider.rules.failback.progress import progress_line, server_progress
from drs_provider.rules.failback.removal import RemovalStep, next_removal, production_instance
from drs_provider.rules.failback.state import Stage, state_of
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.circles import A1, A2, A4, B1, B3, JOB, OTHER, WEST, circle, facts, failback_server, instance, job, server

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
OTHERS = "i-0000000000000dead"
HOME = {"west": [server(instance=A4)], "ec2": {A4: "running"}}
REVERSED = instance(A4, A2, "CONTINUOUS")
REPROTECTED = {
    **HOME,
    "west_instances": [instance(state="CONTINUOUS")],
    "east": [failback_server()],
    "east_instances": [REVERSED],
}


def both(**given_):
    found = circle(**given_)
    return state_of(found), found


REVERSALS = [
    ({}, ("refused", "it was not recovered, so there is no way back to go")),
    ({"west_instances": [instance()]}, ("call", f"ReverseReplication of {B3}")),
    ({"west_instances": [instance(ec2="PENDING")]}, ("wait", f"{B3} is starting")),
    (
        {"west_instances": [instance(ec2="STOPPED")]},
        ("refused", f"{B3} is STOPPED, and DRS reverses running ones: start it"),
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("INITIATING")]},
        ("wait", "its replication to the origin is being set up"),
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("RESCAN")]},
        ("wait", "its disks are copied to the origin"),
    ),
    ({"west_instances": [instance()], "east": [failback_server()]}, ("done", "the copy in the origin is up to date")),
    (REPROTECTED, ("done", "it is failed back and protected already")),
]


@pytest.mark.parametrize(("cloud", "expected"), REVERSALS)
def test_what_brings_a_server_to_its_origin(cloud, expected):
    assert next_reversal(*both(**cloud))[:2] == expected


def in_one_region(**given_):
    west = facts(WEST, [server(origin=WEST, **given_)], [instance()])
    found = circles_of([B1], west, {})[B1]
    return state_of(found), found


def test_what_was_recovered_in_its_own_region_is_refused_by_name_and_what_people_protected_there_is_followed():
    refused, people = next_reversal(*in_one_region()), next_reversal(*in_one_region(instance=B3, state="RESCAN"))

    assert (refused.kind, refused.call, people.kind) == ("refused", None, "wait")
    assert refused.why == (
        "it was recovered in the Region that it came from, and that ReverseReplication protects it there is not "
        "established: choose Protect recovered instance in DRS's console"
    )


def failed_back_to_hardware(to_original):
    home = instance(state="STOPPED", failback="FAILBACK_COMPLETED", to_original=to_original, origin="ON_PREMISES")
    return both(west=[server(instance=None, origin=None)], west_instances=[home])


def test_failed_back_to_other_hardware_removes_nothing_while_the_old_machines_agent_runs_again():
    original, other = failed_back_to_hardware(True), failed_back_to_hardware(False)

    assert (next_removal(*original).call, next_reprotection(*original).kind) == (FailbackCall.TERMINATE, "done")
    assert next_removal(*other)[:2] == (
        "refused",
        "it is failed_back and not protected again: nothing is removed before that",
    )
    assert next_reprotection(*other)[:2] == ("refused", INSTALL_AGENT)


def test_a_stall_is_waited_for_and_an_end_is_not():
    stalled = both(west_instances=[instance()], east=[failback_server("STALLED", error="AGENT_NOT_SEEN")])
    ended = both(west_instances=[instance()], east=[failback_server("DISCONNECTED")])

    assert next_reversal(*stalled).kind == "wait"
    assert next_reversal(*ended).kind == "refused"
    assert "check that it runs" in next_reversal(*stalled).why


REPROTECTIONS = [
    ({"west_instances": [instance()]}, ("refused", "it was not launched in its origin: fail it back first")),
    (
        {"west_instances": [instance()], "east": [failback_server()], "east_instances": [instance(A4, A2)]},
        ("call", f"ReverseReplication of {A4}"),
    ),
    (
        {"west_instances": [instance()], "east": [failback_server()], "east_jobs": [job()]},
        ("wait", "a job launches it in the origin"),
    ),
    (REPROTECTED, ("done", "it is protected again")),
    ({}, ("done", "it is protected, and nothing of the way back is left")),
    ({"west": [server(state="STALLED")]}, ("wait", "its replication is STALLED")),
]


@pytest.mark.parametrize(("cloud", "expected"), REPROTECTIONS)
def test_what_protects_a_failed_back_server_again(cloud, expected):
    assert next_reprotection(*both(**cloud))[:2] == expected


def test_the_removal_goes_in_one_order():
    home = {"reversedDirectionSourceServerArn": server()["arn"]}
    stopped = {"east": [failback_server("STOPPED", **home)]}
    gone = {"west_instances": []}
    no_record = {"east_instances": []}
    steps = [
        next_removal(*both(**{**REPROTECTED, **change}))
        for change in (
            {},
            stopped,
            stopped | gone,
            stopped | gone | no_record,
            gone | no_record | {"east": [failback_server("DISCONNECTED", **home)]},
            gone | no_record | {"east": []},
        )
    ]

    assert [(step.call, step.target, step.in_origin) for step in steps] == [
        (FailbackCall.STOP_REPLICATION, A2, True),
        (FailbackCall.TERMINATE, B3, False),
        (FailbackCall.DELETE_RECORD, A4, True),
        (FailbackCall.DISCONNECT, A2, True),
        (FailbackCall.DELETE_SERVER, A2, True),
        (None, "", False),
    ]
    assert steps[-1].why == "nothing of the way back is left"


def test_a_job_that_terminates_is_waited_for_and_steps_are_kept_to():
    cloud = {**REPROTECTED, "east": [failback_server("STOPPED")]}
    running = both(**cloud, west_jobs=[job(B1, kind="TERMINATE")])

    assert next_removal(*running)[:2] == ("wait", f"job {JOB} terminates its recovered instance")
    assert next_removal(*both(**cloud), [RemovalStep.STOP_REPLICATION])[:2] == (
        "done",
        f"left for later: terminate_recovered of {B3}",
    )
    assert next_removal(*both(**cloud), [RemovalStep.DELETE_SERVERS])[:2] == (
        "refused",
        f"terminate_recovered of {B3} comes first",
    )


def test_a_failback_server_of_another_machine_is_never_stopped():
    stale = failback_server(instance="i-0000000000000dead", reversedDirectionSourceServerArn=server()["arn"])
    found = next_removal(*both(**{**REPROTECTED, "east": [stale]}))

    assert (found.kind, found.call) == ("refused", None)
    assert found.why.startswith(f"FAILBACK server {A2} replicates i-0000000000000dead, which was not recovered from")


@pytest.mark.parametrize(
    ("cloud", "expected"),
    [
        ({"west_ec2": {OTHERS: "running"}}, "refused"),
        ({"west_ec2": {OTHERS: "stopped"}}, "refused"),
        ({"west_instances": [instance(OTHERS, OTHER)]}, "refused"),
        ({"west_ec2": {OTHERS: "terminated"}}, "call"),
        ({"west_ec2": {}}, "call"),
    ],
    ids=["runs", "is stopped", "is known to DRS", "is terminated", "is unknown to EC2"],
)
@pytest.mark.parametrize("state", ["STOPPED", "DISCONNECTED"])
def test_a_failback_server_of_another_machine_is_never_disconnected_or_deleted(state, cloud, expected):
    stale = failback_server(state, OTHERS, reversedDirectionSourceServerArn=server()["arn"])
    found = next_removal(*both(**{**HOME, "west_ec2": {}, "east": [stale], "west_instances": [], **cloud}))

    assert found.kind == expected, found
    if expected == "refused":
        assert found.why == (
            f"FAILBACK server {A2} replicates {OTHERS}, which was not recovered from it: look whose it is in DRS's "
            "console of the origin"
        )


def test_what_was_recovered_and_goes_on_in_ec2_keeps_no_failback_server():
    stopped = failback_server("STOPPED", reversedDirectionSourceServerArn=server()["arn"])
    parted = both(**HOME, west_ec2={B3: "running"}, east=[stopped])
    steps = [step for step in RemovalStep if step is not RemovalStep.TERMINATE_RECOVERED]

    assert next_removal(*parted, steps).call is FailbackCall.DISCONNECT
    assert next_removal(*parted).kind == "refused"


@st.composite
def clouds(draw):
    """Circles in any state, mostly beside a server that is protected again."""
    states = st.sampled_from(["INITIATING", "INITIAL_SYNC", "CONTINUOUS", "STALLED", "STOPPED", "DISCONNECTED"])
    own = st.sampled_from([A1, A4, B3])
    return {
        "west": [server(instance=draw(own), state=draw(states), rescanned=draw(st.booleans()))],
        "west_instances": [
            instance(
                draw(own),
                state=draw(states),
                is_drill=draw(st.booleans()),
                ec2=draw(st.sampled_from(["RUNNING", "TERMINATED"])),
            )
            for _ in range(draw(st.integers(0, 2)))
        ],
        "east": [failback_server(draw(states), draw(own)) for _ in range(draw(st.integers(0, 1)))],
        "east_instances": [
            instance(draw(own), A2, draw(st.sampled_from(["NOT_STARTED", "CONTINUOUS"])), is_drill=draw(st.booleans()))
            for _ in range(draw(st.integers(0, 2)))
        ],
        "ec2": {A4: draw(st.sampled_from(["running", "stopped"]))},
    }


@settings(max_examples=800, deadline=None)
@given(cloud=clouds())
def test_nothing_is_destroyed_unless_production_is_protected_at_home(cloud):
    state, found = both(**cloud)
    step = next_removal(state, found)

    if step.call is None:
        return
    if step.call is not FailbackCall.DELETE_RECORD:
        assert state.stage is Stage.REPROTECTED
    assert step.target != production_instance(state, found) or step.call is FailbackCall.DELETE_RECORD
    if step.call is FailbackCall.TERMINATE:
        assert [record["ec2InstanceID"] for record in found.recovered] == [step.target]
        assert all(
            back["dataReplicationInfo"]["dataReplicationState"] in {"STOPPED", "DISCONNECTED"}
            for back in found.failback_servers
        )
        assert cloud["ec2"][A4] == "running"


@settings(max_examples=400, deadline=None)
@given(cloud=clouds())
def test_every_state_has_a_next_step_with_words_for_every_goal(cloud):
    state, found = both(**cloud)

    for step in (next_reversal(state, found), next_reprotection(state, found), next_removal(state, found)):
        assert step.why
        assert (step.kind == "call") == (step.call is not None) == bool(step.target)
    assert progress_line(server_progress(state, found, hostname="db1"), now=AT).startswith(f"db1 ({B1}): ")
    for answer in (launchable(state, found, "failback"), launchable(state, found, "drill"), convertible(state, found)):
        assert bool(answer.why_not) + answer.is_launched + answer.is_back <= 1


def test_a_second_look_confirms_the_same_and_nothing_else():
    pair = {B1: both(**REPROTECTED)}
    first = confirm(pair, {}, at=AT)
    assert first.unconfirmed == {B1: "a second look confirms that it is protected, 20 s later"}
    assert confirm(pair, first.looks, at=AT + LEAST_APART - timedelta(seconds=1)).unconfirmed
    assert not confirm(pair, first.looks, at=AT + LEAST_APART).unconfirmed
    for change in ({"protected_by": "s-2"}, {"instance_id": A1}, {"stage": "protected"}):
        other = {B1: first.looks[B1].model_copy(update=change)}
        assert confirm(pair, other, at=AT + timedelta(hours=1)).unconfirmed
    away = confirm({B1: both(west_instances=[instance()])}, first.looks, at=AT + timedelta(hours=1))
    assert (away.looks, away.unconfirmed) == ({}, {B1: "it is recovered"})


def test_a_launch_in_the_origin_is_for_what_is_ready():
    ready = {"west_instances": [instance()], "east": [failback_server()]}
    drill = {**ready, "east_instances": [instance(A4, A2, is_drill=True)]}
    assert launchable(*both(**ready), "failback") == launchable(*both(**ready), "drill") == ("", False, False)
    assert "of a failback drill runs in the origin" in launchable(*both(**drill), "failback").why_not
    assert launchable(*both(**drill), "drill").why_not == ""
    for kind, cloud in product(("failback", "drill"), ({}, {"west_instances": [instance()]})):
        assert launchable(*both(**cloud), kind).why_not
    assert launchable(*both(**REPROTECTED), "failback").is_back
    assert launchable(*both(**REPROTECTED), "drill").why_not


def test_a_line_says_how_far_a_copy_is():
    copying = failback_server("INITIAL_SYNC", copied=40)
    copying["dataReplicationInfo"]["etaDateTime"] = (AT + timedelta(hours=2)).isoformat()
    found = server_progress(*both(west_instances=[instance()], east=[copying]), hostname="db1")

    assert progress_line(found, now=AT) == (
        f"db1 ({B1}): is copied to the origin; 40 % of 100 bytes, about 2h left, as DRS estimates"
    )
