"""How far the waves of a run have come, for those who are asked and for those who are told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.context import Context

from drs_provider.exceptions import RunRefused
from drs_provider.notify.messages import WaveNow
from drs_provider.rules.run.keys import ERROR, PREFLIGHT
from drs_provider.rules.run.names import DELAY, NOTIFICATIONS, PAUSE, PREFLIGHT_TASK, is_teller

if TYPE_CHECKING:
    pass


_OVER = {"success": "done", "skipped": "left out", "failed": "failed"}
_UNDER_WAY = ("queued", "running", "deferred", "up_for_reschedule", "up_for_retry", "restarting")


def waves_now(context: Context, preflight: Mapping[str, Any]) -> list[WaveNow]:
    """Look at every chosen wave of the run, in the order of the plan."""
    left = RunReader(context)
    found = []
    for name, wave in preflight["waves"].items():
        if not wave["selected"]:
            continue
        servers = sum(len(part["servers"]) for part in wave["targets"])
        watch = f"{name}.recovery_job"
        results = left.of(watch, "servers") if left.state(watch) in ("success", "failed") else None
        launched = None if results is None else sum(one["status"] == "launched" for one in results)
        failed = None if launched is None else servers - launched
        found.append(WaveNow(name, wave_state(left.states, name), servers, launched, failed))
    return found


def wave_state(states: Mapping[str, str | None], wave: str) -> str:
    """Say in one word how far a wave is, from the states of its tasks: the words of ``WaveNow``."""
    if f"{wave}.recovery_job" not in states:
        return _steps_state([states[task] for task in tasks_of(states, wave)])
    starts = [state for task, state in states.items() if task.startswith(f"{wave}.start_recovery")]
    watch = states[f"{wave}.recovery_job"]
    if watch in _OVER:
        return _OVER[str(watch)]
    if watch == "upstream_failed":
        return "failed" if "failed" in starts else "not started"
    if watch in _UNDER_WAY or any(state in _UNDER_WAY or state == "success" for state in starts):
        return "running"
    return "waiting"


def tasks_of(states: Mapping[str, str | None], wave: str) -> list[str]:
    """Return the tasks that a wave consists of: no square of a server, nothing that stands before it or beside it."""
    others = tuple(f"{wave}.{name}" for name in ("servers", DELAY, PAUSE, NOTIFICATIONS))
    return [task for task in states if task.startswith(f"{wave}.") and not task.startswith(others)]


def _steps_state(states: Sequence[str | None]) -> str:
    """Judge a wave that has steps and no servers."""
    if "failed" in states:
        return "failed"
    if states and all(state in ("success", "skipped") for state in states):
        return "done" if "success" in states else "left out"
    if "upstream_failed" in states:
        return "not started"
    return "running" if any(state in _UNDER_WAY or state == "success" for state in states) else "waiting"


def running_for(context: Context) -> timedelta:
    """Say how long the run has been going on; a run that was cleared after its end counts from its first start."""
    dag_run = context["dag_run"]
    began = dag_run.start_date or dag_run.run_after
    if getattr(dag_run, "clear_number", 0):
        began = min(dag_run.run_after, began)
    return datetime.now(UTC) - began


class RunReader:
    """XComs and task states of the run that a task belongs to."""

    def __init__(self, context: Context) -> None:
        self.ti: Any = context["ti"]
        run_id = context["dag_run"].run_id
        states = self.ti.get_task_states(dag_id=self.ti.dag_id, run_ids=[run_id])
        self.states: dict[str, str | None] = {k: v and str(v) for k, v in states.get(run_id, {}).items()}

    def of(self, task_id: str, key: str = "return_value") -> Any:
        """What one task left under a key."""
        return self.ti.xcom_pull(task_ids=task_id, key=key)

    def state(self, task_id: str) -> str | None:
        """The state of one task of this run."""
        return self.states.get(task_id)

    def tasks(self, wave: str, task_id: str) -> list[str]:
        """The tasks of a wave that do one thing: one for each account and Region, numbered from the second on."""
        prefix = f"{wave}.{task_id}"
        return sorted(task for task in self.states if task == prefix or task.startswith(f"{prefix}_"))

    def errors(self) -> list[dict[str, str]]:
        """The last words of every failed task, but for those that only show a server."""
        failed = [
            task
            for task, state in self.states.items()
            if state == "failed" and ".servers" not in task and not is_teller(task)
        ]
        found = ((task, self.of(task, ERROR)) for task in sorted(failed))
        return [{"task": task, "message": message} for task, message in found if isinstance(message, str)]


def preflight_result(context: Context, plan: str) -> dict[str, Any]:
    """What preflight left for this run; a preflight that was only marked as successful leaves nothing."""
    found: dict[str, Any] | None = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
    if not found or not found["passed"]:
        raise RunRefused(
            f"preflight of {plan} has not passed in this run (a task that is marked as successful checks nothing): "
            f"clear {PREFLIGHT_TASK} to check again"
        )
    return found
