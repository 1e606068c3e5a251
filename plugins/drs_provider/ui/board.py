"""A run as a board of waves and servers, from what its tasks have left so far."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from drs_provider.rules.run.timing import levels
from drs_provider.ui.questions import POINTS, BoardPoints, BoardQuestion, orders_of, points_of, questions_of
from drs_provider.ui.read_model import RunData, TaskData
from drs_provider.ui.steps import (
    AFTER_WAVES,
    BEFORE_WAVES,
    START,
    BoardStep,
    begun,
    plan_steps,
    unfinished,
    wave_steps,
)

WATCH = "recovery_job"
"""The task of a wave that watches its jobs; starts of its second and later accounts or Regions have a number behind."""

PREFLIGHT_TASK, PREFLIGHT_KEY = "preflight.check", "preflight"
REPORT_TASK = "finish.report"
LAUNCH_KEY, SERVERS_KEY, ERROR_KEY, RETURN_KEY = "launch", "servers", "error", "return_value"
"""XCom keys under which the tasks of a run leave what the board shows."""
FOLLOWED_KEY = "drs_followed"
"""Entry of the task state store: jobs of a wave after its first ones, for its boot order and its retries."""

_AROUND = ("preflight", "finish", BEFORE_WAVES, AFTER_WAVES)
"""Task groups that are no waves."""

WaveNow = Literal[
    "waiting",
    "preparing",
    "launching",
    "finishing",
    "launched",
    "done",
    "completed_with_exceptions",
    "failed",
    "not_started",
    "skipped",
]
"""``preparing``: its steps before the launch go on; ``finishing``: those after it; ``done``: it has steps only."""
ServerNow = Literal["waiting", "launching", "launched", "failed"]


class BoardServer(BaseModel):
    """One server: where it stands, and why if it failed."""

    server_id: str
    hostname: str
    status: ServerNow
    critical: bool = True
    reason: str | None = None
    instance_id: str | None = None


class BoardWave(BaseModel):
    """One wave with its servers; failed ones first."""

    name: str
    depends_on: list[str]
    state: WaveNow
    error: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    jobs: list[str]
    counts: dict[str, int]
    points: BoardPoints | None = None
    has_servers: bool = True
    before: list[BoardStep] = []
    after: list[BoardStep] = []
    servers: list[BoardServer]


class BoardCost(BaseModel):
    """What preflight thinks that the drill costs; ``is_certain``: no price of it is guessed."""

    dollars: float
    is_certain: bool


class Board(BaseModel):
    """A run at one moment; ``is_plan`` is false for the run of a DAG that is no recovery plan."""

    dag_id: str
    run_id: str
    state: str
    is_over: bool
    is_plan: bool
    mode: str | None
    started_at: datetime | None
    now: datetime
    preflight: Literal["waiting", "running", "passed", "refused"]
    findings: list[dict[str, Any]]
    questions: list[BoardQuestion] = []
    orders: list[str] = []
    cost: BoardCost | None = None
    before: list[BoardStep] = []
    after: list[BoardStep] = []
    waves: list[BoardWave]
    cleanup: str | None
    has_report: bool
    verdict: str | None
    why: str | None


def board_of(run: RunData, now: datetime) -> Board:
    """Draw the board. Whatever no task has left yet is shown as waiting, never as done."""
    preflight = _mapping(run.left.get((PREFLIGHT_TASK, PREFLIGHT_KEY)))
    report = _mapping(run.left.get((REPORT_TASK, RETURN_KEY)))
    names = _wave_names(run.upstream)
    check = run.tasks.get(PREFLIGHT_TASK)
    return Board(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        is_over=run.state in ("success", "failed"),
        is_plan=PREFLIGHT_TASK in run.upstream,
        mode=_text(preflight.get("mode") or run.conf.get("mode")),
        started_at=run.started_at,
        now=now,
        preflight=_preflight_state(preflight, check),
        findings=[dict(finding) for finding in _mappings(preflight.get("findings"))],
        questions=questions_of(run),
        orders=orders_of(run),
        cost=_cost(preflight.get("cost")),
        before=plan_steps(run, BEFORE_WAVES),
        after=plan_steps(run, AFTER_WAVES),
        waves=[_wave(run, name, names[name], _mapping(preflight.get("waves")).get(name)) for name in _ordered(names)],
        cleanup=_cleanup_state(run),
        has_report=bool(report),
        verdict=_text(report.get("verdict")),
        why=_text(report.get("why") or run.left.get((PREFLIGHT_TASK, ERROR_KEY))),
    )


def _wave_names(upstream: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """Map every wave to the waves that it waits for, read from the DAG's own edges.

    A wave may begin with other tasks than its start, and end with others than the one that watches its jobs.
    """
    groups = {task.partition(".")[0] for task in upstream if "." in task}
    names = sorted(groups.difference(_AROUND))
    return {
        name: sorted(
            {
                above.partition(".")[0]
                for task, directly in upstream.items()
                if task.startswith(f"{name}.")
                for above in directly
            }.intersection(names)
            - {name}
        )
        for name in names
    }


def _ordered(depends_on: Mapping[str, list[str]]) -> list[str]:
    """Order waves so that none stands above one that it waits for; equals by name."""
    rows = levels({name: depends_on[name] for name in sorted(depends_on)})
    return [name for row in rows for name in row]


def _wave(run: RunData, name: str, depends_on: list[str], resolved: Any) -> BoardWave:
    starts, watches = _tasks(run, f"{name}.{START}"), _tasks(run, f"{name}.{WATCH}")
    jobs = [job for task in starts for job in _mappings(_mapping(run.left.get((task, LAUNCH_KEY))).get("jobs"))]
    results = {
        str(result.get("server_id")): result
        for task in watches
        for result in _mappings(run.left.get((task, SERVERS_KEY)))
    }
    jobs += [job for task in watches for job in _mappings(run.left.get((task, FOLLOWED_KEY)))]
    jobs = list({str(job.get("job_id")): job for job in jobs}.values())
    before, after = wave_steps(run, name)
    state, why = _with_steps(_wave_state(run, starts, watches) if watches else None, before, after)
    started = {str(server) for job in jobs for server in _list(job.get("servers"))}
    members = [
        member for part in _mappings(_mapping(resolved).get("targets")) for member in _mappings(part.get("servers"))
    ]
    servers = [_server(member, results, started) for member in members]
    pinned: dict[str, Any] = {}
    for task in starts:
        pinned |= _mapping(_mapping(run.left.get((task, LAUNCH_KEY))).get(POINTS))
    servers.sort(key=lambda server: server.status != "failed")
    tasks = [run.tasks[task] for task in (*starts, *watches) if task in run.tasks]
    times: list[TaskData | BoardStep] = [*tasks, *before, *after]
    done = state in ("launched", "done", "completed_with_exceptions", "failed")
    errors = [run.left.get((task, ERROR_KEY)) for task in (*starts, *watches)]
    return BoardWave(
        name=name,
        depends_on=depends_on,
        state=state,
        error=why or (next((str(error) for error in errors if error), None) if state == "failed" else None),
        started_at=min((one.started_at for one in times if one.started_at), default=None),
        ended_at=max((one.ended_at for one in times if one.ended_at), default=None) if done else None,
        jobs=[str(job.get("job_id")) for job in jobs],
        counts=dict(Counter(server.status for server in servers)),
        points=points_of([dict(member) for member in members], pinned),
        has_servers=bool(watches),
        before=before,
        after=after,
        servers=servers,
    )


def _with_steps(
    launch: WaveNow | None, before: Sequence[BoardStep], after: Sequence[BoardStep]
) -> tuple[WaveNow, str | None]:
    """Return a wave's state, its steps looked at, and why it failed where a step did; None: it launches nothing."""
    steps = [*before, *after]
    failed = next((step for step in steps if step.state == "failed"), None)
    why = f"step {failed.name}: {failed.summary or 'failed; see its log'}" if failed else None
    tolerated = any(step.state == "tolerated" for step in steps)
    if launch is None:
        return _steps_alone(steps, why, tolerated=tolerated), why
    if launch in ("launched", "completed_with_exceptions"):
        if failed:
            return "failed", why
        if unfinished(after):
            return "finishing", None
        return ("completed_with_exceptions" if tolerated else launch), None
    if launch == "waiting" and begun(before):
        return "preparing", None
    return launch, why if launch == "not_started" else None


