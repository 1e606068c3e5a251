"""How long a plan takes in both launch modes, which waves decide that, and what it uses of the account's quotas."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import LaunchTime, ProtectionGroup, RecoveryPlan, wave_dependencies
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.run.launch_times.loads import loads_of_plan
from drs_provider.rules.run.launch_times.timetable import Timetable, timetable
from drs_provider.rules.run.roster import Target, target_of
from drs_provider.rules.run.shape import compile_shape
from drs_provider.rules.run.timing import levels


@dataclass(frozen=True)
class QuotaShare:
    """The most servers and jobs that a plan launches at one moment in an account and Region, and AWS's own quotas."""

    aws_conn_id: str
    region: str
    servers: int
    servers_quota: int
    jobs: int
    jobs_quota: int

    @property
    def is_within(self) -> bool:
        """Whether it all fits; else the run waits for room."""
        return self.servers <= self.servers_quota and self.jobs <= self.jobs_quota


@dataclass(frozen=True)
class ModeOutlook:
    """A plan launched in one way.

    :param is_chosen: the plan itself says so
    :param total: from the start of the first wave to the end of the last; steps and people are not counted
    :param is_within_rto: None: the plan has no rto
    """

    launch: LaunchTime
    is_chosen: bool
    total: timedelta
    is_within_rto: bool | None
    critical_path: tuple[str, ...]
    ends: Mapping[str, timedelta]
    quotas: tuple[QuotaShare, ...]


@dataclass(frozen=True)
class PlanOutlook:
    """What can be said of a plan before it runs. ``rows``: its waves by how far from the start they stand."""

    rows: tuple[tuple[str, ...], ...]
    depends_on: Mapping[str, tuple[str, ...]]
    servers: Mapping[str, int]
    modes: tuple[ModeOutlook, ...]


def plan_outlook(plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], servers: Mapping[str, int]) -> PlanOutlook:
    """Look ahead.

    :param groups: the groups of the plan, by name
    :param servers: how many servers each group has now, where somebody knows; else those count that it names
    """
    depends_on = wave_dependencies(plan)
    counts = {name: max(servers.get(name, 0), len(group.servers)) for name, group in groups.items()}
    of_waves = {wave.name: sum(counts[name] for name in wave.groups) for wave in plan.waves}
    modes: tuple[LaunchTime, ...] = ("in_waves", "ahead")
    return PlanOutlook(
        levels(depends_on), depends_on, of_waves, tuple(_mode(plan, groups, counts, mode) for mode in modes)
    )


def _mode(
    plan: RecoveryPlan, groups: Mapping[str, ProtectionGroup], counts: Mapping[str, int], mode: LaunchTime
) -> ModeOutlook:
    waves = tuple(wave.model_copy(update={"launch": None}) for wave in plan.waves)
    launched = RunnablePlan(plan.model_copy(update={"launch": mode, "waves": waves}), groups, Path(), digest="")
    times = timetable(loads_of_plan(compile_shape(launched)))
    own = {wave.launch or plan.launch for wave in plan.waves if wave.groups} or {plan.launch}
    return ModeOutlook(
        launch=mode,
        is_chosen=own == {mode},
        total=times.total,
        is_within_rto=None if plan.rto is None else times.total <= plan.rto,
        critical_path=times.critical_path,
        ends=times.ends,
        quotas=tuple(_quotas(plan, groups, counts, times, is_ahead=mode == "ahead")),
    )


def _quotas(
    plan: RecoveryPlan,
    groups: Mapping[str, ProtectionGroup],
    counts: Mapping[str, int],
    times: Timetable,
    *,
    is_ahead: bool,
) -> Iterator[QuotaShare]:
    quotas = Quotas()
    peaks: dict[Target, tuple[int, int]] = {}
    begins = {wave: timedelta(0) if is_ahead else turn for wave, turn in times.turns.items()}
    for moment in sorted(set(begins.values())):
        servers: Counter[Target] = Counter()
        jobs: Counter[Target] = Counter()
        for wave in plan.waves:
            if not begins[wave.name] <= moment < times.ends[wave.name]:
                continue
            of_wave: Counter[Target] = Counter()
            for name in wave.groups:
                of_wave[target_of(groups[name])] += counts[name]
            servers += of_wave
            jobs += Counter({target: ceil(count / quotas.servers_per_job) for target, count in of_wave.items()})
        for target in servers:
            most, many = peaks.get(target, (0, 0))
            peaks[target] = (max(most, servers[target]), max(many, jobs[target]))
    for target, (most, many) in peaks.items():
        yield QuotaShare(target.aws_conn_id, target.region, most, quotas.servers_in_jobs, many, quotas.jobs)
