"""Drills whose process is killed with -9 after one of its AWS calls, and what the sweeper makes of the account then.

    python -m benchmarks.killed_drills [--network isolated|shared] [--writes] [--from N] [--to N] [--step N]

Every call of a small drill in turn: two waves of three servers with launch settings and launch actions of their own, a
boot order, a script on what was launched, and a network of its own beside a production network that leads out in every
way. After the kill the clock goes past the expiry, the sweeper runs alone, and the whole account must be what it was
before; no write may have named anything of production, and no instance may have stood there. Exit code 1 where that is
not so. Each drill runs in a fork of one process that has imported Airflow (``benchmarks.warm_airflow``).

``--writes`` counts only calls that may change something: after a read the account is as after the write before it.
Two at a time: ``--from 1 --step 2`` beside ``--from 2 --step 2``; each has a simulator of its own.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, urlsplit

from drs_provider.rules.run.names import dag_id_of

from benchmarks.whole_account import READS, account, astray, differences, ids_in, strays
from demo.environment import INSTALLATION

ROOT = Path(__file__).resolve().parents[1]
LATER = timedelta(days=3)
"""How long after the kill the sweeper comes: every drill is over by then."""

LONGEST = 600.0
"""Seconds that one drill may take."""

MOST_WORDS = 4000
"""Of one line of output."""

Network = Literal["isolated", "shared"]

PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, {id: s-00000000000000002, order: 2}]
drill_launch: {instance_type: t3.small}
---
kind: ProtectionGroup
name: web
region: us-west-2
servers: [s-00000000000000011]
drill_launch:
  instance_type: t3.small
  copy_tags: true
  actions: [{code: AWS-RunShellScript, name: register, parameters: {commands: dr.register}}]
---
kind: RecoveryPlan
name: shop
drill: {network: NETWORK}
waves:
  - name: database
    groups: [db]
    after:
      - kind: ssm_command
        name: look
        document: AWS-RunShellScript
        parameters: {commands: [hostname]}
        timeout: 1h
  - {name: web, groups: [web]}
"""

GROUPS = {"sg-0000000000000000a": "db", "sg-0000000000000000b": "web"}
FLEET: dict[str, Any] = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {
                        "vpc": "10.20.0.0/16",
                        "subnets": {"prod": "10.20.0.0/22", "web": "10.20.4.0/22"},
                        "security_groups": GROUPS,
                        "internet_gateway": True,
                        "peering": "10.50.0.0/16",
                        "transit_gateway": "10.0.0.0/8",
                        "vpn": "192.168.0.0/16",
                    },
                    "servers": [
                        {
                            "id": f"s-{number:017d}",
                            "hostname": name,
                            "tags": {"App": "shop"},
                            "lag": "2s",
                            "launch": {"subnet": subnet, "security_groups": [group]},
                        }
                        for number, name, subnet, group in (
                            (1, "db1", "prod", "sg-0000000000000000a"),
                            (2, "db2", "prod", "sg-0000000000000000a"),
                            (11, "web1", "web", "sg-0000000000000000b"),
                            (21, "crm1", "prod", "sg-0000000000000000a"),  # production, and in no plan
                        )
                    ],
                }
            ],
        }
    ]
}
SERVERS = tuple(f"s-{number:017d}" for number in (1, 2, 11))
"""The servers of the plan."""


@dataclass(frozen=True)
class Judged:
    """One drill: whether it was killed after the call, which call that was, and what is wrong with the account."""

    was_killed: bool
    operation: str
    wrong: Sequence[str]


def drill_and_die(call: int, environment: Mapping[str, str], said: str, *, only_writes: bool = False) -> None:
    """Run the drill in this process, which kills itself once its AWS call of this number has been answered.

    :param said: file for everything that it prints
    :param only_writes: count only calls that may change something
    """
    out = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(environment)
    from botocore.httpsession import URLLib3Session

    send, made = URLLib3Session.send, iter(range(1, 1_000_000))

    def counted(session: Any, request: Any) -> Any:
        answer = send(session, request)
        if (not only_writes or not operation_of(request).startswith(READS)) and next(made) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    URLLib3Session.send = counted  # type: ignore[method-assign, assignment]  # counts what the process really sends
    from benchmarks.warm_airflow import parsed

    dag: Any = parsed(str(ROOT / "dags" / "recovery_plans.py"), dag_id_of("shop"))
    for task in dag.tasks:
        if not hasattr(task, "partial_kwargs"):
            task.retries = 0
    ended = dag.test(run_conf={"mode": "drill"})
    sys.stdout.flush()
    os._exit(0 if str(ended.state) == "success" else 3)


