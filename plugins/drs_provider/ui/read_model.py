"""What the pages ask for, and who may ask: Protocols, so that the pages know nothing of Airflow."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from drs_provider.api.access import Access
from drs_provider.plan.loader import Library
from drs_provider.rules.run.handover import (
    Asked,
    CleanedUp,
    CommitRecord,
    Document,
    FailureMessage,
    FollowedJobs,
    GivenOrders,
    HandedOver,
    KeptDrill,
    LaterLaunches,
    Launch,
    LaunchPhases,
    Leftovers,
    PreflightResult,
    RecordedAnswer,
    RemovedNetworks,
    RolledBack,
    RunOrder,
    ServerResults,
    StepResult,
    Superseded,
    WaveVerdict,
    WrittenReport,
)
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.state import KnownDocuments, RunStatus, TaskSnapshot, ended_status

DOCUMENTS: Final[tuple[type[Document], ...]] = (
    PreflightResult,
    Launch,
    HandedOver,
    LaterLaunches,
    FollowedJobs,
    LaunchPhases,
    ServerResults,
    WaveVerdict,
    StepResult,
    Asked,
    RecordedAnswer,
    RunOrder,
    GivenOrders,
    KeptDrill,
    CommitRecord,
    RolledBack,
    Superseded,
    FailureMessage,
    CleanedUp,
    Leftovers,
    RemovedNetworks,
    WrittenReport,
)
"""What a board is drawn from."""


@dataclass(frozen=True)
class ReadEntry:
    """What was read at a place, ``at`` the instant of its writing, and why nobody believes it; None: it is believed."""

    at: datetime
    value: object
    problem: str | None = None


@dataclass(frozen=True)
class RunData:
    """One run at one moment.

    ``mode`` is what it was asked to be, ``is_paused`` whether its plan is paused.
    ``upstream`` maps every task to the tasks that it waits for directly,
    ``classes`` to the name of its class; ``left`` maps task and key to what it left: XComs, and entries of the task
    state store. ``disbelieved`` says where something lies that its task has not written, and how that is known.
    ``entries``, ``drawn_as`` (which version of its DAG) and ``known`` (documents) spare the next look at the run what
    has not changed since.
    """

    dag_id: str
    run_id: str
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    mode: str | None = None
    tasks: Mapping[str, TaskSnapshot] = field(default_factory=dict)
    is_paused: bool = False
    upstream: Mapping[str, frozenset[str]] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[tuple[str, str], object] = field(default_factory=dict)
    disbelieved: Mapping[Origin, str] = field(default_factory=dict)
    entries: Mapping[Origin, ReadEntry] = field(default_factory=dict, repr=False)
    drawn_as: object = None
    known: KnownDocuments = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class LastRun:
    """The newest run of a DAG; ``state`` is Airflow's word, ``verdict`` its report's, once there is one.

    ``kept_until``: until when its drill is kept for people; None: it is not.
    """

    run_id: str
    state: str
    started_at: datetime | None = None
    verdict: str | None = None
    kept_until: datetime | None = None

    @property
    def status(self) -> RunStatus:
        """How it is doing, or how it ended."""
        return ended_status(self.state, self.verdict)


class Runs(Protocol):
    """Where the pages learn about runs."""

    def run(self, dag_id: str, run_id: str, before: RunData | None = None) -> RunData | None:
        """Return one run, or ``None`` if there is none.

        :param before: the run as it was read earlier; only what was written since is read again, and the very same
            object is returned where nothing was
        """
        ...

    def left(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Return what an unmapped task of a run left under a key; None: nothing."""
        ...

    def newest(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        """Return the newest run of each of these DAGs that ever ran, checks left aside."""
        ...

    def newest_checks(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        """Return the newest check of each of these DAGs that was ever checked."""
        ...

    def plans(self, folder: Path) -> Library:
        """Return the plans that Airflow has DAGs of, as they were when Airflow read them, with paths below ``folder``.

        For an API server that has no plan files. A DAG that cannot be read is one of its problems.
        """
        ...

    def broken_files(self) -> Mapping[str, str]:
        """Return what Airflow says of plan files that it could not read, by the file's name."""
        ...

    def paused(self, dag_ids: Iterable[str]) -> frozenset[str]:
        """Return those of these DAGs that are paused."""
        ...

    def stopped_parts(self, now: datetime) -> tuple[str, ...]:
        """Return the parts of Airflow without which no run goes on, and that have not been heard of for a while."""
        ...


@dataclass(frozen=True)
class Sources:
    """Everything that the app is built from."""

    runs: Callable[..., Runs]
    """A FastAPI dependency."""
    access: Access
    plans_folder: Callable[[], Path]
    reports_folder: Callable[[], Any]
    now: Callable[[], datetime]
