"""The two processes of a rehearsal: a simulator of its own, and the run of the plan against it."""

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pydantic import JsonValue, TypeAdapter

from drs_provider.exceptions import DrsProviderError, UsageError
from drs_provider.rehearsal.facts import RehearsalFacts, RehearsalRequest

NOT_INSTALLED = "the simulator is not installed: pip install 'airflow-provider-drs[simulator]'"

_MOST_START = 180
"""Real seconds for a simulator to be ready: it takes three, and many times that on a machine that is overloaded."""

_BAD_INPUT = 2
_FOREIGN = ("AIRFLOW", "_AIRFLOW", "AWS_", "DRS_", "BOTO", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Beginnings of variables that would lead a rehearsal to a real account, or to another Airflow."""


class RehearsalFailed(DrsProviderError):
    """The rehearsal itself went wrong; it says nothing about the plan."""


@dataclass(frozen=True)
class Connection:
    """Where an Airflow connection leads in a rehearsal: an account of the simulator, and the Region it stands for."""

    account: str
    region: str


class Simulator:
    """A simulator that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        """Ask its control plane."""
        return self._asked(path, None)

    def post(self, path: str, what: Mapping[str, JsonValue]) -> Any:
        """Tell its control plane something."""
        return self._asked(path, json.dumps(what).encode())

    def _asked(self, path: str, body: bytes | None) -> Any:
        request = Request(f"{self.url}/_simulator/{path}", data=body)  # noqa: S310 - our own process
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            raise RehearsalFailed(f"the simulator refused {path}: {error.read().decode()}") from error
        except (URLError, OSError) as error:
            raise RehearsalFailed(f"the simulator no longer answers: {error}") from error


def ensure_installed() -> None:
    """Say what is missing where the simulator cannot run."""
    if find_spec("drs_simulator") is None or find_spec("moto") is None:
        raise UsageError(NOT_INSTALLED)


@contextmanager
def simulator(fleets: Sequence[Path], *, faults: Path | None, random_seed: int) -> Iterator[Simulator]:
    """Start a simulator on a free port and end it afterwards; UsageError with its own words for bad input."""
    command = [sys.executable, "-m", "drs_simulator", "--port", "0", "--speed=1", f"--random-seed={random_seed}"]
    command += [f"--fleet={fleet}" for fleet in fleets] + ([f"--faults={faults}"] if faults else [])
    # Into a file: a pipe that nobody reads is full one day, and the simulator then waits for ever.
    with _ending_on_terminate(), tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(  # noqa: S603 - our own simulator
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=_clean()
        )
        try:
            yield Simulator(_address(process, said))
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def rehearse(request: RehearsalRequest, connections: Mapping[str, Connection], home: Path) -> RehearsalFacts:
    """Run the plan's tasks in a process of their own (``rehearsal.engine``); return what the run left."""
    with _ending_on_terminate():
        process = subprocess.Popen(
            [sys.executable, "-m", "drs_provider.rehearsal.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(request, connections, home),
        )
        try:
            said, _ = process.communicate(TypeAdapter(RehearsalRequest).dump_json(request).decode())
        except BaseException:
            process.kill()
            process.communicate()
            raise
    facts = Path(request.facts)
    if process.returncode != 0 or not facts.exists():
        raise RehearsalFailed(f"the rehearsal itself failed; this says nothing about the plan:\n{said.strip()[-4000:]}")
    return TypeAdapter(RehearsalFacts).validate_json(facts.read_bytes())


def _address(process: "subprocess.Popen[str]", errors: IO[str]) -> str:
    """Wait for the line that says where the simulator listens.

    :param errors: the file with what it says besides
    """
    out: IO[str] = process.stdout  # type: ignore[assignment]  # it is a pipe
    with selectors.DefaultSelector() as waiting:
        waiting.register(out, selectors.EVENT_READ)
        line = out.readline() if waiting.select(_MOST_START) else ""
    if " ready on " in line:
        return line.split(" ready on ", 1)[1].split()[0]
    process.terminate()
    process.communicate(timeout=10)
    errors.seek(0)
    said = errors.read()
    if process.returncode == _BAD_INPUT:
        raise UsageError(said.strip())
    raise RehearsalFailed(f"the simulator did not start:\n{said.strip()[-2000:] or 'no output'}")


def _clean() -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    return found | {"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}


def _environment(request: RehearsalRequest, connections: Mapping[str, Connection], home: Path) -> dict[str, str]:
    """Give an Airflow of its own, whose connections, and every AWS client besides, lead to the simulator alone."""
    return {
        **_clean(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'never-made.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DRS__INSTALLATION": "rehearsal",
        "AIRFLOW__DRS__SIGNING_KEY": secrets.token_urlsafe(),
        "AWS_ENDPOINT_URL": request.simulator,
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": next((connection.region for connection in connections.values()), "us-east-1"),
        "DRS_REPORTS": request.reports,
        **{
            f"AIRFLOW_CONN_{name.upper()}": _connection(connection, request.simulator)
            for name, connection in connections.items()
        },
    }


def _connection(connection: Connection, url: str) -> str:
    """The account's own number as the access key: the simulator takes it for that account's."""
    extra = {"region_name": connection.region, "endpoint_url": url}
    return json.dumps({"conn_type": "aws", "login": connection.account, "password": "rehearsal", "extra": extra})


@contextmanager
def _ending_on_terminate() -> Iterator[None]:
    """Let SIGTERM end like Ctrl-C, so that no process of ours stays behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever runs us sees to it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
