"""What the files beside a plan say of its drills: the table of prices, and the reports of drills before."""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drs_provider.configuration import prices_file
from drs_provider.rules.run.handover import PlanVerification

if TYPE_CHECKING:
    from drs_provider.report.result import RunReport
    from drs_provider.rules.preflight.cost import Prices
    from drs_provider.rules.run.handover import ServerFingerprint
    from drs_provider.rules.run.shape import RunShape

MOST_SECONDS: Final = 15.0
"""How long the reports are waited for: a recovery never waits for a store that is down with its Region."""

ReadReports = Callable[[], "Iterable[RunReport]"]
"""Reads the stored reports of the plan's runs."""

log = logging.getLogger(__name__)


def read_price_table() -> "Prices":
    """Read the table of prices: the file of the setting ``prices``, else the package's own.

    :raises PricesUnreadable: it cannot be read
    """
    import yaml

    from drs_provider.rules.preflight import cost

    path = prices_file() or Path(cost.__file__).with_name("prices.yaml")
    try:
        return cost.read_prices(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, cost.PricesUnreadable) as error:
        raise cost.PricesUnreadable(f"{path}: {error}") from error


def verify_plan(
    shape: "RunShape", read_reports: ReadReports, *, servers: "Mapping[str, ServerFingerprint]", now: datetime
) -> PlanVerification:
    """Look into the stored reports whether the plan is verified. Never raises: a recovery must not fail for it.

    :param servers: what the servers are now, by id
    """
    from drs_provider.report.verification import verify

    pool = ThreadPoolExecutor(1)
    try:
        reports = pool.submit(lambda: list(read_reports())).result(MOST_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the store of the reports says
        log.warning("the stored reports could not be read: %r", error)
        return PlanVerification(verified=False, why="the stored reports could not be read")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found = verify(reports, digest=shape.digest, valid_for=shape.plan.drill.valid_for, now=now, servers=servers)
    return PlanVerification(verified=found.is_verified, why=found.why, run=found.by, at=found.at, until=found.until)
