"""What the hook asks and reads, call by call, against botocore's Stubber, which checks both by botocore's model."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.context import set_current_context
from botocore.stub import Stubber
from drs_provider.exceptions import AwsError, Conflict
from drs_provider.hooks.drs import MOST_IDS, DrsHook
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.tags import job_tags

JOB = "drsjob-00000000000000001"
TAGS = job_tags(dag_id="d", run_id="r", wave="w", chunk=0, attempt=1)


def server_id(number):
    return f"s-{number:017d}"


@pytest.fixture
def hook():
    return DrsHook(aws_conn_id=None, region_name="us-west-2")


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


def test_more_ids_than_a_call_takes_are_asked_in_batches_and_every_page_is_read(hook, reads):
    ids = [server_id(number) for number in range(MOST_IDS + 50)]
    answers = [ids[:100], ids[100:MOST_IDS], ids[MOST_IDS:]]
    first = {"filters": {"sourceServerIDs": ids[:MOST_IDS]}}
    page = {"items": [{"sourceServerID": server} for server in answers[0]], "nextToken": "more"}
    reads.add_response("describe_source_servers", page, first)
    page = {"items": [{"sourceServerID": server} for server in answers[1]]}
    reads.add_response("describe_source_servers", page, {**first, "nextToken": "more"})
    page = {"items": [{"sourceServerID": server} for server in answers[2]]}
    reads.add_response("describe_source_servers", page, {"filters": {"sourceServerIDs": ids[MOST_IDS:]}})

    assert [server["sourceServerID"] for server in hook.source_servers(ids)] == ids


def test_an_instant_is_asked_for_in_utc_as_the_model_writes_it(hook, reads):
    reads.add_response("describe_jobs", {"items": []}, {"filters": {"fromDate": "2026-01-01T11:30:00.000Z"}})

    when = datetime(2026, 1, 1, 12, 30, tzinfo=timezone(timedelta(hours=1)))
    assert hook.jobs_since(when) == ()


def test_a_service_that_ignores_the_filter_cannot_make_us_read_a_strangers_job(hook, reads):
    stranger = {"jobID": "drsjob-00000000000000002", "status": "COMPLETED"}
    reads.add_response("describe_jobs", {"items": [stranger, {"jobID": JOB}]}, {"filters": {"jobIDs": [JOB]}})

    assert [job["jobID"] for job in hook.jobs([JOB])] == [JOB]


def test_a_snapshot_that_is_only_announced_is_not_the_newest(hook, reads):
    taken = {
        "snapshotID": "pit-00000000000000001",
        "sourceServerID": server_id(1),
        "expectedTimestamp": "x" * 20,
        "timestamp": "2026-01-01T11:50:00Z",
    }
    announced = {"snapshotID": "pit-00000000000000002", "sourceServerID": server_id(1), "expectedTimestamp": "x" * 20}
    expected = {
        "sourceServerID": server_id(1),
        "order": "DESC",
        "filters": {"toDateTime": "2026-01-01T12:00:00.000Z"},
    }
    reads.add_response("describe_recovery_snapshots", {"items": [announced, taken]}, expected)

    found = hook.newest_recovery_snapshot(server_id(1), before=datetime(2026, 1, 1, 12, tzinfo=UTC))

    assert found == taken


def test_startrecovery_says_drill_or_not_and_pins_only_what_is_pinned(hook, writes):
    expected = {
        "isDrill": False,
        "tags": TAGS,
        "sourceServers": [
            {"sourceServerID": server_id(1), "recoverySnapshotID": "pit-00000000000000001"},
            {"sourceServerID": server_id(2)},
        ],
    }
    writes.add_response("start_recovery", {"job": {"jobID": JOB}}, expected)

    job = hook.start_recovery(
        [server_id(1), server_id(2)],
        is_drill=False,
        tags=TAGS,
        snapshot_ids={server_id(1): "pit-00000000000000001"},
    )

    assert job == {"jobID": JOB}


def test_a_refusal_speaks_of_the_call_in_our_words(hook, writes):
    writes.add_client_error("start_recovery", "ConflictException", "being processed by a Job", 409)

    with pytest.raises(Conflict) as caught:
        hook.start_recovery([server_id(1)], is_drill=True, tags=TAGS)

    assert str(caught.value) == "StartRecovery: ConflictException: being processed by a Job"


def test_a_request_that_botocore_refuses_to_send_is_no_lost_answer(hook):
    with pytest.raises(AwsError) as caught:
        hook.start_recovery([server_id(1)], is_drill="False", tags=TAGS)

    assert type(caught.value) is AwsError
    assert caught.value.code == "ParamValidationError"


def test_botocore_retries_nothing_by_itself(hook):
    clients = [hook.conn, hook._sent_once, hook._beside("ec2")]

    assert [client.meta.config.retries["total_max_attempts"] for client in clients] == [1, 1, 1]


def test_quotas_that_cannot_be_read_are_awss_own(hook):
    with Stubber(hook._beside("service-quotas")) as quotas:
        quotas.add_client_error("list_service_quotas", "AccessDeniedException", "no", 403)

        assert hook.quotas() == Quotas()


def test_quotas_that_were_raised_are_used(hook):
    answer = {"Quotas": [{"QuotaCode": "L-B827C881", "Value": 200.0}, {"QuotaCode": "L-D88FAC3A", "Value": 40.0}]}
    with Stubber(hook._beside("service-quotas")) as quotas:
        quotas.add_response("list_service_quotas", answer, {"ServiceCode": "drs"})

        assert hook.quotas() == Quotas(jobs=40, servers_per_job=200, servers_in_jobs=500)


class Ask(BaseOperator):
    """A task that asks AWS."""


@pytest.mark.parametrize(("context", "caller"), [({"task": Ask(task_id="ask")}, "Ask"), ({}, "Unknown")])
def test_the_user_agent_names_the_class_of_the_task_that_asks(context, caller, hook):
    with set_current_context(context):
        assert f" Caller/{caller} " in hook._sending_once.user_agent_extra


def test_outside_of_a_task_the_user_agent_names_nobody(hook):
    assert " Caller/Unknown " in hook._sending_once.user_agent_extra
