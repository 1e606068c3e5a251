"""The next wave is started by the task that has seen the one before through; in simulated time."""

import dataclasses

import pytest
from drs_provider.airflow_internals.task_runner import comms
from drs_provider.dag import hand_over
from drs_provider.dag.waves.start import StartWave
from drs_provider.dag.waves.watch import WatchWave
from drs_provider.rehearsal.engine.driver import instance_id
from drs_provider.rules.run.handover import HandedOver, LeftToItself, RunOrder
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.services.signed import keys

from benchmarks.kill_sweep.judge import problems
from benchmarks.kill_sweep.kinds import DB, WEB, kind_of
from benchmarks.kill_sweep.mortal_run import Death

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

WATCH, START = "database.recovery_job", "web.start_recovery"
AHEAD = kind_of("ahead")
IN_WAVES = dataclasses.replace(AHEAD, plan=AHEAD.plan.replace("launch: ahead\n", ""))
KINDS = pytest.mark.parametrize("kind", [IN_WAVES, AHEAD], ids=["in waves", "ahead"])


def with_plan(kind, was, now, **more):
    assert was in kind.plan
    return dataclasses.replace(kind, plan=kind.plan.replace(was, now), **more)


def begun_by(runs, start=START):
    """The tasks that have started a wave before its own task."""
    left = {task: HandedOver.read(runs[-1].supervisor.xcom(task, HandedOver.KEY)) for task in runs[-1].states}
    return [task for task, handed in left.items() if handed and start in handed.launches]


def launched(record):
    """The servers of the jobs, in the order of the jobs."""
    jobs = sorted((job for job in record.jobs if job["type"] == "LAUNCH"), key=lambda job: job["creationDateTime"])
    return [server["sourceServerID"] for job in jobs for server in job["participatingServers"]]


@KINDS
def test_the_task_that_has_seen_a_wave_through_starts_the_next_one_and_its_own_tasks_take_it(live, kind):
    record, runs = live(kind=kind)

    assert list(problems(kind.expected, record)) == []
    assert sorted(launched(record)) == [DB, WEB]
    assert begun_by(runs) == [WATCH]
    assert runs[-1].states[START] == runs[-1].states["web.recovery_job"] == "success"
    assert {s["hostname"]: s["status"] for wave in record.report["waves"] for s in wave["servers"]} == {
        "db1": "launched",
        "web1": "launched",
    }


def test_instances_that_were_launched_ahead_are_started_before_the_tasks_of_their_wave_begin(live):
    began = []

    def people(run):
        run.before_leg = lambda name: began.append((name, run.clock.now().timestamp()))

    record, _ = live(kind=AHEAD, people=people)

    starts = [call["at"] for call in record.calls if call["operation"] == "StartInstances" and call["committed"]]
    assert len(starts) == 2
    assert starts[1] <= next(at for name, at in began if name == START)


@KINDS
@pytest.mark.parametrize(
    "paused",
    [pytest.param(lambda _: True, id="paused"), pytest.param(lambda _: 1 / 0, id="Airflow does not answer")],
)
def test_a_plan_that_is_paused_hands_nothing_over(live, monkeypatch, kind, paused):
    monkeypatch.setattr(hand_over, "is_dag_paused", paused)
    record, runs = live(kind=kind)

    assert begun_by(runs) == []
    assert list(problems(kind.expected, record)) == []


def ordered(orders, before=WATCH):
    """Somebody gives orders to tasks right before the first wave is judged, as the plugin's route does."""

    def people(run):
        def give(name):
            for task, document in orders.items() if name == before else ():
                place = Origin(run.dag.dag_id, run.run_id, task, document.KEY, stored_in="task_state_store")
                entry = keys().seal(document.to_json(), place)
                run.supervisor.send(
                    comms.SetTaskStateStore(ti_id=instance_id(task), key=document.KEY, value=entry, expires_at=None)
                )

        run.before_leg = give

    return people


