"""What a rehearsal has measured of the machine it ran on, for another one that foretells by the clock."""

from collections.abc import Mapping
from typing import Any


def machine_of(facts: Mapping[str, Any], *, busy: float | None) -> dict[str, Any]:
    """Return ``{"others", "pace", "works"}`` as ``dag.rehearsing`` takes it.

    :param facts: what a rehearsal left: ``machine`` (``others``, ``share``, ``pace``), ``tasks`` with their ``works``
    :param busy: how many others want a processor, where somebody has said so
    """
    measured = facts["machine"]
    return {
        "others": round(measured["others"] if busy is None else busy, 2),
        "pace": measured["pace"],
        # What was measured by the clock, as time of a processor: the rest was waiting for one.
        "works": {
            task: [seconds * measured["share"] for seconds in record["works"]]
            for task, record in facts["tasks"].items()
            if record["works"]
        },
    }
