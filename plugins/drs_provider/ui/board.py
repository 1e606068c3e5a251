"""A run as a board of waves and servers: its state, and what only the page shows beside it."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import Cost, Launch, PreflightFinding, PreflightResult
from drs_provider.rules.run.state import (
    CleanupStatus,
    LeftDocuments,
    PreflightStatus,
    RunSnapshot,
    RunStatus,
    ServerState,
    ServerStatus,
    WaveState,
    WaveStatus,
    left_in,
    outline_of_edges,
    state_of,
)
from drs_provider.ui.questions import BoardQuestion, orders_of, questions_of
from drs_provider.ui.read_model import RunData
from drs_provider.ui.steps import BoardStep, board_steps


class BoardServer(BaseModel):
    """One server: its status, and why if it failed."""

    server_id: str
    hostname: str
    status: ServerStatus
    critical: bool = True
    reason: str | None = None
    instance_id: str | None = None


class BoardPoints(BaseModel):
    """The recovery points that a wave's servers are pinned to: how many, the oldest and the newest."""

    servers: int
    oldest: datetime
    newest: datetime


class BoardWave(BaseModel):
    """One wave with its servers; failed ones first."""

    name: str
    depends_on: list[str]
    status: WaveStatus
    reason: str | None = None
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
    """A run at one moment; ``is_plan`` is false for the run of a DAG that is no recovery plan.

    ``airflow_state`` is Airflow's own word; ``cancelled`` and ``superseded`` say who or what ended the run.
    """

    dag_id: str
    run_id: str
    status: RunStatus
    reason: str | None
    airflow_state: str
    is_over: bool
    is_plan: bool
    mode: str | None
    started_at: datetime | None
    now: datetime
    preflight: PreflightStatus
    findings: list[PreflightFinding]
    questions: list[BoardQuestion] = []
    orders: list[str] = []
    cancelled: str | None = None
    superseded: str | None = None
    cost: BoardCost | None = None
    before: list[BoardStep] = []
    after: list[BoardStep] = []
    waves: list[BoardWave]
    cleanup: CleanupStatus
    has_report: bool


def board_of(run: RunData, now: datetime) -> Board:
    """Draw the board. Whatever no task has left yet is shown as waiting, never as done."""
    questions = questions_of(run)
    snapshot = snapshot_of(run, questions)
    left = LeftDocuments(snapshot)
    state, preflight = state_of(snapshot, left), left.preflight()
    return Board(
        dag_id=run.dag_id,
        run_id=run.run_id,
        status=state.status,
        reason=state.reason or state.preflight.reason,
        airflow_state=run.state,
        is_over=state.is_over,
        is_plan=names.PREFLIGHT_TASK in run.upstream,
        mode=state.mode or run.mode,
        started_at=run.started_at,
        now=now,
        preflight=state.preflight.status,
        findings=list(preflight.findings) if preflight else [],
        questions=questions,
        orders=orders_of(snapshot, left),
        cancelled=state.cancelled,
        superseded=state.superseded,
        cost=_cost(preflight.cost) if preflight else None,
        before=board_steps(state.before, left, run.classes),
        after=board_steps(state.after, left, run.classes),
        waves=[_wave(wave, snapshot, left, preflight, run) for wave in state.waves],
        cleanup=state.cleanup.status,
        has_report=left.report() is not None,
    )


def snapshot_of(run: RunData, questions: Iterable[BoardQuestion] = ()) -> RunSnapshot:
    """Give what the state of a run is computed from."""
    asked = frozenset(question.task for question in questions if run.tasks[question.task].state == "deferred")
    return RunSnapshot(
        outline=outline_of_edges(run.upstream),
        tasks=run.tasks,
        left=left_in(run.left),
        run_state=run.state,
        asked=asked,
    )


def _wave(
    wave: WaveState, snapshot: RunSnapshot, left: LeftDocuments, preflight: PreflightResult | None, run: RunData
) -> BoardWave:
    outline = next(outline for outline in snapshot.outline.waves if outline.name == wave.name)
    servers = sorted(map(_server, wave.servers or ()), key=lambda server: server.status is not ServerStatus.FAILED)
    launches = [launch for task in outline.starts if (launch := left.of(task, Launch))]
    return BoardWave(
        name=wave.name,
        depends_on=list(wave.depends_on),
        status=wave.status,
        reason=wave.reason,
        started_at=wave.started_at,
        ended_at=wave.ended_at,
        jobs=list(wave.jobs),
        counts={status.value: count for status, count in wave.counts.items()},
        points=points_of(_points(preflight, wave.name, launches)),
        has_servers=wave.has_servers,
        before=board_steps(wave.before, left, run.classes),
        after=board_steps(wave.after, left, run.classes),
        servers=servers,
    )


def _server(server: ServerState) -> BoardServer:
    return BoardServer(
        server_id=server.server_id,
        hostname=server.hostname,
        status=server.status,
        critical=server.critical,
        reason=server.reason,
        instance_id=server.instance_id,
    )


def _points(preflight: PreflightResult | None, wave: str, launches: Iterable[Launch]) -> dict[str, Point]:
    """Give the recovery points of a wave's servers: those that its launches named, before them what preflight found."""
    planned = preflight.waves.get(wave) if preflight else None
    found = {server.server_id: server.point for server in (planned.servers if planned else ()) if server.point}
    for launch in launches:
        found |= launch.points
    return found


def points_of(points: dict[str, Point]) -> BoardPoints | None:
    """Sum up recovery points, by server id; None: the wave is pinned to none."""
    if not points:
        return None
    instants = [point.at for point in points.values()]
    return BoardPoints(servers=len(instants), oldest=min(instants), newest=max(instants))


def _cost(cost: Cost | None) -> BoardCost | None:
    return BoardCost(dollars=cost.dollars, is_certain=cost.is_certain) if cost else None
