"""What preflight asks of one account and Region: servers, other runs, permissions, settings, places, quotas."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from drs_provider.exceptions import AccessDenied, AwsError, RunRefused
from drs_provider.rules.findings import Finding
from drs_provider.rules.launch.conflicts import (
    ConflictingRun,
    busy_servers,
    conflict_refusal,
    conflict_warning,
    conflicts_of,
    is_recovery,
    servers_of_plan,
    unseen_jobs,
)
from drs_provider.rules.launch.existing_instance import existing_findings
from drs_provider.rules.launch.jobs import LONGEST_JOB
from drs_provider.rules.launch.live_instances import Replacing, origins_of
from drs_provider.rules.launch.native_plans import native_findings
from drs_provider.rules.launch.quotas import Quotas, quota_notes
from drs_provider.rules.launch.readiness import assess
from drs_provider.rules.launch.recovery_points import must_be_asked, point_of, why_pinned
from drs_provider.rules.launch.tags import read_mark, run_key
from drs_provider.rules.launch.takeover import LOOK_BACK, jobs_of
from drs_provider.rules.preflight.ahead import AheadFacts, look_ahead, waves_ahead, waves_of_plan
from drs_provider.rules.preflight.cost import Machine
from drs_provider.rules.preflight.drill_forecast import fingerprint_of, machine_to_launch
from drs_provider.rules.preflight.drill_settings import interface_findings, tag_findings
from drs_provider.rules.preflight.outcome import AnyFinding, ServerLook
from drs_provider.rules.preflight.permissions import permission_findings, permission_notes, questions
from drs_provider.rules.preflight.placement import placed, placement_findings
from drs_provider.rules.purpose import Purpose
from drs_provider.rules.run.handover import Placement, ServerFingerprint
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.roster import RosterServer, Target
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.servers import Answer
from drs_provider.rules.settings.candidates import Candidate
from drs_provider.rules.settings.values import Settings, normal
from drs_provider.services.launch.recovery_points import newest_points

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.services.settings.survey import SettingsSurvey


@dataclass(frozen=True)
class Scope:
    """The run, as far as one account and Region are concerned.

    :param run: DAG id and run id
    :param waves: the servers that are launched there, by wave
    :param beside: how many servers every wave launches there beside these, where the plan names the account and Region
        in another way too
    :param installation: id of the Airflow that the run is of
    """

    target: Target
    shape: RunShape
    request: RunRequest
    run: tuple[str, str]
    now: datetime
    waves: Mapping[str, Sequence[RosterServer]]
    beside: Mapping[str, int] = field(default_factory=dict)
    installation: str = ""

    @property
    def own_runs(self) -> set[str]:
        """Keys of the run itself, and of one that it continues."""
        return {key for key in (run_key(*self.run, self.installation), self.request.continue_run) if key}

    @property
    def purpose(self) -> Purpose:
        """What the run is for."""
        return self.request.purpose

    @property
    def where(self) -> str:
        """Account and Region as the run's messages name them."""
        return str(self.target)

    @property
    def servers(self) -> tuple[RosterServer, ...]:
        """Every server that is launched there."""
        return tuple(server for servers in self.waves.values() for server in servers)

    @cached_property
    def known(self) -> dict[str, str]:
        """Hostnames by id, of the servers that DRS knows."""
        return {server.server_id: server.hostname for server in self.servers if server.known}

    @cached_property
    def settings(self) -> dict[str, Settings]:
        """What the plan sets, by server id."""
        return {server.server_id: server.settings for server in self.servers}


