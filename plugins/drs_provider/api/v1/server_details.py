"""What costs a call to AWS, of one server or one account: recovery points, launch settings, what there is to choose."""

from collections.abc import Callable, Collection
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from drs_provider.api.origin import refuse_other_origins
from drs_provider.api.path_parts import ServerId
from drs_provider.api.problems import RequestRefused, more_responses
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.protection_groups import GroupDefinition
from drs_provider.exceptions import DrsProviderError
from drs_provider.rules.inventory.past_launches import PastLaunch
from drs_provider.rules.inventory.views import InventoryRow
from drs_provider.rules.run.roster import Target
from drs_provider.rules.settings.candidates import SettingsFinding
from drs_provider.services.groups.reader import GroupReader
from drs_provider.services.groups.resolve import read_definition, resolve
from drs_provider.services.groups.survey import InventorySurvey, has_dag_id
from drs_provider.services.inventory.launch_look import check_launch, look_at_launch

Found = TypeVar("Found")

MOST_CHECKED: Final = 500
"""Servers of a group whose launch settings are checked at once: two calls to AWS for each."""


class RecoveryPointView(BaseModel):
    """A point in time that a server can be recovered to."""

    at: datetime
    snapshot_id: str


class RecoveryPoints(BaseModel):
    """The newest recovery points of a server, the newest first."""

    points: list[RecoveryPointView]
    problem: str = Field(description="Why there is none; empty: there are some.")


class ServerRun(BaseModel):
    """What a run did with a server."""

    dag_id: str
    run_id: str
    plan: str
    mode: str
    status: str
    at: datetime


class ServerRuns(BaseModel):
    """The newest runs that launched a server, or failed to; those that you may read."""

    runs: list[ServerRun]
    drilled_at: datetime | None = Field(description="When a drill has launched it last, whoever may read its run.")
    recovered_at: datetime | None
    problem: str = Field(description="Why runs may be missing; empty: none are.")


class LaunchSettingView(BaseModel):
    """One launch setting: what AWS has now, and what a recovery and a drill would apply (empty: nothing)."""

    field: str
    now: str
    recovery: str
    drill: str
    differs: bool


class LaunchFinding(BaseModel):
    """What preflight says of launch settings."""

    severity: str
    server: str
    what: str
    next_step: str


class ServerLaunchSettings(BaseModel):
    """The launch settings of a server as AWS has them now."""

    settings: list[LaunchSettingView]
    findings: list[LaunchFinding]
    template: str


class ChoiceView(BaseModel):
    """One thing to choose."""

    value: str
    words: str


class LaunchChoicesView(BaseModel):
    """What an account and Region has to choose from."""

    subnets: list[ChoiceView]
    security_groups: list[ChoiceView]
    instance_types: list[ChoiceView]
    instance_profiles: list[ChoiceView]
    problems: dict[str, str] = Field(description="Why nothing can be chosen for a field, by its name.")


class LaunchCheck(BaseModel):
    """What preflight would say of a definition's launch settings."""

    checked: int
    left_out: int = Field(description="Servers beyond the most that are checked at once.")
    findings: list[LaunchFinding]
    problem: str = Field(description="Why AWS was not asked; empty: it was.")


def server_details_router(sources: ApiSources) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["source servers"], dependencies=[Depends(sources.access.may_read)])
    look: Any = sources.survey()
    reader_now: Any = sources.reader()
    readable_dags: Any = sources.access.readable_dags

    def row_of(
        server_id: ServerId,
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
    ) -> InventoryRow:
        found = next((row for row in reader.rows(now) if row.server.server_id == server_id), None)
        if found is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"the inventory has no source server {server_id}")
        return found

    @router.get("/source-servers/{server_id}/recovery-points", responses=more_responses(404))
    def recovery_points(row: Annotated[InventoryRow, Depends(row_of)]) -> RecoveryPoints:
        """List the newest recovery points of a server."""
        points, problem = sources.inventory.recovery_points(row.server)
        found = [RecoveryPointView(at=at, snapshot_id=snapshot_id) for at, snapshot_id in points]
        return RecoveryPoints(points=found, problem=problem)

    @router.get("/source-servers/{server_id}/runs", responses=more_responses(404))
    def server_runs(
        row: Annotated[InventoryRow, Depends(row_of)],
        now: Annotated[InventorySurvey, Depends(look)],
        readable: Annotated[Collection[str], Depends(readable_dags)],
    ) -> ServerRuns:
        """List the newest runs that launched a server, or failed to."""
        return ServerRuns(
            runs=[_run(launch) for launch in row.launches if has_dag_id(launch.dag_id, readable)],
            drilled_at=row.drilled_at,
            recovered_at=row.recovered_at,
            problem=now.past.problem,
        )

    @router.get("/source-servers/{server_id}/launch-settings", responses=more_responses(404, 502))
    def launch_settings(
        row: Annotated[InventoryRow, Depends(row_of)],
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
    ) -> ServerLaunchSettings:
        """Read a server's launch settings from AWS now, beside those of its group."""
        name = next((group for group in row.groups if group in reader.visible), None)
        group = reader.catalog.models.get(name) if name else None
        target = next((target for target, place in now.places.items() if place == row.server.place), None)
        if target is None:
            raise RequestRefused(HTTPStatus.BAD_GATEWAY, f"{row.server.place} cannot be asked now")
        found = _asked(lambda: look_at_launch(sources.settings_hook(target), row.server.server_id, group))
        return ServerLaunchSettings(
            settings=[LaunchSettingView.model_validate(vars(line)) for line in found.lines],
            findings=[_finding(finding) for finding in found.findings],
            template=found.template,
        )

    return router


