"""Plans and fleets made to measure: chains of waves, a folder of many plans. Pure but for the writing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

ACCOUNT = "111122223333"
REGION = "us-west-2"
WAVES = 5


def server_id(plan: int, wave: int, number: int) -> str:
    """Return a source server id: ``s-`` and 17 characters that say whose it is."""
    return f"s-{plan:06d}{wave:03d}{number:08d}"


def chain(plan: int, servers: int, waves: int = WAVES, **more: object) -> Iterator[dict[str, object]]:
    """Yield the documents of a plan whose waves wait for each other in a row, `servers` servers a wave.

    :param more: what else the plan says
    """
    for wave in range(waves):
        members = [server_id(plan, wave, number) for number in range(servers)]
        yield {"kind": "ProtectionGroup", "name": f"{name(plan)}-{wave}", "region": REGION, "servers": members}
    yield {
        "kind": "RecoveryPlan",
        "name": name(plan),
        "rto": "2h",
        "rpo": "15m",
        "drill": {"network": "shared"},
        **more,
        "waves": [{"name": f"wave-{wave}", "groups": [f"{name(plan)}-{wave}"]} for wave in range(waves)],
    }


def name(plan: int) -> str:
    """Return a plan's name."""
    return f"chain-{plan:04d}"


def fleet(plans: int, servers: int, waves: int = WAVES) -> dict[str, object]:
    """Return the fleet that chains 0 to `plans` - 1 recover."""
    return fleet_of([(servers, waves)] * plans)


def fleet_of(sizes: Sequence[tuple[int, int]]) -> dict[str, object]:
    """Return the fleet that chains recover of which each has so many servers a wave and so many waves."""
    members = [
        {
            "id": server_id(plan, wave, number),
            "hostname": f"h{plan}-{wave}-{number}",
            "origin": {"account": ACCOUNT, "region": "us-east-1"},
        }
        for plan, (servers, waves) in enumerate(sizes)
        for wave in range(waves)
        for number in range(servers)
    ]
    network = {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/17"}}
    return {"accounts": [{"id": ACCOUNT, "regions": [{"name": REGION, "network": network, "servers": members}]}]}


def write(folder: Path, plans: int, servers: int) -> tuple[Path, Path]:
    """Write so many chains, one file each, and their fleet; return plans folder and fleet file."""
    return write_of(folder, [(servers, WAVES)] * plans)


def write_of(folder: Path, sizes: Sequence[tuple[int, int]], **more: object) -> tuple[Path, Path]:
    """The same for chains of which each has so many servers a wave and so many waves.

    :param more: what else each plan says
    """
    target = folder / "plans"
    target.mkdir(parents=True)
    for plan, (servers, waves) in enumerate(sizes):
        text = yaml.safe_dump_all(chain(plan, servers, waves, **more), sort_keys=False)
        (target / f"{name(plan)}.yaml").write_text(text, encoding="utf-8")
    description = folder / "fleet.yaml"
    description.write_text(yaml.safe_dump(fleet_of(sizes), sort_keys=False), encoding="utf-8")
    return target, description
