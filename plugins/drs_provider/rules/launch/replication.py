"""What keeps a source server's replication back, in an operator's words."""

from datetime import datetime
from typing import Final

from drs_provider.formatting import duration, parse_instant, plain, size
from drs_provider.rules.servers import Answer

_ERRORS: Final = {
    "AGENT_NOT_SEEN": "DRS has no contact with its agent",
    "SNAPSHOTS_FAILURE": "DRS cannot take snapshots of the staging disks",
    "NOT_CONVERGING": "data changes faster than it is sent",
    "UNSTABLE_NETWORK": "the connection to the staging area keeps breaking",
    "FAILED_TO_CREATE_SECURITY_GROUP": "the staging area's security group could not be made",
    "FAILED_TO_LAUNCH_REPLICATION_SERVER": "the replication server could not be launched",
    "FAILED_TO_BOOT_REPLICATION_SERVER": "the replication server does not boot",
    "FAILED_TO_AUTHENTICATE_WITH_SERVICE": "the replication server cannot sign in at DRS",
    "FAILED_TO_DOWNLOAD_REPLICATION_SOFTWARE": "the replication server cannot reach its software",
    "FAILED_TO_CREATE_STAGING_DISKS": "the staging disks could not be made",
    "FAILED_TO_ATTACH_STAGING_DISKS": "the staging disks could not be attached",
    "FAILED_TO_PAIR_REPLICATION_SERVER_WITH_AGENT": "replication server and agent do not find each other",
    "FAILED_TO_CONNECT_AGENT_TO_REPLICATION_SERVER": "the agent cannot reach the replication server",
    "FAILED_TO_START_DATA_TRANSFER": "the transfer of data does not start",
}
_OPEN_STEPS: Final = frozenset({"IN_PROGRESS", "FAILED"})


def difficulty(replication: Answer) -> str:
    """Return DRS's own error with what it means; empty where DRS names none.

    :param replication: ``dataReplicationInfo`` of a source server
    """
    found = replication.get("dataReplicationError") or {}
    code = str(found.get("error") or "")
    raw = plain(str(found.get("rawError") or ""))
    said = ": ".join(part for part in (code, _ERRORS.get(code, "")) if part)
    return f"{said} ({raw})" if said and raw else said or raw


def progress(replication: Answer, *, now: datetime) -> str:
    """Say how far the setting up or the copying has come: the open step, what waits to be sent, when it will be done.

    Empty where DRS tells nothing of it.
    """
    steps = (replication.get("dataReplicationInitiation") or {}).get("steps") or ()
    parts = [f"step {step.get('name')} {step.get('status')}" for step in steps if step.get("status") in _OPEN_STEPS][:1]
    waiting = sum(int(disk.get("backloggedStorageBytes") or 0) for disk in replication.get("replicatedDisks") or ())
    if waiting:
        parts.append(f"{size(waiting)} to be sent")
    if eta := _eta(replication, now):
        parts.append(eta)
    return ", ".join(parts)


def _eta(replication: Answer, now: datetime) -> str:
    try:
        left = parse_instant(str(replication["etaDateTime"])) - now
    except (KeyError, ValueError):
        return ""
    return f"done in {duration(left)} by DRS's estimate" if left.total_seconds() > 0 else ""
