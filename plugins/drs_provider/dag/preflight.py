"""The task before the waves: who is launched, and whether anything speaks against it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped

from drs_provider.errors import AccessDenied, NotFound, NotInitialized, PreflightRefused, RunRefused
from drs_provider.graph.approvals import is_needed, policy_of, too_few
from drs_provider.graph.request import DRILL, RunRequest, read_request
from drs_provider.graph.roster import Roster, RosterServer, Target, call_roll, targets_of
from drs_provider.operators.patience import asking_later
from drs_provider.plan.model import ProtectionGroup
from drs_provider.plan.reading import RunnablePlan, read_folder
from drs_provider.recovery.points import Point, in_words, point_of, skew, why_pinned
from drs_provider.recovery.times import words

if TYPE_CHECKING:
    from drs_provider.aws.hook import DrsHook
    from drs_provider.recovery.readiness import Finding

PREFLIGHT_TASK = "preflight.check"
PREFLIGHT = "preflight"
"""XCom key of what preflight found; there even when it refused the run."""

_LONGEST_JOB = timedelta(days=1)
"""How far back running jobs are looked for: DescribeJobs filters by date, not by status."""

_MOST_PATIENCE = timedelta(hours=2)
"""How long after the run's start preflight goes on waiting for an AWS that does not answer."""

_SIDE_BY_SIDE = 8
"""Reads of one account and Region at a time: DescribeRecoverySnapshots takes one server a call."""

T = TypeVar("T")


def preflight_result(context: Context, plan: str) -> dict[str, Any]:
    """What preflight left for this run; a preflight that was only marked as successful leaves nothing."""
    found: dict[str, Any] | None = context["ti"].xcom_pull(task_ids=PREFLIGHT_TASK, key=PREFLIGHT)
    if not found or not found["passed"]:
        raise RunRefused(
            f"preflight of {plan} has not passed in this run (a task that is marked as successful checks nothing): "
            f"clear {PREFLIGHT_TASK} to check again"
        )
    return found


