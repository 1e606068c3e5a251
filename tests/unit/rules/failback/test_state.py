"""The table of states: what the cloud says in both Regions, and where the server stands then."""

import pytest
from drs_provider.rules.failback.circle import ReplicationPlace, circles_of, instances_to_ask
from drs_provider.rules.failback.state import Stage, state_of
from kit.circles import (
    A1,
    A2,
    A4,
    B1,
    B3,
    DRILL,
    EAST,
    JOB,
    OTHER,
    WEST,
    facts,
    failback_server,
    instance,
    job,
    server,
    where,
)

RUNS = {A4: "running", A1: "running"}
REVERSED = instance(A4, A2, "CONTINUOUS")
AGAIN = server(instance=A4)
ON_PREMISES = server(instance=None, origin=None)


def client(state, replication, **more):
    return instance(state=replication, failback=state, origin="ON_PREMISES", **more)


CIRCLE = [
    ("at rest", {}, Stage.RESTING),
    ("a lag keeps it from resting", {"west": [server(state="BACKLOG")]}, Stage.PROTECTED),
    ("so does a stall", {"west": [server(state="STALLED", error="AGENT_NOT_SEEN")]}, Stage.PROTECTED),
    ("so does a drill", {"west_instances": [instance(DRILL, is_drill=True)]}, Stage.PROTECTED),
    ("so does a record", {"west_instances": [instance(ec2="TERMINATED")]}, Stage.PROTECTED),
    ("recovered", {"west_instances": [instance()]}, Stage.RECOVERED),
    ("recovered, source lost", {"west": [server(state="STALLED")], "west_instances": [instance()]}, Stage.RECOVERED),
    ("what is not said to be a drill is real", {"west_instances": [instance(is_drill=None)]}, Stage.RECOVERED),
    ("reversed, not shown yet", {"west_instances": [instance(state="INITIATING")]}, Stage.REVERSING),
    ("reversed", {"west_instances": [instance()], "east": [failback_server("INITIATING")]}, Stage.REVERSING),
    ("copied", {"west_instances": [instance()], "east": [failback_server("INITIAL_SYNC")]}, Stage.COPYING),
    ("catching up", {"west_instances": [instance()], "east": [failback_server("BACKLOG")]}, Stage.COPYING),
    ("ready", {"west_instances": [instance()], "east": [failback_server()]}, Stage.READY),
    (
        "a drill's launch does not launch it",
        {"west_instances": [instance()], "east": [failback_server()], "east_jobs": [job(initiated_by="START_DRILL")]},
        Stage.READY,
    ),
    (
        "nor does a drill's instance",
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(DRILL, A2, is_drill=True)],
        },
        Stage.READY,
    ),
    (
        "launching",
        {"west_instances": [instance()], "east": [failback_server()], "east_jobs": [job()]},
        Stage.LAUNCHING,
    ),
    (
        "launching, with its instance there already",
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_jobs": [job(status="PENDING")],
            "east_instances": [instance(A4, A2, ec2="PENDING")],
        },
        Stage.LAUNCHING,
    ),
    (
        "a job that is over, or ends instances, launches nothing",
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_jobs": [job(status="COMPLETED"), job(kind="TERMINATE")],
        },
        Stage.READY,
    ),
    (
        "launched",
        {"west_instances": [instance()], "east": [failback_server()], "east_instances": [instance(A4, A2)]},
        Stage.FAILED_BACK,
    ),
    (
        "launched into its source, which its server still shows as up to date",
        {"west_instances": [instance()], "east": [failback_server()], "east_instances": [instance(A1, A2)]},
        Stage.FAILED_BACK,
    ),
    (
        "protected again, not shown yet",
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "INITIATING")],
        },
        Stage.REPROTECTING,
    ),
    (
        "a stall in the beginning is usual",
        {
            "west": [server(instance=A4, state="STALLED", error="AGENT_NOT_SEEN")],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "STALLED")],
        },
        Stage.REPROTECTING,
    ),
    (
        "rescanning",
        {
            "west": [server(instance=A4, state="RESCAN", rescanned=False)],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "RESCAN")],
        },
        Stage.REPROTECTING,
    ),
    (
        "up to date, but not rescanned to the end",
        {
            "west": [server(instance=A4, rescanned=False)],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [REVERSED],
            "ec2": RUNS,
        },
        Stage.REPROTECTING,
    ),
    (
        "up to date by the server's word, not by the instance's, where it was launched into its source",
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A1, A2, "STALLED")],
            "ec2": RUNS,
        },
        Stage.REPROTECTING,
    ),
    (
        "DRS cannot say whether it was reversed",
        {
            "west": [AGAIN],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "REPLICATION_STATE_NOT_AVAILABLE")],
            "ec2": RUNS,
        },
        Stage.REPROTECTING,
    ),
    (
        "protected again",
        {
            "west": [AGAIN],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [REVERSED],
            "ec2": RUNS,
        },
        Stage.REPROTECTED,
    ),
    (
        "protected again, by DRS's own word for its instance",
        {"west": [AGAIN], "west_instances": [instance()], "east": [failback_server()], "east_instances": [REVERSED]},
        Stage.REPROTECTED,
    ),
    (
        "protected again by another server",
        {
            "west": [server(state="STALLED"), server(OTHER, A4)],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [REVERSED],
            "ec2": RUNS,
        },
        Stage.REPROTECTED,
    ),
    (
        "the recovered instance has gone",
        {
            "west": [AGAIN],
            "west_instances": [instance(ec2="TERMINATED")],
            "east": [failback_server("STOPPED")],
            "east_instances": [REVERSED],
            "ec2": RUNS,
        },
        Stage.REPROTECTED,
    ),
    (
        "only the FAILBACK server is left",
        {
            "west": [AGAIN],
            "east": [failback_server("DISCONNECTED", reversedDirectionSourceServerArn=AGAIN["arn"])],
            "ec2": RUNS,
        },
        Stage.REPROTECTED,
    ),
    ("from a data centre, at rest", {"west": [ON_PREMISES]}, Stage.RESTING),
    ("recovered", {"west": [ON_PREMISES], "west_instances": [client(None, "NOT_STARTED")]}, Stage.RECOVERED),
    (
        "paired",
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_IN_PROGRESS", "INITIATING")]},
        Stage.REVERSING,
    ),
    (
        "rescanned",
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_IN_PROGRESS", "RESCAN")]},
        Stage.COPYING,
    ),
    (
        "healthy, not ready",
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_IN_PROGRESS", "CONTINUOUS")]},
        Stage.COPYING,
    ),
    (
        "ready",
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_READY_FOR_LAUNCH", "CONTINUOUS")]},
        Stage.READY,
    ),
    *(
        (
            f"converted while DRS says {state}",
            {
                "west": [ON_PREMISES],
                "west_instances": [client(state, "STOPPED")],
                "west_jobs": [job(B1, initiated_by="FAILBACK")],
            },
            Stage.LAUNCHING,
        )
        for state in ("FAILBACK_IN_PROGRESS", "FAILBACK_READY_FOR_LAUNCH")
    ),
    (
        "runs at home, its agent begins again",
        {
            "west": [server(instance=None, origin=None, state="RESCAN", rescanned=False)],
            "west_instances": [client("FAILBACK_COMPLETED", "STOPPED", to_original=True)],
        },
        Stage.REPROTECTING,
    ),
    (
        "runs at home, its agent does not run",
        {
            "west": [server(instance=None, origin=None, state="STALLED")],
            "west_instances": [client("FAILBACK_COMPLETED", "STOPPED", to_original=True)],
        },
        Stage.FAILED_BACK,
    ),
    *(
        (
            f"runs on another machine, as DRS {word}, while the agent of the old one {state}",
            {
                "west": [server(instance=None, origin=None, state=state)],
                "west_instances": [client("FAILBACK_COMPLETED", "STOPPED", to_original=to_original)],
            },
            Stage.FAILED_BACK,
        )
        for word, to_original in (("says", False), ("does not deny", None))
        for state in ("RESCAN", "CONTINUOUS", "STALLED")
    ),
    (
        "protected again",
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_COMPLETED", "STOPPED", to_original=True)]},
        Stage.REPROTECTED,
    ),
]


