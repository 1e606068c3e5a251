"""The operators and the sensor around the decisions: what they refuse, wait for, return and fail with."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferralTimeout, TaskDeferred
from airflow.triggers.base import BaseTrigger, TriggerEvent
from drs_provider.exceptions import (
    CleanupIncomplete,
    CredentialsExpired,
    JobFailed,
    JobTimedOut,
    JobVanished,
    RunRefused,
    ServiceUnavailable,
    Throttled,
)
from drs_provider.hooks.drill_resources import AttachedResources
from drs_provider.operators.base import DrsOperator
from drs_provider.operators.recovery import DrsStartRecoveryOperator
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.rules.cleanup.terminate import MOST_REQUESTS
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.sensors.job import DrsRecoveryJobSensor
from drs_provider.sensors.readiness import DrsSourceServersReadySensor
from kit.fake_context import fake_context
from kit.fake_drs import NOW, FakeDrs
from kit.signatures import unsigned

PLUGINS = Path(__file__).parents[3] / "plugins"
SERVERS = ["s-1", "s-2"]


def a_context(store=None, *, max_tries=0):
    return fake_context(store, dag_id="d", run_id="r", max_tries=max_tries)


class Drs(FakeDrs):
    """The fake with what only operators ask of it; jobs are created now."""

    def __init__(self, **more):
        super().__init__(**more)
        self.logs: dict[str, tuple] = {}

    def add_job(self, servers, **more):
        return super().add_job(servers, **{"created": datetime.now(UTC), **more})

    def job_log(self, job_id):
        return self.logs.get(job_id, ())

    def source_servers(self, ids=None):
        return tuple(
            {"sourceServerID": identifier, "tags": {"Name": identifier.replace("s-", "host")}} for identifier in ids
        )

    def launch_configuration(self, server_id):
        return {"launchDisposition": "STARTED"}


def with_hook(task, drs):
    task.__dict__["hook"] = drs
    return task


def start(drs, **more):
    arguments = {"task_id": "t", "source_server_ids": SERVERS, "is_drill": True, **more}
    return with_hook(DrsStartRecoveryOperator(**arguments), drs)


def sensor(drs, jobs, **more):
    return with_hook(DrsRecoveryJobSensor(task_id="t", jobs=jobs, **more), drs)


def cleanup(drs, **more):
    return with_hook(DrsTerminateRecoveryInstancesOperator(task_id="t", **more), drs)


@pytest.mark.parametrize("value", ["False", "True", "", 0, 1, None])
def test_drill_or_recovery_never_hangs_on_truthiness(value):
    drs = Drs()

    with pytest.raises(AirflowFailException) as caught:
        start(drs, is_drill=value).execute(a_context())

    assert str(caught.value) == (
        f"is_drill must be True or False, but is {value!r}; nothing was called: give the DAG "
        "render_template_as_native_obj=True, or pass the value without a template"
    )
    assert isinstance(caught.value.__cause__, RunRefused)
    assert drs.starts == []


def test_servers_that_rendered_to_text_are_not_taken_apart_letter_by_letter():
    with pytest.raises(AirflowFailException) as caught:
        start(Drs(), source_server_ids="['s-1']").execute(a_context())

    assert str(caught.value).startswith("source_server_ids must be a list of ids, but is \"['s-1']\"")


def test_no_servers_skip_the_task():
    with pytest.raises(AirflowSkipException) as caught:
        start(Drs(), source_server_ids=[]).execute(a_context())

    assert str(caught.value) == "no source servers were given: there is nothing to launch"


def test_what_a_start_returns_is_what_a_sensor_takes():
    drs = Drs()
    launch = start(drs, aws_conn_id="shop").execute(a_context())

    job = drs.all_jobs[0]
    created_at = job["creationDateTime"].replace("+00:00", "Z")
    assert unsigned(launch) == {
        "version": 1,
        "region": "us-west-2",
        "aws_conn_id": "shop",
        "started_at": created_at,
        "attempt": 1,
        "tags": {},
        "points": {},
        "jobs": [
            {
                "job_id": job["jobID"],
                "servers": SERVERS,
                "created_at": created_at,
                "attempt": 1,
                "adopted": False,
            }
        ],
    }
    with pytest.raises(TaskDeferred) as deferred:
        sensor(drs, launch, aws_conn_id="shop").execute(a_context())
    assert deferred.value.trigger.watches == [
        {
            "aws": {"aws_conn_id": "shop", "region_name": "us-west-2", "verify": None, "config": None},
            "job_ids": [job["jobID"]],
        }
    ]


def test_a_start_waits_for_room_and_then_goes_on():
    drs, context = Drs(quotas=Quotas(servers_per_job=1, servers_in_jobs=1)), a_context()
    task = start(drs)

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    drs.end(drs.all_jobs[0])
    launch = task.resume_start(context, {"outcome": "ended"}, **deferred.value.kwargs)

    assert (deferred.value.method_name, deferred.value.trigger.until) == ("resume_start", "any")
    assert [job["servers"] for job in launch["jobs"]] == [["s-1"], ["s-2"]]


def test_a_start_that_waited_too_long_says_for_what():
    drs, context = Drs(quotas=Quotas(jobs=1)), a_context()
    drs.add_job(["s-9"])
    long_ago = (datetime.now(UTC) - timedelta(hours=7)).isoformat()

    with pytest.raises(AirflowFailException) as caught:
        start(drs).resume_start(context, {"outcome": "timed_out"}, waiting_since=long_ago)

    assert "waited 7h: no room in the account: 1 of 1 concurrent jobs are running" in str(caught.value)


NOT_NOW = [
    Throttled("DescribeJobs", "ThrottlingException", "slow down"),
    ServiceUnavailable("DescribeJobs", "ServiceUnavailable", "drs is unavailable"),
    CredentialsExpired("DescribeJobs", "ExpiredTokenException", "the token is expired"),
]


@pytest.mark.parametrize("error", NOT_NOW, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["start", "cleanup"])
def test_a_task_that_aws_does_not_answer_waits_without_a_worker_and_goes_on(kind, error):
    drs, context = Drs(), a_context()
    task = start(drs) if kind == "start" else cleanup(drs, job_ids=["drsjob-1"])

    def not_now():
        raise error

    drs.before_look = not_now
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    drs.before_look = lambda: None
    ended = getattr(task, deferred.value.method_name)(context, None, **deferred.value.kwargs)

    assert 15 <= (deferred.value.trigger.moment - datetime.now(UTC)).total_seconds() + 1 <= 21
    assert ended.get("job_ids") == [] or [job["servers"] for job in ended["jobs"]] == [SERVERS]


def test_a_sensor_whose_evidence_aws_does_not_give_now_looks_again():
    drs, context = Drs(), a_context()
    _, launch = launched(drs)
    drs.end(drs.all_jobs[0])
    task, answers = sensor(drs, launch), drs.jobs

    def not_now(_):
        raise Throttled("DescribeJobs", "ThrottlingException", "slow down", retry_after_seconds=60)

    drs.jobs = not_now
    with pytest.raises(TaskDeferred) as deferred:
        task.jobs_ended(context, {"outcome": "ended"})
    drs.jobs = answers

    assert (deferred.value.trigger.moment - datetime.now(UTC)).total_seconds() > 58
    assert deferred.value.method_name == "look_again"
    assert task.look_again(context, None, **deferred.value.kwargs)["verdict"] == "launched"


def test_a_task_that_aws_does_not_answer_in_time_says_so():
    drs = Drs()

    def not_now():
        raise Throttled("DescribeJobs", "ThrottlingException", "slow down")

    drs.before_look = not_now
    long_ago = (datetime.now(UTC) - timedelta(hours=7)).isoformat()

    with pytest.raises(Throttled):
        start(drs).resume_start(a_context(), None, waiting_since=long_ago)


def launched(drs, **more):
    job = drs.add_job(SERVERS, **more)
    for server in SERVERS:
        drs.add_instance(server, job["jobID"])
    return job, {"jobs": [{"job_id": job["jobID"], "servers": SERVERS}]}


def test_a_launch_with_every_server_running_is_a_success():
    drs, context = Drs(), a_context()
    job, launch = launched(drs)
    drs.end(job)

    result = sensor(drs, launch).jobs_ended(context, {"outcome": "ended"})

    assert result["verdict"] == "launched"
    assert context["pushed"]["servers"]["servers"] == result["servers"]
    assert [(server["hostname"], server["status"]) for server in result["servers"]] == [
        ("host1", "launched"),
        ("host2", "launched"),
    ]


def test_a_completed_job_with_a_failed_server_fails_for_good_and_says_why_but_leaves_its_results():
    drs, context = Drs(), a_context()
    job, launch = launched(drs)
    drs.end(job, "LAUNCHED", s_2="FAILED")
    drs.logs[job["jobID"]] = (
        {
            "logDateTime": "2026-01-01T00:00:00Z",
            "event": "LAUNCH_FAILED",
            "eventData": {"sourceServerID": "s-2", "rawError": "VcpuLimitExceeded"},
        },
    )

    with pytest.raises(AirflowFailException) as caught:
        sensor(drs, launch).jobs_ended(context, {"outcome": "ended"})

    assert isinstance(caught.value.__cause__, JobFailed)
    assert str(caught.value) == f"{job['jobID']}: 1 server failed:\n  - host2: LAUNCH_FAILED: VcpuLimitExceeded"
    assert [server["status"] for server in context["pushed"]["servers"]["servers"]] == ["launched", "failed"]
    assert [ended["job_id"] for ended in context["pushed"]["jobs"]["jobs"]] == [job["jobID"]]


def test_an_instance_on_its_way_is_waited_for_until_the_deadline_and_then_has_failed():
    drs, context = Drs(), a_context()
    job, launch = launched(drs)
    drs.end(job)
    drs.instances[0]["ec2InstanceState"] = "PENDING"
    task = sensor(drs, launch)

    with pytest.raises(TaskDeferred) as deferred:
        task.jobs_ended(context, {"outcome": "ended"})
    with pytest.raises(AirflowFailException) as caught:
        task.instances_settled(context, {"outcome": "timed_out", "detail": ""})

    assert deferred.value.trigger.awaited[0]["jobs"] == {"s-1": job["jobID"]}
    assert "host1: DRS launched it, but its instance i-00000000000000000 is PENDING" in str(caught.value)


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ({"outcome": "timed_out", "job_ids": ["drsjob-1"], "detail": ""}, JobTimedOut),
        ({"outcome": "vanished", "job_ids": ["drsjob-1"], "detail": ""}, JobVanished),
    ],
)
def test_a_wait_without_an_end_is_a_clear_error(event, cause):
    launch = {"jobs": [{"job_id": "drsjob-1", "servers": SERVERS}]}

    with pytest.raises(AirflowFailException) as caught:
        sensor(Drs(), launch).jobs_ended(a_context(), event)

    assert isinstance(caught.value.__cause__, cause)
    assert "drsjob-1" in str(caught.value)


def test_even_a_deferral_that_airflow_timed_out_ends_in_our_words():
    task = sensor(Drs(), {"jobs": [{"job_id": "drsjob-1", "servers": SERVERS}]}, timeout=60)

    with pytest.raises(AirflowFailException) as caught:
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, a_context())

    assert isinstance(caught.value.__cause__, JobTimedOut)
    assert not isinstance(caught.value, TaskDeferralTimeout)


@pytest.mark.parametrize("jobs", [None, "text", {"jobs": []}, [], [{"id": 1}], {"jobs": [{"job_id": "x"}]}])
def test_a_sensor_without_jobs_fails_instead_of_finding_nothing_wrong(jobs):
    with pytest.raises(AirflowFailException):
        sensor(Drs(), jobs).execute(a_context())


@pytest.mark.parametrize(("name", "value"), [("ready", "booted"), ("tolerate", "some")])
def test_a_sensor_refuses_what_it_does_not_understand_before_it_waits(name, value):
    launch = {"jobs": [{"job_id": "drsjob-1", "servers": SERVERS}]}

    with pytest.raises(AirflowFailException) as caught:
        sensor(Drs(), launch, **{name: value}).execute(a_context())

    assert repr(value) in str(caught.value)


def test_a_wave_in_two_accounts_is_watched_in_both():
    launches = [
        {"aws_conn_id": name, "region": region, "jobs": [{"job_id": f"drsjob-{name}", "servers": ["s-1"]}]}
        for name, region in (("east", "us-east-1"), ("west", "us-west-2"))
    ]

    with pytest.raises(TaskDeferred) as deferred:
        sensor(Drs(), launches).execute(a_context())

    watches = deferred.value.trigger.watches
    assert [(w["aws"]["aws_conn_id"], w["aws"]["region_name"], w["job_ids"]) for w in watches] == [
        ("east", "us-east-1", ["drsjob-east"]),
        ("west", "us-west-2", ["drsjob-west"]),
    ]


def gone(drs):
    for instance in drs.instances:
        instance["ec2InstanceState"] = "TERMINATED"
        drs.ec2[instance["recoveryInstanceID"]] = "terminated"


def test_a_cleanup_terminates_what_the_jobs_launched_and_sees_that_it_is_gone():
    drs, context = Drs(), a_context()
    job, _ = launched(drs, created=NOW)
    drs.end(job)
    drs.add_instance("s-9", "drsjob-other")
    task = cleanup(drs, job_ids=[job["jobID"]])

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    drs.end(drs.all_jobs[1])
    gone(drs)
    drs.instances.clear()
    result = task.resume_cleanup(context, {"outcome": "ended"}, **deferred.value.kwargs)

    names = ("i-00000000000000000", "i-00000000000000001")
    assert drs.terminated == [names]
    assert unsigned(result) == {
        "terminated": [
            {
                "instance_id": name,
                "server_id": server,
                "created_by_launch": "EC2 created it at 2026-01-01 13:00:00 UTC, and its job began at 2026-01-01 "
                "12:00:00 UTC",
                "gone_before": False,
            }
            for name, server in zip(names, SERVERS, strict=True)
        ],
        "left": {},
        "job_ids": [drs.all_jobs[1]["jobID"]],
        "version": 2,
    }


def test_a_cleanup_of_nothing_is_done_at_once():
    assert unsigned(cleanup(Drs(), job_ids=[]).execute(a_context())) == {
        "version": 2,
        "terminated": [],
        "left": {},
        "job_ids": [],
    }


def test_a_recovered_instance_of_the_run_is_kept():
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    name = drs.add_instance("s-1", job["jobID"], is_drill=False)

    result = cleanup(drs, job_ids=[job["jobID"]]).execute(a_context())

    assert result["left"] == {name: "DRS does not call it a drill's instance, so it is kept"}
    assert drs.terminated == []


def test_a_recovered_instance_that_is_named_is_refused_before_anything_is_terminated():
    drs = Drs()
    names = [drs.add_instance("s-1"), drs.add_instance("s-2", is_drill=False)]

    with pytest.raises(AirflowFailException) as caught:
        cleanup(drs, recovery_instance_ids=names).execute(a_context())

    assert str(caught.value) == (
        f"DRS does not call these a drill's instances: {names[1]}. Nothing was terminated; set "
        "include_recovery=True to terminate them too"
    )
    assert drs.terminated == []


def test_a_launch_that_still_runs_is_waited_for_because_its_instances_appear_later():
    drs, context = Drs(), a_context()
    job = drs.add_job(["s-1"])
    task = cleanup(drs, job_ids=[job["jobID"]])

    with pytest.raises(TaskDeferred) as first:
        task.execute(context)
    drs.end(job)
    drs.add_instance("s-1", job["jobID"])
    with pytest.raises(TaskDeferred):
        task.resume_cleanup(context, {"outcome": "ended"}, **first.value.kwargs)

    assert first.value.trigger.watches[0]["job_ids"] == [job["jobID"]]
    assert drs.terminated == [("i-00000000000000000",)]


def test_a_terminate_job_that_runs_is_adopted():
    drs = Drs()
    job, _ = launched(drs)
    drs.end(job)
    other = drs.add_job(SERVERS, kind="TERMINATE")

    with pytest.raises(TaskDeferred) as deferred:
        cleanup(drs, job_ids=[job["jobID"]]).execute(a_context())

    assert deferred.value.trigger.watches[0]["job_ids"] == [other["jobID"]]
    assert drs.terminated == []


def test_more_instances_than_a_call_takes_are_terminated_in_batches():
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    for number in range(201):
        drs.add_instance(f"s-{number}", job["jobID"])

    with pytest.raises(TaskDeferred):
        cleanup(drs, job_ids=[job["jobID"], "drsjob-forgotten"]).execute(a_context())

    assert [len(batch) for batch in drs.terminated] == [100, 100, 1]


@pytest.mark.parametrize("late", [{"requests": MOST_REQUESTS}, {"began": "2020-01-01T00:00:00+00:00"}])
def test_what_is_still_there_in_the_end_is_named(late):
    drs = Drs()
    name = drs.add_instance("s-1")

    with pytest.raises(AirflowFailException) as caught:
        cleanup(drs, recovery_instance_ids=[name]).resume_cleanup(a_context(), {"outcome": "ended"}, **late)

    assert isinstance(caught.value.__cause__, CleanupIncomplete)
    assert caught.value.__cause__.left == {name: "DRS accepted the termination, and it is still there"}


@pytest.mark.parametrize("arguments", [{}, {"job_ids": [], "source_server_ids": []}])
def test_a_cleanup_is_told_one_thing_to_clean_up(arguments):
    with pytest.raises(AirflowFailException) as caught:
        cleanup(Drs(), **arguments).execute(a_context())

    assert str(caught.value) == "give exactly one of recovery_instance_ids, source_server_ids and job_ids"


@pytest.mark.parametrize("is_drill", ["drill", "False", None])
def test_servers_are_waited_for_a_drill_or_not(is_drill):
    task = DrsSourceServersReadySensor(task_id="t", source_server_ids=SERVERS, is_drill=is_drill)

    with pytest.raises(AirflowFailException) as caught:
        task.execute(a_context())

    assert str(caught.value).startswith(f"is_drill must be True or False, but is {is_drill!r}; nothing was called: ")


@pytest.mark.parametrize(("is_drill", "mode"), [(True, "drill"), (False, "recovery")])
def test_airflows_own_mode_of_a_sensor_says_nothing_of_drills(is_drill, mode):
    with DAG("d", schedule=None, default_args={"mode": "reschedule"}):
        task = DrsSourceServersReadySensor(task_id="t", source_server_ids=SERVERS, is_drill=is_drill)

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(a_context())
    assert deferred.value.trigger.serialize()[1]["mode"] == mode


@pytest.mark.parametrize(("mode", "is_drill"), [("drill", True), ("recovery", False)])
def test_the_name_that_the_argument_had_is_refused_with_the_new_one(mode, is_drill):
    with pytest.raises(ValueError, match=r"^mode is Airflow's own argument: ") as refused:
        DrsSourceServersReadySensor(task_id="t", source_server_ids=SERVERS, mode=mode)

    assert str(refused.value) == f"mode is Airflow's own argument: write is_drill={is_drill}"


class Saying(BaseTrigger):
    """Fires once, with what it was made with; without anything it ends in silence."""

    def __init__(self, *events):
        super().__init__()
        self.events = events

    def serialize(self):
        return "Saying", {}

    async def run(self):
        for event in self.events:
            yield TriggerEvent(event)


class Counting(DrsOperator):
    """Waits as often as it is told to, then returns all that it heard."""

    def __init__(self, *, waits, heard=("a", "b", "c"), **kwargs):
        super().__init__(**kwargs)
        self.waits, self.heard = waits, heard

    def execute(self, context):
        return self.go_on(context, event=None, heard=[])

    def go_on(self, context, event, heard):
        heard = [*heard, event] if event else heard
        if len(heard) < self.waits:
            trigger = Saying(self.heard[len(heard)], "never read") if self.heard else Saying()
            self.defer(trigger=trigger, method_name="go_on", kwargs={"heard": heard})
        return heard


class CountingTwice(Counting):
    """Asks its base first, as operators of others may."""

    def execute(self, context):
        return ["first", *super().execute(context)]


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_a_task_that_is_not_deferrable_waits_in_the_worker_until_all_is_said(waits):
    heard = ["a", "b", "c"][:waits]

    assert Counting(task_id="t", waits=waits, deferrable=False).execute(a_context()) == heard
    assert CountingTwice(task_id="t", waits=waits, deferrable=False).execute(a_context()) == ["first", *heard]


@pytest.mark.parametrize("given", [{}, {"deferrable": True}, {"default_args": {"deferrable": True}}])
def test_a_task_waits_in_the_triggerer_unless_it_is_told_otherwise(given, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "False")

    with pytest.raises(TaskDeferred) as deferred:
        Counting(task_id="t", waits=1, **given).execute(a_context())
    assert deferred.value.trigger.events == ("a", "never read")


def test_a_trigger_that_ends_in_silence_does_not_pass_for_an_answer():
    with pytest.raises(RunRefused) as caught:
        Counting(task_id="t", waits=1, heard=(), deferrable=False).execute(a_context())

    assert str(caught.value) == "Saying ended without an event: nothing more is known; clear the task"


def test_what_default_args_say_of_deferring_reaches_operators_and_sensors():
    with DAG("d", schedule=None, default_args={"deferrable": False}):
        tasks = [
            DrsSourceServersReadySensor(task_id="ready", source_server_ids=SERVERS),
            DrsTerminateRecoveryInstancesOperator(task_id="clean_up", source_server_ids=SERVERS),
        ]

    assert [task.deferrable for task in tasks] == [False, False]


def test_servers_that_did_not_become_ready_are_all_named():
    task = DrsSourceServersReadySensor(task_id="t", source_server_ids=SERVERS)
    event = {"outcome": "timed_out", "servers": SERVERS, "refusals": ["db1: STALLED", "db2: lag"], "warnings": []}

    with pytest.raises(AirflowFailException) as caught:
        task.servers_judged(a_context(), event)

    assert str(caught.value) == (
        "the run of 2 source servers is refused, 2 reasons; nothing was launched:\n  - db1: STALLED\n  - db2: lag"
    )


@pytest.mark.parametrize("kind", [DrsStartRecoveryOperator, DrsTerminateRecoveryInstancesOperator])
def test_default_args_reach_the_connection(kind):
    more = {"source_server_ids": [], "is_drill": True} if kind is DrsStartRecoveryOperator else {"job_ids": []}
    task = kind(task_id="t", default_args={"aws_conn_id": "shop", "region_name": "eu-west-1"}, **more)

    assert task.aws == {"aws_conn_id": "shop", "region_name": "eu-west-1", "verify": None, "config": None}


def test_a_dag_file_that_names_operators_does_not_import_boto3():
    code = (
        "import sys, drs_provider.operators.recovery, drs_provider.operators.terminate, drs_provider.sensors.job,"
        "drs_provider.sensors.readiness; sys.exit(bool({'boto3', 'botocore', 'drs_provider.hooks'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=False).returncode == 0


def test_the_pure_side_loads_without_airflow_and_aws():
    names = ", ".join(
        ".".join(file.relative_to(PLUGINS).with_suffix("").parts)
        for file in sorted((PLUGINS / "drs_provider/rules").rglob("[a-z]*.py"))
    )
    code = f"import sys, {names}; sys.exit(bool({{'airflow', 'boto3', 'botocore'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=False).returncode == 0


def test_volumes_and_interfaces_that_ec2_kept_are_deleted():
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    name = drs.add_instance("s-1", job["jobID"])
    drs.parts[name] = AttachedResources(("vol-1", "vol-2"), ("eni-1",))
    drs.kept = {"vol-2", "eni-1"}
    task, context = cleanup(drs, job_ids=[job["jobID"]]), a_context()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    drs.ec2[name] = "terminated"
    drs.end(drs.all_jobs[-1])

    task.resume_cleanup(context, {"outcome": "ended"}, **deferred.value.kwargs)

    assert drs.kept == set()


def test_what_ec2_keeps_all_the_same_is_said():
    drs = Drs()
    job = drs.add_job(["s-1"])
    drs.end(job)
    name = drs.add_instance("s-1", job["jobID"])
    drs.parts[name] = AttachedResources(("vol-1",), ())
    drs.kept = drs.undeletable = {"vol-1"}
    drs.snapshots = {"snap-1": "vol-1", "snap-2": "vol-9"}
    task, context = cleanup(drs, job_ids=[job["jobID"]]), a_context()
    with pytest.raises(TaskDeferred):
        task.execute(context)
    drs.ec2[name] = "terminated"
    drs.end(drs.all_jobs[-1])

    with pytest.raises(AirflowFailException) as caught:
        task.resume_cleanup(context, {}, requests=MOST_REQUESTS)

    assert str(caught.value) == (
        "2 things of the drill are still there and cost money; clear this task to try again:\n"
        "  - vol-1: EC2 accepted the deletion, and it is still there\n"
        "  - snap-1: a snapshot of vol-1, a drill's volume, that DRS does not remove: delete it manually"
    )
