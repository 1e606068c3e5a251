"""The judge of the campaign fails every rule when it is fed a record, or a claim, that breaks it."""

import copy
from dataclasses import replace

import pytest
import yaml
from drs_provider.plan.loader import read_paths
from drs_simulator.fleet.file import parsed
from kit.chaos_records import DRILL, FIRST, GOOD, RECOVERY, SECOND, A, job, problems, report, state

from benchmarks.chaos.documents import documents, fleet
from benchmarks.chaos.judge import judge, strangers
from benchmarks.chaos.record import Said, read_record
from benchmarks.chaos.run import batches, summary
from benchmarks.chaos.scenarios import Pause, Wave, scenario


def test_a_good_drill_and_a_good_recovery_keep_every_rule():
    assert problems(GOOD, FIRST, SECOND) == []
    mine = [job(1, "w0", mode="recovery", s_1="LAUNCHED", s_2="LAUNCHED")]
    mine.append(job(2, "w1", mode="recovery", s_3="LAUNCHED"))
    assert problems(Said("success", report("completed")), *mine, one=RECOVERY) == []


def test_a_tolerated_failure_is_an_exception_and_a_failed_server_may_be_launched_again():
    failed = job(1, "w0", s_1="LAUNCHED", s_2="FAILED")
    again = job(2, "w0", "2", s_2="LAUNCHED")
    third = job(3, "w1", s_3="LAUNCHED")

    assert problems(Said("success", report("completed_with_exceptions", s_2="FAILED")), failed, third) == []
    assert problems(GOOD, failed, again, third) == []


def test_a_failure_of_the_cloud_is_a_failure():
    failed = job(1, "w0", s_1="FAILED", s_2="LAUNCHED")

    assert problems(Said("failed", report("failed", s_1="FAILED", s_3="NOT_STARTED")), failed) == []


def test_a_plan_with_a_live_instance_is_refused_and_the_instance_lives():
    occupied = replace(DRILL, waves=(Wave("w0", (replace(A, has_live=True),)),))
    said = Said("failed", report("refused", s_1="NOT_STARTED", s_2="NOT_STARTED", s_3="NOT_STARTED"))

    assert problems(said, one=occupied, live=[("s-1", "i-0")], i_0="running") == []
    assert problems(said, one=occupied, live=[("s-1", "i-0")], i_0="terminated") == [
        "the live instance i-0 of s-1 was destroyed"
    ]


def test_a_run_that_waits_for_a_person_need_not_have_ended():
    asks = replace(DRILL, waves=(DRILL.waves[0], replace(DRILL.waves[1], pause=Pause("silent"))))

    assert problems(Said("running", waits_for_person=True), FIRST, one=asks) == []
    assert problems(Said("running", waits_for_person=True), FIRST) == [
        "the run waits for a person although everybody has answered"
    ]


BROKEN = [
    pytest.param(
        GOOD,
        [FIRST, SECOND, job(3, "w1", s_3="LAUNCHED")],
        [
            "s-3 is in several jobs of one try: job-2, job-3",
            "s-3 was launched again although it had not failed: job-2, job-3",
        ],
        id="launched twice in one try",
    ),
    pytest.param(
        GOOD,
        [FIRST, SECOND, job(3, "w1", "2", s_3="LAUNCHED")],
        ["s-3 was launched again although it had not failed: job-2, job-3"],
        id="launched again",
    ),
    pytest.param(
        Said("failed", report("failed", s_1="FAILED")),
        [job(1, "w0", s_1="FAILED", s_2="LAUNCHED"), SECOND],
        ["job-2 launched wave w1 although a wave before it had failed"],
        id="out of turn",
    ),
    pytest.param(
        GOOD,
        [FIRST, job(2, "w1", s_3="LAUNCHED", s_9="LAUNCHED")],
        ["job-2 launches servers that are not in wave 'w1'"],
        id="another's server",
    ),
    pytest.param(
        GOOD,
        [FIRST, job(2, "w1", mode="recovery", s_3="LAUNCHED")],
        ["job-2 of a drill is a recovery for DRS", "drill instance i-2-s_3 of s-3 is left over, running"],
        id="wrong kind",
    ),
    pytest.param(
        Said("success", report("passed", s_2="LAUNCHED")),
        [job(1, "w0", s_1="LAUNCHED", s_2="FAILED"), SECOND],
        [
            "the report says passed where the record says completed_with_exceptions: because",
            "the report says launched of s-2, the record FAILED",
        ],
        id="success of a failure",
    ),
    pytest.param(
        Said("failed", report("failed")),
        [FIRST, SECOND],
        ["the report says failed where the record says passed: because"],
        id="failure of a success",
    ),
    pytest.param(
        Said("failed", report("failed", s_3="NOT_STARTED")),
        [FIRST],
        ["the run gave up although no server had failed: because"],
        id="gave up",
    ),
    pytest.param(
        Said("success", report("failed")),
        [FIRST, SECOND],
        [
            "the run is success and its report says failed",
            "the report says failed where the record says passed: because",
        ],
        id="green and failed",
    ),
    pytest.param(Said("success"), [FIRST, SECOND], ["the run is success and has no report"], id="no report"),
    pytest.param(
        Said("running", unfinished={"w0.start_recovery": "deferred"}),
        [],
        ["the run has not ended, it is running: {'w0.start_recovery': 'deferred'}"],
        id="never ends",
    ),
    pytest.param(Said(None), [], ["Airflow does not know the run"], id="lost"),
    pytest.param(
        Said("running", waits_for_person=True),
        [job(1, "w0", ended=False, s_1="PENDING")],
        ["the run waits for a person although everybody has answered", "job job-1 still runs"],
        id="job runs",
    ),
]


