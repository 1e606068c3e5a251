"""What is said of servers before they are launched in their origin, and which instance is never stopped."""

import pytest
from drs_provider.rules.failback.circle import circles_of
from drs_provider.rules.failback.clean_up import listed_server, why_not_agreed, why_not_listed
from drs_provider.rules.failback.cut_over import (
    Original,
    cut_over_findings,
    original_of,
    why_not_overwritten,
    why_not_stopped,
)
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.launch.existing_instance import ExistingInstance
from drs_provider.rules.run.roster import RosterServer, Target
from kit.circles import (
    A1,
    A2,
    A4,
    B1,
    B3,
    EAST,
    JOB,
    OTHER,
    WEST,
    circle,
    facts,
    failback_server,
    instance,
    job,
    server,
)

READY = {"west_instances": (instance(state="CONTINUOUS"),), "east": (failback_server(),)}
BACK = instance(A4, A2)
FAILED_BACK = {**READY, "east_instances": (BACK,)}
TAG = "AWSDRS=AllowLaunchingIntoThisInstance"
ALLOWED = [{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}]
INTO = ExistingInstance(A1, "server")
WORDS = (
    f"DRS would launch it into the existing instance {A1} instead of a new one (its launch settings say so, "
    "launchIntoEC2InstanceID)"
)
CLEAR = "clear 'launch into instance' in the server's launch settings in DRS"


def described(state="stopped", tags=ALLOWED):
    return {"State": {"Name": state}, "Tags": tags}


def said(original=None, *, ec2=None, west_jobs=(), east_jobs=(), **given):
    recovery = facts(WEST, given.get("west") or (server(),), given.get("west_instances", ()), west_jobs)
    origin = facts(EAST, given.get("east", ()), given.get("east_instances", ()), east_jobs, ec2)
    found = circles_of([B1], recovery, {EAST: origin})[B1]
    member = RosterServer(B1, "db1", "db", critical=True, target=Target("aws_default", "us-west-2"), known=True)
    findings = cut_over_findings([member], {B1: state_of(found)}, {B1: found}, {B1: original} if original else {})
    return [(finding.severity, finding.what, finding.next_step) for finding in findings]


LEAVE = "correct this, or leave the server out"


@pytest.mark.parametrize(
    ("given", "findings"),
    [
        ({}, [("warning", "it was not recovered: production runs at its origin", "nothing is done about it")]),
        (
            {"west_instances": (instance(),)},
            [("refusal", "it is recovered, not ready: nothing can be launched there", LEAVE)],
        ),
        (
            {"west_instances": (instance(),), "east": (failback_server("INITIAL_SYNC"),)},
            [("refusal", "it is copying, not ready: nothing can be launched there", LEAVE)],
        ),
        (READY, []),
        (FAILED_BACK, []),
        (
            {**READY, "east_instances": (instance(A4, A2, is_drill=True),)},
            [("refusal", f"{A4} of a failback drill runs in the origin: terminate it first", LEAVE)],
        ),
        (
            {**READY, "east_jobs": (job(initiated_by="START_DRILL"),)},
            [
                ("warning", f"job {JOB} launches it for a drill", "look at it before you go on"),
                (
                    "refusal",
                    f"job {JOB} launches it for a failback drill: wait until that drill is cleaned up",
                    LEAVE,
                ),
            ],
        ),
        (
            {**READY, "west_jobs": (job(of=B1),)},
            [
                (
                    "refusal",
                    f"job {JOB} launches it in the recovery Region",
                    "wait for its end, then start this run again",
                )
            ],
        ),
        (
            {"west": (server(origin=None),), "west_instances": (instance(origin="ON_PREMISES"),)},
            [
                (
                    "refusal",
                    "it came from a data centre: its failback client is converted (StartFailbackLaunch)",
                    LEAVE,
                )
            ],
        ),
        (
            {"west": (server(origin=WEST),), "west_instances": (instance(),)},
            [
                (
                    "refusal",
                    (
                        "it was recovered in the Region that it came from, where nothing is launched back: recover it "
                        "again"
                    ),
                    LEAVE,
                )
            ],
        ),
    ],
)
def test_only_what_is_ready_or_further_on_goes_back(given, findings):
    assert said(**given) == findings


