"""How the end of a recovery stood and what comes next, as its report's evidence has it."""

from drs_provider.report.evidence import CommitFacts
from drs_provider.rules.commit.next_steps import AfterRecovery, next_steps
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.run.state import CommitState, CommitStatus, LeftDocuments, RunState
from drs_provider.rules.run.state.vocabulary import ServerStatus


def commit_facts(state: CommitState | None) -> CommitFacts | None:
    """Give the decision and what followed from it; None: nobody was asked."""
    if state is None:
        return None
    record, decision, results = state.record, state.record.decision, state.results
    ended = [result.ended_at for result in results if result.ended_at]
    return CommitFacts(
        status=state.status,
        words=state.words,
        began_at=record.began_at,
        decided_at=decision.at if decision else None,
        until=record.until if state.status is CommitStatus.WAITING else None,
        by=decision.by if decision else None,
        comment=decision.comment if decision else None,
        instances=record.instances,
        against=record.against,
        refused=record.refused,
        terminated=tuple(instance for result in results for instance in result.terminated),
        left={name: why for result in results for name, why in (result.left | result.not_replicated).items()},
        kept={name: why for result in results for name, why in result.kept.items()},
        settings_left={name: why for result in results for name, why in result.settings_left.items()},
        replication={name: word for result in results for name, word in result.replication.items()},
        rolled_back_at=max(ended, default=None),
    )


def steps_after(state: RunState, shape: RunShape, left: LeftDocuments, purpose: Purpose) -> tuple[AfterRecovery, ...]:
    """Say what comes after a recovery that is up; nothing where none is, as after a drill."""
    is_up = any(server.status is ServerStatus.LAUNCHED for wave in state.waves for server in wave.servers or ())
    if not purpose.asks_to_commit or left.preflight() is None or not is_up:
        return ()
    return next_steps(
        shape.plan.name, state.commit, has_failback=shape.plan.failback is not None, stopped_writes=purpose.quiesces
    )