def launch_choices_router(sources: ApiSources) -> APIRouter:
    """Return the routes that help to write a group's launch settings, for those who may change groups."""
    guards = [Depends(sources.access.may_read), Depends(sources.access.may_edit_groups)]
    router = APIRouter(tags=["protection groups"], dependencies=guards)
    look: Any = sources.survey()
    reader_now: Any = sources.reader()

    @router.get("/launch-choices", responses=more_responses(404, 502))
    def launch_choices(
        now: Annotated[InventorySurvey, Depends(look)],
        connection: Annotated[str, Query(max_length=200)] = "aws_default",
        region: Annotated[str, Query(max_length=40)] = "",
    ) -> LaunchChoicesView:
        """List subnets, security groups, instance types and instance profiles of an account and Region."""
        target = _known_target(now, connection, region)
        found = _asked(lambda: sources.settings_hook(target).launch_choices())
        return LaunchChoicesView(
            subnets=[ChoiceView.model_validate(vars(choice)) for choice in found.subnets],
            security_groups=[ChoiceView.model_validate(vars(choice)) for choice in found.security_groups],
            instance_types=[ChoiceView.model_validate(vars(choice)) for choice in found.instance_types],
            instance_profiles=[ChoiceView.model_validate(vars(choice)) for choice in found.instance_profiles],
            problems=dict(found.problems or {}),
        )

    @router.post(
        "/protection-groups/check-launch", dependencies=[Depends(refuse_other_origins)], responses=more_responses(415)
    )
    def check_launch_settings(
        definition: GroupDefinition,
        now: Annotated[InventorySurvey, Depends(look)],
        reader: Annotated[GroupReader, Depends(reader_now)],
    ) -> LaunchCheck:
        """Check the launch settings of a definition for its servers now, as preflight does; saves nothing."""
        group = read_definition(definition)
        if group is None:
            return LaunchCheck(checked=0, left_out=0, findings=[], problem="the definition has a problem: see above")
        visible = {row.server.server_id for row in reader.rows(now)}
        servers = [server for server in resolve(definition, reader.catalog, now).servers if server in visible]
        try:
            target = _known_target(now, group.aws_conn_id, group.region or "")
            found = check_launch(sources.settings_hook(target), group, servers[:MOST_CHECKED])
        except (DrsProviderError, RequestRefused) as error:
            problem = error.detail if isinstance(error, RequestRefused) else str(error)
            return LaunchCheck(checked=0, left_out=len(servers), findings=[], problem=problem)
        checked = min(len(servers), MOST_CHECKED)
        return LaunchCheck(
            checked=checked,
            left_out=len(servers) - checked,
            findings=[_finding(finding) for finding in found],
            problem="",
        )

    return router


def _known_target(now: InventorySurvey, connection: str, region: str) -> Target:
    """Return an account and Region of the inventory: nobody makes the server use a connection that nothing names."""
    wanted = Target(connection, region)
    if wanted not in now.places:
        detail = f"{wanted} is not in the inventory, or has not answered: a saved group or DRS_INVENTORY names it first"
        raise RequestRefused(HTTPStatus.NOT_FOUND, detail)
    return wanted


def _asked(look: Callable[[], Found]) -> Found:
    try:
        return look()
    except DrsProviderError as error:
        raise RequestRefused(HTTPStatus.BAD_GATEWAY, str(error)) from error


def _run(launch: PastLaunch) -> ServerRun:
    return ServerRun(
        dag_id=launch.dag_id,
        run_id=launch.run_id,
        plan=launch.plan,
        mode=launch.mode,
        status=launch.status,
        at=launch.at,
    )


def _finding(finding: SettingsFinding) -> LaunchFinding:
    return LaunchFinding(
        severity=finding.severity, server=finding.hostname, what=finding.what, next_step=finding.next_step
    )
