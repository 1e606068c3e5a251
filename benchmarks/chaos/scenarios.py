"""Plans, fleets, weather and kills made from a number: the same number gives the same ones. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

ACCOUNT = "111122223333"
REGION = "us-west-2"
LEAST, MOST = 2, 200
"""Servers of a plan."""

MOST_WAVES = 5

EFFECTS = (
    ("drs", "StartRecovery"),
    ("drs", "TerminateRecoveryInstances"),
    ("drs", "TagResource"),
    ("drs", "UntagResource"),
    ("drs", "UpdateLaunchConfiguration"),
    ("ec2", "CreateLaunchTemplateVersion"),
    ("ec2", "ModifyLaunchTemplate"),
    ("ec2", "ModifyInstanceAttribute"),
)
"""Every operation with an effect that a run may send: their answers get lost."""

Victim = Literal["task", "worker", "scheduler", "triggerer", "api-server", "dag-processor"]
_VICTIMS: tuple[Victim, ...] = ("task", "worker", "scheduler", "triggerer", "api-server", "dag-processor")
_ODDS = (40, 15, 15, 15, 8, 7)


@dataclass(frozen=True)
class Kill:
    """Somebody is killed with -9 so many seconds after the run was triggered; ``luck`` chooses among several."""

    after: float
    victim: Victim
    luck: float


@dataclass(frozen=True)
class Server:
    """One source server; ``has_live``: it holds a live recovered instance, so its plan must be refused."""

    id: str
    hostname: str
    critical: bool = True
    has_live: bool = False


@dataclass(frozen=True)
class Wave:
    """One wave and what it tolerates."""

    name: str
    servers: tuple[Server, ...]
    depends_on: tuple[str, ...] = ()
    tolerate: int = 0
    ready: str = "running"


@dataclass(frozen=True)
class Scenario:
    """One run of the campaign."""

    seed: int
    mode: Literal["drill", "recovery"]
    waves: tuple[Wave, ...]
    faults: tuple[dict[str, Any], ...]
    kills: tuple[Kill, ...]

    @property
    def plan(self) -> str:
        """Name of the plan."""
        return f"chaos-{self.seed}"

    @property
    def dag_id(self) -> str:
        """Id of the plan's DAG."""
        return f"drs.{self.plan}"

    @property
    def run_id(self) -> str:
        """Id of the run, known before it is triggered: a lost answer of Airflow's API is no second run."""
        return f"chaos__{self.seed}"

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server of the plan."""
        return tuple(server for wave in self.waves for server in wave.servers)

    @property
    def conf(self) -> dict[str, Any]:
        """What the trigger form is filled in with."""
        more = {"confirm": self.plan} if self.mode == "recovery" else {}
        return {"mode": self.mode, "reason": f"chaos, seed {self.seed}", **more}


def scenario(seed: int) -> Scenario:
    """Return the run of a seed."""
    random = Random(seed)
    count = round(math.exp(random.uniform(math.log(LEAST), math.log(MOST))))
    mode: Literal["drill", "recovery"] = "drill" if random.random() < 0.75 else "recovery"
    waves = tuple(_waves(random, seed, count))
    return Scenario(seed, mode, waves, tuple(_faults(random, seed, count)), tuple(_kills(random)))


def _waves(random: Random, seed: int, count: int) -> Iterator[Wave]:
    number = random.randint(1, min(MOST_WAVES, count))
    cuts = sorted(random.sample(range(1, count), number - 1))
    is_occupied = random.random() < 0.05
    for wave, (first, end) in enumerate(zip([0, *cuts], [*cuts, count], strict=True)):
        servers = tuple(
            Server(
                f"s-{seed % 10**9:09d}{one:08d}",
                f"c{seed}-{one}",
                critical=random.random() > 0.15,
                has_live=is_occupied and one == 0,
            )
            for one in range(first, end)
        )
        before = [f"w{one}" for one in range(wave)]
        depends_on = tuple(sorted(random.sample(before, random.randint(0, min(2, len(before))))))
        if wave and random.random() < 0.5:
            depends_on = (before[-1],)
        tolerate = max(0, min(random.choice((0, 0, 0, 1, 2)), sum(server.critical for server in servers) - 1))
        yield Wave(f"w{wave}", servers, depends_on, tolerate, random.choice(("running", "running", "launched")))


def _faults(random: Random, seed: int, count: int) -> Iterator[dict[str, Any]]:
    mine = f"s-{seed % 10**9:09d}*"

    def some(most: int) -> list[str]:
        return [f"s-{seed % 10**9:09d}{one:08d}" for one in random.sample(range(count), random.randint(1, most))]

    if random.random() < 0.2:
        event = random.choice(("SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END"))
        yield {"service": "drs", "servers": some(min(3, count)), "do": "fail_at", "event": event, "error": "chaos"}
    if random.random() < 0.1:
        yield {"service": "drs", "servers": some(min(2, count)), "do": "fail_silently"}
    if random.random() < 0.1:
        yield {"service": "drs", "servers": some(1), "do": "slow", "factor": 3}
    for service, operation in EFFECTS:
        about = {"servers": [mine]} if operation == "StartRecovery" else {}
        where = {"service": service, "operation": operation, **about}
        if random.random() < 0.4:
            yield {**where, "do": "commit_then_drop", "count": random.randint(1, 2)}
        if random.random() < 0.15:
            yield {**where, "do": "server_error", "count": 1}
        if random.random() < 0.15:
            yield {**where, "do": "throttle", "count": random.randint(1, 3), "retry_after": 1}
    yield from _weather(random)


def _weather(random: Random) -> Iterator[dict[str, Any]]:
    """Yield what strikes everybody; lengths of time without a unit are real seconds, the others simulated."""
    if random.random() < 0.3:
        yield {"do": "throttle", "probability": 0.3, "count": random.randint(3, 15), "retry_after": 1}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "server_error", "probability": 0.2, "count": random.randint(1, 5)}
    if random.random() < 0.15:
        yield {
            "service": "drs",
            "do": "outage",
            "after": f"{random.randint(0, 60)}m",
            "for": f"{random.randint(5, 20)}m",
        }
    if random.random() < 0.15:
        yield {"service": "drs", "do": "expired_token", "count": 1}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "invisible_for", "seconds": f"{random.randint(1, 15)}m", "for": "2h"}
    if random.random() < 0.15:
        yield {"service": "drs", "do": "stale_reads", "age": f"{random.randint(1, 10)}m", "for": "2h"}
    if random.random() < 0.2:
        yield {"service": "drs", "do": "page_size", "items": random.randint(1, 7), "for": "2h"}
    if random.random() < 0.2:
        yield {"do": "latency", "seconds": random.choice((0.2, 1, 3)), "probability": 0.1, "count": 30}


def _kills(random: Random) -> Iterator[Kill]:
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        (victim,) = random.choices(_VICTIMS, _ODDS)
        yield Kill(random.uniform(1, 40), victim, random.random())


def documents(one: Scenario) -> list[dict[str, Any]]:
    """Return the plan's YAML documents: a protection group for every wave, and the plan."""
    groups = [
        {
            "kind": "ProtectionGroup",
            "name": f"{one.plan}-{wave.name}",
            "region": REGION,
            "servers": [
                server.id if server.critical else {"id": server.id, "critical": False} for server in wave.servers
            ],
        }
        for wave in one.waves
    ]
    waves = [
        {
            "name": wave.name,
            "groups": [f"{one.plan}-{wave.name}"],
            "depends_on": list(wave.depends_on),
            "tolerate_failures": wave.tolerate,
            "ready": wave.ready,
        }
        for wave in one.waves
    ]
    return [*groups, {"kind": "RecoveryPlan", "name": one.plan, "drill": {"network": "shared"}, "waves": waves}]


def fleet(scenarios: list[Scenario]) -> dict[str, Any]:
    """Return the fleet that these runs recover."""
    origin = {"account": ACCOUNT, "region": "us-east-1"}
    servers = [server for one in scenarios for server in one.servers]
    region = {
        "name": REGION,
        "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/17"}},
        "servers": [{"id": server.id, "hostname": server.hostname, "origin": origin} for server in servers],
        "recovery_instances": [{"server": server.id, "is_drill": False} for server in servers if server.has_live],
    }
    return {"accounts": [{"id": ACCOUNT, "regions": [region]}]}