class CheckPlan(BaseOperator):
    """Resolve the plan's groups and check every server, the quotas and the request; launch nothing.

    Everything is looked at before anything is said, and everything is said at once. The result lies in XCom under
    ``preflight``: mode, plan digest, findings, quotas, and the servers of every wave per account and Region, those
    that are pinned with their recovery point. Where nobody has to approve, it skips the approvals itself: a drill does
    not wait for tasks that have nothing to ask.
    """

    ui_color = "#d9ead3"
    ui_fgcolor = "#1d3317"

    def __init__(
        self, *, runnable: RunnablePlan, plans_folder: Path, approval_task_ids: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.runnable, self.plans_folder = runnable, plans_folder
        self.approval_task_ids = tuple(approval_task_ids)

    def execute(self, context: Context) -> None:
        """Leave the result in XCom, then refuse the run if anything speaks against it."""
        plan, now, dag_run = self.runnable.plan, datetime.now(UTC), context["dag_run"]
        try:
            request = read_request(
                context["params"],
                plan=plan.name,
                waves=[wave.name for wave in plan.waves],
                run_type=getattr(dag_run.run_type, "value", str(dag_run.run_type)),
                now=now,
            )
        except PreflightRefused as refusal:
            raise AirflowFailException(str(refusal)) from refusal
        triggered_by = getattr(dag_run, "triggering_user_name", None)
        survey = Survey(self.runnable, self._other_groups(), request, now=now, triggered_by=triggered_by)
        with asking_later(self, self.resume_check, until=(dag_run.start_date or now) + _MOST_PATIENCE):
            survey.take(_hook)
        context["ti"].xcom_push(key=PREFLIGHT, value=survey.as_json())
        for line in survey.table():
            self.log.info("%s", line)
        if survey.refusals:
            raise AirflowFailException(str(PreflightRefused(plan.name, survey.refusals)))
        if self.approval_task_ids and not survey.needs_approval:
            raise DownstreamTasksSkipped(tasks=list(self.approval_task_ids))

    def resume_check(self, context: Context, event: Any) -> None:
        """Look at everything again, after AWS did not answer."""
        self.execute(context)

    def _other_groups(self) -> tuple[ProtectionGroup, ...]:
        groups = read_folder(self.plans_folder).groups
        return tuple(group for name, group in groups.items() if name not in self.runnable.groups)


def _hook(target: Target) -> "DrsHook":
    from drs_provider.aws.hook import DrsHook

    return DrsHook(aws_conn_id=target.aws_conn_id, region_name=target.region or None)


class Survey:
    """What preflight looks at, and what it makes of it."""

    def __init__(
        self,
        runnable: RunnablePlan,
        other_groups: Sequence[ProtectionGroup],
        request: RunRequest,
        *,
        now: datetime,
        triggered_by: str | None = None,
    ) -> None:
        self.runnable, self.other_groups, self.request, self.now = runnable, other_groups, request, now
        self.triggered_by = triggered_by
        self.findings: list[Finding] = []
        self.points: dict[tuple[Target, str], Point] = {}
        self.problems: list[str] = []
        self.roster = Roster({}, (), ())
        self.quotas: dict[str, Any] = {}

    def take(self, hook_of: Callable[[Target], "DrsHook"]) -> "Survey":
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
        policy = policy_of(self.runnable.plan.recovery)
        if self.needs_approval and policy and (problem := too_few(policy, triggered_by=self.triggered_by)):
            self.problems.append(problem)
        return self

    def _check_target(self, target: Target, found: Sequence[Mapping[str, Any]], hook: "DrsHook") -> None:
        from drs_provider.recovery.readiness import assess

        here = [server for server in self.roster.servers if server.target == target]
        described = {str(server["sourceServerID"]): server for server in found}
        known = [server.server_id for server in here if server.known]
        self.quotas[str(target)] = asdict(hook.quotas())
        busy = busy_servers(hook.jobs_since(self.now - _LONGEST_JOB))
        live: dict[str, list[Mapping[str, Any]]] = {}
        for instance in hook.recovery_instances(source_server_ids=known) if known else ():
            live.setdefault(instance["sourceServerID"], []).append(instance)
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
        from drs_provider.recovery.readiness import refusals

        return [*self.problems, *(str(finding) for finding in refusals(self.findings))]

    def table(self) -> list[str]:
        """What goes into the task's log: the waves and their servers, then every finding."""
        lines = [f"{self.request.mode} of {self.runnable.plan.name}, plan version {self.runnable.digest[:12]}"]
        for wave, servers in self.roster.waves.items():
            chosen = "" if wave in self.request.waves else " (not chosen)"
            lines.append(f"  wave {wave}: {len(servers)} servers{chosen}")
        lines += [f"  excluded: {server.hostname} ({server.server_id})" for server in self.roster.excluded]
        lines += self._points_in_words()
        lines += [f"  refusal: {problem}" for problem in self.problems]
        lines += [f"  {finding.severity}: {finding}" for finding in self.findings]
        return lines

    def _points_in_words(self) -> list[str]:
        lines = []
        if self.request.as_of:
            lines.append(f"  point in time: {in_words(self.request.as_of)}; every server's newest point not after it")
        names = {(server.target, server.server_id): server.hostname for server in self.roster.servers}
        lines += [f"  pinned: {names[key]} to {in_words(one.at)} ({one.why})" for key, one in self.points.items()]
        if self.points:
            lines.append(f"  {words(skew(self.points.values()))} between the oldest and the newest pinned point")
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
            "checked_at": self.now.isoformat(),
            "quotas": self.quotas,
            "skew_seconds": skew(self.points.values()).total_seconds() if self.points else None,
            "too_old": self.too_old,
            "needs_approval": self.needs_approval,
            "findings": [
                *({"severity": "refusal", "what": problem, "next_step": ""} for problem in self.problems),
                *(_finding(finding) for finding in self.findings),
            ],
            "excluded": [server.as_json() for server in self.roster.excluded],
            "waves": {
                wave: {"selected": wave in self.request.waves, "targets": _by_target(servers, self.points)}
                for wave, servers in self.roster.waves.items()
            },
        }


def busy_servers(jobs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The servers that a running job holds, whoever started it, each with the job's id."""
    from drs_provider.recovery.jobs import ENDED_STATUS

    return {
        server["sourceServerID"]: job["jobID"]
        for job in jobs
        if job["status"] != ENDED_STATUS
        for server in job.get("participatingServers", ())
    }


def _by_target(servers: Iterable[RosterServer], points: Mapping[tuple[Target, str], Point]) -> list[dict[str, Any]]:
    parts: dict[Target, list[dict[str, Any]]] = {}
    for server in servers:
        point = points.get((server.target, server.server_id))
        pinned = {"point": point.as_json()} if point else {}
        parts.setdefault(server.target, []).append({**server.as_json(), **pinned})
    return [
        {"aws_conn_id": target.aws_conn_id, "region": target.region, "servers": members}
        for target, members in parts.items()
    ]


def _finding(finding: "Finding") -> dict[str, str]:
    return {key: value for key, value in asdict(finding).items() if key != "rule"}


def newest_points(hook: "DrsHook", server_ids: Sequence[str], as_of: datetime | None) -> dict[str, Any]:
    """Ask for the newest recovery point of each server, not after ``as_of`` where that is given; None: none."""
    ask = partial(hook.newest_recovery_snapshot, before=as_of)
    return dict(zip(server_ids, _side_by_side(ask, server_ids), strict=True))


def _side_by_side(ask: Callable[[str], T], server_ids: Sequence[str]) -> list[T]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(ask, server_ids))