def operation_of(request: Any) -> str:
    """Read what a request asks for: from its header (JSON), its form (EC2, STS, IAM), or the end of its path (DRS)."""
    target, body = request.headers.get("X-Amz-Target"), request.body or b""
    if target:
        return str(target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
    text = body.decode() if isinstance(body, bytes) else str(body)
    form = parse_qs(text) if text.startswith("Action=") else {}
    return str(form["Action"][0]) if form else urlsplit(request.url).path.rpartition("/")[2]


def killed(call: int, *, home: Path, url: str, network: Network, only_writes: bool = False) -> bool:
    """Run ``drill_and_die`` in a process with a fresh Airflow; tell whether the kill came before the drill's end.

    :param home: an AIRFLOW_HOME with a migrated database; it is copied
    """
    with tempfile.TemporaryDirectory(prefix="drs-killed-") as folder:
        plans = Path(folder) / "plans"
        plans.mkdir()
        (plans / "shop.yaml").write_text(PLAN.replace("NETWORK", network))
        for part in home.glob("airflow.db*"):  # SQLite keeps the newest changes in a file beside it
            shutil.copy(part, folder)
        warm = multiprocessing.get_context("forkserver")
        warm.set_forkserver_preload(["benchmarks.warm_airflow"])
        said = Path(folder) / "said"
        environment = airflow_environment(Path(folder), url)
        drill = warm.Process(
            target=drill_and_die, args=(call, environment, str(said)), kwargs={"only_writes": only_writes}
        )
        drill.start()
        drill.join(LONGEST)
        if drill.exitcode is None:
            drill.kill()
        if drill.exitcode not in (0, -signal.SIGKILL):
            words = said.read_text()[-4000:] if said.exists() else ""
            raise RuntimeError(f"the drill of call {call} ended by itself ({drill.exitcode}): {words}")
    return drill.exitcode == -signal.SIGKILL


def airflow_environment(home: Path, url: str) -> dict[str, str]:
    """Return the environment of an Airflow of its own beside the simulator."""
    bundle = {
        "name": "recovery-plans",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT / "dags")},
    }
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW_CONN_AWS_DEFAULT": connection(url),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DRS_INSTALLATION": INSTALLATION,
        "DRS_PLANS_FOLDER": str(home / "plans"),
        "DRS_REPORTS": str(home / "reports"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("plugins", "simulator", ".")),
    }


def connection(url: str) -> str:
    """Return the Airflow connection to the simulator."""
    login = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret"}
    return json.dumps({**login, "extra": {"region_name": "us-west-2", "endpoint_url": url}})


def swept(simulator: Any, vpcs: Sequence[str]) -> list[str]:
    """Let jobs end and time pass, sweep until nothing changes, and return what the sweeper says is left.

    :param vpcs: of production: an instance in one of them is wrong, however soon it is gone
    """
    from drs_provider.hooks.tagged_networks import TaggedNetworksHook
    from drs_provider.services.drill.sweep import sweep

    simulator.advance("1h")
    wrong = astray(simulator, vpcs)
    for _ in range(6):
        swept_now = sweep(
            TaggedNetworksHook(aws_conn_id="aws_default", region_name="us-west-2"), datetime.now(UTC) + LATER
        )
        simulator.advance("10m")
        if not swept_now.goes_on:
            break
    return [*wrong, *(f"{name}: {why}" for name, why in (swept_now.left | swept_now.waiting).items())]


def judged(
    simulator: Any, call: int, *, home: Path, network: Network = "isolated", only_writes: bool = False
) -> Judged:
    """Kill a drill after one call and sweep."""
    simulator.reset()
    simulator.client("ssm").put_parameter(Name="dr.register", Value="echo registered", Type="String")
    before = account(simulator)
    began = simulator.calls()[-1]["n"]
    templates = {server: before["drs launch configurations"][server]["ec2LaunchTemplateID"] for server in SERVERS}
    was_killed = killed(call, home=home, url=simulator.url, network=network, only_writes=only_writes)
    last = simulator.calls()[-1]
    vpcs = [vpc["VpcId"] for vpc in before["ec2 describe_vpcs"]["Vpcs"]] if network == "isolated" else []
    left = swept(simulator, vpcs)
    wrote = strays(simulator.calls(began), ids_in(before), templates)
    wrong = [*left, *differences(before, account(simulator)), *wrote]
    return Judged(was_killed, f"{last['service']}:{last['operation']}", wrong)


def every_call(calls: range, network: Network, *, only_writes: bool = False) -> Iterator[tuple[int, Judged]]:
    """Judge every call of the drill until it gets through without being killed."""
    from drs_simulator.client import SimulatorHandle
    from drs_simulator.fleet.file import fleet_of
    from drs_simulator.server.standalone import RunningSimulator

    with tempfile.TemporaryDirectory(prefix="drs-killed-home-") as folder:
        running = RunningSimulator(fleet_of(FLEET), speed=600).start()
        simulator = SimulatorHandle(running.url)
        os.environ.update(airflow_environment(Path(folder), running.url))
        from airflow.utils.db import initdb

        initdb()
        try:
            for call in calls:
                outcome = judged(simulator, call, home=Path(folder), network=network, only_writes=only_writes)
                yield call, outcome
                if not outcome.was_killed:
                    return
        finally:
            running.stop()


def main() -> int:
    """Judge what is asked for, a line a call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=get_args(Network), default="isolated")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N")
    parser.add_argument("--to", dest="last", type=int, default=1000, metavar="N")
    parser.add_argument("--step", type=int, default=1, metavar="N")
    parser.add_argument("--writes", action="store_true", help="count only calls that may change something")
    options = parser.parse_args()
    calls = range(options.first, options.last + 1, options.step)
    bad, began, number = 0, time.monotonic(), 0
    for call, outcome in every_call(calls, options.network, only_writes=options.writes):
        bad += bool(outcome.wrong)
        number += 1
        after = f"after {outcome.operation}" if outcome.was_killed else "not killed"
        print(f"call {call} ({after}): {'; '.join(outcome.wrong)[:MOST_WORDS] or 'as before'}", flush=True)
    seconds = (time.monotonic() - began) / max(number, 1)
    print(f"{number} drills of {seconds:.1f} s: after {bad} of them the account was not as before")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
