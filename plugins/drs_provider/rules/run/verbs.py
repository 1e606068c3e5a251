"""What a person may do with a run in which state, to which tasks it applies, and what is answered. Pure.

Every function raises ``RunRefused`` where the state of the run does not allow it, and ``UsageError`` for a name that
the run does not know; both say what to do next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from drs_provider.exceptions import RunRefused, UsageError
from drs_provider.formatting import instant_words, joined
from drs_provider.plan.problems import nearest
from drs_provider.rules.purpose import find_purpose
from drs_provider.rules.run import controls, names
from drs_provider.rules.run.approvals import APPROVE, COMMIT, REJECT, ROLL_BACK
from drs_provider.rules.run.run_view import PendingQuestion, RunView, how_to_start
from drs_provider.rules.run.state import Cause, StepState, StepStatus, WaveOutline, WaveState, WaveStatus
from drs_provider.rules.run.state.words import words

_OVER: Final = ("success", "failed", "skipped", "upstream_failed")
"""Airflow's words for tasks that do nothing more."""

_OBEYED_WITHIN: Final = "ten minutes"
"""How long after an order the task of a way back that waits sees it (``dag.failback.reverse.LOOK_EVERY``)."""


@dataclass(frozen=True)
class Retry:
    """How a failed wave runs again.

    :param ordered: the tasks to which the order is given that takes back what was ordered before
    :param cleared: the tasks that are cleared, with everything after them
    """

    ordered: tuple[str, ...]
    cleared: tuple[str, ...]
    message: str


def wave_named(run: RunView, name: str) -> WaveState:
    """Give a wave by its name."""
    wave = run.state.wave(name)
    if wave is None:
        raise UsageError(f"{run.plan} has no wave called {name!r} ({nearest(name, [each.name for each in run.waves])})")
    return wave


def refuse_if_over(run: RunView, what: str) -> None:
    """Refuse to steer a run that is over.

    :param what: what somebody wants to do with it: ``cancel``
    """
    if not run.is_active:
        raise RunRefused(f"cannot {what} {run.run_id} of {run.plan}: it is over, {words(run.state.status)}")


def paused_message(run: RunView) -> str:
    """Say what pausing the plan of a run means."""
    goes_on = (
        f"DRS jobs of {joined(_launching(run))} continue and are judged after the resume; " if _launching(run) else ""
    )
    return (
        f"{run.plan} is paused: nothing new starts, no wave, no clean-up, no scheduled drill. {goes_on}"
        f"Airflow pauses plans, not runs: another run of it waits too. To continue: drs run resume {run.plan}"
    )


def cancelled_tasks(run: RunView) -> tuple[str, ...]:
    """Give the tasks that get the order to start nothing more.

    What has begun is watched to its end. Its steps that have not begun obey like everything else, and so does what
    its boot order or failed servers would still launch: a start may wait for room with some of its jobs running. A
    drill that would be kept for people is not.

    Raises ``RunRefused`` where nothing is left to start: that would end as if nobody had ordered anything.
    """
    if not _is_anything_left(run):
        raise RunRefused(_too_late(run))
    tasks: list[str] = []
    for wave in run.waves:
        outline = run.wave_outline(wave.name)
        tasks += outline.before_turn
        # A reversal that has begun obeys, too: it only follows what DRS copies.
        tasks += () if _has_ended(wave) else outline.reversals
        tasks += _steps(outline) if wave.has_begun else (*outline.starts, *_steps(outline))
    tasks += run.plan_steps
    for wave in run.waves:
        if wave.has_begun and not _has_ended(wave):
            tasks += _launch(run.wave_outline(wave.name))
    tasks += _at_home(run)
    return (*tasks, names.KEEP_TASK) if names.KEEP_TASK in run.tasks else tuple(tasks)


def failback_ends(run: RunView) -> tuple[str, ...]:
    """Give the tasks that get the order to end the failbacks of machines in data centres, with a cancel of the run.

    Raises ``RunRefused`` where the run has none that could still obey.
    """
    found = names.tasks_that(run.tasks, names.FINISH_GROUP, names.STOP_FAILBACK) if _cuts_over(run) else ()
    if not found:
        raise RunRefused(f"{run.run_id} of {run.plan} converts no machine of a data centre: cancel it without that")
    if any(run.tasks[task].state in _OVER for task in found):
        raise RunRefused(
            f"too late to end failbacks with {run.run_id} of {run.plan}: its waves are over. Cancel it without that"
        )
    return tuple(found)