@pytest.mark.parametrize(("said", "jobs", "found"), BROKEN)
def test_a_broken_rule_is_found(said, jobs, found):
    assert [problem for problem in problems(said, *jobs) if problem in found] == found
    assert len(problems(said, *jobs)) == len(found)


def test_a_drill_instance_that_is_left_over_is_found():
    assert problems(GOOD, FIRST, SECOND, **{"i-2-s_3".replace("-", "_"): "x"}) == []  # another name: not ours
    found = state(FIRST, SECOND)
    found["accounts"]["1"]["us-west-2"]["ec2_instances"]["i-2-s_3"] = "running"

    assert judge(DRILL, GOOD, read_record(found, found)) == ["drill instance i-2-s_3 of s-3 is left over, running"]


def test_a_recovered_instance_that_was_destroyed_is_found():
    mine = [job(1, "w0", mode="recovery", s_1="LAUNCHED", s_2="LAUNCHED")]
    mine.append(job(2, "w1", mode="recovery", s_3="LAUNCHED"))
    found = state(*mine)
    found["accounts"]["1"]["us-west-2"]["ec2_instances"]["i-1-s_1"] = "terminated"

    assert judge(RECOVERY, Said("success", report("completed")), read_record(found, found)) == [
        "the live instance i-1-s_1 of s-1 was destroyed"
    ]


@pytest.mark.parametrize("what", ["configuration", "default version", "data"])
def test_a_drills_launch_setting_that_was_not_put_back_is_found(what):
    before = state(FIRST, SECOND)
    region = before["accounts"]["1"]["us-west-2"]
    region["servers"] = {"s-1": {"launchConfiguration": {"ec2LaunchTemplateID": "lt-1", "copyTags": False}}}
    region["launch_templates"] = {"lt-1": {"default_version": 1, "versions": [{"a": 1}, {"a": 1}]}}
    after = copy.deepcopy(before)
    changed = after["accounts"]["1"]["us-west-2"]
    match what:
        case "configuration":
            changed["servers"]["s-1"]["launchConfiguration"]["copyTags"] = True
        case "data":
            changed["launch_templates"]["lt-1"]["versions"][0] = {"a": 2}
        case _:
            changed["launch_templates"]["lt-1"] = {"default_version": 2, "versions": [{"a": 1}, {"a": 2}]}

    assert judge(DRILL, GOOD, read_record(before, before)) == []
    assert judge(DRILL, GOOD, read_record(after, before)) == ["the launch settings of s-1 were not put back"]


def test_a_job_of_nobody_is_found():
    found = state(FIRST, job(2, "w1", run="x" * 32, s_3="LAUNCHED"))

    assert strangers([DRILL], read_record(found, found)) == ["job-2 bears the tags of no run"]


@pytest.mark.parametrize("seed", range(0, 4000, 97))
def test_every_scenario_is_a_sound_plan_and_a_fleet_and_always_the_same(seed, tmp_path):
    one = scenario(seed)
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump_all(documents(one), sort_keys=False))

    library = read_paths([file], plans_folder=tmp_path)

    assert library.problems == ()
    assert one == scenario(seed)
    assert 2 <= len(one.servers) <= 200
    assert parsed(copy.deepcopy(fleet([one]))).accounts
    assert sum(question.act != "agree" for question in one.questions) <= 1
    assert one.rival is None or (one.rival.mode, one.rival.questions, one.rival.kills) == ("recovery", (), ())


def test_one_stack_is_given_no_more_than_it_can_hold():
    many = [scenario(seed) for seed in range(200)]

    cut = list(batches(many))

    assert [scenario for batch in cut for scenario in batch] == many
    assert all(len(batch) <= 60 and sum(len(scenario.servers) for scenario in batch) <= 1500 for batch in cut)


def test_a_failure_is_told_with_the_command_that_runs_it_again():
    from benchmarks.chaos.campaign import Judged

    judged = [
        Judged(DRILL, GOOD, 10, (), ()),
        Judged(replace(DRILL, seed=7), GOOD, 20, ("scheduler",), ("s-1 was lost",)),
    ]

    assert list(summary(judged, 3600)) == [
        "FAILED chaos-7: s-1 was lost",
        "  killed: scheduler; again: make chaos RUNS=1 SEED=7",
        "1 of 2 runs kept every rule (2 passed); 6 servers, 1 kills",
        "3600 s, 2 runs an hour",
    ]
