"""Reading DescribeSourceServers' and DescribeRecoveryInstances' items: names, lag, what lives, what is protected."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from drs_provider.formatting import parse_duration, plain_line

Answer = Mapping[str, Any]
"""An item of an answer of AWS, as botocore parses it."""

GONE_STATES: Final = frozenset({"TERMINATED", "NOT_FOUND"})
"""EC2 states of a recovery instance that is no more; NOT_FOUND: removed behind DRS's back."""

READY_STATE: Final = "CONTINUOUS"
"""DRS's ``dataReplicationState`` of a server that is replicated up to the present."""


def hostname_of(server: Answer | None, server_id: str) -> str:
    """Return what a person calls the server: hostname, else its Name tag, else its id."""
    hints = ((server or {}).get("sourceProperties") or {}).get("identificationHints") or {}
    names = (hints.get("hostname"), ((server or {}).get("tags") or {}).get("Name"), hints.get("fqdn"))
    # A name comes from the server itself or from who tagged it, and goes into logs.
    return next((line for name in names if name and (line := plain_line(name))), server_id)


def lag_of(server: Answer) -> timedelta | None:
    """Return the server's replication lag; None where DRS does not say or says what cannot be read."""
    text = (server.get("dataReplicationInfo") or {}).get("lagDuration")
    try:
        return parse_duration(text) if text else None
    except ValueError:
        return None


def is_live(instance: Answer) -> bool:
    """Tell whether a recovery instance still exists in EC2, as far as DRS knows."""
    return instance.get("ec2InstanceState") not in GONE_STATES


def is_protected(instance: Answer) -> bool:
    """Tell whether a launch must not replace this recovery instance: it lives, and DRS does not call it a drill's."""
    return is_live(instance) and instance.get("isDrill") is not True


def origin_region_of(server: Answer) -> str:
    """Return from which Region a server comes that is protected here; empty: from none, or it only goes back there."""
    if server.get("replicationDirection") == "FAILBACK":
        return ""
    return str((server.get("sourceCloudProperties") or {}).get("originRegion") or "")
