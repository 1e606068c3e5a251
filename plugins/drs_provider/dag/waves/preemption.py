"""A drill gives way: before each of its launches, and at its end, it looks for a recovery of the same servers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.context import Context

from drs_provider.exceptions import RunRefused
from drs_provider.formatting import parse_instant
from drs_provider.rules.launch.tags import run_key
from drs_provider.rules.run.keys import SUPERSEDED

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook


def ensure_not_taken_over(context: Context, preflight: Mapping[str, Any], hook: "DrsHook") -> None:
    """Refuse to launch more of a drill once a recovery has begun on any server of it in this account and Region."""
    if words := look_for_recovery(context, preflight, hook):
        raise RunRefused(f"{words}: nothing more of this drill is launched, and what it has launched is cleaned up")


def look_for_recovery(context: Context, preflight: Mapping[str, Any], hook: "DrsHook") -> str | None:
    """Say which recovery has taken servers of this drill, and leave it in XCom; None: none has."""
    from drs_provider.rules.launch.conflicts import CLOCKS_DIFFER, taken_over

    since: datetime = parse_instant(preflight["checked_at"])
    run = context["dag_run"]
    words = taken_over(
        hook.jobs_since(since - CLOCKS_DIFFER),
        own_runs={run_key(run.dag_id, run.run_id), dict(context["params"]).get("continue_run") or ""},
        servers=servers_of_drill(preflight),
        since=since,
        known=preflight.get("recoveries_seen") or (),
    )
    if words:
        context["ti"].xcom_push(key=SUPERSEDED, value=words)
    return words


def ensure_not_taken_back(context: Context, hook: "DrsHook", servers: Sequence[str]) -> None:
    """Refuse to launch more of a drill whose launch settings are not its own any more.

    A recovery puts them back before it launches, so its job may not be there yet when the drill looks for one.

    :param servers: ids of servers whose launch template is not any more what the drill made it
    """
    from drs_provider.rules.launch.conflicts import taken_back

    run = context["dag_run"]
    words = servers and taken_back(hook.source_servers(servers), own_run=run_key(run.dag_id, run.run_id))
    if words:
        context["ti"].xcom_push(key=SUPERSEDED, value=words)
        raise RunRefused(f"{words}: nothing more of this drill is launched, and what it has launched is cleaned up")


def servers_of_drill(preflight: Mapping[str, Any]) -> dict[str, str]:
    """Hostname by id of all servers that the run launches, in whatever wave."""
    return {
        server["server_id"]: server["hostname"]
        for wave in preflight["waves"].values()
        if wave["selected"]
        for part in wave["targets"]
        for server in part["servers"]
    }