def test_a_wave_that_a_person_has_had_skipped_is_left_to_itself(live):
    orders = {START: RunOrder(kind="skip", message="wave web skipped by ann"), WATCH: LeftToItself(waves=("web",))}
    record, runs = live(kind=IN_WAVES, people=ordered(orders))

    assert begun_by(runs) == []
    assert runs[-1].states[START] == "skipped"
    assert launched(record) == [DB]


def test_a_cancelled_run_hands_nothing_over(live):
    order = RunOrder(kind="cancel", message="cancelled by ann")
    record, runs = live(kind=IN_WAVES, people=ordered({WATCH: order, START: order}))

    assert begun_by(runs) == []
    assert launched(record) == [DB]
    assert record.report["verdict"] == "cancelled"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"do": "commit_then_drop"}, id="the answer is lost"),
        pytest.param({"do": "throttle"}, id="throttled"),
        pytest.param({"do": "access_denied"}, id="refused"),
        pytest.param({"do": "server_error"}, id="its error"),
    ],
)
def test_what_aws_does_not_take_is_left_to_the_task_of_the_wave(live, swept_simulator, fault):
    swept_simulator.fault({"service": "drs", "operation": "StartRecovery", "servers": [WEB], "count": 1, **fault})
    record, _ = live(kind=IN_WAVES)

    assert list(problems(IN_WAVES.expected, record)) == []
    assert launched(record) == [DB, WEB]


@pytest.mark.parametrize("owner", [StartWave, WatchWave])
def test_an_error_that_nobody_expects_leaves_the_wave_to_its_own_tasks(live, monkeypatch, owner):
    name = {StartWave: "start_early", WatchWave: "start_first"}[owner]
    monkeypatch.setattr(owner, name, lambda *_: 1 / 0)
    record, runs = live(kind=AHEAD)

    assert list(problems(AHEAD.expected, record)) == []
    assert runs[-1].states["web.recovery_job"] == "success"


@KINDS
@pytest.mark.parametrize("elsewhere", [False, True], ids=["killed", "taken over"])
@pytest.mark.parametrize("later", [0, 1])
def test_a_death_while_a_wave_is_handed_over_starts_nothing_twice_and_forgets_nothing(live, kind, elsewhere, later):
    operation = "ec2:StartInstances" if kind is AHEAD else "drs:StartRecovery"
    death = Counting(operation=operation, later=later)
    record, _ = live(death, kind=kind, elsewhere=elsewhere)

    assert death.struck
    assert list(problems(kind.expected, record, is_elsewhere=elsewhere)) == []
    assert sorted(launched(record)) == [DB, WEB]


@dataclasses.dataclass
class Counting(Death):
    """Dies some calls after the second one of an operation; 0: right after it."""

    operation: str = ""
    later: int = 0
    seen: int = 0

    def after(self, service, operation):
        if self.operation and not self.struck:
            self.seen += f"{service}:{operation}" == self.operation
            if self.seen >= 2:
                self.at = self.count + 1 if self.later == 0 else 0
                self.later -= 1
        super().after(service, operation)


def test_what_is_cleared_together_and_is_there_is_not_launched_again(live):
    def then(run):
        run.clear(["database.start_recovery"])
        return True

    record, _ = live(kind=IN_WAVES, then=then)

    assert launched(record) == [DB, WEB]
    assert record.report["verdict"] == "completed", record.report["verdict_reason"]


def test_what_is_cleared_together_and_is_gone_is_launched_once_more_and_not_twice(live, swept_simulator):
    def then(run):
        drs, ec2 = swept_simulator.client("drs"), swept_simulator.client("ec2")
        mine = [found for found in drs.describe_recovery_instances()["items"] if found["sourceServerID"] in (DB, WEB)]
        for found in mine:
            ec2.modify_instance_attribute(InstanceId=found["ec2InstanceID"], DisableApiTermination={"Value": False})
        drs.terminate_recovery_instances(recoveryInstanceIDs=[found["recoveryInstanceID"] for found in mine])
        swept_simulator.advance("20m")
        run.clear(["database.start_recovery"])
        return True

    record, runs = live(kind=IN_WAVES, then=then)

    assert launched(record) == [DB, WEB, DB, WEB]
    assert begun_by(runs) == [WATCH]
    assert record.report["verdict"] == "completed", record.report["verdict_reason"]


