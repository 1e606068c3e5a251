"""Waiting for the end of a wave in the process of its task, once the end is near, so that the next begins at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import TaskDeferred
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError
from drs_provider.formatting import parse_instant
from drs_provider.rules.ahead.hold import FOR_JOBS, JOBS_EVERY, hold_for, is_crowded, looks_every, near_at
from drs_provider.sensors.job import DrsRecoveryJobSensor

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.run.handover import Launch


class NearEnd(DrsRecoveryJobSensor):
    """A sensor of jobs that leaves the triggerer shortly before the end; ``rules.ahead.hold`` says when and how long.

    What a trigger has told lasts for one leg.
    """

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, and keep what the trigger has told, and when."""
        event = (next_kwargs or {}).get("event")
        told = event if isinstance(event, Mapping) else {}
        self.__dict__["is_near"] = told.get("outcome") == "near"
        at = told.get("at")
        self.__dict__["is_crowded"] = is_crowded(parse_instant(str(at)) if at else None, clock.now())
        return super().resume_execution(next_method, next_kwargs, context)

    def hook_of(self, launch: "Launch") -> "DrsHook":
        """Make the hook of a launch's account and Region; for subclasses."""
        raise NotImplementedError

    def get_ready(self) -> None:
        """Do ahead of the end what the hand-over would lose time with; for subclasses, this one does nothing."""

    def waits_in_process(self) -> bool:
        """Wait for the end in this process, unless Airflow took long to wake the task: others need the worker."""
        return not self.__dict__.get("is_crowded")

    def job_ending(self, context: Context, deadline: datetime) -> dict[str, JsonValue]:
        """Wait for the end of the jobs, which is seconds away, where Airflow had a worker at once."""
        self.get_ready()
        until, is_over = min(clock.now() + FOR_JOBS, deadline), False
        self.__dict__["is_holding"] = True
        try:
            while not (is_over := self._have_jobs_ended()) and self.waits_in_process() and clock.now() < until:
                clock.sleep(JOBS_EVERY)
        finally:
            self.__dict__["is_holding"] = False
        if not is_over:
            self.__dict__["is_crowded"] = True  # no second time
            self.watch(self._launches())
        return self._judge(context, deadline)

    def near_at(self) -> datetime | None:
        """Let the trigger tell when status checks may be passed soon."""
        was_near = bool(self.__dict__.get("is_near")) or not self.waits_in_process()
        return near_at(self._ready(), clock.now(), was_near=was_near)

    def _judge(self, context: Context, deadline: datetime, *, last_word: bool = False) -> dict[str, JsonValue]:
        """Judge; instances that are nearly there are waited for in this process, for a while."""
        hold = hold_for(self._ready(), is_near=bool(self.__dict__.get("is_near")))
        until = min(clock.now() + hold, deadline)
        while True:
            try:
                return super()._judge(context, deadline, last_word=last_word)
            except TaskDeferred as wait:
                is_for_instances = wait.method_name == self.instances_settled.__name__
                if not is_for_instances or not self.waits_in_process() or clock.now() >= until:
                    raise
            self.get_ready()
            clock.sleep(looks_every(self._ready()))

    def _have_jobs_ended(self) -> bool:
        """Tell whether every job of the wave is known to have ended; what AWS does not answer is not known."""
        return self._running_jobs() == set()

    def _running_jobs(self) -> set[str] | None:
        """Return the jobs of the wave that are not known to have ended; None: AWS does not answer."""
        from drs_provider.rules.launch.jobs import ENDED_STATUS

        running: set[str] = set()
        for launch in self._launches():
            try:
                jobs = self.hook_of(launch).jobs(launch.job_ids)
            except AwsError as error:
                self.log.warning("Whether the jobs have ended is not known yet: %s", error)
                self.__dict__["is_crowded"] = True  # an API that does not answer is not asked four times a second
                return None
            running |= {*launch.job_ids} - {str(job["jobID"]) for job in jobs if job.get("status") == ENDED_STATUS}
        return running
