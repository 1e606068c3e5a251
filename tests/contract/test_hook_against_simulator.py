"""What the hook asks and reads, against the simulator, which checks both directions by botocore's model."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.exceptions import AccessDenied, AwsError, Conflict, ServiceUnavailable, Throttled
from drs_provider.rules.launch.jobs import Ended, read_job, read_job_log
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.readiness import assess
from drs_provider.rules.launch.tags import job_tags
from drs_provider.rules.purpose import DRILL
from drs_provider.rules.servers import hostname_of
from drs_provider.services.launch.start_once import StartRequest, start_once

HELLO = ("s-0hello00000000001", "s-0hello00000000002")
TAGS = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)


def an_hour_ago():
    return datetime.now(UTC) - timedelta(hours=1)


def starts(simulator):
    return [call for call in simulator.calls() if call["operation"] == "StartRecovery"]


def drill(hook):
    return hook.start_recovery(HELLO, is_drill=True, tags=TAGS)


def test_source_servers_are_read_to_the_end_and_unknown_ids_are_absent(hook):
    everything = {server["sourceServerID"]: hostname_of(server, "?") for server in hook.source_servers()}
    asked = hook.source_servers([HELLO[0], "s-00000000000000000"])

    assert everything == dict(zip(HELLO, ("hello1", "hello2"), strict=True))
    assert [server["sourceServerID"] for server in asked] == [HELLO[0]]
    assert hook.source_servers([]) == ()


def test_a_healthy_fleet_is_ready_for_a_drill(hook):
    for server in hook.source_servers():
        server_id = server["sourceServerID"]
        findings = assess(
            server,
            asked_id=server_id,
            purpose=DRILL,
            newest_snapshot=hook.newest_recovery_snapshot(server_id),
            busy_job=None,
            live_instances=hook.recovery_instances(source_server_ids=[server_id]),
            max_lag=timedelta(minutes=5),
            now=datetime.now(UTC),
        )
        assert findings == ()


def test_a_job_is_started_followed_to_its_end_and_its_instances_found(hook, simulator):
    job = drill(hook)
    simulator.advance("20m")

    state = read_job(hook.jobs([job["jobID"]])[0])
    timelines = read_job_log(hook.job_log(job["jobID"]))
    instances = hook.recovery_instances(source_server_ids=HELLO)

    assert isinstance(state, Ended)
    assert (sorted(state.launched), state.failed) == (list(HELLO), ())
    assert {timelines[server].events[-1].event for server in HELLO} == {"LAUNCH_END"}
    assert {instance["jobID"] for instance in instances} == {job["jobID"]}
    assert all(instance["isDrill"] for instance in instances)
    names = [instance["ec2InstanceID"] for instance in instances]
    assert hook.instance_states([*names, "i-00000000000000000"]) == dict.fromkeys(names, "running")
    assert hook.unhealthy_instances(names) == {}
    assert hook.recovery_instances(instance_ids=names[:1])[0]["ec2InstanceID"] == names[0]


def test_our_tags_come_back_with_the_job(hook):
    job = drill(hook)

    assert [(found["jobID"], found["tags"]) for found in hook.jobs_since(an_hour_ago())] == [(job["jobID"], TAGS)]
    assert hook.jobs_since(datetime.now(UTC) + timedelta(hours=1)) == ()
    assert hook.jobs(["drsjob-00000000000000000"]) == ()


def test_instances_are_terminated_and_gone_in_ec2_as_well(hook, simulator):
    drill(hook)
    simulator.advance("20m")
    names = [instance["ec2InstanceID"] for instance in hook.recovery_instances()]

    job = hook.terminate(names)
    simulator.advance("20m")

    assert isinstance(read_job(hook.jobs([job["jobID"]])[0]), Ended)
    assert set(hook.instance_states(names).values()) <= {"terminated"}


def test_a_pinned_point_in_time_is_used(hook, simulator):
    snapshot = hook.newest_recovery_snapshot(HELLO[0], before=datetime.now(UTC))
    hook.start_recovery(HELLO[:1], is_drill=True, tags=TAGS, snapshot_ids={HELLO[0]: snapshot["snapshotID"]})

    assert starts(simulator)[0]["request"]["sourceServers"] == [
        {"sourceServerID": HELLO[0], "recoverySnapshotID": snapshot["snapshotID"]}
    ]


def test_the_account_is_told(hook):
    assert hook.caller_account() == "111122223333"
    assert hook.region == "us-west-2"


def test_quotas_are_read_or_awss_own_are_used(hook):
    assert hook.quotas() == Quotas()


def test_an_answer_lost_after_the_job_was_started_ends_in_exactly_one_job(hook, simulator):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "do": "commit_then_drop", "count": 1})

    job, found = start_once(hook, StartRequest(HELLO, True, TAGS, {}), since=an_hour_ago(), sleep=lambda _: None)

    assert found
    assert [job["jobID"] for job in hook.jobs_since(an_hour_ago())] == [job["jobID"]]
    assert len(starts(simulator)) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"do": "throttle", "retry_after": 3}, Throttled),
        ({"do": "server_error"}, ServiceUnavailable),
        ({"do": "access_denied"}, AccessDenied),
    ],
)
def test_startrecovery_is_sent_once_whatever_is_answered(hook, simulator, fault, kind):
    simulator.fault({"service": "drs", "operation": "StartRecovery", "count": 5, **fault})

    with pytest.raises(kind) as caught:
        drill(hook)

    assert len(starts(simulator)) == 1
    if kind is Throttled:
        assert caught.value.retry_after_seconds == 3


def test_a_server_in_a_running_job_is_a_conflict(hook, simulator):
    simulator.clock(speed=1)  # the job must still run at the second call
    drill(hook)

    with pytest.raises(Conflict):
        drill(hook)


def test_reads_keep_botocores_retries(hook, simulator):
    simulator.fault({"service": "drs", "operation": "DescribeJobs", "do": "server_error", "count": 1})

    assert hook.jobs_since(an_hour_ago()) == ()


def test_an_unknown_server_refuses_the_whole_launch(hook):
    with pytest.raises(AwsError):
        hook.start_recovery((*HELLO, "s-00000000000000000"), is_drill=True, tags=TAGS)

    assert hook.jobs_since(an_hour_ago()) == ()