@pytest.mark.parametrize(("given", "stage"), [row[1:] for row in CIRCLE], ids=[row[0] for row in CIRCLE])
def test_the_table(given, stage):
    found = where(**given)

    assert (found.stage, found.why, found.stuck_at) == (stage, "", None)


STUCK = [
    (
        {"west": [server(direction="FAILBACK")]},
        None,
        "this is a FAILBACK server: name the server that protects its source in the recovery Region",
        False,
    ),
    (
        {"west_instances": [instance(), instance(A4)]},
        None,
        f"2 recovered instances run ({B3}, {A4}), and nobody can tell which is right: remove the others by hand",
        False,
    ),
    (
        {"west_instances": [instance()], "east": [failback_server(), failback_server(name=OTHER)]},
        None,
        (
            f"2 FAILBACK servers replicate it ({A2}, {OTHER}), and nobody can tell which is right: remove the others "
            "by hand"
        ),
        False,
    ),
    (
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2), instance(A1, A2)],
        },
        None,
        f"2 instances run in the origin ({A4}, {A1}), and nobody can tell which is right: remove the others by hand",
        False,
    ),
    (
        {"west_instances": [instance(DRILL, is_drill=True)], "east": [failback_server(instance=DRILL)]},
        None,
        (
            f"FAILBACK server {A2} replicates {DRILL}, an instance of a drill, that must never become production: stop "
            "its replication and delete it"
        ),
        False,
    ),
    (
        {"west": [server(), server(OTHER)]},
        None,
        (
            f"{OTHER} replicates the same machine: somebody has installed the agent again instead of reversing the "
            "replication. Disconnect and delete the server that is not up to date"
        ),
        False,
    ),
    (
        {"west": [server(origin=None)], "west_instances": [instance()]},
        None,
        "DRS does not say from which Region it came: reverse it in DRS's console",
        False,
    ),
    (
        {"west": [server(state="STOPPED")]},
        Stage.PROTECTED,
        "its replication is STOPPED, so nothing protects it: start it again",
        False,
    ),
    (
        {"west": [server(state="DISCONNECTED")]},
        Stage.PROTECTED,
        "its replication is DISCONNECTED, so nothing protects it: install the agent again",
        False,
    ),
    (
        {"west_instances": [instance(state="DISCONNECTED")]},
        Stage.RECOVERED,
        "its recovered instance was disconnected from DRS, and cannot be reversed: install the agent on it",
        False,
    ),
    (
        {"west_instances": [instance(state="STOPPED")]},
        Stage.RECOVERED,
        "its recovered instance was replicated back, and that was stopped: look for its FAILBACK server",
        False,
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("STALLED", error="NOT_CONVERGING")]},
        Stage.COPYING,
        (
            "its replication is STALLED: NOT_CONVERGING: data changes faster than it is sent: raise the bandwidth or "
            "the type of the replication server, or write less for a while"
        ),
        True,
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("PAUSED")]},
        Stage.COPYING,
        "its replication is PAUSED",
        True,
    ),
    (
        {
            "west_instances": [instance()],
            "east": [failback_server("INITIATING", failed_step="CREATE_SECURITY_GROUP")],
        },
        Stage.REVERSING,
        (
            "its replication is INITIATING: FAILED_TO_CREATE_SECURITY_GROUP: the staging area's security group could "
            "not be made: check the staging subnet and the replication settings template of the Region that is "
            "replicated to: what an earlier set-up has left there is used again"
        ),
        True,
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("STOPPED")]},
        Stage.COPYING,
        (
            f"FAILBACK server {A2} is STOPPED, its recovery points are deleted, and no instance was launched from it: "
            "start its replication, which copies everything again"
        ),
        False,
    ),
    (
        {"west_instances": [instance()], "east": [failback_server("DISCONNECTED")]},
        Stage.COPYING,
        (
            f"FAILBACK server {A2} is DISCONNECTED, its recovery points are deleted, and no instance was launched from "
            "it: delete it, and reverse again"
        ),
        False,
    ),
    (
        {
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "STOPPED")],
        },
        Stage.REPROTECTING,
        f"the replication of failed-back instance {A4} is STOPPED: start it again, or reverse it again",
        False,
    ),
    (
        {
            "west": [server(instance=A4, state="STALLED", error="FAILED_TO_START_DATA_TRANSFER")],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [instance(A4, A2, "STALLED")],
        },
        Stage.REPROTECTING,
        (
            "its replication is STALLED: FAILED_TO_START_DATA_TRANSFER: the transfer of data does not start: open TCP "
            "1500 from the instance to the staging subnet"
        ),
        True,
    ),
    (
        {
            "west": [AGAIN],
            "west_instances": [instance()],
            "east": [failback_server()],
            "east_instances": [REVERSED],
            "ec2": {A4: "stopped"},
        },
        Stage.REPROTECTING,
        f"{A4}, which production should run on in the origin, is stopped: start it before anything is removed",
        False,
    ),
    (
        {
            "west": [AGAIN],
            "east": [failback_server("STOPPED", reversedDirectionSourceServerArn=AGAIN["arn"])],
        },
        Stage.REPROTECTING,
        f"{A4}, which production should run on in the origin, is unknown: start it before anything is removed",
        False,
    ),
    (
        {"west": [ON_PREMISES], "west_instances": [client("FAILBACK_ERROR", "STALLED", error="UNSTABLE_NETWORK")]},
        Stage.COPYING,
        (
            "DRS says FAILBACK_ERROR, UNSTABLE_NETWORK: the connection keeps breaking: check the network between the "
            "instance and the staging area. Stop the failback, and boot the failback client again"
        ),
        False,
    ),
    (
        {
            "west": [ON_PREMISES],
            "west_instances": [client("FAILBACK_IN_PROGRESS", "STALLED", error="FAILBACK_CLIENT_NOT_SEEN")],
        },
        Stage.COPYING,
        (
            "its replication is STALLED: FAILBACK_CLIENT_NOT_SEEN: DRS has no contact with the failback client: it "
            "runs in the foreground: boot the machine from the failback client again, in a session that stays open"
        ),
        True,
    ),
    (
        {"west": [ON_PREMISES], "west_instances": [client(None, "DISCONNECTED")]},
        Stage.RECOVERED,
        "its recovered instance was disconnected from DRS, and no failback client can reach it: recover it again",
        False,
    ),
]


