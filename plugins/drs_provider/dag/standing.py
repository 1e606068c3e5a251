"""How far the waves of a run have come, for those who are asked and for those who are told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.context import Context

from drs_provider.notify.wave_now import WaveNow

_OVER = {"success": "done", "skipped": "left out", "failed": "failed"}
_UNDER_WAY = ("queued", "running", "deferred", "up_for_reschedule", "up_for_retry", "restarting")


def waves_now(context: Context, preflight: Mapping[str, Any]) -> list[WaveNow]:
    """Look at every chosen wave of the run, in the order of the plan."""
    from drs_provider.dag.evidence import Left

    left = Left(context)
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
    starts = [state for task, state in states.items() if task.startswith(f"{wave}.start_recovery")]
    watch = states.get(f"{wave}.recovery_job")
    if watch in _OVER:
        return _OVER[str(watch)]
    if watch == "upstream_failed":
        return "failed" if "failed" in starts else "not started"
    if watch in _UNDER_WAY or any(state in _UNDER_WAY or state == "success" for state in starts):
        return "running"
    return "waiting"


def running_for(context: Context) -> timedelta:
    """Say how long the run has been going on; a run that was cleared after its end counts from its first start."""
    dag_run = context["dag_run"]
    began = dag_run.start_date or dag_run.run_after
    if getattr(dag_run, "clear_number", 0):
        began = min(dag_run.run_after, began)
    return datetime.now(UTC) - began
