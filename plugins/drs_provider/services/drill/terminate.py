"""Terminating recovery instances, and seeing in EC2 that they and what belonged to them are gone."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from drs_provider.exceptions import (
    AwsError,
    CleanupIncomplete,
    Conflict,
    NotFound,
    QuotaExceeded,
    ServiceUnavailable,
    Throttled,
)
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.ownership import NOT_SHOWN, why_not_deleted, why_spared
from drs_provider.rules.cleanup.terminate import (
    EC2_GONE,
    MOST_REQUESTS,
    NO_WORD,
    Choice,
    Progress,
    are_parts_given_up,
    awaited,
    choose,
    ensure_all_chosen,
    gone_before,
    requests_counted,
    running,
    take_stock,
    unseen,
)
from drs_provider.rules.launch.jobs import read_job_log
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.tags import RUN
from drs_provider.rules.run.handover import (
    CleanedUp,
    CleanedUpInstance,
    FewestLeft,
    InstanceParts,
    TerminateJobs,
    TerminationTargets,
)
from drs_provider.services.drill.creation_proof import creation_proofs
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook

MOST_INSTANCES: Final = 200
"""Of one request; the quota of servers per job, which terminate jobs are taken to share, may be smaller."""

MOST_SPLITS: Final = 20
"""How often a look divides requests that DRS refuses whole for a few of their instances."""

FOR_NOW: Final = (Conflict, QuotaExceeded, NotFound, ServiceUnavailable, Throttled)
"""Refusals that say nothing about the next request: a job holds a server, there is no room, an instance is gone."""

LOOK_BACK: Final = timedelta(days=1)
"""How long before a clean-up began the running jobs may have been started that hold its servers."""

Spares = Callable[[Answer], str | None]
"""Say of an item of DescribeRecoveryInstances why it must not be terminated; None: it may."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InstanceChoice:
    """Which instances are meant: exactly one of the three is not None.

    :param job_ids: launch jobs whose instances are meant
    :param include_recovery: also terminate what DRS does not call a drill's
    :param runs: keys of the only runs whose instances are meant; none: those of any
    :param spares: what decides in place of DRS's word for a drill, asked of every instance at every look: says why one
        must not be terminated. Termination protection is then switched off first, and volumes and interfaces that
        outlive their instances are said and not deleted
    """

    recovery_instance_ids: tuple[str, ...] | None = None
    source_server_ids: tuple[str, ...] | None = None
    job_ids: tuple[str, ...] | None = None
    include_recovery: bool = False
    runs: tuple[str, ...] = ()
    spares: Spares | None = None


@dataclass(frozen=True)
class CleanUpWaits:
    """Something is still there: look again when one of these jobs has ended, or after a pause where there is none.

    :ivar requests: how many requests have been made since fewer instances were left than ever
    """

    job_ids: tuple[str, ...]
    requests: int


class Terminator(Protocol):
    """What of the hook a termination needs."""

    def quotas(self) -> Quotas:
        """Return the account's live quotas."""
        ...

    def terminate(self, instance_ids: Sequence[str]) -> Answer:
        """Ask DRS to terminate these in one job; return the job."""
        ...


def terminations(hook: Terminator, instances: Sequence[str]) -> Iterator[tuple[Sequence[str], Answer | AwsError]]:
    """Ask DRS to terminate instances, as many a job as its quota allows; give each request's job, or its refusal.

    DRS refuses a request whole for one instance that cannot go now, so a refused one is divided: what can go, goes.
    """
    size = min(MOST_INSTANCES, hook.quotas().servers_per_job) if instances else MOST_INSTANCES
    to_ask = [instances[start : start + size] for start in range(0, len(instances), size)]
    splits = 0
    while to_ask:
        batch = to_ask.pop(0)
        try:
            job = hook.terminate(batch)
        except (Conflict, NotFound) as refusal:
            if len(batch) == 1 or splits >= MOST_SPLITS:
                yield batch, refusal
                continue
            splits += 1
            half = len(batch) // 2
            to_ask[:0] = [batch[:half], batch[half:]]
        except AwsError as refusal:
            yield batch, refusal
        else:
            yield batch, job


