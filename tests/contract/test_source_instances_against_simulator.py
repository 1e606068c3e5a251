"""Stopping and starting the instances of sources, against the simulator over HTTP: refused in every way but one."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider.operators.source_instances import DrsStartSourceInstancesOperator, DrsStopSourceInstancesOperator
from drs_provider.rules.run.handover import RecordedAnswer
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

EAST = {"region_name": "us-east-1"}
ONE, TWO, ELSEWHERE = "s-00000000000000001", "s-00000000000000002", "s-00000000000000003"
ANSWER = RecordedAnswer(chosen="Approve", by="ann", at=datetime(2026, 1, 31, tzinfo=UTC))
PLACE = Origin("moving", "manual__1", "ask", RecordedAnswer.KEY)
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "servers": [
                        {"id": ONE, "hostname": "db1", "origin": {"region": "us-east-1"}},
                        {"id": TWO, "hostname": "db2", "origin": {"region": "us-east-1"}},
                        {"id": ELSEWHERE, "hostname": "db3"},
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):
    return start_drs_simulator(FLEET, speed=600)


@pytest.fixture
def sources(simulator):
    servers = simulator.client("drs").describe_source_servers()["items"]
    hints = {server["sourceServerID"]: server["sourceProperties"]["identificationHints"] for server in servers}
    return {server: hints[server]["awsInstanceID"] for server in (ONE, TWO)}


def states(simulator, sources):
    found = simulator.client("ec2", **EAST).describe_instances(InstanceIds=list(sources.values()))
    each = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    return {instance["InstanceId"]: instance["State"]["Name"] for instance in each}


def changes(simulator):
    return [
        (call["operation"], call["request"]["InstanceIds"])
        for call in simulator.calls()
        if call["operation"] in ("StopInstances", "StartInstances")
    ]


def execute(sources, kind=DrsStopSourceInstancesOperator, *, answer=ANSWER, by="bob", run_type="manual", **more):
    """Run the task to its end, over all its legs."""
    task = kind(
        task_id="t",
        aws_conn_id=None,
        region_name="us-west-2",
        source_instances=sources,
        approval_task_id="ask",
        **more,
    )
    left = {RecordedAnswer.KEY: answer and keys().seal(answer.to_json(), PLACE)}
    ti = SimpleNamespace(
        dag_id=PLACE.dag_id,
        run_id=PLACE.run_id,
        start_date=datetime.now(UTC),
        xcom_pull=lambda task_ids, key="return_value": left.get(key) if task_ids == "ask" else None,
    )
    context = {"ti": ti, "dag_run": SimpleNamespace(run_type=run_type, triggering_user_name=by)}
    for _ in range(5):
        try:
            return task.execute(context)
        except TaskDeferred:
            continue
    raise AssertionError("it waits for ever")


def test_the_named_sources_are_stopped_and_started_again_each_once(simulator, sources):
    assert execute(sources) == {"done": sorted(sources.values())}
    assert set(states(simulator, sources).values()) == {"stopped"}
    assert execute(sources) == {"done": sorted(sources.values())}
    assert changes(simulator) == [("StopInstances", sorted(sources.values()))]

    assert execute(sources, DrsStartSourceInstancesOperator) == {"done": sorted(sources.values())}
    assert set(states(simulator, sources).values()) == {"running"}
    assert changes(simulator)[1:] == [("StartInstances", sorted(sources.values()))]


def test_only_what_is_left_is_stopped_after_a_lost_answer(simulator, sources):
    first, second = sources.values()
    simulator.client("ec2", **EAST).stop_instances(InstanceIds=[first])

    assert execute(sources) == {"done": sorted(sources.values())}
    assert changes(simulator)[1:] == [("StopInstances", [second])]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            {"answer": None},
            "not approved: ask has recorded no answer (a task that is marked as successful approves nothing). Nothing "
            "was called; clear ask to ask again",
            id="nobody answered",
        ),
        pytest.param(
            {"by": "ann"},
            "not approved: ann triggered this run: somebody else must approve it in ask. Nothing was called; clear ask "
            "to ask again",
            id="who started it",
        ),
        pytest.param(
            {"approvers": ["cyd"]},
            "not approved: ann, who answered ask, is not among the approvers: cyd. Nothing was called; clear ask to "
            "ask again",
            id="not one of those who may",
        ),
        pytest.param(
            {"run_type": "scheduled"},
            "not approved: the run is scheduled, and only a person may start this: trigger it manually. Nothing was "
            "called; clear ask to ask again",
            id="a schedule",
        ),
    ],
)
def test_without_the_answer_of_somebody_else_nothing_is_stopped(simulator, sources, change, said):
    with pytest.raises(AirflowFailException) as refused:
        execute(sources, **change)

    assert str(refused.value) == said
    assert changes(simulator) == []


def test_an_instance_that_is_not_the_source_of_its_server_is_never_touched(simulator, sources):
    first, second = sources.values()
    for named in ({ONE: second}, {ONE: first, ELSEWHERE: "i-0123456789abcdef0"}, {"s-00000000000000009": first}):
        with pytest.raises(AirflowFailException, match="EC2 was not asked to change anything") as refused:
            execute(named)
        assert "DRS does not name" in str(refused.value)
    assert changes(simulator) == []


def test_one_instance_that_is_gone_keeps_the_others_running(simulator, sources):
    first, _ = sources.values()
    simulator.client("ec2", **EAST).terminate_instances(InstanceIds=[first])

    with pytest.raises(AirflowFailException) as refused:
        execute(sources)

    assert str(refused.value).endswith(
        "no source is stopped, 1 reason; EC2 was not asked to change anything:\n"
        f"  - db1 ({first} in us-east-1 of account 111122223333): EC2 calls it terminated"
    )
    assert changes(simulator) == []


def test_every_instance_stands_in_the_question():
    assert DrsStopSourceInstancesOperator.names({ONE: "i-1"}) == (
        f"**These EC2 instances are stopped:**\n\n- `i-1`, the source of `{ONE}`"
    )
    assert DrsStartSourceInstancesOperator.names({ONE: "i-1"}).startswith("**These EC2 instances are started:**")


def test_one_that_ec2_has_no_capacity_for_is_asked_for_again_and_starts(simulator, sources):
    execute(sources)
    simulator.fault({"service": "ec2", "do": "no_capacity", "count": 2})

    assert execute(sources, DrsStartSourceInstancesOperator) == {"done": sorted(sources.values())}

    assert set(states(simulator, sources).values()) == {"running"}
    started = [names for operation, names in changes(simulator) if operation == "StartInstances"]
    assert started[0] == sorted(sources.values())
    assert len(started) > 2


def test_missing_capacity_is_said_once_the_time_is_over(simulator, sources):
    execute(sources)
    simulator.fault({"service": "ec2", "do": "no_capacity"})

    with pytest.raises(AirflowFailException) as refused:
        execute(sources, DrsStartSourceInstancesOperator, within=timedelta(0))

    first, second = sorted(sources.values())
    head, *lines = str(refused.value).splitlines()
    assert head == (f"{first}, {second} did not start within 0s: look at the instances in EC2, then clear this task")
    assert [line.partition("InsufficientInstanceCapacity")[0] for line in lines] == [
        f"  - {name}: ec2:StartInstances: " for name in (first, second)
    ]
