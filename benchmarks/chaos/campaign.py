"""Runs of a campaign on one stack: triggered, killed at, answered, watched, and judged from the records."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import yaml
from drs_provider.rules.run.names import REPORT_TASK

from benchmarks.chaos.desk import ASKING, USERS, Desk
from benchmarks.chaos.documents import WEBHOOK_CONN_ID, documents, fleet
from benchmarks.chaos.judge import judge, strangers
from benchmarks.chaos.judge_cloud import over_quota
from benchmarks.chaos.killer import Killer
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.record import Heard, Record, Said, read_record
from benchmarks.chaos.scenarios import Kill, Scenario
from benchmarks.chaos.surroundings import connections, networks_left, prepare
from demo.stack import PROJECT, Database, Settings, Stack, StackError
from demo.team import Executor

SPEED = 100.0
"""A DRS job takes about six seconds. Jobs that are over sooner than a busy scheduler looks round cost Airflow tries."""

PATIENCE, STILL = 900.0, 300.0
"""Real seconds: a run that has not ended after the first, and in which nothing has happened for the second, never
will."""

SILENT = 600.0
"""Real seconds: an Airflow whose API has answered nothing for so long has no end of a run to tell."""

READY_WITHIN = 900.0
"""Real seconds: a campaign stands back behind whatever else a machine does."""

SETTLED_AFTER = 3.0
"""Seconds between the end of the last run and the last look: what shuts down has then shut down."""

LOOKS_AT_REST = 10
"""So many looks in a row find nothing to do but a question: then the run waits for a person."""

LOOK_EVERY = 1.5
"""Seconds between two looks at a run: each costs Airflow's API some of the time that the runs need."""

SERVERS_PER_SHARE = 60
"""A run counts for one, and one more for so many servers: every server is a task of its own."""

DONE = ("success", "failed")

AIRFLOW = {
    # This checkout's code, also where the environment is shared with another one.
    "PYTHONPATH": f"{PROJECT / 'plugins'}:{PROJECT / 'simulator'}",
    # How soon a killed part is noticed decides how long a run takes, not how it ends.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__CORE__PARALLELISM": "8",
    # The processor decides how much a campaign does in an hour: nobody edits these plans, and nobody waits for a tenth.
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
    # Whatever else the machine does: a file that is not read in time would take its DAGs away from their runs.
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "3600",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    # How soon a question whose time is over is ended.
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "3",
    **USERS,
}


@dataclass
class Running:
    """A run that was triggered; the kills that are still to come, soonest first."""

    scenario: Scenario
    at: float
    kills: list[Kill]
    hits: list[str] = field(default_factory=list)
    rests: int = 0
    """How many looks in a row have found it waiting for a person."""
    looked: float = 0.0
    rival_began: bool = False
    moved: float = 0.0
    """When one of its tasks was last seen in another state."""
    states: object = None

    def is_stuck(self, tasks: Sequence[Mapping[str, Any]], now: float) -> bool:
        """Whether its time is over, and nothing happens any more."""
        states = {(task["task_id"], task["map_index"]): (task["state"], task["try_number"]) for task in tasks}
        if states != self.states:
            self.states, self.moved = states, now
        return now - self.at > PATIENCE and now - self.moved > STILL

    @property
    def share(self) -> float:
        """How much of the stack it takes."""
        return 1 + len(self.scenario.servers) / SERVERS_PER_SHARE


