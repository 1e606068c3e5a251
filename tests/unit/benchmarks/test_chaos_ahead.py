"""The judge of plans that launch ahead fails every rule when a record breaks it: starts count, and not jobs."""

from dataclasses import replace

import pytest
from kit.chaos_records import DRILL, A, B, job, report, state

from benchmarks.chaos.judge import judge
from benchmarks.chaos.record import PREPARED, Said, read_record
from benchmarks.chaos.scenarios import Pause, Server, Wave, scenario

AHEAD = replace(DRILL, ahead=True)
GOOD = Said("success", report())
AT = "2026-01-01T00:{}:00Z"


def prepared(number, wave, **servers):
    """A job that leaves everything stopped."""
    found = job(number, wave, **servers)
    for part in found["timeline"].values():
        part["landed"] = {"subnet_id": "subnet-1", "instance_type": "m5.large", "disposition": "STOPPED"}
    return found


def start(number, server, minute, *, ran=True):
    at = AT.format(f"{minute:02d}")
    return {"id": f"i-{number}-{server}", "server": server, "at": at, "ran": at if ran else None}


FIRST = prepared(1, "w0", s_1="TERMINATED", s_2="TERMINATED")
SECOND = prepared(1, "w1", s_3="TERMINATED") | {"jobID": "job-2"}
SECOND["timeline"]["s-3"]["instance"] = "i-2-s_3"
STARTS = (start(1, "s_1", 3), start(1, "s_2", 3), start(2, "s_3", 4))


def record_of(*starts, jobs=(FIRST, SECOND)):
    found = state(*jobs)
    (region,) = found["accounts"]["1"].values()
    region |= {"starts": list(starts), "subnets": {"prod": "subnet-1"}}
    return read_record(found, found)


def problems(*starts, said=GOOD, one=AHEAD, jobs=(FIRST, SECOND)):
    return judge(one, said, record_of(*starts, jobs=jobs))


def test_waves_that_are_launched_at_once_and_started_in_turn_keep_every_rule():
    assert problems(*STARTS) == []


def test_the_same_launches_of_a_plan_in_waves_are_out_of_turn():
    assert any("was launched" in problem for problem in problems(*STARTS, one=replace(AHEAD, ahead=False)))


def test_what_was_launched_stopped_and_never_started_is_not_launched():
    (launch, _) = record_of(STARTS[0], STARTS[2]).launches

    assert dict(launch.status) == {"s-1": "TERMINATED", "s-2": PREPARED}
    assert "the report says launched of s-2, the record PREPARED" in problems(STARTS[0], STARTS[2])


STAGED = replace(AHEAD, waves=(Wave("w0", (A, replace(B, order=2))), AHEAD.waves[1]))


@pytest.mark.parametrize(
    ("starts", "more", "found"),
    [
        (
            [*STARTS[:2], start(2, "s_3", 2)],
            {},
            "s-3 was started although its wave w1 had its turn 60.0 s later",
        ),
        (
            [*STARTS, start(1, "s_1", 5)],
            {},
            "s-1 was started 2 times",
        ),
        (
            [start(1, "s_1", 3), start(1, "s_2", 2), STARTS[2]],
            {"one": STAGED},
            "s-2 was started although s-1, which boots before it, was not ready",
        ),
        (
            STARTS,
            {"one": replace(AHEAD, waves=(AHEAD.waves[0], replace(AHEAD.waves[1], pause=Pause("refuse"))))},
            "s-3 was started although w1.pause was answered with no",
        ),
        (
            STARTS,
            {"one": replace(AHEAD, waves=(AHEAD.waves[0], replace(AHEAD.waves[1], delay=120)))},
            "s-3 was started although its wave w1 had its turn 60.0 s later",
        ),
    ],
    ids=[
        "before the wave before it",
        "while it runs",
        "out of the boot order",
        "against a person",
        "without its delay",
    ],
)
def test_a_broken_rule_is_found(starts, more, found):
    assert found in problems(*starts, **more)


def test_a_wave_that_is_started_after_one_before_it_has_failed_is_found():
    failed = prepared(1, "w0", s_1="FAILED", s_2="TERMINATED")
    said = Said("failed", report("failed", s_1="FAILED"))

    assert "s-3 was started although a wave before its wave w1 had failed" in problems(
        *STARTS[1:], said=said, jobs=(failed, SECOND)
    )


def test_an_instance_that_stops_by_itself_may_be_started_again():
    stops = replace(AHEAD, faults=({"do": "stops_by_itself", "servers": ["s-1"], "count": 1},))
    starts = (start(1, "s_1", 3), start(1, "s_1", 4), STARTS[1], start(2, "s_3", 5))

    assert problems(*starts, one=stops) == []
    assert problems(start(1, "s_1", 3, ran=False), *starts[1:]) == []


def test_plans_that_launch_ahead_are_drawn_in_drills_and_recoveries():
    drawn = [scenario(seed) for seed in range(120)]
    kinds = {each.mode for each in drawn if each.ahead}
    starts = {f["do"] for each in drawn for f in each.faults if each.ahead and f.get("operation") == "StartInstances"}

    assert kinds == {"drill", "recovery"}
    assert {"no_capacity", "commit_then_drop"} <= starts
    assert not any(f["do"] == "stops_by_itself" for each in drawn if not each.ahead for f in each.faults)
    assert isinstance(drawn[0].servers[0], Server)
