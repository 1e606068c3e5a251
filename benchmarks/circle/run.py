"""``make circle``: take a plan round the whole circle on a real Airflow, several times, and compare the account.

With ``CHAOS=SEED`` processes of Airflow are killed meanwhile, and answers of AWS lost.

Exit code 0: every round kept every rule and left the account as it was. 1: one did not. 2: it could not run.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from drs_provider.rules.run.names import dag_id_of
from drs_provider.services.airflow_api import AirflowError
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_simulator.client import SimulatorHandle

from benchmarks.circle.judge import Live, Rest, launched_more_than_once, not_live, unlike
from benchmarks.circle.misfortune import AIRFLOW, Misfortune
from benchmarks.circle.plans import EAST, PEOPLE, PLAN, WEST, fleet, plan
from demo.environment import USER
from demo.stack import PROJECT, Settings, Stack, StackError

SPEED: Final = 600.0
"""A DRS job takes about a second, the initial copy of eight GiB about twelve."""

LOOK_EVERY: Final = 1.0
THINKS: Final = 4.0
"""Seconds that people take: Airflow loses a task that is answered before its scheduler has looked round."""

YES: Final = ("Approve", "Commit", "Continue")
DAG: Final = dag_id_of(PLAN)
BACK: Final = f"{DAG}.failback"
STAGES: Final = (
    ("recovery", DAG, {"mode": "recovery", "confirm": PLAN, "reason": "us-east-1 is dark"}),
    ("reprotect", BACK, {"mode": "reprotect"}),
    ("failback drill", BACK, {"mode": "failback_drill"}),
    ("failback", BACK, {"mode": "failback", "confirm": PLAN, "reason": "us-east-1 is back"}),
)
"""What a round does: its name, the DAG, and what the trigger form is filled in with."""

GOOD: Final = ("completed.", "passed.")
STAYS: Final = frozenset({"instances", "Volumes", "NetworkInterfaces"})
"""What grows by a circle in the origin: an original that DRS did not launch into stays, stopped, whoever owns it."""

PARTS: Final = {
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_security_groups": "SecurityGroups",
    "describe_volumes": "Volumes",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_launch_templates": "LaunchTemplates",
}
_SOURCE_SERVER: Final = "AWSElasticDisasterRecoverySourceServerID"


@dataclass
class Cloud:
    """Both Regions, as anybody sees them."""

    handle: SimulatorHandle
    hosts: dict[str, str] = field(default_factory=dict)
    """Hostname by source server and by original instance."""

    def client(self, service: str, region: str) -> Any:
        """Return a client of a Region."""
        return self.handle.client(service, region_name=region)

    def learn(self) -> None:
        """Note which server is called what."""
        for region in (WEST, EAST):
            for server in self._all(region, "describe_source_servers"):
                hints = server["sourceProperties"]["identificationHints"]
                self.hosts[server["sourceServerID"]] = hints["hostname"]
                if server["replicationDirection"] == "FAILOVER" and hints.get("awsInstanceID"):
                    self.hosts[hints["awsInstanceID"]] = hints["hostname"]

    def running(self, region: str) -> Counter[str]:
        """Count the running instances of each server that are no drill's."""
        drills = {
            found["ec2InstanceID"]
            for found in self._all(region, "describe_recovery_instances")
            if found.get("isDrill") and found.get("ec2InstanceID")
        }
        found: Counter[str] = Counter()
        for instance in self._instances(region):
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
            host = self.hosts.get(tags.get(_SOURCE_SERVER, "")) or self.hosts.get(instance["InstanceId"])
            if instance["State"]["Name"] == "running" and host and instance["InstanceId"] not in drills:
                found[host] += 1
        return found

    def rest(self, region: str) -> Rest:
        """Return what a Region has."""
        ec2 = self.client("ec2", region)
        servers = {
            found["sourceServerID"]: f"{found['replicationDirection']} "
            f"{found['dataReplicationInfo']['dataReplicationState']}"
            for found in self._all(region, "describe_source_servers")
        }
        counts = {name: len(self._pages(ec2, call, name)) for call, name in PARTS.items()}
        counts["recovery instances"] = len(self._all(region, "describe_recovery_instances"))
        counts["instances"] = len(
            [1 for found in self._instances(region) if found["State"]["Name"] not in ("terminated", "shutting-down")]
        )
        kept = {name: count for name, count in counts.items() if region == WEST or name not in STAYS}
        return Rest(servers, self.running(region), kept)

    def strike(self, region: str) -> None:
        """Stop every running instance of a Region: the disaster."""
        names = [found["InstanceId"] for found in self._instances(region) if found["State"]["Name"] == "running"]
        if names:
            self.client("ec2", region).stop_instances(InstanceIds=names)

    def _instances(self, region: str) -> list[dict[str, Any]]:
        pages = self.client("ec2", region).get_paginator("describe_instances").paginate()
        return [instance for page in pages for found in page["Reservations"] for instance in found["Instances"]]

    def _all(self, region: str, operation: str) -> list[dict[str, Any]]:
        return self._pages(self.client("drs", region), operation, "items")

    @staticmethod
    def _pages(client: Any, operation: str, member: str) -> list[dict[str, Any]]:
        return [item for page in client.get_paginator(operation).paginate() for item in page[member]]