def test_where_only_the_wave_before_is_cleared_the_next_one_is_left_alone(live):
    def then(run):
        below = {task: run.states[task] for task in run.states if not task.startswith("database.")}
        run.clear(["database.recovery_job"])
        run.states.update({task: state for task, state in below.items() if task.startswith("web.")})
        return True

    record, _ = live(kind=IN_WAVES, then=then)

    assert launched(record) == [DB, WEB]


PAUSE = "  - {name: web, groups: [web], pause_before: {approvers: [ann], message: go on}}\n"


@KINDS
def test_the_answer_of_a_person_starts_the_wave_that_waited_for_it(live, kind):
    asked = with_plan(
        kind,
        "  - {name: web, groups: [web]}\n",
        PAUSE,
        answers={**kind.answers, "web.pause": [("ann", "Continue", "")]},
    )
    record, runs = live(kind=asked)

    assert list(problems(kind.expected, record)) == []
    assert begun_by(runs) == ["web.pause"]


@pytest.mark.parametrize("kind", ["cancel", "skip"])
def test_an_order_that_comes_while_a_delay_passes_is_obeyed(live, kind):
    later = with_plan(IN_WAVES, "{name: web, groups: [web]}", "{name: web, groups: [web], delay_before: 5m}")
    order = RunOrder(kind=kind, message=f"{kind} by ann")
    record, runs = live(kind=later, people=ordered({START: order, "web.delay": LeftToItself(waves=("web",))}))

    assert begun_by(runs) == []
    assert launched(record) == [DB]


@KINDS
def test_a_cancel_that_comes_right_after_a_hand_over_is_not_lost(live, kind):
    """The wave runs, and is watched; nothing more is started, and the run is no success."""
    order = RunOrder(kind="cancel", message="cancelled by ann")
    record, runs = live(kind=kind, people=ordered({START: order}, before=START))

    assert begun_by(runs) == [WATCH]
    assert sorted(launched(record)) == [DB, WEB]
    assert runs[-1].states["web.recovery_job"] == "success"
    assert record.report["verdict_reason"] == "Cancelled by ann; everything had been launched by then."


def test_a_pause_that_dies_after_the_answer_asks_nobody_again(live):
    asked = with_plan(
        IN_WAVES,
        "  - {name: web, groups: [web]}\n",
        PAUSE,
        answers={**IN_WAVES.answers, "web.pause": [("ann", "Continue", ""), ("ann", "Stop", "")]},
    )
    death = Counting(operation="drs:StartRecovery", later=0)
    record, runs = live(death, kind=asked)

    assert death.struck
    assert launched(record) == [DB, WEB]
    assert record.report["verdict"] == "completed", record.report["verdict_reason"]
    assert runs[-1].states[START] == "success"


def test_a_delay_that_has_passed_starts_the_wave(live):
    later = with_plan(IN_WAVES, "{name: web, groups: [web]}", "{name: web, groups: [web], delay_before: 5m}")
    record, runs = live(kind=later)

    assert begun_by(runs) == ["web.delay"]
    assert list(problems(later.expected, record)) == []


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("before: [{kind: approval, name: ask, message: sure?, approvers: [ann]}]", id="a step before it"),
        pytest.param("launch: in_waves", id="none"),
    ],
)
def test_a_step_that_stands_before_a_wave_comes_before_it(live, step):
    kind = with_plan(
        IN_WAVES,
        "{name: web, groups: [web]}",
        f"{{name: web, groups: [web], {step}}}",
        answers={**IN_WAVES.answers, "web.ask": [("ann", "Approve", "")]},
    )
    record, runs = live(kind=kind)

    assert begun_by(runs) == ([] if "ask" in step else [WATCH])
    assert list(problems(kind.expected, record)) == []