def failbacks_ended_message() -> str:
    """Say what it costs to end the failbacks of a run that is cancelled."""
    return (
        "the failbacks of its machines in data centres, where it has any, that are not converted are ended then "
        "(StopFailback), whatever runs of other plans follow them: for another failback people have to boot each from "
        "the failback client again, and it is copied again"
    )


def _cuts_over(run: RunView) -> bool:
    purpose = find_purpose(run.mode)
    return purpose is not None and purpose.cuts_over


def _at_home(run: RunView) -> list[str]:
    """Give the tasks at the end of a failback that are not over: they obey, and what is done stays so."""
    if not _cuts_over(run):
        return []
    found = [
        task
        for name in (names.PROTECT_AGAIN, names.REMOVE_RECOVERED)
        for task in names.tasks_that(run.tasks, names.FINISH_GROUP, name)
    ]
    return [task for task in found if run.tasks[task].state not in _OVER]


def _is_anything_left(run: RunView) -> bool:
    """Whether a wave or a step could still begin, or launch more than it has."""
    steps = (*run.state.before, *run.state.after, *(step for wave in run.waves for step in wave.steps))
    return (
        any(not wave.status.is_over or wave.is_active for wave in run.waves)
        or not run.waves
        or any(step.status.is_to_come for step in steps)
        or bool(_at_home(run))
    )


def _too_late(run: RunView) -> str:
    done = all(wave.status.is_done for wave in run.waves)
    everything = "every server is ready" if _goes_back(run) else "everything was launched"
    what = everything if done else "nothing of it is left to start"
    if any(question.task == names.KEEP_TASK for question in run.questions):
        then = f"the drill is kept for people, {run.command('end')} cleans it up now"
    elif any(question.task == names.COMMIT_TASK for question in run.questions):
        then = f"it waits for commit or roll back: {'   or   '.join(_commit_commands(run))}"
    elif run.is_temporary:
        then = f"it is cleaned up and reported, {run.command('wait')} waits for that"
    else:
        then = f"its report is written, {run.command('wait')} waits for that"
    return f"too late to cancel {run.run_id} of {run.plan}: {what}; {then}"


def cancelled_message(run: RunView) -> str:
    """Say what becomes of a run that is cancelled."""
    if _goes_back(run):
        return (
            f"{run.run_id} of {run.plan} is cancelled, and will end as failed in Airflow within {_OBEYED_WITHIN}: "
            "nothing more is reversed; DRS goes on copying what was, and another run goes on with it; then the report "
            "is written" + _if_paused(run)
        )
    stopped = [wave.name for wave in run.waves if not wave.has_begun]
    busy = [wave.name for wave in run.waves if wave.has_begun and not _has_ended(wave)]
    parts = [f"{run.run_id} of {run.plan} is cancelled, and will end as failed in Airflow"]
    parts += [f"{joined(stopped)}: will not start"] if stopped else ["every wave had started already"]
    if busy:
        parts.append(
            f"{joined(busy)}: no further job is started; DRS cannot cancel a job, so what runs is watched to its end"
        )
    if _cuts_over(run):
        parts += [_left_by_a_failback(run), "then the report is written"]
    else:
        parts.append("then a drill is cleaned up, and the report is written")
    return "; ".join(parts) + _if_paused(run)


def _left_by_a_failback(run: RunView) -> str:
    """Say where production is after a failback that is cancelled, and who protects it."""
    if not any(wave.has_begun or wave.launched for wave in run.waves):
        return (
            "production stays where it was recovered, and is copied to its origin as before: what has stopped its "
            "writes already must be taken back by people"
        )
    again = how_to_start(run.plan, run.mode)
    protects = names.tasks_that(run.tasks, names.FINISH_GROUP, names.PROTECT_AGAIN)
    if all(run.ended_as(task, "success") or run.ended_as(task, "skipped") for task in protects):
        return (
            "what runs in its origin is protected from there, and what was recovered is kept as far as it is not "
            f"removed yet: to go on, {again}"
        )
    return (
        "what runs in its origin already is not protected from there until another run does it, and what was recovered "
        f"is kept: {again}"
    )


def _if_paused(run: RunView) -> str:
    """Say, of a run that was steered, that nothing of it happens as long as its plan is paused."""
    return f"; the plan is paused, and none of that happens before: drs run resume {run.plan}" if run.is_paused else ""


