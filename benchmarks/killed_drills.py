"""Drills whose process is killed with -9 after one of its AWS calls, and what the sweeper makes of the account then.

    python -m benchmarks.killed_drills [--from N] [--to N] [--step N]

Every call of a small drill in turn: two waves of three servers with launch settings of their own. After the kill
the clock goes past the expiry, the sweeper runs alone, and the account must be what it was before. Exit code 1 where
it is not.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LATER = timedelta(days=3)
"""How long after the kill the sweeper comes: every drill is over by then."""

PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001, s-00000000000000002]
drill_launch: {instance_type: t3.small}
---
kind: ProtectionGroup
name: web
region: us-west-2
servers: [s-00000000000000011]
drill_launch: {instance_type: t3.small, copy_tags: true}
---
kind: RecoveryPlan
name: shop
drill: {network: shared}
waves:
  - {name: database, groups: [db]}
  - {name: web, groups: [web]}
"""

SERVERS = [
    {"id": f"s-{number:017d}", "hostname": name, "tags": {"App": "shop"}, "lag": "2s"}
    for number, name in ((1, "db1"), (2, "db2"), (11, "web1"))
]
FLEET = {
    "accounts": [
        {
            "id": "111122223333",
            "regions": [
                {
                    "name": "us-west-2",
                    "network": {"vpc": "10.20.0.0/16", "subnets": {"prod": "10.20.0.0/22"}},
                    "servers": SERVERS,
                }
            ],
        }
    ]
}


def drill_and_die(call: int) -> None:
    """Run the drill in this process, which kills itself once its AWS call of this number has been answered."""
    from botocore.httpsession import URLLib3Session

    send, made = URLLib3Session.send, iter(range(1, 1_000_000))

    def counted(session: Any, request: Any) -> Any:
        answer = send(session, request)
        if next(made) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    URLLib3Session.send = counted  # type: ignore[method-assign, assignment]  # counts what the process really sends
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(str(ROOT / "dags" / "recovery_plans.py")).dags["drs.shop"]
    for task in dag.tasks:
        if not hasattr(task, "partial_kwargs"):
            task.retries = 0
    ended = dag.test(run_conf={"mode": "drill"})
    sys.exit(0 if str(ended.state) == "success" else 3)


def killed(call: int, *, home: Path, url: str) -> int:
    """Run ``drill_and_die`` in a process with a fresh Airflow; return its exit code (-9: killed; 0: it got through).

    :param home: an AIRFLOW_HOME with a migrated database; it is copied
    """
    with tempfile.TemporaryDirectory(prefix="drs-killed-") as folder:
        plans = Path(folder) / "plans"
        plans.mkdir()
        (plans / "shop.yaml").write_text(PLAN)
        for part in home.glob("airflow.db*"):  # SQLite keeps the newest changes in a file beside it
            shutil.copy(part, folder)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.killed_drills", "--die-at", str(call)],
            env={**os.environ, **airflow_environment(Path(folder), url)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the drill of call {call} ended by itself: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode


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
        "DRS_PLANS_FOLDER": str(home / "plans"),
        "DRS_REPORTS": str(home / "reports"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / one) for one in ("plugins", "simulator", ".")),
    }


def connection(url: str) -> str:
    """Return the Airflow connection to the simulator."""
    login = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret"}
    return json.dumps({**login, "extra": {"region_name": "us-west-2", "endpoint_url": url}})


def account(simulator: Any) -> dict[str, Any]:
    """Return everything in the account that a drill may make or change; what is terminated is gone."""
    ec2, drs = simulator.client("ec2"), simulator.client("drs")
    reservations = ec2.describe_instances()["Reservations"]
    instances = [one for each in reservations for one in each["Instances"] if one["State"]["Name"] != "terminated"]
    servers = drs.describe_source_servers(filters={})["items"]
    templates = ec2.describe_launch_templates(MaxResults=200)["LaunchTemplates"]
    return {
        "instances": sorted(one["InstanceId"] for one in instances if _is_recovered(one)),
        "volumes": sorted(one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]),
        "interfaces": sorted(
            one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ),
        "snapshots": sorted(one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]),
        "groups": sorted(one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]),
        "vpcs": sorted(one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]),
        "subnets": sorted(one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]),
        "tags": {one["sourceServerID"]: one["tags"] for one in servers},
        "settings": {one["sourceServerID"]: _settings(drs, one["sourceServerID"]) for one in servers},
        "templates": {one["LaunchTemplateId"]: _template(ec2, one) for one in templates},
    }


