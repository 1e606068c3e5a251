"""Reads fleet files, merges several into one world, and refuses what does not fit together."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from drs_simulator.errors import BadInput
from drs_simulator.fleet.checks import problems_of
from drs_simulator.fleet.model import Account, Fleet
from drs_simulator.strict_input import checked, load

_FLEET = TypeAdapter(Fleet)
_PACKAGE = Path(__file__).resolve().parent.parent


def read_fleet(paths: Sequence[Path]) -> Fleet:
    """Read fleet files and merge them: same account and Region, one list of servers.

    Raises BadInput with every mistake, file and place.
    """
    return merged([parsed(load(path), str(path)) for path in paths], " + ".join(map(str, paths)))


def example(name: str) -> Path:
    """Return an example fleet file: beside the package in the repository, inside the package in a wheel."""
    beside = _PACKAGE.parent / "fleets" / name
    return beside if beside.exists() else _PACKAGE / "fleets" / name


def parsed(data: object, source: str = "fleet") -> Fleet:
    """Check fleet data. Raises BadInput."""
    fleet = checked(_FLEET, data, source)
    _ensure_consistent(fleet, source)
    return fleet


def merged(fleets: Iterable[Fleet], source: str = "fleets") -> Fleet:
    """Return one fleet with everything of several. Raises BadInput where two of them speak of the same server."""
    accounts: dict[str, Account] = {}
    last: Fleet | None = None
    for fleet in fleets:
        last = fleet
        for account in fleet.accounts:
            known = accounts.get(account.id)
            accounts[account.id] = _joined(known, account) if known else account
    if last is None:
        raise BadInput("no fleet file given: --fleet simulator/fleets/web-shop.yaml")
    whole = last.model_copy(update={"accounts": tuple(accounts.values())})
    _ensure_consistent(whole, source)
    return whole


def _joined(account: Account, other: Account) -> Account:
    regions = {region.name: region for region in account.regions}
    for region in other.regions:
        known = regions.get(region.name)
        regions[region.name] = (
            region
            if known is None
            else known.model_copy(
                update={
                    "servers": known.servers + region.servers,
                    "recovery_instances": known.recovery_instances + region.recovery_instances,
                    "source_networks": known.source_networks + region.source_networks,
                    "quotas": {**known.quotas, **region.quotas},
                    "network": known.network or region.network,
                    "networks": known.networks + region.networks,
                    "lambda_functions": known.lambda_functions or region.lambda_functions,
                    "ssm": known.ssm or region.ssm,
                }
            )
        )
    return account.model_copy(
        update={
            "regions": tuple(regions.values()),
            "roles": account.roles + other.roles,
            "instance_profiles": tuple(dict.fromkeys(account.instance_profiles + other.instance_profiles)),
            "lambda_functions": account.lambda_functions or other.lambda_functions,
            "ssm": account.ssm or other.ssm,
        }
    )


def _ensure_consistent(fleet: Fleet, source: str) -> None:
    problems = list(problems_of(fleet))
    if problems:
        raise BadInput("\n".join(f"{source}: {problem}" for problem in problems))


def fleet_of(fleet: Fleet | Path | str | dict[str, object]) -> Fleet:
    """Return a fleet from a file, from data, or as it is. Raises BadInput."""
    match fleet:
        case Fleet():
            return fleet
        case dict():
            return parsed(fleet)
    return read_fleet([Path(fleet)])
