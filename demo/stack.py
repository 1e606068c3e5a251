"""The simulator and Airflow, started together and ended together, in one folder."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, get_args

import httpx

from demo import environment, postgresql
from demo.airflow_api import AirflowApi
from demo.environment import Places, Secrets
from demo.ports import Ports, any_port, choose
from demo.processes import Processes
from demo.simulator_api import SimulatorApi
from demo.team import LOCAL, PROXY, REDIS, WORKER, Executor, Parts, Team, TeamUnavailable, kin, team

PROJECT = Path(__file__).resolve().parent.parent
FLEETS = tuple(PROJECT / "simulator" / "fleets" / name for name in ("web-shop.yaml", "hello.yaml", "ledger.yaml"))
READY_WITHIN = 120.0
Database = Literal["sqlite", "postgresql"]
DATABASES: tuple[Database, ...] = get_args(Database)
_HEALTHY = {"metadatabase", "scheduler", "triggerer", "dag_processor"}
_LAST_LINES = 15


class StackError(RuntimeError):
    """The stack cannot run; the text says why and where to look."""


class FolderTaken(StackError):
    """Another stack lives in the state folder."""


class DatabaseUnavailable(StackError):
    """The database that was asked for, or what Celery needs, cannot be had on this machine."""


class ComponentDied(StackError):
    """One of the stack's processes ended by itself."""


class NotReady(StackError):
    """The stack was not ready in time."""


@dataclass(frozen=True)
class Settings:
    """What a stack is made of.

    :ivar state: the folder that it writes to; everything but ``reports`` in it is made afresh.
    :ivar plans: the plans folder.
    :ivar fleets: the simulator's fleet files.
    :ivar speed: how many times faster than in reality DRS works.
    :ivar faults: a file of faults for the simulator (JSON or YAML).
    :ivar port: the port of Airflow's API and pages; None takes 8080 or, if that is in use, any.
    :ivar airflow: more of Airflow's environment; it wins over the stack's own.
    :ivar database: where Airflow keeps its tables: in a file, or in a PostgreSQL of the stack's own.
    :ivar executor: who runs tasks: the one scheduler, or Celery's workers, and then there are two of every part
        (``demo.team``). Celery needs PostgreSQL.
    :ivar ready_within: seconds that each part gets to be ready.
    """

    state: Path = PROJECT / ".demo"
    plans: Path = PROJECT / "plans"
    fleets: tuple[Path, ...] = FLEETS
    speed: float = 60
    faults: Path | None = None
    port: int | None = None
    airflow: Mapping[str, str] = field(default_factory=dict)
    database: Database = "sqlite"
    executor: Executor = "local"
    ready_within: float = READY_WITHIN


