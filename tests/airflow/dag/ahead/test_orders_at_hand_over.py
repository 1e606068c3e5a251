"""Orders of people, and a pause, in the very second in which a wave is handed over; in simulated time."""

import dataclasses

import pytest
from drs_provider.airflow_internals.task_runner import comms
from drs_provider.dag import hand_over
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.rehearsal.engine.driver import instance_id
from drs_provider.rules.run.handover import HandedOver, LeftToItself, RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

from benchmarks.kill_sweep.judge import problems
from benchmarks.kill_sweep.kinds import DB, WEB, kind_of

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

WATCH, START, WEB_WATCH = "database.recovery_job", "web.start_recovery", "web.recovery_job"
AHEAD = kind_of("ahead")
IN_WAVES = dataclasses.replace(AHEAD, plan=AHEAD.plan.replace("launch: ahead\n", ""))
KINDS = pytest.mark.parametrize("kind", [IN_WAVES, AHEAD], ids=["in waves", "ahead"])
BREAKS = {"hostname": "db1", "do": "fail_at", "event": "LAUNCH_START", "error": "x", "count": 1}


def give(run, task, document):
    """As the plugin's route does."""
    place = Origin(run.dag.dag_id, run.run_id, task, document.KEY, stored_in="task_state_store")
    entry = keys().seal(document.to_json(), place)
    run.supervisor.send(
        comms.SetTaskStateStore(ti_id=instance_id(task), key=document.KEY, value=entry, expires_at=None)
    )


@pytest.fixture
def in_that_second(monkeypatch):
    """Do something after the hand-over has looked whether it may begin, and before it begins; once."""

    def in_that_second(act):
        start_now, done, runs = hand_over._start_now, [], []

        def meanwhile(*arguments):
            if not done:
                done.append(True)
                act(runs[-1])
            return start_now(*arguments)

        monkeypatch.setattr(hand_over, "_start_now", meanwhile)
        return runs.append

    return in_that_second


def servers_of(record, operation):
    """Which servers the calls of an operation were about, in their order."""
    found = []
    for call in record.calls:
        if call["operation"] == operation and call["committed"]:
            request = call["request"]
            found += [each["sourceServerID"] for each in request.get("sourceServers", ())]
            found += [record.instances[name][0] for name in request.get("InstanceIds", ())]
    return found


def instances_begun_by(runs):
    """The tasks that have started instances of the second wave before its own tasks."""
    left = {task: HandedOver.read(runs[-1].supervisor.xcom(task, HandedOver.KEY)) for task in runs[-1].states}
    return [task for task, handed in left.items() if task != START and handed and handed.starts.get(WEB_WATCH)]


@KINDS
def test_a_cancel_starts_nothing_more(live, in_that_second, kind):
    order = RunOrder(kind="cancel", message="cancelled by ann")
    people = in_that_second(lambda run: [give(run, task, order) for task in (WATCH, START)])
    record, runs = live(kind=kind, people=people)

    assert record.report["verdict"] == "cancelled", record.report["verdict_reason"]
    assert servers_of(record, "StartRecovery").count(WEB) == (kind is AHEAD)
    assert WEB not in servers_of(record, "StartInstances")
    assert instances_begun_by(runs) == []


@KINDS
def test_a_skip_leaves_the_wave_to_itself(live, in_that_second, kind):
    def skip(run):
        give(run, WATCH, LeftToItself(waves=("web",)))
        give(run, START, RunOrder(kind="skip", message="wave web skipped by ann"))

    record, runs = live(kind=kind, people=in_that_second(skip))

    assert WEB not in servers_of(record, "StartInstances")
    assert servers_of(record, "StartRecovery").count(WEB) == (kind is AHEAD)
    assert runs[-1].states[START] == "skipped"


@KINDS
def test_a_plan_that_is_paused_begins_nothing_and_goes_on_once_it_is_resumed(live, in_that_second, monkeypatch, kind):
    paused = []
    monkeypatch.setattr(hand_over, "is_dag_paused", lambda _: bool(paused))
    record, runs = live(kind=kind, people=in_that_second(lambda _: paused.append(True)))

    assert paused
    assert instances_begun_by(runs) == []
    assert list(problems(kind.expected, record)) == []
    assert servers_of(record, "StartRecovery") == [DB, WEB]
    if kind is AHEAD:
        assert servers_of(record, "StartInstances") == [DB, WEB]


