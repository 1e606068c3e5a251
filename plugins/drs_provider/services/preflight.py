"""What preflight finds out: which servers each wave launches, and everything that speaks against that.

Only the task of preflight needs this, and the start of a wave a small part of it: no DAG file pays for it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from drs_provider.exceptions import AccessDenied, NotFound, NotInitialized, PreflightRefused, RunRefused
from drs_provider.formatting import duration
from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import ProtectionGroup
from drs_provider.rules.launch.conflicts import is_recovery
from drs_provider.rules.launch.recovery_points import Point, in_words, point_of, skew, why_pinned
from drs_provider.rules.preflight.table import TableRow, grouped, refused_table, row_of, table
from drs_provider.rules.run.approvals import is_needed, policy_of, too_few
from drs_provider.rules.run.request import DRILL, RunRequest
from drs_provider.rules.run.roster import Roster, RosterServer, Target, call_roll, targets_of
from drs_provider.services.drill_forecast import estimate_drill, fingerprint, machine, too_expensive, verification
from drs_provider.services.preflight_account import Scope, look_deeper

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.report.verification import Verification
    from drs_provider.rules.findings import Finding
    from drs_provider.rules.launch.conflicts import Rival
    from drs_provider.rules.preflight.cost import Estimate, Machine
    from drs_provider.rules.settings.candidates import SettingsFinding
    from drs_provider.services.settings_survey import SettingsSurvey

_LONGEST_JOB = timedelta(days=1)
"""How far back running jobs are looked for: DescribeJobs filters by date, not by status."""

_SIDE_BY_SIDE = 8
"""Reads of one account and Region at a time: DescribeRecoverySnapshots takes one server a call."""

T = TypeVar("T")


class Preflight:
    """What preflight looks at, and what it makes of it."""

    def __init__(
        self,
        runnable: RunnablePlan,
        other_groups: Sequence[ProtectionGroup],
        request: RunRequest,
        *,
        now: datetime,
        triggered_by: str | None = None,
        run: tuple[str, str] = ("", ""),
    ) -> None:
        self.runnable, self.other_groups, self.request, self.now = runnable, other_groups, request, now
        self.triggered_by, self.run = triggered_by, run
        self.findings: list[Finding | SettingsFinding] = []
        self.placements: dict[tuple[Target, str], dict[str, Any]] = {}
        self.fingerprints: dict[str, dict[str, str]] = {}
        self.machines: dict[str, Machine] = {}
        self.cost: Estimate | None = None
        self.verified: Verification | None = None
        self.points: dict[tuple[Target, str], Point] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.seen: dict[tuple[Target, str], tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]] = {}
        self.roster = Roster({}, (), ())
        self.quotas: dict[str, Any] = {}
        self.continued: list[Mapping[str, Any]] = []
        self.recoveries_seen: list[str] = []

    def take(self, hook_of: Callable[[Target], "LaunchSettingsHook"]) -> "Preflight":
        """Ask every account and Region of the plan; ``hook_of`` gives the hook of one."""
        targets = targets_of(list(self.runnable.groups.values()))
        found = {}
        for target in targets:
            try:
                found[target] = hook_of(target).source_servers()
            except (AccessDenied, NotInitialized, NotFound) as refusal:
                self.problems.append(f"{target}: {refusal}")
        if len(found) == len(targets):
            self.roster = call_roll(self.runnable.plan, self.runnable.groups, found, self.request, self.other_groups)
            self.problems += self.roster.problems
            for target, servers in found.items():
                self._check_target(target, servers, hook_of(target))
        self.problems += self._wrongly_continued()
        self._check_drill()
        policy = policy_of(self.runnable.plan.recovery)
        if self.needs_approval and policy and (problem := too_few(policy, triggered_by=self.triggered_by)):
            self.problems.append(problem)
        return self

    def _check_target(self, target: Target, found: Sequence[Mapping[str, Any]], hook: "LaunchSettingsHook") -> None:
        from drs_provider.rules.launch.readiness import assess
        from drs_provider.rules.launch.takeover import LOOK_BACK, jobs_of

        here = [server for server in self.roster.servers if server.target == target]
        described = {str(server["sourceServerID"]): server for server in found}
        known = [server.server_id for server in here if server.known]
        quotas = hook.quotas()
        self.quotas[str(target)] = asdict(quotas)
        key = self.request.continue_run
        jobs = hook.jobs_since(self.now - (LOOK_BACK if key else _LONGEST_JOB))
        continued = {job["jobID"]: job for job in (jobs_of(jobs, key) if key else ())}
        self.continued += continued.values()
        self.recoveries_seen += [job["jobID"] for job in jobs if is_recovery(job)]
        busy = busy_servers(job for job in jobs if job["jobID"] not in continued)
        live: dict[str, list[Mapping[str, Any]]] = {}
        instances = hook.recovery_instances(source_server_ids=known) if known else ()
        for instance in instances:
            if instance.get("jobID") not in continued:  # the instances of a run that is continued stay
                live.setdefault(instance["sourceServerID"], []).append(instance)
        mine = [one for one in instances if one.get("jobID") not in continued]
        self._check_rivals(hook, [job for job in jobs if job["jobID"] not in continued], mine, here)
        newest = newest_points(hook, known, self.request.as_of)
        for server in here:
            why = why_pinned(described.get(server.server_id), mode=self.request.mode, as_of=self.request.as_of)
            if why and (snapshot := newest.get(server.server_id)):
                self.points[target, server.server_id] = point_of(snapshot, why)
            self.findings += assess(
                described.get(server.server_id),
                asked_id=server.server_id,
                mode=self.request.mode,
                newest_snapshot=newest.get(server.server_id),
                busy_job=busy.get(server.server_id),
                live_instances=live.get(server.server_id, ()),
                max_lag=self._max_lag(),
                now=self.now,
                replace_live_instances=self.request.replace_live_instances,
                as_of=self.request.as_of,
            )
            self.seen[target, server.server_id] = described.get(server.server_id), newest.get(server.server_id)
        settings = self._check_settings(target, hook, found, instances)
        deeper = look_deeper(
            hook, self._occasion(target), quotas=quotas, jobs=jobs, instances=instances, settings=settings
        )
        self.findings += deeper.findings
        self.notes += deeper.notes

    def _occasion(self, target: Target) -> Scope:
        waves = {
            wave: here
            for wave, servers in self.roster.waves.items()
            if (here := [server for server in servers if server.target == target])
        }
        settings = {one.server_id: one.settings for servers in waves.values() for one in servers}
        return Scope(str(target), self.request.mode, waves, settings)

    def _check_settings(
        self,
        target: Target,
        hook: "LaunchSettingsHook",
        sources: Sequence[Mapping[str, Any]],
        instances: Sequence[Mapping[str, Any]],
    ) -> "SettingsSurvey | None":
        """Hold every value that a launch will use against EC2 and IAM, and note where each server will land.

        What the plan itself sets refuses both modes. What is wrong in DRS already refuses a drill and warns in a
        recovery: its launch may fail, and the others' must not wait for that.
        """
        from drs_provider.rules.settings.checks import placement
        from drs_provider.rules.settings.values import normal
        from drs_provider.services.settings_apply import ensure_sound
        from drs_provider.services.settings_survey import survey_settings

        here = [server for server in self.roster.servers if server.target == target and server.known]
        settings = {server.server_id: server.settings for server in here}
        try:
            ensure_sound(settings)
            found = survey_settings(hook, settings, whole=True, sources=sources, instances=instances)
        except RunRefused as refusal:
            self.problems.append(f"{target}: {refusal}")
            return None
        except AccessDenied as refusal:
            if any(settings.values()) or (self.request.mode == DRILL and self.runnable.plan.drill.network != "shared"):
                self.problems.append(f"{target}: the launch settings cannot be looked at: {refusal}")
            else:  # nothing of them is to be changed in this run
                self.notes.append(f"launch settings and places in {target}: not checked: {refusal}")
            return None
        for finding in found.findings:
            hard = self.request.mode == DRILL or normal(settings[finding.server_id])
            self.findings.append(finding if hard else replace(finding, severity="warning"))
        for one in found.servers:
            if one.candidate.source is not None:
                self.fingerprints[one.server_id], self.machines[one.server_id] = fingerprint(one), machine(one)
            self.placements[target, one.server_id] = placement(one.candidate, found.around)
        return found

    def _wrongly_continued(self) -> Iterable[str]:
        from drs_provider.rules.launch.takeover import mode_of

        key, plan = self.request.continue_run, self.runnable.plan.name
        if key and not self.continued and not self.problems:
            yield f"continue_run: no job of a run with the key {key} is in the cloud; see drs takeover {plan}"
        for mode in {mode_of(job) for job in self.continued} - {self.request.mode}:
            yield f"continue_run: run {key} is a {mode} and cannot go on as a {self.request.mode}"

    def _check_drill(self) -> None:
        """Estimate what a drill costs; tell a recovery which drill has proven its plan, or why none has."""
        from drs_provider.rules.findings import Finding
        from drs_provider.rules.preflight.cost import PricesUnreadable

        name = self.runnable.plan.name
        if self.request.mode != DRILL:
            self.verified = verification(self.runnable, self.run[0], self.now, self.fingerprints)
            if not self.verified.is_verified:
                what = f"the plan is not verified: {self.verified.why}"
                self.findings.append(Finding("warning", name, name, what, "drill it when there is time", "verified"))
            return
        waves = {wave: [one.server_id for one in servers] for wave, servers in self.roster.waves.items()}
        try:
            self.cost = estimate_drill(self.runnable, self.machines, waves)
        except PricesUnreadable as error:
            if self.runnable.plan.drill.max_cost is not None:
                self.problems.append(f"nobody can say what the drill costs: {error}")
            return
        if problem := too_expensive(self.runnable, self.cost):
            self.problems.append(problem)

    def _check_rivals(
        self,
        hook: "DrsHook",
        jobs: Sequence[Mapping[str, Any]],
        instances: Sequence[Mapping[str, Any]],
        here: Sequence[RosterServer],
    ) -> None:
        """Refuse beside another run of ours that holds the same servers; a recovery only warns of drills."""
        from drs_provider.rules.findings import Finding
        from drs_provider.rules.launch.conflicts import refusal, warning

        names = {server.server_id: server.hostname for server in here}
        for rival in find_rivals(
            hook, jobs, instances, servers=names, run=self.run, now=self.now, also=[self.request.continue_run or ""]
        ):
            if self.request.mode == DRILL or not rival.is_drill:
                self.problems.append(refusal(rival, names))
                continue
            for server in rival.servers:
                if server in names:
                    what, then = warning(rival)
                    self.findings.append(Finding("warning", server, names[server], what, then, "rival"))

    def _max_lag(self) -> timedelta | None:
        plan = self.runnable.plan
        own = plan.drill.max_lag if self.request.mode == DRILL else plan.recovery.max_lag
        return own or plan.rpo

    @property
    def too_old(self) -> list[str]:
        """Hostnames of the servers whose data is older than ``recovery.max_lag``: by lag, or by their pinned point."""
        most = self.runnable.plan.recovery.max_lag
        if most is None or self.request.mode == DRILL:
            return []
        return [server.hostname for server in self.roster.servers if (age := self._age(server)) and age > most]

    def _age(self, server: RosterServer) -> timedelta | None:
        point = self.points.get((server.target, server.server_id))
        if point is not None and point.why == "source_unreachable":
            return max(self.now - point.at, server.lag or timedelta(0))
        return server.lag

    @property
    def needs_approval(self) -> bool:
        """Whether people must agree before anything is launched."""
        policy = policy_of(self.runnable.plan.recovery)
        return is_needed(policy, mode=self.request.mode, too_old=self.too_old)

    @property
    def refusals(self) -> list[str]:
        """Every reason not to launch, one line each."""
        return [*self.problems, *grouped([one for one in self.findings if one.severity == "refusal"])]

    @property
    def rows(self) -> list[TableRow]:
        """Every server of the run with what was seen of it and what speaks against it."""
        against: dict[str, list[Finding | SettingsFinding]] = {}
        for finding in self.findings:
            against.setdefault(finding.server_id, []).append(finding)
        return [
            row_of(
                wave,
                server.hostname,
                *self.seen.get((server.target, server.server_id), (None, None)),
                against.get(server.server_id, ()),
            )
            for wave, servers in self.roster.waves.items()
            for server in servers
        ]

    def refusal(self) -> str:
        """Word why nothing is launched: every reason, and the refused servers as a table."""
        lines = refused_table(self.rows, now=self.now)
        return "\n".join(
            [str(PreflightRefused(self.runnable.plan.name, self.refusals)), *(["", *lines] if lines else [])]
        )

    def table(self) -> list[str]:
        """What goes into the task's log: the waves and their servers, then every finding."""
        lines = [f"{self.request.mode} of {self.runnable.plan.name}, plan version {self.runnable.digest[:12]}"]
        for wave, servers in self.roster.waves.items():
            chosen = "" if wave in self.request.waves else " (not chosen)"
            lines.append(f"  wave {wave}: {len(servers)} servers{chosen}")
        lines += [f"  excluded: {server.hostname} ({server.server_id})" for server in self.roster.excluded]
        lines += self._points_in_words()
        if self.cost:
            guess = "" if self.cost.is_certain else ", guessed in part"
            lines.append(f"  cost: about ${self.cost.dollars:.2f}{guess}: {self.cost.biggest()}")
        if self.verified:
            lines.append(f"  verified: {'yes' if self.verified.is_verified else 'no'}: {self.verified.why}")
        lines += [f"  refusal: {problem}" for problem in self.problems]
        for severity in ("refusal", "warning"):
            said = grouped([one for one in self.findings if one.severity == severity])
            lines += [f"  {severity}: {line}" for line in said]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {line}" for line in table(self.rows, now=self.now)] if self.roster.servers else []
        return lines

    def _points_in_words(self) -> list[str]:
        lines = []
        if self.request.as_of:
            lines.append(f"  point in time: {in_words(self.request.as_of)}; every server's newest point not after it")
        names = {(server.target, server.server_id): server.hostname for server in self.roster.servers}
        lines += [f"  pinned: {names[key]} to {in_words(one.at)} ({one.why})" for key, one in self.points.items()]
        if self.points:
            lines.append(
                f"  {duration(skew(self.points.values()))} between the oldest and the newest pinned point"
            )
        return lines

    def as_json(self) -> dict[str, Any]:
        """The XCom value: facts for the waves, the report and the board."""
        return {
            "plan": self.runnable.plan.name,
            "digest": self.runnable.digest,
            "passed": not self.refusals,
            "mode": self.request.mode,
            "reason": self.request.reason,
            "point_in_time": self.request.point_in_time,
            "replace_live_instances": self.request.replace_live_instances,
            "continue_run": self.request.continue_run,
            "checked_at": self.now.isoformat(),
            "quotas": self.quotas,
            "recoveries_seen": self.recoveries_seen,
            "skew_seconds": skew(self.points.values()).total_seconds() if self.points else None,
            "too_old": self.too_old,
            "needs_approval": self.needs_approval,
            "notes": list(self.notes),
            "findings": [
                *({"severity": "refusal", "what": problem, "next_step": ""} for problem in self.problems),
                *(_finding(finding) for finding in self.findings),
            ],
            "cost": self.cost.as_json() if self.cost else None,
            "hourly": dict(self.cost.hourly) if self.cost else {},
            "fingerprints": self.fingerprints,
            "verified": self.verified.as_json() if self.verified else None,
            "excluded": [server.as_json() for server in self.roster.excluded],
            "waves": {
                wave: {"selected": wave in self.request.waves, "targets": self._by_target(servers)}
                for wave, servers in self.roster.waves.items()
            },
        }

    def _by_target(self, servers: Iterable[RosterServer]) -> list[dict[str, Any]]:
        parts: dict[Target, list[dict[str, Any]]] = {}
        for server in servers:
            key = (server.target, server.server_id)
            pinned = {"point": self.points[key].as_json()} if key in self.points else {}
            facts = {**server.as_json(), "placement": self.placements.get(key, {}), **pinned}
            parts.setdefault(server.target, []).append(facts)
        return [
            {"aws_conn_id": target.aws_conn_id, "region": target.region, "servers": members}
            for target, members in parts.items()
        ]


