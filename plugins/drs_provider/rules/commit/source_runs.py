"""Whether the source of a server runs: a roll back of one whose source is stopped would leave nothing that runs."""

from dataclasses import dataclass
from typing import Final

from drs_provider.plan.model import RecoveryPlan
from drs_provider.rules.migration.source_instances import NamedSource
from drs_provider.rules.purpose import Purpose

_RUNS: Final = "running"
_GONE: Final = frozenset({"terminated", "shutting-down"})


@dataclass(frozen=True)
class SourceNow:
    """The EC2 instance that a source server replicates, as EC2 has it at this moment.

    :param state: EC2's word; None: EC2 does not know the instance
    :param problem: why nobody could look; empty: somebody has
    :param may_be_stopped_by_run: whether the run, or the one that it continues, stops sources
    """

    source: NamedSource
    state: str | None = None
    problem: str = ""
    may_be_stopped_by_run: bool = False


def stops_sources(plan: RecoveryPlan, purpose: Purpose, *, continues: bool) -> bool:
    """Tell whether a run of a plan, or the run that it continues, may have stopped sources.

    Jobs do not say whether a migration launched them, so a recovery that continues a run may continue a migration.
    """
    return plan.migration.stop_sources is not None and (purpose.quiesces or continues)


def why_source_stays_down(found: SourceNow) -> str:
    """Say why nothing would run any more after a roll back; empty: EC2 says that the source runs.

    The cloud's word counts, whatever the run's records say. A source of which nobody can tell refuses only where the
    run may have stopped it: elsewhere DRS's word for its replication decides.
    """
    name, by_run = found.source.words_of_instance, found.may_be_stopped_by_run
    if found.problem:
        unknown = f"a migration of this plan stops its source {name}, and whether that runs is unknown: {found.problem}"
        return unknown if by_run else ""
    if found.state == _RUNS:
        return ""
    if found.state is None or found.state in _GONE:
        is_so = f"its source {name} is {'not known to EC2' if found.state is None else found.state}"
        after = "" if by_run else ", although DRS does not say so yet"
        return f"{is_so}{after}: the recovered instance may be all that is left of it. Commit"
    who = ", and a migration of this plan stops its sources" if by_run else ""
    return (
        f"its source {name} is {found.state}{who}: after a roll back nothing of it would run. Start it (in EC2, or "
        "with DrsStartSourceInstancesOperator), wait until DRS calls its replication CONTINUOUS, then answer again; or "
        "commit"
    )
