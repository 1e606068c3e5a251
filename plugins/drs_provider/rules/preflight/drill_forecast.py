"""What a drill will cost and what it will prove, from what preflight has read already."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from drs_provider.rules.preflight.cost import Estimate, Machine, Prices, estimate, machine_of
from drs_provider.rules.run.handover import ServerFingerprint
from drs_provider.rules.run.launch_times.loads import loads_of_plan
from drs_provider.rules.run.launch_times.timetable import timetable
from drs_provider.rules.run.shape import RunShape
from drs_provider.rules.settings.candidates import Candidate
from drs_provider.rules.settings.values import live_settings

USUAL_CLEAN_UP: Final = timedelta(minutes=10)
"""What a clean-up usually takes; instances cost until they are gone."""


def fingerprint_of(candidate: Candidate) -> ServerFingerprint:
    """Return what of a server's configuration a drill proves."""
    properties = (candidate.source or {}).get("sourceProperties") or {}
    disks = sorted(f"{disk.get('deviceName')}: {disk.get('bytes')}" for disk in properties.get("disks") or ())
    settings = live_settings(candidate.configuration, candidate.template or {})
    if not settings["interfaces"]:
        del settings["interfaces"]  # as it was before further interfaces were looked at: earlier drills stay proofs
    text = json.dumps(settings, sort_keys=True, default=str)
    launch = hashlib.sha256(text.encode()).hexdigest()[:16] if candidate.configuration else ""
    return ServerFingerprint(hostname=candidate.hostname, disks=", ".join(disks), launch=launch)


def machine_to_launch(candidate: Candidate) -> Machine:
    """Return what a server will be launched as: by the plan's settings, else the launch template's, else its size."""
    settings = {**live_settings(candidate.configuration, candidate.template or {}), **candidate.wanted}
    return machine_of(
        candidate.source or {},
        hostname=candidate.hostname,
        configured_type=settings.get("instance_type"),
        right_sizing=str(settings.get("right_sizing") or "none").upper(),
    )


def lifetimes(shape: RunShape) -> dict[str, timedelta]:
    """Return by wave how long its instances will live in a drill: from its launch to the end of the clean-up."""
    expected = timetable(loads_of_plan(shape))
    after = shape.plan.drill.keep_for + USUAL_CLEAN_UP
    return {name: expected.total - turn + after for name, turn in expected.turns.items()}


def estimate_drill(
    shape: RunShape, machines: Mapping[str, Machine], waves: Mapping[str, Iterable[str]], prices: Prices
) -> Estimate:
    """Estimate a drill of these servers.

    :param machines: by server id
    :param waves: ids of the servers that each wave launches
    """
    life = lifetimes(shape)
    chosen = [
        (machines[server], life[wave]) for wave, servers in waves.items() for server in servers if server in machines
    ]
    return estimate(chosen, prices)


def too_expensive(max_cost: Decimal | float | None, found: Estimate) -> str | None:
    """Say why a drill costs more than its plan allows; None: it does not.

    :param max_cost: ``drill.max_cost`` in US dollars; None: any
    """
    if max_cost is None or found.dollars <= float(max_cost):
        return None
    guess = "" if found.is_certain else " (guessed in part: the table of prices does not name every type)"
    return (
        f"the drill would cost about ${found.dollars:.2f}{guess}, and drill.max_cost allows ${float(max_cost):.2f}; "
        f"most of it: {found.biggest()}. Keep it shorter (drill.keep_for), choose smaller types (drill_launch), drill "
        "fewer waves, or raise max_cost"
    )