class Watch(threading.Thread):
    """Looks at both Regions all the time: how many copies of every server run."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(daemon=True)
        self.cloud, self.looks, self.began = cloud, list[Live](), time.monotonic()
        self._over = threading.Event()

    def run(self) -> None:
        """Look until it is told to stop."""
        while not self._over.wait(LOOK_EVERY):
            self.cloud.learn()
            copies = self.cloud.running(WEST) + self.cloud.running(EAST)
            self.looks.append(Live(time.monotonic() - self.began, copies))

    def stop(self) -> Sequence[Live]:
        """End, and return what was seen."""
        self._over.set()
        self.join()
        return self.looks


@dataclass
class People:
    """They say yes, each as soon as he is asked; who has started the run does not answer."""

    stack: Stack
    clients: dict[str, AirflowClient] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = json.loads(self.stack.places.passwords.read_text())
        for name in PEOPLE:
            login = Login(name, words[name])
            self.clients[name] = AirflowClient(self.stack.airflow.address, login, httpx.HTTPTransport())
            self.clients[name].log_in()

    def answer(self, dag_id: str, run_id: str) -> Iterator[str]:
        """Answer what the run asks; say who said what."""
        for question in self.clients[PEOPLE[0]].questions(dag_id, run_id):
            began = self.asked.setdefault(f"{run_id} {question.task} {question.asked_at}", time.monotonic())
            option = next((word for word in YES if word in question.options), None)
            if option is None or time.monotonic() - began < THINKS:
                continue
            who = next(name for name in PEOPLE if not question.asked or name in question.asked)
            self.clients[who].answer(dag_id, run_id, (question.task, question.map_index), [option], {})
            yield f"{who} answers {question.subject!r}: {option}"


@dataclass
class Round:
    """One circle: what was run, and how it ended."""

    problems: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)


def run_of(
    stack: Stack,
    people: People,
    dag_id: str,
    conf: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    misfortune: Misfortune | None = None,
) -> Any:
    """Trigger a run, answer what it asks, and return it once it is over."""
    run_id = stack.airflow.trigger(dag_id, conf)
    if misfortune:
        misfortune.begin()
    while True:
        (misfortune.wait if misfortune else stack.check)(LOOK_EVERY)
        try:
            for line in people.answer(dag_id, run_id):
                say(f"    {line}")
            run = stack.airflow.run(dag_id, run_id)
        except (httpx.HTTPError, AirflowError):
            continue  # a busy Airflow is asked again
        if run["state"] in ("success", "failed"):
            return run


def circle(
    stack: Stack, cloud: Cloud, people: People, say: Callable[[str], None], misfortune: Misfortune | None = None
) -> Round:
    """Go round once; everything that is not as it has to be is a problem."""
    found = Round()
    before = {region: cloud.rest(region) for region in (WEST, EAST)}
    hosts = sorted(before[EAST].hosts)
    cloud.strike(EAST)
    watch: Watch | None = None
    for name, dag_id, conf in STAGES:
        began = time.monotonic()
        run = run_of(stack, people, dag_id, conf, say, misfortune=misfortune)
        found.runs[name], found.took[name] = run["dag_run_id"], time.monotonic() - began
        said = (run.get("note") or "").replace("\n", " | ")
        say(f"  {name}: {run['state']}, {found.took[name]:.0f} s. {said}")
        if run["state"] != "success" or not any(f"Verdict: {word}" in said for word in GOOD):
            found.problems.append(f"{name} ended as {run['state']}: {said}")
            break
        if watch is None:
            watch = Watch(cloud)
            watch.start()
    if watch:
        found.problems += not_live(watch.stop(), hosts)
    for region, then in before.items():
        found.problems += unlike(region, then, cloud.rest(region))
    launches = [
        (str((call["request"].get("tags") or {}).get("drs-orchestrator:run")), server["sourceServerID"])
        for call in stack.simulator.calls()
        if call["operation"] == "StartRecovery" and not call["error"]
        for server in call["request"]["sourceServers"]
    ]
    found.problems += launched_more_than_once(launches)
    return found


@contextmanager
def standing(
    state: Path, servers: int, airflow: Mapping[str, str] | None = None
) -> Iterator[tuple[Stack, Cloud, People]]:
    """Start the simulator and Airflow with the plan of the circle."""
    for name in ("plans", "fleet"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "plans" / f"{PLAN}.yaml").write_text(plan(), encoding="utf-8")
    (state / "fleet" / "fleet.json").write_text(json.dumps(fleet(servers)), encoding="utf-8")
    settings = Settings(
        state=state,
        plans=state / "plans",
        fleets=(state / "fleet" / "fleet.json",),
        speed=SPEED,
        airflow={
            "PYTHONPATH": f"{PROJECT / 'plugins'}:{PROJECT / 'simulator'}",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:admin" for name in (USER, *PEOPLE)),
            **(airflow or {}),
        },
    )
    with Stack(settings, print) as stack:
        for dag in (DAG, BACK):
            stack.await_dag(dag)
        cloud = Cloud(SimulatorHandle(stack.simulator.address))
        cloud.learn()
        yield stack, cloud, People(stack)


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Go round as often as was asked for."""
    parser = argparse.ArgumentParser(prog="make circle", description=__doc__)
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--chaos", type=int, metavar="SEED", help="kill processes and lose answers, by this seed")
    parser.add_argument("--state", type=Path, default=PROJECT / ".circle")
    chosen = parser.parse_args(arguments)
    broken = 0
    try:
        around = AIRFLOW if chosen.chaos is not None else None
        with standing(chosen.state, chosen.servers, around) as (stack, cloud, people):
            for number in range(1, chosen.rounds + 1):
                print(f"round {number} of {chosen.rounds}, {chosen.servers} servers", flush=True)
                misfortune = None
                if chosen.chaos is not None:
                    misfortune = Misfortune(stack, _say, random.Random(f"{chosen.chaos} {number}"))
                found = circle(stack, cloud, people, _say, misfortune)
                broken += bool(found.problems)
                if misfortune:
                    print(f"  {misfortune.kills} kills", flush=True)
                print("\n".join(found.problems) or "  every rule kept, and the account is as it was", flush=True)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