@dataclass(frozen=True)
class CheckResult:
    """What speaks against the run, and what is worth a line.

    :param ahead: ids of the servers that are launched ahead of their waves
    """

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    ahead: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AccountCheck:
    """Everything that was found in one account and Region.

    :param continued: the jobs of the run that this one goes on with
    :param recoveries_seen: ids of recovery jobs
    :param looks: what was seen of every server of the run there, by id
    :param machines: what servers will be launched as, by id
    :param stopped: ids of the servers whose instances will be launched stopped, and stay so
    :param ahead: ids of the servers that are launched ahead of their waves
    """

    quotas: Quotas
    problems: tuple[str, ...] = ()
    findings: tuple[AnyFinding, ...] = ()
    notes: tuple[str, ...] = ()
    continued: tuple[Answer, ...] = ()
    recoveries_seen: tuple[str, ...] = ()
    looks: Mapping[str, ServerLook] = field(default_factory=dict)
    fingerprints: Mapping[str, ServerFingerprint] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    ahead: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _SettingsCheck:
    """What was found of launch settings; ``survey`` None: they could not be looked at."""

    survey: "SettingsSurvey | None" = None
    problems: tuple[str, ...] = ()
    findings: tuple[AnyFinding, ...] = ()
    notes: tuple[str, ...] = ()


def check_account(hook: "LaunchSettingsHook", scope: Scope, sources: Sequence[Answer]) -> AccountCheck:
    """Ask one account and Region everything that preflight wants to know.

    :param sources: all items of DescribeSourceServers there
    """
    quotas, key = hook.quotas(), scope.request.continue_run
    jobs = hook.jobs_since(scope.now - (LOOK_BACK if key else LONGEST_JOB))
    continued = jobs_of(jobs, key) if key else ()
    ours = {job["jobID"] for job in continued}
    instances = hook.recovery_instances(source_server_ids=list(scope.known)) if scope.known else ()
    # The jobs and instances of a run that is continued are this run's own, and stay.
    other_jobs = [job for job in jobs if job["jobID"] not in ours]
    other_instances = [instance for instance in instances if instance.get("jobID") not in ours]
    older = unseen_jobs(other_instances, other_jobs)
    other_jobs += hook.jobs(older) if older else ()
    conflicts = find_conflicts(hook, scope, other_jobs, other_instances)
    looks, assessed = _assess(hook, scope, sources, other_jobs, other_instances)
    settings = _check_settings(hook, scope, sources, instances)
    deeper = look_deeper(
        hook,
        scope,
        quotas=quotas,
        jobs=jobs,
        instances=instances,
        others=other_instances,
        settings=settings.survey,
    )
    seen = settings.survey.servers if settings.survey else ()
    places = _placements(settings.survey) if settings.survey else {}
    there = [server.candidate for server in seen if server.candidate.source is not None]
    return AccountCheck(
        quotas,
        problems=(*_refused_conflicts(scope, conflicts), *settings.problems),
        findings=(*_warned_conflicts(scope, conflicts), *assessed, *settings.findings, *deeper.findings),
        notes=(*settings.notes, *deeper.notes),
        continued=tuple(continued),
        recoveries_seen=tuple(str(job["jobID"]) for job in jobs if is_recovery(job)),
        looks={
            server: replace(look, placement=places[server]) if server in places else look
            for server, look in looks.items()
        },
        fingerprints={candidate.server_id: fingerprint_of(candidate) for candidate in there},
        machines={candidate.server_id: machine_to_launch(candidate) for candidate in there},
        stopped=frozenset(candidate.server_id for candidate in there if _stays_stopped(scope, candidate)),
        ahead=deeper.ahead,
    )


def _stays_stopped(scope: Scope, candidate: Candidate) -> bool:
    """Tell whether an instance is left stopped; where the plan launches ahead, it alone decides that."""
    of_plan = {server.server_id for wave in waves_of_plan(scope.shape) for server in scope.waves.get(wave, ())}
    settings = scope.settings[candidate.server_id] if candidate.server_id in of_plan else candidate.result
    return settings.get("disposition") == "stopped"


def find_conflicts(
    hook: "DrsHook", scope: Scope, jobs: Sequence[Answer], instances: Sequence[Answer]
) -> tuple[ConflictingRun, ...]:
    """Find other runs that hold these servers; what older jobs launched, and other waves of the plan, is asked for."""
    dag_id, _ = scope.run
    servers = {server.server_id for server in scope.servers}
    others = servers_of_plan(jobs, dag_id) - servers
    everything = [*instances, *(hook.recovery_instances(source_server_ids=sorted(others)) if others else ())]
    older = unseen_jobs(everything, jobs)
    return conflicts_of(
        [*jobs, *(hook.jobs(older) if older else ())],
        everything,
        own_runs=scope.own_runs,
        own_plan=dag_id,
        servers=servers,
        now=scope.now,
    )


