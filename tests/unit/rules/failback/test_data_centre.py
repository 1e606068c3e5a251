"""Servers from data centres in a failback: what is converted once, what proves nothing, what counts as converted."""

from datetime import UTC, datetime, timedelta

import pytest
from drs_provider.dag.failback.cut_over.question_text import _goes_to, _into
from drs_provider.rules.failback.cut_over import adopted_words, cut_over_findings
from drs_provider.rules.failback.data_centre.last_sync import ClientCopy, client_sync, not_proven, why_not_synced
from drs_provider.rules.failback.data_centre.results import conversion_result
from drs_provider.rules.failback.data_centre.stop import why_followed, why_not_ended
from drs_provider.rules.failback.launchable import going_back
from drs_provider.rules.failback.launches.conversion import jobs_to_ask
from drs_provider.rules.failback.next_step import next_failback, next_reprotection
from drs_provider.rules.failback.other_runs import OtherWayBack
from drs_provider.rules.failback.state import Stage, state_of
from drs_provider.rules.launch.results import LaunchMember
from drs_provider.rules.purpose import FAILBACK, REPROTECT
from drs_provider.rules.run.handover import BackLaunches, Launch, LaunchedJob, ServerBack
from drs_provider.rules.run.roster import RosterServer, Target
from kit.circles import A2, B1, B3, JOB, WEST, facts, instance, server
from kit.circles import job as a_job

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
LOOK = "look at the machine in the data centre before you do anything about it"


def when(minutes):
    return (AT + timedelta(minutes=minutes)).isoformat()


def client(state="FAILBACK_READY_FOR_LAUNCH", replicated="CONTINUOUS", *, began=-60, to_original=True, **more):
    record = instance(state=replicated, failback=state, to_original=to_original, origin="ON_PREMISES", **more)
    if began is not None:
        record["failback"]["failbackInitiationTime"] = when(began)
    return record


def conversion(status="COMPLETED", launch="LAUNCHED", *, ended=-3, created=-10, by="FAILBACK", name=JOB):
    job = a_job(B1, status, by)
    job |= {"jobID": name, "creationDateTime": when(created)}
    job["participatingServers"][0]["launchStatus"] = launch
    return job | ({"endDateTime": when(ended)} if status == "COMPLETED" else {})


def circle(record, *jobs, source="CONTINUOUS"):
    from dataclasses import replace

    from drs_provider.rules.failback.circle import circles_of

    place = facts(WEST, (server(origin=None, state=source),), (record,), jobs)
    return circles_of([B1], replace(place, at=AT), {})[B1]


def where(record, *jobs, **more):
    found = circle(record, *jobs, **more)
    return state_of(found), found


