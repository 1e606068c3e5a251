"""A run as Airflow's REST API shows it: its waves, what it waits for, its report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from drs_provider.cli.airflow_client import PREFIX

ACTIVE = ("queued", "running")
"""States of a run that is not over."""

AT_WORK = frozenset({"queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule"})
NOT_BEGUN = frozenset({None, "scheduled", "upstream_failed", "removed", "awaiting_input"})
"""States of a task that has not been sent to a worker, or waits for a person."""

START, WATCH, SHOWN = "start_recovery", "recovery_job", "servers"
_BESIDE = (SHOWN, "launch_settings", "tag_instances", "notifications")
"""Tasks of a wave that run ahead of it or beside it: they say nothing of how far it is."""
_NO_STEPS = (START, WATCH, "delay", "pause", *_BESIDE)
PLAN_STEPS = ("before_waves", "after_waves")
"""Task groups of the plan's own steps."""
_NO_WAVES = ("preflight", "finish", *PLAN_STEPS)
PREFLIGHT_TASK, PREFLIGHT, REPORT_TASK = "preflight.check", "preflight", "finish.report"
"""The tasks of every plan's DAG, and the XCom key of what preflight found."""


@dataclass(frozen=True)
class WaveView:
    """One wave. ``servers`` is None before preflight; ``launched`` and ``failed`` are None before its jobs ended.

    ``state``: waiting, asks, running, done, failed, cancelled, skipped, not_started.
    """

    name: str
    depends_on: tuple[str, ...]
    state: str
    servers: int | None = None
    launched: int | None = None
    failed: int | None = None
    has_begun: bool = False
    start_tasks: tuple[str, ...] = ()
    step_tasks: tuple[str, ...] = ()
    failed_steps: tuple[str, ...] = ()
    is_launched: bool = False


