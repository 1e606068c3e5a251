"""Operators, sensor and trigger of the way back, leg by leg, in both Regions of the simulator."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from drs_provider import clock
from drs_provider.dag.failback.cut_over.last_sync import ensure_last_sync
from drs_provider.dag.failback.cut_over.start import StartBack
from drs_provider.dag.failback.cut_over.stop_clients import StopClients
from drs_provider.dag.run_reader import order_of
from drs_provider.exceptions import AccessDenied, RunRefused, ServiceUnavailable
from drs_provider.hooks.drs import DrsHook
from drs_provider.hooks.failback import FailbackHook
from drs_provider.operators.failback import (
    DrsCleanUpFailbackOperator,
    DrsDeleteFailbackServersOperator,
    DrsDeleteRecoveryInstancesOperator,
    DrsDisconnectRecoveryInstancesOperator,
    DrsReverseReplicationOperator,
    DrsStopFailbackReplicationOperator,
)
from drs_provider.operators.failback_launch import (
    DrsStartFailbackLaunchOperator,
    DrsStartFailbackOperator,
    DrsStartReplicationOperator,
    DrsStopFailbackOperator,
)
from drs_provider.rules.failback.data_centre.last_sync import ClientCopy
from drs_provider.rules.failback.state import CircleState, Stage
from drs_provider.rules.run.handover import (
    BackLaunches,
    FailbackOutcome,
    FailbackProgress,
    FinalSync,
    Launch,
    PreflightServer,
    RecordedAnswer,
    RunOrder,
)
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.roster import Target
from drs_provider.rules.run.shape import WayBack
from drs_provider.sensors.failback import DrsFailbackSensor
from drs_provider.services.failback.convert_clients import ConvertClients
from drs_provider.services.failback.ends import stop_failback
from drs_provider.services.launch.start_jobs import MustWait
from drs_provider.services.signed import keys
from drs_provider.triggers.failback import DrsFailbackTrigger
from kit.fake_context import fake_context
from kit.fake_drs import MemoryStore
from kit.orders import order
from kit.way_back import BOTH, DATA_CENTRE, ONE, TWO, WAY_BACK_FLEET, WayBackWorld

AWS = {"aws_conn_id": None, "region_name": "us-west-2"}


@pytest.fixture(scope="module")
def two_regions(start_drs_simulator):
    return start_drs_simulator(WAY_BACK_FLEET, speed=600)


@pytest.fixture
def world(two_regions, monkeypatch):
    two_regions.reset()
    two_regions.clock(freeze=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", two_regions.url)
    found = WayBackWorld(two_regions)
    passed = SimpleNamespace(now=found.now, sleep=lambda _: None, in_thread=clock.WallClock().in_thread)
    monkeypatch.setattr(clock._Installed, "clock", passed)
    return found


def agreed(by="ann", **names):
    """The context of a run that somebody has triggered and another one has approved."""
    context = fake_context(dag_id="back", task_id="t", **names)
    place = Origin("back", "manual__1", "ask", RecordedAnswer.KEY)
    answer = RecordedAnswer(chosen="Approve", by=by, at=datetime(2026, 1, 31, tzinfo=UTC))
    context["ti"].left["ask", RecordedAnswer.KEY] = keys().seal(answer.to_json(), place)
    context["dag_run"].run_type, context["dag_run"].triggering_user_name = "manual", "bob"
    return context


def leg(task, context, deferral=None, event=None):
    """Run a leg of a task; what it returns, or how it defers."""
    try:
        if deferral is None:
            return task.execute(context)
        return getattr(task, deferral.method_name)(context, event, **(deferral.kwargs or {}))
    except TaskDeferred as deferred:
        return deferred


def to_the_end(task, world, context, *, most=120):
    """Run a task until it returns, a minute a leg, asking its triggers what they would say."""
    found = leg(task, context)
    for _ in range(most):
        if not isinstance(found, TaskDeferred):
            return found
        world.later()
        event = None
        if isinstance(found.trigger, DrsFailbackTrigger):
            event = asyncio.run(fired(found.trigger, world))
        found = leg(task, context, found, event)
    raise AssertionError(found.trigger.serialize())


async def fired(trigger, world):
    async def sleep(_):
        world.later()

    readers = [world.reader for _ in trigger.watches]
    return await trigger.wait(readers, now=world.now, sleep=sleep, jitter=lambda: 1.0)


def task(kind, servers=BOTH, **more):
    return kind(task_id="t", source_server_ids=list(servers), **AWS, **more)


def test_the_whole_way_back_by_tasks(world):
    world.recovered(*BOTH)
    context = fake_context()
    first = leg(task(DrsReverseReplicationOperator), context)
    assert isinstance(first.trigger, DrsFailbackTrigger)
    progress = FailbackProgress.from_json(context["pushed"]["failback_progress"])
    assert [(server.hostname, server.stage) for server in progress.servers] == [
        ("hello1", "reversing"),
        ("hello2", "reversing"),
    ]
    done = FailbackOutcome.from_json(to_the_end(task(DrsReverseReplicationOperator), world, fake_context()))
    assert set(done.done) == set(BOTH)

    launch = Launch.from_json(leg(task(DrsStartFailbackOperator), fake_context()))
    assert (launch.region, len(launch.jobs), len(launch.servers)) == ("us-east-1", 1, 2)
    back = to_the_end(task(DrsFailbackSensor, goal="failed_back"), world, fake_context())
    assert set(back["done"]) == set(BOTH)
    again = Launch.from_json(leg(task(DrsStartFailbackOperator), fake_context(task_id="other")))
    assert again.jobs == ()

    to_the_end(task(DrsReverseReplicationOperator, reprotect=True), world, fake_context())
    assert world.stages(*BOTH) == [Stage.REPROTECTED] * 2
    removed = FailbackOutcome.from_json(
        to_the_end(task(DrsCleanUpFailbackOperator, approval_task_id="ask"), world, agreed())
    )
    assert {thing.call for thing in removed.removed} == {
        "StopReplication",
        "TerminateRecoveryInstances",
        "DeleteRecoveryInstance",
        "DisconnectSourceServer",
        "DeleteSourceServer",
    }
    assert len(removed.job_ids) == 1
    assert set(to_the_end(task(DrsFailbackSensor, goal="resting"), world, fake_context())["done"]) == set(BOTH)
    assert world.called("StartRecovery") == [202, 202]


def test_the_clean_up_step_by_step_keeps_the_recovered_instance(world):
    world.ready(ONE)
    world.launched_back(ONE)
    world.until_done(world.reversal("reprotected"), (ONE,))
    recovered = world.reader.read((ONE,)).states[ONE].recovered
    more = {"servers": (ONE,), "approval_task_id": "ask"}
    with pytest.raises(AirflowFailException) as early:
        to_the_end(task(DrsDisconnectRecoveryInstancesOperator, **more), world, agreed())
    assert "stop_replication of s-" in str(early.value)
    assert "comes first. 0 others are done" in str(early.value)
    for kind in (
        DrsStopFailbackReplicationOperator,
        DrsDisconnectRecoveryInstancesOperator,
        DrsDeleteRecoveryInstancesOperator,
        DrsDeleteFailbackServersOperator,
    ):
        to_the_end(task(kind, **more), world, agreed())
    assert world.stages(ONE) == [Stage.RESTING]
    assert world.called("TerminateRecoveryInstances") == []
    assert world.reader.recovery.instance_states([recovered]) == {recovered: "running"}


def test_nobody_has_agreed(world):
    cleaned = task(DrsCleanUpFailbackOperator, approval_task_id="ask")
    with pytest.raises(AirflowFailException) as alone:
        leg(cleaned, agreed(by="bob"))
    assert "bob triggered this run: somebody else must approve it in ask" in str(alone.value)
    assert world.simulator.calls() == []


def test_what_does_not_get_there_by_waiting_is_told_with_its_remedy(world):
    world.recovered(ONE)
    world.reader.recovery.reverse_replication(world.reader.read((ONE,)).states[ONE].recovered)
    world.later("20m")
    back = world.reader.read((ONE,)).states[ONE].failback_server
    world.east.stop_replication(back)
    with pytest.raises(AirflowFailException) as stuck:
        leg(task(DrsReverseReplicationOperator), fake_context())
    assert f"hello1 ({ONE}): FAILBACK server {back} is STOPPED, its recovery points are deleted" in str(stuck.value)
    assert f"hello2 ({TWO}): it was not recovered, so there is no way back to go" in str(stuck.value)

    done = leg(task(DrsStartReplicationOperator, servers=(ONE,)), fake_context())
    assert done["done"] == {ONE: f"the replication of {back} is started"}
    assert leg(task(DrsStartReplicationOperator), fake_context())["done"][TWO] == "its replication is not stopped"


def test_a_wait_that_is_over_says_what_each_server_waits_for(world):
    world.recovered(ONE)
    one = task(DrsReverseReplicationOperator, servers=(ONE,), max_wait=timedelta(minutes=5))
    with pytest.raises(AirflowFailException) as over:
        to_the_end(one, world, fake_context())
    assert str(over.value).startswith("waited 5m, 1 of 1 servers are not there: hello1 (s-0hello00000000001): its ")
    assert str(over.value).endswith(". Clear this task to go on")


def test_a_data_centres_server_waits_for_people_and_is_converted(world):
    world.recovered(DATA_CENTRE)
    mine = {"servers": (DATA_CENTRE,)}
    context = fake_context()
    deferred = leg(task(DrsReverseReplicationOperator, **mine), context)
    assert isinstance(deferred.trigger, DrsFailbackTrigger)
    (server,) = FailbackProgress.from_json(context["pushed"]["failback_progress"]).servers
    assert "boot its machine from the DRS Failback Client ISO of us-west-2" in server.needs
    world.simulator.failback_client(server.recovered)
    stopped = leg(task(DrsStopFailbackOperator, **mine), fake_context())
    assert stopped["done"] == {DATA_CENTRE: f"the failback of {server.recovered} is ended"}
    world.simulator.failback_client(server.recovered)
    to_the_end(task(DrsReverseReplicationOperator, **mine), world, fake_context())
    with pytest.raises(AirflowFailException) as drill:
        leg(task(DrsStartFailbackLaunchOperator, is_drill=True, **mine), fake_context())
    assert str(drill.value) == "a failback client cannot be converted for a drill; nothing was called"
    assert len(leg(task(DrsStartFailbackLaunchOperator, **mine), fake_context())["jobs"]) == 1
    with pytest.raises(AirflowFailException) as converting:
        leg(task(DrsStopFailbackOperator, **mine), fake_context())
    assert "it is launching: only a failback that is under way can be ended" in str(converting.value)
    to_the_end(task(DrsFailbackSensor, goal="failed_back", **mine), world, fake_context())


def test_arguments_that_mean_nothing_are_refused_before_anything_is_called(world):
    for wrong, words in (
        (task(DrsReverseReplicationOperator, servers=()), "source_server_ids is empty"),
        (
            task(DrsFailbackSensor, goal="home"),
            "goal must be one of ready, failed_back, reprotected, resting, not 'home'",
        ),
    ):
        with pytest.raises(AirflowFailException) as refused:
            leg(wrong, fake_context())
        assert words in str(refused.value)
    with pytest.raises(AirflowFailException) as step:
        leg(task(DrsCleanUpFailbackOperator, approval_task_id="ask", steps=["all"]), agreed())
    assert "'all' is not a valid RemovalStep; nothing was called" in str(step.value)
    assert world.simulator.calls() == []


def test_a_conflict_is_waited_for_by_the_clock_and_the_trigger_comes_back_from_its_text(world):
    world.reader.recovery.start_recovery([ONE], is_drill=False, tags={})
    world.later("9m")
    deferred = leg(task(DrsReverseReplicationOperator, servers=(ONE,)), fake_context())
    assert isinstance(deferred.trigger, DateTimeTrigger)
    world.later("20m")
    deferred = leg(task(DrsReverseReplicationOperator, servers=(ONE,), origin_region_name="us-east-1"), fake_context())
    path, arguments = deferred.trigger.serialize()
    assert path == "drs_provider.triggers.failback.DrsFailbackTrigger"
    assert DrsFailbackTrigger(**arguments).serialize() == (path, arguments)
    assert arguments["watches"][0]["origin"]["region_name"] == "us-east-1"


@pytest.fixture
def start_back(world, monkeypatch):
    """A leg of the start of a wave whose servers are stages of its boot order, without what stands before it."""
    store = MemoryStore()

    def start_back(*stages, order=None, max_tries=0):
        servers = [PreflightServer(server_id=name, hostname=name) for stage in stages for name in stage]
        way = WayBack(Target("aws_default", "us-west-2"), Target("aws_default", ""), 1, ("g",), "r")
        start = StartBack(
            task_id="start",
            plan="shop",
            digest="d",
            wave="w",
            way=way,
            agreement=None,
            sync_task_id="s",
            stops_writes=True,
        )
        start.servers, start.stages, start.installation = tuple(servers), stages, "here"
        start.source_server_ids = [name for stage in stages for name in stage]
        for name, value in {
            "_obey": lambda *_: None,
            "prepare": lambda *_: None,
            "_points": lambda *_: {},
            "_ensure_quiet": lambda *_: None,
            "_squares": lambda _: "squares",
            "why_ended": lambda *_: order,
        }.items():
            monkeypatch.setattr(StartBack, name, value)
        context = fake_context(store, dag_id="drs.shop.failback", task_id="start", max_tries=max_tries)
        try:
            said = start.execute(context)
        except (TaskDeferred, AirflowFailException) as ended:
            said = ended
        left = (
            BackLaunches.from_json(context["pushed"][BackLaunches.KEY])
            if BackLaunches.KEY in context["pushed"]
            else None
        )
        return said, left

    monkeypatch.setattr("drs_provider.dag.failback.cut_over.start.reader_of", lambda _: world.reader)
    return start_back


def jobs_of(left):
    return [job.job_id for launch in left.launches for job in launch.jobs]


CANCELLED = "cancelled by ann"


def test_a_cancel_while_a_stage_waits_hands_on_what_was_launched_before(world, start_back):
    world.ready(*BOTH)
    waits, first = start_back((ONE,), (TWO,))
    said, left = start_back((ONE,), (TWO,), order=CANCELLED)

    assert (type(waits), said) == (TaskDeferred, "squares")
    assert (jobs_of(left), left.held_back) == (jobs_of(first), {TWO: CANCELLED})
    assert world.called("StartRecovery") == [202, 202]


def test_a_cancel_looks_for_a_job_whose_start_nobody_lived_to_remember(world, start_back, monkeypatch):
    world.ready(*BOTH)
    sent = DrsHook.start_recovery

    def dies(self, *args, **kwargs):
        sent(self, *args, **kwargs)
        raise RuntimeError("the worker is gone")

    with monkeypatch.context() as patched:
        patched.setattr(DrsHook, "start_recovery", dies)
        with pytest.raises(RuntimeError):
            start_back(BOTH)
    said, left = start_back(BOTH, order=CANCELLED)

    assert (said, len(jobs_of(left)), left.held_back) == ("squares", 1, {})
    assert world.called("StartRecovery") == [202, 202]


def test_machines_that_wait_keep_nobody_from_hearing_of_what_was_launched(world, start_back, monkeypatch):
    world.ready(ONE)
    monkeypatch.setattr(ConvertClients, "look", lambda _: MustWait("no room", (), "any"))
    monkeypatch.setattr(
        "drs_provider.dag.failback.cut_over.start.is_from_data_centre", lambda found: found.server_id == TWO
    )
    monkeypatch.setattr(StartBack, "_launchable", lambda *asked: ([*asked[2]], {}))
    waits, left = start_back(BOTH)
    said, again = start_back(BOTH, order=CANCELLED)

    assert (type(waits), len(jobs_of(left)), said) == (TaskDeferred, 1, "squares")
    assert (jobs_of(again), again.held_back) == (jobs_of(left), {TWO: CANCELLED})


def test_a_cancel_of_what_nothing_was_begun_of_ends_the_start(world, start_back):
    world.ready(*BOTH)
    said, left = start_back((ONE,), (TWO,), order=CANCELLED)

    assert (str(said), left, len(world.called("StartRecovery"))) == (CANCELLED, None, 1)


@pytest.fixture
def stop_clients(world, monkeypatch):
    """The end of a failback of a data centre's machine that nobody has converted, after the start has ended so."""
    world.recovered(DATA_CENTRE)
    instance = world.reader.read((DATA_CENTRE,)).states[DATA_CENTRE].recovered
    world.simulator.failback_client(instance)
    world.until_done(world.reversal(), (DATA_CENTRE,))
    monkeypatch.setattr("drs_provider.dag.failback.cut_over.stop_clients.reader_of", lambda _: world.reader)
    server = PreflightServer(server_id=DATA_CENTRE, hostname="centre1")
    monkeypatch.setattr(StopClients, "_servers", lambda *_: (server,))
    store, home = MemoryStore(), SimpleNamespace(way=None)

    def stop_clients(start, context=None):
        context = context or fake_context(store, dag_id="drs.shop.failback", task_id="stop")
        context["ti"].get_task_states = lambda **_: {"manual__1": {"w.start": start}}
        return leg(StopClients(task_id="stop", plan="p", digest="d", home=home, start_task_ids=["w.start"]), context)

    return stop_clients


