"""``/accounts`` and ``/source-servers``: the inventory."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from drs_provider.api.pages import After, Limit, Search, Sort, SortKey, take_page
from drs_provider.api.path_parts import ServerId
from drs_provider.api.problems import RequestRefused, more_responses
from drs_provider.api.sources import ApiSources
from drs_provider.rules.inventory.server import NOT_LISTED
from drs_provider.rules.inventory.views import VIEWS, InventoryRow
from drs_provider.services.groups.catalog import GroupCatalog
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.survey import InventorySurvey
from drs_provider.services.inventory.cache import AccountState

View = Literal["all", "unprotected", "not-in-plan", "lagging", "not-replicating", "never-drilled"]

Tag = Annotated[list[str], Query(max_length=20, description="A tag as `KEY=VALUE`, or `KEY`; several: all of them.")]


class Account(BaseModel):
    """An account and Region of the inventory."""

    account: str = Field(description="Empty: nobody knows which account the connection leads to.")
    region: str
    connections: list[str] = Field(description="The Airflow connections that groups and settings name it by.")
    servers: int = Field(description="Those that you may see.")
    asked_at: datetime | None = Field(description="Of when its servers are; null: it has never answered.")
    age_seconds: float | None
    problem: str = Field(description="Why it cannot be asked now; empty: it has answered.")


class AccountList(BaseModel):
    """All accounts and Regions of the inventory."""

    accounts: list[Account]


class ServerLaunch(BaseModel):
    """The newest launch of a server."""

    kind: str = Field(description="`DRILL` or `RECOVERY`.")
    status: str
    job_id: str
    at: datetime | None


class ServerInstance(BaseModel):
    """The live recovery instance of a server."""

    instance_id: str
    ec2_instance_id: str
    ec2_state: str
    is_drill: bool


class SourceServer(BaseModel):
    """A source server: what DRS says of it, and where it belongs."""

    server_id: str
    hostname: str
    account: str
    region: str
    state: str = Field(description="DRS's own word; `NOT_LISTED`: a group names it, DRS does not list it.")
    direction: str
    lag_seconds: float | None
    backlog_bytes: int
    trouble: str
    agent_version: str
    last_seen: datetime | None
    source_account: str
    source_region: str
    tags: dict[str, str]
    groups: list[str]
    plans: list[str]
    objective_seconds: float | None = Field(description="The strictest RPO of its plans.")
    problems: list[str]
    last_launch: ServerLaunch | None
    instance: ServerInstance | None
    drilled_at: datetime | None = Field(
        description="When a drill has launched it last, by reports of runs and DRS; null: none is known."
    )
    recovered_at: datetime | None = Field(description="When a run has launched it for good last, in the same way.")


class SourceServerDetail(SourceServer):
    """A source server with what costs a call to ask."""

    newest_recovery_point: datetime | None
    recovery_point_problem: str = Field(description="Why the newest recovery point is not known; empty: it is.")


class SourceServerList(BaseModel):
    """One page of source servers."""

    servers: list[SourceServer]
    next: str | None = Field(description="Give it as `after` for the next page; null: this is the last one.")
    total: int
    accounts: list[Account]


FIELDS: Final[Mapping[str, Callable[[InventoryRow], SortKey | None]]] = {
    "hostname": lambda row: row.server.hostname.lower(),
    "server_id": lambda row: row.server.server_id,
    "account": lambda row: row.server.place.account,
    "region": lambda row: row.server.place.region,
    "state": lambda row: row.server.state,
    "lag_seconds": lambda row: row.server.lag_seconds,
    "backlog_bytes": lambda row: float(row.server.backlog_bytes),
    "agent_version": lambda row: row.server.agent_version or None,
    "group": lambda row: row.groups[0] if row.groups else None,
    "plan": lambda row: row.plans[0] if row.plans else None,
    "last_launch": lambda row: launch.at.timestamp() if (launch := row.server.last_launch) and launch.at else None,
    "drilled_at": lambda row: row.drilled_at.timestamp() if row.drilled_at else None,
    "instance": lambda row: row.server.instance.ec2_instance_id if row.server.instance else None,
}
"""What source servers can be sorted by."""


def source_servers_router(sources: ApiSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["source servers"], dependencies=[Depends(sources.access.may_read)])
    look: Any = sources.survey()
    catalog_now: Any = sources.catalog()
    readable_dags: Any = sources.access.readable_dags

    def visible(
        now: Annotated[InventorySurvey, Depends(look)],
        catalog: Annotated[GroupCatalog, Depends(catalog_now)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
    ) -> list[InventoryRow]:
        return GroupReader(catalog, readable).rows(now)

    @router.get("/accounts")
    def accounts(
        now: Annotated[InventorySurvey, Depends(look)], rows: Annotated[list[InventoryRow], Depends(visible)]
    ) -> AccountList:
        """List the accounts and Regions of the inventory, with the age of what is known of each."""
        return AccountList(accounts=accounts_of(now.states, rows, sources.now()))

    @router.get("/source-servers")
    def source_servers(  # noqa: PLR0917  (the filters of its address)
        rows: Annotated[list[InventoryRow], Depends(visible)],
        now: Annotated[InventorySurvey, Depends(look)],
        view: View = "all",
        q: Search = "",
        account: Annotated[str, Query(max_length=20)] = "",
        region: Annotated[str, Query(max_length=40)] = "",
        state: Annotated[str, Query(max_length=40)] = "",
        group: Annotated[str, Query(max_length=100)] = "",
        plan: Annotated[str, Query(max_length=100)] = "",
        tag: Tag = [],  # noqa: B006  (FastAPI copies it)
        sort: Sort = "hostname",
        limit: Limit = 100,
        after: After = None,
    ) -> SourceServerList:
        """List source servers; every filter that is given must hold."""
        exact = {"account": account, "region": region, "state": state, "group": group, "plan": plan}
        found = filtered(rows, view=view, text=q, exact=exact, tags=tag)
        page = take_page(found, key=row_key, fields=FIELDS, sort=sort, limit=limit, after=after)
        return SourceServerList(
            servers=[server_of(row) for row in page.rows],
            next=page.next,
            total=page.total,
            accounts=accounts_of(now.states, rows, sources.now()),
        )

    @router.get("/source-servers/{server_id}", responses=more_responses(404))
    def source_server(server_id: ServerId, rows: Annotated[list[InventoryRow], Depends(visible)]) -> SourceServerDetail:
        """Read one source server, with its newest recovery point, which costs a call to DRS."""
        row = next((row for row in rows if row.server.server_id == server_id), None)
        if row is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"the inventory has no source server {server_id}")
        newest, problem = sources.inventory.newest_recovery_point(row.server)
        return SourceServerDetail(
            **server_of(row).model_dump(), newest_recovery_point=newest, recovery_point_problem=problem
        )

    return router


def filtered(
    rows: Iterable[InventoryRow], *, view: str, text: str, exact: Mapping[str, str], tags: Iterable[str]
) -> list[InventoryRow]:
    """Return the rows of a view that hold a text and have these values and tags."""
    belongs, needle = VIEWS[view], text.strip().lower()
    wanted = [tag.partition("=") for tag in tags]
    return [
        row
        for row in rows
        if belongs(row)
        and all(not value or value in _values(row, name) for name, value in exact.items())
        and all(
            key in row.server.tags and (not equals or row.server.tags[key] == value) for key, equals, value in wanted
        )
        and (not needle or needle in _text(row))
    ]


def _values(row: InventoryRow, name: str) -> Collection[str]:
    server = row.server
    match name:
        case "account":
            return (server.place.account,)
        case "region":
            return (server.place.region,)
        case "state":
            return (server.state,)
        case "group":
            return row.groups
        case _:
            return row.plans


def _text(row: InventoryRow) -> str:
    server = row.server
    tags = (f"{key}={value}" for key, value in server.tags.items())
    instance = server.instance.ec2_instance_id if server.instance else ""
    return "\n".join((server.hostname, server.server_id, instance, *row.groups, *row.plans, *tags)).lower()


def row_key(row: InventoryRow) -> str:
    """What no two rows have in common."""
    return f"{row.server.server_id} {row.server.place.account} {row.server.place.region}"


def server_of(row: InventoryRow) -> SourceServer:
    """Write a row as the API does."""
    server, launch, instance = row.server, row.server.last_launch, row.server.instance
    return SourceServer(
        server_id=server.server_id,
        hostname=server.hostname,
        account=server.place.account,
        region=server.place.region,
        state=server.state,
        direction=server.direction,
        lag_seconds=server.lag_seconds,
        backlog_bytes=server.backlog_bytes,
        trouble=server.trouble,
        agent_version=server.agent_version,
        last_seen=server.last_seen,
        source_account=server.source_account,
        source_region=server.source_region,
        tags=dict(server.tags),
        groups=list(row.groups),
        plans=list(row.plans),
        objective_seconds=None if row.objective is None else row.objective.total_seconds(),
        problems=list(row.problems),
        last_launch=launch and ServerLaunch(kind=launch.kind, status=launch.status, job_id=launch.job_id, at=launch.at),
        instance=instance
        and ServerInstance(
            instance_id=instance.instance_id,
            ec2_instance_id=instance.ec2_instance_id,
            ec2_state=instance.ec2_state,
            is_drill=instance.is_drill,
        ),
        drilled_at=row.drilled_at,
        recovered_at=row.recovered_at,
    )


def accounts_of(states: Iterable[AccountState], rows: Iterable[InventoryRow], now: datetime) -> list[Account]:
    """Write the accounts and Regions of the inventory as the API does.

    :param rows: the servers that the caller may see
    """
    servers = Counter(row.server.place for row in rows if row.server.state != NOT_LISTED)
    return [
        Account(
            account=state.place.account if state.place else "",
            region=state.place.region if state.place else state.targets[0].region,
            connections=sorted({target.aws_conn_id for target in state.targets}),
            servers=servers[state.place] if state.place else 0,
            asked_at=state.asked_at,
            age_seconds=None if state.asked_at is None else max(0.0, (now - state.asked_at).total_seconds()),
            problem=state.problem,
        )
        for state in states
    ]