@dataclass(frozen=True)
class PendingQuestion:
    """What a run asks people and nobody has answered."""

    task: str
    subject: str
    options: tuple[str, ...]
    asked_at: str
    asked: tuple[str, ...] = ()
    map_index: int = -1
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunView:
    """One run at one moment."""

    plan: str
    run_id: str
    state: str
    mode: str | None
    is_paused: bool
    triggered_by: str | None
    asked_for_at: str | None
    started_at: str | None
    ended_at: str | None
    note: str | None
    waves: tuple[WaveView, ...] = ()
    questions: tuple[PendingQuestion, ...] = ()
    report: Mapping[str, Any] | None = None
    own_steps: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.state in ACTIVE

    @property
    def is_green(self) -> bool:
        """Whether it ended well."""
        return self.state == "success"

    def wave(self, name: str) -> WaveView | None:
        """Give a wave by its name."""
        return next((wave for wave in self.waves if wave.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Give what ``--format json`` prints."""
        return asdict(self)


def read_run(dag: Mapping[str, Any], run: Mapping[str, Any]) -> RunView:
    """Read a run without its tasks."""
    return RunView(
        plan=str(run["dag_id"]).removeprefix(PREFIX),
        run_id=str(run["dag_run_id"]),
        state=str(run["state"]),
        mode=(run.get("conf") or {}).get("mode") or _default(dag, "mode"),
        is_paused=bool(dag.get("is_paused")),
        triggered_by=run.get("triggering_user_name"),
        asked_for_at=run.get("run_after"),
        started_at=run.get("start_date"),
        ended_at=run.get("end_date"),
        note=run.get("note"),
    )


def wave_names(dag: Mapping[str, Any], tasks: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give the waves of a plan's DAG, in the plan's order: the groups but for those around the waves."""
    found = (str(task["task_id"]).rpartition(".")[0] for task in tasks)
    groups = dict.fromkeys(name for name in found if name and name not in _NO_WAVES)
    ordered = [name for name in _default(dag, "waves") or () if name in groups]
    return (*ordered, *(name for name in groups if name and name not in ordered))


def depends_on(tasks: Sequence[Mapping[str, Any]], waves: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Say which waves each wave waits for, from the edges between their tasks."""
    found: dict[str, dict[str, None]] = {wave: {} for wave in waves}
    for task in tasks:
        above = _wave_of(str(task["task_id"]), waves)
        for child in task["downstream_task_ids"]:
            below = _wave_of(str(child), waves)
            if above and below and above != below:
                found[below][above] = None
    return {wave: tuple(other for other in waves if other in above) for wave, above in found.items()}


def read_wave(
    name: str,
    above: tuple[str, ...],
    instances: Iterable[Mapping[str, Any]],
    *,
    preflight: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]] | None,
    order: str | None,
) -> WaveView:
    """Sum up a wave from the instances of its tasks.

    :param results: what its recovery job left of every server; None while it has left nothing
    :param order: what its start tasks obeyed when its turn came: a cancellation, if the wave failed
    """
    mine = [one for one in instances if str(one["task_id"]).startswith(f"{name}.")]
    chain = [one for one in mine if not _does(str(one["task_id"]), *_BESIDE)]
    starts = {str(one["task_id"]): one["state"] for one in chain if _does(str(one["task_id"]), START)}
    steps = {str(one["task_id"]): one["state"] for one in chain if not _does(str(one["task_id"]), *_NO_STEPS)}
    state = wave_state({one["state"] for one in chain}, {one["state"] for one in chain if _does(one["task_id"], WATCH)})
    if state == "failed" and order is not None:
        state = "cancelled"
    return WaveView(
        name=name,
        depends_on=above,
        state=state,
        servers=_servers(name, preflight),
        launched=None if results is None else sum(_is_launched(one) for one in results),
        failed=None if results is None else sum(not _is_launched(one) for one in results),
        has_begun=any(state not in NOT_BEGUN for state in starts.values()),
        start_tasks=tuple(sorted(starts)),
        step_tasks=tuple(sorted(steps)),
        failed_steps=tuple(sorted(task for task, state in steps.items() if state == "failed")),
        is_launched={one["state"] for one in chain if _does(str(one["task_id"]), WATCH)} == {"success"},
    )


def wave_state(seen: set[str | None], watch: set[str | None]) -> str:
    """Sum up the states of a wave's tasks, without those that only show its servers."""
    meanings = (
        (bool(seen & AT_WORK), "running"),
        ("awaiting_input" in seen, "asks"),
        ("failed" in seen, "failed"),
        ("upstream_failed" in seen, "not_started"),
        (watch == {"success"} and not seen & {None, "scheduled"}, "done"),
        (not watch and bool(seen) and seen <= {"success", "skipped"}, "done" if "success" in seen else "skipped"),
        (watch == {"skipped"}, "skipped"),
        ("success" in seen, "running"),
    )
    return next((meaning for holds, meaning in meanings if holds), "waiting")


def read_questions(details: Iterable[Mapping[str, Any]]) -> tuple[PendingQuestion, ...]:
    """Read what nobody has answered yet."""
    return tuple(
        PendingQuestion(
            task=str(one["task_instance"]["task_id"]),
            subject=str(one["subject"]),
            options=tuple(one["options"]),
            asked_at=str(one["created_at"]),
            asked=tuple(user["name"] or user["id"] for user in one.get("assigned_users") or ()),
            map_index=int(one["task_instance"]["map_index"]),
            params=one.get("params") or {},
        )
        for one in details
        if not one["response_received"] and one["task_instance"]["state"] in ("awaiting_input", "deferred")
    )


def _default(dag: Mapping[str, Any], param: str) -> Any:
    found = (dag.get("params") or {}).get(param)
    return found.get("value") if isinstance(found, dict) else found


def _does(task_id: str, *tasks: str) -> bool:
    name = task_id.rpartition(".")[2]
    return any(name == one or (name.startswith(f"{one}_") and name.removeprefix(f"{one}_").isdigit()) for one in tasks)


def _wave_of(task_id: str, waves: Sequence[str]) -> str | None:
    group = task_id.partition(".")[0]
    return group if group in waves else None


def _servers(wave: str, preflight: Mapping[str, Any] | None) -> int | None:
    found = ((preflight or {}).get("waves") or {}).get(wave)
    return None if found is None else sum(len(part["servers"]) for part in found["targets"])


def _is_launched(result: Mapping[str, Any]) -> bool:
    return str(result["status"]).lower() == "launched"
