"""Whatever AWS may answer, by its enums, there is a state, and no doubt ever allows that something is removed."""

from itertools import product

import botocore.session
import pytest
from drs_provider.rules.failback.copy_progress import CopyProgress
from drs_provider.rules.failback.replication_errors import REMEDIES, ReplicationError
from drs_provider.rules.failback.state import COPY_STAGES, ENDED_STATES, PROTECTING_STATES, Stage, state_of
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.circles import A1, A2, A4, B1, B3, DRILL, OTHER, circle, failback_server, instance, job, replication, server

MODEL = botocore.session.get_session().get_service_model("drs")


def enum(name):
    return MODEL.shape_for(name).enum


SERVER_STATES = enum("DataReplicationState")
INSTANCE_STATES = enum("RecoveryInstanceDataReplicationState")
EC2_STATES = enum("EC2InstanceState")
FAILBACK_STATES = enum("FailbackState")
ERRORS = sorted({*enum("FailbackReplicationError"), *enum("DataReplicationErrorString")})
ALIVE = ["PENDING", "RUNNING", "STOPPING", "STOPPED", "SHUTTING-DOWN"]


def test_every_error_of_the_model_has_a_meaning_and_a_remedy():
    assert sorted(REMEDIES) == ERRORS
    for code, (meaning, remedy) in REMEDIES.items():
        assert ReplicationError.of(replication("STALLED", error=code)).words == f"{code}: {meaning}: {remedy}"


def test_an_error_that_is_not_known_and_what_aws_says_of_it_are_shown():
    info = {"dataReplicationError": {"error": "NEW_ONE", "rawError": "no\x1b[31m"}}

    assert ReplicationError.of(info).words == "NEW_ONE (no\\x1b[31m): look at the server in DRS's console"
    assert ReplicationError.of({}) is None


def test_every_state_of_a_copy_is_placed_or_stuck():
    stuck = {"STOPPED", "PAUSED", "STALLED", "DISCONNECTED"}

    assert set(COPY_STAGES) == {*SERVER_STATES, *INSTANCE_STATES} - stuck
    assert PROTECTING_STATES | ENDED_STATES | {"PAUSED", "STALLED"} == set(SERVER_STATES)


def remark(found):
    """What holds of every state."""
    assert (found.stage is Stage.STUCK) == bool(found.why)
    assert found.stage is Stage.STUCK or (found.stuck_at is None and not found.passes)
    assert found.stuck_at not in {Stage.STUCK, Stage.UNKNOWN}
    return found


@pytest.mark.parametrize("failed_back", [None, *INSTANCE_STATES])
def test_every_answer_about_the_servers_of_both_regions_has_a_state(failed_back):
    for ours, back, theirs in product(SERVER_STATES, [None, *SERVER_STATES], ["NOT_STARTED", "CONTINUOUS"]):
        found = remark(
            state_of(
                circle(
                    west=[server(instance=A4, state=ours)],
                    west_instances=[instance(state=theirs)],
                    east=[failback_server(back)] if back else [],
                    east_instances=[instance(A4, A2, failed_back)] if failed_back else [],
                    ec2={A4: "running"},
                )
            )
        )
        if found.stage is Stage.REPROTECTED:
            assert (ours, failed_back) == ("CONTINUOUS", "CONTINUOUS")
        if back and failed_back == "NOT_STARTED":
            assert found.stage is Stage.FAILED_BACK
        assert found.stage not in {Stage.UNKNOWN, Stage.RESTING, Stage.PROTECTED}


def test_every_answer_about_a_server_from_a_data_centre_has_a_state():
    for state, copied, ours, converts, home in product(
        FAILBACK_STATES, INSTANCE_STATES, SERVER_STATES, [False, True], [None, False, True]
    ):
        found = remark(
            state_of(
                circle(
                    west=[server(instance=None, origin=None, state=ours)],
                    west_instances=[instance(state=copied, failback=state, to_original=home, origin="ON_PREMISES")],
                    west_jobs=[job(B1, initiated_by="FAILBACK")] if converts else [],
                )
            )
        )
        assert (found.stage in {Stage.REPROTECTED, Stage.REPROTECTING, Stage.FAILED_BACK}) == (
            state == "FAILBACK_COMPLETED"
        )
        if found.stage in {Stage.REPROTECTED, Stage.REPROTECTING}:
            assert home is True
        if found.stage is Stage.READY:
            assert (state, copied, converts) == ("FAILBACK_READY_FOR_LAUNCH", "CONTINUOUS", False)