@pytest.mark.parametrize(("given", "at", "why", "passes"), STUCK)
def test_what_is_stuck_says_why_and_what_to_do(given, at, why, passes):
    found = where(**given)

    assert (found.stage, found.stuck_at, found.why, found.passes) == (Stage.STUCK, at, why, passes)


def test_a_server_that_drs_does_not_know_is_unknown():
    assert where(name=OTHER).stage is Stage.UNKNOWN


def test_an_origin_that_was_not_looked_at_is_no_empty_one():
    recovery = facts(WEST, [server(origin=ReplicationPlace("444455556666", "eu-west-1"))])
    found = state_of(circles_of([B1], recovery, {EAST: facts(EAST)})[B1])

    assert (found.stage, found.why) == (
        Stage.STUCK,
        "its origin, eu-west-1 of account 444455556666, could not be looked at: check the connection of the origin",
    )


@pytest.mark.parametrize(
    ("replicated", "state", "stage"),
    [
        (A1, "CONTINUOUS", Stage.RECOVERED),
        (B3, "STALLED", Stage.REPROTECTING),
        (B3, "CONTINUOUS", Stage.REPROTECTED),
    ],
)
def test_in_one_region_the_server_itself_protects_the_recovered_instance(replicated, state, stage):
    facts_of_both = facts(WEST, [server(instance=replicated, state=state, origin=WEST)], [instance()])

    assert state_of(circles_of([B1], facts_of_both, {})[B1]).stage is stage