def _refused_conflicts(scope: Scope, conflicts: Iterable[ConflictingRun]) -> tuple[str, ...]:
    names = {server.server_id: server.hostname for server in scope.servers}
    own = scope.installation
    return tuple(conflict_refusal(other, names, own=own) for other in conflicts if _refuses(scope, other))


def _warned_conflicts(scope: Scope, conflicts: Iterable[ConflictingRun]) -> tuple[Finding, ...]:
    names = {server.server_id: server.hostname for server in scope.servers}
    return tuple(
        Finding("warning", server, names[server], *conflict_warning(other, scope.purpose), "conflict")
        for other in conflicts
        if not _refuses(scope, other)
        for server in other.servers
        if server in names
    )


def _refuses(scope: Scope, other: ConflictingRun) -> bool:
    return scope.purpose.minds_other_runs and (scope.purpose.yields or not other.is_drill)


def _assess(
    hook: "DrsHook",
    scope: Scope,
    sources: Sequence[Answer],
    jobs: Sequence[Answer],
    instances: Sequence[Answer],
) -> tuple[dict[str, ServerLook], tuple[Finding, ...]]:
    """Look at every server of the run, and say what speaks against launching it."""
    described = {str(source["sourceServerID"]): source for source in sources}
    as_of = scope.request.as_of
    asked = [server for server in scope.known if must_be_asked(described.get(server), as_of=as_of)]
    newest = newest_points(hook, asked, as_of)
    others = [job for job in jobs if not _is_own(scope, job)]  # a start that is tried again adopts what runs for it
    busy, replacing = busy_servers(others), _replacing(scope, sources, jobs, instances)
    live: dict[str, list[Answer]] = {}
    for instance in instances:
        live.setdefault(instance["sourceServerID"], []).append(instance)
    looks: dict[str, ServerLook] = {}
    findings: list[Finding] = []
    for server in scope.servers:
        name = server.server_id
        source, snapshot = described.get(name), newest.get(name)
        why = why_pinned(source, purpose=scope.purpose, as_of=as_of)
        point = point_of(snapshot, why) if why and snapshot else None
        takes_latest = source is not None and name not in newest
        looks[name] = ServerLook(source, snapshot, point, takes_latest=takes_latest)
        findings += assess(
            source,
            asked_id=name,
            purpose=scope.purpose,
            newest_snapshot=snapshot,
            busy_job=busy.get(name),
            live_instances=live.get(name, ()),
            max_lag=scope.purpose.max_lag(scope.shape.plan),
            now=scope.now,
            replacing=replacing,
            as_of=as_of,
            takes_latest=takes_latest,
        )
    return looks, tuple(findings)


def _is_own(scope: Scope, job: Answer) -> bool:
    mark = read_mark(job.get("tags"))
    return mark is not None and mark.run in scope.own_runs


def _replacing(
    scope: Scope, sources: Sequence[Answer], jobs: Sequence[Answer], instances: Sequence[Answer]
) -> Replacing:
    """Say what the run may replace, and whose the instances are that its launches would terminate."""
    dag_id, _ = scope.run
    return Replacing(
        replace_live_instances=scope.request.replace_live_instances,
        replace_drills=scope.request.replace_drills,
        origins=origins_of(instances, jobs, sources),
        own_runs=scope.own_runs,
        own_plan=dag_id,
        own_installation=scope.installation,
    )


