"""What a run left behind about its drill networks, for its report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from drs_provider.plan.model import RecoveryPlan, has_network
from drs_provider.rules.run.controls import KEEP_TASK
from drs_provider.rules.run.keys import NETWORK, REMOVED, SUPERSEDED, UNTAGGED
from drs_provider.rules.run.names import PREPARE_NETWORK_TASK, REMOVE_NETWORK_TASK, TAG_INSTANCES
from drs_provider.rules.run.request import is_drill


class RunReader(Protocol):
    """What the tasks of a run left, and the states of its tasks."""

    states: dict[str, str | None]

    def of(self, task_id: str, key: str = "return_value") -> Any:
        """What one task left under a key."""
        ...

    def tasks(self, wave: str, task_id: str) -> list[str]:
        """The tasks of a wave that do one thing."""
        ...


def networks_of(
    left: Callable[[str, str], Any], task_ids: Iterable[str], plan: RecoveryPlan, mode: str
) -> list[dict[str, Any]]:
    """Return the networks of a run as the report's evidence has them; a recovery has none.

    :param left: gives what a task left under a key
    """
    if not is_drill(mode):
        return []
    if not has_network(plan):
        note = "drill.network is shared: drills land where the launch settings say, beside production"
        return [{"kind": "shared", "notes": [note]}]
    tasks = sorted(task_ids)
    removed = [found for task in tasks if task.startswith(REMOVE_NETWORK_TASK) and (found := left(task, REMOVED))]
    at_end = {one["vpc_id"]: one for found in removed for one in found["proofs"]}
    return [
        _network(found, one, at_end.get(one["vpc_id"]))
        for task in tasks
        if task.startswith(PREPARE_NETWORK_TASK) and (found := left(task, NETWORK))
        for one in found["networks"]
    ]


def _network(found: Mapping[str, Any], one: Mapping[str, Any], at_end: Mapping[str, Any] | None) -> dict[str, Any]:
    proof = one["proof"]
    more = (at_end or {}).get("leaks", ())
    return {
        "kind": found["kind"],
        "region": found["region"],
        "production_vpc": one["production_vpc"],
        "vpc_id": one["vpc_id"],
        "checked_at": found["checked_at"],
        "isolated": proof["isolated"],
        "leaks": [*proof["leaks"], *(leak for leak in more if leak not in proof["leaks"])],
        "looked_at": proof["looked_at"],
        "notes": [*one["notes"], *proof["notes"]],
        "isolated_at_end": at_end["isolated"] if at_end else None,
        "changed": at_end["changed"] if at_end else [],
    }


_KEPT = "kept"


def drill_facts(left: RunReader, waves: Sequence[str], preflight: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the report's ``drill``: the shape of ``reporting.drills.DrillFacts``."""
    starts = [task for wave in waves for task in left.tasks(wave, "start_recovery")]
    ends = sorted(task for task in left.states if task.startswith("finish.clean_up"))
    marks = [f"{wave}.{TAG_INSTANCES}" for wave in waves]
    # The clean-up knows best: by then a recovery that first put the settings back has its job.
    watches = [f"{wave}.recovery_job" for wave in waves]
    superseded = (left.of(task, SUPERSEDED) for task in (*ends, *starts, *watches))
    untagged: dict[str, str] = {}
    for task in (*marks, KEEP_TASK):
        if task in left.states:
            untagged |= left.of(task, UNTAGGED) or {}
    return {
        "superseded": next((str(words) for words in superseded if words), None),
        "kept": left.of(KEEP_TASK, _KEPT) if KEEP_TASK in left.states else None,
        "untagged": untagged,
        "estimated": (preflight or {}).get("cost"),
        "hourly": (preflight or {}).get("hourly") or {},
        "fingerprints": (preflight or {}).get("fingerprints") or {},
    }
