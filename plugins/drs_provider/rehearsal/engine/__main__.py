"""One rehearsed run, in a process of its own: a request as JSON on standard input, its facts as JSON into a file.

``{"plan", "file", "plans_folder", "conf", "simulator", "speed", "seed", "task_seconds", "machine", "answers_after",
"assumed", "reports", "facts"}``: ``file`` is null for a plan that is named, ``answers_after`` is seconds, ``simulator``
is its address. ``machine`` is null where every leg of a task takes ``task_seconds``, else what an earlier rehearsal of
the plan has measured here: ``{"others", "pace", "works"}`` (``effort``). ``assumed`` lists the steps that are not run:
``{"wave", "place", "name", "seconds"}``; seconds is null for a step that this mode does not have.

The process has no other purpose: time is the rehearsal's in every module of this package, and sleeping moves it.
"""

import asyncio
import contextvars
import importlib
import json
import pkgutil
import random
import sys
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.simulator import SimulatorControl

_NOT_NEEDED = ("drs_provider.cli", "drs_provider.ui", "drs_provider.example_dags", "drs_provider.rehearsal.engine")


def main() -> int:
    """Rehearse, and leave the facts."""
    request: dict[str, Any] = json.load(sys.stdin)
    control = SimulatorControl(request["simulator"])
    clock = RehearsalClock(control.now(), lambda seconds: control.advance(seconds * request["speed"]))
    random.seed(request["seed"])
    _settle(clock, control)
    facts = _rehearse(request, clock, control)
    Path(request["facts"]).write_text(json.dumps(facts, default=str), encoding="utf-8")
    return 0


def _settle(clock: RehearsalClock, control: SimulatorControl) -> None:
    """Put this process into the rehearsal's time, before a task or trigger is made."""
    time.sleep = clock.advance  # type: ignore[assignment]  # it takes what sleep is given here: seconds
    import drs_provider

    rehearsed = clock.datetime_class()
    for found in pkgutil.walk_packages(drs_provider.__path__, "drs_provider."):
        if not found.name.startswith(_NOT_NEEDED):
            module = importlib.import_module(found.name)
            if vars(module).get("datetime") is datetime:
                vars(module)["datetime"] = rehearsed
    from drs_provider.hooks.session import read_once
    from drs_provider.triggers import one_shot as once

    read_once()
    vars(once)["in_thread_of_its_own"] = _in_thread
    stay_inside(control.address)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Stand in for ``triggers.once.in_thread_of_its_own``: the loop must know of calls that take simulated time."""
    loop: Any = asyncio.get_running_loop()
    return await loop.call_in_thread(partial(contextvars.copy_context().run, work))


def stay_inside(address: str) -> None:
    """Let this process reach nothing but the simulator, whatever a plan, a connection or a defect asks for."""
    inside = urlsplit(address)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            where = arguments[1]
            if isinstance(where, tuple) and where[:2] != (inside.hostname, inside.port):
                raise PermissionError(f"a rehearsal reaches nothing but its simulator, not {where[0]}:{where[1]}")

    sys.addaudithook(look)


def _rehearse(request: Mapping[str, Any], clock: RehearsalClock, control: SimulatorControl) -> dict[str, Any]:
    from drs_provider.dag.factory import build_dag
    from drs_provider.hooks.preload import preload_clients
    from drs_provider.plan.loader import read_folder, read_paths
    from drs_provider.rehearsal.engine.driver import Driver, Rules
    from drs_provider.rehearsal.engine.loop import JumpingLoop
    from drs_provider.rehearsal.steps import task_named

    folder = Path(request["plans_folder"])
    library = read_paths([Path(request["file"])], plans_folder=folder) if request["file"] else read_folder(folder)
    runnable = library.plans[request["plan"]]
    dag = build_dag(runnable, folder)
    waves = [wave.name for wave in runnable.plan.waves]
    assumed = {
        task: one["seconds"]
        for one in request["assumed"]
        if (task := task_named(one["wave"], one["place"], one["name"], dag.task_dict, waves))
    }
    _ensure_nothing_reaches_out(dag, assumed)
    rules = Rules(
        effort=_effort(request),
        answers_after=timedelta(seconds=request["answers_after"]),
        assumed={task: seconds for task, seconds in assumed.items() if seconds is not None},
        left_out=frozenset(task for task, seconds in assumed.items() if seconds is None),
    )
    preload_clients()  # as Airflow's scheduler has: else the first task would be measured with it
    driver = Driver(dag, request["conf"], "rehearsal", clock, rules)
    loop = JumpingLoop(clock, lambda: _by_the_clock(control.next_answer_in(), request["speed"]))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(driver.run())
    finally:
        loop.close()
    started = clock.now() - timedelta(seconds=clock.elapsed)
    return {
        "started_at": started.isoformat(),
        "elapsed_seconds": clock.elapsed,
        "tasks": {name: vars(record) for name, record in driver.records.items()},
        "mapped": driver.mapped,
        "unanswered": sorted(driver.supervisor.unanswered),
        "machine": {"others": driver.gauge.others, "share": driver.gauge.share, "pace": driver.gauge.pace},
        "report": _report(Path(request["reports"])),
    }


def _ensure_nothing_reaches_out(dag: Any, assumed: Collection[str]) -> None:
    """Break off before a step is run that must not be: whoever asked has forgotten it, or calls it differently."""
    from drs_provider.rehearsal.steps import RUN

    kinds = {name: task.step.kind for name, task in dag.task_dict.items() if hasattr(task, "step")}
    if wrong := [f"{name} ({kind})" for name, kind in kinds.items() if kind not in RUN and name not in assumed]:
        raise RuntimeError(f"these steps reach out of a rehearsal, and are not left out: {', '.join(wrong)}")


def _by_the_clock(simulated: float | None, speed: float) -> float | None:
    return None if simulated is None else simulated / speed


def _effort(request: Mapping[str, Any]) -> Any:
    from drs_provider.rehearsal.engine.effort import ByTheClock, Flat, Processors, processors

    machine = request["machine"]
    if machine is None:
        return Flat(request["task_seconds"])
    return ByTheClock(Processors(processors(), machine["others"]), machine["works"], pace=machine["pace"])


def _report(folder: Path) -> Any:
    """Return the report that the run itself has written."""
    found = sorted(folder.rglob("report.json"))
    return json.loads(found[0].read_text(encoding="utf-8")) if found else None


if __name__ == "__main__":
    sys.exit(main())