def _check_settings(
    hook: "LaunchSettingsHook", scope: Scope, sources: Sequence[Answer], instances: Sequence[Answer]
) -> _SettingsCheck:
    """Hold every value that a launch will use against EC2 and IAM, and note where each server will land.

    What the plan itself sets refuses every run. What is wrong in DRS already refuses a drill and warns in a recovery:
    its launch may fail, and the others' must not wait for that.
    """
    from drs_provider.services.settings.apply import ensure_sound
    from drs_provider.services.settings.survey import survey_settings

    settings = {server: values for server, values in scope.settings.items() if server in scope.known}
    try:
        ensure_sound(settings)
        found = survey_settings(hook, settings, whole=True, sources=sources, instances=instances)
    except RunRefused as refusal:
        return _SettingsCheck(problems=(f"{scope.where}: {refusal}",))
    except AccessDenied as refusal:
        if any(settings.values()) or scope.purpose.has_own_network(scope.shape.plan):
            problem = f"{scope.where}: the launch settings cannot be read: {refusal}"
            return _SettingsCheck(problems=(problem,))
        # Nothing of them is to be changed in this run.
        return _SettingsCheck(notes=(f"launch settings and places in {scope.where}: not checked: {refusal}",))
    findings = tuple(
        finding
        if scope.purpose.refuses_broken_source or normal(settings[finding.server_id])
        else replace(finding, severity="warning")
        for finding in found.findings
    )
    return _SettingsCheck(found, findings=findings)


def _placements(survey: "SettingsSurvey") -> dict[str, Placement]:
    from drs_provider.rules.settings.checks import placement

    return {
        server.server_id: Placement.model_validate(placement(server.candidate, survey.around))
        for server in survey.servers
    }


def look_deeper(
    hook: "LaunchSettingsHook",
    scope: Scope,
    *,
    quotas: Quotas,
    jobs: Sequence[Answer],
    instances: Sequence[Answer],
    others: Sequence[Answer],
    settings: "SettingsSurvey | None",
) -> CheckResult:
    """Ask what is beyond the servers themselves; what may not be asked is a note, never a reason.

    :param jobs: DescribeJobs' items of the last day
    :param instances: DescribeRecoveryInstances' items of the run's servers
    :param others: those of them that no run has launched which this one goes on with
    :param settings: what was read of all these servers' launch settings; None: they could not be looked at
    """
    permissions = _permissions(hook, scope)
    places = _places(hook, scope, instances, settings) if settings else CheckResult()
    (actions, running), native = _launch_actions(hook, scope, settings), _native_plans(hook, scope)
    existing, into = _existing_instances(hook, scope, settings) if settings else (CheckResult(), None)
    seen = {server.server_id for server in settings.servers if server.candidate.source} if settings else set()
    ahead = look_ahead(scope.shape, scope.purpose, scope.where, scope.waves, AheadFacts(seen, into, running, others))
    changes = _drill_settings(scope, settings, ahead.servers) if settings else ()
    counted = {
        wave: sum(server.known for server in servers) + scope.beside.get(wave, 0)
        for wave, servers in scope.waves.items()
    }
    counts = quota_notes(scope.where, counted, quotas, jobs)
    return CheckResult(
        (*permissions.findings, *places.findings, *changes, *native.findings, *existing.findings),
        (*counts, *permissions.notes, *places.notes, *actions, *native.notes, *existing.notes, *ahead.notes),
        ahead.servers,
    )


def _permissions(hook: "DrsHook", scope: Scope) -> CheckResult:
    from drs_provider.hooks.iam import permission_gaps

    is_ahead = bool(waves_ahead(scope.shape)) and not scope.purpose.quiesces
    asked = questions(
        scope.purpose,
        settings=any(scope.settings.values()) or is_ahead,
        ahead=is_ahead,
        launch_actions=any(values.get("actions") for values in scope.settings.values()),
        commit=scope.shape.plan.recovery.commit is not None,
    )
    gaps = permission_gaps(hook, asked)
    count = len({name for question in asked for name in question.actions})
    return CheckResult(
        permission_findings(scope.where, gaps, scope.purpose), permission_notes(scope.where, gaps, asked=count)
    )