@pytest.mark.parametrize(
    ("record", "jobs", "stage", "may"),
    [
        (client(), (), Stage.READY, ""),
        (client(), (conversion("STARTED", "PENDING"),), Stage.LAUNCHING, "launched"),
        # What launches a recovered instance, or a drill, converts nothing.
        (client(), (conversion("STARTED", "PENDING", by="START_RECOVERY"),), Stage.READY, ""),
        (client(), (conversion("STARTED", "PENDING", by="START_DRILL"),), Stage.READY, ""),
        (client(), (conversion(by="START_RECOVERY"),), Stage.READY, ""),
        # A conversion that has ended, while DRS says that its server is ready: never a second one.
        (client(), (conversion(ended=-1),), Stage.LAUNCHING, "launched"),
        (client(), (conversion(ended=-30, created=-40),), Stage.STUCK, "why"),
        (client("FAILBACK_IN_PROGRESS", "STOPPED"), (conversion(ended=-1),), Stage.LAUNCHING, "launched"),
        (client(began=None), (conversion(ended=-30, created=-40),), Stage.STUCK, "why"),
        (client(began=-10), (conversion(created=-10.5, ended=-30),), Stage.STUCK, "why"),
        # The client was booted again since; or the last job has failed.
        (client(began=-5), (conversion(created=-30, ended=-20),), Stage.READY, ""),
        (client(), (conversion(launch="FAILED"),), Stage.READY, ""),
        (client(), (conversion(created=-30, ended=-20), conversion(launch="FAILED", name="later")), Stage.READY, ""),
        (client("FAILBACK_NOT_STARTED", "NOT_STARTED", began=None), (conversion(),), Stage.RECOVERED, "why"),
        (client("FAILBACK_ERROR", "STOPPED"), (conversion(launch="FAILED"),), Stage.STUCK, "why"),
        (client("FAILBACK_COMPLETED", "STOPPED"), (conversion(),), Stage.REPROTECTED, "back"),
        (client("FAILBACK_COMPLETED", "STOPPED", to_original=False), (conversion(),), Stage.FAILED_BACK, "back"),
        (client("FAILBACK_COMPLETED", "STOPPED", to_original=None), (conversion(),), Stage.FAILED_BACK, "back"),
    ],
)
def test_a_machine_that_was_converted_is_never_ready_again(record, jobs, stage, may):
    state, found = where(record, *jobs)
    answer = going_back(state, found)

    assert state.stage is stage, state.why
    said = "launched" if answer.is_launched else "back" if answer.is_back else "why" if answer.why_not else ""
    assert said == may


def test_a_conversion_that_drs_does_not_complete_asks_people_to_look():
    state, found = where(client(), conversion(ended=-30, created=-40))

    assert next_failback(state, found).why == (
        f"job {JOB} has converted its failback client, and DRS does not call the failback completed: production may "
        "run on the machine in the data centre. Look there: if it does, keep everything, and protect that machine by "
        "hand; if it does not, stop the failback (StopFailback), and boot the failback client again"
    )


def named(record, job_id):
    record["failback"]["failbackJobID"] = job_id
    return record


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        (named(client(), "old"), ("old",)),
        (named(client("FAILBACK_ERROR", "STOPPED"), "old"), ("old",)),
        (named(client(), JOB), ()),
        (client(), ()),
        (named(client("FAILBACK_NOT_STARTED", "NOT_STARTED"), "old"), ()),
        (named(client("FAILBACK_COMPLETED", "STOPPED"), "old"), ()),
        ({**named(client(), "old"), "originEnvironment": "AWS"}, ()),
        ({"recoveryInstanceID": B3}, ()),
    ],
)
def test_a_job_that_an_instance_names_is_asked_for_however_old_it_is(record, asked):
    assert jobs_to_ask([record, record], [conversion()]) == asked


@pytest.mark.parametrize("failback", ["FAILBACK_READY_FOR_LAUNCH", "FAILBACK_IN_PROGRESS"])
def test_a_machine_whose_job_nobody_knows_any_more_is_not_ready(failback):
    state, found = where(named(client(failback), "old"), conversion(launch="FAILED"))

    assert (state.stage, going_back(state, found).why_not) == (
        Stage.STUCK,
        (
            "DRS names job old for its failback client and does not know it, and DRS does not call the failback "
            "completed: production may run on the machine in the data centre. Look there: if it does, keep everything, "
            "and protect that machine by hand; if it does not, stop the failback (StopFailback), and boot the failback "
            "client again"
        ),
    )


def test_a_machine_whose_failed_job_is_named_is_ready():
    assert where(named(client(), JOB), conversion(launch="FAILED"))[0].stage is Stage.READY


def test_a_client_that_was_not_converted_is_named_with_its_job():
    state, found = where(client(), conversion(launch="FAILED"))

    assert tuple(next_failback(state, found))[:2] == (
        "refused",
        f"job {JOB} has not converted its failback client: the job's log says why",
    )