def test_a_conversion_that_drs_may_not_show_yet_is_waited_for_before_failbacks_are_ended(world, stop_clients):
    waits = stop_clients("failed")
    asked = len(world.called("StopFailback"))
    world.later("2m")
    ended = stop_clients("failed")

    assert (type(waits), asked, [*ended["done"]]) == (TaskDeferred, 0, [DATA_CENTRE])
    assert waits.trigger.moment - world.now() < timedelta(seconds=1)


@pytest.mark.parametrize("start", ["skipped", "success", "upstream_failed"])
def test_nobody_waits_for_a_start_that_sent_nothing_whose_answer_was_lost(world, stop_clients, start):
    assert [*stop_clients(start)["done"]] == [DATA_CENTRE]


@pytest.mark.parametrize(
    ("began", "why"),
    [
        (0, ""),
        (
            1,
            (
                "nothing was launched: the failback client of centre1 was booted after the last sync. Clear the step "
                "that stops the writes with everything downstream, so that the last sync is waited for again"
            ),
        ),
    ],
)
def test_a_last_sync_is_of_the_client_that_is_converted(began, why):
    at = clock.now() - timedelta(hours=1)
    context = fake_context(dag_id="back", task_id="start")
    synced = FinalSync(quiesced_at=at, settled={DATA_CENTRE: "so"})
    place = Origin("back", "manual__1", "sync", FinalSync.KEY)
    context["ti"].left["sync", FinalSync.KEY] = keys().seal(synced.to_json(), place)
    record = {"failback": {"failbackInitiationTime": (at + timedelta(minutes=began)).isoformat()}}
    said = ""
    try:
        ensure_last_sync(context, "sync", "w", (), {DATA_CENTRE: ClientCopy("centre1", record)}, stops_writes=True)
    except RunRefused as refusal:
        said = str(refusal)

    assert said == why


