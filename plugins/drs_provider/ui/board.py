"""A run as a board of waves and servers: its state, and what only the page shows beside it."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from drs_provider.rules.failback.progress import copied
from drs_provider.rules.launch.phases import phase_words, phases_in_words
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.purpose import find_purpose
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import Cost, Launch, PreflightFinding, PreflightResult
from drs_provider.rules.run.state import (
    CleanupStatus,
    FirstCause,
    LeftDocuments,
    PreflightStatus,
    RunSnapshot,
    RunState,
    RunStatus,
    ServerState,
    ServerStatus,
    WaveOutline,
    WaveState,
    WaveStatus,
    first_cause,
    left_in,
    outline_of_edges,
    state_of,
)
from drs_provider.rules.run.state.prepared import is_starting, launched_again, prepared_count, why_it_waits
from drs_provider.rules.run.timing import JOB_DURATION
from drs_provider.ui.activity import BoardActivity, Surroundings, activity_of
from drs_provider.ui.forecast import (
    USUAL,
    Forecast,
    Forecasts,
    RunSoFar,
    expected_end,
    expected_lengths,
    run_so_far,
    service_there_at,
)
from drs_provider.ui.next_steps import BoardCommit, commit_of, next_steps_of
from drs_provider.ui.questions import BoardQuestion, orders_of, questions_of
from drs_provider.ui.read_model import RunData
from drs_provider.ui.run_page.parts import (
    BoardEvent,
    BoardOffer,
    BoardPlace,
    board_events,
    board_offers,
    places_of_wave,
)
from drs_provider.ui.stages import BoardKept, final_stage, kept_drill, preflight_stage
from drs_provider.ui.steps import BoardStep, board_steps

_GOES_ON = frozenset({WaveStatus.PREPARING, WaveStatus.LAUNCHING, WaveStatus.RUNNING_STEPS})


class BoardServer(BaseModel):
    """One server: its status, and why if it failed; ``phase``: what DRS does with it, as the log of its job says."""

    server_id: str
    hostname: str
    status: ServerStatus
    critical: bool = True
    reason: str | None = None
    instance_id: str | None = None
    phase: str | None = None
    job_id: str | None = None


class BoardPoints(BaseModel):
    """The recovery points that a wave's servers are pinned to: how many, the oldest and the newest."""

    servers: int
    oldest: datetime
    newest: datetime


class BoardWave(BaseModel):
    """One wave with its servers; failed ones first. ``goes_back``: its servers are replicated to their origin.

    ``starts``: it starts instances that were launched stopped, and ``phase`` says how far they are, not what DRS does.
    ``waits``: when it starts those that are launched ahead of its turn.
    ``expected_seconds``: how long it is likely to take, while it goes on. ``places``: its tasks in Airflow, its jobs in
    the AWS console.
    """

    name: str
    depends_on: list[str]
    status: WaveStatus
    reason: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    jobs: list[str]
    phase: str | None = None
    starts: bool = False
    waits: str | None = None
    counts: dict[str, int]
    points: BoardPoints | None = None
    has_servers: bool = True
    goes_back: bool = False
    before: list[BoardStep] = []
    after: list[BoardStep] = []
    servers: list[BoardServer]
    expected_seconds: float | None = None
    places: list[BoardPlace] = []


class BoardCause(BaseModel):
    """What made the run fail, or will: ``who`` names the server with its wave, or the step."""

    who: str
    reason: str
    next_step: str


class BoardRto(BaseModel):
    """The recovery time: how much has passed, or what it took once the service was there.

    ``target_seconds`` None: the plan sets no objective, where ``is_known``. ``expected_seconds``: likely, without the
    time of people.
    """

    is_known: bool
    target_seconds: float | None
    so_far_seconds: float
    is_there: bool
    expected_seconds: float | None = None
    expected_from: str = ""


class BoardEdited(BaseModel):
    """What lies where a task leaves something and was not written by it: nobody believes it, and the board neither."""

    place: str
    reason: str
    next_step: str


class BoardCost(BaseModel):
    """What preflight thinks that the drill costs; ``is_certain``: no price of it is guessed."""

    dollars: float
    is_certain: bool


class Board(BaseModel):
    """A run at one moment; ``is_plan`` is false for the run of a DAG that is no recovery plan.

    ``airflow_state`` is Airflow's own word; ``cancelled`` and ``superseded`` say who or what ended the run.
    ``installation``: id of the Airflow that the run is of, once preflight has looked.
    """

    dag_id: str
    run_id: str
    title: str
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
    edited: list[BoardEdited] = []
    questions: list[BoardQuestion] = []
    orders: list[str] = []
    cancelled: str | None = None
    superseded: str | None = None
    installation: str = ""
    cost: BoardCost | None = None
    before: list[BoardStep] = []
    after: list[BoardStep] = []
    waves: list[BoardWave]
    cleanup: CleanupStatus
    has_report: bool
    cause: BoardCause | None = None
    activity: BoardActivity = BoardActivity()
    rto: BoardRto | None = None
    is_paused: bool = False
    stopped: list[str] = []
    kept: BoardKept | None = None
    preflight_tasks: list[BoardStep] = []
    final_tasks: list[BoardStep] = []
    cleans_up: bool = True
    commit: BoardCommit | None = None
    next_steps: list[str] = []
    offers: list[BoardOffer] = []
    events: list[BoardEvent] = []


