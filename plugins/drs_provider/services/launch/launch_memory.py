"""What a start remembers between its tries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from drs_provider.rules.launch.tags import attempt_of
from drs_provider.rules.run.handover import (
    HeldSince,
    LaunchAttempt,
    LaunchIntent,
    LaunchIntents,
    StartedJob,
    StartedJobs,
)
from drs_provider.services.store import Store, load, save


class Memory:
    """Three entries: which attempt this is, what was about to be started, and which jobs exist.

    A *retry* after a crash belongs to the same attempt: it adopts whatever job exists. A *clear* of a task that had
    succeeded begins the next attempt. The two are told apart exactly: Airflow raises a task instance's ``max_tries``
    when it is cleared, and at no other time.
    """

    def __init__(self, store: Store, *, max_tries: int) -> None:
        self._store = store
        self._max_tries = max_tries

    def attempt(self, highest: int = 0, *, anew: bool = False) -> int:
        """Return the number of the present attempt, and begin one where none is remembered or the task was cleared.

        :param highest: the greatest number that a job of this launch bears; others may have launched again since
        :param anew: where nothing is remembered, begin the attempt after the highest instead of going on with it
        """
        launch = load(self._store, LaunchAttempt)
        if launch is None or not launch.attempt:
            number = max(1, highest + anew)
        elif launch.handed_over is not None and launch.handed_over != self._max_tries:
            number = max(launch.attempt, highest) + 1
        else:
            return launch.attempt
        self.begin(number)
        return number

    def begin(self, attempt: int) -> None:
        """Remember the number of the attempt that goes on."""
        save(self._store, LaunchAttempt(attempt=attempt))

    def hand_over(self, attempt: int) -> None:
        """Remember that the jobs of this attempt were returned to those who watch them."""
        save(self._store, LaunchAttempt(attempt=attempt, handed_over=self._max_tries))

    def intend(self, tags: Mapping[str, str], servers: Sequence[str], *, at: datetime) -> None:
        """Remember what is about to be started, before it is, and when."""
        intent = LaunchIntent(tags=dict(tags), servers=tuple(servers), at=at)
        save(self._store, LaunchIntents(intents=(*self._intents_but(servers), intent)))

    def intend_nothing(self, servers: Collection[str]) -> None:
        """Forget that these were about to be started: DRS refused it whole, and nothing came of it."""
        save(self._store, LaunchIntents(intents=self._intents_but(servers)))

    def intents(self) -> tuple[LaunchIntent, ...]:
        """Return what was about to be started, for every server the last of it."""
        kept = load(self._store, LaunchIntents)
        return kept.intents if kept else ()

    def _intents_but(self, servers: Collection[str]) -> tuple[LaunchIntent, ...]:
        return tuple(intent for intent in self.intents() if not set(intent.servers) & set(servers))

    def is_under_way(self) -> bool:
        """Say whether a try was about to start a job, and did not live to hand its jobs over to a sensor."""
        launch = load(self._store, LaunchAttempt)
        return bool(self.intents() or self.jobs()) and (launch is None or launch.handed_over is None)

    def held_since(self, now: datetime) -> datetime:
        """Return since when a native recovery plan has kept servers from being started, from now on if not yet."""
        kept = load(self._store, HeldSince)
        since = kept.since if kept and kept.since else now
        save(self._store, HeldSince(since=since))
        return since

    def held_no_more(self) -> None:
        """Forget that a native recovery plan held servers."""
        kept = load(self._store, HeldSince)
        if kept and kept.since:
            save(self._store, HeldSince())

    def held(self) -> frozenset[str]:
        """Return the servers whose jobs the attempt that goes on has started or adopted: none once it is cleared."""
        launch = load(self._store, LaunchAttempt)
        if launch is None or launch.handed_over not in {None, self._max_tries}:
            return frozenset()
        ours = (job for job in self.jobs() if attempt_of(job.tags) == launch.attempt)
        return frozenset(server for job in ours for server in job.servers)

    def keep_job(self, job: StartedJob) -> None:
        """Remember a job that exists."""
        others = (known for known in self.jobs() if known.job_id != job.job_id)
        save(self._store, StartedJobs(jobs=(*others, job)))

    def jobs(self) -> tuple[StartedJob, ...]:
        """Return the jobs remembered, as they were when they were started."""
        kept = load(self._store, StartedJobs)
        return kept.jobs if kept else ()
