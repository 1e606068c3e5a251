"""One rehearsed run, in a process of its own: a ``RehearsalRequest`` as JSON on standard input, its facts into a file.

The process has no other purpose: the time of everything in it is the rehearsal's.
"""

import asyncio
import random
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import DAG
from pydantic import TypeAdapter

from drs_provider.clock import install
from drs_provider.rehearsal.engine.clock import RehearsalClock
from drs_provider.rehearsal.engine.loop import JumpingLoop, RehearsalTime
from drs_provider.rehearsal.engine.simulator import SimulatorControl
from drs_provider.rehearsal.facts import RehearsalFacts, RehearsalRequest
from drs_provider.report.result import RunReport

_RUN_ID = "rehearsal"


def main() -> int:
    """Rehearse, and leave the facts."""
    request = TypeAdapter(RehearsalRequest).validate_json(sys.stdin.read())
    control = SimulatorControl(request.simulator)
    clock = RehearsalClock(control.now(), control.advance)
    random.seed(request.seed)
    install(RehearsalTime(clock))
    stay_inside(control.address)
    facts = _rehearse(request, clock, control)
    Path(request.facts).write_bytes(TypeAdapter(RehearsalFacts).dump_json(facts))
    return 0


def stay_inside(address: str) -> None:
    """Let this process reach nothing but the simulator, whatever a plan, a connection or a defect asks for."""
    inside = urlsplit(address)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            where = arguments[1]
            if isinstance(where, tuple) and where[:2] != (inside.hostname, inside.port):
                raise PermissionError(f"a rehearsal reaches nothing but its simulator, not {where[0]}:{where[1]}")

    sys.addaudithook(look)


def _rehearse(request: RehearsalRequest, clock: RehearsalClock, control: SimulatorControl) -> RehearsalFacts:
    from drs_provider.dag.factory import build_dag
    from drs_provider.hooks.preload import preload_clients
    from drs_provider.hooks.session import read_once
    from drs_provider.plan.loader import read_folder, read_paths
    from drs_provider.rehearsal.engine.driver import Driver, Rules

    read_once()
    preload_clients()  # as Airflow's scheduler has: else the first task would read it all
    folder = Path(request.plans_folder)
    library = read_paths([Path(request.file)], plans_folder=folder) if request.file else read_folder(folder)
    dag = build_dag(library.plans[request.plan], folder)
    _ensure_nothing_reaches_out(dag, {*request.assumed, *request.finds_nobody})
    rules = Rules(
        task_seconds=request.task_seconds,
        answers_after=timedelta(seconds=request.answers_after),
        assumed={task: seconds for task, seconds in request.assumed.items() if seconds is not None},
        left_out=frozenset(task for task, seconds in request.assumed.items() if seconds is None),
    )
    driver = Driver(dag, request.conf, _RUN_ID, clock, rules)
    started = clock.now()
    loop = JumpingLoop(clock, control.next_answer_in)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(driver.run())
    finally:
        loop.close()
    return RehearsalFacts(
        started_at=started,
        elapsed_seconds=clock.elapsed,
        tasks=driver.records,
        mapped=tuple(driver.mapped),
        unanswered=tuple(sorted(driver.supervisor.unanswered)),
        report=_report(Path(request.reports)),
    )


def _ensure_nothing_reaches_out(dag: DAG, harmless: Collection[str]) -> None:
    """Break off before a step is run that must not be: whoever asked has forgotten it, or calls it differently."""
    from drs_provider.rehearsal.steps import is_rehearsed

    kinds = {name: task.step.kind for name, task in dag.task_dict.items() if hasattr(task, "step")}
    if wrong := [f"{name} ({kind})" for name, kind in kinds.items() if not is_rehearsed(kind) and name not in harmless]:
        raise RuntimeError(f"these steps reach out of a rehearsal, and are not left out: {', '.join(wrong)}")


def _report(folder: Path) -> RunReport | None:
    """Return the report that the run itself has written."""
    found = sorted(folder.rglob("report.json"))
    return RunReport.model_validate_json(found[0].read_text(encoding="utf-8")) if found else None


if __name__ == "__main__":
    sys.exit(main())
