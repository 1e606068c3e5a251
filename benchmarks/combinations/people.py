"""What people do while a run goes on, or when it is over."""

import asyncio
from collections.abc import Callable
from typing import Any

from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run import controls, names

from benchmarks.combinations.runs import ENDED, Run
from benchmarks.combinations.scenario import HELD, OUTSIDER, Scenario

_LOOKS_EVERY = 5.0
"""Simulated seconds between two looks whether the moment has come."""


async def moment(scenario: Scenario, run: Run) -> bool:
    """Wait for the scenario's moment; tell whether it came before the run's end."""
    is_now: Callable[[str, str | None], bool] = {
        "launching": lambda name, state: names.read_task(name).name == names.WATCH and state == "deferred",
        "launched": lambda name, state: names.read_task(name).name == names.WATCH and state in ("success", "failed"),
        "kept": lambda name, state: name == names.KEEP_TASK and state == "deferred",
    }.get(scenario.row["moment"], lambda _name, _state: False)
    if scenario.row["action"] == "mark_approval":
        return True
    while not run.is_over:
        if any(is_now(name, state) for name, state in run.states.items()):
            return True
        await asyncio.sleep(_LOOKS_EVERY)
    return scenario.row["moment"] == "ended"


def act(scenario: Scenario, run: Run, *, edited: Callable[[], Any]) -> bool:
    """Do to a run what the scenario's people do to it; tell whether there was anything to do it to.

    :param edited: gives the DAG of the plan as somebody has edited it
    """
    match scenario.row["action"]:
        case "clear_preflight":
            run.clear([names.PREFLIGHT_TASK])
        case "clear_settings":
            run.clear(_of(run, names.LAUNCH_SETTINGS))
        case "clear_start":
            run.clear(_of(run, names.START)[:1])
        case "clear_watch":
            run.clear(_of(run, names.WATCH)[:1])
        case "clear_clean_up":
            run.clear(_of(run, names.CLEAN_UP))
        case "clear_run":
            run.clear(list(run.states))
        case "clear_failed":
            run.clear([name for name, state in run.states.items() if state in ("failed", "upstream_failed")])
        case "cancel":
            not_begun = [name for name, record in run.records.items() if record.began is None]
            watched = [name for name in _of(run, names.WATCH) if run.states[name] not in ENDED]
            waves = [name for name in not_begun if names.read_task(name).group not in (names.FINISH_GROUP,)]
            keep = [names.KEEP_TASK] if names.KEEP_TASK in run.states else []
            run.order({*waves, *watched, *keep}, controls.cancellation("ann", "wrong network"))
        case "skip_wave":
            starts = [name for name in _of(run, names.START) if names.read_task(name).group == "web"]
            if any(run.records[name].began is not None for name in starts):
                return False
            run.order(starts, controls.skip("web", "ann", "not tonight"))
        case "edited_xcom":
            run.edit(_tampered)
        case "edited_plan":
            run.dag = edited()
        case "mark_watch":
            run.mark(next(name for name in _of(run, names.WATCH) if run.states[name] == "deferred"))
        case "mark_approval":
            for name in _of(run, names.APPROVAL):
                run.mark(name)
        case _:
            return False
    return True


def takeover_key(run: Run) -> str:
    """Give the key by which another Airflow continues a run."""
    return run_key(run.dag.dag_id, run.run_id)


def _of(run: Run, what: str) -> list[str]:
    return [name for name in run.states if names.read_task(name).name == what]


def _tampered(value: Any) -> Any:
    """Put a server of production into the place of another one, and a drill into that of a recovery."""
    match value:
        case dict():
            return {
                _tampered(key): ("recovery" if item == "drill" else "drill")
                if key == "mode" and item in ("drill", "recovery")
                else _tampered(item)
                for key, item in value.items()
            }
        case list():
            return [_tampered(item) for item in value]
        case str():
            return value.replace(HELD, OUTSIDER)
    return value
