"""The driver of a rehearsal runs the tasks of a DAG as Airflow would, in a time that it moves itself."""

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DownstreamTasksSkipped
from airflow.triggers.base import BaseTrigger, TriggerEvent
from drs_provider.clock import WallClock, in_thread, install, now, sleep
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.driver import Driver, Rules
from drs_provider.rehearsal.engine.loop import JumpingLoop, RehearsalTime
from drs_provider.rules.run.handover import StepResult

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
AT_ONCE = Rules(task_seconds=0.0, answers_after=timedelta(0))


class Tells(BaseOperator):
    """Pushes what it is given, or raises it."""

    def __init__(self, *, says=None, **kwargs):
        super().__init__(**kwargs)
        self.says = says

    def execute(self, context):
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Waits(BaseOperator):
    """Waits so many seconds of the rehearsal, then hands on what it heard."""

    def __init__(self, *, seconds, clock, by_date=False, patience=None, **kwargs):
        super().__init__(**kwargs)
        self.seconds, self.clock, self.by_date, self.patience = seconds, clock, by_date, patience

    def execute(self, context):
        after = timedelta(seconds=self.seconds)
        trigger = DateTimeTrigger(moment=self.clock.now() + after) if self.by_date else Sleeping(seconds=self.seconds)
        self.defer(trigger=trigger, method_name="heard", kwargs={"own": 1}, timeout=self.patience)

    def heard(self, context, event, own):
        return {"event": str(event), "own": own}


class Sleeping(BaseTrigger):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def serialize(self):
        return f"{type(self).__module__}.{type(self).__qualname__}", {"seconds": self.seconds}

    async def run(self):
        if self.seconds < 0:
            raise ValueError("no time to lose")
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(self.seconds)
        yield TriggerEvent("slept")


class Reads(BaseOperator):
    """Keeps a count over its tries, and fails until the third."""

    def execute(self, context):
        store = context["task_state_store"]
        count = (store.get("count") or 0) + 1
        store.set("count", count)
        if count < 3:
            raise ValueError("not yet")
        states = context["ti"].get_task_states(dag_id="d", run_ids=["r"])["r"]
        return {"count": count, "try": context["ti"].try_number, "before": states["before"]}


@pytest.fixture
def clock():
    return RehearsalClock(START, [].append)


@pytest.fixture
def drive(clock):
    def drive(build, rules=AT_ONCE, **conf):
        with DAG("d", schedule=None, params={}) as dag:
            build()
        driver = Driver(dag, conf, "r", clock, rules)
        loop = JumpingLoop(clock)
        try:
            loop.run_until_complete(driver.run())
        finally:
            loop.close()
        return driver

    return drive


def ends(driver):
    return {name: (record.state, round(record.ended, 3)) for name, record in driver.records.items()}


def test_branches_run_side_by_side(drive, clock):
    def build():
        a, b = Waits(task_id="a", seconds=30, clock=clock), Waits(task_id="b", seconds=50, clock=clock, by_date=True)
        [a, b] >> Tells(task_id="c")

    driver = drive(build)
    assert ends(driver) == {"a": ("success", 30), "b": ("success", 50), "c": ("success", 50)}
    assert driver.supervisor.xcom("a", "return_value") == {"event": "slept", "own": 1}


def test_every_start_and_every_going_on_takes_what_airflow_takes(drive, clock):
    driver = drive(
        lambda: Waits(task_id="a", seconds=30, clock=clock) >> Tells(task_id="b"),
        Rules(task_seconds=1.5, answers_after=timedelta(0)),
    )
    assert ends(driver) == {"a": ("success", 33), "b": ("success", 34.5)}


def test_a_failed_task_is_tried_again_after_its_delay_and_remembers(drive):
    def build():
        Tells(task_id="before") >> Reads(task_id="again", retries=2, retry_delay=timedelta(seconds=10))

    driver = drive(build)
    assert ends(driver)["again"] == ("success", 20)
    assert driver.records["again"].tries == 3
    assert driver.supervisor.xcom("again", "return_value") == {"count": 3, "try": 3, "before": "success"}


def test_a_task_that_fails_for_good_is_not_tried_again(drive):
    def build():
        bad = Tells(task_id="bad", says=AirflowFailException("it is broken"), retries=5)
        bad >> Tells(task_id="after")
        bad >> Tells(task_id="anyhow", trigger_rule=TriggerRule.ALL_DONE)

    driver = drive(build)
    assert ends(driver) == {"bad": ("failed", 0), "after": ("upstream_failed", 0), "anyhow": ("success", 0)}
    assert driver.records["bad"].error == "it is broken"


def test_skipped_tasks_let_tasks_behind_them_run_as_their_rules_say(drive):
    def build():
        skipping = Tells(task_id="skipping", says=AirflowSkipException("not today"))
        skipping >> Tells(task_id="skipped_too")
        skipping >> Tells(task_id="runs", trigger_rule=TriggerRule.NONE_FAILED)
        chooses = Tells(task_id="chooses", says=DownstreamTasksSkipped(tasks=["left_out"]))
        chooses >> Tells(task_id="left_out")

    states = {name: state for name, (state, _) in ends(drive(build)).items()}
    assert states == {
        "skipping": "skipped",
        "skipped_too": "skipped",
        "runs": "success",
        "chooses": "success",
        "left_out": "skipped",
    }


