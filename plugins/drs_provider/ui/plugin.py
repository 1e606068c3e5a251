"""The Airflow plugin: where the pages appear, and an app that is built when the first page is asked for.

Every task process and every DAG processor imports this module, so it imports nothing that takes time: FastAPI and
Airflow's API internals alone would cost 1.5 s per task.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from drs_provider.airflow_internals.deadlines import RunAskedFor
from drs_provider.airflow_internals.plugins import AirflowPlugin
from drs_provider.dag.people.starter_listener import MarkingStarters
from drs_provider.ui.audit.trail import AuditTrail
from drs_provider.ui.console.server_key import SERVER
from drs_provider.ui.listeners.deadlines import EndingDeadlines
from drs_provider.ui.listeners.marks import RecordingMarks
from drs_provider.ui.listeners.preload import Preloading
from drs_provider.ui.listeners.run_notes import Noting

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class LazyApp:
    """An ASGI app that is built by its first request."""

    def __init__(self) -> None:
        self._app: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the real app."""
        if self._app is None:
            from drs_provider.ui.airflow_runs import airflow_app

            self._app = airflow_app()
        scope[SERVER] = scope.get("app")  # what mounts this one: the pages' own requests go through it
        await self._app(scope, receive, send)


class DrsPlugin(AirflowPlugin):
    """Recovery plans in Airflow's navigation, and a Recovery tab on every run."""

    name = "drs"
    listeners = [  # noqa: RUF012 - the base class says list
        Preloading(),
        Noting(),
        EndingDeadlines(),
        RecordingMarks(),
        MarkingStarters(),
    ]
    deadline_references = [RunAskedFor]  # noqa: RUF012 - as above
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/drs", "name": "DRS"}]  # noqa: RUF012 - the base class says list
    fastapi_root_middlewares = [{"middleware": AuditTrail, "name": "DRS audit trail"}]  # noqa: RUF012 - as above
    external_views = [  # noqa: RUF012 - as above
        {"name": "Recovery plans", "href": "drs/plans", "destination": "nav", "url_route": "drs-plans"},
        {"name": "Source servers", "href": "drs/servers", "destination": "nav", "url_route": "drs-servers"},
        {"name": "Protection groups", "href": "drs/groups", "destination": "nav", "url_route": "drs-groups"},
        {"name": "Recovery history", "href": "drs/history", "destination": "nav", "url_route": "drs-history"},
        {
            "name": "Recovery",
            "href": "drs/runs/{DAG_ID}/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "drs-run",
        },
    ]
