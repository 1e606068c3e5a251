"""Runs, access and folders for the pages, from the database and the API server of the Airflow that serves them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath
from fastapi import FastAPI
from sqlalchemy import ColumnElement, func, or_, select, tuple_

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
    SerializedDagModel,
    TaskInstance,
    TaskStateStoreModel,
    XComModel,
)
from drs_provider.airflow_internals.xcom_values import value_of
from drs_provider.configuration import reports_location
from drs_provider.rules.purpose import CHECK
from drs_provider.rules.run.handover import HandoverUnreadable, KeptDrill, RunOrder, WrittenReport
from drs_provider.rules.run.handover.signature import Origin
from drs_provider.rules.run.names import KEEP_TASK, REPORT_TASK
from drs_provider.rules.run.state import TaskSnapshot
from drs_provider.services.signed import RETURNED, believed, problem_of
from drs_provider.ui.airflow_orders import airflow_store
from drs_provider.ui.answer_links import add_answers
from drs_provider.ui.answer_links_airflow import airflow_questions
from drs_provider.ui.app import create_app
from drs_provider.ui.orders import add_orders
from drs_provider.ui.read_model import DOCUMENTS, Access, LastRun, RunData, Runs, Sources
from drs_provider.ui.xcom_values import unwrapped

_XCOM_KEYS = tuple({document.KEY for document in DOCUMENTS if document.PLACE == "xcom"})
_STORE_KEYS = tuple({document.KEY for document in DOCUMENTS if document.PLACE == "task_state_store"})
_NOT_MAPPED = -1
_asked_mode = DagRun.conf["mode"].as_string()
"""What a run was asked to be; NULL where its conf does not say, as of a drill by schedule."""
_PARTS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob"}
"""The parts of Airflow without which no run goes on, and what they call themselves in its table of jobs."""


class AirflowRuns:
    """Runs as Airflow's database has them, read with the request's own session."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def run(self, dag_id: str, run_id: str) -> RunData | None:
        """Read one run; mapped tasks, one per server, are left aside."""
        found = self.session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if found is None:
            return None
        tasks = self.session.execute(
            select(TaskInstance.task_id, TaskInstance.state, TaskInstance.start_date, TaskInstance.end_date).where(
                TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.map_index == _NOT_MAPPED
            )
        )
        upstream, classes = self._drawn(dag_id)
        left = {**self._left(dag_id, run_id), **self._kept(dag_id, run_id, _STORE_KEYS)}
        problems = {place: problem for place, value in left.items() if (problem := problem_of(value, place))}
        is_paused = self.session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id))
        return RunData(
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
            left={(place.task_id, place.key): value for place, value in left.items() if place not in problems},
            disbelieved={
                **{place: problem for place, problem in problems.items() if not _is_no_document(place, left[place])},
                **self._forged_orders(dag_id, run_id),
            },
        )

    def left(self, dag_id: str, run_id: str, task_id: str, key: str) -> object:
        """Read what an unmapped task of a run left under a key; None: nothing, or nothing that it wrote itself."""
        if key in _STORE_KEYS:
            kept = self._kept(dag_id, run_id, [key])
            return next((believed(value, place) for place, value in kept.items() if place.task_id == task_id), None)
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

    def _drawn(self, dag_id: str) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
        """Read what the tasks wait for, and the names of their classes."""
        dag = SerializedDagModel.get_dag(dag_id, session=self.session)
        if dag is None:
            return {}, {}
        tasks = dag.task_dict
        return (
            {task_id: frozenset(task.upstream_task_ids) for task_id, task in tasks.items()},
            {task_id: str(task.task_type) for task_id, task in tasks.items()},
        )

    def _left(self, dag_id: str, run_id: str) -> dict[Origin, object]:
        rows = self.session.scalars(
            select(XComModel).where(
                XComModel.dag_id == dag_id,
                XComModel.run_id == run_id,
                XComModel.map_index == _NOT_MAPPED,
                XComModel.key.in_(_XCOM_KEYS),
            )
        )
        found = {Origin(dag_id, run_id, row.task_id, row.key): unwrapped(value_of(row)) for row in rows}
        return {place: value for place, value in found.items() if value}

    def _forged_orders(self, dag_id: str, run_id: str) -> dict[Origin, str]:
        """Find the orders that somebody has written past the pages and the command line: no task obeys them."""
        orders = self._kept(dag_id, run_id, [RunOrder.KEY])
        return {place: problem for place, order in orders.items() if (problem := problem_of(order, place))}

    def _kept(self, dag_id: str, run_id: str, wanted: Sequence[str]) -> dict[Origin, object]:
        """Read entries of the task state store: what counts as left, such as later jobs of a wave, or orders."""
        rows = self.session.execute(
            select(TaskStateStoreModel.task_id, TaskStateStoreModel.key, TaskStateStoreModel.value).where(
                TaskStateStoreModel.dag_id == dag_id,
                TaskStateStoreModel.run_id == run_id,
                TaskStateStoreModel.map_index == _NOT_MAPPED,
                TaskStateStoreModel.key.in_(wanted),
            )
        )
        return {
            Origin(dag_id, run_id, task_id, key, stored_in="task_state_store"): unwrapped(json.loads(value))
            for task_id, key, value in rows
        }


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
    app = create_app(
        Sources(
            runs=_runs,
            access=Access(
                may_read_run=requires_access_dag("GET", DagAccessEntity.RUN),
                readable_dags=_readable_dags,
                may_read_problems=_may_read_problems,
            ),
            plans_folder=plans_folder,
            reports_folder=lambda: ObjectStoragePath(reports_location()),
            now=lambda: datetime.now(UTC),
        )
    )
    add_orders(app, store=airflow_store, may_edit_run=requires_access_dag("PUT", DagAccessEntity.RUN))
    add_answers(
        app,
        questions=airflow_questions,
        key=lambda: conf.get("api", "secret_key", fallback=""),
        now=lambda: datetime.now(UTC),
    )
    return app


def plans_folder() -> Path:
    """Return the folder of plans, as configured; by default ``plans`` beside Airflow's DAGs folder."""
    beside = Path(conf.get_mandatory_value("core", "dags_folder")).expanduser().absolute().parent
    return configuration.plans_folder() or beside / "plans"


def _runs(session: SessionDep) -> Runs:
    return AirflowRuns(session)


def _readable_dags(user: GetUserDep, session: SessionDep) -> set[str]:
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)


def _may_read_problems(user: GetUserDep) -> bool:
    return get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=user)
