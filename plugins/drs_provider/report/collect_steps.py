"""What the steps of a run left behind, for its report."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from drs_provider.plan.model import RecoveryPlan, Step, Wave
from drs_provider.rules.run.controls import ORDER
from drs_provider.rules.run.keys import ERROR, STEP
from drs_provider.rules.run.names import AFTER_WAVES, BEFORE_WAVES

_FACTS = ("started_at", "ended_at", "attempts", "summary", "output", "instances")


class RunReader(Protocol):
    """XComs and task states of a run."""

    states: dict[str, str | None]

    def of(self, task_id: str, key: str = "return_value") -> Any:
        """What one task left under a key."""
        ...

    def state(self, task_id: str) -> str | None:
        """The state of one task of this run."""
        ...


def plan_steps(left: RunReader, plan: RecoveryPlan) -> list[dict[str, Any]]:
    """Collect the plan's own steps."""
    before = [_step(left, step, f"{BEFORE_WAVES}.{step.name}", "before") for step in plan.before]
    return before + [_step(left, step, f"{AFTER_WAVES}.{step.name}", "after") for step in plan.after]


def wave_steps(left: RunReader, wave: Wave) -> list[dict[str, Any]]:
    """Collect the steps of a wave."""
    before = [_step(left, step, f"{wave.name}.{step.name}", "before") for step in wave.before]
    return before + [_step(left, step, f"{wave.name}.{step.name}", "after") for step in wave.after]


def order_of(left: RunReader, plan: RecoveryPlan) -> str | None:
    """Give the words of the cancellation that a step obeyed, where one did."""
    waves = ((wave.name, step) for wave in plan.waves for step in (*wave.before, *wave.after))
    own = [*((BEFORE_WAVES, step) for step in plan.before), *((AFTER_WAVES, step) for step in plan.after)]
    said = (left.of(f"{where}.{step.name}", ORDER) for where, step in (*waves, *own))
    return next((str(words) for words in said if str(words).startswith("cancelled")), None)


def broken_above(left: RunReader, depends_on: Sequence[str]) -> list[str]:
    """Return which waves above have failed or were not started, as their tasks tell."""
    return [
        name
        for name in depends_on
        if any(
            state in ("failed", "upstream_failed")
            for task, state in left.states.items()
            if task.startswith(f"{name}.") and not task.startswith(f"{name}.servers")
        )
    ]


def with_steps(
    state: str, reason: str | None, steps: Sequence[Mapping[str, Any]], *, steps_only: bool
) -> tuple[str, str | None]:
    """Return the state of a wave and why, after its steps have been looked at."""
    failed = [step for step in steps if step["state"] == "failed"]
    fatal = [step for step in failed if step["on_failure"] == "fail"]
    states = {step["state"] for step in steps}
    if steps_only:
        state, reason = _steps_alone(states, reason)
    if fatal:
        words = f"step {fatal[0]['name']}: {fatal[0]['summary']}"
        if steps_only or state in ("launched", "completed_with_exceptions"):
            return "failed", words
        return state, words if state == "not_started" else reason
    if failed and state in ("launched", "done"):
        return "completed_with_exceptions", f"step {failed[0]['name']} failed, and the plan goes on"
    return state, reason


def _steps_alone(states: set[str], reason: str | None) -> tuple[str, str | None]:
    if states & {"running"}:
        return "running", None
    if states == {"skipped"}:
        return "skipped", "not chosen for this run, or none of its steps is for it"
    if states <= {"not_started", "skipped"}:
        return "not_started", reason
    return "done", None


def _step(left: RunReader, step: Step, task: str, side: str) -> dict[str, Any]:
    found = left.of(task, STEP) or {}
    state = _state(left, task, found)
    said = {key: found[key] for key in _FACTS if found.get(key) is not None}
    if state == "failed" and not said.get("summary"):
        said["summary"] = str(left.of(task, ERROR) or "failed without a result; see its log")
    return {
        **said,
        "name": step.name,
        "kind": getattr(step, "kind", ""),
        "task": task,
        "side": side,
        # A task that was skipped let the plan go on: an approval may do so after a silence, and not after a no.
        "on_failure": "continue" if state == "failed" and left.state(task) == "skipped" else step.on_failure,
        "state": state,
    }


def _state(left: RunReader, task: str, found: Mapping[str, Any]) -> str:
    state = left.state(task)
    if state == "success":
        return "succeeded" if found.get("state") == "succeeded" else "unproven"
    if state == "skipped":
        return "failed" if found.get("state") == "failed" else "skipped"
    if state == "failed":
        return "not_started" if left.of(task, ORDER) else "failed"
    return "not_started" if state in (None, "upstream_failed", "removed", "scheduled", "queued") else "running"
