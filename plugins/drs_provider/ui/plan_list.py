"""The rows of the plans page: what is in the plans folder, and how each plan's last run went."""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from drs_provider.patience import asked
from drs_provider.plan.loader import Library, RunnablePlan, bad_links, plan_files, read_folder
from drs_provider.plan.model import wave_dependencies
from drs_provider.plan.problems import Problem
from drs_provider.report.production import ProductionUp, production_up
from drs_provider.report.result import RunReport
from drs_provider.report.store import read_report, stored_reports
from drs_provider.report.verification import Verification, verify
from drs_provider.rules.run.names import check_dag_of, dag_id_of
from drs_provider.rules.run.state import RunStatus
from drs_provider.ui.forecast import USUAL, Forecasts, forecasts_from
from drs_provider.ui.read_model import LastRun

log = logging.getLogger(__name__)

_Asked = tuple[str, str, tuple[str, str | None] | None]
"""A place of reports, a DAG, and run and verdict of its newest run."""

_KNOWN: dict[_Asked, tuple[RunReport, ...]] = {}
"""The reports that this process has read."""

_MOST_KNOWN: Final = 1000


class PlanWave(BaseModel):
    """One wave of a plan."""

    name: str
    groups: list[str]
    depends_on: list[str]


class PlanCheck(BaseModel):
    """The last check of a plan: how it ended, with how many warnings (None: its report cannot be read)."""

    run: str
    at: datetime | None
    status: RunStatus
    warnings: int | None = None


class PlanRow(BaseModel):
    """One plan and its last run."""

    name: str
    dag_id: str
    title: str
    description: str
    owner: str
    file: str
    waves: list[PlanWave]
    rto_seconds: float | None
    rpo_seconds: float | None
    last_run: str | None
    last_run_at: datetime | None
    last_status: RunStatus | None
    verified: bool | None = None
    verified_why: str = ""
    production: str = ""
    """Where production is up that a recovery of the plan brought up, and since when; empty: none is known to be."""
    next_steps: list[str] = []
    """What comes after that recovery: commit, reprotect, failback, as its report has it."""
    is_paused: bool = False
    paused_checks: str = ""
    """The DAG that starts the plan's checks by schedule, where it is paused; empty: it is not, or there is none."""
    kept_until: datetime | None = None
    last_check: PlanCheck | None = None
    last_drill_at: datetime | None = None
    """When its newest drill with a report ended."""
    last_drill_words: str = ""
    """How that ended, and what it has cost where that is known."""


class BrokenPlan(BaseModel):
    """One file with problems; each as ``path:line:column: where: what (hint)``."""

    file: str
    problems: list[str]


class PlanList(BaseModel):
    """The plans that the caller may read, and the broken files if the caller may read import errors."""

    plans: list[PlanRow]
    broken: list[BrokenPlan]
    stopped: list[str] = []


def plan_ids(library: Library) -> list[str]:
    """Return the DAG id of every plan."""
    return [dag_id_of(name) for name in library.plans]


def check_dag_ids(library: Library, readable: Collection[str]) -> list[str]:
    """Return the ids of the DAGs that start checks by schedule, of the plans whose DAGs are readable."""
    return [
        check_dag_of(name)
        for name, runnable in library.plans.items()
        if runnable.plan.check is not None and dag_id_of(name) in readable
    ]


def plan_list(
    library: Library,
    folder: Path,
    *,
    readable: set[str],
    newest: Mapping[str, LastRun],
    broken: Sequence[BrokenPlan] = (),
    verified: Callable[[RunnablePlan], Verification | None] = lambda _: None,
    production: Callable[[RunnablePlan], ProductionUp | None] = lambda _: None,
    checked: Callable[[RunnablePlan], PlanCheck | None] = lambda _: None,
    drilled: Callable[[RunnablePlan], RunReport | None] = lambda _: None,
    paused: Collection[str] = (),
    stopped: Sequence[str] = (),
) -> PlanList:
    """Put the page together; plans of DAGs that the caller may not read are left out.

    :param broken: files with problems, where the caller may read import errors
    :param paused: ids of the DAGs that are paused
    :param stopped: the parts of Airflow that do not run
    """
    rows = [
        _row(
            runnable,
            folder,
            newest.get(dag_id_of(name)),
            verified(runnable),
            production(runnable),
            check=checked(runnable),
            drill=drilled(runnable),
            paused=paused,
        )
        for name, runnable in library.plans.items()
        if dag_id_of(name) in readable
    ]
    return PlanList(
        plans=sorted(rows, key=lambda row: (row.title.lower(), row.name)),
        broken=list(broken),
        stopped=list(stopped),
    )