def _if_paused_yet(run: RunView) -> str:
    return f". The plan is paused: drs run resume {run.plan}" if run.is_paused else ""


def skipped_tasks(run: RunView, wave: WaveState) -> tuple[str, ...]:
    """Give the tasks that get the order to leave out a wave."""
    if wave.status is WaveStatus.NOT_STARTED:
        raise RunRefused(_is_cut_off(run, wave))
    if wave.has_begun or wave.status.is_over:
        raise RunRefused(
            f"wave {wave.name} cannot be skipped now ({words(wave.status)}): only a wave that has not started can"
        )
    return _ordered_of(run.wave_outline(wave.name))


def skipped_message(run: RunView, wave: WaveState) -> str:
    """Say what becomes of a wave that is left out."""
    if wave.goes_back:
        return (
            f"wave {wave.name} is left out within {_OBEYED_WITHIN}: nothing more of it is reversed or followed; DRS "
            "goes on copying what was reversed"
        )
    if wave.has_begun:
        raise RunRefused(
            f"wave {wave.name} was just starting: {run.command('status')} shows whether it is still skipped"
        )
    after = [other.name for other in run.waves if wave.name in other.depends_on]
    follows = f"; then {joined(after)}" if after else ""
    return f"wave {wave.name} is skipped when its turn comes{follows}"


def retry_of(run: RunView, wave: WaveState) -> Retry:
    """Say how a failed wave runs again, with everything after it."""
    if not _may_be_retried(wave):
        raise RunRefused(_why_no_retry(run, wave))
    if not run.is_active and run.is_temporary and wave.launched:
        raise RunRefused(
            f"the {run.mode} {run.run_id} is over, and its clean-up has terminated the {wave.launched} "
            f"server{'s'[: wave.launched != 1]} that wave {wave.name} had launched: start a new {run.mode}, "
            + how_to_start(run.plan, run.mode, wave=wave.name)
        )
    outline = run.wave_outline(wave.name)
    if wave.goes_back:
        # Nothing waits for it, and what a reversal never does must not begin: steps, stops and launches stay skipped.
        message = (
            f"wave {wave.name} runs again: what was reversed is kept and not copied again, the others are reversed"
        )
        return Retry(outline.reversals, outline.reversals, message + _if_paused_yet(run))
    later = waves_after(run, wave)
    ordered = [task for each in (wave, *later) for task in _ordered_of(run.wave_outline(each.name))]
    ordered += run.plan_steps
    # Else they would end, after the wave has run again, what the cancel has ordered.
    ordered += names.tasks_that(run.tasks, names.FINISH_GROUP, names.STOP_FAILBACK)
    if outline.starts:
        ordered += [outline.watch] if outline.watch else []
    # Somebody has let the run go on past the wave: only then they have an order, too.
    ordered += [task for task in (*outline.gates, *outline.settings) if run.ended_as(task, "skipped")]
    return Retry(tuple(ordered), *_cleared(run, wave, outline, later))


@dataclass(frozen=True)
class GoOn:
    """How a run goes on past a failed wave.

    :param ordered: the tasks to which the order is given
    :param cleared: the tasks that are cleared, with everything after them: they obey the order
    """

    ordered: tuple[str, ...]
    cleared: tuple[str, ...]
    message: str