class Stack:
    """A running simulator and Airflow; a context manager.

    Entering starts everything and waits until it can be used; leaving ends every process of it.

    :raises FolderTaken: when another stack lives in the folder.
    :raises demo.ports.PortTaken: when the port that was asked for is in use.
    :raises DatabaseUnavailable: when there is no PostgreSQL, or no driver for it, on this machine.
    :raises ComponentDied: when a process ends by itself, with its last lines.
    :raises NotReady: when it takes longer than two minutes.
    """

    simulator: SimulatorApi
    airflow: AirflowApi
    processes: Processes

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
        self.settings = settings
        self.places = Places(PROJECT, settings.state.resolve(), settings.plans.resolve())
        self.secrets = Secrets(secrets.token_urlsafe(9), secrets.token_bytes(32))
        self.ports = Ports()
        self._cluster: postgresql.Cluster | None = None
        self._team: Team | None = None
        self._say = say
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say("\nending every process")
        self._open.close()

    @property
    def password(self) -> str:
        """Return the password of the user ``admin``."""
        return self.secrets.password

    def airflow_environment(self) -> dict[str, str]:
        """Return the environment of Airflow's processes."""
        env = environment.airflow(os.environ, self.places, self.ports, self.secrets)
        env |= self._cluster.environment() if self._cluster else {}
        if self._team:
            env |= self._team.environment(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        return env | dict(self.settings.airflow)

    @property
    def parts(self) -> Parts:
        """Return the parts of its Airflow by name."""
        return self._team.parts() if self._team else LOCAL

    def tasks_below(self) -> set[int]:
        """Return the processes whose grandchildren are tasks: Celery's workers, or the scheduler."""
        names = kin(self.parts, WORKER) or kin(self.parts, "scheduler")
        return {self.processes.pids[name] for name in names if name in self.processes.pids}

    def begin(self, name: str) -> None:
        """Start a part of Airflow, or what it needs, for the first time or again."""
        here = environment.clean(os.environ) | environment.marker(self.places)
        if name in self.parts:
            self.processes.start(name, _airflow(*self.parts[name]), self.airflow_environment(), PROJECT)
        elif name == _POSTGRESQL and self._cluster:
            # SIGTERM would wait for Airflow to hang up.
            self.processes.start(name, self._cluster.serving(), here, self._cluster.home, ask_with=signal.SIGINT)
        elif self._team:
            self.processes.start(name, self._team.services()[name], here, self._team.home)
        else:
            raise LookupError(f"the stack has no {name}")

    def check(self, wait: float = 0.0) -> None:
        """Notice what ended, waiting at most so long for news.

        :raises ComponentDied: with the name, the last lines and the log of the first that did.
        """
        self.processes.hear(wait)
        for name, code in self.processes.exits.items():
            if name not in _THAT_END or code != 0:
                raise ComponentDied(_obituary(name, code, self.processes.log(name)))

    def _start(self) -> None:
        lock = self._open.enter_context(_locked(self.places.state))
        self.ports = choose(self.settings.port)
        self._prepare_folders()
        self._choose_database()
        self._choose_team()
        self.processes = self._open.enter_context(Processes(self.places.logs, lock.fileno()))
        self.simulator = SimulatorApi(f"http://127.0.0.1:{self.ports.simulator}")
        self._open.callback(self.simulator.close)
        self.airflow = AirflowApi(f"http://127.0.0.1:{self.ports.api}", environment.USER, self.password)
        self._open.callback(self.airflow.close)
        self._start_processes()
        self._await("the simulator", self.simulator.ready)
        self._await("Airflow's API", self._logged_in)
        self._await("Airflow's scheduler, DAG processor and triggerer", self._healthy)

    def _prepare_folders(self) -> None:
        for old in (self.places.airflow, self.places.logs):
            shutil.rmtree(old, ignore_errors=True)
            old.mkdir(parents=True)
        self.places.reports.mkdir(exist_ok=True)
        self.places.passwords.touch(mode=0o600)
        self.places.passwords.chmod(0o600)  # before anything stands in it
        self.places.passwords.write_text(json.dumps(dict.fromkeys(self._users(), self.password)))

    def _users(self) -> list[str]:
        """Return who signs in; two API servers that start at once would each make up passwords of their own."""
        told = self.settings.airflow.get(environment.USERS, "") if self._is_team else ""
        return [environment.USER, *(entry.partition(":")[0] for entry in told.split(",") if entry)]

    @property
    def _is_team(self) -> bool:
        return self.settings.executor == "celery"

    def _start_processes(self) -> None:
        """Start everything at once; only what needs Airflow's tables waits for them."""
        self._say("starting the simulator and Airflow")
        here = environment.simulator(os.environ, self.places)
        self.processes.start("simulator", self._simulator_command(), here, PROJECT)
        env = self.airflow_environment()
        if self._cluster:
            self._start_cluster(self._cluster)
            self._make_tables(env)
        else:
            empty = self.places.state / f"empty-airflow-{version('apache-airflow-core')}.db"
            database = self.places.airflow / "airflow.db"
            if empty.exists():
                shutil.copyfile(empty, database)
            else:
                self._make_tables(env)
                _copy_database(database, empty)
        if self._team:
            self._start_services(self._team)
        for name in self.parts:
            self.begin(name)

    def _choose_team(self) -> None:
        if not self._is_team:
            return
        if self.settings.database == "sqlite":
            raise DatabaseUnavailable("Airflow with Celery needs DATABASE=postgresql: SQLite is one process's")
        taken = {self.ports.api, self.ports.simulator, self.ports.worker_log, self.ports.trigger_log}
        taken |= {self._cluster.port} if self._cluster else set()
        try:
            self._team = team(self.places.airflow / "team", self.ports.api, _free(taken), self.secrets.text)
        except TeamUnavailable as error:
            raise DatabaseUnavailable(str(error)) from None
        self._team.prepare((PROJECT / "docker" / "haproxy.cfg").read_text(encoding="utf-8"))

    def _start_services(self, made: Team) -> None:
        for name in (REDIS, PROXY):
            self.begin(name)
        self._await("Redis", made.answers)

    def _choose_database(self) -> None:
        if self.settings.database == "sqlite":
            return
        port = any_port((self.ports.api, self.ports.simulator, self.ports.worker_log, self.ports.trigger_log))
        try:
            self._cluster = postgresql.cluster(self.places.airflow / "postgresql", port, self.password)
            self._cluster.prepare()
        except postgresql.Unavailable as error:
            raise DatabaseUnavailable(str(error)) from None

    def _start_cluster(self, cluster: postgresql.Cluster) -> None:
        env = environment.clean(os.environ) | environment.marker(self.places)
        self.processes.start(_INITDB, cluster.making(), env, cluster.home)
        self._await("PostgreSQL's files", lambda: _INITDB in self.processes.exits)
        self.begin(_POSTGRESQL)
        self._await("PostgreSQL", cluster.answers)

    def _make_tables(self, env: Mapping[str, str]) -> None:
        self.processes.start(_MIGRATION, _airflow("db", "migrate"), env, PROJECT)
        self._await("Airflow's tables", lambda: _MIGRATION in self.processes.exits)

    def _simulator_command(self) -> list[str]:
        chosen = self.settings
        command = [sys.executable, "-m", "drs_simulator", "--host", "127.0.0.1", "--port", str(self.ports.simulator)]
        command += ["--speed", f"{chosen.speed:g}"]
        for fleet in chosen.fleets:
            command += ["--fleet", str(fleet)]
        return command + (["--faults", str(chosen.faults)] if chosen.faults else [])

    def _await(self, what: str, happened: Callable[[], bool]) -> None:
        within = self.settings.ready_within
        give_up = time.monotonic() + within
        while not happened():
            self.check(wait=0.1)
            if time.monotonic() > give_up:
                raise NotReady(f"{what}: not ready after {within:.0f} s. The logs are in {self.places.logs}")

    def _logged_in(self) -> bool:
        try:
            self.airflow.log_in()
        except httpx.HTTPError:
            return False
        return True

    def _healthy(self) -> bool:
        health = self.airflow.health()
        return all(health.get(name) == "healthy" for name in _HEALTHY)

    def await_dag(self, dag_id: str) -> None:
        """Wait until Airflow knows a DAG.

        :raises NotReady: with the import errors that Airflow shows, when it does not come to know it.
        """
        began, within = time.monotonic(), self.settings.ready_within
        while not self.airflow.knows_dag(dag_id):
            self.check(wait=0.2)
            waited = time.monotonic() - began
            # Errors of other files are no news of this DAG, but after a while they are the likeliest reason.
            errors = self.airflow.import_errors() if waited > _PATIENCE_WITH_ERRORS else []
            if errors or waited > within:
                said = "\n".join(errors) or f"no import error either; see {self.processes.log('dag-processor')}"
                raise NotReady(f"Airflow does not know the DAG {dag_id}:\n{said}")


_PATIENCE_WITH_ERRORS = 15.0
_MIGRATION, _INITDB, _POSTGRESQL = "db-migrate", "initdb", "postgresql"
_THAT_END = (_MIGRATION, _INITDB)


def _free(taken: set[int]) -> Iterator[int]:
    """Yield free ports that are all different."""
    while True:
        taken.add(port := any_port(taken))
        yield port


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _locked(state: Path) -> IO[str]:
    """Take the state folder for this stack; the lock goes with the last process that holds the file."""
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise FolderTaken(
            f"another demo runs in {state} (process {owner}). Stop it with Ctrl-C in its terminal: kill -INT {owner}"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _copy_database(source: Path, target: Path) -> None:
    """Keep the tables just made for the next start: they cost five seconds and are always the same."""
    unfinished = target.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as full, closing(sqlite3.connect(unfinished)) as copy:
        full.backup(copy)
    unfinished.rename(target)


def _obituary(name: str, code: int, log: Path) -> str:
    end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    return "\n".join([f"{name} {end}. Its last lines:", *(f"  | {line}" for line in last), f"The whole log: {log}"])