def library_of(folder: Path) -> Library:
    """Read the plans folder, again only when one of its files has changed."""
    return _read(folder, tuple(_fingerprint(path) for path in plan_files(folder)), tuple(bad_links(folder)))


@lru_cache(maxsize=2)
def _read(folder: Path, _fingerprints: Sequence[tuple[str, int, int]], _links: Sequence[Problem]) -> Library:
    return read_folder(folder)


def _fingerprint(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:  # gone since it was listed, or a dangling link: reading says so
        return (str(path), 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size)


def _row(
    runnable: RunnablePlan,
    folder: Path,
    last: LastRun | None,
    verification: Verification | None,
    production: ProductionUp | None,
    *,
    check: PlanCheck | None,
    drill: RunReport | None,
    paused: Collection[str],
) -> PlanRow:
    plan = runnable.plan
    check_dag = check_dag_of(plan.name)
    depends_on = wave_dependencies(plan)
    return PlanRow(
        name=plan.name,
        dag_id=dag_id_of(plan.name),
        title=plan.title or plan.name,
        description=plan.description or "",
        owner=plan.owner or "",
        file=_short(runnable.path, folder),
        waves=[
            PlanWave(name=wave.name, groups=list(wave.groups), depends_on=list(depends_on[wave.name]))
            for wave in plan.waves
        ],
        rto_seconds=plan.rto.total_seconds() if plan.rto else None,
        rpo_seconds=plan.rpo.total_seconds() if plan.rpo else None,
        last_run=last.run_id if last else None,
        last_run_at=last.started_at if last else None,
        last_status=last.status if last else None,
        verified=verification.is_verified if verification else None,
        verified_why=verification.why if verification else "",
        production=production.words if production else "",
        next_steps=list(production.next_steps) if production else [],
        is_paused=dag_id_of(plan.name) in paused,
        paused_checks=check_dag if plan.check is not None and check_dag in paused else "",
        kept_until=last.kept_until if last else None,
        last_check=check,
        last_drill_at=drill.finished_at if drill else None,
        last_drill_words=_drill_words(drill) if drill else "",
    )


def _drill_words(drill: RunReport) -> str:
    known = drill.drill.measured or drill.drill.estimated
    kind = "measured" if drill.drill.measured else "estimated"
    ended = str(drill.verdict).replace("_", " ")
    return f"{ended}, cost {known.dollars:.2f} US dollars ({kind})" if known else f"{ended}, cost unknown"


def broken_said(said: Mapping[str, str]) -> list[BrokenPlan]:
    """Give the broken files as Airflow's import errors say them, for where the files are not."""
    return [BrokenPlan(file=file, problems=text.splitlines()) for file, text in sorted(said.items())]


def broken_of(library: Library, folder: Path) -> list[BrokenPlan]:
    """Give the files of the plans folder that have problems."""
    by_file: dict[str, list[str]] = {}
    for problem in library.problems:
        file = _short(problem.path, folder)
        text = str(replace(problem, path=Path(file)))
        # A problem may name another file of the folder; where that is on the server is nobody's business.
        by_file.setdefault(file, []).append(text.replace(f"{folder.parent}{os.sep}", ""))
    return [BrokenPlan(file=file, problems=problems) for file, problems in sorted(by_file.items())]


def _short(path: Path, folder: Path) -> str:
    """Name a file as people in the project do, from the plans folder on."""
    return str(path.relative_to(folder.parent)) if path.is_relative_to(folder.parent) else path.name


def verified_of(
    runnable: RunnablePlan, reports: Any, newest: Mapping[str, LastRun], now: datetime
) -> Verification | None:
    """Say whether a plan is verified; None: its reports cannot be read, which the page must survive."""
    found = _reports_of(runnable, reports, newest)
    if found is None:
        return None
    return verify(found, digest=runnable.digest, valid_for=runnable.plan.drill.valid_for, now=now)


def production_of(runnable: RunnablePlan, reports: Any, newest: Mapping[str, LastRun]) -> ProductionUp | None:
    """Say whether production is up that a recovery of the plan brought up; None: it is not, or nobody can tell."""
    found = _reports_of(runnable, reports, newest)
    return None if found is None else production_up(found)


def drill_of(runnable: RunnablePlan, reports: Any, newest: Mapping[str, LastRun]) -> RunReport | None:
    """Return the report of a plan's newest drill; None: there is none, or nobody can tell."""
    drills = (report for report in _reports_of(runnable, reports, newest) or () if report.run.purpose.proves_plan)
    return max(drills, key=lambda report: report.finished_at, default=None)


def _reports_of(runnable: RunnablePlan, reports: Any, newest: Mapping[str, LastRun]) -> tuple[RunReport, ...] | None:
    """Read the reports of a plan; None: they cannot be read here.

    So it is also where a run has a verdict, and so a report, and there is none: it is on another machine's disk.
    """
    dag_id = dag_id_of(runnable.plan.name)
    last = newest.get(dag_id)
    try:
        found = _reports(str(reports), dag_id, (last.run_id, last.verdict) if last else None)
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the reports of %s cannot be read: %r", dag_id, error)
        return None
    return None if last and last.verdict and not found else found


def check_of(runnable: RunnablePlan, reports: Any, checks: Mapping[str, LastRun]) -> PlanCheck | None:
    """Say how the last check of a plan ended; None: it was never checked."""
    dag_id = dag_id_of(runnable.plan.name)
    last = checks.get(dag_id)
    if last is None:
        return None
    found = _warnings(str(reports), dag_id, last.run_id) if last.verdict else None
    return PlanCheck(run=last.run_id, at=last.started_at, status=last.status, warnings=found)


def _warnings(folder: str, dag_id: str, run_id: str) -> int | None:
    from airflow.sdk import ObjectStoragePath

    is_remote = "://" in folder and not folder.startswith("file://")
    try:
        report = asked(folder, lambda: read_report(ObjectStoragePath(folder) if is_remote else folder, dag_id, run_id))
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the report of check %s of %s cannot be read: %r", run_id, dag_id, error)
        return None
    if report is None or report.preflight is None:
        return None
    return sum(finding.severity == "warning" for finding in report.preflight.findings)


def forecast_of(reports: str, dag_id: str, run_id: str) -> Forecasts:
    """Say what earlier runs of a plan took; read once for each run, for its board asks every few seconds.

    Where the reports cannot be read now it is what is usual, and the next board looks again.
    """
    try:
        return _forecast(reports, dag_id, run_id)
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the reports of %s cannot be read: %r", dag_id, error)
        return USUAL


@lru_cache(maxsize=100)
def _forecast(reports: str, dag_id: str, run_id: str) -> Forecasts:
    return forecasts_from(_reports(reports, dag_id, (run_id, None)))


def _reports(folder: str, dag_id: str, newest: tuple[str, str | None] | None) -> tuple[RunReport, ...]:
    """Read the reports of a plan, again only once a newer run has one.

    Where a store takes longer than anybody waits, what it says in the end is there for the next look.
    """
    key = (folder, dag_id, newest)
    known = _KNOWN.get(key)
    return asked(folder, lambda: _read_reports(key)) if known is None else known


def _read_reports(key: _Asked) -> tuple[RunReport, ...]:
    folder, dag_id, newest = key
    is_remote = "://" in folder and not folder.startswith("file://")
    if is_remote:
        from airflow.sdk import ObjectStoragePath

        found = tuple(stored_reports(ObjectStoragePath(folder), dag_id))
    else:
        found = tuple(stored_reports(folder, dag_id))
    # Of a run with a verdict there is a report: where there is none, it is not there yet.
    if found or newest is None or newest[1] is None:
        _KNOWN[key] = found
        while len(_KNOWN) > _MOST_KNOWN:
            _KNOWN.pop(next(iter(_KNOWN)), None)
    return found
