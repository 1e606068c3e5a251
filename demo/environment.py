"""What Airflow and the simulator are told: the environment of the stack, as data."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.ports import Ports

REGION = "us-west-2"
USER = "admin"
USERS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"
"""The setting that names who may sign in: ``name:role``, with commas between."""
INSTALLATION = "demo"
"""Id of the demo's Airflow in the tags of what its runs make."""

# Measured, not guessed: docs/performance.md. SQLite has one writer.
PARALLELISM = 16
SCHEDULER_IDLE_SLEEP = 0.1

_SCRUBBED = ("AIRFLOW", "AWS_", "DRS_", "PYTHON", "VIRTUAL_ENV", "_AIRFLOW", "BOTO")


@dataclass(frozen=True)
class Places:
    """Where things are.

    :ivar project: the checkout.
    :ivar state: the folder that holds all that a stack writes.
    :ivar plans: the plans folder.
    """

    project: Path
    state: Path
    plans: Path

    @property
    def airflow(self) -> Path:
        """Airflow's home."""
        return self.state / "airflow"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.state / "logs"

    @property
    def reports(self) -> Path:
        """Reports of the runs; they stay when the stack goes."""
        return self.state / "reports"

    @property
    def passwords(self) -> Path:
        """The file of SimpleAuth's passwords."""
        return self.airflow / "passwords.json"


@dataclass(frozen=True)
class Secrets:
    """What the parts of one Airflow share, made afresh for every stack.

    :ivar password: of the user ``admin``.
    :ivar token: 32 random bytes for JWT, Fernet and sessions.
    """

    password: str
    token: bytes

    @property
    def text(self) -> str:
        """The token as URL-safe base64: the form that Fernet wants."""
        return base64.urlsafe_b64encode(self.token).decode()


def clean(inherited: Mapping[str, str]) -> dict[str, str]:
    """Drop what would turn the demo against a real account or another Airflow."""
    return {name: value for name, value in inherited.items() if not name.startswith(_SCRUBBED)}


def aws(simulator: str) -> dict[str, str]:
    """Return the settings that send every AWS client to the simulator and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": simulator,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def connection(simulator: str) -> str:
    """Return the Airflow connection ``aws_default`` as JSON.

    STS ignores ``endpoint_url`` when it assumes roles (``AwsGenericHook``), so it is named once more.
    """
    extra = {
        "region_name": REGION,
        "endpoint_url": simulator,
        "service_config": {"sts": {"endpoint_url": simulator}},
    }
    return json.dumps({"conn_type": "aws", "login": "demo", "password": "demo", "extra": extra})


def simulator(inherited: Mapping[str, str], places: Places) -> dict[str, str]:
    """Return the simulator's environment."""
    return (
        clean(inherited) | marker(places) | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(places.project / "simulator")}
    )


def marker(places: Places) -> dict[str, str]:
    """Return what every process of a stack carries, so that it can be told from every other.

    setproctitle writes a process's title over its environment unless it is told not to (SPT_NOENV).
    """
    return {"DRS_DEMO_STATE": str(places.state), "SPT_NOENV": "1"}


def airflow(inherited: Mapping[str, str], places: Places, ports: Ports, secrets: Secrets) -> dict[str, str]:
    """Return Airflow's environment: everything that the demo sets, with the reason where it is not plain."""
    address = f"http://127.0.0.1:{ports.api}"
    endpoint = f"http://127.0.0.1:{ports.simulator}"
    home = places.airflow
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(places.project / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(places.project / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": secrets.text,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        # Tasks wait a minute for an API server that starts again; Airflow's own five tries are over after nine seconds.
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "8",
        USERS: f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(places.passwords),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports.api),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.text,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.text,
        # Two processes that write at the same moment wait for each other instead of failing.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        # A step in sequence costs 0.34 s instead of 1.09 s.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(SCHEDULER_IDLE_SLEEP),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.worker_log),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.trigger_log),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": connection(endpoint),
        # All of a demo is on this machine, those who are notified as well.
        "DRS_ALLOW_LOOPBACK": "true",
        "DRS_INSTALLATION": INSTALLATION,
        "DRS_PLANS_FOLDER": str(places.plans),
        "DRS_REPORTS": str(places.reports),
        "PYTHONUNBUFFERED": "1",
    }
    return clean(inherited) | marker(places) | aws(endpoint) | settings
