"""What the tasks of a run left, as far as its state needs it: typed, and never an error.

Airflow lets people edit XComs, and a newer release may have written one: for the state of a run, what cannot be read
counts as not left. Whatever has to act on a document reads it for itself, and is refused.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias, TypeVar

from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.purpose import launches_nothing
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import (
    CleanedUp,
    Document,
    FailureMessage,
    FollowedJobs,
    FoundLaunch,
    FoundLaunches,
    GivenOrders,
    HandedOver,
    HandoverUnreadable,
    LaterLaunches,
    Launch,
    LaunchedJob,
    LaunchPhases,
    Leftovers,
    LostInstance,
    OutsideChanges,
    PreflightResult,
    RecordedAnswer,
    RemovedNetworks,
    RunOrder,
    ServerResults,
    StepResult,
    Superseded,
    Untagged,
    WaveVerdict,
    WrittenReport,
)
from drs_provider.rules.run.state.snapshot import RunSnapshot
from drs_provider.rules.run.state.task_states import TaskPhase

SomeDocument = TypeVar("SomeDocument", bound=Document)


KnownDocuments: TypeAlias = MutableMapping[tuple[str, str, type[Document]], tuple[object, Document | None]]
"""Documents that were read before, by task, key and type, each with the very value that it was read from."""

_HANDS: Final = (names.WATCH, names.PAUSE, names.DELAY, names.START)
"""Kinds of tasks that start something for other tasks of a wave, or of the next one."""


@dataclass
class LeftDocuments:
    """Reads the documents of a snapshot; each is fetched once, and only from a task that has begun in this try.

    ``known``: what was read of an earlier snapshot of the run; of a value that is still the same object nothing is
    read again. What is read now is added.
    """

    snapshot: RunSnapshot
    known: KnownDocuments = field(default_factory=dict, repr=False)
    _fetched: dict[tuple[str, str], object] = field(default_factory=dict)

    def preflight(self) -> PreflightResult | None:
        """Give what preflight found."""
        return self.of(names.PREFLIGHT_TASK, PreflightResult)

    @property
    def only_looks(self) -> bool:
        """Whether the run launches nothing, as preflight says."""
        found = self.preflight()
        return found is not None and found.purpose.only_looks

    @property
    def launches_nothing(self) -> str | None:
        """Say that the run launches nothing, as preflight says; None: it launches, or nobody knows yet."""
        found = self.preflight()
        return None if found is None or found.purpose.launches else launches_nothing(found.purpose)

    @property
    def launches(self) -> bool:
        """Whether the run launches something, as preflight says."""
        found = self.preflight()
        return found is not None and found.purpose.launches

    def error(self, task: str) -> str | None:
        """Give the last words of a failed task; None: it has not failed, or said nothing."""
        if self.snapshot.phase(task) is not TaskPhase.FAILED:
            return None
        found = self.of(task, FailureMessage)
        return found.message or None if found else None

    def given_orders(self) -> GivenOrders:
        """Give the orders that people gave the run; they lie there before the task that keeps them has begun."""
        try:
            return GivenOrders.read(self.snapshot.left(names.REPORT_TASK, GivenOrders.KEY)) or GivenOrders()
        except HandoverUnreadable:
            return GivenOrders()

    def order(self, task: str) -> RunOrder | None:
        """Give the order that a task obeyed."""
        found = self.of(task, RunOrder)
        return found if found and found.stands and found.message else None

    def first_order(self, tasks: Iterable[str]) -> RunOrder | None:
        """Give the first order that any of some tasks obeyed."""
        return next((order for task in tasks if (order := self.order(task))), None)

    def passed_over(self, tasks: Iterable[str]) -> str | None:
        """Say who let the run go on past a failed wave and why, as any of its tasks has obeyed it."""
        obeyed = (order for task in tasks if (order := self.order(task)))
        return next((order.message for order in obeyed if order.passes_over), None)

    def superseded(self, task: str) -> str | None:
        """Say which recovery took the drill's servers, as a task has seen it."""
        found = self.of(task, Superseded)
        return found.message or None if found else None

    def answer(self, task: str) -> RecordedAnswer | None:
        """Give the answer to a question."""
        return self.of(task, RecordedAnswer)

    def has_launched(self, starts: Iterable[str]) -> bool:
        """Tell whether any of some start tasks launched something."""
        return any((launch := self._launch(task)) and launch.jobs for task in starts)

    def _launch(self, start: str) -> Launch | None:
        """Give what a start task has launched, or another task of its wave before it began."""
        return self.of(start, Launch) or self._handed_over.get(start)

    @cached_property
    def _handed_over(self) -> Mapping[str, Launch]:
        """Give what tasks have launched of waves after them, by the tasks that start these."""
        return {start: launch for each in self._hands for start, launch in each.launches.items()}

    @cached_property
    def _hands(self) -> tuple[HandedOver, ...]:
        """What tasks have started of waves, their own or the next ones, for the tasks that go on with them."""
        left = (self.of(task, HandedOver) for task in self.snapshot.tasks if names.does(task, *_HANDS))
        return tuple(each for each in left if each)

    def has_started_instances(self, watch: str) -> bool:
        """Tell whether EC2 was asked to start instances of a wave before the task that watches it has said so."""
        return any(each.starts.get(watch) for each in self._hands)

    def jobs(self, starts: Iterable[str], watch: str | None) -> dict[str, LaunchedJob]:
        """Give the jobs of a wave by their ids, in the order in which they were started."""
        found = [job for task in starts if (launch := self._launch(task)) for job in launch.jobs]
        if watch and found:
            later = self.of(watch, LaterLaunches)
            found += [job for launch in (later.launches if later else ()) for job in launch.jobs]
            # These lie in the task state store, and count also between two legs of the task that watches.
            followed = self._read(watch, FollowedJobs)
            found += followed.jobs if followed else ()
        return {job.job_id: job for job in found}

    def phases(self, watch: str) -> LaunchPhases:
        """Give what the logs of a wave's jobs said last; it may be old, and nothing is decided by it."""
        return self.of(watch, LaunchPhases) or LaunchPhases()

    def results(self, watch: str) -> tuple[ServerResult, ...] | None:
        """Give what a wave's jobs left of every server; None: they have left nothing."""
        found = self.of(watch, ServerResults)
        return found.servers if found else None

    def verdict(self, watch: str) -> WaveVerdict | None:
        """Give the verdict on a wave's launch."""
        return self.of(watch, WaveVerdict)

    def step(self, task: str) -> StepResult | None:
        """Give what a step left."""
        return self.of(task, StepResult)

    def report(self) -> WrittenReport | None:
        """Give what the report task left."""
        return self.of(names.REPORT_TASK, WrittenReport)

    def cleaned_up(self, task: str) -> CleanedUp | None:
        """Give what a task that terminates instances left."""
        return self.of(task, CleanedUp)

    def leftovers(self, task: str) -> dict[str, str] | None:
        """Give what a task that looks for leftovers, or removes networks, has found still there, with why."""
        found = self.of(task, Leftovers) if names.does(task, names.LOOK_OVER) else self.of(task, RemovedNetworks)
        return found.left if found else None

    def found_launches(self) -> dict[str, FoundLaunch]:
        """Give what the last look at a recovery has found that no task had seen through, by server id."""
        looks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.LOOK_OVER)
        found = (self.of(task, FoundLaunches) for task in looks)
        return {server: launch for document in found if document for server, launch in document.servers.items()}

    @cached_property
    def lost_instances(self) -> dict[str, LostInstance]:
        """Give what the last look at a recovery has found to be no more although it was launched, by server id."""
        looks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.LOOK_OVER)
        found = (self.of(task, FoundLaunches) for task in looks)
        return {server: lost for document in found if document for server, lost in document.lost.items()}

    @cached_property
    def left_stopped(self) -> dict[str, str]:
        """Give by server id why DRS still leaves stopped what is launched of it, although a recovery is over."""
        looks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.LOOK_OVER)
        found = (self.of(task, FoundLaunches) for task in looks)
        return {server: why for document in found if document for server, why in document.left_stopped.items()}

    @cached_property
    def outside_changes(self) -> dict[str, str]:
        """Give what others have done to the run's jobs and instances, by id, as its last look has found."""
        looks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.LOOK_OVER)
        found = (self.of(task, OutsideChanges) for task in looks)
        return {name: words for document in found if document for name, words in document.changes.items()}

    @cached_property
    def untagged(self) -> dict[str, str]:
        """Give what no task could tag, by id, and why."""
        tasks = [task for task in self.snapshot.tasks if names.does(task, names.TAG_INSTANCES)]
        found = (self.of(task, Untagged) for task in tasks)
        return {name: why for document in found if document for name, why in document.resources.items()}

    @cached_property
    def why_not_looked(self) -> str | None:
        """Why nobody could look for what no task had seen through; None: somebody has, or nobody had to."""
        looks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.LOOK_OVER)
        return next((seen.problem for task in looks if (seen := self.of(task, FoundLaunches)) and seen.problem), None)

    @cached_property
    def cleaned_servers(self) -> frozenset[str]:
        """The servers whose instances the clean-up of a drill has terminated."""
        tasks = names.tasks_that(self.snapshot.tasks, names.FINISH_GROUP, names.CLEAN_UP)
        gone = [instance for task in tasks if (found := self.cleaned_up(task)) for instance in found.terminated]
        return frozenset(instance.server_id for instance in gone if instance.server_id)

    def of(self, task: str, document: type[SomeDocument], key: str | None = None) -> SomeDocument | None:
        """Give what a task left in this try; None: nothing, or nothing that can be read.

        :param key: where it lies under another key than its own
        """
        # What a cleared task left before is still there until it begins again: it says nothing any more.
        return None if self.snapshot.phase(task) is TaskPhase.WAITING else self._read(task, document, key)

    def _read(self, task: str, document: type[SomeDocument], key: str | None = None) -> SomeDocument | None:
        place = (task, key or document.KEY)
        if place not in self._fetched:
            self._fetched[place] = self.snapshot.left(*place)
        value = self._fetched[place]
        before = self.known.get((*place, document))
        if before is None or before[0] is not value:
            before = self.known[*place, document] = (value, _read_or_none(value, document))
        found = before[1]
        return found if isinstance(found, document) else None


def _read_or_none(value: object, document: type[SomeDocument]) -> SomeDocument | None:
    try:
        return document.read(value)
    except HandoverUnreadable:
        return None


def is_usable(result: ServerResult) -> bool:
    """Tell whether a server is launched and nothing speaks against it."""
    return result.status == "launched" and not result.reason
