"""The pages of a plan: how it stands, the editor, and the runbook on paper."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse

from drs_provider.api.problems import PRIVATE, RequestRefused
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.group_checks import problem_detail
from drs_provider.api.v1.plan_changes import outlook_view, readable_plan
from drs_provider.api.v1.protection_groups import members_by_group
from drs_provider.api.v1.saved_changes import etag_of
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rules.outlook.next_drill import next_drill
from drs_provider.rules.outlook.runbook import KnownMembers, make_runbook
from drs_provider.services.groups.catalog import GroupCatalog, WrittenPlan
from drs_provider.services.groups.preview import outlook_of
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.survey import InventorySurvey, has_dag
from drs_provider.ui.console.plan_forms import plan_forms
from drs_provider.ui.pages import form_page
from drs_provider.ui.plan_list import PlanList, PlanRow

PlanNamed = Annotated[str, Query(max_length=100)]
RunbookMode = Literal["recovery", "drill", "migration"]


@dataclass(frozen=True)
class GroupOnPage:
    """A protection group as the pages of a plan show it."""

    name: str
    description: str
    servers: int
    hostnames: tuple[str, ...]
    waves: tuple[str, ...] = ()


def add_plan_pages(app: FastAPI, sources: ApiSources, listed: Callable[..., PlanList]) -> None:
    """Add the pages.

    :param listed: a FastAPI dependency: the plans that the caller may read, each with how it stands
    """
    _add_plan(app, sources, listed)
    _add_editor(app, sources)
    _add_runbook(app, sources)


def _add_plan(app: FastAPI, sources: ApiSources, listed_plans: Callable[..., PlanList]) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags
    may_edit: Any = sources.access.may_edit
    listed: Any = listed_plans

    @app.get("/plan", dependencies=[Depends(sources.access.may_read)])
    def plan_page(  # noqa: PLR0917  (what it shows)
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        is_editor: Annotated[bool, Depends(may_edit)],
        plans: Annotated[PlanList, Depends(listed)],
        name: PlanNamed = "",
    ) -> HTMLResponse:
        """Show a plan: its waves, members, objectives, predicted times, how it stands."""
        written, runnable = _found(name, reader)
        outlook = outlook_of(name, reader.catalog, _counts(now, reader))
        row = next((row for row in plans.plans if row.name == name), None)
        return _page(
            "plan.html.j2",
            "plan.js",
            plan=runnable.plan if runnable else None,
            name=name,
            title=(runnable.plan.title if runnable else None) or name,
            written=written,
            problems=[problem_detail(problem, reader.catalog.folder, reader) for problem in written.problems]
            if written
            else [],
            row=row,
            outlook=outlook,
            graph=json.dumps(outlook_view(outlook).model_dump() if outlook else None),
            groups=groups_of_plan(runnable, reader, now) if runnable else [],
            next_drill=_next_drill(runnable, row, sources.now()),
            is_editor=is_editor and written is not None and has_dag(name, editable),
        )


def _add_editor(app: FastAPI, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags

    @app.get("/plan-editor", dependencies=[Depends(sources.access.may_read), Depends(sources.access.may_edit_groups)])
    def plan_editor(
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        name: PlanNamed = "",
    ) -> HTMLResponse:
        """Show the editor of a plan; without a name, of a new one."""
        written = _readable(name, reader) if name else None
        if written and not has_dag(name, editable):
            raise HTTPException(HTTPStatus.FORBIDDEN, "you may not change this plan")
        counts = _counts(now, reader)
        known = [
            {
                "name": group.name,
                "servers": counts.get(group.name, len(group.group.servers) if group.group else 0),
                "description": str(group.definition.get("description") or ""),
            }
            for _, group in sorted(reader.catalog.groups.items())
            if group.name in reader.visible
        ]
        return _page(
            "plan_editor.html.j2",
            "plan_editor.js",
            name=name,
            file=written.where if written else "",
            etag=etag_of(written.digest) if written else "",
            definition=json.dumps(dict(written.definition) if written else {}),
            forms=json.dumps(plan_forms()),
            groups=json.dumps(known),
        )


def _add_runbook(app: FastAPI, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()

    @app.get("/plan-runbook", dependencies=[Depends(sources.access.may_read)])
    def plan_runbook(
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        name: PlanNamed = "",
        mode: RunbookMode = "recovery",
    ) -> HTMLResponse:
        """Show the steps of a plan before any run, to be printed."""
        written, runnable = _found(name, reader)
        if runnable is None:
            raise HTTPException(HTTPStatus.CONFLICT, "something is wrong with this plan: its page says what")
        names = {row.server.server_id: row.server.hostname for row in reader.rows(now)}
        runbook = make_runbook(runnable, mode, KnownMembers(names, members_by_group(now)))
        return _page(
            "plan_runbook.html.j2",
            "plan_runbook.js",
            runbook=runbook,
            plan=runnable.plan,
            file=written.where if written else "",
            modes=("recovery", "drill", "migration"),
            printed=sources.now(),
        )


def _readable(name: str, reader: GroupReader) -> WrittenPlan:
    try:
        return readable_plan(name, reader)
    except RequestRefused as error:
        raise HTTPException(error.status, error.detail) from error


def _found(name: str, reader: GroupReader) -> tuple[WrittenPlan | None, RunnablePlan | None]:
    """Return a plan as it is written, where its file is here, and as it can run, where nothing is wrong with it."""
    runnable = _runnable(name, reader.catalog)
    if not reader.catalog.written_plans and runnable is not None and has_dag(name, reader.readable):
        return None, runnable
    return _readable(name, reader), runnable


def _runnable(name: str, catalog: GroupCatalog) -> RunnablePlan | None:
    return catalog.library.plans.get(name) or catalog.library.contested.get(name)


def _counts(now: InventorySurvey, reader: GroupReader) -> dict[str, int]:
    return {group: len(members) for group, members in members_by_group(now).items() if group in reader.visible}


def groups_of_plan(runnable: RunnablePlan, reader: GroupReader, now: InventorySurvey) -> list[GroupOnPage]:
    """Return the members of a plan: its groups in the order of its waves, with their servers now."""
    names = {row.server.server_id: row.server.hostname for row in reader.rows(now)}
    members = members_by_group(now)
    return [
        GroupOnPage(
            group.name,
            group.description or "",
            len(members.get(group.name, ())),
            tuple(names.get(server, server) for server in members.get(group.name, ())),
            tuple(wave.name for wave in runnable.plan.waves if group.name in wave.groups),
        )
        for group in runnable.groups.values()
    ]


def _next_drill(runnable: RunnablePlan | None, row: PlanRow | None, now: datetime) -> datetime | None:
    return next_drill(runnable.plan, now) if runnable and not (row and row.is_paused) else None


def _page(template: str, script: str, **values: object) -> HTMLResponse:
    html, policy = form_page(template, script, **values)
    return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})