def board_of(run: RunData, now: datetime, forecasts: Forecasts = USUAL, stopped: tuple[str, ...] = ()) -> Board:
    """Draw the board. Whatever no task has left yet is shown as waiting, never as done.

    :param forecasts: what earlier runs of the plan took
    :param stopped: the parts of Airflow that do not run
    """
    questions = questions_of(run)
    snapshot = snapshot_of(run, questions)
    left = LeftDocuments(snapshot, run.known)
    state, preflight = state_of(snapshot, left), left.preflight()
    waves = [_wave(wave, snapshot, left, run, now) for wave in state.waves]
    so_far = run_so_far(state, snapshot, left)
    phases = _phases(state, snapshot, left, forecasts.of(is_ahead=so_far.is_ahead), now)
    lengths = expected_lengths(so_far, forecasts)
    for wave in waves:
        wave.phase = phases.get(wave.name)
        wave.waits = None if state.is_over or (found := state.wave(wave.name)) is None else why_it_waits(found, state)
        if not state.is_over and wave.status in _GOES_ON and not wave.goes_back:
            wave.expected_seconds = lengths[wave.name].total_seconds()
    mode = state.mode or run.mode
    purpose = find_purpose(mode)
    cleans_up = purpose is None or purpose.cleans_up
    around = Surroundings(
        questions=questions,
        preflight=preflight_stage(snapshot, left),
        final=final_stage(snapshot, left, cleans_up=cleans_up),
        kept=kept_drill(run.dag_id, run.run_id, snapshot, left),
        phases=phases,
        is_paused=run.is_paused and not state.is_over,
        stopped=() if state.is_over else stopped,
        cleans_up=cleans_up,
    )
    return Board(
        dag_id=run.dag_id,
        run_id=run.run_id,
        title=title_of(run.dag_id, mode),
        status=state.status,
        reason=state.reason or state.preflight.reason,
        airflow_state=run.state,
        is_over=state.is_over,
        is_plan=names.PREFLIGHT_TASK in run.upstream,
        mode=mode,
        started_at=run.started_at,
        now=now,
        preflight=state.preflight.status,
        findings=list(preflight.findings) if preflight else [],
        edited=edited_in(run),
        questions=questions,
        orders=orders_of(snapshot, left),
        cancelled=state.cancelled,
        superseded=state.superseded,
        installation=preflight.installation if preflight else "",
        cost=_cost(preflight.cost) if preflight else None,
        before=board_steps(state.before, left, run.classes),
        after=board_steps(state.after, left, run.classes),
        waves=waves,
        cleanup=state.cleanup.status,
        has_report=(report := left.report()) is not None and bool(report.html_path),
        cause=_cause(first_cause(state)),
        activity=activity_of(state, around),
        rto=None if purpose and purpose.copies else _rto(run, so_far, forecasts, now),
        is_paused=around.is_paused,
        stopped=list(around.stopped),
        kept=around.kept,
        preflight_tasks=list(around.preflight),
        final_tasks=list(around.final),
        cleans_up=cleans_up,
        commit=commit_of(run.dag_id, run.run_id, state),
        next_steps=next_steps_of(run.dag_id, state, preflight),
        offers=board_offers(run, snapshot, left, state, questions),
        events=board_events(run, snapshot, left, state),
    )


def title_of(dag_id: str, mode: str | None) -> str:
    """Name a run: ``DRILL of web-shop``; its mode is the first thing that a person must see."""
    plan = names.plan_behind(dag_id) or dag_id
    purpose = find_purpose(mode)
    return f"{purpose.name.upper()} of {plan}" if purpose else f"Run of {plan}"


def edited_in(run: RunData) -> list[BoardEdited]:
    """List what nobody believes, in the order of its places."""
    found = sorted(run.disbelieved.items(), key=lambda item: str(item[0]))
    return [BoardEdited(place=str(place), reason=reason, next_step=place.next_step) for place, reason in found]


def _cause(cause: FirstCause | None) -> BoardCause | None:
    return BoardCause(who=cause.who, reason=cause.reason, next_step=cause.next_step) if cause else None


