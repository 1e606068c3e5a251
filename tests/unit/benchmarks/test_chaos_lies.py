"""Lies of the cloud, in doctored records: what a run must know, what it may call unknown, and what it may leave."""

import copy
from dataclasses import replace

import pytest
from drs_simulator.faults.engine import faults_of
from kit.chaos_records import DRILL, FIRST, RECOVERY, SECOND, job, report, state

from benchmarks.chaos.judge import judge
from benchmarks.chaos.lies import HIDES, LIES
from benchmarks.chaos.record import Said, read_record
from benchmarks.chaos.scenarios import scenario

ENDED = ({"do": "terminated_behind_drs"},)
HIDDEN = ({"do": "not_shown"},)
GONE = "i-2-s_3"


def problems(one, said, *jobs, deeds=(), looks=("08:00",), deleted=(), **ec2):
    found = state(*jobs, *deleted)
    region = found["accounts"]["1"]["us-west-2"]
    region["jobs"] = {job["jobID"]: job for job in jobs}
    region["deleted_jobs"] = {job["jobID"]: job for job in deleted}
    region["behind_drs"] = [{"at": f"2026-01-01T00:{at}Z", **deed} for at, deed in deeds]
    region["ec2_instances"] |= {name.replace("__", "-"): value for name, value in ec2.items()}
    calls = [
        {
            "operation": "DescribeRecoveryInstances",
            "status": 200,
            "committed": True,
            "at": 1767225600 + int(minutes) * 60 + int(seconds),
            "request": {"filters": {"sourceServerIDs": ["s-1", "s-2", "s-3"]}},
        }
        for minutes, seconds in (look.split(":") for look in looks)
    ]
    return judge(one, said, read_record(found, found, calls=calls))


def ended(at="04:00"):
    return (at, {"what": "terminated", "id": GONE, "servers": ["s-3"]})


def recovery(*jobs):
    return [{**job, "initiatedBy": "START_RECOVERY"} for job in jobs]


LAUNCHED = recovery(FIRST, SECOND)
LOST = Said("failed", report("failed", s_3="FAILED"))
LOST.report["waves"][0]["servers"][2]["reason"] = "its instance is gone"


def test_a_recovery_that_says_what_it_has_lost_keeps_every_rule():
    one = replace(RECOVERY, lies=ENDED)
    assert problems(one, LOST, *LAUNCHED, deeds=[ended()], **{GONE: "terminated"}) == []


def test_a_recovery_that_does_not_say_it_is_found():
    one = replace(RECOVERY, lies=ENDED)
    said = Said("success", report("completed"))

    assert problems(one, said, *LAUNCHED, deeds=[ended()], **{GONE: "terminated"}) == [
        f"the report says completed, and {GONE} of s-3 had been ended",
        f"the report does not say that {GONE} of s-3 had been ended",
        "the report says completed where the record says failed: because",
    ]


@pytest.mark.parametrize("looks", [(), ("03:00",), ("04:01",), ("09:01",)])
def test_nobody_must_know_what_happened_after_the_last_look(looks):
    one = replace(RECOVERY, lies=ENDED)
    said = Said("success", report("completed"))

    assert problems(one, said, *LAUNCHED, deeds=[ended()], looks=looks, **{GONE: "terminated"}) == []


def test_a_drill_whose_instance_was_ended_has_not_passed_and_names_it():
    one = replace(DRILL, lies=ENDED)
    good = Said("success", report("passed"))
    told = Said("success", {**report("completed_with_exceptions"), "verdict_reason": f"{GONE} was gone"})

    assert problems(one, told, FIRST, SECOND, deeds=[ended()]) == []
    assert problems(one, good, FIRST, SECOND, deeds=[ended()]) == [
        f"the report says passed, and {GONE} of s-3 had been ended",
        f"the report does not say that {GONE} of s-3 had been ended",
        "the report says passed where the record says completed_with_exceptions or failed: because",
    ]


def test_launched_is_not_said_of_nothing():
    nothing = [("02:30", {"what": "launched_nothing", "id": "job-2", "servers": ["s-3"]})]
    one = replace(RECOVERY, lies=({"do": "launches_nothing"},))
    jobs = copy.deepcopy(LAUNCHED)
    jobs[1]["timeline"]["s-3"]["instance"] = None

    assert problems(one, LOST, *jobs, deeds=nothing) == []
    assert problems(one, Said("success", report("completed")), *jobs, deeds=nothing) == [
        "the report says completed where the record says failed: because",
        "the report says launched of s-3, the record NOTHING",
    ]


def test_what_was_lost_may_be_launched_again_and_what_was_not_may_not():
    again = {**job(4, "w1", "2", s_3="LAUNCHED"), "initiatedBy": "START_RECOVERY"}
    one, said = replace(RECOVERY, lies=ENDED), Said("success", report("completed"))

    assert problems(one, said, *LAUNCHED, again, deeds=[ended()], **{GONE: "terminated"}) == []
    assert problems(one, said, *LAUNCHED, again, deeds=[ended("06:00")], **{GONE: "terminated"}) == [
        "s-3 was launched again although it had not failed: job-2, job-4"
    ]


def test_a_job_that_was_deleted_counts_as_before():
    assert problems(replace(RECOVERY, lies=({"do": "deleted_job"},)), Said("success", report("completed")),
                    LAUNCHED[0], deleted=LAUNCHED[1:]) == []  # fmt: skip


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("UNKNOWN", []),
        ("FAILED", ["the report says failed of s-3, the record LAUNCHED"]),
    ],
)
def test_what_cannot_be_seen_is_called_unknown_and_not_failed(status, found):
    said = Said("failed", report("failed", s_3=status))

    assert problems(replace(RECOVERY, lies=HIDDEN), said, *LAUNCHED) == found


@pytest.mark.parametrize(
    ("verdict", "named", "found"),
    [
        ("failed", True, []),
        ("completed_with_exceptions", True, [f"drill instance {GONE} of s-3 is left over, running"]),
        (
            "failed",
            False,
            [
                f"drill instance {GONE} of s-3 is left over, running",
                f"{GONE} of s-3 is running, and the report does not name it",
            ],
        ),
    ],
)
def test_a_drill_may_leave_what_it_cannot_be_sure_of_with_its_name_and_a_bad_verdict(verdict, named, found):
    written = report(verdict, s_3="UNKNOWN")
    written["timeline"] = [GONE] if named else []
    said = Said("success" if verdict != "failed" else "failed", written)

    assert problems(replace(DRILL, lies=HIDDEN), said, FIRST, SECOND, **{GONE: "running"}) == found


def test_the_lies_of_a_seed_are_faults_strike_its_servers_alone_and_come_all():
    told = [lie for seed in range(400) for lie in scenario(seed).lies]
    runs = sum(bool(scenario(seed).lies) for seed in range(400))

    assert faults_of([dict(lie) for lie in told], "lies")
    assert len({lie["do"] for lie in told}) == len(set(LIES))
    assert {lie["do"] for lie in told} >= HIDES
    assert 80 < runs < 200
    for seed in range(400):
        one = scenario(seed)
        assert not (one.lies and one.rival)
        mine = {server.id for server in one.servers}
        for lie in one.lies:
            if lie["do"] != "stale_reads":
                assert all(name in mine or name == f"s-{seed:09d}*" for name in lie["servers"])
