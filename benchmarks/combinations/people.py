"""What people do while a run goes on, or when it is over."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run import controls, names

from benchmarks.combinations.runs import ENDED, Run
from benchmarks.combinations.scenario import HELD, OUTSIDER, Scenario

_WAITS = ("deferred", "awaiting_input")

_LOOKS_EVERY = 5.0
"""Simulated seconds between two looks whether the moment has come."""


async def moment(scenario: Scenario, run: Run) -> bool:
    """Wait for the scenario's moment; tell whether it came before the run's end."""
    is_now: Callable[[str, str | None], bool] = {
        "launching": lambda name, state: names.read_task(name).name == names.WATCH and state == "deferred",
        "launched": lambda name, state: names.read_task(name).name == names.WATCH and state in ("success", "failed"),
        "kept": lambda name, state: name == names.KEEP_TASK and state in _WAITS,
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
    action = scenario.row["action"]
    if action == "edited_plan":
        run.dag = edited()
        return True
    done = _ACTIONS.get(action)
    return done is not None and done(run) is not False


def _clear(run: Run, what: str, most: int | None = None) -> None:
    run.clear(_of(run, what)[:most])


def _cancel(run: Run) -> None:
    not_begun = [name for name, record in run.records.items() if record.began is None]
    watched = [name for name in _of(run, names.WATCH) if run.states[name] not in ENDED]
    waves = [name for name in not_begun if names.read_task(name).group != names.FINISH_GROUP]
    keep = [names.KEEP_TASK] if names.KEEP_TASK in run.states else []
    run.order({*waves, *watched, *keep}, controls.cancellation("ann", "wrong network"))


def _skip(run: Run) -> bool:
    starts = [name for name in _of(run, names.START) if names.read_task(name).group == "web"]
    if any(run.records[name].began is not None for name in starts):
        return False
    run.order(starts, controls.skip("web", "ann", "not tonight"))
    return True


def _mark_approvals(run: Run) -> None:
    for name in _of(run, names.APPROVAL):
        run.mark(name)


def _mark_watch(run: Run) -> None:
    run.mark(next(name for name in _of(run, names.WATCH) if run.states[name] == "deferred"))


def _clear_failed(run: Run) -> None:
    run.clear([name for name, state in run.states.items() if state in ("failed", "upstream_failed")])


_ACTIONS: Final[Mapping[str, Callable[[Run], object]]] = {
    "clear_preflight": lambda run: _clear(run, names.CHECK),
    "clear_settings": lambda run: _clear(run, names.LAUNCH_SETTINGS),
    "clear_start": lambda run: _clear(run, names.START, 1),
    "clear_watch": lambda run: _clear(run, names.WATCH, 1),
    "clear_clean_up": lambda run: _clear(run, names.CLEAN_UP),
    "clear_run": lambda run: run.clear(list(run.states)),
    "clear_failed": _clear_failed,
    "cancel": _cancel,
    "skip_wave": _skip,
    "edited_xcom": lambda run: run.edit(_tampered),
    "mark_watch": _mark_watch,
    "mark_approval": _mark_approvals,
}
"""False: there was nothing to do it to."""


def takeover_key(run: Run) -> str:
    """Give the key by which another Airflow continues a run."""
    return run_key(run.dag.dag_id, run.run_id, INSTALLATION)


INSTALLATION = "combinations"
"""Id of the Airflow of a campaign."""


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
