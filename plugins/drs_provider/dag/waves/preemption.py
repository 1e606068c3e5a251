"""A drill gives way: before each of its launches, and at its end, it looks for a recovery of the same servers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Context

from drs_provider.dag.waves.job_tags import own_key
from drs_provider.exceptions import RunRefused
from drs_provider.services.signed import leave

if TYPE_CHECKING:
    from drs_provider.hooks.drs import DrsHook
    from drs_provider.rules.run.handover import PreflightResult


def ensure_not_taken_over(context: Context, preflight: "PreflightResult", hook: "DrsHook") -> None:
    """Refuse to launch more of a drill once a recovery has begun on any server of it in this account and Region."""
    if words := look_for_recovery(context, preflight, hook):
        raise _superseded(words)


def look_for_recovery(context: Context, preflight: "PreflightResult", hook: "DrsHook") -> str | None:
    """Say which recovery has taken servers of this drill, and leave it in XCom; None: none has."""
    from drs_provider.rules.launch.conflicts import CLOCKS_DIFFER, taken_over

    words = taken_over(
        hook.jobs_since(preflight.checked_at - CLOCKS_DIFFER),
        own_runs={own_key(context), dict(context["params"]).get("continue_run") or ""},
        servers=preflight.hostnames,
        since=preflight.checked_at,
        known=preflight.recoveries_seen,
    )
    if words:
        _leave(context, words)
    return words


def ensure_not_taken_back(context: Context, hook: "DrsHook", servers: Sequence[str]) -> None:
    """Refuse to launch more of a drill whose launch settings are not its own any more.

    A recovery puts them back before it launches, so its job may not be there yet when the drill looks for one.

    :param servers: ids of servers whose launch template is not any more what the drill made it
    """
    from drs_provider.rules.launch.conflicts import taken_back

    words = taken_back(hook.source_servers(servers), own_run=own_key(context)) if servers else None
    if words:
        _leave(context, words)
        raise _superseded(words)


def _leave(context: Context, words: str) -> None:
    from drs_provider.rules.run.handover import Superseded

    leave(context["ti"], Superseded(message=words))


def _superseded(words: str) -> RunRefused:
    return RunRefused(f"{words}: nothing more of this drill is launched, and what it has launched is cleaned up")
