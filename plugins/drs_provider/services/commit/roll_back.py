"""Rolling back what a recovery launched in one account and Region, look by look."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from drs_provider.exceptions import AwsError, CleanupIncomplete, DrsProviderError
from drs_provider.rules.answers import Answer
from drs_provider.rules.cleanup.terminate import EC2_GONE
from drs_provider.rules.commit.roll_back import RollBackSurvey, insisted_on, replication_of, why_not_replicated
from drs_provider.rules.run.handover import (
    CleanedUp,
    CleanedUpInstance,
    CommitDecision,
    InstanceParts,
    RolledBack,
    TerminateJobs,
    TerminationTargets,
    Unprotected,
)
from drs_provider.services.commit.settings_back import AppliedSettings, put_settings_back
from drs_provider.services.commit.survey import OtherRegions, survey
from drs_provider.services.drill.terminate import CleanUp, CleanUpWaits, InstanceChoice
from drs_provider.services.settings.apply import find_holders
from drs_provider.services.store import Store, load, save

if TYPE_CHECKING:
    from drs_provider.hooks.drill_resources import TracesHook

_ENDING: Final = frozenset({EC2_GONE, "shutting-down"})

ORIGIN_PATIENCE_SECONDS: Final = 45.0
"""How long a look repeats a call to where servers came from: what is unknown of it may keep an instance for good."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RollBackScope:
    """What is rolled back in an account and Region.

    :param job_ids: the launch jobs of the run there that the decision is about
    :param runs: the keys that tags of the run's things carry
    :param servers: the source servers that the run may have launched
    :param where: account and Region as messages name them
    :param applied: the launch settings that the run has applied there
    :param origins: the connections with which the Regions are asked that the servers came from
    :param stops_sources: whether the run, or the one that it continues, may have stopped sources
    :param is_whole: whether the run has the record of everything it applied; false: it continues another one
    """

    job_ids: tuple[str, ...]
    runs: tuple[str, ...]
    servers: frozenset[str]
    where: str
    decision: CommitDecision
    applied: AppliedSettings
    origins: tuple[str | None, ...]
    stops_sources: bool = False
    is_whole: bool = True