def find_rivals(
    hook: "DrsHook",
    jobs: Sequence[Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]],
    *,
    servers: Collection[str],
    run: tuple[str, str],
    now: datetime,
    also: Sequence[str] = (),
) -> "tuple[Rival, ...]":
    """Find other runs that hold these servers; what older jobs launched, and other waves of the plan, is asked for."""
    from drs_provider.rules.launch.conflicts import rivals_of
    from drs_provider.rules.launch.tags import PLAN, run_key

    dag_id, run_id = run
    same_plan = [job for job in jobs if job.get("tags", {}).get(PLAN) == dag_id]
    others = {s["sourceServerID"] for job in same_plan for s in job.get("participatingServers", ())} - set(servers)
    everything = [*instances, *(hook.recovery_instances(source_server_ids=sorted(others)) if others else ())]
    known = {job["jobID"] for job in jobs}
    older = sorted({str(one["jobID"]) for one in everything if one.get("jobID")} - known)
    return rivals_of(
        [*jobs, *(hook.jobs(older) if older else ())],
        everything,
        own_runs={run_key(dag_id, run_id), *also},
        own_plan=dag_id,
        servers=servers,
        now=now,
    )


def busy_servers(jobs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The servers that a running job holds, whoever started it, each with the job's id."""
    from drs_provider.rules.launch.jobs import ENDED_STATUS

    return {
        server["sourceServerID"]: job["jobID"]
        for job in jobs
        if job["status"] != ENDED_STATUS
        for server in job.get("participatingServers", ())
    }


def _finding(finding: "Finding | SettingsFinding") -> dict[str, str]:
    return {key: value for key, value in asdict(finding).items() if key != "rule"}


def newest_points(hook: "DrsHook", server_ids: Sequence[str], as_of: datetime | None) -> dict[str, Any]:
    """Ask for the newest recovery point of each server, not after ``as_of`` where that is given; None: none."""
    ask = partial(hook.newest_recovery_snapshot, before=as_of)
    return dict(zip(server_ids, _side_by_side(ask, server_ids), strict=True))


def _side_by_side(ask: Callable[[str], T], server_ids: Sequence[str]) -> list[T]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(ask, server_ids))