def go_on_past(run: RunView, wave: WaveState) -> GoOn:
    """Say how a run goes on past a wave that has failed: nothing more of it is launched, and what waits for it begins.

    Its steps after the launch are run where any of it was launched; the one that failed is left out.
    """
    if wave.goes_back:
        raise RunRefused(
            f"nothing waits for wave {wave.name} of the way back, so there is nothing to continue. To go on with it: "
            f"{run.command('retry', wave=wave.name)}"
        )
    if not _may_be_retried(wave):
        raise RunRefused(_why_not_past(run, wave))
    if wave.cause is Cause.SUPERSEDED or run.state.superseded:
        raise RunRefused(
            f"cannot continue past wave {wave.name}: a recovery has taken the servers of this drill. Wait for the "
            f"recovery, then start a new {run.mode}"
        )
    if any(each.cause is Cause.CANCELLED for each in run.waves):
        raise RunRefused(
            f"cannot continue past wave {wave.name}: {run.state.cancelled}, and the waves after it have that order "
            f"too. To take it back and launch what is missing: drs run retry {run.plan} {wave.name}"
        )
    if not run.is_active and run.is_temporary:
        raise RunRefused(
            f"the {run.mode} {run.run_id} is over and cleaned up: start a new {run.mode}, "
            + how_to_start(run.plan, run.mode)
        )
    outline = run.wave_outline(wave.name)
    failed = tuple(step.task for step in wave.steps if _has_failed(step))
    later = [other.name for other in waves_after(run, wave)]
    goes_on = (f"; then {joined(later)}" if later else "; nothing comes after it") + _if_paused_yet(run)
    if failed and (not outline.starts or run.ended_as(outline.watch, "success")):
        steps = joined([step.name for step in wave.steps if _has_failed(step)])
        return GoOn((*outline.before_turn, *failed), failed, f"step {steps} of wave {wave.name} is left out{goes_on}")
    if _cuts_over(run):
        raise RunRefused(
            f"cannot continue past wave {wave.name}: what is after it would be protected from the origin while it "
            f"still runs where it was recovered. Correct the cause, then: {run.command('retry', wave=wave.name)}"
        )
    gates, broken = _failed_gates(run, outline), [task for task in outline.starts if not run.ended_as(task, "success")]
    begun = _launch(outline)
    if len(broken) < len(outline.starts) or wave.jobs:
        message = f"wave {wave.name} is left as it is, {wave.launched} of {len(wave.servers or ())} servers launched"
        return GoOn(
            _once(*gates, *outline.before_turn, *begun), (*gates, *(broken or begun[-1:])), f"{message}{goes_on}"
        )
    before = tuple(step.task for step in outline.before)
    ahead = (task for task in before if task in failed)
    return GoOn(
        _once(*gates, *outline.before_turn, *before, *begun),
        (*gates, *ahead, *outline.starts),
        f"wave {wave.name} is left out: nothing of it is launched{goes_on}",
    )


def _why_not_past(run: RunView, wave: WaveState) -> str:
    if wave.status is WaveStatus.NOT_STARTED:
        broken = [other.name for other in run.waves if _may_be_retried(other)]
        hint = f": continue past {joined(broken)} instead, this wave comes after it" if broken else ""
        return f"wave {wave.name} has not failed, it was not started{hint}"
    return f"cannot continue past wave {wave.name} now ({words(wave.status)}): only past a wave that has failed"


def _cleared(
    run: RunView, wave: WaveState, outline: WaveOutline, later: Iterable[WaveState]
) -> tuple[tuple[str, ...], str]:
    failed = [step for step in wave.steps if _has_failed(step)]
    tasks = tuple(step.task for step in failed)
    if failed and run.ended_as(outline.watch, "success"):
        # Its servers are up: steps before the one that failed have had their effect, and have it once.
        steps = joined([step.name for step in failed])
        message = f"wave {wave.name} continues with step {steps}: its servers are up, and what was done before is kept"
    else:
        tasks = (*_failed_gates(run, outline), *tasks, *outline.starts)
        message = f"wave {wave.name} runs again: servers that are up are kept, the others are launched"
    after = [each.name for each in later]
    message += f"; then {joined(after)}" if after else ""
    return tasks, message + _if_paused_yet(run)


def waves_after(run: RunView, wave: WaveState) -> list[WaveState]:
    """Give the waves that come after one, at any distance."""
    reached = {wave.name}
    while more := {other.name for other in run.waves if reached & set(other.depends_on)} - reached:
        reached |= more
    return [other for other in run.waves if other.name in reached - {wave.name}]


def question_named(run: RunView, task: str | None, wave: str | None) -> PendingQuestion:
    """Give the one open question of a run that is meant; ``task`` and ``wave`` are needed where it has several."""
    if not run.questions:
        raise RunRefused(f"{run.run_id} of {run.plan} has no pending approval")
    pool = run.questions if wave is None else run.questions_of(wave)
    found = [question for question in pool if task in (None, question.task)]
    if not found:
        asking = joined([question.task for question in run.questions])
        raise UsageError(f"no such question is open; {run.plan} is waiting for an answer at {asking}")
    if len(found) > 1:
        asking = joined([question.task for question in found])
        raise UsageError(f"{len(found)} tasks are waiting for an answer, {asking}: name one of them")
    return found[0]


def option_named(run: RunView, question: PendingQuestion, option: str) -> str:
    """Give the option of a question that is meant, whatever its capitals."""
    found = [known for known in question.options if known.casefold() == option.casefold()]
    if found:
        return found[0]
    raise UsageError(
        f"{question.task} does not ask for {option!r} but for one of {', '.join(question.options)}: "
        + "   or   ".join(answer_commands(run, question))
    )