@pytest.mark.parametrize(("to_original", "kind"), [(True, "people"), (None, "refused"), (False, "refused")])
def test_on_another_machine_nobody_is_waited_for(to_original, kind):
    state, found = where(client("FAILBACK_COMPLETED", "STOPPED", to_original=to_original), source="DISCONNECTED")

    assert (state.stage, next_reprotection(state, found).kind) == (Stage.FAILED_BACK, kind)


NOT_PROVEN = (
    "its machine in the data centre is rebooted into what was copied, and that everything was copied is not proven: "
    "DRS makes no recovery point of a failback client, and tells only its lag and what is left to send"
)
ON_ANOTHER_MACHINE = (
    "DRS does not say that its failback client is on its original machine: nothing protects it there after the "
    "failback, and nothing of its recovery is removed"
)
LOST = f"it is taken for production, and what {B3} has written since is lost"
BOOT = (
    "it came from a data centre, and DRS has no call for that: boot its machine from the DRS Failback Client ISO of "
    f"us-west-2, and name recovery instance {B3} to it; or leave the server out"
)


@pytest.mark.parametrize(
    ("record", "jobs", "said"),
    [
        (
            client(),
            (),
            [("warning", NOT_PROVEN, "see that nothing writes on the recovered instance any more before you approve")],
        ),
        (
            client("FAILBACK_NOT_STARTED", "NOT_STARTED", began=None),
            (),
            [("refusal", "it is recovered, not ready: its failback client cannot be converted", BOOT)],
        ),
        (
            client("FAILBACK_IN_PROGRESS", "INITIAL_SYNC"),
            (),
            [
                (
                    "refusal",
                    "it is copying, not ready: its failback client cannot be converted",
                    "correct this, or leave the server out",
                )
            ],
        ),
        (
            client(),
            (conversion("STARTED", "PENDING", by="START_RECOVERY"),),
            [
                (
                    "refusal",
                    f"job {JOB} launches it in the recovery Region",
                    "wait for its end, then start this run again",
                ),
                (
                    "warning",
                    NOT_PROVEN,
                    "see that nothing writes on the recovered instance any more before you approve",
                ),
            ],
        ),
        (
            client(),
            (conversion("STARTED", "PENDING"),),
            [
                (
                    "warning",
                    f"job {JOB} converts its failback client already: {LOST}",
                    "look whether production runs there, or go on",
                )
            ],
        ),
        (
            client("FAILBACK_COMPLETED", "STOPPED"),
            (),
            [
                (
                    "warning",
                    f"its failback client was converted, and its machine runs in the data centre already: {LOST}",
                    "look whether production runs there, or go on",
                )
            ],
        ),
        *(
            (
                client(to_original=said),
                (),
                [
                    (
                        "warning",
                        NOT_PROVEN,
                        "see that nothing writes on the recovered instance any more before you approve",
                    ),
                    (
                        "warning",
                        ON_ANOTHER_MACHINE,
                        "boot the client on the original machine, or install the DRS agent there after the failback",
                    ),
                ],
            )
            for said in (False, None)
        ),
    ],
)
def test_preflight_says_what_people_have_to_do_and_what_is_not_proven(record, jobs, said):
    state, found = where(record, *jobs)
    member = RosterServer(B1, "mill1", "mill", critical=True, target=Target("aws_default", "us-west-2"), known=True)
    findings = cut_over_findings([member], {B1: state}, {B1: found}, {})

    assert [(finding.severity, finding.what, finding.next_step) for finding in findings] == said


def test_nothing_is_adopted_of_a_machine_that_is_still_to_be_converted():
    assert adopted_words(*where(client())) == ""


def copy(lag="PT2S", backlog=0, *, disks=True):
    record = client()
    info = record["dataReplicationInfo"]
    info["replicatedDisks"][0]["backloggedStorageBytes"] = backlog
    if lag is not None:
        info["lagDuration"] = lag
    if not disks:
        del info["replicatedDisks"]
    return record