def _is_recovered(instance: Mapping[str, Any]) -> bool:
    return any(tag["Key"] == "AWSElasticDisasterRecoverySourceServerID" for tag in instance.get("Tags", ()))


def _settings(drs: Any, server: str) -> dict[str, Any]:
    answer = drs.get_launch_configuration(sourceServerID=server)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _template(ec2: Any, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default's data, not its number, and that no version of a drill is left."""
    found = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])
    versions = found["LaunchTemplateVersions"]
    default = next(one for one in versions if one["DefaultVersion"])
    described = [one.get("VersionDescription") or "" for one in versions]
    drills = [one for one in described if one.startswith("drs-orchestrator: drill ")]
    return {"default": default["LaunchTemplateData"], "of drills": drills}


def swept(simulator: Any) -> list[str]:
    """Let jobs end and time pass, sweep until nothing changes, and return what the sweeper says is left."""
    from drs_provider.aws.tagged_networks import TaggedNetworksHook
    from drs_provider.operators.sweeping import sweep

    simulator.advance("1h")
    for _ in range(6):
        one = sweep(TaggedNetworksHook(aws_conn_id="aws_default", region_name="us-west-2"), datetime.now(UTC) + LATER)
        simulator.advance("10m")
        if not one.goes_on:
            break
    return [f"{name}: {why}" for name, why in (one.left | one.waiting).items()]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say in what two states of the account differ."""
    return [f"{what}: {before[what]} is {after[what]} now" for what in before if before[what] != after[what]]


def judged(simulator: Any, call: int, *, home: Path) -> tuple[bool, list[str]]:
    """Kill a drill after one call and sweep; return whether it lived that long, and what is wrong with the account."""
    simulator.reset()
    before = account(simulator)
    code = killed(call, home=home, url=simulator.url)
    left = swept(simulator)
    production = [
        one for one in simulator.calls() if one["operation"] == "StartRecovery" and not one["request"]["isDrill"]
    ]
    wrong = [*left, *differences(before, account(simulator)), *(f"a recovery: {one}" for one in production)]
    return code == -signal.SIGKILL, wrong


def every_call(first: int, last: int, step: int) -> Iterator[tuple[int, list[str]]]:
    """Judge every call of the drill until it gets through without being killed."""
    from drs_simulator.pytest_plugin import SimulatorHandle, fleet_of
    from drs_simulator.running import RunningSimulator

    with tempfile.TemporaryDirectory(prefix="drs-killed-home-") as folder:
        running = RunningSimulator(fleet_of(FLEET), speed=600).start()
        simulator = SimulatorHandle(running.url)
        os.environ.update(airflow_environment(Path(folder), running.url))
        from airflow.utils.db import initdb

        initdb()
        try:
            for call in range(first, last + 1, step):
                was_killed, wrong = judged(simulator, call, home=Path(folder))
                yield call, wrong
                if not was_killed:
                    return
        finally:
            running.stop()


def main() -> int:
    """Judge what is asked for, a line a call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N")
    parser.add_argument("--to", dest="last", type=int, default=1000, metavar="N")
    parser.add_argument("--step", type=int, default=1, metavar="N")
    parser.add_argument("--die-at", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.die_at:
        drill_and_die(options.die_at)
    bad = 0
    for call, wrong in every_call(options.first, options.last, options.step):
        bad += bool(wrong)
        print(f"call {call}: {'as before' if not wrong else '; '.join(wrong)}", flush=True)
    print(f"{bad} calls after which the sweeper did not bring the account back")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
