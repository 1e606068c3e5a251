"""Runs, access and folders for the pages, from the database and the API server of the Airflow that serves them."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath
from fastapi import FastAPI
from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from drs_provider import configuration
from drs_provider.airflow_internals.api_server import (
    AccessView,
    DagAccessEntity,
    GetUserDep,
    SessionDep,
    conf,
    get_auth_manager,
    requires_access_dag,
)
from drs_provider.airflow_internals.metadata import (
    DagModel,
    DagRun,
    Job,
    ParseImportError,
    SerializedDagModel,
    TaskInstance,
    TaskStateStoreModel,
    XComModel,
)
from drs_provider.airflow_internals.xcom_values import value_of
from drs_provider.api.access import Access
from drs_provider.api.history_sources import HistorySources, PastRuns
from drs_provider.api.v1.routers import api_routers
from drs_provider.configuration import reports_location
from drs_provider.plan.loader import SUFFIXES, Library, RunnablePlan
from drs_provider.plan.problems import Problem
from drs_provider.plan.snapshot import read_drawn
from drs_provider.rules.purpose import CHECK
from drs_provider.rules.run.handover import HandoverUnreadable, KeptDrill, RunOrder, WrittenReport
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import KEEP_TASK, PREFLIGHT_TASK, REPORT_TASK, plan_of
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.history.index import HistoryIndex
from drs_provider.services.signed import RETURNED, believed, problem_of
from drs_provider.ui.airflow_orders import airflow_store
from drs_provider.ui.answer_links import add_answers
from drs_provider.ui.answer_links_airflow import airflow_questions
from drs_provider.ui.app import add_history, create_app, plans_listed
from drs_provider.ui.console.airflow_desk import airflow_steering
from drs_provider.ui.console.airflow_plans import plan_sources
from drs_provider.ui.console.airflow_sources import console_sources, editable_plans
from drs_provider.ui.console.app import add_console
from drs_provider.ui.console.plan_pages import add_plan_pages
from drs_provider.ui.history.airflow_history import AirflowHistory
from drs_provider.ui.orders import add_orders
from drs_provider.ui.read_model import DOCUMENTS, LastRun, ReadEntry, RunData, Runs, Sources
from drs_provider.ui.run_page.airflow_rights import airflow_rights
from drs_provider.ui.run_page.rights import add_rights
from drs_provider.ui.xcom_values import unwrapped

_XCOM_KEYS = tuple({document.KEY for document in DOCUMENTS if document.PLACE == "xcom"})
_STORE_KEYS = tuple({document.KEY for document in DOCUMENTS if document.PLACE == "task_state_store"})
_NOT_MAPPED = -1

log = logging.getLogger(__name__)
_asked_mode = DagRun.conf["mode"].as_string()
"""What a run was asked to be; NULL where its conf does not say, as of a drill by schedule."""
_READ_PLANS: dict[str, tuple[object, RunnablePlan | None]] = {}
"""The plan of each DAG as this process has read it last, and from which version of the DAG."""

_PARTS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob"}
"""The parts of Airflow without which no run goes on, and what they call themselves in its table of jobs."""


class AirflowRuns:
    """Runs as Airflow's database has them, read with the request's own session."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def run(self, dag_id: str, run_id: str, before: RunData | None = None) -> RunData | None:
        """Read one run; mapped tasks, one per server, are left aside."""
        found = self.session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if found is None:
            return None
        tasks = self.session.execute(
            select(TaskInstance.task_id, TaskInstance.state, TaskInstance.start_date, TaskInstance.end_date).where(
                TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.map_index == _NOT_MAPPED
            )
        )
        drawn_as, upstream, classes = self._drawn(dag_id, before)
        entries = self._entries(dag_id, run_id, before.entries if before else {})
        left = {place: entry for place, entry in entries.items() if not _is_order(place)}
        is_paused = self.session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id))
        run = RunData(
            dag_id=dag_id,
            run_id=run_id,
            state=str(found.state),
            started_at=found.start_date,
            ended_at=found.end_date,
            mode=_mode(found.conf),
            tasks={task_id: TaskSnapshot(state and str(state), start, end) for task_id, state, start, end in tasks},
            is_paused=bool(is_paused),
            upstream=upstream,
            classes=classes,
            left={(place.task_id, place.key): entry.value for place, entry in left.items() if entry.problem is None},
            disbelieved={
                place: entry.problem
                for place, entry in entries.items()
                if entry.problem and not _is_no_document(place, entry.value)
            },
            entries=entries,
            drawn_as=drawn_as,
            known=before.known if before else {},
        )
        return before if before is not None and run == before else run

    def left(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Read what an unmapped task of a run left under a key; None: nothing, or nothing that it wrote itself."""
        if key in _STORE_KEYS:
            place = Origin(dag_id, run_id, task_id, key, stored_in="task_state_store")
            return believed(self._kept(dag_id, run_id, [place]).get(place), place)
        row = self.session.scalar(
            select(XComModel).where(
                XComModel.dag_id == dag_id,
                XComModel.run_id == run_id,
                XComModel.task_id == task_id,
                XComModel.map_index == _NOT_MAPPED,
                XComModel.key == key,
            )
        )
        return None if row is None else _believed(row)

    def newest(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        """Read the newest run of each DAG, checks left aside, and the verdict that its report task left."""
        return self._newest(dag_ids, or_(_asked_mode.is_(None), _asked_mode != CHECK.name))

    def newest_checks(self, dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
        """Read the newest check of each DAG in the same way."""
        return self._newest(dag_ids, _asked_mode == CHECK.name)

    def _newest(self, dag_ids: Iterable[str], which: ColumnElement[bool]) -> Mapping[str, LastRun]:
        newest = (
            select(DagRun.dag_id, func.max(DagRun.run_after).label("run_after"))
            .where(DagRun.dag_id.in_(sorted(dag_ids)), which)
            .group_by(DagRun.dag_id)
            .subquery()
        )
        same_run = (DagRun.dag_id == newest.c.dag_id) & (DagRun.run_after == newest.c.run_after)
        found = select(DagRun).join(newest, same_run).where(which).order_by(DagRun.id)
        runs = {run.dag_id: run for run in self.session.scalars(found)}
        verdicts = self._verdicts([(run.dag_id, run.run_id) for run in runs.values()])
        kept = self._kept_until([(run.dag_id, run.run_id) for run in runs.values() if str(run.state) == "running"])
        return {
            dag_id: LastRun(run.run_id, str(run.state), run.start_date, verdicts.get(dag_id), kept.get(dag_id))
            for dag_id, run in runs.items()
        }

    def paused(self, dag_ids: Iterable[str]) -> frozenset[str]:
        """Read which DAGs are paused."""
        chosen = DagModel.dag_id.in_(sorted(dag_ids))
        return frozenset(self.session.scalars(select(DagModel.dag_id).where(chosen, DagModel.is_paused)))

    def plans(self, folder: Path) -> Library:
        """Read the plans from the DAGs that were made of them; those of a version that was read before are kept."""
        dag_ids = self.session.scalars(select(DagModel.dag_id).where(~DagModel.is_stale))
        names = {dag_id: name for dag_id in dag_ids if (name := plan_of(dag_id))}
        found: dict[str, RunnablePlan] = {}
        problems: list[Problem] = []
        for dag_id, name in names.items():
            try:
                plan = self._plan(dag_id, name, folder)
            except SQLAlchemyError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever Airflow says of one DAG, the others are shown
                log.warning("DAG %s cannot be read: %r", dag_id, error)
                what = f"Airflow cannot read what it has stored of it: {type(error).__name__}"
                problems.append(Problem(Path(dag_id), 1, 1, "DAG", what, "see the log of the API server"))
                continue
            if plan is not None:
                found[name] = plan
        groups = {name: group for plan in found.values() for name, group in plan.groups.items()}
        return Library(found, groups, tuple(problems))

    def _plan(self, dag_id: str, name: str, folder: Path) -> RunnablePlan | None:
        newest = SerializedDagModel.latest_item_select_object(dag_id)
        columns = (SerializedDagModel.id, SerializedDagModel.last_updated)
        version = self.session.execute(newest.with_only_columns(*columns)).one_or_none()
        known = _READ_PLANS.get(dag_id)
        if known is None or known[0] != (version, folder):
            dag = SerializedDagModel.get_dag(dag_id, session=self.session)
            check = dag.task_dict.get(PREFLIGHT_TASK) if dag else None
            known = _READ_PLANS[dag_id] = (
                (version, folder),
                read_drawn(check.doc_json or "", name, folder) if check else None,
            )
        return known[1]

    def broken_files(self) -> Mapping[str, str]:
        """Read the import errors of plan files."""
        rows = self.session.execute(select(ParseImportError.filename, ParseImportError.stacktrace))
        return {file: said or "" for file, said in rows if file and file.endswith(SUFFIXES)}

    def stopped_parts(self, now: datetime) -> tuple[str, ...]:
        """Compare the heartbeats of scheduler and triggerer with Airflow's own thresholds."""
        return tuple(part for part, job in _PARTS.items() if not self._is_alive(part, job, now))

    def _is_alive(self, part: str, job: str, now: datetime) -> bool:
        newest = select(func.max(Job.latest_heartbeat)).where(Job.job_type == job, Job.state == "running")
        beat = self.session.scalar(newest)
        if beat is None:
            return False
        longest = conf.getint(part, f"{part}_health_check_threshold", fallback=30)
        return (now - beat).total_seconds() <= longest

    def _kept_until(self, runs: Sequence[tuple[str, str]]) -> dict[str, datetime]:
        """Read until when the drills of these runs are kept for people, those that still are."""
        rows = self.session.scalars(
            select(XComModel).where(
                tuple_(XComModel.dag_id, XComModel.run_id).in_(runs),
                XComModel.task_id == KEEP_TASK,
                XComModel.key == KeptDrill.KEY,
            )
        )
        found = {row.dag_id: _kept(_believed(row)) for row in rows}
        return {dag_id: kept.until for dag_id, kept in found.items() if kept and kept.ended_at is None}

    def _verdicts(self, runs: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Read what the report tasks of these runs, one of each DAG, left as their verdict."""
        rows = self.session.scalars(
            select(XComModel).where(
                tuple_(XComModel.dag_id, XComModel.run_id).in_(runs),
                XComModel.task_id == REPORT_TASK,
                XComModel.key == WrittenReport.KEY,
            )
        )
        reports = {row.dag_id: _report(_believed(row)) for row in rows}
        return {dag_id: report.verdict for dag_id, report in reports.items() if report}

    def _drawn(
        self, dag_id: str, before: RunData | None
    ) -> tuple[object, Mapping[str, frozenset[str]], Mapping[str, str]]:
        """Read which version of a DAG there is, what its tasks wait for, and the names of their classes."""
        newest = SerializedDagModel.latest_item_select_object(dag_id)
        columns = (SerializedDagModel.id, SerializedDagModel.dag_hash, SerializedDagModel.last_updated)
        version = self.session.execute(newest.with_only_columns(*columns)).one_or_none()
        drawn_as = version and tuple(version)
        if before is not None and before.drawn_as == drawn_as:
            return drawn_as, before.upstream, before.classes
        dag = SerializedDagModel.get_dag(dag_id, session=self.session)
        if dag is None:
            return drawn_as, {}, {}
        tasks = dag.task_dict
        return (
            drawn_as,
            {task_id: frozenset(task.upstream_task_ids) for task_id, task in tasks.items()},
            {task_id: str(task.task_type) for task_id, task in tasks.items()},
        )

    def _entries(self, dag_id: str, run_id: str, before: Mapping[Origin, ReadEntry]) -> dict[Origin, ReadEntry]:
        """Read what the tasks of a run left: of what was read before, only when it was written."""
        written = {**self._xcoms_written(dag_id, run_id), **self._entries_written(dag_id, run_id)}
        fresh = {place for place, at in written.items() if place not in before or before[place].at != at}
        values = {**self._xcoms(dag_id, run_id, fresh), **self._kept(dag_id, run_id, fresh)} if fresh else {}
        found: dict[Origin, ReadEntry] = {}
        for place, at in written.items():
            if place not in fresh:
                found[place] = before[place]
            elif place in values:
                found[place] = ReadEntry(at, values[place], problem_of(values[place], place))
        return found

    def _xcoms_written(self, dag_id: str, run_id: str) -> dict[Origin, datetime]:
        rows = self.session.execute(
            select(XComModel.task_id, XComModel.key, XComModel.timestamp).where(
                XComModel.dag_id == dag_id,
                XComModel.run_id == run_id,
                XComModel.map_index == _NOT_MAPPED,
                XComModel.key.in_(_XCOM_KEYS),
            )
        )
        return {Origin(dag_id, run_id, task_id, key): at for task_id, key, at in rows}

    def _entries_written(self, dag_id: str, run_id: str) -> dict[Origin, datetime]:
        """Say when entries of the task state store were written: what counts as left, and orders.

        An order that somebody has written past the pages and the command line is shown: no task obeys it.
        """
        rows = self.session.execute(
            select(TaskStateStoreModel.task_id, TaskStateStoreModel.key, TaskStateStoreModel.updated_at).where(
                TaskStateStoreModel.dag_id == dag_id,
                TaskStateStoreModel.run_id == run_id,
                TaskStateStoreModel.map_index == _NOT_MAPPED,
                TaskStateStoreModel.key.in_([*_STORE_KEYS, RunOrder.KEY]),
            )
        )
        return {Origin(dag_id, run_id, task_id, key, stored_in="task_state_store"): at for task_id, key, at in rows}

    def _xcoms(self, dag_id: str, run_id: str, wanted: Iterable[Origin]) -> dict[Origin, object]:
        """Read XComs; an empty one counts as not left."""
        places = [(place.task_id, place.key) for place in wanted if place.stored_in == "xcom"]
        if not places:
            return {}
        rows = self.session.scalars(
            select(XComModel).where(
                XComModel.dag_id == dag_id,
                XComModel.run_id == run_id,
                XComModel.map_index == _NOT_MAPPED,
                tuple_(XComModel.task_id, XComModel.key).in_(places),
            )
        )
        found = {Origin(dag_id, run_id, row.task_id, row.key): unwrapped(value_of(row)) for row in rows}
        return {place: value for place, value in found.items() if value}

    def _kept(self, dag_id: str, run_id: str, wanted: Iterable[Origin]) -> dict[Origin, object]:
        """Read entries of the task state store, such as later jobs of a wave, or orders."""
        places = [(place.task_id, place.key) for place in wanted if place.stored_in == "task_state_store"]
        if not places:
            return {}
        rows = self.session.execute(
            select(TaskStateStoreModel.task_id, TaskStateStoreModel.key, TaskStateStoreModel.value).where(
                TaskStateStoreModel.dag_id == dag_id,
                TaskStateStoreModel.run_id == run_id,
                TaskStateStoreModel.map_index == _NOT_MAPPED,
                tuple_(TaskStateStoreModel.task_id, TaskStateStoreModel.key).in_(places),
            )
        )
        return {
            Origin(dag_id, run_id, task_id, key, stored_in="task_state_store"): unwrapped(json.loads(value))
            for task_id, key, value in rows
        }


def _is_order(place: Origin) -> bool:
    """Whether it is an order to a task, which is shown where it is forged, and else only once a task has obeyed it."""
    return place.stored_in == "task_state_store" and place.key == RunOrder.KEY


def _is_no_document(place: Origin, value: object) -> bool:
    """Whether it may well be what a task returns for people to read, such as a step's words: nobody reads it as one."""
    return place.key == RETURNED and not isinstance(value, Mapping)


def _believed(row: Any) -> object:
    """Give the value of an unmapped row of the XCom table; None where its task has not written it."""
    return believed(unwrapped(value_of(row)), Origin(row.dag_id, row.run_id, row.task_id, row.key))


def _mode(conf: Mapping[str, object] | None) -> str | None:
    mode = (conf or {}).get("mode")
    return None if mode is None else str(mode)


def _kept(left: object) -> KeptDrill | None:
    try:
        return KeptDrill.read(left)
    except HandoverUnreadable:
        return None


def _report(left: object) -> WrittenReport | None:
    try:
        return WrittenReport.read(left)
    except HandoverUnreadable:
        return None


def airflow_app() -> FastAPI:
    """Build the app over the Airflow of this process."""
    access = Access(
        may_read_run=requires_access_dag("GET", DagAccessEntity.RUN),
        readable_dags=_readable_dags,
        may_read_problems=_may_read_problems,
        may_read_runs=requires_access_dag("GET", DagAccessEntity.RUN),
        editable_plans=editable_plans,
    )
    sources = Sources(runs=_runs, access=access, plans_folder=plans_folder, reports_folder=_reports_folder, now=_now)
    app = create_app(sources)
    history = HistorySources(_past_runs, access, _reports_folder, _now, HistoryIndex(_reports_folder))
    add_history(app, history)
    add_orders(app, store=airflow_store, may_edit_run=requires_access_dag("PUT", DagAccessEntity.RUN))
    add_rights(app, may_read_run=access.may_read_run, rights_of=airflow_rights)
    add_answers(
        app,
        questions=airflow_questions,
        key=lambda: conf.get("api", "secret_key", fallback=""),
        now=_now,
    )
    console = console_sources(_runs, _readable_dags, plans_folder, history.index)
    add_console(app, console, *api_routers(plan_sources(console, history, access, _runs), airflow_steering(access)))
    add_plan_pages(app, console, plans_listed(sources))
    return app


def plans_folder() -> Path:
    """Return the folder of plans, as configured; by default ``plans`` beside Airflow's DAGs folder."""
    beside = Path(conf.get_mandatory_value("core", "dags_folder")).expanduser().absolute().parent
    return configuration.plans_folder() or beside / "plans"


def _reports_folder() -> ObjectStoragePath:
    return ObjectStoragePath(reports_location())


def _now() -> datetime:
    return datetime.now(UTC)


def _runs(session: SessionDep) -> Runs:
    return AirflowRuns(session)


def _past_runs(session: SessionDep) -> PastRuns:
    return AirflowHistory(session, AirflowRuns(session))


def _readable_dags(user: GetUserDep, session: SessionDep) -> set[str]:
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)


def _may_read_problems(user: GetUserDep) -> bool:
    return get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=user)