def _phases(
    state: RunState, snapshot: RunSnapshot, left: LeftDocuments, forecast: Forecast, now: datetime
) -> dict[str, str]:
    """Say of every wave that is launching what DRS does with its servers, as the logs of its jobs say it.

    Before anybody has read a log: what DRS is likely to do, by the age of the wave's newest job.
    """
    outlines = {outline.name: outline for outline in snapshot.outline.waves}
    found: dict[str, str] = {}
    for wave in state.waves:
        if not state.is_over and (said := _ahead_phase(wave, outlines[wave.name], left, forecast, now)):
            found[wave.name] = said
        if wave.status is WaveStatus.LAUNCHING and not state.is_over:
            if said := phases_in_words(server.event for server in wave.servers or () if server.event):
                found[wave.name] = said
                continue
            if is_starting(wave):
                continue  # who watches it says how far they are as soon as it looks
            if wave.servers and not wave.counts.get(ServerStatus.LAUNCHING):
                continue  # all of them are launched or failed, or wait for their turn
            jobs = left.jobs(outlines[wave.name].starts, outlines[wave.name].watch)
            created = [job.created_at for job in jobs.values() if job.created_at]
            if created:
                found[wave.name] = f"probably {forecast.phase(wave.name, now - max(created))}"
    return found


def _ahead_phase(
    wave: WaveState, outline: WaveOutline, left: LeftDocuments, forecast: Forecast, now: datetime
) -> str | None:
    """Say what DRS is likely to do with the jobs that were started ahead of a wave; None: none waits for its turn.

    Nobody asks DRS before the wave's turn has come, so that it is an estimate by the age of the newest job.
    """
    if not prepared_count(wave) or wave.status.is_over or wave.status is WaveStatus.LAUNCHING:
        return None
    jobs = left.jobs(outline.before_turn, None).values()
    created = [job.created_at for job in jobs if job.created_at]
    if not created:
        return None
    age, again = now - max(created), launched_again(jobs)
    words = f", {again} of them launched again" if again else ""
    if age < JOB_DURATION:
        return f"probably {forecast.phase(wave.name, age)}{words}"
    return f"probably launched, and stopped{words}"


def _rto(run: RunData, so_far: RunSoFar, forecasts: Forecasts, now: datetime) -> BoardRto | None:
    """Say how much recovery time has passed; None: the run has not begun, or ended without its service."""
    state, preflight = so_far.state, so_far.preflight
    there = service_there_at(state)
    if run.started_at is None or (state.is_over and there is None):
        return None
    objectives = preflight.objectives if preflight else None
    end = expected_end(so_far, forecasts, now)
    return BoardRto(
        is_known=objectives is not None,
        target_seconds=objectives.rto.total_seconds() if objectives and objectives.rto else None,
        so_far_seconds=max(0.0, ((there or now) - run.started_at).total_seconds()),
        is_there=there is not None,
        expected_seconds=max(0.0, (end - run.started_at).total_seconds()) if end else None,
        expected_from=forecasts.of(is_ahead=so_far.is_ahead).source if end else "",
    )


def snapshot_of(run: RunData, questions: Iterable[BoardQuestion] = ()) -> RunSnapshot:
    """Give what the state of a run is computed from."""
    asked = frozenset(question.task for question in questions if run.tasks[question.task].state == "deferred")
    return RunSnapshot(
        outline=outline_of_edges(run.upstream, mode=run.mode),
        tasks=run.tasks,
        left=left_in(run.left),
        run_state=run.state,
        asked=asked,
    )


def _wave(wave: WaveState, snapshot: RunSnapshot, left: LeftDocuments, run: RunData, now: datetime) -> BoardWave:
    outline = next(outline for outline in snapshot.outline.waves if outline.name == wave.name)
    shown = (_server(server, now) for server in wave.servers or ())
    servers = sorted(shown, key=lambda server: server.status not in (ServerStatus.FAILED, ServerStatus.STUCK))
    launches = [launch for task in outline.starts if (launch := left.of(task, Launch))]
    return BoardWave(
        name=wave.name,
        depends_on=list(wave.depends_on),
        status=wave.status,
        reason=wave.reason,
        started_at=wave.started_at,
        ended_at=wave.ended_at,
        jobs=list(wave.jobs),
        starts=is_starting(wave),
        counts={status.value: count for status, count in wave.counts.items()},
        points=points_of(_points(left.preflight(), wave.name, launches)),
        has_servers=wave.has_servers,
        goes_back=wave.goes_back,
        before=board_steps(wave.before, left, run.classes),
        after=board_steps(wave.after, left, run.classes),
        servers=servers,
        places=places_of_wave(run, outline, left),
    )


def _server(server: ServerState, now: datetime) -> BoardServer:
    # All of it is typed already, and there may be thousands.
    return BoardServer.model_construct(
        server_id=server.server_id,
        hostname=server.hostname,
        status=server.status,
        critical=server.critical,
        reason=server.reason,
        instance_id=server.instance_id,
        job_id=server.job_id,
        phase=phase_words(server.event) or (copied(server.on_the_way, now=now) if server.on_the_way else None) or None,
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
