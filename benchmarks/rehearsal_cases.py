"""Plans of many shapes to rehearse and then to run, with a fleet for each. Pure but for the writing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ACCOUNT = "111122223333"
SERVERS_PER_JOB, SERVERS_IN_JOBS = "L-B827C881", "L-05AFA8C6"


@dataclass(frozen=True)
class Group:
    """Servers of a wave: how many, and the boot order of each where it is not the same."""

    servers: int
    orders: Sequence[int] = ()


@dataclass(frozen=True)
class Case:
    """A plan to compare; every case has a Region of its own, so that no quota or fault reaches another one.

    :ivar waves: name of each wave → its servers
    :ivar more: name of a wave → more keys of it, as a plan writes them
    :ivar plan: more keys of the plan
    :ivar region_facts: more keys of the Region in the fleet file
    :ivar faults: what goes wrong, as the simulator takes it; the Region is added
    """

    name: str
    region: str
    waves: Mapping[str, Group]
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    region_facts: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[Mapping[str, Any]] = ()

    @property
    def servers(self) -> int:
        """How many servers it recovers."""
        return sum(group.servers for group in self.waves.values())

    def documents(self) -> list[dict[str, Any]]:
        """Return the plan's documents."""
        groups = [
            {
                "kind": "ProtectionGroup",
                "name": f"{self.name}-{wave}",
                "region": self.region,
                "servers": [
                    {"id": server_id(self.name, wave, n), **({"order": group.orders[n]} if group.orders else {})}
                    for n in range(group.servers)
                ],
            }
            for wave, group in self.waves.items()
        ]
        waves = [{"name": wave, "groups": [f"{self.name}-{wave}"], **self.more.get(wave, {})} for wave in self.waves]
        plan = {"kind": "RecoveryPlan", "name": self.name, "drill": {"network": "shared"}, **self.plan, "waves": waves}
        return [*groups, plan]

    def region_in_fleet(self) -> dict[str, Any]:
        """Return its Region as a fleet file writes it."""
        members = [
            {"id": server_id(self.name, wave, n), "hostname": f"{self.name}-{wave}-{n}"}
            for wave, group in self.waves.items()
            for n in range(group.servers)
        ]
        network = {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/17"}}
        return {"name": self.region, "network": network, "servers": members, **self.region_facts}

    def faults_here(self) -> list[dict[str, Any]]:
        """Return its faults, bound to its Region."""
        return [{**fault, "region": self.region} for fault in self.faults]


def server_id(case: str, wave: str, number: int) -> str:
    """Return a source server id that says whose it is."""
    letters = "".join(one for one in f"{case}{wave}" if one.isalnum())[:13]
    return f"s-{letters:0<13}{number:04d}"


_SCRIPT = {"kind": "ssm_command", "document": "AWS-RunShellScript", "timeout": "20m"}

CASES = (
    Case("single", "ap-northeast-1", {"all": Group(2)}),
    Case("chain", "us-east-1", {"db": Group(4), "app": Group(4), "web": Group(4)}),
    Case(
        "diamond",
        "us-east-2",
        {"base": Group(3), "left": Group(3), "right": Group(6), "top": Group(3)},
        {"right": {"depends_on": ["base"]}, "top": {"depends_on": ["left", "right"]}},
    ),
    Case("crowd", "eu-west-1", {"many": Group(180), "few": Group(20)}),
    Case(
        "rounds",
        "eu-central-1",
        {"all": Group(12)},
        region_facts={"quotas": {SERVERS_PER_JOB: 2, SERVERS_IN_JOBS: 4}},
    ),
    Case("ordered", "ap-southeast-1", {"db": Group(6, (1, 1, 2, 2, 3, 3)), "app": Group(2)}),
    Case(
        "failing",
        "ap-southeast-2",
        {"db": Group(4), "app": Group(2)},
        {"db": {"retry_failed": 1}},
        faults=[{"service": "drs", "hostname": "failing-db-1", "do": "fail_at", "event": "CONVERSION_START",
                 "error": "InsufficientInstanceCapacity", "count": 1}],
    ),
    Case(
        "steps",
        "ca-central-1",
        {"db": Group(2), "app": Group(2)},
        {
            "db": {"after": [{**_SCRIPT, "name": "start-db", "parameters": {"commands": ["sleep 120", "echo up"]}}]},
            "app": {"delay_before": "15s", "after": [{"kind": "lambda", "name": "warm", "function": "warm"}]},
        },
        {"after": [{"kind": "wait", "name": "settle", "for": "10s"}]},
        {"lambda_functions": {"warm": {"behaviour": "sleep", "takes": "3m"}}},
    ),
)  # fmt: skip
"""A shape each: alone, in a row, side by side, many, beyond the quotas, in boot order, failing, with steps."""


def write(folder: Path, cases: Sequence[Case] = CASES) -> tuple[Path, Path]:
    """Write the plans, one fleet of all, and ``faults-NAME.json`` of each; return plans folder and fleet file."""
    plans = folder / "plans"
    plans.mkdir(parents=True)
    for case in cases:
        text = yaml.safe_dump_all(case.documents(), sort_keys=False)
        (plans / f"{case.name}.yaml").write_text(text, encoding="utf-8")
        (folder / f"faults-{case.name}.json").write_text(json.dumps(case.faults_here()), encoding="utf-8")
    fleet = folder / "fleet.yaml"
    content = {"accounts": [{"id": ACCOUNT, "regions": [case.region_in_fleet() for case in cases]}]}
    fleet.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return plans, fleet
