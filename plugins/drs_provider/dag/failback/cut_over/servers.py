"""What preflight has found of a cut-over, as its tasks need it."""

from typing import TYPE_CHECKING

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from drs_provider.dag.run_reader import preflight_result
from drs_provider.exceptions import PlanChanged
from drs_provider.rules.failback.shape import WayHome
from drs_provider.rules.run.shape import WayBack

if TYPE_CHECKING:
    from drs_provider.hooks.launch_settings import LaunchSettingsHook
    from drs_provider.rules.run.connection import AwsArguments
    from drs_provider.rules.run.handover import PreflightResult, PreflightServer


def cut_over_of(context: Context, plan: str, digest: str) -> "PreflightResult":
    """Return what preflight left of a run that brings production back.

    :raises AirflowSkipException: the run is none
    :raises PlanChanged: the plan is not the one any more that the run was started with
    """
    preflight = preflight_result(context, plan)
    if preflight.digest != digest:
        raise PlanChanged(plan, preflight.digest, digest)
    if not preflight.purpose.cuts_over:
        raise AirflowSkipException(f"a {preflight.mode} launches nothing for good")
    return preflight


def servers_on(preflight: "PreflightResult", wave: str, way: WayBack) -> "tuple[PreflightServer, ...]":
    """Return the servers of a wave that go one way back; none where it was not chosen."""
    found = preflight.servers_of(wave, way.target)
    return tuple(server for server in found if server.group in way.groups and server.back)


def skip_without(servers: "tuple[PreflightServer, ...]", what: str) -> None:
    """Skip a task that has no servers. Raises AirflowSkipException."""
    if not servers:
        raise AirflowSkipException(f"{what} launches nothing in this run")


def servers_going_home(preflight: "PreflightResult", home: WayHome) -> "tuple[PreflightServer, ...]":
    """Return the servers of all chosen waves that go one way back."""
    return tuple(server for server in preflight.servers(home.target) if server.group in home.groups and server.back)


def settings_hook(aws: "AwsArguments") -> "LaunchSettingsHook":
    """Make what reads and changes launch settings in a place."""
    from drs_provider.hooks.launch_settings import LaunchSettingsHook

    return LaunchSettingsHook(**aws)