@KINDS
def test_where_nobody_knows_of_an_order_the_wave_is_left_to_its_own_tasks(live, in_that_second, monkeypatch, kind):
    def no_answer(_):
        monkeypatch.setattr(hand_over, "is_dag_paused", lambda _: 1 / 0)

    record, runs = live(kind=kind, people=in_that_second(no_answer))

    assert runs[-1].states[WATCH] == "success"
    assert instances_begun_by(runs) == []
    assert list(problems(kind.expected, record)) == []


OTHER = "s-00000000000000021"
GROUP = f"kind: ProtectionGroup\nname: other\nregion: us-west-2\nservers: [{OTHER}]\n---\n"
ORDER = RunOrder(kind="continue", message="continued past wave middle by ann: it can wait")


def of_three(kind, *, middle="", last=""):
    """A third wave behind the two, of a server that nobody has recovered."""
    waves = f"  - {{name: middle, groups: [web]{middle}}}\n  - {{name: last, groups: [other]{last}}}\n"
    plan = kind.plan.replace("  - {name: web, groups: [web]}\n", waves)
    plan = plan.replace("kind: RecoveryPlan", f"{GROUP}kind: RecoveryPlan")
    return dataclasses.replace(kind, plan=plan, prepare=lambda _: None)


def continued(run):
    """What continuing past the second wave does: it orders its tasks, and clears those that have failed."""
    for task in ("middle.start_recovery", "middle.recovery_job"):
        give(run, task, ORDER)
    run.clear(["middle.recovery_job"])
    return True


@KINDS
def test_a_run_that_continues_past_a_failed_wave_begins_the_next_one_once(live, swept_simulator, kind):
    swept_simulator.fault({**BREAKS, "hostname": "web1"})
    record, runs = live(kind=of_three(kind), then=continued)

    assert sorted(servers_of(record, "StartRecovery")) == [DB, WEB, OTHER]
    assert runs[-1].states["last.recovery_job"] == "success"
    if kind is AHEAD:
        assert servers_of(record, "StartInstances") == [DB, OTHER]
    assert record.report["verdict"] == "completed_with_exceptions", record.report["verdict_reason"]


@KINDS
@pytest.mark.parametrize("task", ["middle.recovery_job", "last.start_recovery"])
def test_an_order_to_continue_that_comes_while_the_next_wave_is_handed_over_loses_nothing(
    live, in_that_second, kind, task
):
    """It comes too late: the wave before is judged, and the next one begins, once."""
    people = in_that_second(lambda run: give(run, task, ORDER))

    def late(run):
        people(run)

    record, runs = live(kind=of_three(kind), people=late)

    assert sorted(servers_of(record, "StartRecovery")) == [DB, WEB, OTHER]
    assert record.report["verdict"] in ("completed", "completed_with_exceptions"), record.report["verdict_reason"]
    assert runs[-1].states["last.start_recovery"] == "success"
    if kind is AHEAD:
        assert servers_of(record, "StartInstances") == [DB, WEB, OTHER]


def test_two_waves_that_end_in_the_same_second_one_of_them_continued_past_begin_the_next_once(
    live, swept_simulator, monkeypatch
):
    """The order comes while the other wave is judged: whoever ends last begins what waits for both."""
    swept_simulator.fault({**BREAKS, "hostname": "web1"})
    judge, judged = WatchWave._judge, []

    def noted(self, *arguments, **more):
        judged.append(self.wave)
        return judge(self, *arguments, **more)

    monkeypatch.setattr(WatchWave, "_judge", noted)
    kind = of_three(AHEAD, middle=", depends_on: []", last=", depends_on: [database, middle]")
    record, runs = live(kind=kind, then=continued)

    assert sorted(servers_of(record, "StartRecovery")) == [DB, WEB, OTHER]
    assert servers_of(record, "StartInstances").count(OTHER) == 1
    assert runs[-1].states["last.recovery_job"] == "success"
