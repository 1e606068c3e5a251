"""What a drill will cost and what it will prove, from what preflight has read already."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drs_provider.plan.loader import RunnablePlan
from drs_provider.plan.model import wave_dependencies
from drs_provider.rules.run.timing import plan_durations

if TYPE_CHECKING:
    from drs_provider.report.verification import Verification
    from drs_provider.rules.preflight.cost import Estimate, Machine, Prices
    from drs_provider.services.settings_survey import ServerSettings

PRICES: Final = "DRS_PRICES"
"""Environment variable: a file with prices to use instead of the package's own."""

CLEAN_UP: Final = timedelta(minutes=10)
"""What a clean-up usually takes; instances cost until they are gone."""

MOST_SECONDS: Final = 15.0
"""How long the reports are waited for: a recovery never waits for a store that is down with its Region."""

log = logging.getLogger(__name__)


def fingerprint(standing: "ServerSettings") -> dict[str, str]:
    """Return what of a server's configuration a drill proves: ``reporting.drills.ServerFingerprint``."""
    from drs_provider.rules.settings.values import live_settings

    candidate = standing.candidate
    properties = (candidate.source or {}).get("sourceProperties") or {}
    disks = sorted(f"{one.get('deviceName')}: {one.get('bytes')}" for one in properties.get("disks") or ())
    settings = live_settings(candidate.configuration, candidate.template or {})
    text = json.dumps(settings, sort_keys=True, default=str)
    launch = hashlib.sha256(text.encode()).hexdigest()[:16] if candidate.configuration else ""
    return {"hostname": candidate.hostname, "disks": ", ".join(disks), "launch": launch}


def machine(standing: "ServerSettings") -> "Machine":
    """Return what a server will be launched as: by the plan's settings, else the launch template's, else its size."""
    from drs_provider.rules.preflight.cost import machine_of
    from drs_provider.rules.settings.values import live_settings

    candidate = standing.candidate
    settings = {**live_settings(candidate.configuration, candidate.template or {}), **candidate.wanted}
    return machine_of(
        candidate.source or {},
        hostname=candidate.hostname,
        configured_type=settings.get("instance_type"),
        right_sizing=str(settings.get("right_sizing") or "none").upper(),
    )


def lives(runnable: RunnablePlan) -> dict[str, timedelta]:
    """Return by wave how long its instances will live in a drill: from its launch to the end of the clean-up."""
    plan, durations = runnable.plan, plan_durations(runnable.plan, runnable.groups)
    ends: dict[str, timedelta] = {}
    waiting = dict(wave_dependencies(plan))
    while waiting:
        for name in [one for one, before in waiting.items() if all(other in ends for other in before)]:
            ends[name] = max((ends[other] for other in waiting.pop(name)), default=timedelta(0)) + durations[name]
    last = max(ends.values())
    return {name: last - end + durations[name] + plan.drill.keep_for + CLEAN_UP for name, end in ends.items()}


def estimate_drill(
    runnable: RunnablePlan, machines: Mapping[str, "Machine"], waves: Mapping[str, Iterable[str]]
) -> "Estimate":
    """Estimate a drill of these servers.

    :param machines: by server id
    :param waves: the servers that each wave launches
    """
    from drs_provider.rules.preflight.cost import estimate

    life = lives(runnable)
    chosen = [(machines[one], life[wave]) for wave, servers in waves.items() for one in servers if one in machines]
    return estimate(chosen, prices())


def prices() -> "Prices":
    """Read the table of prices: the file that ``DRS_PRICES`` names, else the package's own."""
    import yaml

    from drs_provider.rules.preflight import cost as costs

    path = Path(os.environ.get(PRICES) or Path(costs.__file__).with_name("prices.yaml"))
    try:
        return costs.read_prices(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, costs.PricesUnreadable) as error:
        raise costs.PricesUnreadable(f"{path}: {error}") from error


def too_expensive(runnable: RunnablePlan, found: "Estimate") -> str | None:
    """Say why a drill costs more than its plan allows; None: it does not."""
    most = runnable.plan.drill.max_cost
    if most is None or found.dollars <= float(most):
        return None
    guess = "" if found.is_certain else " (guessed in part: the table of prices does not name every type)"
    return (
        f"the drill would cost about ${found.dollars:.2f}{guess}, and drill.max_cost allows ${float(most):.2f}; most "
        f"of it: {found.biggest()}. Keep it shorter (drill.keep_for), choose smaller types (drill_launch), drill fewer "
        "waves, or raise max_cost"
    )


def verification(
    runnable: RunnablePlan, dag_id: str, now: datetime, servers: Mapping[str, Mapping[str, str]] | None = None
) -> "Verification":
    """Look into the stored reports whether the plan is verified. Never raises: a recovery must not fail for it."""
    from drs_provider.report.evidence import ServerFingerprint
    from drs_provider.report.verification import Verification, verify

    known: dict[str, ServerFingerprint] | None = None
    if servers is not None:
        known = {name: ServerFingerprint.model_validate(one) for name, one in servers.items()}
    pool = ThreadPoolExecutor(1)
    try:
        reports = pool.submit(_reports, dag_id).result(MOST_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the stored reports could not be read: %r", error)
        return Verification(False, "the stored reports could not be read")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    valid_for = runnable.plan.drill.valid_for
    return verify(reports, digest=runnable.digest, valid_for=valid_for, now=now, servers=known)


def _reports(dag_id: str) -> list[Any]:
    from airflow.sdk import ObjectStoragePath

    from drs_provider.report.store import reports_location, stored_reports

    return list(stored_reports(ObjectStoragePath(reports_location(os.environ)), dag_id))