def _steps_alone(steps: Sequence[BoardStep], why: str | None, *, tolerated: bool) -> WaveNow:
    states = {step.state for step in steps}
    if why:
        return "failed"
    if states <= {"not_started", "skipped"}:
        return "skipped" if states == {"skipped"} else "not_started"
    if unfinished(steps):
        return "finishing" if begun(steps) else "waiting"
    return "completed_with_exceptions" if tolerated else "done"


def _cost(found: Any) -> BoardCost | None:
    dollars = _mapping(found).get("dollars")
    if not isinstance(dollars, (int, float)):
        return None
    return BoardCost(dollars=float(dollars), is_certain=bool(_mapping(found).get("is_certain")))


def _wave_state(run: RunData, starts: Iterable[str], watches: Iterable[str]) -> WaveNow:
    tasks = [*starts, *watches]
    states = [run.tasks[task].state if task in run.tasks else None for task in tasks]
    verdicts = {_text(_mapping(run.left.get((task, RETURN_KEY))).get("verdict")) for task in watches}
    if "failed" in states:
        return "failed"
    if "upstream_failed" in states:
        return "not_started"
    if states and all(state == "skipped" for state in states):
        return "skipped"
    if states and all(state in ("success", "skipped") for state in states):
        return "launched" if verdicts <= {"launched"} and verdicts else "completed_with_exceptions"
    if any(state not in (None, "scheduled", "queued") for state in states):
        return "launching"
    return "not_started" if run.state in ("success", "failed") else "waiting"


def _server(member: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], started: set[str]) -> BoardServer:
    server_id = str(member.get("server_id"))
    found = results.get(server_id, {})
    status: ServerNow = "launching" if server_id in started else "waiting"
    if found:
        is_there = str(found.get("status", "")).upper() == "LAUNCHED" and not found.get("reason")
        status = "launched" if is_there else "failed"
    return BoardServer(
        server_id=server_id,
        hostname=_text(member.get("hostname")) or server_id,
        status=status,
        critical=bool(member.get("critical", True)),
        reason=_text(found.get("reason")),
        instance_id=_text(found.get("instance_id")),
    )


def _preflight_state(
    preflight: Mapping[str, Any], check: TaskData | None
) -> Literal["waiting", "running", "passed", "refused"]:
    if check is not None and check.state == "failed":
        return "refused"
    if preflight:
        return "passed" if preflight.get("passed") else "refused"
    return "waiting" if check is None or check.state in (None, "scheduled", "queued") else "running"


def _cleanup_state(run: RunData) -> str | None:
    states = [task.state for name, task in run.tasks.items() if name.startswith("finish.clean_up")]
    for state in ("failed", "upstream_failed", "up_for_retry", "running", "deferred", "queued", "success", "skipped"):
        if state in states:
            return state
    return None


def _tasks(run: RunData, first: str) -> list[str]:
    known = {*run.upstream, *run.tasks}
    return sorted(task for task in known if task == first or task.removeprefix(f"{first}_").isdecimal())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
