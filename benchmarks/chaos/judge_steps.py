"""Whether steps did what they should, once and in their turn: from the calls that arrived. Pure."""

from collections import Counter
from collections.abc import Iterator

from benchmarks.chaos.record import Record, Said
from benchmarks.chaos.scenarios import Scenario, Step, Wave
from benchmarks.chaos.turns import Turns


def failed_steps(said: Said) -> set[str]:
    """Return the names of the steps that the report calls failed; whether they may have is looked at elsewhere."""
    return {name for name, state in _states(said).items() if state in ("failed", "tolerated")}


def _states(said: Said) -> dict[str, str]:
    waves = (said.report or {}).get("waves", ())
    return {step["name"]: step["state"] for wave in waves for step in wave.get("steps", ())}


def step_problems(scenario: Scenario, said: Said, record: Record, turns: Turns) -> Iterator[str]:
    """Yield what is wrong with the steps of a run."""
    states = _states(said)
    for wave in scenario.waves:
        asked = False
        for step in wave.steps:
            if step.kind in ("wait", "approval"):
                asked = asked or (step.kind == "approval" and step.act != "agree")
                if step.kind == "wait" and states.get(step.name) == "failed":
                    yield f"step {step.name} failed, and all that it does is wait"
                continue
            times = acted(scenario, step, record)
            if times > 1 and not step.repeatable and step.kind != "http":
                yield f"step {step.name} acted {times} times"
            if times and (why := _not_its_turn(wave, step, turns, asked=asked and step.side == "before")):
                yield f"step {step.name} acted although {why}"
            if states.get(step.name) == "succeeded" and not times:
                yield f"the report says that step {step.name} succeeded, and nothing arrived"
            # A step that stands behind a question which was only marked as answered fails rather than to act.
            may_fail = turns.barred[wave.name] or scenario.lies or _may_fail(scenario, step, said, record)
            if states.get(step.name) == "failed" and not may_fail:
                yield f"step {step.name} failed although nothing kept it from going well"


def acted(scenario: Scenario, step: Step, record: Record) -> int:
    """Return how often a step had its effect; of a command: on the instance on which it ran most often."""
    mark = scenario.mark(step)
    done = {name: [call for call in calls if call["committed"]] for name, calls in record.calls.items()}
    match step.kind:
        case "ssm_command":
            instances: Counter[str] = Counter()
            for call in done.get("SendCommand", ()):
                if call["request"].get("Parameters", {}).get("commands") == [f"echo {mark}"]:
                    instances.update(call["request"].get("InstanceIds", ()))
            return max(instances.values(), default=0)
        case "ssm_automation":
            starts = [
                call["request"]
                for call in done.get("StartAutomationExecution", ())
                if call["request"].get("DocumentName") == mark
            ]
            # The same client token is the same execution.
            return len({start.get("ClientToken") for start in starts})
        case "lambda":
            return sum(call["request"].get("FunctionName") == mark for call in done.get("Invoke", ()))
        case "webhook":
            return record.heard.told.get(mark, 0)
        case _:
            return record.heard.ready.get(mark, 0)


def _not_its_turn(wave: Wave, step: Step, turns: Turns, *, asked: bool) -> str | None:
    if not all(turns.passed[other] for other in wave.depends_on):
        return f"a wave before {wave.name} had failed"
    why = turns.barred[wave.name]
    # What stands before an approval step in its wave is done before anybody is asked.
    if why and (
        step.side == "after" or asked or not why.startswith(tuple(f"{wave.name}.{s.name}" for s in wave.steps))
    ):
        return why
    if step.side == "after" and not turns.is_launched(wave):
        return f"wave {wave.name} was not launched"
    return None


def _may_fail(scenario: Scenario, step: Step, said: Said, record: Record) -> bool:
    """Whether nobody could know how it went: what is sent once fails then rather than to be sent again."""
    if step.kind == "webhook":
        return bool(said.kills or record.heard.unanswered.get(scenario.mark(step)))
    if step.kind == "lambda":
        calls = [
            call
            for call in record.calls.get("Invoke", ())
            if call["request"].get("FunctionName") == scenario.mark(step)
        ]
        return bool(said.kills) or any(call["status"] != _OK for call in calls)
    return False


_OK = 200
