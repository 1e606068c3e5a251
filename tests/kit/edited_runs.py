"""Runs of real tasks in which somebody edits what Airflow keeps between them, as its API lets people do."""

import asyncio
import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from drs_provider import clock as clocks
from drs_provider.airflow_internals.task_runner import comms
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.driver import Driver, Rules
from drs_provider.rehearsal.engine.loop import JumpingLoop, RehearsalTime
from drs_provider.rehearsal.engine.simulator import SimulatorControl
from drs_provider.report.result import RunReport

ROOT = Path(__file__).parents[2]
NEVER = timedelta(days=30)


@dataclass
class Places:
    """XComs and entries of the task state store of a run, by place, as an editor sees them."""

    driver: Driver
    former: dict = field(default_factory=dict)
    """Every value that was ever there, by place."""

    def all(self):
        supervisor = self.driver.supervisor
        names = {instance_of(task): task for task in self.driver.dag.task_dict}
        stored = {("task_state_store", names[ti], key): value for (ti, key), value in supervisor._stores.items()}
        return {("xcom", task, key): value for (task, key), value in supervisor._xcoms.items()} | stored

    def remember(self):
        for place, value in self.all().items():
            values = self.former.setdefault(place, [])
            if value not in values:
                values.append(copy.deepcopy(value))

    def get(self, place):
        return copy.deepcopy(self.all().get(place))

    def put(self, place, value):
        stored_in, task, key = place
        supervisor = self.driver.supervisor
        if stored_in == "xcom":
            supervisor._xcoms[task, key] = value
        else:
            supervisor._stores[instance_of(task), key] = value

    def drop(self, place):
        stored_in, task, key = place
        supervisor = self.driver.supervisor
        if stored_in == "xcom":
            supervisor._xcoms.pop((task, key), None)
        else:
            supervisor._stores.pop((instance_of(task), key), None)

    def edit(self, task, key, change, stored_in="xcom"):
        """Change what lies somewhere, and leave its signature as it is."""
        value = self.get((stored_in, task, key))
        self.put((stored_in, task, key), change(value) if callable(change) else {**value, **change})


def instance_of(task):
    from drs_provider.rehearsal.engine import driver

    return driver.uuid5(driver._NAMESPACE, task)


class EditedDriver(Driver):
    """Calls ``edit(task_id, places)`` before every leg of a task.

    Tasks that are ``marked`` are set to success unrun, those that are ``forgiven`` when they have failed.
    """

    def __init__(self, *args, edit, marked=(), forgiven=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.edit, self.marked, self.forgiven, self.places = edit, marked, forgiven, Places(self)
        own = {comms.GetPreviousTI: self._instance_before, comms.GetDRCount: lambda _: comms.DRCount(count=1)}
        self.supervisor._answers = {**self.supervisor._answers, **own}

    def clear(self, **changes):
        """Clear the whole run, as people do in Airflow's pages; what each task left stays until its next try begins."""
        self.dag_run = self.dag_run.model_copy(update={"clear_number": self.dag_run.clear_number + 1})
        self.rules = replace(self.rules, **changes)
        self.supervisor.skipped.clear()
        for name, record in self.records.items():
            self.states[name] = None
            self.records[name] = replace(record, state=None, ready=None, began=None, ended=None, error=None)
            self.dag.task_dict[name].retries = record.tries

    def _instance_before(self, message):
        """Answer as the API server does: about the last run that is due before an instant."""
        assert message.logical_date > self.dag_run.logical_date
        tries = self.records[message.task_id].tries
        run = {"dag_id": self.dag_run.dag_id, "run_id": self.run_id, "task_id": message.task_id}
        return comms.PreviousTIResult(task_instance={**run, "try_number": tries})

    def _end(self, name, state):
        super()._end(name, "success" if state == "failed" and name in self.forgiven else state)

    def _leg(self, task, number, method, kwargs):
        self.places.remember()
        self.edit(task.task_id, self.places)
        return super()._leg(task, number, method, kwargs)

    async def _task(self, name):
        if name in self.marked:
            self.edit(name, self.places)
            self.records[name].began = self.clock.elapsed
            self._end(name, "success")
            return
        if self.dag_run.clear_number:
            self.supervisor.forget_xcoms(name)
        await super()._task(name)


class EndedRun:
    """A run that has ended, with what its tasks left and said."""

    def __init__(self, driver, reports):
        self.states, self.places = dict(driver.states), driver.places
        self.driver = driver
        found = max(reports.rglob("report.json"), key=lambda path: path.stat().st_mtime_ns, default=None)
        self.report = RunReport.model_validate_json(found.read_text()) if found else None

    @property
    def verdict(self):
        """What the run is called in the end: the verdict of its report where the last task agrees, else failed."""
        return self.report.verdict if self.report and self.states["finish.verdict"] == "success" else "failed"

    def said(self, task):
        return self.driver.records[task].error

    @property
    def edited(self):
        return {document.where: document.problem for document in self.report.edited}


def nobody(_task, _places):
    """Edit nothing."""


@dataclass(frozen=True)
class Clear:
    """What is different once a run has been cleared: who edits, whether people answer, which tasks are marked."""

    edit: Callable[[str, Places], None] = nobody
    answers: bool = True
    marked: Collection[str] = ()


def run_edited(
    simulator, plans, reports, text, conf, *, edit=nobody, answers=True, run_id="ours", cleared=None, **marks
):
    """Run a plan of this text to its end.

    :param cleared: the run is cleared then as a whole, and runs once more in this way
    :param edit: what somebody does before each leg of each task
    :param answers: whether people say yes to what they are asked; else nobody ever answers
    :param marks: the tasks that somebody marks as successful, see ``EditedDriver``
    """
    (plans / "shop.yaml").write_text(text)
    bag = DagBag(str(ROOT / "dags" / "recovery_plans.py"))
    assert bag.import_errors == {}
    dag = bag.dags["drs.shop"]
    for task in dag.tasks:
        if not task.is_mapped:
            task.retries = 0
    control = SimulatorControl(simulator.url)
    clock = RehearsalClock(control.now(), control.advance)
    clocks.install(RehearsalTime(clock))
    rules = Rules(task_seconds=0.5, answers_after=timedelta(0) if answers else NEVER)
    driver = EditedDriver(dag, conf, run_id, clock, rules, edit=edit, **marks)
    loop = JumpingLoop(clock, control.next_answer_in)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(driver.run())
        if cleared:
            driver.edit, driver.marked = cleared.edit, cleared.marked
            driver.clear(answers_after=timedelta(0) if cleared.answers else NEVER)
            loop.run_until_complete(driver.run())
    finally:
        loop.close()
        asyncio.set_event_loop(None)
        clocks.install(clocks.WallClock())
    return EndedRun(driver, reports)


def before(task_id, act):
    """Act once, before a task's first leg."""
    done = []

    def edit(task, places):
        if task == task_id and not done:
            done.append(task)
            act(places)

    return edit
