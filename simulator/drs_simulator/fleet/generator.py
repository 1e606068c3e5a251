"""Writes fleet files of any size.

``python -m drs_simulator.fleet.generator --servers 4000 --accounts 3 --regions us-west-2,eu-central-1``
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import yaml

from drs_simulator.errors import BadInput
from drs_simulator.fleet.file import parsed

TIERS = (
    ("db", 0.1, [50, 200], "r5.xlarge"),
    ("app", 0.3, [20], "m5.large"),
    ("web", 0.5, [20], "t3.medium"),
    ("mon", 0.1, [30], "t3.small"),
)
"""Hostname, share of an application's servers, disks in GiB and instance type."""

SERVERS_OF_AN_APPLICATION = 100
MOST_PER_REGION = 4000
FIRST_ACCOUNT = 111122223333
ORIGIN_OF = {
    "us-west-2": "us-east-1",
    "us-east-1": "us-west-2",
    "eu-central-1": "eu-west-1",
    "eu-west-1": "eu-central-1",
}


def generate(servers: int, accounts: int, regions: Sequence[str], seed: int = 0) -> dict[str, object]:
    """Return a fleet of so many servers, spread evenly over accounts and Regions, in applications of 100.

    Raises ValueError where they do not fit: DRS has at most 4,000 source servers in an account and Region.
    """
    places = accounts * len(regions)
    if servers < 1 or accounts < 1 or not regions:
        raise ValueError("at least one server, one account and one Region are needed")
    if servers > places * MOST_PER_REGION:
        raise ValueError(f"{servers} servers do not fit: {places} times {MOST_PER_REGION} is the most")
    random = Random(seed)
    shares = [servers // places + (number < servers % places) for number in range(places)]
    made: list[dict[str, object]] = []
    for account in range(accounts):
        name = str(FIRST_ACCOUNT + account * 1_000_000_001)
        made.append(
            {
                "id": name,
                "regions": [
                    _region(name, region, shares[account * len(regions) + number], random)
                    for number, region in enumerate(regions)
                ],
                "roles": [{"name": "dr-operator", "trust": str(FIRST_ACCOUNT)}],
            }
        )
    return {"accounts": made}


def _region(account: str, region: str, servers: int, random: Random) -> dict[str, object]:
    groups = []
    for application, first in enumerate(range(0, servers, SERVERS_OF_AN_APPLICATION), 1):
        groups += _application(
            account, region, f"app{application:02d}", min(SERVERS_OF_AN_APPLICATION, servers - first), random
        )
    subnets = {name: f"10.20.{64 * number}.0/18" for number, name in enumerate(("prod", "web", "drill"))}
    return {"name": region, "network": {"vpc": "10.20.0.0/16", "subnets": subnets}, "servers": groups}


def _application(account: str, region: str, application: str, servers: int, random: Random) -> list[dict[str, object]]:
    groups: list[dict[str, object]] = []
    left = servers
    for number, (tier, share, disks, instance_type) in enumerate(TIERS):
        count = left if number == len(TIERS) - 1 else min(left, max(1, round(servers * share)))
        left -= count
        if count:
            groups.append(
                {
                    "count": count,
                    "hostname": f"{application}-{tier}{{n}}",
                    "tags": {"App": application, "Tier": tier},
                    "os": "windows" if random.random() < 0.2 else "linux",  # noqa: PLR2004 - a fifth
                    "disks": list(disks),
                    "lag": f"{random.randint(0, 5)}s",
                    "instance_type": instance_type,
                    "launch": {"subnet": "web" if tier == "web" else "prod"},
                    "origin": {"account": account, "region": ORIGIN_OF.get(region, "us-east-1")},
                }
            )
    return groups


def main(given: Sequence[str] | None = None) -> int:
    """Write a fleet to standard output or to a file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="drs_simulator.fleet.generator", description="Write a fleet file.")
    parser.add_argument("--servers", type=int, default=100)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--regions", default="us-west-2", help="separated by commas")
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="FILE", help="standard output if not given")
    options = parser.parse_args(given)
    try:
        fleet = generate(options.servers, options.accounts, options.regions.split(","), options.random_seed)
        parsed(fleet, "the fleet")
    except (ValueError, BadInput) as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the command
        return 2
    text = yaml.safe_dump(fleet, sort_keys=False, default_flow_style=None, width=120)
    if options.output is None:
        print(text, end="")  # noqa: T201 - this is the command
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