def test_failback_state_decides_nothing_about_a_server_from_ec2():
    for copied, back, launched in product(INSTANCE_STATES, [None, *SERVER_STATES], [False, True]):
        given_ = {
            "east": [failback_server(back)] if back else [],
            "east_instances": [instance(A4, A2)] if launched else [],
        }
        found = {
            state_of(circle(west_instances=[instance(state=copied, failback=state)], **given_))
            for state in (None, *FAILBACK_STATES)
        }
        assert len(found) == 1


@st.composite
def worlds(draw):
    """Some servers and instances of a circle, each in any state, also in ones that AWS does not have yet."""
    state = st.sampled_from([*SERVER_STATES, "NEW", ""])
    of_instance = st.sampled_from([*INSTANCE_STATES, "NEW", ""])
    names = st.sampled_from([A1, B3, A4, DRILL])
    details = st.fixed_dictionaries(
        {"rescanned": st.booleans(), "error": st.sampled_from([None, *ERRORS]), "copied": st.integers(0, 100)}
    )

    def an_instance(of):
        return instance(
            draw(names),
            of,
            draw(of_instance),
            ec2=draw(st.sampled_from(EC2_STATES)),
            is_drill=draw(st.sampled_from([True, False, None])),
            origin=draw(st.sampled_from(["AWS", "AWS", "ON_PREMISES"])),
            failback=draw(st.sampled_from([None, *FAILBACK_STATES])),
            **draw(details),
        )

    west = [server(B1, draw(names), draw(state), **draw(details))]
    west += [server(OTHER, draw(names), draw(state), **draw(details)) for _ in range(draw(st.integers(0, 1)))]
    east = [failback_server(draw(state), draw(names), **draw(details)) for _ in range(draw(st.integers(0, 2)))]
    return {
        "west": west,
        "west_instances": [an_instance(B1) for _ in range(draw(st.integers(0, 2)))],
        "west_jobs": [job(B1)] if draw(st.booleans()) else [],
        "east": east,
        "east_instances": [an_instance(A2) for _ in range(draw(st.integers(0, 2)))],
        "east_jobs": [job(A2, initiated_by=draw(st.sampled_from(["START_DRILL", "START_RECOVERY"])))]
        if draw(st.booleans())
        else [],
        "ec2": draw(
            st.none()
            | st.dictionaries(names, st.sampled_from(["running", "stopped", "terminated", "shutting-down", "pending"]))
        ),
    }


@settings(max_examples=600, deadline=None)
@given(worlds())
def test_nothing_may_be_removed_as_long_as_anything_is_in_doubt(world):
    whole = circle(**world)
    found = remark(state_of(whole))
    from_ec2 = not (whole.recovered and whole.recovered[0]["originEnvironment"] == "ON_PREMISES")

    if found.stage is Stage.REPROTECTED and from_ec2:
        protector = next(entry for entry in world["west"] if entry["sourceServerID"] == found.protected_by)
        running = protector["sourceProperties"]["identificationHints"]["awsInstanceID"]
        assert protector["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
        assert CopyProgress.of(protector["dataReplicationInfo"]).is_rescanned
        assert found.failed_back in {"", running}
        if world["ec2"] is not None:
            assert world["ec2"].get(running) == "running"
    if found.stage is Stage.RESTING:
        assert (world["west_instances"], found.leftovers, len(whole.twins)) == ([], (), 0)
    if found.stage is Stage.READY and from_ec2:
        assert not found.failed_back
    if found.failed_back:
        assert found.stage in {
            Stage.LAUNCHING,
            Stage.FAILED_BACK,
            Stage.REPROTECTING,
            Stage.REPROTECTED,
            Stage.STUCK,
        } or (not from_ec2)


@pytest.mark.parametrize("ec2", ALIVE)
def test_an_instance_that_is_only_about_to_go_is_there(ec2):
    assert state_of(circle(west_instances=[instance(ec2=ec2)])).stage is Stage.RECOVERED


def test_a_progress_that_cannot_be_read_is_not_told():
    info = {"dataReplicationState": "RESCAN", "lagDuration": "soon", "etaDateTime": "later", "replicatedDisks": []}
    found = CopyProgress.of(info)

    assert (found.lag, found.done_at, found.share, found.is_rescanned) == (None, None, None, False)
    assert CopyProgress.of(None) == CopyProgress("")
    whole = CopyProgress.of(replication("RESCAN", rescanned=False))
    assert (whole.done_bytes, whole.share, whole.is_rescanned) == (30, 0.3, False)
