"""Which servers a failback drill launches, and what is said of the others."""

from dataclasses import replace
from datetime import timedelta

import pytest
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.failback.drill_servers import (
    NOTHING_READY,
    DrillServers,
    drill_servers,
    in_waves,
    why_not_drilled,
)
from drs_provider.rules.failback.state import state_of
from drs_provider.rules.run.roster import RosterServer, Target
from kit.circles import A2, A4, B1, EAST, OTHER, WEST, circle, failback_server, instance, job, server

HERE, THERE = Target("aws_default", "us-west-2"), Target("aws_origin", "")
MEMBER = RosterServer(B1, "db1", "db", critical=True, target=HERE, known=True, order=3, settings={"copy_tags": True})
LEAVE_OUT = "correct this, or leave the server out (exclude_servers)"
NO_DRILL = "leave the server out (exclude_servers): there is no failback drill of it"


def found_for(**given):
    name = given.get("name", B1)
    its = circle(**given)
    member = RosterServer(name, "db1", "db", critical=True, target=HERE, known=True, order=3)
    return drill_servers([member], {name: state_of(its)}, {name: its}, {name: THERE})


READY = {"west_instances": (instance(),), "east": (failback_server(),)}


def test_what_is_ready_is_launched_under_the_id_of_its_failback_server():
    its = circle(**READY)
    found = drill_servers([MEMBER], {B1: state_of(its)}, {B1: its}, {B1: THERE})

    (launched,) = found.by_protected.values()
    assert (launched.server_id, launched.goes_back_for, launched.target) == (A2, B1, THERE)
    assert (launched.hostname, launched.order, launched.settings) == ("db1", 3, {"copy_tags": True})
    assert (found.findings, list(found.problems), found.places) == ((), [], {THERE: {EAST}})


def test_its_lag_is_that_of_the_copy_and_not_of_the_source_that_is_no_more():
    copied = failback_server()
    copied["dataReplicationInfo"]["lagDuration"] = "PT3S"
    its = circle(west_instances=(instance(),), east=(copied,))
    member = replace(MEMBER, lag=timedelta(hours=20))

    (launched,) = drill_servers([member], {B1: state_of(its)}, {B1: its}, {B1: THERE}).by_protected.values()

    assert launched.lag == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        ({}, ("warning", "it was not recovered: production runs at its origin", "nothing is done about it")),
        (
            {"name": "s-00000000000000009"},
            ("refusal", "DRS does not know it in this account and Region", "correct the plan"),
        ),
        (
            {"west_instances": (instance(),)},
            (
                "refusal",
                "it is recovered: a failback drill launches what is ready, and production is elsewhere",
                LEAVE_OUT,
            ),
        ),
        (
            {"west_instances": (instance(),), "east": (failback_server("INITIAL_SYNC"),)},
            (
                "refusal",
                "it is copying: a failback drill launches what is ready, and production is elsewhere",
                LEAVE_OUT,
            ),
        ),
        (
            {**READY, "east_instances": (instance(A4, A2),)},
            (
                "refusal",
                "it is failed_back: a failback drill launches what is ready, and production is elsewhere",
                LEAVE_OUT,
            ),
        ),
        (
            {**READY, "east_jobs": (job(),)},
            (
                "refusal",
                "it is launching: a failback drill launches what is ready, and production is elsewhere",
                LEAVE_OUT,
            ),
        ),
        (
            {"west": (server(origin=None),), "west_instances": (instance(origin="ON_PREMISES"),)},
            (
                "refusal",
                "it came from a data centre: nothing can be launched there, so its failback cannot be drilled",
                NO_DRILL,
            ),
        ),
        (
            {"west": (server(origin=WEST),), "west_instances": (instance(),)},
            (
                "refusal",
                "it was recovered in the Region that it came from, where nothing is launched back: recover it again",
                LEAVE_OUT,
            ),
        ),
    ],
)
def test_everything_else_is_not_launched_and_named(given, finding):
    found = found_for(**given)

    assert found.by_protected == {}
    assert [(each.severity, each.what, each.next_step) for each in found.findings] == [finding]
    assert list(found.problems) == ([NOTHING_READY] if finding[0] == "warning" else [])


def test_a_drill_that_runs_there_is_no_reason_by_itself():
    """Whose it is, is for the launch to find out: it adopts its own and refuses others'."""
    found = found_for(**READY, east_instances=(instance(A4, A2, is_drill=True),))

    assert list(found.by_protected) == [B1]


def test_an_origin_without_a_region_is_one_region():
    both = frozenset({EAST, ReplicationPlace("111122223333", "eu-west-1")})
    found = DrillServers({B1: MEMBER}, {THERE: both})

    assert list(found.problems) == [
        (
            "servers whose origin the plan leaves open come from eu-west-1 and us-east-1 (connection aws_origin): put "
            "those of each Region into a group of their own, and name its origin.region"
        )
    ]


@pytest.mark.parametrize(
    ("given", "back", "why"),
    [
        (READY, A2, None),
        ({**READY, "east_instances": (instance(A4, A2, is_drill=True),)}, A2, None),
        (READY, OTHER, f"preflight saw FAILBACK server {OTHER}, and {A2} replicates it now: start a new run"),
        (
            {**READY, "east_jobs": (job(),)},
            A2,
            "it is launching: a failback drill launches what is ready, and production is elsewhere",
        ),
        ({}, A2, "it is resting: a failback drill launches what is ready, and production is elsewhere"),
    ],
)
def test_right_before_a_launch_it_is_asked_again(given, back, why):
    its = circle(**given)

    assert why_not_drilled({B1: back}, {B1: state_of(its)}, {B1: its}) == ({B1: why} if why else {})


def test_every_wave_has_the_failback_servers_of_its_servers():
    other = RosterServer(OTHER, "web1", "web", critical=True, target=HERE, known=True)

    assert in_waves({"a": (MEMBER,), "b": (other,)}, {B1: MEMBER}) == {"a": (MEMBER,), "b": ()}
