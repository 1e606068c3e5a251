"""The REST API and the console's pages over accounts in memory."""

import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from drs_provider.api.access import Access, ConsoleAccess, RunRights
from drs_provider.api.history_sources import HistorySources
from drs_provider.api.plan_sources import PlanSources
from drs_provider.api.run_desk import Steering
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.routers import api_routers
from drs_provider.exceptions import AccessDenied
from drs_provider.plan.loader import Library
from drs_provider.rules.run.roster import Target
from drs_provider.services.history.index import HistoryIndex
from drs_provider.services.inventory.cache import Inventory
from drs_provider.ui.app import add_history
from drs_provider.ui.console.app import add_console
from drs_provider.ui.console.plan_pages import add_plan_pages
from drs_provider.ui.plan_list import PlanList
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
    points: list = field(default_factory=list)
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

    def recovery_snapshots(self, server_id):
        self.calls.append(f"points of {server_id}")
        if self.error:
            raise self.error
        return tuple(self.points)


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
    airflow: object = None
    """What runs are steered by: an ``InMemoryAirflow``."""
    may_steer: bool = True
    standings: dict = field(default_factory=dict)
    outcome: object = None
    """What preflight finds without a run: called with plan, library and form."""
    stopped: tuple = ()
    slept: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    branches: str | None = None
    past: tuple = ()
    """What Airflow knows of runs that were."""

    def __post_init__(self):
        def hook_of(target: Target):
            return self.accounts[target.aws_conn_id, target.region]

        reports = self.plans.parent / "reports"
        index = HistoryIndex(lambda: reports)
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
            settings_hook=self._settings_hook,
            past_launches=index.launches,
            edit_branches=lambda: self.branches,
        )
        self.access = Access(
            may_read_run=self._may_read_run,
            readable_dags=lambda: self.readable,
            may_read_problems=lambda: True,
            may_read_runs=self._may_read_runs,
        )
        self.history = HistorySources(self._past_runs, self.access, lambda: reports, lambda: self.now, index)
        self.plan_sources = PlanSources(
            api=self.sources,
            history=self.history,
            standings=lambda: lambda _library: self.standings,
            may_read_problems=lambda: True,
            may_preflight=self._may_preflight,
            preflight=lambda: self.outcome,
            stopped_parts=lambda: self.stopped,
        )
        self.steering = Steering(
            airflow=lambda: self.airflow,
            access=self.access,
            rights=RunRights(
                may_start=self._may_start,
                may_pause=self._may_pause,
                may_order=self._may_order,
                may_answer=self._may_answer,
                line=lambda: lambda *line: self.audit.append(line),
            ),
            sleep=self._sleep,
            monotonic=lambda: float(sum(self.slept)),
        )

    def _settings_hook(self, target: Target):
        if (target.aws_conn_id, target.region) not in self.settings:
            raise AccessDenied("GetLaunchConfiguration", "AccessDenied", "nobody may look")
        return self.settings[target.aws_conn_id, target.region]

    def client(self) -> TestClient:
        app = FastAPI(openapi_url=None)
        add_history(app, self.history)
        add_console(app, self.sources, *api_routers(self.plan_sources, self.steering))
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

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def _may_steer(self) -> None:
        self._may_read()
        if not self.may_steer:
            raise HTTPException(403, "Forbidden")

    def _may_start(self) -> None:
        self._may_steer()

    def _may_pause(self) -> None:
        self._may_steer()

    def _may_order(self) -> None:
        self._may_steer()

    def _may_answer(self) -> None:
        self._may_steer()

    def _may_preflight(self) -> None:
        self._may_steer()

    def _past_runs(self) -> PastRunsInMemory:
        return PastRunsInMemory(self.past)