@pytest.mark.parametrize(
    ("original", "ec2", "findings"),
    [
        (Original(A1), {A1: "stopped"}, []),
        (Original(A1), {}, []),
        (
            Original(A1),
            {A1: "running"},
            [
                (
                    "refusal",
                    (f"its original instance {A1} is running in the origin, and DRS would launch a new one beside it"),
                    "stop it in EC2: what it holds is from before the recovery; or have DRS launch into it",
                )
            ],
        ),
        (
            Original(A1, INTO, described()),
            {},
            [
                (
                    "warning",
                    f"{A1}, which it came from, is overwritten by the launch",
                    "see that nobody needs what is on it",
                )
            ],
        ),
        (
            Original(A1, INTO, described("running")),
            {},
            [
                (
                    "warning",
                    f"{A1}, which it came from, is stopped first and then overwritten by the launch",
                    "see that nobody needs what is on it",
                )
            ],
        ),
        (Original(A1, INTO, described("terminated")), {}, [("refusal", f"{WORDS}, which is terminated", CLEAR)]),
        (Original(A1, INTO, None), {}, [("refusal", f"{WORDS}, which is unknown to EC2 there", CLEAR)]),
        (
            Original(B3, INTO, described()),
            {},
            [("refusal", f"{WORDS}, and it came from {B3}: what {A1} holds would be overwritten", CLEAR)],
        ),
        (
            Original(A1, ExistingInstance("", "account"), None),
            {},
            [
                (
                    "refusal",
                    (
                        "DRS would launch it into its source instance instead of a new one (the account's launch "
                        "configuration template says so, launchIntoSourceInstance), and does not say which that is"
                    ),
                    "switch launchIntoSourceInstance off in the account's default launch settings in DRS",
                )
            ],
        ),
        (
            Original(A1, INTO, described(tags=[])),
            {},
            [
                (
                    "refusal",
                    f"{A1} lacks the tag {TAG}, without which DRS does not launch into it",
                    "tag it, or have DRS launch a new instance",
                ),
                (
                    "warning",
                    f"{A1}, which it came from, is overwritten by the launch",
                    "see that nobody needs what is on it",
                ),
            ],
        ),
    ],
)
def test_what_is_there_in_the_origin_is_overwritten_knowingly_or_not_at_all(original, ec2, findings):
    assert said(original, ec2=ec2, **READY) == findings


def _stop(agreed=A1, original=None, **given):
    found = circle(**given)
    seen = original or original_of(found, INTO, {A1: described("running")})
    return why_not_stopped(state_of(found), found, seen, agreed)


def test_only_the_original_of_what_is_still_to_be_launched_is_stopped():
    assert _stop(**READY) == ""
    assert _stop(agreed=OTHER, **READY) == (
        f"DRS launches it into {A1} now, and people have agreed to the stop of {OTHER}"
    )
    assert _stop(original=Original(A1), **READY) == (
        f"DRS launches it into a new instance now, and people have agreed to the stop of {A1}"
    )
    assert _stop(original=Original(A4, INTO, described()), **READY) == (
        f"{A1} is not the instance that it came from, {A4}"
    )


@pytest.mark.parametrize(
    "given",
    [
        FAILED_BACK,
        {**READY, "east_instances": (instance(A1, A2),)},
        {**READY, "east_jobs": (job(),)},
        {**READY, "east_instances": (instance(A1, A2, is_drill=True),)},
        {"west_instances": (instance(),)},
        {},
    ],
    ids=["failed back", "failed back into it", "being launched", "a drill in it", "not reversed", "at home"],
)
def test_an_instance_that_may_be_production_is_never_stopped(given):
    assert _stop(**given).endswith(f"{A1} is not stopped any more")


def test_a_launch_goes_where_preflight_has_seen_it_go():
    assert why_not_overwritten(Original(A1), "") == ""
    assert why_not_overwritten(Original(A1, INTO, described()), A1) == ""
    assert why_not_overwritten(Original(A1, INTO, described()), "") == (
        f"DRS launches it into the existing instance {A1}, and preflight has found a new instance"
    )
    assert why_not_overwritten(Original(A1), A1) == f"DRS launches it as a new instance, and preflight has found {A1}"


HOME = {
    "west": (server(instance=A4),),
    "west_instances": (instance(state="CONTINUOUS"),),
    "east": (failback_server(),),
    "east_instances": (instance(A4, A2, "CONTINUOUS"),),
}


def _listed():
    found = circle(**HOME)
    assert state_of(found).stage is Stage.REPROTECTED
    listed = listed_server(state_of(found), found, hostname="db1")
    assert listed is not None
    return listed


def test_people_see_what_goes_and_what_stays():
    listed = _listed()

    assert (listed.recovered, listed.failback_server, listed.failed_back, listed.protected_by) == (B3, A2, A4, B1)
    assert (listed.account, listed.region) == WEST


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (HOME, ""),
        ({"west": (server(instance=A4),)}, ""),
        ({**HOME, "west_instances": ()}, ""),
        (
            {**HOME, "west_instances": (instance("i-0000000000000000e", state="CONTINUOUS"),)},
            f"its recovered instance is i-0000000000000000e now, and people have agreed to the end of {B3}",
        ),
        (
            {
                **HOME,
                "west": (server(instance="i-0000000000000000f"),),
                "east_instances": (instance("i-0000000000000000f", A2, "CONTINUOUS"),),
            },
            f"production runs on i-0000000000000000f now, and ran on {A4} then",
        ),
    ],
)
def test_only_what_people_have_seen_is_removed(given, why):
    found = circle(**given)

    assert why_not_agreed(_listed(), state_of(found), found) == why


@pytest.mark.parametrize("given", [READY, FAILED_BACK, {"west_instances": (instance(),)}])
def test_nothing_is_shown_for_removal_of_what_is_not_protected_again(given):
    found = circle(**given)

    assert why_not_listed(state_of(found)).endswith("and not protected again")
    assert listed_server(state_of(found), found, hostname="db1") is None
