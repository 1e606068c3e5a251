"""The REST API and the console's pages over accounts in memory."""

import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from drs_provider.api.access import ConsoleAccess
from drs_provider.api.sources import ApiSources
from drs_provider.plan.loader import Library
from drs_provider.rules.run.roster import Target
from drs_provider.services.history.index import HistoryIndex
from drs_provider.services.inventory.cache import Inventory
from drs_provider.ui.app import add_history
from drs_provider.ui.console.app import add_console
from drs_provider.ui.console.plan_pages import add_plan_pages
from drs_provider.ui.history.routes import history_router, reports_router
from drs_provider.ui.history.sources import HistorySources
from drs_provider.ui.plan_list import PlanList
from drs_provider.ui.read_model import Access
from fastapi import FastAPI, HTTPException
from kit.past_runs import PastRunsInMemory

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
    from fastapi.testclient import TestClient

NOW = datetime(2026, 11, 22, 5, 10, tzinfo=UTC)


def server(number: int, name: str, *, state: str = "CONTINUOUS", lag: str = "PT0S", **tags: str):
    """An item of DescribeSourceServers."""
    return {
        "sourceServerID": f"s-{number:017d}",
        "tags": tags,
        "sourceProperties": {"identificationHints": {"hostname": name}},
        "dataReplicationInfo": {
            "dataReplicationState": state,
            "lagDuration": lag,
            "replicatedDisks": [{"backloggedStorageBytes": 1024 * number}],
        },
        "lifeCycle": {"lastSeenByServiceDateTime": "2026-11-22T05:09:00Z"},
        "replicationDirection": "FAILOVER",
        "agentVersion": "5.1",
    }


@dataclass
class FakeAccount:
    """An account and Region; ``error`` is what it answers instead, ``calls`` counts what it was asked."""

    account: str = "111122223333"
    region: str = "us-west-2"
    servers: list = field(default_factory=list)
    instances: list = field(default_factory=list)
    error: Exception | None = None
    calls: list = field(default_factory=list)

    def caller_account(self):
        self.calls.append("account")
        return self.account

    def every_source_server(self):
        self.calls.append("servers")
        if self.error:
            raise self.error
        return tuple(self.servers)

    def recovery_instances(self):
        return tuple(self.instances)

    def newest_recovery_snapshot(self, server_id):
        self.calls.append(server_id)
        return {"timestamp": "2026-11-22T05:05:00Z"}


@dataclass
class Console:
    """A server with the console: who asks, what AWS says, what stands in the audit log."""

    plans: Path
    accounts: dict = field(default_factory=dict)
    may_read: bool = True
    may_edit: bool = True
    may_write: bool = True
    readable: set = field(default_factory=lambda: {"drs.shop"})
    editable: set = field(default_factory=lambda: {"drs.shop"})
    audit: list = field(default_factory=list)
    now: datetime = NOW
    more: tuple = ()
    branches: str | None = None

    def __post_init__(self):
        def hook_of(target: Target):
            return self.accounts[target.aws_conn_id, target.region]

        self.inventory = Inventory(hook_of, lambda: self.now)
        self.sources = ApiSources(
            access=ConsoleAccess(
                may_read=self._may_read,
                may_edit_groups=self._may_edit,
                may_edit=lambda: self.may_edit,
                readable_dags=lambda: self.readable,
                editable_dags=lambda: self.editable,
                audit=lambda: lambda event, extra: self.audit.append((event, extra)),
                person=lambda: "olga <op>",
            ),
            inventory=self.inventory,
            plans_folder=lambda: self.plans,
            drawn_library=lambda: lambda _folder: Library(),
            more_accounts=lambda: self.more,
            may_write=lambda: self.may_write,
            now=lambda: self.now,
            edit_branches=lambda: self.branches,
        )
        self.access = Access(
            may_read_run=self._may_read_run,
            readable_dags=lambda: self.readable,
            may_read_problems=lambda: True,
            may_read_runs=self._may_read_runs,
        )
        reports = self.plans.parent / "reports"
        self.history = HistorySources(
            PastRunsInMemory, self.access, lambda: reports, lambda: self.now, HistoryIndex(lambda: reports)
        )

    def client(self) -> TestClient:
        app = FastAPI(openapi_url=None)
        add_history(app, self.history)
        add_console(app, self.sources, history_router(self.history), reports_router(self.history))
        add_plan_pages(app, self.sources, lambda: PlanList(plans=[], broken=[]))
        return TestClient(app, raise_server_exceptions=False)

    def _may_read(self) -> None:
        if not self.may_read:
            raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})

    def _may_read_runs(self) -> None:
        self._may_read()

    def _may_read_run(self) -> None:
        self._may_read()

    def _may_edit(self) -> None:
        if not self.may_edit:
            raise HTTPException(403, "Forbidden")
