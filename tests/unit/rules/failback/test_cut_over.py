"""What is said of servers before they are launched in their origin, and which instance is never stopped."""

import pytest
from drs_provider.dag.failback.cut_over.question_text import _into
from drs_provider.rules.failback.circle import circles_of
from drs_provider.rules.failback.clean_up import listed_server, why_not_agreed, why_not_listed
from drs_provider.rules.failback.cut_over import (
    Original,
    cut_over_findings,
    drill_settings_of,
    launched_before,
    original_of,
    still_there,
    why_not_overwritten,
    why_not_quiet,
    why_not_stopped,
)
from drs_provider.rules.failback.next_step import next_reprotection
from drs_provider.rules.failback.removal import next_removal
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.launch.existing_instance import ExistingInstance
from drs_provider.rules.run.handover import BackLaunches, Launch, LaunchedJob, ServerBack
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


LOST = f"it is taken for production, and what {B3} has written since is lost"
OR_GO_ON = "terminate it in DRS if production does not run there, or go on"
REMEMBERS = failback_server(
    lifeCycle={"lastLaunch": {"initiated": {"jobID": JOB, "apiCallDateTime": "2026-11-28T03:00:00+00:00"}}}
)
IN_DOUBT = (
    f"{A4} in the origin was launched by {JOB}, the job of a drill, and DRS does not call it a drill's: terminate it "
    "in DRS if production does not run on it"
)
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
        (FAILED_BACK, [("warning", f"{A4} runs in the origin already: {LOST}", OR_GO_ON)]),
        (
            {**READY, "east_instances": (instance(A4, A2, job_id=JOB),), "east": (REMEMBERS,)},
            [
                (
                    "warning",
                    f"{A4} runs in the origin already, launched by job {JOB} at 2026-11-28 03:00:00 UTC: {LOST}",
                    OR_GO_ON,
                )
            ],
        ),
        (
            {**READY, "east_jobs": (job(),)},
            [("warning", f"job {JOB} launches it in the origin already: {LOST}", OR_GO_ON)],
        ),
        (
            {
                **READY,
                "east_instances": (instance(A4, A2, job_id=JOB, is_drill=None),),
                "east_jobs": (job(status="COMPLETED", initiated_by="START_DRILL"),),
            },
            [("refusal", IN_DOUBT, LEAVE)],
        ),
        (
            {**READY, "east_instances": (instance(A4, A2, is_drill=True),)},
            [("refusal", f"{A4} of a failback drill runs in the origin: terminate it first", LEAVE)],
        ),
        (
            {**READY, "east_jobs": (job(initiated_by="START_DRILL"),)},
            [
                (
                    "refusal",
                    f"job {JOB} launches it for a failback drill: wait until that drill is cleaned up",
                    LEAVE,
                )
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
                    "it is recovered, not ready: its failback client cannot be converted",
                    (
                        "it came from a data centre, and DRS has no call for that: boot its machine from the DRS "
                        f"Failback Client ISO of us-west-2, and name recovery instance {B3} to it; or leave the "
                        "server out"
                    ),
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


def _stop(agreed=A1, original=None, *, stops=True, launched="", **given):
    found = circle(**given)
    seen = original or original_of(found, INTO, {A1: described("running")})
    return why_not_stopped(state_of(found), found, seen, agreed, stops=stops, launched=launched)


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


@pytest.mark.parametrize("state", ["running", "pending"])
def test_what_was_stopped_when_people_agreed_is_not_stopped_later(state):
    original = Original(A1, INTO, described(state))

    assert _stop(original=original, stops=False, **READY) == (
        f"{A1} was stopped when preflight looked and is {state} now, and nobody has agreed to its stop: start a new run"
    )
    assert _stop(original=original, stops=True, **READY) == ""
    assert _stop(original=Original(A1, INTO, described("stopped")), stops=False, **READY) == ""


def _left(*, already=None, job_of=A2):
    jobs = (LaunchedJob(job_id=JOB, servers=(job_of,)),) if job_of else ()
    return BackLaunches(launches=(Launch(jobs=jobs),), owners={A2: B1, OTHER: OTHER}, already=already or {})


def _done(status):
    return {**job(status="COMPLETED"), "participatingServers": [{"sourceServerID": A2, "launchStatus": status}]}


@pytest.mark.parametrize(
    ("left", "given", "how"),
    [
        ([], READY, ""),
        ([_left()], READY, f"job {JOB} of this run has launched it"),
        ([_left(job_of=""), _left()], READY, f"job {JOB} of this run has launched it"),
        ([_left()], {**READY, "east_jobs": (_done("LAUNCHED"),)}, f"job {JOB} of this run has launched it"),
        ([_left()], {**READY, "east_jobs": (job(),)}, f"job {JOB} of this run has launched it"),
        ([_left()], {**READY, "east_jobs": (_done("FAILED"),)}, ""),
        ([_left()], {**READY, "east_instances": ({**instance(A4, A2, ec2="TERMINATED"), "jobID": JOB},)}, ""),
        ([_left(job_of=OTHER)], READY, ""),
        ([_left(job_of="", already={B1: A1})], READY, f"{A1} ran in its origin already when this run came to it"),
        ([_left(job_of="", already={B1: ""})], READY, "it ran in its origin already when this run came to it"),
        (
            [_left(job_of="", already={B1: A4})],
            {**READY, "east_instances": (instance(A4, A2, ec2="TERMINATED"),)},
            "",
        ),
    ],
)
def test_what_a_run_has_launched_itself_is_not_launched_over(left, given, how):
    assert launched_before(left, B1, circle(**given)) == how


def test_what_was_launched_before_is_never_stopped():
    assert _stop(launched=f"job {JOB} of this run has launched it", **READY) == (
        f"job {JOB} of this run has launched it: {A1} is not stopped any more"
    )


@pytest.mark.parametrize("tag", ["drs-orchestrator:before-drill", "drs-orchestrator:actions-before-drill"])
def test_what_a_drill_has_left_is_told_of(tag):
    given = {**READY, "east": (failback_server(tags={tag: "x", "Name": "db1"}),)}

    assert drill_settings_of(circle(**given)) == (
        f"its launch settings in the origin are still those of a failback drill (tag {tag} on FAILBACK server {A2})"
    )
    assert drill_settings_of(circle(**READY)) == drill_settings_of(circle()) == ""


def test_refusals_say_where_production_is_and_that_it_stands_still():
    assert why_not_quiet("db", ["step freeze was left out", "step x failed"]) == (
        "wave db is not launched in its origin, for it is not certain that nothing is written where it was recovered: "
        "step freeze was left out; step x failed. Nothing of it was stopped or launched. Clear the step that stops the "
        "writes with everything downstream, so that it runs again"
    )
    still = (
        "no room. What is not launched yet still runs where it was recovered, with its writes stopped: correct this "
        "and clear the task, or let the application write again"
    )
    assert [still_there("no room."), still_there("no room")] == [still, still]


def test_a_launch_goes_where_preflight_has_seen_it_go():
    assert why_not_overwritten(Original(A1), "") == ""
    assert why_not_overwritten(Original(A1, INTO, described()), A1) == ""
    assert why_not_overwritten(Original(A1, INTO, described()), "") == (
        f"DRS launches it into the existing instance {A1}, and preflight has found a new instance"
    )
    assert why_not_overwritten(Original(A1), A1) == f"DRS launches it as a new instance, and preflight has found {A1}"


def test_what_a_drills_job_has_launched_is_neither_reversed_nor_what_removes_the_recovered():
    drills = job(status="COMPLETED", initiated_by="START_DRILL")
    launched = {**READY, "east_instances": (instance(A4, A2, job_id=JOB),), "east_jobs": (drills,)}
    home = {**launched, "west": (server(instance=A4),), "east_instances": (instance(A4, A2, "CONTINUOUS", job_id=JOB),)}
    reversal, removal = circle(**launched), circle(**home)

    assert next_reprotection(state_of(reversal), reversal)[:2] == ("refused", IN_DOUBT)
    assert state_of(removal).stage is Stage.REPROTECTED
    assert next_removal(state_of(removal), removal)[:2] == ("refused", IN_DOUBT)


def test_the_question_names_what_runs_there_already():
    back = {"failback_server": A2, "recovered": B3, "account": "1", "region": "us-east-1", "aws_conn_id": ""}

    assert _into(ServerBack(**back)) == "a new instance"
    assert _into(ServerBack(**back, already=A4)) == f"**`{A4}`, runs there already**"
    assert _into(ServerBack(**back, original=A1)) == f"**`{A1}`, stopped and overwritten**"


RUNS = {"i-0000000000000dead": "running"}
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

    assert (listed.recovered, listed.failback_servers, listed.failed_back, listed.protected_by) == (B3, (A2,), A4, B1)
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
        (
            {**HOME, "east": (failback_server(), failback_server("DISCONNECTED", name=OTHER))},
            f"its FAILBACK server is {OTHER} now, and people have agreed to the end of {A2}",
        ),
        (
            {**HOME, "east": (failback_server("DISCONNECTED", name=OTHER), failback_server())},
            f"its FAILBACK server is {OTHER} now, and people have agreed to the end of {A2}",
        ),
    ],
)
def test_only_what_people_have_seen_is_removed(given, why):
    found = circle(**given)

    assert why_not_agreed(_listed(), state_of(found), found) == why


@pytest.mark.parametrize("given", [READY, FAILED_BACK, {"west_instances": (instance(),)}])
def test_nothing_is_shown_for_removal_of_what_is_not_protected_again(given):
    found = circle(**given)

    assert why_not_listed(state_of(found), found).endswith("and not protected again")
    assert listed_server(state_of(found), found, hostname="db1") is None


def test_every_failback_server_is_shown_and_none_of_another_machine():
    two = circle(**{**HOME, "east": (failback_server("DISCONNECTED", name=OTHER), failback_server())})
    stale = failback_server("DISCONNECTED", "i-0000000000000dead", reversedDirectionSourceServerArn=server()["arn"])
    foreign = circle(**{**HOME, "east": (failback_server(), {**stale, "sourceServerID": OTHER})}, west_ec2=RUNS)
    listed = listed_server(state_of(two), two, hostname="db1")

    assert listed is not None
    assert listed.failback_servers == (OTHER, A2)
    assert why_not_agreed(listed, state_of(two), two) == why_not_listed(state_of(two), two) == ""
    assert why_not_listed(state_of(foreign), foreign) == (
        f"FAILBACK server {OTHER} replicates i-0000000000000dead, which was not recovered from it: look whose it is in "
        "DRS's console of the origin"
    )
