"""``drs sweep``: remove what drills have left behind in the cloud; needs no Airflow that lives."""

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drs_provider.configuration import plans_folder
from drs_provider.exceptions import UsageError
from drs_provider.plan.loader import read_folder
from drs_provider.rules.run.roster import Target

if TYPE_CHECKING:
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook
    from drs_provider.rules.run.handover import TargetSweep

NAME = "sweep"
HELP = "remove what drills have left behind; exit code 1 if something is left"

LOOK_AGAIN_SECONDS = 10.0
MOST_SECONDS = 900.0


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Look in every account and Region that the plans name, and where their servers go back to, for what drills "
        "have left behind, by tags and expiry alone, and remove it. Never touches what is not a drill's, nor a drill "
        "that may still be running. Uses the Airflow connections of the groups, from the environment (AIRFLOW_CONN_…)"
        " or Airflow's own database. Exit codes: 0 nothing is left, 1 something is, 2 wrong use."
    )
    parser.add_argument("--dry-run", action="store_true", help="only look; exit code 1 if there is something to do")
    parser.add_argument("--plans", type=Path, metavar="FOLDER", help="default: DRS_PLANS_FOLDER, else plans")
    parser.add_argument("--aws-conn-id", metavar="ID", help="one account instead of those of the plans; with --region")
    parser.add_argument("--region", metavar="REGION", help="one Region instead of those of the plans")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(
    options: Namespace,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Sweep until nothing changes any more, print, and give the exit code."""
    from drs_provider.rules.run.handover import Sweep
    from drs_provider.services.drill.sweep import summary

    began = time.monotonic()
    found = {str(target): _settle(target, options, now, sleep, began) for target in _targets(options)}
    swept = Sweep(targets=found)
    if options.format == "json":
        print(json.dumps({where: target.model_dump(mode="json") for where, target in found.items()}, indent=2))
    else:
        print("\n".join(summary(swept)))
    return 1 if swept.remaining else 0


def _settle(
    target: Target,
    options: Namespace,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    began: float,
) -> "TargetSweep":
    """Sweep one account and Region, again while that changes something; return all that was done, and what is left."""
    from drs_provider.exceptions import DrsProviderError, NotInitialized
    from drs_provider.services.drill.sweep import nothing_there, scan_failed, sweep

    hook = _hook(target)
    done: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    while True:
        try:
            swept = sweep(hook, now(), dry_run=options.dry_run)
        except NotInitialized:
            return nothing_there()
        except DrsProviderError as error:
            return scan_failed(target, error).model_copy(update={"found": found, "done": done})
        again = swept.goes_on
        done = (*done, *swept.done)
        found = tuple(dict.fromkeys((*found, *swept.found)))
        if options.dry_run or not again or time.monotonic() - began > MOST_SECONDS:
            return swept.model_copy(update={"found": found, "done": done})
        sleep(LOOK_AGAIN_SECONDS)


def _hook(target: Target) -> "TaggedNetworksHook":
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook

    return TaggedNetworksHook(aws_conn_id=target.aws_conn_id or None, region_name=target.region or None)


def _targets(options: Namespace) -> tuple[Target, ...]:
    from drs_provider.services.drill.sweep_targets import sweep_targets

    if options.aws_conn_id or options.region:
        return (Target(options.aws_conn_id or "aws_default", options.region or ""),)
    folder = options.plans or plans_folder() or Path("plans")
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name the plans with --plans")
    targets = sweep_targets(read_folder(folder), _hook)
    if not targets:
        raise UsageError(f"{folder}: no group there names an account and Region")
    return targets
