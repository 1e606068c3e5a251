"""The services of the way back, in both Regions of the simulator: every call once, nothing removed too early."""

from datetime import timedelta

import pytest
from drs_provider.exceptions import RunRefused, ServiceUnavailable
from drs_provider.formatting import parse_instant
from drs_provider.hooks.failback import FailbackHook
from drs_provider.rules.failback.circle import ReplicationPlace
from drs_provider.rules.failback.removal import RemovalStep
from drs_provider.rules.failback.state import Stage
from drs_provider.rules.launch.results import LaunchMember
from drs_provider.services.failback.conversion_results import find_conversions
from drs_provider.services.failback.convert_clients import ConvertClients
from drs_provider.services.failback.read import CircleReader
from drs_provider.services.failback.reverse import Reversal
from drs_provider.services.launch.start_jobs import MustWait
from kit.way_back import ACCOUNT, BOTH, DATA_CENTRE, ONE, TWO, WAY_BACK_FLEET, WEST, Memory, WayBackWorld


@pytest.fixture(scope="module")
def two_regions(start_drs_simulator):
    return start_drs_simulator(WAY_BACK_FLEET, speed=600)


@pytest.fixture
def world(two_regions, monkeypatch):
    two_regions.reset()
    two_regions.clock(freeze=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", two_regions.url)
    return WayBackWorld(two_regions)


def test_circles_of_many_servers_are_read_in_few_calls(world):
    world.set_up_origin()
    world.reader.read(BOTH)
    before = len(world.simulator.calls())
    read = world.reader.read((ONE, TWO, DATA_CENTRE, "s-00000000000000000"))
    operations = [call["operation"] for call in world.simulator.calls()][before:]

    assert [state.stage for state in read.states.values()] == [Stage.RESTING] * 3 + [Stage.UNKNOWN]
    assert sorted(operations) == sorted(
        [*["DescribeSourceServers", "DescribeJobs"] * 2, "DescribeRecoveryInstances", "DescribeInstances"]
    )


def test_round_the_circle(world):
    world.recovered(*BOTH)
    look = world.until_done(Reversal(world.reader, world.store, goal="ready"), BOTH)
    assert list(look.done) == list(BOTH)
    world.launched_back(*BOTH)
    assert world.stages(*BOTH) == [Stage.FAILED_BACK] * 2
    look = world.until_done(Reversal(world.reader, Memory(), goal="reprotected", now=world.now), BOTH)
    assert list(look.done) == list(BOTH)
    removal = world.removal()
    look = world.until_done(removal, BOTH)
    assert list(look.done) == list(BOTH)
    assert world.stages(*BOTH) == [Stage.RESTING] * 2
    assert [(thing.server_id, thing.call) for thing in look.removed if thing.server_id == ONE] == [
        (ONE, "StopReplication"),
        (ONE, "TerminateRecoveryInstances"),
        (ONE, "DeleteRecoveryInstance"),
        (ONE, "DeleteRecoveryInstance"),
        (ONE, "DisconnectSourceServer"),
        (ONE, "DeleteSourceServer"),
    ]
    assert world.called("TerminateRecoveryInstances") == [200]
    assert world.called("ReverseReplication").count(200) == 4


def test_a_reversal_waits_for_the_agent_and_a_lost_answer_is_adopted(world):
    world.reader.recovery.start_recovery(BOTH, is_drill=False, tags={})
    world.later("9m")
    look = world.reversal().look(BOTH)
    assert all("has not finished initializing" in why for why in look.waiting.values())
    assert len(look.waiting) == 2
    assert not world.store.get("drs_sent_calls")["calls"]  # nothing came of it, so it is sent again at once

    world.later("20m")
    world.simulator.fault({"service": "drs", "operation": "ReverseReplication", "do": "commit_then_drop", "count": 2})
    look = world.reversal().look(BOTH)
    assert [state.stage for state in look.read.states.values()] == [Stage.REVERSING] * 2
    assert set(world.until_done(world.reversal(), BOTH).done) == set(BOTH)
    assert world.called("ReverseReplication") == [409, 409, None, None]


def test_what_drs_does_not_show_yet_is_not_sent_twice(world, monkeypatch):
    world.recovered(ONE)
    before = world.reader.read((ONE,))
    shown = type(world.reader).read
    assert world.reversal().look((ONE,)).called == (ONE,)
    monkeypatch.setattr(type(world.reader), "read", lambda _self, _servers: before)
    look = world.reversal().look((ONE,))
    assert (look.called, look.waiting) == ((), {ONE: "it was sent, and DRS does not show it yet"})
    monkeypatch.setattr(type(world.reader), "read", shown)
    assert world.called("ReverseReplication") == [200]


def test_half_of_the_servers_were_reversed_by_hand(world):
    world.recovered(*BOTH)
    world.reader.recovery.reverse_replication(world.reader.read(BOTH).states[TWO].recovered)
    look = world.reversal().look(BOTH)
    assert look.called == (ONE,)
    assert set(world.until_done(world.reversal(), BOTH).done) == set(BOTH)


def test_a_drills_instance_is_never_reversed(world):
    world.reader.recovery.start_recovery([ONE], is_drill=True, tags={})
    world.later("25m")
    look = world.reversal().look((ONE,))
    assert look.refused == {ONE: "it was not recovered, so there is no way back to go"}
    assert world.called("ReverseReplication") == []


def test_an_origin_that_was_never_set_up_and_one_that_does_not_answer_are_named(world):
    world.recovered(ONE)
    look = world.reversal().look((ONE,))
    assert look.called == (ONE,)
    world.simulator.fault(
        {"service": "drs", "operation": "DescribeSourceServers", "region": "us-east-1", "do": "server_error"}
    )
    read = CircleReader(WEST, hook_of=_asking_once).read(BOTH)
    assert [state.stage for state in read.states.values()] == [Stage.STUCK] * 2
    assert list(read.unread) == [ReplicationPlace(ACCOUNT, "us-east-1")]
    assert read.states[ONE].why.startswith(f"its origin, us-east-1 of account {ACCOUNT}, could not be looked at: ")
    assert read.states[ONE].passes
    with pytest.raises(ServiceUnavailable):
        Reversal(CircleReader(WEST, hook_of=_asking_once), Memory(), goal="ready").look(BOTH)


def _asking_once(aws):
    from drs_provider.hooks.failback import FailbackHook

    return FailbackHook(**{**aws, "config": {"retries": {"total_max_attempts": 1}}})


def test_a_connection_to_another_account_or_region_is_no_origin(world):
    elsewhere = {**WEST, "region_name": "eu-west-1"}
    state = CircleReader(WEST, origin=elsewhere).read((ONE,)).states[ONE]
    assert (state.stage, state.passes) == (Stage.STUCK, False)
    assert state.why == (
        f"its origin, us-east-1 of account {ACCOUNT}, could not be looked at: the origin is said to be eu-west-1, but "
        "DRS replicates back to where a server came from, us-east-1: correct the Region of the origin, or leave it out"
    )


def test_nothing_is_removed_before_the_way_home_is_proven_twice(world):
    world.ready(ONE)
    for words in (f"it is {Stage.READY} and not protected again: nothing is removed before that",):
        assert world.removal().look((ONE,)).refused == {ONE: words}
    world.launched_back(ONE)
    assert list(world.removal().look((ONE,)).refused) == [ONE]
    look = world.reversal("reprotected").look((ONE,))
    assert look.called == (ONE,)
    while world.stages(ONE) != [Stage.REPROTECTED]:
        assert not world.removal().look((ONE,)).called
        world.later()
    look = world.removal().look((ONE,))
    assert look.waiting == {ONE: "a second look confirms that it is protected, 20 s later"}
    world.later("10s")
    assert not world.removal().look((ONE,)).called
    world.later("15s")
    assert world.removal().look((ONE,)).called == (ONE,)
    assert world.called("StopReplication") == [200]


def test_a_step_of_the_removal_alone_refuses_what_comes_before_it(world):
    world.ready(ONE)
    world.launched_back(ONE)
    world.until_done(world.reversal("reprotected"), (ONE,))
    back = world.reader.read((ONE,)).states[ONE].failback_server
    look = world.removal(steps=["delete_servers"]).look((ONE,))
    assert look.refused == {ONE: f"stop_replication of {back} comes first"}
    look = world.until_done(world.removal(steps=[RemovalStep.STOP_REPLICATION]), (ONE,))
    assert list(look.done) == [ONE]
    assert world.called("TerminateRecoveryInstances") == []
    with pytest.raises(RunRefused) as refused:
        world.removal(steps=["everything"])
    assert "'everything' is not a valid RemovalStep; nothing was called" in str(refused.value)


def test_lost_answers_to_every_call_of_the_removal_remove_everything_once(world):
    world.ready(*BOTH)
    world.launched_back(*BOTH)
    world.until_done(world.reversal("reprotected"), BOTH)
    for operation in (
        "StopReplication",
        "TerminateRecoveryInstances",
        "DeleteRecoveryInstance",
        "DisconnectSourceServer",
        "DeleteSourceServer",
    ):
        world.simulator.fault({"service": "drs", "operation": operation, "do": "commit_then_drop", "count": 1})
    look = world.until_done(world.removal(), BOTH)
    assert list(look.done) == list(BOTH)
    assert world.stages(*BOTH) == [Stage.RESTING] * 2
    assert world.called("TerminateRecoveryInstances") == [None]


def test_launched_in_the_origin_once_whoever_asks_again(world):
    world.ready(*BOTH)
    (first,) = world.launch(*BOTH)
    world.simulator.fault()
    (again,) = world.launch(*BOTH)
    assert [job.job_id for job in first.jobs] == [job.job_id for job in again.jobs]
    assert isinstance(world.launch(*BOTH, store=Memory(), run="another"), MustWait)
    world.later("35m")
    (elsewhere,) = world.launch(*BOTH, store=Memory(), run="another")
    assert (elsewhere.jobs, set(elsewhere.already)) == ((), set(BOTH))
    (third,) = world.launch(*BOTH)
    assert third.already == {}
    assert [job.job_id for job in third.jobs] == [job.job_id for job in first.jobs]
    assert (first.launch.region, set(first.servers)) == ("us-east-1", set(BOTH))
    assert world.called("StartRecovery") == [202, 202]


def test_a_launch_back_refuses_what_is_not_ready_and_names_all(world):
    world.recovered(ONE)
    with pytest.raises(RunRefused) as refused:
        world.launch(ONE, TWO, DATA_CENTRE)
    assert str(refused.value) == (
        "3 of 3 servers cannot be launched in their origin, and nothing was started: hello1 (s-0hello00000000001): it "
        "is recovered, not ready: nothing can be launched there; hello2 (s-0hello00000000002): it is resting, not "
        "ready: nothing can be launched there; centre1 (s-0centre0000000001): it came from a data centre: its failback "
        "client is converted (StartFailbackLaunch)"
    )


def test_a_failback_drill_leaves_the_reversal_as_it_was_and_is_refused_after_the_failback(world):
    world.ready(ONE)
    world.launch(ONE, is_drill=True)
    world.later("35m")
    assert world.stages(ONE) == [Stage.READY]
    with pytest.raises(RunRefused) as refused:
        world.launch(ONE, store=Memory(), run="r2")
    assert "of a failback drill runs in the origin: terminate it first" in str(refused.value)
    world.east.terminate([world.reader.read((ONE,)).states[ONE].failback_drills[0]])
    world.later("20m")
    world.launch(ONE, store=Memory(), run="r2")
    world.later("35m")
    with pytest.raises(RunRefused) as refused:
        world.launch(ONE, store=Memory(), is_drill=True, run="r3")
    assert "it is failed_back: a failback drill launches what is ready, and production is elsewhere" in str(
        refused.value
    )


def into_source(world, *, tagged=True):
    """Let the origin launch into source instances, which are tagged for it."""
    world.set_up_origin()
    world.east.conn.create_launch_configuration_template(launchIntoSourceInstance=True)
    sources = [
        server["sourceProperties"]["identificationHints"]["awsInstanceID"]
        for server in world.reader.recovery.source_servers([ONE])
    ]
    if tagged:
        tags = [{"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}]
        world.east.beside("ec2").create_tags(Resources=sources, Tags=tags)
    return sources


def test_into_the_original_instance_only_while_it_is_stopped_and_never_for_a_drill(world):
    sources = into_source(world)
    world.ready(ONE)
    with pytest.raises(RunRefused) as drill:
        world.launch(ONE, is_drill=True)
    assert "a drill launches new instances only" in str(drill.value)
    with pytest.raises(RunRefused) as running:
        world.launch(ONE)
    assert str(running.value) == (
        "a launch overwrites the instance that it goes into, so it has to be stopped first, and nothing was started: "
        f"hello1 ({ONE}): DRS launches it into the existing instance {sources[0]}, which is running. Stop these "
        "instances in EC2, then clear this task"
    )
    world.east.stop_instances(sources)
    world.launch(ONE)
    world.later("35m")
    state = world.reader.read((ONE,)).states[ONE]
    assert (state.stage, state.failed_back) == (Stage.FAILED_BACK, sources[0])
    assert world.called("StartRecovery") == [202, 202]
    assert list(world.until_done(world.reversal("reprotected"), (ONE,)).done) == [ONE]
    world.until_done(world.removal(), (ONE,))
    assert world.stages(ONE) == [Stage.RESTING]
    assert world.east.instance_states(sources) == {sources[0]: "running"}


def test_an_original_without_its_tag_refuses_the_reversal_with_drs_words(world):
    sources = into_source(world, tagged=False)
    world.recovered(ONE)
    look = world.reversal().look((ONE,))
    assert f"instance {sources[0]} is not tagged AWSDRS=AllowLaunchingIntoThisInstance" in str(
        {**look.waiting, **look.refused}
    )


def test_a_data_centres_server_asks_for_people_and_is_converted_once(world):
    world.recovered(DATA_CENTRE)
    look = world.reversal().look((DATA_CENTRE,))
    instance = look.read.states[DATA_CENTRE].recovered
    assert look.people == {
        DATA_CENTRE: "it came from a data centre, and DRS has no call for that: boot its machine from the DRS Failback "
        f"Client ISO of us-west-2, and name recovery instance {instance} to it"
    }
    assert not look.is_over
    world.simulator.failback_client(instance)
    assert list(world.until_done(world.reversal(), (DATA_CENTRE,)).done) == [DATA_CENTRE]
    world.simulator.fault({"service": "drs", "operation": "StartFailbackLaunch", "do": "commit_then_drop", "count": 1})
    first = world.launch(DATA_CENTRE, kind=ConvertClients)
    again = world.launch(DATA_CENTRE, kind=ConvertClients, store=Memory())
    assert [job.job_id for job in first.jobs] == [job.job_id for job in again.jobs]
    assert world.called("StartFailbackLaunch") == [None]
    assert list(world.until_done(world.reversal("reprotected"), (DATA_CENTRE,)).done) == [DATA_CENTRE]
    world.until_done(world.removal(), (DATA_CENTRE,))
    assert world.stages(DATA_CENTRE) == [Stage.RESTING]


def test_a_data_centres_server_on_another_machine_is_said_to_need_an_agent_and_loses_nothing(world):
    world.recovered(DATA_CENTRE)
    instance = world.reader.read((DATA_CENTRE,)).states[DATA_CENTRE].recovered
    world.simulator.failback_client(instance, to_original=False)
    world.until_done(world.reversal(), (DATA_CENTRE,))
    world.launch(DATA_CENTRE, kind=ConvertClients)
    world.later("30m")
    record = world.reader.recovery.recovery_instances(source_server_ids=(DATA_CENTRE,))[0]
    assert record["failback"]["failbackToOriginalServer"] is False
    assert world.stages(DATA_CENTRE) == [Stage.FAILED_BACK]
    assert list(world.reversal("reprotected").look((DATA_CENTRE,)).refused) == [DATA_CENTRE]
    assert list(world.removal().look((DATA_CENTRE,)).refused) == [DATA_CENTRE]
    assert world.called("TerminateRecoveryInstances") == []


def paired(world):
    """A server of a data centre whose failback client is ready to be converted; its recovered instance."""
    world.recovered(DATA_CENTRE)
    instance = world.reader.read((DATA_CENTRE,)).states[DATA_CENTRE].recovered
    world.simulator.failback_client(instance)
    world.until_done(world.reversal(), (DATA_CENTRE,))
    return instance


def test_a_conversion_that_another_run_has_begun_is_waited_for_and_adopted(world):
    paired(world)
    (job,) = world.launch(DATA_CENTRE, kind=ConvertClients, run="other", store=Memory()).jobs

    waits = world.launch(DATA_CENTRE, kind=ConvertClients)
    world.later("30m")
    ended = world.launch(DATA_CENTRE, kind=ConvertClients)
    cleared = world.launch(DATA_CENTRE, kind=ConvertClients, max_tries=1)

    assert (type(waits), waits.job_ids) == (MustWait, (job.job_id,))
    assert (ended.jobs, [*ended.already], cleared.jobs) == ((), [DATA_CENTRE], ())
    assert len(world.called("StartFailbackLaunch")) == 1


def test_a_conversion_that_has_failed_is_judged_and_only_begun_again_once_people_have_booted_it(world):
    instance = paired(world)
    world.simulator.fault({"do": "fail_at", "event": "LAUNCH_END", "error": "no disk", "count": 1})
    launch = world.launch(DATA_CENTRE, kind=ConvertClients)
    world.later("30m")
    same = world.launch(DATA_CENTRE, kind=ConvertClients)
    with pytest.raises(RunRefused) as early:
        world.launch(DATA_CENTRE, kind=ConvertClients, max_tries=1)
    found = find_conversions(
        launch.launch, world.reader, members={DATA_CENTRE: LaunchMember(DATA_CENTRE, "centre1")}, now=world.now()
    )
    world.reader.recovery.stop_failback(instance)
    world.simulator.failback_client(instance)
    world.until_done(world.reversal(), (DATA_CENTRE,))
    again = world.launch(DATA_CENTRE, kind=ConvertClients, max_tries=1)
    world.later("30m")

    assert [job.job_id for job in same.jobs] == [job.job_id for job in launch.jobs]
    assert "DRS says FAILBACK_ERROR" in str(early.value)
    assert [(result.status, bool(result.reason)) for result in found.results] == [("failed", True)]
    assert (found.pending, [job.forgotten for job in found.jobs]) == ({}, [False])
    assert [job.attempt for job in again.jobs] == [2]
    assert len(world.called("StartFailbackLaunch")) == 2
    assert world.stages(DATA_CENTRE) == [Stage.REPROTECTED]


def stale(world, monkeypatch, record):
    """DRS goes on to say of a recovered instance what it said before."""
    fresh = FailbackHook.recovery_instances

    def said(self, **asked):
        found = [*fresh(self, **asked)]
        return [
            {**each, **record} if each["recoveryInstanceID"] == record["recoveryInstanceID"] else each for each in found
        ]

    monkeypatch.setattr(FailbackHook, "recovery_instances", said)


@pytest.mark.parametrize("ended", ["before the look", "while it looks"])
def test_a_machine_that_another_run_has_converted_a_moment_ago_is_not_converted_again(world, monkeypatch, ended):
    paired(world)
    (record,) = world.reader.recovery.recovery_instances(source_server_ids=(DATA_CENTRE,))
    (job,) = world.launch(DATA_CENTRE, kind=ConvertClients, run="other", store=Memory()).jobs
    if ended == "while it looks":
        read = CircleReader.read

        def ends(self, server_ids):
            found = read(self, server_ids)
            world.later("30m")
            return found

        monkeypatch.setattr(CircleReader, "read", ends)
    else:
        world.later("30m")
        (job,) = world.reader.recovery.jobs([job.job_id])
        world.reader.now = lambda: parse_instant(job["endDateTime"]) + timedelta(minutes=1)
    with monkeypatch.context() as patched:
        stale(world, patched, record)
        waits = world.launch(DATA_CENTRE, kind=ConvertClients)

    assert (waits.why, waits.job_ids) == (f"just converted, and DRS does not say so yet: {DATA_CENTRE}", ())
    assert len(world.called("StartFailbackLaunch")) == 1


def test_a_conversion_that_is_days_old_is_not_forgotten(world, monkeypatch):
    paired(world)
    job = world.reader.recovery.start_failback_launch(
        [world.reader.read((DATA_CENTRE,)).states[DATA_CENTRE].recovered], tags={}
    )
    (record,) = world.reader.recovery.recovery_instances(source_server_ids=(DATA_CENTRE,))
    assert record["failback"]["failbackJobID"] == job["jobID"]
    world.later("30m")
    stale(world, monkeypatch, record)
    world.reader.now = lambda: world.now() + timedelta(days=3)
    state = world.reader.read((DATA_CENTRE,)).states[DATA_CENTRE]

    assert (state.stage, state.stuck_at) == (Stage.STUCK, Stage.LAUNCHING)
    assert f"job {job['jobID']} has converted its failback client" in state.why


def test_what_people_have_converted_after_our_job_has_failed_is_taken_as_it_is(world):
    instance = paired(world)
    world.simulator.fault({"do": "fail_at", "event": "LAUNCH_END", "error": "no disk", "count": 1})
    world.launch(DATA_CENTRE, kind=ConvertClients)
    world.later("30m")
    world.reader.recovery.stop_failback(instance)
    world.simulator.failback_client(instance)
    world.until_done(world.reversal(), (DATA_CENTRE,))
    world.reader.recovery.start_failback_launch([instance], tags={})
    world.later("30m")
    cleared = world.launch(DATA_CENTRE, kind=ConvertClients, max_tries=1)

    assert (cleared.jobs, [*cleared.already]) == ((), [DATA_CENTRE])
    assert len(world.called("StartFailbackLaunch")) == 2


def test_a_converted_machine_is_judged_by_its_job_and_its_failback(world):
    paired(world)
    launch = world.launch(DATA_CENTRE, kind=ConvertClients)
    members = {DATA_CENTRE: LaunchMember(DATA_CENTRE, "centre1", critical=False)}
    early = find_conversions(launch.launch, world.reader, members=members, now=world.now())
    world.later("30m")
    found = find_conversions(launch.launch, world.reader, members=members, now=world.now())

    assert [result.status for result in early.results] == ["unknown"]
    (result,) = found.results
    assert (result.status, result.reason, result.instance_id, result.critical) == ("launched", None, None, False)
    assert [(job.initiated_by, bool(job.ended_at)) for job in found.jobs] == [("FAILBACK", True)]
