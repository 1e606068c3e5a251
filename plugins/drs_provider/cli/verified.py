"""``drs verified``: which plans a drill has proven as they are now, and why the others are not."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from drs_provider.configuration import plans_folder
from drs_provider.exceptions import UsageError
from drs_provider.plan.loader import read_folder
from drs_provider.plan.problems import nearest
from drs_provider.rules.run.names import dag_id_of

if TYPE_CHECKING:
    from drs_provider.report.production import ProductionUp
    from drs_provider.report.verification import Verification

NAME = "verified"
HELP = "which plans a drill has proven as they are now; exit code 1 if one is not"


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Compare the plans with the reports of their drills (DRS_REPORTS). A plan is verified by its newest passed "
        "drill until it changes, drill.valid_for is over, or a later drill fails. Exit codes: 0 verified, 1 not, 2 "
        "wrong use."
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="default: all plans")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
    parser.add_argument("--reports", metavar="FOLDER", help="default: DRS_REPORTS, else reports in AIRFLOW_HOME")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(options: Namespace) -> int:
    """Look, print, and give the exit code."""
    from drs_provider.configuration import reports_location

    found = _look(options)
    if options.format == "json":
        print(json.dumps({name: _as_json(*row) for name, row in found.items()}, indent=2))
    else:
        folder = options.plans or plans_folder() or Path("plans")
        print(f"plans in {folder.resolve()}, reports in {reports_location(options.reports).removeprefix('file://')}")
        for name, (verification, production) in found.items():
            print(f"{name}: {'verified' if verification.is_verified else 'not verified'}: {verification.why}")
            if production:
                print(f"{name}: {production.words}")
    return 0 if all(verification.is_verified for verification, _ in found.values()) else 1


def _as_json(verification: "Verification", production: "ProductionUp | None") -> dict[str, JsonValue]:
    return {**verification.as_json(), "production": production.as_json() if production else None}


def _look(options: Namespace) -> "Mapping[str, tuple[Verification, ProductionUp | None]]":
    from drs_provider.configuration import reports_location
    from drs_provider.report.production import production_up
    from drs_provider.report.store import stored_reports
    from drs_provider.report.verification import verify

    folder = options.plans or plans_folder() or Path("plans")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the plans with --plans")
    plans = read_folder(folder).plans
    if options.plan and options.plan not in plans:
        raise UsageError(f"{folder} has no plan called {options.plan!r} ({nearest(options.plan, list(plans))})")
    reports = reports_location(options.reports)
    home = reports.removeprefix("file://")
    if "://" in home:
        from airflow.sdk import ObjectStoragePath

        where: object = ObjectStoragePath(reports)
    else:
        where = Path(home)
    now = datetime.now(UTC)
    found = {}
    for name, runnable in sorted(plans.items()):
        if options.plan in (None, name):
            read = tuple(stored_reports(where, dag_id_of(name)))
            valid_for = runnable.plan.drill.valid_for
            verification = verify(read, digest=runnable.digest, valid_for=valid_for, now=now)
            found[name] = (verification, production_up(read))
    return found