def test_a_trigger_that_fails_or_takes_too_long_fails_its_task(drive, clock):
    def build():
        Waits(task_id="slow", seconds=100, clock=clock, patience=timedelta(seconds=60))
        Waits(task_id="broken", seconds=-1, clock=clock)

    assert ends(drive(build)) == {"slow": ("failed", 60), "broken": ("failed", 0)}


@pytest.mark.parametrize(
    ("answers_after", "defaults", "ended"),
    [
        (timedelta(minutes=5), None, ("success", 300)),
        (timedelta(hours=2), None, ("failed", 3600)),
        (timedelta(hours=2), "Approve", ("success", 3600)),
    ],
)
def test_people_answer_when_they_are_said_to(drive, answers_after, defaults, ended):
    def build():
        ApprovalOperator(
            task_id="asks",
            subject="Go on?",
            response_timeout=timedelta(hours=1),
            defaults=defaults,
            fail_on_reject=True,
        )

    driver = drive(build, Rules(task_seconds=0.0, answers_after=answers_after))
    assert ends(driver)["asks"] == ended


def test_steps_that_are_not_run_take_what_is_assumed(drive):
    def build():
        Tells(task_id="assumed", says=ValueError("never run")) >> Tells(task_id="left_out") >> Tells(task_id="end")

    rules = Rules(0.0, timedelta(0), assumed={"assumed": 90.0}, left_out=frozenset({"left_out"}))
    assert ends(drive(build, rules)) == {
        "assumed": ("success", 90),
        "left_out": ("skipped", 90),
        "end": ("skipped", 90),
    }


def test_a_step_that_is_assumed_leaves_what_a_step_that_passed_leaves(drive):
    driver = drive(lambda: Tells(task_id="w.s"), Rules(0.0, timedelta(0), assumed={"w.s": 90.0}))
    left = StepResult.read(driver.supervisor.xcom("w.s", StepResult.KEY))
    assert (left.state, left.started_at, left.ended_at) == ("succeeded", START, START + timedelta(seconds=90))


def test_what_has_no_answer_is_named(drive):
    class Asks(BaseOperator):
        def execute(self, context):
            context["ti"].get_dr_count(dag_id="other")

    driver = drive(lambda: Asks(task_id="asks"))
    assert driver.supervisor.unanswered == {"GetDRCount"}


def test_the_clock_of_a_rehearsal_takes_the_simulator_along():
    moved = []
    clock = RehearsalClock(START, moved.append)
    clock.advance(2.5)
    clock.advance(0.0)
    assert (clock.now(), moved) == (START + timedelta(seconds=2.5), [2.5])


def test_what_asks_for_the_time_gets_the_time_of_the_rehearsal(clock):
    async def beside():
        return await in_thread(lambda: now() - START)

    install(RehearsalTime(clock))
    try:
        sleep(90)
        loop = JumpingLoop(clock)
        try:
            found = loop.run_until_complete(beside())
        finally:
            loop.close()
    finally:
        install(WallClock())
    assert (found, clock.elapsed) == (timedelta(seconds=90), 90)
    assert now() > START + timedelta(seconds=90)


def test_what_shows_servers_holds_the_end_of_the_run_and_nothing_else(drive):
    def build():
        start = Tells(task_id="start", says=list("abcdef"))
        Tells.partial(task_id="shows").expand(says=start.output)
        start >> Tells(task_id="next")

    driver = drive(build, Rules(4.0, timedelta(0)))
    assert ends(driver)["next"] == ("success", 8)
    assert driver.clock.elapsed == 4 + 6 * 1


def test_a_call_that_waits_for_simulated_time_gets_it_while_others_go_on():
    waited, now = [], []

    def move(seconds):
        waited.append(seconds)
        if clock.elapsed + seconds >= 30:
            answered.set()

    clock, answered = RehearsalClock(START, move), threading.Event()

    def call():
        assert answered.wait(10)
        return "late"

    async def other():
        await asyncio.sleep(20)
        now.append(clock.elapsed)

    async def both():
        return await asyncio.gather(loop.call_in_thread(call), other())

    loop = JumpingLoop(clock, lambda: 30 - clock.elapsed)
    try:
        assert loop.run_until_complete(both()) == ["late", None]
    finally:
        loop.close()
    assert (now, waited, clock.elapsed) == ([20], [20, 10], 30)


def test_a_call_that_fails_fails_who_waits_for_it(clock):
    def call():
        raise ValueError("no such function")

    loop = JumpingLoop(clock)
    try:
        with pytest.raises(ValueError, match="no such function"):
            loop.run_until_complete(loop.call_in_thread(call))
    finally:
        loop.close()
    assert clock.elapsed == 0


def test_a_rehearsal_reaches_nothing_but_its_simulator():
    code = """
import socket, sys
from drs_provider.rehearsal.engine.__main__ import stay_inside
server = socket.create_server(("127.0.0.1", 0))
stay_inside(f"http://127.0.0.1:{server.getsockname()[1]}")
socket.create_connection(server.getsockname()).close()
for where in (("127.0.0.1", 1), ("192.0.2.1", 443), ("2001:db8::1", 443, 0, 0)):
    try:
        socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET).connect(where)
    except PermissionError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a rehearsal reaches nothing but its simulator, not 127.0.0.1:1",
        "a rehearsal reaches nothing but its simulator, not 192.0.2.1:443",
        "a rehearsal reaches nothing but its simulator, not 2001:db8::1:443",
    ]
