"""Planned migrations in which somebody marks tasks by hand or writes their records, and what fails on the way."""

import pytest
from drs_simulator.pytest_plugin import start_drs_simulator  # noqa: F401  (a fixture)
from kit.dag_runs import calls
from kit.edited_runs import Clear, before, nobody, run_edited
from kit.migrations import ACCOUNT, EVERYTHING, FLEET, GO, connect, sources

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

FREEZE = "{kind: wait, name: freeze, for: 1s, when: migration}"
EXPIRED = 403
EDITED = "it is not what was written: somebody has edited it, or brought it here from elsewhere"


@pytest.fixture(scope="module")
def one_simulator(start_drs_simulator):  # noqa: F811  (the fixture)
    return start_drs_simulator(FLEET, speed=1)


@pytest.fixture
def migrated(plans, simulator, tmp_path, monkeypatch):
    """Run the plan while somebody edits; see ``run_edited``."""
    connect(simulator, monkeypatch, ACCOUNT)

    def run(*, text=EVERYTHING, edit=nobody, **more):
        return run_edited(simulator, plans, tmp_path / "reports", text, GO, edit=edit, **more)

    return run


def running(simulator):
    return sorted(name for name, (_, state) in sources(simulator).items() if state == "running")


def changes(simulator):
    return [call["operation"] for call in simulator.calls() if call["operation"] in ("StopInstances", "StartRecovery")]


def test_nobody_edits_and_nothing_is_lost(migrated, simulator):
    ended = migrated(text=EVERYTHING.replace("rto: 45m", "rto: 5h"))

    assert ended.verdict == "completed"
    assert ended.report.edited == ()
    assert ended.report.objectives.rpo.measured_seconds == 0.0
    assert running(simulator) == []
    assert changes(simulator) == ["StopInstances", "StartRecovery", "StartRecovery", "StopInstances", "StartRecovery"]
    assert [wait.task for wait in ended.report.waits if wait.task.endswith("final_sync")] == [
        "database.final_sync",
        "web.final_sync",
    ]


def test_a_last_sync_that_is_marked_as_done_lets_nothing_be_stopped_or_launched(migrated, simulator):
    ended = migrated(marked=["database.final_sync"])

    assert ended.said("database.stop_sources") == (
        "the last sync of wave database is not recorded (a task that is marked as successful waits for nothing): clear "
        "database.final_sync with everything downstream. Nothing was stopped or launched"
    )
    assert changes(simulator) == []


def test_a_stop_that_is_marked_as_done_lets_nothing_be_launched(migrated, simulator):
    ended = migrated(marked=["database.stop_sources"])

    assert ended.said("database.start_recovery") == (
        "the sources of db1, db2 in wave database are not recorded as stopped (a task that is marked as successful "
        "stops nothing): clear database.stop_sources with everything downstream. Nothing was launched"
    )
    assert changes(simulator) == []


FAILING = "{kind: tcp, name: freeze, host: 127.0.0.1, port: 1, timeout: 1s, when: migration%s}"


@pytest.mark.parametrize(
    ("more", "marks", "doubt"),
    [
        pytest.param(
            "",
            {"forgiven": ["before_waves.freeze"]},
            "step freeze failed and was marked by hand (a task that is marked as successful stops nothing)",
            id="marked by hand",
        ),
        pytest.param(
            ", on_failure: continue", {}, "step freeze failed, and the plan goes on all the same", id="the plan goes on"
        ),
    ],
)
def test_no_source_is_stopped_where_the_step_that_stops_the_writes_failed(migrated, simulator, more, marks, doubt):
    ended = migrated(text=EVERYTHING.replace(FREEZE, FAILING % more), **marks)

    assert str(ended.said("database.stop_sources")).startswith(
        "the sources of wave database are not stopped, for it is not certain that nothing is written to them: "
        f"{doubt}. Nothing was stopped. "
    )
    assert changes(simulator) == []


@pytest.mark.parametrize(
    ("change", "marked", "said"),
    [
        pytest.param(
            ("timeout: 3h}", 'timeout: 3h, pause_before: {message: "Down?", approvers: [ann]}}'),
            "database.pause",
            "database.pause: no answer is recorded",
            id="pause",
        ),
        pytest.param(
            ("\nafter:\n", "\n  - {kind: approval, name: may-we, message: Go on?, approvers: [ann]}\nafter:\n"),
            "before_waves.may-we",
            "before_waves.may-we has left no answer",
            id="approval step",
        ),
    ],
)
def test_a_question_that_is_marked_as_done_stops_no_source(migrated, simulator, change, marked, said):
    ended = migrated(text=EVERYTHING.replace(*change, 1), marked=[marked])

    assert said in str(ended.said("database.stop_sources"))
    assert changes(simulator) == []