def instances_of_jobs(hook: "TracesHook", job_ids: Collection[str], launches: Iterable[Answer]) -> tuple[Answer, ...]:
    """Ask DRS for the instances that launch jobs have launched, live or not.

    :param launches: those of the jobs that DRS still knows
    """
    if not job_ids:
        return ()
    known = tuple(launches)
    servers = {server["sourceServerID"] for job in known for server in job.get("participatingServers", ())}
    # A job that DRS has forgotten names no servers any more; its instances still name the job.
    forgotten = set(job_ids) - {job["jobID"] for job in known}
    found = hook.recovery_instances(source_server_ids=None if forgotten else sorted(servers))
    return tuple(instance for instance in found if instance.get("jobID") in job_ids)


class CleanUp:
    """Terminate instances, look by look.

    :param store: remembers the instances: a terminated one soon disappears from DRS's answers
    :param on_started: told the id of every terminate job that was started
    :param on_unprotect: told the instances whose termination protection is switched off next
    """

    def __init__(
        self,
        hook: "TracesHook",
        store: Store,
        chosen: InstanceChoice,
        *,
        on_started: Callable[[str], None] = lambda _: None,
        on_unprotect: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self.hook, self.store, self.chosen, self.on_started = hook, store, chosen, on_started
        self.on_unprotect = on_unprotect
        self.fresh: frozenset[str] = frozenset()

    def look(self, *, began: datetime, deadline: datetime, requests: int, now: datetime) -> CleanedUp | CleanUpWaits:
        """Do what can be done now; may be done any number of times.

        :param began: when the clean-up began
        :param deadline: from then on what is left is reported
        :param requests: what the look before returned; 0 at first
        :raises RunRefused: an instance was named that must be kept
        :raises CleanupIncomplete: something is still there in the end
        """
        launches = self.hook.jobs(self.chosen.job_ids) if self.chosen.job_ids else ()
        described = self._described(launches)
        choice, confirmed = self._confirmed(self._choice(described, launches), described)
        progress = self._progress(choice, launches, described, began=began, now=now)
        is_late = now >= deadline
        requests = self._counted(len(progress.stock.left), requests)
        if progress.is_over:
            unsure = self._hidden(launches, described, choice) | {
                name: why for name, why in choice.kept.items() if why == NO_WORD
            }
            if unsure and not is_late and requests < MOST_REQUESTS:
                log.warning("%s; checking again", "; ".join(f"{name}: {why}" for name, why in unsure.items()))
                return CleanUpWaits((), requests + 1)
            if unsure:
                raise CleanupIncomplete({**choice.kept, **unsure})
            if self.chosen.spares:
                return self._result(choice, progress.stock.gone)
            if parts := self._parts_left(launches, choice):
                if are_parts_given_up(parts, requests=requests, is_late=is_late):
                    raise CleanupIncomplete(parts)
                log.info("EC2 has kept %s; checking again", ", ".join(parts))
                return CleanUpWaits((), requests + 1)
            return self._result(choice, progress.stock.gone)
        if progress.is_given_up(requests=requests, is_late=is_late):
            hidden = dict.fromkeys(set(progress.stock.left) - confirmed, NOT_SHOWN)
            raise CleanupIncomplete({**(choice.kept if self.chosen.spares else {}), **progress.why_left, **hidden})
        doubtful = [name for name in progress.stock.left if name not in confirmed]
        if doubtful:
            log.warning("Not terminated, for DRS does not show them now: %s", ", ".join(doubtful))
        started = self._terminate([name for name in progress.stock.left if name in confirmed])
        return CleanUpWaits((*started, *progress.open_jobs), requests + bool(started or doubtful))

    def _confirmed(self, choice: Choice, described: Sequence[Answer]) -> tuple[Choice, frozenset[str]]:
        """Ask DRS about every instance that is only remembered; what it does not confirm now is never terminated.

        :return: the choice without what DRS calls somebody else's, and the instances that may be terminated now
        """
        now = {str(instance["recoveryInstanceID"]) for instance in described} & set(choice.targets)
        remembered = [name for name in choice.targets if name not in now]
        again = self.hook.recovery_instances(instance_ids=remembered) if remembered else ()
        why = {str(instance["recoveryInstanceID"]): self._why_spared(instance) for instance in again}
        spared = {name: words for name, words in why.items() if words}
        targets = {name: server for name, server in choice.targets.items() if name not in spared}
        return Choice(targets, {**choice.kept, **spared}), frozenset(now | (set(why) - set(spared)))

    def _hidden(self, launches: Sequence[Answer], described: Sequence[Answer], choice: Choice) -> dict[str, str]:
        """Return what EC2 still has of the launches and DRS does not show, by instance id, and why it is kept."""
        missing = unseen(launches, described, set(choice.targets.values()))
        named = [
            timeline.target_instance
            for job_id in dict.fromkeys(missing.values())
            for server, timeline in read_job_log(self.hook.job_log(job_id)).items()
            if timeline.target_instance and missing.get(server) == job_id
        ]
        states = self.hook.instance_states(named) if named else {}
        return {name: NOT_SHOWN for name, state in states.items() if state != EC2_GONE and name not in choice.kept}

    def _why_spared(self, instance: Answer) -> str | None:
        if self.chosen.spares:
            return self.chosen.spares(instance)
        return why_spared(
            instance,
            job_ids=self.chosen.job_ids,
            server_ids=self.chosen.source_server_ids,
            include_recovery=self.chosen.include_recovery,
            runs=self.chosen.runs,
        )

    def _progress(
        self,
        choice: Choice,
        launches: Sequence[Answer],
        described: Sequence[Answer],
        *,
        began: datetime,
        now: datetime,
    ) -> Progress:
        everything = self.hook.jobs_since(began - LOOK_BACK)
        states = self.hook.instance_states(tuple(choice.targets))
        stock = take_stock(choice.targets, described=described, ec2=states, jobs=everything)
        self._note_gone(stock.gone, described, states)
        seen = set(choice.targets.values())
        invisible = awaited(launches, described, seen, now=now, everything=everything)
        progress = Progress(stock, running(launches), invisible)
        log.info(
            "%d gone, %d shutting down, %d held by running jobs, %d to terminate",
            *(len(part) for part in (stock.gone, stock.ending, stock.held, stock.left)),
        )
        if progress.launching:
            log.info("Still launching, so more instances will appear: %s", ", ".join(progress.launching))
        if invisible:
            log.info("Launched, but not shown by DRS yet: %s", ", ".join(invisible))
        return progress

    def _note_gone(self, gone_now: Collection[str], described: Sequence[Answer], states: Mapping[str, str]) -> None:
        """Remember which of the instances that this look has found were gone before anybody asked for it."""
        gone = gone_before(sorted(self.fresh.intersection(gone_now)), described=described, ec2=states)
        if gone and (known := load(self.store, TerminationTargets)):
            log.warning("Gone before the clean-up, ended by somebody else or by EC2: %s", ", ".join(gone))
            save(self.store, known.model_copy(update={"gone_before": (*known.gone_before, *gone)}))

    def _counted(self, left: int, requests: int) -> int:
        fewest = load(self.store, FewestLeft)
        if left and (fewest is None or left < fewest.instances):
            save(self.store, FewestLeft(instances=left))
        return requests_counted(requests, left=left, fewest=fewest.instances if fewest else None)

    def _described(self, launches: Sequence[Answer]) -> tuple[Answer, ...]:
        """Ask DRS for the instances that are meant."""
        if self.chosen.recovery_instance_ids is not None:
            return self.hook.recovery_instances(instance_ids=self.chosen.recovery_instance_ids)
        if self.chosen.source_server_ids is not None:
            return self.hook.recovery_instances(source_server_ids=self.chosen.source_server_ids)
        return instances_of_jobs(self.hook, self.chosen.job_ids or (), launches)

    def _choice(self, described: Sequence[Answer], launches: Sequence[Answer]) -> Choice:
        """Decide what to terminate, and remember it with the proof that its launch created it."""
        known = load(self.store, TerminationTargets)
        before, proven = (known.instances, known.proofs) if known else ({}, {})
        unproven = [instance for instance in described if str(instance["recoveryInstanceID"]) not in before]
        proofs = creation_proofs(self.hook, unproven, launches)
        choice = choose(
            described,
            include_recovery=self.chosen.include_recovery,
            runs=self.chosen.runs,
            proofs=proofs,
            spares=self.chosen.spares,
        )
        if self.chosen.job_ids is None:
            ensure_all_chosen(choice)
        targets = {**before, **choice.targets}
        self.fresh = frozenset(targets) - frozenset(before)
        if targets != before:
            self._remember_parts([name for name in targets if name not in before])
            words = {name: proof.words for name, proof in proofs.items() if proof.is_proven}
            gone = known.gone_before if known else ()
            save(self.store, TerminationTargets(instances=targets, proofs={**proven, **words}, gone_before=gone))
        # What a look before this one chose and this one keeps is kept: only what the cloud says now may go.
        return Choice({name: server for name, server in targets.items() if name not in choice.kept}, choice.kept)

    def _remember_parts(self, instances: Sequence[str]) -> None:
        """Remember what belongs to instances before they go: EC2 says it of no terminated one."""
        known = load(self.store, InstanceParts) or InstanceParts()
        found = self.hook.parts_of(instances).values()
        save(
            self.store,
            InstanceParts(
                volumes=(*known.volumes, *(volume for parts in found for volume in parts.volumes)),
                interfaces=(*known.interfaces, *(interface for parts in found for interface in parts.interfaces)),
            ),
        )

    def _parts_left(self, launches: Sequence[Answer], choice: Choice) -> dict[str, str]:
        """Delete what EC2 has kept of instances that are gone; return what is still there, and why.

        What is remembered only says where to look: EC2's tags of this moment say whose a volume or an interface is.
        """
        parts = load(self.store, InstanceParts) or InstanceParts()
        runs = {str(run) for job in launches if (run := (job.get("tags") or {}).get(RUN))} | set(self.chosen.runs)
        servers = set(choice.targets.values())
        left: dict[str, str] = {}
        for there, delete, ids in (
            (self.hook.volumes_there, self.hook.delete_volume, parts.volumes),
            (self.hook.interfaces_there, self.hook.delete_interface, parts.interfaces),
        ):
            found = there(ids) if ids else {}
            tags = self.hook.tags_in_ec2(tuple(found)) if found else {}
            for name, state in found.items():
                if why := why_not_deleted(tags.get(name, {}), state=state, runs=runs, servers=servers):
                    left[name] = why
                    continue
                try:
                    delete(name)
                except AwsError as error:
                    left[name] = f"it is {state} although its instance is gone: {error}"
                else:
                    left[name] = "EC2 accepted the deletion, and it is still there"
            still = there(ids) if any(name in left for name in ids) else {}
            left = {name: why for name, why in left.items() if name not in ids or name in still}
        snapshots = self.hook.snapshots_of(parts.volumes) if parts.volumes else {}
        return left | {
            name: f"a snapshot of {volume}, a drill's volume, that DRS does not remove: delete it manually"
            for name, volume in snapshots.items()
        }

    def _terminate(self, instances: Sequence[str]) -> list[str]:
        """Ask DRS to terminate; what it refuses for now is looked at again after the wait."""
        started: list[str] = []
        if self.chosen.spares:
            self._unprotect(instances)
        for batch, outcome in terminations(self.hook, instances):
            if isinstance(outcome, AwsError):
                if not isinstance(outcome, FOR_NOW):
                    raise outcome
                log.warning("%s; checking again after a while", outcome)
                continue
            job_id = str(outcome["jobID"])
            log.info("Job %s terminates %d instances: %s", job_id, len(batch), ", ".join(batch))
            started.append(job_id)
            known = load(self.store, TerminateJobs) or TerminateJobs()
            save(self.store, TerminateJobs(job_ids=(*known.job_ids, job_id)))
            self.on_started(job_id)
        return started

    def _unprotect(self, instances: Sequence[str]) -> None:
        """Switch termination protection off; one that is gone meanwhile has none."""
        if instances:
            self.on_unprotect(instances)
        for name in instances:
            try:
                self.hook.unprotect([name])
            except NotFound as error:
                log.warning("%s", error)

    def _result(self, choice: Choice, gone: Sequence[str]) -> CleanedUp:
        for instance, why in choice.kept.items():
            log.warning("%s: %s", instance, why)
        log.info("%d instances are gone, as EC2 says too", len(gone))
        jobs = load(self.store, TerminateJobs) or TerminateJobs()
        known = load(self.store, TerminationTargets) or TerminationTargets()
        return CleanedUp(
            terminated=tuple(
                CleanedUpInstance(
                    instance_id=instance,
                    server_id=choice.targets[instance],
                    created_by_launch=known.proofs.get(instance, ""),
                    gone_before=instance in known.gone_before,
                )
                for instance in gone
            ),
            left=dict(choice.kept),
            job_ids=jobs.job_ids,
        )