@dataclass(frozen=True)
class Judged:
    """A run and everything that is wrong with it, and with the recovery that overtook it."""

    scenario: Scenario
    said: Said
    seconds: float
    hits: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """A stack that knows the plans of its runs, and what there was before the first of them."""

    stack: Stack
    listener: Listener
    before: Mapping[str, Any]
    state: Path

    def record(self) -> Record:
        """Look at everything for the last time, and keep what was seen."""
        time.sleep(SETTLED_AFTER)
        now, calls = self.stack.simulator.state(), self.stack.simulator.calls()
        networks = networks_left(self.stack.simulator.address)
        heard = Heard(dict(self.listener.heard), dict(self.listener.unanswered), dict(self.listener.ready))
        beside = {"networks": networks, "told": heard.told, "unanswered": heard.unanswered, "ready": heard.ready}
        for name, content in (("record", now), ("before", self.before), ("calls", calls), ("beside", beside)):
            (self.state / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        return read_record(now, self.before, calls=calls, networks=networks, heard=heard)


@contextmanager
def ready(
    scenarios: Sequence[Scenario],
    state: Path,
    say: Callable[[str], None],
    *,
    database: Database = "sqlite",
    executor: Executor = "local",
    airflow: Mapping[str, str] = MappingProxyType({}),
    conn_ids: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[Ready]:
    """Start a stack for these runs.

    :param airflow: more of Airflow's environment
    :param conn_ids: Airflow connections of runs, by seed, that are not those of their account
    """
    folder = state / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    listener = Listener(
        {scenario.mark(step): step.lost for scenario in scenarios for step in scenario.steps if step.lost}
    )
    for scenario in scenarios:
        texts = documents(scenario, listener.address, conn_id=conn_ids.get(scenario.seed))
        (folder / f"{scenario.plan}.yaml").write_text(yaml.safe_dump_all(texts, sort_keys=False), encoding="utf-8")
    fleet_file = state / "fleet.yaml"
    fleet_file.write_text(yaml.safe_dump(fleet(scenarios), sort_keys=False), encoding="utf-8")
    hook = {f"AIRFLOW_CONN_{WEBHOOK_CONN_ID.upper()}": listener.address}
    settings = Settings(
        state=state / "stack",
        plans=folder,
        fleets=(fleet_file,),
        speed=SPEED,
        airflow={**AIRFLOW, **connections(), **hook, **airflow},
        database=database,
        executor=executor,
        ready_within=READY_WITHIN,
    )
    try:
        with Stack(settings, say) as stack:
            for scenario in scenarios:
                for each in (scenario, scenario.rival):
                    if each:
                        stack.await_dag(each.dag_id)
            prepare(stack.simulator.address)
            yield Ready(stack, listener, stack.simulator.state(), state)
    finally:
        listener.close()


def campaign(
    scenarios: Sequence[Scenario],
    state: Path,
    side_by_side: int,
    say: Callable[[str], None],
    tail: Callable[[], None] = lambda: None,
    *,
    database: Database = "sqlite",
    executor: Executor = "local",
    until: float | None = None,
) -> list[Judged]:
    """Run these, so many at a time, on a stack of their own; return them judged, in the order of their ends.

    :param tail: called once when so few runs are left that another stack has room beside this one
    :param until: no run is begun after that (:func:`time.monotonic`); what was not begun is not judged
    """
    with ready(scenarios, state, say, database=database, executor=executor) as all_set:
        ended = Drive(all_set.stack, side_by_side, say, until).drive(scenarios, tail)
        record = all_set.record()
    found = list(judged(ended, record))
    # What belongs to no run is told with the first: somebody must look at it.
    for problem in [*strangers(scenarios, record), *over_quota(record)]:
        say(f"FAILED: {problem}")
        found[:1] = [replace(run, problems=(*run.problems, problem)) for run in found[:1]]
    return found


def judged(ended: Sequence[tuple[Running, Said, float]], record: Record) -> Iterator[Judged]:
    """Judge runs; what is wrong with a rival is told with the run that it overtook."""
    rivals = {run.scenario.seed: judge(run.scenario, said, record) for run, said, _ in ended if run.scenario.suffix}
    for run, said, took in ended:
        if not run.scenario.suffix:
            problems = judge(run.scenario, said, record)
            problems += [f"the recovery beside it: {problem}" for problem in rivals.get(run.scenario.seed, ())]
            yield Judged(run.scenario, said, took, tuple(run.hits), tuple(problems))


class Drive:
    """Keeps so many runs going until all have ended."""

    def __init__(self, stack: Stack, side_by_side: int, say: Callable[[str], None], until: float | None = None) -> None:
        self._stack, self._side_by_side, self._say = stack, side_by_side, say
        self._until = until
        self._answered = time.monotonic()
        self._killer = Killer(stack)
        self._desk = Desk(stack.airflow.address, stack.places.passwords)

    def drive(
        self, scenarios: Sequence[Scenario], tail: Callable[[], None] = lambda: None
    ) -> list[tuple[Running, Said, float]]:
        """Run all of these; return each with what was said of it and the seconds that it took.

        :raises StackError: when Airflow's API answers nothing for :data:`SILENT`
        """
        self._answered = time.monotonic()
        waiting, running = list(scenarios), list[Running]()
        ended: list[tuple[Running, Said, float]] = []
        is_tail = False
        while waiting or running:
            if self._until is not None and time.monotonic() > self._until:
                waiting.clear()
            while waiting and sum(run.share for run in running) < self._side_by_side:
                if (begun := self._begin(waiting[0])) is None:
                    break
                waiting.pop(0)
                running.append(begun)
            self._kill(running)
            self._killer.tend()
            self.meanwhile()
            running += self._overtake(running)
            for run in list(running):
                if (said := self._look(run)) is not None:
                    running.remove(run)
                    took = time.monotonic() - run.at
                    ended.append((run, said, took))
                    self._tell(run, said, took)
                    if run.scenario.rival and not run.rival_began:
                        waiting.insert(0, run.scenario.rival)
            if not is_tail and not waiting and sum(run.share for run in running) <= self._side_by_side / 2:
                is_tail = True
                tail()
            time.sleep(0.5)
        self._desk.close()
        return ended

    def _hear(self, error: httpx.HTTPError | None) -> None:
        """Take note of an answer of Airflow's API (None), or of none: API servers are killed, and come back."""
        now = time.monotonic()
        if error is None:
            self._answered = now
        elif now - self._answered > SILENT:
            raise StackError(f"Airflow's API has answered nothing for {SILENT:.0f} s, last {error!r}")

    def meanwhile(self) -> None:
        """Do something else between two looks; for others than campaigns."""

    def _tell(self, run: Running, said: Said, took: float) -> None:
        verdict = (said.report or {}).get("verdict") or (
            "waits for a person" if said.waits_for_person else "no verdict"
        )
        scenario = run.scenario
        kind = f"{scenario.mode} of {len(scenario.servers)} servers in {len(scenario.waves)} waves"
        killed = ", ".join(run.hits) or "nothing"
        lies = f"; lies: {', '.join(lie['do'] for lie in scenario.lies)}" if scenario.lies else ""
        self._say(f"  {scenario.plan}: {kind}, {said.state}, {verdict}, {took:.0f} s; killed: {killed}{lies}")

    def _begin(self, scenario: Scenario) -> Running | None:
        if not self._trigger(scenario):
            return None
        return Running(scenario, time.monotonic(), sorted(scenario.kills, key=lambda kill: kill.after))

    def _overtake(self, running: Sequence[Running]) -> list[Running]:
        """Begin the recoveries whose time has come, whatever else goes on."""
        begun = []
        for run in running:
            rival, after = run.scenario.rival, run.scenario.rival_after
            if rival is None or after is None or run.rival_began or time.monotonic() - run.at < after:
                continue
            if (other := self._begin(rival)) is not None:
                run.rival_began = True
                begun.append(other)
        return begun

    def _kill(self, running: Sequence[Running]) -> None:
        for run in running:
            while run.kills and time.monotonic() - run.at > run.kills[0].after:
                run.hits.append(self._killer.kill(run.kills.pop(0)))

    def _trigger(self, scenario: Scenario) -> bool:
        """Start a run with its weather; False while Airflow's API does not answer."""
        try:
            if self._state(scenario) is None:
                self._stack.airflow.trigger(scenario.dag_id, scenario.conf, run_id=scenario.run_id)
        except httpx.HTTPError as error:
            self._hear(error)
            return False
        self._hear(None)
        if faults := [*scenario.faults, *scenario.lies]:
            self._stack.simulator.add_faults(faults)
        return True

    def _state(self, scenario: Scenario) -> str | None:
        try:
            return str(self._stack.airflow.run(scenario.dag_id, scenario.run_id)["state"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def _look(self, run: Running) -> Said | None:
        """Return what is said of a run that has ended, waits for a person or never will end; None: go on waiting."""
        now = time.monotonic()
        if now - run.looked < LOOK_EVERY:
            return None
        run.looked = now
        scenario = run.scenario
        more: dict[str, Any] = {
            "kills": self._killer.since(run.at),
            "wrongly_taken": tuple(self._desk.answers(scenario).wrongly_taken),
        }
        try:
            state = self._state(scenario)
            self._hear(None)
            if state in DONE:
                return Said(state, self._report(scenario), **more)
            if not (scenario.questions or now - run.at > PATIENCE):
                return None
            tasks = self._stack.airflow.tasks(scenario.dag_id, scenario.run_id)
            unfinished = {t["task_id"]: str(t["state"]) for t in tasks if t["state"] in _UNFINISHED}
            asking = [str(t["task_id"]) for t in tasks if t["state"] == ASKING]
            self._desk.answer(scenario, dict.fromkeys(asking, ASKING))
            run.rests = run.rests + 1 if asking and not unfinished and not run.kills else 0
            silent = {question.task_id for question in scenario.questions if question.act == "silent"}
            if run.rests >= LOOKS_AT_REST and silent.issuperset(asking):
                return Said(state, None, waits_for_person=True, **more)
            if run.is_stuck(tasks, now):
                return Said(
                    state, None, waits_for_person=bool(asking) and not unfinished, unfinished=unfinished, **more
                )
        except httpx.HTTPError as error:
            self._hear(error)
            run.rests = 0  # the API server was killed, and is coming back
        return None

    def _report(self, scenario: Scenario) -> Mapping[str, Any] | None:
        left = self._stack.airflow.result(scenario.dag_id, scenario.run_id, REPORT_TASK)
        if not left:
            return None
        report: Mapping[str, Any] = json.loads(
            Path(left["json_path"].removeprefix("file://")).read_text(encoding="utf-8")
        )
        return report


_UNFINISHED = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting")