def test_an_order_to_end_failbacks_is_obeyed_once_and_ends_what_it_can(world, stop_clients, monkeypatch):
    """One that AWS refuses keeps nobody from ending the others, and what is ended is told whatever follows."""
    stop, refused = FailbackHook.stop_failback, [True]

    def ended(self, instance):
        if refused.pop() if refused else False:
            raise AccessDenied("StopFailback", "AccessDeniedException", "not you")
        stop(self, instance)

    monkeypatch.setattr(FailbackHook, "stop_failback", ended)
    context = fake_context(dag_id="drs.shop.failback", task_id="stop")
    with pytest.raises(AirflowFailException, match="not you"):
        stop_clients("skipped", context=context)
    left = FailbackOutcome.from_json(context["pushed"]["return_value"])
    order(context, RunOrder(kind="cancel", message="cancelled by ann"))
    stop_clients("skipped", context=context)

    assert (left.is_complete, left.done, [*left.left]) == (False, {}, [DATA_CENTRE])
    assert "not you" in left.left[DATA_CENTRE]
    assert order_of(context) is None


def test_a_refusal_of_one_failback_ends_the_others(monkeypatch):
    called = []

    def stop(instance):
        called.append(instance)
        if instance == "i-1":
            raise AccessDenied("StopFailback", "AccessDeniedException", "not you")
        if instance == "i-2":
            raise ServiceUnavailable("StopFailback", "Unavailable", "later")

    states = {name: CircleState(name, Stage.READY, recovered=name.replace("s", "i")) for name in ("s-1", "s-2", "s-3")}
    read = SimpleNamespace(states=states, circles={name: SimpleNamespace(server=None) for name in states})
    reader = SimpleNamespace(read=lambda _: read, recovery=SimpleNamespace(stop_failback=stop))
    ends = stop_failback(reader, [*states])

    assert (called, ends.done) == (["i-1", "i-2", "i-3"], {"s-3": "the failback of i-3 is ended"})
    with pytest.raises(ServiceUnavailable):
        ends.raise_refusal()
