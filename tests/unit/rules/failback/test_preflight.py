"""What is said of servers before they are replicated to their origin."""

import pytest
from drs_provider.rules.failback.circle import circles_of
from drs_provider.rules.failback.preflight import is_at_home, reversal_findings, unread_refusals
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.run.roster import RosterServer, Target
from kit.circles import B1, B3, EAST, WEST, facts, failback_server, instance, server

HOME = "it was not recovered: production runs at its origin"
GO_ON = "the run goes on with the others; correct this, or leave the server out"


def said(*, west=(), west_instances=(), east=(), name=B1, ec2=None):
    recovery = facts(WEST, west or (server(),), west_instances, ec2=ec2)
    circle = circles_of([name], recovery, {EAST: facts(EAST, east)})[name]
    member = RosterServer(name, "db1", "db", critical=True, target=Target("aws_default", "us-west-2"), known=True)
    state = state_of(circle)
    found = reversal_findings([member], {name: state}, {name: circle})
    return is_at_home(state), [(finding.severity, finding.what, finding.next_step) for finding in found]


@pytest.mark.parametrize(
    ("given", "at_home", "findings"),
    [
        ({}, True, [("warning", HOME, "nothing is done about it")]),
        ({"west": (server(state="STOPPED"),)}, True, [("warning", HOME, "nothing is done about it")]),
        (
            {"name": "s-00000000000000009"},
            True,
            [("refusal", "DRS does not know it in this account and Region", "correct the plan")],
        ),
        ({"west_instances": (instance(),)}, False, []),
        ({"west_instances": (instance(),), "east": (failback_server("INITIAL_SYNC"),)}, False, []),
        ({"west_instances": (instance(),), "east": (failback_server(),)}, False, []),
        (
            {"west_instances": (instance(ec2="STOPPED"),)},
            False,
            [("warning", f"{B3} is STOPPED, and DRS reverses running ones: start it", GO_ON)],
        ),
        (
            {
                "west_instances": (instance(),),
                "east": (failback_server("STALLED", error="NOT_CONVERGING"),),
            },
            False,
            [
                (
                    "warning",
                    (
                        "its replication is STALLED: NOT_CONVERGING: data changes faster than it is sent: raise the "
                        "bandwidth or the type of the replication server, or write less for a while"
                    ),
                    GO_ON,
                )
            ],
        ),
        (
            {"west": (server(origin=None),), "west_instances": (instance(origin="ON_PREMISES"),)},
            False,
            [
                (
                    "warning",
                    "it waits for people",
                    (
                        "it came from a data centre, and DRS has no call for that: boot its machine from the DRS "
                        f"Failback Client ISO of us-west-2, and name recovery instance {B3} to it"
                    ),
                )
            ],
        ),
    ],
)
def test_only_a_server_that_nobody_knows_refuses_the_run(given, at_home, findings):
    assert said(**given) == (at_home, findings)


WHY = {"us-east-1 of account 111122223333": "no permission", "eu-west-1 of account 111122223333": "no such host"}


@pytest.mark.parametrize(
    ("left", "unreadable", "unread", "refusals"),
    [
        ({"a", "b"}, set(), {}, []),
        (set(), set(), {}, []),
        ({"a", "b"}, {"b"}, WHY, []),
        ({"a", "b"}, {"a", "b"}, WHY, [f"{origin}: {why}" for origin, why in WHY.items()]),
        ({"b"}, {"a", "b"}, WHY, [f"{origin}: {why}" for origin, why in WHY.items()]),
    ],
    ids=["all are read", "nobody is left", "one is read", "none is read", "who is read is at home"],
)
def test_an_origin_that_cannot_be_read_refuses_only_where_no_other_is(left, unreadable, unread, refusals):
    assert list(unread_refusals(left, unreadable, unread)) == refusals


def test_every_stage_is_at_home_or_on_its_way():
    assert [stage for stage in Stage if stage not in (Stage.UNKNOWN, Stage.RESTING, Stage.PROTECTED)] == [
        Stage.RECOVERED,
        Stage.REVERSING,
        Stage.COPYING,
        Stage.READY,
        Stage.LAUNCHING,
        Stage.FAILED_BACK,
        Stage.REPROTECTING,
        Stage.REPROTECTED,
        Stage.STUCK,
    ]
