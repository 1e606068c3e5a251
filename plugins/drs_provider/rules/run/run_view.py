"""One run at one moment, as the verbs that steer it and the command line see it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from drs_provider.formatting import joined
from drs_provider.rules.launch.tags import short_run_id
from drs_provider.rules.purpose import PURPOSES, PURPOSES_BACK, find_purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import KeptDrill, PlanRunStart, WrittenReport
from drs_provider.rules.run.state import RunOutline, RunState, TaskSnapshot, WaveOutline, WaveState

ACTIVE: Final = ("queued", "running")
"""Airflow's states of a run that is not over."""


def how_to_start(runs: str, mode: object = None, *, wave: str | None = None) -> str:
    """Say how another run is started: by a command, one of a way back in Airflow.

    :param runs: what commands call the runs: ``shop``, or ``shop.failback`` for those of its way back
    :param mode: what it shall be; None, and a kind of run of another DAG: whatever people choose
    :param wave: the one wave that it shall have
    """
    dag_id = names.dag_id_of(runs)
    is_back = names.plan_failed_back_by(dag_id) is not None
    purpose = find_purpose(mode, PURPOSES_BACK if is_back else PURPOSES)
    if not is_back:
        mode_words = ["--mode", purpose.name] if purpose and purpose is not PURPOSES[0] else []
        return " ".join(["drs run start", runs, *mode_words, *(["--wave", wave] if wave else [])])
    chosen = [f"mode {purpose.name}"] if purpose else []
    chosen += [f"wave {wave}"] if wave else []
    return f"trigger {dag_id} in Airflow" + (f" with {joined(chosen)}" if chosen else "")


@dataclass(frozen=True)
class PendingQuestion:
    """What a run asks people and nobody has answered; ``params``: the fields of the answer, with their defaults.

    ``asked`` empty: anyone may answer.
    """

    task: str
    subject: str
    options: tuple[str, ...]
    asked_at: datetime
    asked: tuple[str, ...] = ()
    map_index: int = -1
    params: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class RunView:
    """One run at one moment.

    :param mode: what the run is, as preflight found it or as it was asked for
    :param asked_for_at: when it was asked for or due; Airflow may start it later
    :param is_paused: whether its plan is paused
    :param outline: which tasks it has; None in a list of runs, where ``state`` knows neither waves nor steps
    :param tasks: how far those tasks are, by id
    :param parts: the runs of other plans that its steps wait for
    :param has_failback: whether its plan said how to go back
    :param kept: until when its drill is kept for people; None: it is not, or no longer
    """

    plan: str
    run_id: str
    state: RunState
    mode: str | None
    is_paused: bool = False
    triggered_by: str | None = None
    asked_for_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str | None = None
    outline: RunOutline | None = None
    tasks: Mapping[str, TaskSnapshot] = field(default_factory=dict)
    questions: tuple[PendingQuestion, ...] = ()
    report: WrittenReport | None = None
    kept: KeptDrill | None = None
    has_failback: bool = False
    parts: tuple[PlanRunStart, ...] = ()

    @property
    def short_id(self) -> str:
        """Six characters that name it in every command."""
        return short_run_id(names.dag_id_of(self.plan), self.run_id)

    def command(self, verb: str, *words: str, wave: str | None = None) -> str:
        """Write the command that does something with this run, as people type it."""
        named = [self.plan, *([wave] if wave else []), self.short_id]
        return " ".join(["drs run", verb, *(shlex.quote(word) for word in (*named, *words))])

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.state.airflow_state in ACTIVE

    @property
    def is_green(self) -> bool:
        """Whether Airflow shows it as successful."""
        return self.state.airflow_state == "success"

    @property
    def is_temporary(self) -> bool:
        """Whether what it launched is removed at its end."""
        purpose = find_purpose(self.mode)
        return purpose is not None and purpose.cleans_up

    @property
    def plan_steps(self) -> tuple[str, ...]:
        """The tasks of the plan's own steps."""
        outline = self.outline or RunOutline()
        return tuple(step.task for step in (*outline.before, *outline.after))

    @property
    def waves(self) -> tuple[WaveState, ...]:
        """Its waves, in the plan's order."""
        return self.state.waves

    def ended_as(self, task: str | None, airflow_state: str) -> bool:
        """Tell whether a task has this state of Airflow's."""
        return task is not None and task in self.tasks and self.tasks[task].state == airflow_state

    def wave_outline(self, name: str) -> WaveOutline:
        """Give the tasks of a wave."""
        found = (wave for wave in (self.outline or RunOutline()).waves if wave.name == name)
        return next(found, WaveOutline(name))

    def questions_of(self, wave: str) -> tuple[PendingQuestion, ...]:
        """Give what a wave asks."""
        return tuple(question for question in self.questions if names.wave_of(question.task) == wave)