class RollBack:
    """Terminate what a recovery launched, put its launch settings back, and see that the sources replicate.

    Every look asks DRS and EC2 anew what is this run's and what speaks against it: what is not proven to be so at that
    moment is kept. May be done any number of times.

    :param store: remembers the instances: a terminated one soon disappears from DRS's answers
    :param on_started: told the id of every terminate job that was started
    :param on_unprotect: told the instances whose termination protection is switched off next
    """

    def __init__(
        self,
        hook: "TracesHook",
        store: Store,
        scope: RollBackScope,
        *,
        on_started: Callable[[str], None] = lambda _: None,
        on_unprotect: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self.hook, self.store, self.scope, self.on_started = hook, store, scope, on_started
        self.on_unprotect = on_unprotect

    def look(self, *, began: datetime, deadline: datetime, requests: int, now: datetime) -> RolledBack | CleanUpWaits:
        """Do what can be done now; see ``CleanUp.look`` for the arguments. What is left is said, never raised.

        An error that ends the roll back protects again what was about to go, wherever in the look it comes from; one
        after which it goes on does not: terminate jobs that run would meet protected instances.
        """
        try:
            return self._look(began=began, deadline=deadline, requests=requests, now=now)
        except DrsProviderError as error:
            if ends_roll_back(error, now=now, deadline=deadline):
                protect_again(self.hook, self.store)
            raise

    def _look(self, *, began: datetime, deadline: datetime, requests: int, now: datetime) -> RolledBack | CleanUpWaits:
        scope = self.scope
        found = survey(
            self.hook,
            scope.job_ids,
            scope.runs,
            own_servers=scope.servers,
            where=scope.where,
            elsewhere=OtherRegions(scope.origins, patience=ORIGIN_PATIENCE_SECONDS),
            stops_sources=scope.stops_sources,
        )
        chosen = InstanceChoice(job_ids=scope.job_ids, runs=scope.runs, spares=self._spares(found))
        clean_up = CleanUp(
            self.hook, self.store, chosen, on_started=self.on_started, on_unprotect=self._note_unprotected
        )
        try:
            outcome = clean_up.look(began=began, deadline=deadline, requests=requests, now=now)
        except CleanupIncomplete as incomplete:
            return self._ended(self._so_far(incomplete.left), now=now)
        if isinstance(outcome, CleanUpWaits):
            return outcome
        gone = sorted({instance.server_id or "" for instance in outcome.terminated} - {""})
        if waiting := find_holders(self.hook, gone, now=now) if now < deadline else None:
            return CleanUpWaits(waiting.job_ids, requests)
        return self._ended(outcome, now=now)

    def _note_unprotected(self, instances: Sequence[str]) -> None:
        known = load(self.store, Unprotected) or Unprotected()
        save(self.store, Unprotected(instances=tuple(dict.fromkeys((*known.instances, *instances)))))
        self.on_unprotect(instances)

    def _spares(self, found: RollBackSurvey) -> Callable[[Answer], str | None]:
        insisted = insisted_on(self.scope.decision)
        return lambda instance: found.why_kept(str(instance["recoveryInstanceID"]), insisted=insisted)

    def _so_far(self, left: Mapping[str, str]) -> CleanedUp:
        """Say what is gone where something is left: that which EC2 calls terminated, or has forgotten meanwhile."""
        known = load(self.store, TerminationTargets) or TerminationTargets()
        states = self.hook.instance_states(tuple(known.instances)) if known.instances else {}
        gone = {
            name: server
            for name, server in known.instances.items()
            if states.get(name, EC2_GONE) == EC2_GONE and name not in left
        }
        return CleanedUp(
            terminated=tuple(
                CleanedUpInstance(
                    instance_id=name,
                    server_id=server,
                    created_by_launch=known.proofs.get(name, ""),
                    gone_before=name in known.gone_before,
                )
                for name, server in gone.items()
            ),
            left=dict(left),
            job_ids=(load(self.store, TerminateJobs) or TerminateJobs()).job_ids,
        )

    def _ended(self, outcome: CleanedUp, *, now: datetime) -> RolledBack:
        bare = protect_again(self.hook, self.store)
        gone = [instance.server_id for instance in outcome.terminated if instance.server_id]
        back = put_settings_back(self.hook, gone, self.scope.applied, known=self.scope.is_whole)
        states, wrong = self._replication(gone)
        return RolledBack(
            terminated=outcome.terminated,
            left={**outcome.left, **{name: _and_bare(outcome.left.get(name), why) for name, why in bare.items()}},
            kept=self._parts_kept(),
            job_ids=outcome.job_ids,
            settings=dict(back.done),
            settings_left=dict(back.left),
            replication=states,
            not_replicated=wrong,
            ended_at=now,
        )

    def _replication(self, servers: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the replication of these sources, and what is wrong with it."""
        if not servers:
            return {}, {}
        known = {str(item["sourceServerID"]): item for item in self.hook.source_servers(sorted(servers))}
        states = {server: replication_of(known.get(server)) for server in sorted(servers)}
        before = self.scope.decision.replication
        wrong = {
            server: why
            for server, state in states.items()
            if (why := why_not_replicated(before=before.get(server), now=state))
        }
        return states, wrong

    def _parts_kept(self) -> dict[str, str]:
        """Say which volumes and interfaces outlive their instances: people wanted that, and nobody deletes them."""
        known = load(self.store, InstanceParts) or InstanceParts()
        there = self.hook.volumes_there(known.volumes) if known.volumes else {}
        there |= self.hook.interfaces_there(known.interfaces) if known.interfaces else {}
        why = "EC2 keeps it although its instance is gone: delete it manually if nobody needs it"
        return {name: f"{state}; {why}" for name, state in there.items() if state not in ("in-use", "deleting")}


def ends_roll_back(error: Exception, *, now: datetime, deadline: datetime) -> bool:
    """Tell whether a roll back is over with this error, not looked at again soon (``operators.base.asking_later``)."""
    return not (isinstance(error, AwsError) and error.retryable) or now >= deadline


def protect_again(hook: "TracesHook", store: Store) -> dict[str, str]:
    """Switch termination protection on again for what a roll back was about to terminate and what is still there.

    May be done any number of times, and asks AWS nothing where nothing is remembered. Return by instance why it stays
    without.
    """
    known = load(store, Unprotected)
    if known is None or not known.instances:
        return {}
    try:
        states = hook.instance_states(known.instances)
        alive = [name for name in known.instances if states.get(name, EC2_GONE) not in _ENDING]
        refused = hook.protect(alive) if alive else {}
    except AwsError as error:
        log.warning("%s may stay without termination protection: %s", ", ".join(known.instances), error)
        return dict.fromkeys(known.instances, str(error))
    bare = {name: str(why) for name, why in refused.items() if isinstance(why, AwsError)}
    for name, why in bare.items():
        log.warning("%s stays without termination protection: %s", name, why)
    save(store, Unprotected(instances=tuple(bare)))
    return bare


def about_to_terminate(instances: Sequence[str]) -> RolledBack:
    """Return what is said of a roll back whose process dies right after this."""
    why = (
        "its termination protection was switched off to terminate it, and what became of it is not recorded: clear "
        "the task that rolls back, which terminates it or protects it again"
    )
    return RolledBack(left=dict.fromkeys(instances, why))


def _and_bare(left: str | None, why: str) -> str:
    bare = f"it has no termination protection, switch it on in EC2: {why}"
    return f"{left}; {bare}" if left else bare