def answer_commands(run: RunView, question: PendingQuestion) -> list[str]:
    """Write the commands that answer a question, one for each of its options."""
    if question.task == names.KEEP_TASK:
        return [run.command("end"), *(run.command("extend", "--by", by) for by in controls.BY)]
    if question.task == names.COMMIT_TASK:
        return _commit_commands(run)
    short = {APPROVE: "approve", REJECT: "reject"}
    return [
        run.command(short[option], "--task", question.task)
        if option in short
        else run.command("answer", "--task", question.task, "--option", option)
        for option in question.options
    ]


def _commit_commands(run: RunView) -> list[str]:
    """Write the commands that decide whether a recovery stands; a roll back needs a reason."""
    task = names.COMMIT_TASK
    return [
        run.command("answer", "--task", task, "--option", COMMIT),
        run.command("answer", "--task", task, "--option", ROLL_BACK, "--comment", "REASON"),
    ]


def several(runs: Sequence[RunView]) -> str:
    """Say that a run must be named, and give the runs that are not over."""
    rows = [
        f"  {run.short_id}  {run.mode or 'run'}, {words(run.state.status)}, requested "
        + (instant_words(run.asked_for_at) if run.asked_for_at else "at an unknown time")
        + (f" by {run.triggered_by}" if run.triggered_by else "")
        + f": {run.command('status')}"
        for run in runs
    ]
    first = f"{runs[0].plan} has {len(runs)} runs that are not over: name the one that you mean, by its short id"
    return "\n".join([first, *rows])


def _ordered_of(outline: WaveOutline) -> tuple[str, ...]:
    return (*outline.reversals, *outline.before_turn, *outline.starts, *_steps(outline))


def _goes_back(run: RunView) -> bool:
    return any(wave.goes_back for wave in run.waves)


def _steps(outline: WaveOutline) -> tuple[str, ...]:
    """Give what obeys an order beside the launch: its steps, and in a migration what waits and stops ahead of it."""
    syncs = (
        task
        for task in outline.settings
        if names.does(task, names.FINAL_SYNC, names.STOP_SOURCES, names.STOP_ORIGINALS)
    )
    return (*(step.task for step in (*outline.before, *outline.after)), *syncs)


def _launch(outline: WaveOutline) -> tuple[str, ...]:
    return (*outline.starts, *((outline.watch,) if outline.watch else ()))


def _launching(run: RunView) -> list[str]:
    return [wave.name for wave in run.waves if wave.status is WaveStatus.LAUNCHING]


def _has_ended(wave: WaveState) -> bool:
    return wave.status.is_over and not wave.is_active


def _may_be_retried(wave: WaveState) -> bool:
    """Whether something of it has failed, be it behind a launch that a person marked as successful."""
    return wave.may_be_retried or (not wave.is_active and any(_has_failed(step) for step in wave.steps))


def _has_failed(step: StepState) -> bool:
    """Whether its task has failed, be it that it obeyed an order."""
    return step.status is StepStatus.FAILED or step.cause is Cause.CANCELLED


def _once(*tasks: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tasks))


def _failed_gates(run: RunView, outline: WaveOutline) -> tuple[str, ...]:
    """Give what failed ahead of a launch: while it stays failed, nothing behind it runs."""
    return tuple(task for task in (*outline.gates, *outline.settings, *outline.aheads) if run.ended_as(task, "failed"))


def _is_cut_off(run: RunView, wave: WaveState) -> str:
    failed = [name for name in wave.depends_on if (above := run.state.wave(name)) and _may_be_retried(above)]
    why = f"wave {joined(failed)} failed" if failed else "what is before it failed"
    hint = f": {run.command('retry', wave=failed[0])}" if failed else ""
    return f"wave {wave.name} is not started, because {why}, nor is anything after it{hint}"


def _why_no_retry(run: RunView, wave: WaveState) -> str:
    if wave.status is WaveStatus.NOT_STARTED:
        broken = [other.name for other in run.waves if _may_be_retried(other)]
        hint = f": retry {joined(broken)} instead, this wave comes after it" if broken else ""
        return f"wave {wave.name} has not failed, it was not started{hint}"
    return f"wave {wave.name} cannot be retried now ({words(wave.status)}): only a wave that has failed can"