@pytest.mark.parametrize(
    ("given", "after", "settled", "waiting"),
    [
        (
            copy(),
            62,
            "1m 02s after the writes had stopped DRS told a lag of 2 s and nothing left to send, which proves nothing",
            "",
        ),
        (
            copy(),
            61,
            "",
            "its lag is 2 s, and 1m more have to pass after the last write",
        ),
        (copy("PT10M"), 62, "", "its lag is 10m, and 1m more have to pass after the last write"),
        (copy(backlog=8 * 2**20), 6000, "", "8.0 MiB left to send"),
        (
            copy(None),
            60,
            "1m after the writes had stopped DRS told no lag and nothing left to send, which proves nothing",
            "",
        ),
        (copy(None), 59, "", "DRS does not say its lag, and 1m more have to pass after the last write"),
        (
            copy(disks=False),
            6000,
            (
                "1h 40m after the writes had stopped DRS told a lag of 2 s and nothing of what is left to send, which "
                "proves nothing"
            ),
            "",
        ),
    ],
)
def test_the_last_sync_of_a_client_is_waited_for_and_never_called_proven(given, after, settled, waiting):
    found = client_sync({B1: ClientCopy("mill1", given)}, quiesced_at=AT, at=AT + timedelta(seconds=after))

    assert found.settled == ({B1: settled} if settled else {})
    assert waiting in found.waiting
    assert found.waiting == "" or found.waiting.startswith("1 failback client not seen up to date: mill1 (")


def begun(record, minutes):
    record["failback"]["failbackInitiationTime"] = when(minutes)
    return record


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (copy(), ""),
        (begun(copy(), 0), ""),
        (begun(copy(), 1), "the failback client of mill1 was booted after the last sync"),
        (client(began=None), ""),
        (copy(backlog=8 * 2**20), "1 failback client not seen up to date: mill1 (8.0 MiB left to send)"),
        (
            copy("PT3H"),
            (
                "1 failback client not seen up to date: mill1 (its lag is 3h, and 1m more have to pass after the last "
                "write)"
            ),
        ),
    ],
)
def test_a_client_that_was_behind_again_since_its_last_sync_is_not_converted(record, why):
    at = AT + timedelta(hours=2)

    assert why_not_synced({B1: ClientCopy("mill1", record)}, quiesced_at=AT, at=at) == why


def test_a_client_that_cannot_be_converted_keeps_nobody_from_being_named():
    found = client_sync(
        {B1: ClientCopy("mill1", copy()), A2: ClientCopy("mill2", copy(), "it is copying")},
        quiesced_at=AT,
        at=AT + timedelta(hours=1),
    )

    assert ([*found.settled], found.waiting) == ([B1], "1 failback client not seen up to date: mill2 (it is copying)")
    assert not_proven(["mill1"]) == (
        "that everything was copied to mill1 is not proven: DRS makes no recovery point there"
    )


@pytest.mark.parametrize(
    ("record", "job", "status", "reason", "is_pending"),
    [
        (client("FAILBACK_COMPLETED", "STOPPED"), conversion(), "launched", None, False),
        (client("FAILBACK_COMPLETED", "STOPPED", to_original=False), conversion(), "launched", None, False),
        # Both have to say it: a job that has not converted the machine converts it nowhere.
        (client("FAILBACK_COMPLETED", "STOPPED"), conversion(launch="FAILED"), "failed", "", False),
        (
            client("FAILBACK_COMPLETED", "STOPPED"),
            conversion("STARTED", "PENDING"),
            "unknown",
            f"{JOB} still runs and says PENDING: nobody waits for it",
            False,
        ),
        (client(), conversion(ended=-1), "unknown", None, True),
        (client(), conversion(ended=-30, created=-40), "unknown", "", False),
        (client("FAILBACK_ERROR", "STOPPED"), conversion(launch="FAILED"), "failed", "", False),
        (
            client("FAILBACK_NOT_STARTED", "NOT_STARTED", began=None),
            conversion(ended=-1),
            "unknown",
            f"{JOB} has converted its failback client, and DRS calls it recovered: {LOOK}",
            False,
        ),
        (client("FAILBACK_COMPLETED", "STOPPED"), None, "launched", None, False),
        (
            client(),
            None,
            "unknown",
            f"DRS no longer knows {JOB}, which was to convert its failback client: {LOOK}",
            False,
        ),
    ],
)
def test_a_server_is_back_where_its_job_and_its_failback_both_say_so(record, job, status, reason, is_pending):
    state, _ = where(record, *([job] if job else []))
    launched = LaunchedJob(job_id=JOB, servers=(B1,))
    found = conversion_result(launched, LaunchMember(B1, "mill1"), job, {}, state, now=AT)

    assert (found.result.status, found.is_pending) == (status, is_pending), found.result.reason
    assert found.result.instance_id is None
    if reason:
        assert found.result.reason == reason
    assert (found.result.reason is None) == (status == "launched")