def _places(
    hook: "LaunchSettingsHook", scope: Scope, instances: Sequence[Answer], settings: "SettingsSurvey"
) -> CheckResult:
    """Look whether all servers of the run have room; where each one lands was read with its settings."""
    from drs_provider.hooks.launch_settings import freed_subnets

    try:
        frees = freed_subnets(hook, scope.known, instances)
    except AwsError as refusal:
        return CheckResult(notes=(f"room for the servers in {scope.where}: not checked: {refusal}",))
    places = placed([server.candidate for server in settings.servers], frees)
    return CheckResult(placement_findings(places, settings.around, scope.purpose))


def _native_plans(hook: "DrsHook", scope: Scope) -> CheckResult:
    """Look which servers an execution of a native recovery plan holds."""
    try:
        executions = hook.native_executions()
    except AwsError as refusal:
        return CheckResult(notes=(f"native recovery plans in {scope.where}: not checked: {refusal}",))
    return CheckResult(native_findings(executions, scope.known, scope.purpose))


def _existing_instances(
    hook: "LaunchSettingsHook", scope: Scope, settings: "SettingsSurvey"
) -> tuple[CheckResult, dict[str, str] | None]:
    """Look which servers DRS would launch into an instance that is there already, and how people call that."""
    from drs_provider.services.launch.existing_instances import existing_instances

    candidates = {server.server_id: server.candidate for server in settings.servers if server.candidate.source}
    try:
        found = existing_instances(
            hook,
            tuple(candidates),
            configurations={name: candidate.configuration for name, candidate in candidates.items()},
            sources=[candidate.source for candidate in candidates.values() if candidate.source],
        )
    except AccessDenied as refusal:
        problem = f"whether servers in {scope.where} are launched into existing instances: not checked: {refusal}"
        return CheckResult(notes=(problem,)), None
    named = tuple({existing.instance_id for existing in found.values() if existing.instance_id})
    there = hook.ec2_instances(named) if named and not scope.purpose.is_temporary else {}
    findings = tuple(
        finding
        for name, existing in found.items()
        for finding in existing_findings(
            name, candidates[name].source, existing, there.get(existing.instance_id), scope.purpose
        )
    )
    return CheckResult(findings), {name: existing.name for name, existing in found.items()}


def _drill_settings(scope: Scope, settings: "SettingsSurvey", ahead: Collection[str]) -> tuple[Finding, ...]:
    """Look whether what the run changes in launch settings can be changed, and put back.

    :param ahead: ids of the servers that are launched ahead, stopped
    """
    candidates = [server.candidate for server in settings.servers if server.candidate.source is not None]
    own_network = scope.purpose.has_own_network(scope.shape.plan)
    changed = {server.server_id for server in settings.servers if own_network or server.changes} | set(ahead)
    with_actions = {server for server, values in scope.settings.items() if values.get("actions")}
    return (
        *interface_findings(candidates, settings.around, scope.purpose, own_network=own_network),
        *tag_findings(candidates, scope.purpose, changed=changed, with_actions=with_actions),
    )


def _launch_actions(
    hook: "DrsHook", scope: Scope, settings: "SettingsSurvey | None"
) -> tuple[tuple[str, ...], dict[str, Sequence[Answer]]]:
    """List the active DRS launch actions of the servers; those that the plan declares are applied later.

    Return lines for the log, and the actions of every server of which it is known what will run.

    Where a server's settings keep DRS from running any, they are not asked for: that is a call for each server.
    """
    from drs_provider.hooks.launch_actions import launch_actions_in_passing
    from drs_provider.rules.settings.launch_actions import action_notes

    candidates = {server.server_id: server.candidate for server in settings.servers} if settings else {}
    servers = {
        server: hostname
        for server, hostname in scope.known.items()
        if server not in candidates or candidates[server].result["post_launch"]
    }
    found, refusal = launch_actions_in_passing(hook, tuple(servers))
    notes = action_notes(scope.where, {servers[server]: items for server, items in found.items()})
    if refusal is not None:
        count = f" of {len(servers) - len(found)} of {len(servers)} servers" if found else ""
        notes = (*notes, f"launch actions in {scope.where}{count}: not checked: {refusal}")
    none: dict[str, Sequence[Answer]] = dict.fromkeys(candidates.keys() - servers.keys(), ())
    return notes, none | dict(found)
