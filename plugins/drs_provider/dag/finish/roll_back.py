"""The tasks that roll a recovery back, one for each account and Region."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from pydantic import JsonValue

from drs_provider.dag.finish.commit import NO_COMMIT, may_have_stopped_sources, origins_of, starters_of
from drs_provider.dag.finish.own_jobs import own_jobs
from drs_provider.dag.left_alone import skip_where_left_alone
from drs_provider.dag.people.managers import managers_left
from drs_provider.dag.run_reader import preflight_result, skip_where_nothing_is_launched
from drs_provider.dag.task_times import LeavesTimes
from drs_provider.dag.waves.job_tags import continued_run, keys_of_run
from drs_provider.exceptions import DrsProviderError, PlanChanged, RollBackIncomplete
from drs_provider.operators.base import asking_later
from drs_provider.operators.other_tasks import pull_newest
from drs_provider.operators.task_memory import task_memory
from drs_provider.operators.terminate import DrsTerminateRecoveryInstancesOperator
from drs_provider.plan.model import Commit
from drs_provider.rules.commit.decision import ensure_agreed
from drs_provider.rules.purpose import RECOVERY, purpose_of
from drs_provider.rules.run import names
from drs_provider.services.signed import leave, pull_believed, sealed

if TYPE_CHECKING:
    from drs_provider.plan.loader import RunnablePlan
    from drs_provider.rules.run.handover import CommitDecision
    from drs_provider.rules.run.shape import PlanTarget
    from drs_provider.services.commit.roll_back import RollBackScope


class RollBackRecovery(LeavesTimes, DrsTerminateRecoveryInstancesOperator):
    """Terminate exactly what this run's recovery launched in one account and Region, once that is decided.

    Skipped unless the task that asks has signed the decision to roll back, by those who may. What it terminates is
    asked of DRS and EC2 at every look: instances of this run's own jobs, that no source server replicates, that nobody
    has committed, whose servers are not on their way back and whose sources are replicated (or people insist). All
    else is kept and said, and the task fails then. Launch settings are put back, and every source is seen to replicate
    as before.

    Leaves, and returns, a ``RolledBack`` as JSON (``rules.run.handover``).
    """

    template_fields: Sequence[str] = ()  # nothing to render: the jobs are found when the task runs

    def __init__(
        self,
        *,
        plan: str,
        policy: Commit,
        runnable: "RunnablePlan",
        place: "PlanTarget",
        digest: str,
        start_task_ids: Sequence[str],
        settings_task_ids: Sequence[str],
        **kwargs: Any,
    ) -> None:
        target = place.target
        super().__init__(aws_conn_id=target.aws_conn_id, region_name=target.region or None, job_ids=(), **kwargs)
        self.plan, self.policy, self.place, self.digest = plan, policy, place, digest
        self.runnable = runnable
        self.start_task_ids, self.settings_task_ids = tuple(start_task_ids), tuple(settings_task_ids)
        self.decision: CommitDecision | None = None
        self.servers: frozenset[str] = frozenset()

    def prepare(self, context: Context) -> None:
        """See that the roll back is decided, and find the run's jobs, on every leg of the task."""
        skip_where_nothing_is_launched(context)
        if not purpose_of(context["params"]["mode"]).asks_to_commit:
            raise AirflowSkipException(NO_COMMIT)
        decision = _decision(context)
        skip_where_left_alone(context, self.place, self.digest)
        preflight = preflight_result(context, self.plan)
        if preflight.digest != self.digest:
            raise PlanChanged(self.plan, preflight.digest, self.digest)
        starters, managers = starters_of(context), managers_left(context)
        ensure_agreed(decision, self.policy, plan=self.plan, starters=starters, managers=managers)
        self.decision, self.runs, self.servers = decision, keys_of_run(context), preflight.may_be_launched
        found = own_jobs(context, self.hook, self.place, self.start_task_ids, purpose=RECOVERY)
        self.job_ids = [job for job in found if job in decision.job_ids]

    def _leg(self, context: Context, *, began: datetime, requests: int, looks: int) -> dict[str, JsonValue]:
        from drs_provider.services.commit.roll_back import RollBack, about_to_terminate, ends_roll_back
        from drs_provider.services.drill.terminate import CleanUpWaits

        kwargs: dict[str, JsonValue] = {"began": began.isoformat(), "requests": requests, "looks": looks}
        deadline = began + self.max_wait
        with asking_later(self, self.resume_cleanup, until=deadline, kwargs=kwargs):
            try:
                self.prepare(context)
                roll_back = RollBack(
                    self.hook,
                    task_memory(context),
                    self._scope(context),
                    on_started=self._point_at,
                    on_unprotect=lambda instances: leave(context["ti"], about_to_terminate(instances)),
                )
                outcome = roll_back.look(began=began, deadline=deadline, requests=requests, now=self._now())
            except (DrsProviderError, AirflowException) as error:
                if ends_roll_back(error, now=self._now(), deadline=deadline):
                    self._protect_again(context)
                raise
        if isinstance(outcome, CleanUpWaits):
            self._wait(outcome.job_ids, began=began, requests=outcome.requests, looks=looks + 1)
        leave(context["ti"], outcome)
        if not outcome.is_complete:
            raise RollBackIncomplete(outcome.left, outcome.not_replicated)
        return sealed(context["ti"], outcome)

    def _protect_again(self, context: Context) -> None:
        """Protect what this try, or one before it, was about to terminate, now that it stays; say where that fails."""
        from drs_provider.rules.run.handover import RolledBack
        from drs_provider.services.commit.roll_back import protect_again

        if bare := protect_again(self.hook, task_memory(context)):
            why = "it has no termination protection, switch it on in EC2: {}"
            leave(context["ti"], RolledBack(left={name: why.format(words) for name, words in bare.items()}))

    def _scope(self, context: Context) -> "RollBackScope":
        from drs_provider.rules.run.handover import SettingsChanges, SettingsInForce
        from drs_provider.services.commit.roll_back import RollBackScope
        from drs_provider.services.commit.settings_back import AppliedSettings

        if self.decision is None:
            raise AirflowSkipException("nobody has decided to roll back")
        changes = pull_believed(context["ti"], self.settings_task_ids, SettingsChanges)
        in_force = pull_believed(context["ti"], self.settings_task_ids, SettingsInForce)
        applied = AppliedSettings(
            {server: changed for found in changes for server, changed in found.servers.items()},
            {server: template for found in in_force for server, template in found.servers.items()},
        )
        return RollBackScope(
            job_ids=tuple(self.job_ids or ()),
            runs=self.runs,
            servers=self.servers,
            where=str(self.place.target),
            decision=self.decision,
            applied=applied,
            origins=origins_of(self.runnable, self.place),
            stops_sources=may_have_stopped_sources(context, self.runnable),
            is_whole=continued_run(context) is None,
        )


def _decision(context: Context) -> "CommitDecision":
    """Read the decision to roll back; skip the task where there is none."""
    from drs_provider.rules.run.handover import CommitRecord

    record = pull_newest(context, names.COMMIT_TASK, CommitRecord)
    if record is None or record.decision is None:
        raise AirflowSkipException(
            "nobody has decided to roll back (a task that is marked as successful decides nothing)"
        )
    if record.decision.kind != "roll_back":
        raise AirflowSkipException("the recovery is committed: what it launched stays")
    return record.decision
