"""The judge of failbacks and their drills finds every rule broken in doctored records, and nothing in good ones."""

from dataclasses import replace

import pytest

from benchmarks.kill_sweep.way_back import Back, BackRecord, Facts, Moment, ServerThere, back_problems

WEST, EAST = "us-west-2", "us-east-1"
ONE, TWO, STRANGER = "s-1", "s-2", "s-9"
BOTH = frozenset({ONE, TWO})
SETTINGS = "m6i.large"


def there(direction, instance, state="CONTINUOUS"):
    return ServerThere(direction, state, instance, SETTINGS)


SERVERS = {
    (WEST, ONE): there("FAILOVER", "i-a1", "STALLED"),
    (WEST, TWO): there("FAILOVER", "i-a2", "STALLED"),
    (WEST, STRANGER): there("FAILOVER", "i-a9", "STALLED"),
    (EAST, "s-b1"): there("FAILBACK", "i-b1"),
    (EAST, "s-b2"): there("FAILBACK", "i-b2"),
    (EAST, "s-b9"): there("FAILBACK", "i-b9"),
}
INSTANCES = {
    **{(WEST, name): "RUNNING" for name in ("i-b1", "i-b2", "i-b9")},
    **{(EAST, name): "STOPPED" for name in ("i-a2", "i-a9")},
    (EAST, "i-a1"): "RUNNING",
}
RECORDS = {(WEST, "i-b1"): (ONE, False), (WEST, "i-b2"): (TWO, False), (WEST, "i-b9"): (STRANGER, False)}
BEFORE = Facts(SERVERS, INSTANCES, RECORDS, {(EAST, "Vpcs"): 2})
STOPPED = replace(BEFORE, instances={**INSTANCES, (EAST, "i-a1"): "STOPPED"})
LAUNCHED = replace(
    BEFORE,
    instances={**INSTANCES, (EAST, "i-c2"): "RUNNING"},
    records={**RECORDS, (EAST, "i-a1"): ("s-b1", False), (EAST, "i-c2"): ("s-b2", False)},
)
PROTECTED = replace(
    LAUNCHED,
    servers={**SERVERS, (WEST, ONE): there("FAILOVER", "i-a1"), (WEST, TWO): there("FAILOVER", "i-c2")},
)
AFTER = replace(
    PROTECTED,
    servers={place: each for place, each in PROTECTED.servers.items() if place[1] not in ("s-b1", "s-b2")},
    instances={**PROTECTED.instances, (WEST, "i-b1"): "TERMINATED", (WEST, "i-b2"): "TERMINATED"},
    records={(WEST, "i-b9"): (STRANGER, False)},
)


def start(*servers, facts=STOPPED, is_drill=False, region=EAST):
    point = {} if is_drill else {"recoverySnapshotID": "pit-1"}
    wanted = {"isDrill": is_drill, "sourceServers": [{"sourceServerID": name, **point} for name in servers]}
    return Moment("StartRecovery", region, wanted, facts)


STOP = Moment("StopInstances", EAST, {"InstanceIds": ["i-a1"]}, BEFORE)
ENDS = (
    Moment("StopReplication", EAST, {"sourceServerID": "s-b1"}, PROTECTED),
    Moment(
        "ModifyInstanceAttribute", WEST, {"InstanceId": "i-b1", "DisableApiTermination": {"Value": False}}, PROTECTED
    ),
    Moment("TerminateRecoveryInstances", WEST, {"recoveryInstanceIDs": ["i-b1"]}, PROTECTED),
    Moment("DeleteRecoveryInstance", EAST, {"recoveryInstanceID": "i-a1"}, PROTECTED),
    Moment("DisconnectSourceServer", EAST, {"sourceServerID": "s-b2"}, PROTECTED),
    Moment("DeleteSourceServer", EAST, {"sourceServerID": "s-b2"}, PROTECTED),
)
REVERSED = Moment("ReverseReplication", EAST, {"recoveryInstanceID": "i-c2"}, LAUNCHED)


def job(*servers, by="START_RECOVERY", run="1"):
    return {
        "jobID": "drsjob-1",
        "type": "LAUNCH",
        "initiatedBy": by,
        "tags": {"drs-orchestrator:run": run},
        "participatingServers": [{"sourceServerID": name} for name in servers],
    }


FAILBACK = Back(BOTH, into=frozenset({ONE}))
DRILL = Back(BOTH, is_drill=True)
RIGHT = BackRecord(
    here=WEST,
    origin=EAST,
    strangers=frozenset({STRANGER}),
    before=BEFORE,
    moments=(STOP, start("s-b1", "s-b2"), REVERSED, *ENDS),
    after=AFTER,
    jobs=(job("s-b1", "s-b2"),),
    protected={"i-a1": True, "i-c2": True},
)
DRILLED = replace(
    RIGHT,
    moments=(start("s-b1", "s-b2", is_drill=True, facts=BEFORE),),
    after=BEFORE,
    jobs=(job("s-b1", "s-b2", by="START_DRILL"),),
)


def with_moment(record, *moments):
    return replace(record, moments=(*record.moments, *moments))


def test_what_kept_every_rule_has_no_problem():
    assert list(back_problems(FAILBACK, RIGHT)) == []
    assert list(back_problems(DRILL, DRILLED)) == []


UNPROTECTED = "s-1 is not protected again: ServerThere(direction='FAILOVER', replication='STALLED', "


