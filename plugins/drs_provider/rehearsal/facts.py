"""What passes between ``drs rehearse`` and the process that rehearses: a request, and the facts of the run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from drs_provider.report.result import RunReport


@dataclass(frozen=True)
class RehearsalRequest:
    """One run to rehearse.

    :param plan: name of the plan
    :param file: the file that holds it; None: it is one of the folder's
    :param conf: what whoever starts the run says
    :param simulator: address of the simulator, ``http://127.0.0.1:5555``
    :param seed: of everything that is random in tasks
    :param task_seconds: what Airflow needs to start a task, and to let a waiting one go on
    :param answers_after: seconds after which people say yes
    :param assumed: tasks of steps that are not run, with the seconds that they take; None: this run does not have it
    :param finds_nobody: tasks of steps that fail before they reach anything: they name servers that are not there
    :param reports: folder for the run's own report
    :param facts: file for what the run left (``RehearsalFacts``)
    """

    plan: str
    file: str | None
    plans_folder: str
    conf: Mapping[str, JsonValue]
    simulator: str
    seed: int
    task_seconds: float
    answers_after: float
    assumed: Mapping[str, float | None]
    reports: str
    facts: str
    finds_nobody: frozenset[str] = frozenset()


@dataclass
class TaskRecord:
    """What became of one task: when it could start, when it worked, when it ended; seconds since the run's start."""

    state: str | None = None
    ready: float | None = None
    began: float | None = None
    ended: float | None = None
    tries: int = 0
    error: str | None = None


@dataclass(frozen=True)
class RehearsalFacts:
    """What a rehearsed run left.

    :param mapped: tasks that are shown once for each server
    :param unanswered: names of what tasks asked of Airflow and a rehearsal has no answer to
    :param report: what the run itself has written; None: it came to none
    """

    started_at: datetime
    elapsed_seconds: float
    tasks: Mapping[str, TaskRecord]
    mapped: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    report: RunReport | None = None