def test_an_aws_that_does_not_answer_uses_up_no_retries(migrated, simulator):
    def fail(**what):
        return lambda _places: simulator.fault({**what, "do": "expired_token", "count": 1})

    looks = before("database.final_sync", fail(service="drs", operation="DescribeRecoverySnapshots"))
    stops = before("database.stop_sources", fail(service="ec2", operation="DescribeInstances"))

    def edit(task, places):
        looks(task, places)
        stops(task, places)

    ended = migrated(edit=edit, marked=["database.start_recovery"])

    assert [ended.states[f"database.{task}"] for task in ("final_sync", "stop_sources")] == ["success", "success"]
    assert changes(simulator) == ["StopInstances"]
    failed = [call["operation"] for call in simulator.calls() if call["status"] == EXPIRED]
    assert failed == ["DescribeRecoverySnapshots", "DescribeInstances"]


def test_a_cleared_wave_whose_sources_are_stopped_already_is_not_waited_for(migrated, simulator):
    """No newer recovery point comes: what was noted when the writes stopped still counts."""
    again = Clear(marked=["preflight.check", "before_waves.freeze", "database.start_recovery"])
    ended = migrated(marked=["database.start_recovery"], cleared=again)

    assert [ended.states[f"database.{task}"] for task in ("final_sync", "stop_sources")] == ["success", "success"]
    assert ended.driver.records["database.final_sync"].tries == len(["once", "again"])
    assert changes(simulator) == ["StopInstances"]


def test_an_approval_that_is_marked_as_done_stops_nothing(migrated, simulator):
    ended = migrated(marked=["preflight.stop_approval_2"])

    assert ended.said("database.stop_sources") == (
        "stopping the sources is not approved: preflight.stop_approval_2: no answer is recorded (a task that is marked "
        "as successful approves nothing). Nothing was stopped; clear preflight.stop_approval_2 with everything "
        "downstream to ask again"
    )
    assert changes(simulator) == []


@pytest.mark.parametrize(
    ("place", "change", "then"),
    [
        (
            ("database.final_sync", "final_sync"),
            {"quiesced_at": "2020-01-31T00:00:00+00:00"},
            "database.stop_sources",
        ),
        (("database.stop_sources", "stopped_sources"), {"servers": {}}, "database.start_recovery"),
    ],
)
def test_an_edited_record_is_refused_by_name(migrated, simulator, place, change, then):
    task, key = place
    ended = migrated(edit=before(then, lambda places: places.edit(task, key, change)))

    assert f"(XCom {key} of {task}) cannot be read: {EDITED}" in str(ended.said(then))
    assert "StartRecovery" not in changes(simulator)


def test_a_last_sync_that_does_not_come_stops_and_launches_nothing_and_says_who(migrated, simulator):
    def silence(_places):
        simulator.fault({"service": "drs", "hostname": "db2", "do": "stall"})

    ended = migrated(edit=before("before_waves.freeze", silence))

    said = str(ended.said("database.final_sync"))
    assert said.startswith(
        "the last sync did not end within 2h: 1 of 3 servers have no recovery point that was made after "
    )
    assert "db2 (newest " in said
    assert said.endswith("and loses what was written after them (drs run start shop --mode recovery)")
    assert changes(simulator) == []
    assert running(simulator) == ["db1", "db2", "web1", "web2"]


def test_another_instance_in_drs_is_not_the_one_that_people_agreed_to(migrated, simulator):
    """Whatever is stopped is read again: here the record of preflight names what DRS does not."""
    first = sources(simulator)["db1"][0]

    def terminate(_places):
        simulator.client("ec2", region_name="us-east-1").terminate_instances(InstanceIds=[first])

    ended = migrated(edit=before("database.stop_sources", terminate))

    assert f"db1 ({first} in us-east-1 of account {ACCOUNT}): EC2 calls it terminated" in str(
        ended.said("database.stop_sources")
    )
    assert changes(simulator) == []


def test_a_start_that_is_told_wrong_sources_launches_nothing(migrated, simulator):
    assert calls(simulator, "StopInstances") == []
    ended = migrated(text=EVERYTHING.replace("aws_conn_id: aws_origin", "aws_conn_id: aws_nowhere"))

    assert "aws_nowhere" in str(ended.said("preflight.check"))
    assert changes(simulator) == []


def test_a_source_that_was_stopped_already_is_fine_and_only_the_rest_is_stopped(migrated, simulator):
    found = sources(simulator)

    def stop(_places):
        simulator.client("ec2", region_name="us-east-1").stop_instances(InstanceIds=[found["db1"][0]])

    ended = migrated(
        text=EVERYTHING.replace("rto: 45m", "rto: 5h"), edit=before("database.stop_sources", stop), run_id="again"
    )

    asked = [call["request"]["InstanceIds"] for call in calls(simulator, "StopInstances")]
    assert asked[:2] == [[found["db1"][0]], [found["db2"][0]]]
    assert ended.verdict == "completed"
    assert ended.report.objectives.rpo.measured_seconds == 0.0
