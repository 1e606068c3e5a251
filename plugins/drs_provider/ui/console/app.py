"""The console's pages, mounted beside the REST API: who may ask, what is asked for, which page shows it."""

import json
from collections.abc import Collection
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse

from drs_provider.api.app import PREFIX, create_api
from drs_provider.api.pages import Search, Sort, take_page
from drs_provider.api.problems import PRIVATE, RequestRefused
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.protection_groups import FIELDS as GROUP_FIELDS
from drs_provider.api.v1.protection_groups import group_view, members_by_group
from drs_provider.api.v1.saved_changes import etag_of
from drs_provider.api.v1.source_servers import FIELDS, View, accounts_of, filtered, row_key, server_of
from drs_provider.formatting import plural
from drs_provider.rules.aws_console import console_url
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.survey import InventorySurvey, has_dag_id
from drs_provider.ui.console.lists import COLUMNS, Listing, ServersPage, columns_of, views_of
from drs_provider.ui.pages import form_page

Columns = Annotated[list[Annotated[str, Query(max_length=20)]], Query(max_length=30)]
After = Annotated[str | None, Query(max_length=4000)]
ROWS = 100
"""Rows on one page of a list."""


def add_console(app: FastAPI, sources: ApiSources, *more: APIRouter) -> None:
    """Add the pages and the API.

    :param more: routers of other parts of the API
    """
    app.mount(PREFIX, create_api(sources, *more))
    _add_servers(app, sources)
    _add_groups(app, sources)


def _add_servers(app: FastAPI, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    readable_dags: Any = sources.access.readable_dags

    @app.get("/servers", dependencies=[Depends(sources.access.may_read)])
    def servers_page(  # noqa: PLR0917  (the filters of its address)
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        view: View = "all",
        q: Search = "",
        account: Annotated[str, Query(max_length=20)] = "",
        region: Annotated[str, Query(max_length=40)] = "",
        sort: Sort = "hostname",
        columns: Columns = [],  # noqa: B006  (FastAPI copies it)
        after: After = None,
    ) -> HTMLResponse:
        filters = {"view": view, "q": q, "account": account, "region": region}
        listing = Listing("servers", filters, sort or "hostname", tuple(columns))
        rows = reader.rows(now)
        exact = {"account": account, "region": region}
        found = filtered(rows, view=view, text=q, exact=exact, tags=())
        try:
            page = take_page(found, key=row_key, fields=FIELDS, sort=listing.sort, limit=ROWS, after=after)
        except RequestRefused as error:
            raise HTTPException(error.status, error.detail) from error
        shown = ServersPage(
            servers=[server_of(row) for row in page.rows],
            accounts=accounts_of(now.states, rows, sources.now()),
            views=views_of(rows, listing, view),
            total=page.total,
            next=page.next,
            is_first=after is None,
            every_seconds=int(sources.inventory.fresh_for.total_seconds()),
            missing=now.past.problem or (f"{plural(now.past.pending, 'report')} not read yet" * bool(now.past.pending)),
        )
        chosen = columns_of(columns)
        return _page("servers.html.j2", "servers.js", page=shown, listing=listing, columns=COLUMNS, chosen=chosen)

    @app.get("/server", dependencies=[Depends(sources.access.may_read)])
    def server_page(
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
        id: Annotated[str, Query(max_length=100)] = "",  # noqa: A002  (as its address has it)
    ) -> HTMLResponse:
        row = next((row for row in reader.rows(now) if row.server.server_id == id), None)
        if row is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the inventory has no source server of this id that you may see")
        state = next((state for state in now.states if state.place == row.server.place), None)
        account = accounts_of([state], (), sources.now())[0] if state else None
        return _page(
            "server.html.j2",
            "server.js",
            server=server_of(row),
            account=account,
            runs=[launch for launch in row.launches if has_dag_id(launch.dag_id, readable)],
            hidden=sum(not has_dag_id(launch.dag_id, readable) for launch in row.launches),
            problem=now.past.problem,
            console=console_url(f"sourceServers/{row.server.server_id}", region=row.server.place.region),
        )


def _add_groups(app: FastAPI, sources: ApiSources) -> None:
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    editable_dags: Any = sources.access.editable_dags
    may_edit: Any = sources.access.may_edit

    @app.get("/groups", dependencies=[Depends(sources.access.may_read)])
    def groups_page(  # noqa: PLR0917  (the filters of its address)
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        is_editor: Annotated[bool, Depends(may_edit)],
        q: Search = "",
        sort: Sort = "name",
        after: After = None,
    ) -> HTMLResponse:
        listing = Listing("groups", {"q": q}, sort or "name")
        needle = q.strip().lower()
        found = [
            group
            for name, group in reader.catalog.groups.items()
            if name in reader.visible
            and needle in f"{name}\n{group.definition.get('description', '')}\n{group.file}".lower()
        ]
        try:
            page = take_page(
                found, key=lambda group: group.name, fields=GROUP_FIELDS, sort=listing.sort, limit=ROWS, after=after
            )
        except RequestRefused as error:
            raise HTTPException(error.status, error.detail) from error
        members = members_by_group(now)
        groups = [group_view(group, reader, members, editable) for group in page.rows]
        values = {"total": page.total, "next": page.next, "is_first": after is None}
        return _page("groups.html.j2", "servers.js", groups=groups, listing=listing, is_editor=is_editor, **values)

    @app.get("/group", dependencies=[Depends(sources.access.may_read)])
    def group_page(
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
        editable: Annotated[Collection[str], Depends(editable_dags)],
        is_editor: Annotated[bool, Depends(may_edit)],
        name: Annotated[str, Query(max_length=100)] = "",
    ) -> HTMLResponse:
        """Show a group; without a name, the form for a new one."""
        if not name:
            if not is_editor:
                raise HTTPException(HTTPStatus.FORBIDDEN, "you may not create protection groups")
            return _page("group.html.j2", "group.js", group=None, etag="", definition="{}", rows=[], is_editor=True)
        if name not in reader.visible:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no protection group of this name that you may read")
        written = reader.catalog.groups[name]
        shown = group_view(written, reader, members_by_group(now), editable)
        known = {row.server.server_id: row for row in reader.rows(now)}
        return _page(
            "group.html.j2",
            "group.js",
            group=shown,
            etag=etag_of(written.digest),
            definition=json.dumps(shown.definition),
            rows=[server_of(known[server]) for server in shown.servers if server in known],
            is_editor=is_editor and shown.is_editable,
        )


def _page(template: str, script: str, **values: object) -> HTMLResponse:
    html, policy = form_page(template, script, **values)
    return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})