def test_a_launch_whose_servers_go_back_for_themselves_converts_clients():
    def launch(*servers):
        return Launch(jobs=(LaunchedJob(job_id=JOB, servers=servers),))

    launches = BackLaunches(owners={A2: B1, B1: B1})

    assert [launches.converts(launch(*servers)) for servers in ((B1,), (A2,), (A2, B1), ())] == [
        True,
        False,
        False,
        False,
    ]


def test_people_read_that_a_machine_is_converted():
    back = ServerBack(failback_server="", recovered=B3, account="", region="", aws_conn_id="", from_data_centre=True)

    assert (_goes_to(back), _into(back)) == ("its data centre", "**its machine, converted**")
    assert _into(back.model_copy(update={"already": "its machine"})) == "**its machine, converted already**"


@pytest.mark.parametrize(
    ("record", "jobs", "why"),
    [
        (client(), (), ""),
        (client("FAILBACK_IN_PROGRESS", "INITIAL_SYNC"), (), ""),
        (client("FAILBACK_IN_PROGRESS", "STALLED"), (), ""),
        (client("FAILBACK_ERROR", "STOPPED"), (), ""),
        (client("FAILBACK_ERROR", "STOPPED"), (conversion(launch="FAILED"),), ""),
        (
            client("FAILBACK_ERROR", "STOPPED"),
            (conversion(ended=-1),),
            f"it is stuck (job {JOB} has converted its failback client, and DRS does not call the failback completed",
        ),
        (client("FAILBACK_NOT_STARTED", "NOT_STARTED", began=None), (), "it has no failback any more"),
        (
            client(),
            (conversion("STARTED", "PENDING"),),
            "it is launching: only what is not converted is ended",
        ),
        (client("FAILBACK_COMPLETED", "STOPPED"), (), "it is reprotected: only what is not converted is ended"),
        (
            client(),
            (conversion(ended=-30, created=-40),),
            f"it is stuck (job {JOB} has converted its failback client, and DRS does not call the failback completed",
        ),
    ],
)
def test_a_cancel_ends_only_failbacks_of_what_is_not_converted(record, jobs, why):
    found = why_not_ended(*where(record, *jobs))

    assert found == why or (why and found.startswith(why) and found.endswith("only what is not converted is ended"))


@pytest.mark.parametrize(
    ("others", "then"),
    [
        ((), ""),
        ((OtherWayBack("r2", REPROTECT, ("mill",)),), "Cancel that one, and end"),
        ((OtherWayBack("r2", REPROTECT),), "Cancel that one, and end"),
        (
            (OtherWayBack("r2", FAILBACK, ("mill", "web"), has_passed=False),),
            "Cancel that one with the same order, or end",
        ),
        ((OtherWayBack("r2", FAILBACK, ("web",)),), ""),
    ],
)
def test_a_cancelled_run_ends_nothing_that_another_run_follows(others, then):
    words = f"no failback was ended: r2 goes on with the same machines. {then} them with DrsStopFailbackOperator"

    assert why_followed(["mill"], others) == (words if then else "")
