"""A private PostgreSQL in the state folder: made afresh for one stack, gone with it."""

import importlib.util
import os
import pwd
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PROGRAMS = ("initdb", "postgres")
DRIVERS = ("asyncpg", "psycopg2")
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu keep what they do not put on PATH, one folder a version."""

ROLE = "airflow"
_ACCOUNTS = ("postgres", "nobody")
_ROOT = 0


class Unavailable(RuntimeError):
    """There is no PostgreSQL to start, or nothing to reach it with; the text says what to install."""


@dataclass(frozen=True)
class Cluster:
    """One cluster with one superuser, reached by password on a port of this machine.

    :ivar programs: the folder with ``initdb`` and ``postgres``.
    :ivar home: the folder for its data and its password; made by :meth:`prepare`.
    :ivar account: the account that it runs as, where this process is root, as which PostgreSQL refuses to run.
    """

    programs: Path
    home: Path
    port: int
    password: str
    account: str | None = None

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    @property
    def _password_file(self) -> Path:
        return self.home / "password"

    def prepare(self) -> None:
        """Make the home, which only its account may read.

        :raises Unavailable: when its account cannot get there.
        """
        self.home.mkdir(mode=0o700)
        self._password_file.write_text(self.password)
        self._password_file.chmod(0o600)
        if self.account is None:
            return
        closed = [folder for folder in self.home.parents if not folder.stat().st_mode & 0o001]
        if closed:
            raise Unavailable(
                f"PostgreSQL does not run as root, and the account {self.account} may not enter {closed[0]}: "
                f"run this as another user, or from a folder that all may enter"
            )
        for path in (self.home, self._password_file):
            shutil.chown(path, self.account)

    def making(self) -> list[str]:
        """Return the command that makes the cluster."""
        options = ["--username", ROLE, "--pwfile", str(self._password_file), "--auth", "scram-sha-256"]
        options += ["--pgdata", str(self.data), "--encoding", "UTF8", "--locale", "C"]
        return [*self._by_account(), str(self.programs / "initdb"), *options]

    def serving(self) -> list[str]:
        """Return the command that runs it; SIGINT ends it at once and in order."""
        options = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories="]
        command = [*self._by_account(), str(self.programs / "postgres"), "-D", str(self.data)]
        return command + [part for option in options for part in ("-c", option)]

    def environment(self) -> dict[str, str]:
        """Return what tells Airflow to use it."""
        where = f"{ROLE}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/postgres"
        return {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{where}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{where}",
        }

    def answers(self) -> bool:
        """Say whether it can be used."""
        import psycopg2

        try:
            psycopg2.connect(
                host="127.0.0.1", port=self.port, user=ROLE, password=self.password, dbname="postgres"
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _by_account(self) -> Sequence[str]:
        if self.account is None:
            return ()
        return (sys.executable, "-I", "-S", str(Path(__file__).with_name("unprivileged.py")), self.account)


def cluster(
    home: Path,
    port: int,
    password: str,
    *,
    is_installed: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None,
    folders: Sequence[Path] | None = None,
    uid: int | None = None,
) -> Cluster:
    """Return the cluster of a stack, not made yet.

    :param folders: where to look for the programs; None: on PATH, then where Debian keeps them, newest first.
    :param uid: of this process.
    :raises Unavailable: when programs or drivers are missing.
    """
    missing = [name for name in DRIVERS if not is_installed(name)]
    if missing:
        raise Unavailable(
            f"Airflow cannot reach PostgreSQL without {' and '.join(missing)}: "
            "make bench DATABASE=postgresql installs what requirements/postgresql.txt names"
        )
    looked = _folders(os.environ) if folders is None else folders
    programs = next((folder for folder in looked if all(os.access(folder / name, os.X_OK) for name in PROGRAMS)), None)
    if programs is None:
        raise Unavailable(
            f"PostgreSQL's programs {' and '.join(PROGRAMS)} are neither on PATH nor in {DEBIAN}; "
            "on Debian and Ubuntu: apt-get install postgresql"
        )
    return Cluster(
        programs, home, port, password, _account() if (os.geteuid() if uid is None else uid) == _ROOT else None
    )


def _folders(env: Mapping[str, str]) -> list[Path]:
    on_path = [Path(folder) for folder in env.get("PATH", os.defpath).split(os.pathsep) if folder]
    kept = sorted(DEBIAN.glob("[0-9]*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    return on_path + kept


def _account() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _ACCOUNTS if name in known), _ACCOUNTS[-1])
