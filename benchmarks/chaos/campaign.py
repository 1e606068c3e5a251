"""Runs of a campaign on one stack: triggered, killed at, watched, and judged from the simulator's record."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.chaos.judging import Said, judge, read_record, strangers
from benchmarks.chaos.killing import Killer
from benchmarks.chaos.scenarios import Scenario, documents, fleet
from demo.stack import PROJECT, Database, Settings, Stack

SPEED = 200.0
"""A DRS job takes about three seconds."""

PATIENCE = 900.0
"""Real seconds after which a run that has not ended counts as one that never will."""

SETTLED_AFTER = 3.0
"""Seconds between the end of the last run and the last look: what shuts down has then shut down."""

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
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
}


@dataclass
class Running:
    """A run that was triggered; the kills that are still to come, soonest first."""

    one: Scenario
    at: float
    kills: list[Any]
    hits: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """A run and everything that is wrong with it."""

    one: Scenario
    said: Said
    seconds: float
    hits: tuple[str, ...]
    problems: tuple[str, ...]


def campaign(
    scenarios: Sequence[Scenario],
    state: Path,
    side_by_side: int,
    say: Callable[[str], None],
    database: Database = "sqlite",
) -> list[Judged]:
    """Run these, so many at a time, on a stack of their own; return them judged, in the order of their ends."""
    folder = state / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for one in scenarios:
        (folder / f"{one.plan}.yaml").write_text(yaml.safe_dump_all(documents(one), sort_keys=False), encoding="utf-8")
    fleet_file = state / "fleet.yaml"
    fleet_file.write_text(yaml.safe_dump(fleet(list(scenarios)), sort_keys=False), encoding="utf-8")
    settings = Settings(state / "stack", folder, (fleet_file,), speed=SPEED, airflow=AIRFLOW, database=database)
    with Stack(settings, say) as stack:
        for one in scenarios:
            stack.await_dag(one.dag_id)
        before = stack.simulator.state()
        ended = Drive(stack, side_by_side, say).drive(scenarios)
        time.sleep(SETTLED_AFTER)
        record = read_record(stack.simulator.state(), before)
        (state / "record.json").write_text(json.dumps(stack.simulator.state()), encoding="utf-8")
        (state / "calls.json").write_text(json.dumps(stack.simulator.calls()), encoding="utf-8")
    for problem in strangers(scenarios, record):
        say(f"FAILED: {problem}")
    return [
        Judged(run.one, said, took, tuple(run.hits), tuple(judge(run.one, said, record))) for run, said, took in ended
    ]


class Drive:
    """Keeps so many runs going until all have ended."""

    def __init__(self, stack: Stack, side_by_side: int, say: Callable[[str], None]) -> None:
        self._stack, self._side_by_side, self._say = stack, side_by_side, say
        self._killer = Killer(stack)

    def drive(self, scenarios: Sequence[Scenario]) -> list[tuple[Running, Said, float]]:
        """Run all of these; return each with what was said of it and the seconds that it took."""
        waiting, running = list(scenarios), list[Running]()
        ended: list[tuple[Running, Said, float]] = []
        while waiting or running:
            while waiting and len(running) < self._side_by_side:
                if not self._trigger(waiting[0]):
                    break
                one = waiting.pop(0)
                running.append(Running(one, time.monotonic(), sorted(one.kills, key=lambda kill: kill.after)))
            self._kill(running)
            self._killer.tend()
            for run in list(running):
                took = time.monotonic() - run.at
                said = self._look(run.one, late=took > PATIENCE)
                if said is not None:
                    running.remove(run)
                    ended.append((run, said, took))
                    verdict = (said.report or {}).get("verdict")
                    self._say(
                        f"  {run.one.plan}: {run.one.mode} of {len(run.one.servers)} servers in {len(run.one.waves)} "
                        f"waves, {said.state}, {verdict}, {took:.0f} s; killed: {', '.join(run.hits) or 'nothing'}"
                    )
            time.sleep(0.5)
        return ended

    def _kill(self, running: Sequence[Running]) -> None:
        for run in running:
            while run.kills and time.monotonic() - run.at > run.kills[0].after:
                run.hits.append(self._killer.kill(run.kills.pop(0)))

    def _trigger(self, one: Scenario) -> bool:
        """Start a run with its weather; False while Airflow's API does not answer."""
        try:
            if self._state(one) is None:
                self._stack.airflow.trigger(one.dag_id, one.conf, run_id=one.run_id)
        except httpx.HTTPError:
            return False
        if one.faults:
            self._stack.simulator.add_faults(list(one.faults))
        return True

    def _state(self, one: Scenario) -> str | None:
        try:
            return str(self._stack.airflow.run(one.dag_id, one.run_id)["state"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def _look(self, one: Scenario, *, late: bool) -> Said | None:
        """Return what is said of a run that has ended, or that never will; None: go on waiting."""
        try:
            state = self._state(one)
            if state in DONE:
                return Said(state, self._report(one))
            if late:
                tasks = self._stack.airflow.tasks(one.dag_id, one.run_id)
                unfinished = {t["task_id"]: str(t["state"]) for t in tasks if t["state"] in _UNFINISHED}
                return Said(state, None, unfinished=unfinished)
        except httpx.HTTPError:
            pass  # the API server was killed, and is coming back
        return None

    def _report(self, one: Scenario) -> Any:
        left = self._stack.airflow.result(one.dag_id, one.run_id, "finish.report")
        if not left:
            return None
        return json.loads(Path(left["json"].removeprefix("file://")).read_text(encoding="utf-8"))


_UNFINISHED = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule")