@pytest.mark.parametrize(
    ("expected", "record", "found"),
    [
        (FAILBACK, replace(RIGHT, jobs=(*RIGHT.jobs, job("s-b2"))), "s-2 was launched 2 times in the origin"),
        (FAILBACK, replace(RIGHT, jobs=(job("s-b1"),)), "launched in the origin were ['s-1'], expected ['s-1', 's-2']"),
        (FAILBACK, replace(RIGHT, jobs=(job("s-b1", "s-b2", by="START_DRILL"),)), "job drsjob-1 was START_DRILL"),
        (
            FAILBACK,
            with_moment(RIGHT, start("s-b1", facts=BEFORE)),
            "StartRecovery in us-east-1: i-a1 of s-1 is overwritten and RUNNING",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, start("s-b2", facts=LAUNCHED)),
            "StartRecovery in us-east-1: s-2 runs in the origin already: i-c2",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, start("s-1", region=WEST)),
            "StartRecovery in us-west-2: nothing is launched in the recovery Region",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, start("s-b1", is_drill=True)),
            "StartRecovery in us-east-1: s-1 is launched from no recovery point that the last sync has proven",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(STOP, facts=LAUNCHED)),
            "StopInstances in us-east-1: i-a1 is production by then",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(STOP, request={"InstanceIds": ["i-a2"]})),
            "StopInstances in us-east-1: i-a2 is no original instance that is launched into",
        ),
        *(
            (
                FAILBACK,
                with_moment(RIGHT, replace(ENDS[number], facts=LAUNCHED)),
                f"{name}: {what} is ended and {UNPROTECTED}",
            )
            for number, name, what in (
                (0, "StopReplication in us-east-1", "s-b1"),
                (1, "ModifyInstanceAttribute in us-west-2", "i-b1"),
                (2, "TerminateRecoveryInstances in us-west-2", "i-b1"),
                (3, "DeleteRecoveryInstance in us-east-1", "i-a1"),
            )
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(ENDS[0], request={"sourceServerID": "s-b9"})),
            "StopReplication in us-east-1: s-b9 is of s-9",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(ENDS[2], request={"recoveryInstanceIDs": ["i-b9"]})),
            "TerminateRecoveryInstances in us-west-2: i-b9 is of s-9",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(ENDS[2], region=EAST, request={"recoveryInstanceIDs": ["i-a1"]})),
            "TerminateRecoveryInstances in us-east-1: i-a1 was not recovered here",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, Moment("TerminateInstances", EAST, {"InstanceIds": ["i-a2"]}, PROTECTED)),
            "TerminateInstances in us-east-1: it is never called, and was for {'InstanceIds': ['i-a2']}",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(REVERSED, region=WEST, request={"recoveryInstanceID": "i-b9"})),
            "ReverseReplication was asked for i-b9 in us-west-2",
        ),
        (
            FAILBACK,
            with_moment(RIGHT, replace(STOP, facts=replace(BEFORE, instances={(EAST, "i-a9"): "STOPPED"}))),
            "before StopInstances in us-east-1: no copy of s-2 runs",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, instances={**AFTER.instances, (WEST, "i-b9"): "TERMINATED"})),
            "in the end: the stranger s-9 has ",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, records={**AFTER.records, (EAST, "i-c2"): ("s-b2", False)})),
            "recovery instance i-c2 of s-b2 is left in us-east-1",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, servers={**AFTER.servers, (EAST, "s-b1"): SERVERS[EAST, "s-b1"]})),
            "FAILBACK server s-b1 is left, CONTINUOUS",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, servers={**AFTER.servers, (WEST, ONE): SERVERS[WEST, ONE]})),
            "s-1 is STALLED",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, instances={**AFTER.instances, (WEST, "i-b1"): "RUNNING"})),
            "i-b1 of s-1 still runs in the recovery Region",
        ),
        (
            FAILBACK,
            replace(RIGHT, after=replace(AFTER, instances={**AFTER.instances, (EAST, "i-c2"): "STOPPED"})),
            "i-c2, production of s-2, is STOPPED",
        ),
        (
            replace(FAILBACK, into=BOTH),
            RIGHT,
            "production of s-2 runs on i-c2, it came from i-a2",
        ),
        (FAILBACK, replace(RIGHT, protected={"i-a1": True}), "i-c2, production of s-2, has no termination protection"),
        (DRILL, replace(DRILLED, moments=ENDS[:1]), "StopReplication in us-east-1: s-b1 is of s-1"),
        (DRILL, with_moment(DRILLED, REVERSED), "a drill has reversed something"),
        (
            DRILL,
            with_moment(DRILLED, replace(ENDS[2], facts=BEFORE)),
            "TerminateRecoveryInstances in us-west-2: i-b1 is no instance of the drill",
        ),
        (
            DRILL,
            replace(DRILLED, after=replace(BEFORE, counts={(EAST, "Vpcs"): 3})),
            "number of ('us-east-1', 'Vpcs'): 2 before, 3 after",
        ),
        (
            DRILL,
            replace(DRILLED, after=STOPPED),
            "instance ('us-east-1', 'i-a1'): RUNNING before, STOPPED after",
        ),
        (
            DRILL,
            replace(DRILLED, after=replace(BEFORE, instances={**INSTANCES, (WEST, "i-b1"): "STOPPED"})),
            "in the end: production of s-1 does not run",
        ),
    ],
)
def test_every_rule_that_is_broken_is_found(expected, record, found):
    problems = list(back_problems(expected, record))
    assert any(problem.startswith(found) for problem in problems), problems


def test_two_drills_of_two_airflows_are_no_second_launch():
    jobs = (job("s-b1", "s-b2", by="START_DRILL"), job("s-b1", "s-b2", by="START_DRILL", run="2"))
    assert list(back_problems(DRILL, replace(DRILLED, jobs=jobs))) == []
    twice = replace(DRILLED, jobs=(jobs[0], jobs[0]))
    assert "s-1 was launched 2 times in the origin" in list(back_problems(DRILL, twice))