def test_ec2_knows_before_drs_that_an_instance_is_gone_and_drs_before_ec2_that_it_is_there():
    given = {"west_instances": [instance()], "east": [failback_server()], "east_instances": [instance(A4, A2)]}

    assert where(**given, ec2={A4: "terminated"}).stage is Stage.READY
    assert where(**given, ec2={}).stage is Stage.FAILED_BACK


def test_ec2_is_asked_for_what_drs_lists_and_for_what_servers_elsewhere_replicate():
    both = [
        facts(WEST, [server(instance=A4), server(OTHER, "i-0000000000000000f", origin=None)], [instance()]),
        facts(EAST, [failback_server()], [instance(A1, A2)]),
    ]

    assert (instances_to_ask(EAST, both), instances_to_ask(WEST, both)) == ((A1, A4), (B3,))


def test_a_state_names_all_that_belongs_to_the_server():
    found = where(
        west=[AGAIN],
        west_instances=[instance(), instance(DRILL, is_drill=True), instance(A1, ec2="NOT_FOUND")],
        east=[failback_server(lastLaunchResult="FAILED")],
        east_instances=[REVERSED, instance("i-0000000000000000e", A2, is_drill=True)],
        ec2=RUNS,
    )

    assert (found.recovered, found.failback_server, found.failed_back, found.protected_by) == (B3, A2, A4, B1)
    assert found.failback_drills == ("i-0000000000000000e",)
    assert found.leftovers == (B3, DRILL, A1, A2, A4, "i-0000000000000000e")
    assert found.notes == (
        f"{DRILL} of a drill runs in the recovery Region",
        "i-0000000000000000e of a failback drill runs in the origin",
        f"DRS still lists {A1}, which is gone",
        f"the last launch of {A2} failed",
    )


def test_notes_tell_of_a_launch_without_an_instance_and_of_a_drills_job():
    found = where(
        west_instances=[instance()],
        east=[failback_server(lastLaunchResult="SUCCEEDED")],
        east_jobs=[job(initiated_by="START_DRILL")],
    )

    assert (found.stage, found.notes) == (
        Stage.READY,
        (f"{A2} was launched, but DRS shows no instance of it", f"job {JOB} launches it for a drill"),
    )


def test_a_copy_tells_its_bytes():
    found = where(west_instances=[instance()], east=[failback_server("INITIAL_SYNC", copied=40)])

    assert (found.copy.done_bytes, found.copy.total_bytes, found.copy.share) == (40, 100, 0.4)
