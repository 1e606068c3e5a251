"""Two of every part, as in docker-compose.yaml but without containers: Celery's workers, Redis, and HAProxy before the
API servers.

The proxy's configuration is that of the team deployment (docker/haproxy.cfg), on other addresses.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import quote

Executor = Literal["local", "celery"]
EXECUTORS: Final[tuple[Executor, ...]] = get_args(Executor)

Parts = Mapping[str, tuple[str, ...]]
"""What the parts of a stack are called, and what ``airflow`` is told to become each of them."""

LOCAL: Final[Parts] = {name: (name,) for name in ("scheduler", "dag-processor", "triggerer", "api-server")}
"""With LocalExecutor: one of each, and the tasks are the scheduler's."""

WORKER: Final = "celery-worker"
CONCURRENCY: Final = 4
"""Tasks that each of the two workers runs at a time."""

REDIS, PROXY = "redis", "haproxy"
_PACKAGES: Final = {"redis-server": "redis-server", "haproxy": "haproxy"}
_SYSTEM: Final = ("/usr/sbin", "/usr/local/sbin")
"""Where Debian has haproxy; not on everybody's PATH."""


class TeamUnavailable(RuntimeError):
    """A program of the team deployment is not on this machine; the text says what to install."""


@dataclass(frozen=True)
class Team:
    """What a stack with Celery has beside its database.

    :ivar programs: the programs ``redis-server`` and ``haproxy``.
    :ivar home: the folder for Redis's data and both configurations; made by :meth:`prepare`.
    :ivar port: of the proxy: the address that people and tasks know.
    :ivar api_ports: of the API servers behind it.
    """

    programs: Mapping[str, str]
    home: Path
    port: int
    redis_port: int
    api_ports: tuple[int, int]
    password: str

    def prepare(self, proxy: str) -> None:
        """Make the home and both configurations.

        :param proxy: the text of docker/haproxy.cfg
        """
        self.home.mkdir(mode=0o700)
        (self.home / "haproxy.cfg").write_text(proxy_configuration(proxy, self.port, self.api_ports))
        lines = (
            *("bind 127.0.0.1", f"port {self.redis_port}", f"requirepass {self.password}"),
            # As in docker-compose.yaml: what was queued is still queued after a restart.
            *("appendonly yes", f"dir {self.home}"),
        )
        (self.home / "redis.conf").write_text("\n".join(lines) + "\n")
        (self.home / "redis.conf").chmod(0o600)

    def parts(self) -> Parts:
        """Return two of every part but the DAG processor, which no run needs."""
        parts: dict[str, tuple[str, ...]] = {"dag-processor": ("dag-processor",)}
        for number, port in enumerate(self.api_ports, start=1):
            name = f"{WORKER}-{number}"
            of_worker = ("--celery-hostname", name, "--pid", str(self.home / f"{name}.pid"), "--skip-serve-logs")
            parts |= {
                f"scheduler-{number}": ("scheduler",),
                f"triggerer-{number}": ("triggerer", "--skip-serve-logs"),
                f"api-server-{number}": ("api-server", "--port", str(port), "--proxy-headers"),
                name: ("celery", "worker", *of_worker),
            }
        return parts

    def services(self) -> Mapping[str, Sequence[str]]:
        """Return the commands of Redis and of the proxy."""
        return {
            REDIS: (self.programs["redis-server"], str(self.home / "redis.conf")),
            PROXY: (self.programs["haproxy"], "-db", "-f", str(self.home / "haproxy.cfg")),
        }

    def environment(self, database: str) -> dict[str, str]:
        """Return what tells Airflow to use Celery.

        :param database: Airflow's own (``sql_alchemy_conn``): Celery keeps there what became of tasks
        """
        where = f":{quote(self.password, safe='')}@127.0.0.1:{self.redis_port}/0"
        return {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://{where}",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
        }

    def answers(self) -> bool:
        """Say whether Redis can be used: it is asked as its own client asks."""
        try:
            with socket.create_connection(("127.0.0.1", self.redis_port), timeout=1) as line:
                line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                heard = b""
                while heard.count(b"\r\n") < len(("AUTH", "PING")) and (piece := line.recv(1024)):
                    heard += piece
        except OSError:
            return False
        return heard == b"+OK\r\n+PONG\r\n"


def team(
    home: Path,
    port: int,
    free: Iterator[int],
    password: str,
    *,
    find: Callable[[str], str | None] | None = None,
) -> Team:
    """Return the team of a stack, not made yet.

    :param port: of the proxy
    :param free: free ports
    :param find: where a program is; None: on PATH, then where Debian has what only root is to start
    :raises TeamUnavailable: when a program is missing
    """
    looked = find or _on_this_machine
    programs = {name: looked(name) for name in _PACKAGES}
    missing = [name for name, where in programs.items() if where is None]
    if missing:
        raise TeamUnavailable(
            f"Airflow with Celery needs {' and '.join(missing)}; "
            f"on Debian and Ubuntu: apt-get install {' '.join(_PACKAGES[name] for name in missing)}"
        )
    found = {name: where for name, where in programs.items() if where is not None}
    return Team(found, home, port, next(free), (next(free), next(free)), password)


def _on_this_machine(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SYSTEM))


def proxy_configuration(text: str, port: int, servers: Sequence[int]) -> str:
    """Rewrite docker/haproxy.cfg for servers on this machine: the addresses change, and nothing else.

    :raises ValueError: when the file no longer has what is rewritten
    """
    lines = []
    in_resolvers = False
    addresses = iter(servers)
    for line in text.splitlines():
        words = line.split()
        if line and not line[0].isspace() and not line.startswith("#"):
            in_resolvers = words[0] == "resolvers"
        if in_resolvers:
            continue
        if words[:1] == ["bind"]:
            line = f"    bind 127.0.0.1:{port}"  # noqa: PLW2901
        elif words[:1] == ["default-server"]:
            line = line.partition(" resolvers ")[0]  # noqa: PLW2901
        elif words[:1] == ["server"]:
            line = f"    server {words[1]} 127.0.0.1:{next(addresses)}"  # noqa: PLW2901
        lines.append(line)
    whole = "\n".join(lines) + "\n"
    if next(addresses, None) is not None or f"bind 127.0.0.1:{port}" not in whole or "resolvers" in whole:
        raise ValueError("docker/haproxy.cfg no longer has one bind, a section of resolvers and a server for each port")
    return whole


def kin(parts: Parts, kind: str) -> list[str]:
    """Return the parts of a kind: ``scheduler`` itself, or ``scheduler-1`` and ``scheduler-2``."""
    return [name for name in parts if name == kind or name.removeprefix(f"{kind}-").isdigit()]
