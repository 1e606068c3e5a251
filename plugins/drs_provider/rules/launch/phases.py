"""What DRS does with each server of a running job, as the job's log says it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from drs_provider.formatting import parse_instant
from drs_provider.rules.answers import Answer

WORDS: Final[Mapping[str, str]] = {
    "JOB_START": "job started",
    "CLEANUP_START": "removing the previous instance",
    "CLEANUP_END": "previous instance removed",
    "CLEANUP_FAIL": "previous instance not removed",
    "SNAPSHOT_START": "taking a snapshot",
    "SNAPSHOT_END": "snapshot taken",
    "SNAPSHOT_FAIL": "snapshot failed",
    "USING_PREVIOUS_SNAPSHOT": "using an earlier snapshot",
    "USING_PREVIOUS_SNAPSHOT_FAILED": "no earlier snapshot",
    "CONVERSION_START": "converting",
    "CONVERSION_END": "converted",
    "CONVERSION_FAIL": "conversion failed",
    "UPDATE_LAUNCH_TEMPLATE_START": "updating the launch template",
    "UPDATE_LAUNCH_TEMPLATE_END": "launch template updated",
    "UPDATE_LAUNCH_TEMPLATE_FAILED": "launch template not updated",
    "LAUNCH_START": "launching",
    "LAUNCH_END": "instance launched",
    "LAUNCH_FAILED": "launch failed",
    "SERVER_SKIPPED": "skipped by DRS",
    "JOB_CANCEL": "job cancelled",
    "JOB_END": "job ended",
}
"""Events of a job's log that say something of its servers, in the order in which DRS logs them, and what they mean.

``LAUNCH_END`` is logged (measured) and stands in no enumeration of the API; the others are botocore's, but for those
about a network.
"""

BOOTS: Final[Mapping[str, str]] = {
    "INSTANCE_PREPARED": "prepared",
    "START_REFUSED": "not started yet: EC2 refuses",
    "INSTANCE_BOOTS": "booting",
    "INSTANCE_UP": "up",
}
"""The same of instances that were launched stopped, once their wave starts them; said by the wave, not by DRS."""

ABOUT_NETWORKS: Final = frozenset(
    {
        *(f"{what}_NETWORK_CONFIGURATION_{how}" for what in ("DEPLOY", "UPDATE") for how in ("START", "END", "FAILED")),
        "NETWORK_RECOVERY_FAIL",
    }
)
"""Events of jobs that recover a network: they say nothing of a server."""

_ALL: Final = {**WORDS, **BOOTS}
_ORDER: Final = {event: place for place, event in enumerate(_ALL)}
_LAST_WORDS: Final = frozenset({"LAUNCH_END", "LAUNCH_FAILED", "CONVERSION_FAIL", "SNAPSHOT_FAIL", "SERVER_SKIPPED"})


def newest_events(items: Iterable[Answer], servers: Iterable[str]) -> dict[str, str]:
    """Say which event of a job's log is the newest of each of its servers; one of whom it says nothing is absent.

    Items may come in any order. An event that names no server is one of all servers of the job, but says nothing new
    of a server whose launch has ended. Unknown events are passed over: DRS logs some that its API does not list.

    :param items: what DescribeJobLogItems answers
    :param servers: ids of the servers that the job holds
    """
    found: dict[str, str] = {}
    everybody = tuple(servers)
    for item in sorted((item for item in items if item.get("event") in WORDS), key=_when):
        event, named = str(item["event"]), (item.get("eventData") or {}).get("sourceServerID")
        if named:
            found[str(named)] = event
        else:
            found |= {server: event for server in everybody if found.get(server) not in _LAST_WORDS}
    return found


def phase_words(event: str | None) -> str | None:
    """Say what DRS does with a server whose newest event this is; None: an event that says nothing of it."""
    return _ALL.get(event) if event else None


def phases_in_words(events: Iterable[str]) -> str:
    """Sum up the newest events of some servers: ``2 converting, 1 launching``; empty where none says anything."""
    counts = Counter(event for event in events if event in _ALL)
    return ", ".join(f"{counts[event]} {_ALL[event]}" for event in sorted(counts, key=_ORDER.__getitem__))


def _when(item: Answer) -> tuple[object, int]:
    """Order by time; what carries the same time, as DRS logs it."""
    return parse_instant(item["logDateTime"]), _ORDER[str(item["event"])]
