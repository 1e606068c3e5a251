"""Waiting for the end of a wave in the process of its task, once the end is near, so that the next begins at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import TaskDeferred
from pydantic import JsonValue

from drs_provider import clock
from drs_provider.exceptions import AwsError
from drs_provider.formatting import parse_instant
from drs_provider.rules.ahead.hold import (
    FOR_JOBS,
    JOBS_EVERY,
    WHOLE_LOOK_EVERY,
    hold_for,
    is_crowded,
    is_on_its_way,
    looks_every,
    near_at,
)
from drs_provider.sensors.job import DrsRecoveryJobSensor

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.launch.results import Ready
    from drs_provider.rules.run.handover import Launch
    from drs_provider.services.launch.job_results import LaunchResults


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
            self._await_boots(until)

    def _await_boots(self, until: datetime) -> None:
        """Let time pass until EC2 says of all that boots that it is there, or until everything is to be looked at."""
        ready, until = self._ready(), min(until, clock.now() + WHOLE_LOOK_EVERY)
        while True:
            clock.sleep(looks_every(ready))
            if clock.now() >= until or not self._does_anything_boot(ready):
                return

    def _does_anything_boot(self, ready: "Ready") -> bool:
        """Ask EC2 about the instances that the last look has left; false also where it does not answer."""
        try:
            for launch, names in self.__dict__.get("booting", ()):
                hook = self.hook_of(launch)
                words = hook.unhealthy_instances(names) if ready == "status_checks" else hook.instance_states(names)
                if any(map(is_on_its_way, words.values())):
                    return True
        except AwsError:
            pass  # the look that follows meets it, too, and knows what to do then
        return False

    def _wait_for_instances(self, found: "Sequence[LaunchResults]", deadline: datetime, **until: Any) -> NoReturn:
        """Wait for them, and keep which these are: the process may have to look at them more often."""
        self.__dict__["booting"] = [
            (part.launch, [str(r.instance_id) for r in part.results if r.instance_id and r.server_id in part.pending])
            for part in found
        ]
        super()._wait_for_instances(found, deadline, **until)

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
