"""What the hook of the way back asks and reads, against botocore's Stubber, which checks both by botocore's model."""

import pytest
from botocore.stub import Stubber
from drs_provider.exceptions import AwsError, Conflict, NotFound
from drs_provider.hooks.failback import FailbackHook
from drs_provider.rules.failback.answers import ClientReplication, ReplicationChange, ReversedServer

INSTANCE, SERVER = "i-00000000000000001", "s-00000000000000001"
JOB = "drsjob-00000000000000001"
ARN = f"arn:aws:drs:us-east-1:111122223333:source-server/{SERVER}"


@pytest.fixture
def hook():
    return FailbackHook(aws_conn_id=None, region_name="us-west-2")


@pytest.fixture
def reads(hook):
    with Stubber(hook.conn) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def writes(hook):
    with Stubber(hook._sent_once) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def ec2(hook):
    with Stubber(hook._beside("ec2")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_reversal_names_the_server_that_replicates_the_instance_now(hook, writes):
    writes.add_response(
        "reverse_replication", {"reversedDirectionSourceServerArn": ARN}, {"recoveryInstanceID": INSTANCE}
    )

    assert hook.reverse_replication(INSTANCE) == ReversedServer(SERVER, "111122223333", "us-east-1")


@pytest.mark.parametrize(
    "answer", [{}, {"reversedDirectionSourceServerArn": "arn:aws:drs:us-east-1:111122223333:job/j"}]
)
def test_a_reversal_that_names_no_server_says_so(hook, writes, answer):
    writes.add_response("reverse_replication", answer, {"recoveryInstanceID": INSTANCE})

    with pytest.raises(AwsError) as caught:
        hook.reverse_replication(INSTANCE)
    arn = answer.get("reversedDirectionSourceServerArn", "")
    assert str(caught.value) == f"ReverseReplication: UnreadableAnswer: it names no source server: {arn!r}"


@pytest.mark.parametrize(
    ("method", "operation", "given"),
    [
        ("reverse_replication", "reverse_replication", INSTANCE),
        ("start_replication", "start_replication", SERVER),
    ],
)
def test_what_is_refused_the_second_time_is_sent_once(hook, writes, method, operation, given):
    writes.add_client_error(operation, "InternalServerException", "once", 500)
    writes.add_client_error(operation, "ConflictException", "already", 409)

    with pytest.raises(AwsError):
        getattr(hook, method)(given)
    with pytest.raises(Conflict):
        getattr(hook, method)(given)


@pytest.mark.parametrize(("operation", "state"), [("start_replication", "INITIATING"), ("stop_replication", "STOPPED")])
def test_a_change_of_replication_tells_the_new_state(hook, operation, state):
    client = hook._sent_once if operation == "start_replication" else hook.conn
    with Stubber(client) as stubber:
        answer = {"sourceServer": {"dataReplicationInfo": {"dataReplicationState": state}}}
        stubber.add_response(operation, answer, {"sourceServerID": SERVER})
        stubber.add_response(operation, {}, {"sourceServerID": SERVER})

        assert getattr(hook, operation)(SERVER) == ReplicationChange(SERVER, state)
        assert getattr(hook, operation)(SERVER) == ReplicationChange(SERVER, "")


def test_a_failback_launch_is_a_job_with_our_tags(hook, writes):
    expected = {"recoveryInstanceIDs": [INSTANCE], "tags": {"run": "1"}}
    writes.add_response("start_failback_launch", {"job": {"jobID": JOB}}, expected)

    assert hook.start_failback_launch([INSTANCE], tags={"run": "1"}) == {"jobID": JOB}


def test_the_settings_of_a_client_are_read_and_only_what_is_given_is_changed(hook, reads):
    named = {"recoveryInstanceID": INSTANCE}
    full = {**named, "name": "db", "bandwidthThrottling": 50, "usePrivateIP": True, "internetProtocol": "IPV6"}
    reads.add_response("get_failback_replication_configuration", full, named)
    reads.add_response("get_failback_replication_configuration", named, named)
    reads.add_response("update_failback_replication_configuration", {}, {**named, "usePrivateIP": False})
    reads.add_response("update_failback_replication_configuration", {}, full)

    assert hook.client_replication(INSTANCE) == ClientReplication("db", 50, True, "IPV6")
    assert hook.client_replication(INSTANCE) == ClientReplication("", 0, False)
    hook.update_client_replication(INSTANCE, uses_private_ip=False)
    hook.update_client_replication(
        INSTANCE, name="db", bandwidth_mbps=50, uses_private_ip=True, internet_protocol="IPV6"
    )


@pytest.mark.parametrize(
    ("method", "operation", "given"),
    [
        ("stop_failback", "stop_failback", {"recoveryInstanceID": INSTANCE}),
        ("disconnect_instance", "disconnect_recovery_instance", {"recoveryInstanceID": INSTANCE}),
        ("disconnect_server", "disconnect_source_server", {"sourceServerID": SERVER}),
    ],
)
def test_what_answers_nothing_returns_nothing_and_says_who_is_unknown(hook, reads, method, operation, given):
    (name,) = given.values()
    reads.add_response(operation, {}, given)
    reads.add_client_error(operation, "ResourceNotFoundException", f"{name} does not exist", 404)

    assert getattr(hook, method)(name) is None
    with pytest.raises(NotFound):
        getattr(hook, method)(name)


@pytest.mark.parametrize(
    ("method", "operation", "given"),
    [
        ("delete_instance_record", "delete_recovery_instance", {"recoveryInstanceID": INSTANCE}),
        ("delete_server", "delete_source_server", {"sourceServerID": SERVER}),
    ],
)
def test_what_is_gone_already_is_no_failure_but_a_refusal_is(hook, reads, method, operation, given):
    (name,) = given.values()
    reads.add_response(operation, {}, given)
    reads.add_client_error(operation, "ResourceNotFoundException", "unknown", 404)
    reads.add_client_error(operation, "ConflictException", "must be disconnected first", 409)

    assert (getattr(hook, method)(name), getattr(hook, method)(name)) == (True, False)
    with pytest.raises(Conflict):
        getattr(hook, method)(name)


def test_ec2_tells_the_state_of_each_instance_that_is_stopped_or_started(hook, ec2):
    ids = [f"i-{number:017d}" for number in range(101)]

    def change(name, state):
        return {"InstanceId": name, "CurrentState": {"Name": state}, "PreviousState": {"Name": "running"}}

    for batch in (ids[:100], ids[100:]):
        answer = {"StoppingInstances": [change(name, "stopping") for name in batch]}
        ec2.add_response("stop_instances", answer, {"InstanceIds": batch})
    started = {"StartingInstances": [change(ids[0], "pending")]}

    assert hook.stop_instances(ids) == dict.fromkeys(ids, "stopping")
    with Stubber(hook._ec2_sent_once) as ec2_writes:
        ec2_writes.add_response("start_instances", started, {"InstanceIds": ids[:1]})
        assert hook.start_instances(ids[:1]) == {ids[0]: "pending"}
    assert hook.stop_instances([]) == hook.start_instances([]) == {}
