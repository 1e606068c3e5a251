"""Collect what only concerns drills, for a run's report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drs_provider.dag.marking import TAG_INSTANCES, UNTAGGED
from drs_provider.dag.yielding import SUPERSEDED
from drs_provider.graph.keeping import KEEP_TASK

if TYPE_CHECKING:
    from drs_provider.dag.evidence import Left

_KEPT = "kept"


def drill_facts(left: "Left", waves: Sequence[str], preflight: Mapping[str, Any] | None) -> dict[str, Any]:
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
