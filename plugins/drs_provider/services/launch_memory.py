"""What a start remembers between its tries, in Airflow's task state store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from airflow.sdk.execution_time.context import NEVER_EXPIRE

_LAUNCH, _INTENT, _JOBS = "drs_launch", "drs_intent", "drs_jobs"


class Store(Protocol):
    """What of ``context["task_state_store"]`` is used; it survives retries and clears."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is kept under the key."""
        ...

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Keep a value."""
        ...


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
        launch = self._store.get(_LAUNCH) or {}
        number = int(launch.get("attempt", 0))
        handed_over = launch.get("handed_over")
        if not number:
            number = max(1, highest + anew)
        elif handed_over is not None and handed_over != self._max_tries:
            number = max(number, highest) + 1
        else:
            return number
        self.begin(number)
        return number

    def begin(self, attempt: int) -> None:
        """Remember the number of the attempt that goes on."""
        self._set(_LAUNCH, {"attempt": attempt})

    def hand_over(self, attempt: int) -> None:
        """Remember that the jobs of this attempt were returned to those who watch them."""
        self._set(_LAUNCH, {"attempt": attempt, "handed_over": self._max_tries})

    def intend(self, tags: Mapping[str, str], servers: Sequence[str], *, at: datetime) -> None:
        """Remember what is about to be started, before it is, and when."""
        intent = {"tags": dict(tags), "servers": list(servers), "at": at.isoformat()}
        self._set(_INTENT, [*self._intents_but(servers), intent])

    def intend_nothing(self, servers: Sequence[str]) -> None:
        """Forget that these were about to be started: DRS refused it whole, and nothing came of it."""
        self._set(_INTENT, self._intents_but(servers))

    def intents(self) -> list[Mapping[str, Any]]:
        """Return what was about to be started, for every server the last of it."""
        kept: Any = self._store.get(_INTENT) or []
        return [kept] if isinstance(kept, Mapping) else list(kept)

    def _intents_but(self, servers: Sequence[str]) -> list[Mapping[str, Any]]:
        return [one for one in self.intents() if not set(one["servers"]) & set(servers)]

    def is_under_way(self) -> bool:
        """Say whether a try was about to start a job, and did not live to hand its jobs over to a sensor."""
        launch = self._store.get(_LAUNCH) or {}
        return bool(self.intents() or self.jobs()) and launch.get("handed_over") is None

    def keep_job(self, job: Mapping[str, Any], tags: Mapping[str, str], servers: Sequence[str]) -> None:
        """Remember a job that exists, in the shape in which DRS describes it."""
        entry = {
            "jobID": job["jobID"],
            "status": "PENDING",
            "creationDateTime": job.get("creationDateTime", ""),
            "tags": dict(tags),
            "participatingServers": [{"sourceServerID": server, "launchStatus": "PENDING"} for server in servers],
        }
        self._set(_JOBS, [*(known for known in self.jobs() if known["jobID"] != job["jobID"]), entry])

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs remembered, as they were when they were started."""
        return list(self._store.get(_JOBS) or [])

    def _set(self, key: str, value: Any) -> None:
        self._store.set(key, value, retention=NEVER_EXPIRE)
