"""The first drill of docs/install.md as a newcomer does it, in an environment that others have filled.

    python -m demo.first_drill --environment VENV --folder FOLDER

The commands are the page's own, read from it and run by a shell. Only what would meet another Airflow on this machine
is changed: ports, and homes. Then everything is asked that a newcomer would look at.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from demo import environment
from demo.airflow_api import AirflowApi
from demo.ports import Ports, any_port, choose
from demo.processes import Processes

PAGE: Final = Path(__file__).parents[1] / "docs" / "install.md"
HEADING: Final = "## The first drill"
PATIENCE: Final = 600.0
"""Seconds that Airflow gets to say its password, and to know the plan."""

LONGEST_DRILL: Final = 900.0
"""Seconds that a drill gets: a run whose scheduler is dead never ends, and whoever waits for it must."""
GRACE: Final = 60.0
"""Seconds more, after which a command that has not ended by itself is ended."""

_NO_ANSWER: Final = "did not answer within"
_STARTED: Final = "starting a "
_LAST_LINES: Final = 40
_LOGS: Final = ("airflow", "drs-simulator")
_STAYS: Final = ("drs-simulator", "airflow standalone")
_DEFAULT_PORTS: Final = Ports()
_ALARMING: Final = re.compile(
    r"No connection ID"
    r"|File \".*/drs_(?:provider|simulator)/"
    r"|\[(?:warning|error|critical) *\].*\bdrs_(?:provider|simulator)\b"
)
"""What our own code says when something is wrong. A busy Airflow has errors of its own, which it outlasts."""


class NotAsWritten(RuntimeError):
    """Something is not as the page says."""


def commands(page: str) -> list[str]:
    """Return the commands of the page's first drill, in their order and without their remarks.

    :raises NotAsWritten: when there are none.
    """
    section = page.partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise NotAsWritten(f"{PAGE.name} has no commands below {HEADING!r}")
    return found


def password_in(said: str) -> str | None:
    """Return the password that ``airflow standalone`` has made for its user admin, once it has said it."""
    found = re.search(r"Password for user 'admin': (\S+)", said)
    return found[1] if found else None


def complaints(log: str) -> list[str]:
    """Return the lines of a log that would alarm somebody who starts this package for the first time."""
    return [line for line in log.splitlines() if _ALARMING.search(line)]


class Newcomer:
    """A shell in an empty folder, with nothing of this machine's AWS and Airflow settings.

    :param venv: the environment that has the packages
    :param folder: made; all is written below it
    :param speed: of the simulator, instead of the page's
    """

    def __init__(self, venv: Path, folder: Path, processes: Processes, speed: float | None) -> None:
        self._folder = folder
        self._processes = processes
        self._speed = speed
        self._settings: str | None = None
        self._exported: dict[str, str] = {}
        self.ports = choose(any_port())  # 8080 is anybody's
        self._env = environment.clean(os.environ) | {
            "PATH": f"{venv}/bin{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AIRFLOW__API__PORT": str(self.ports.api),
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.ports.worker_log),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.ports.trigger_log),
            "SPT_NOENV": "1",
        }

    @property
    def address(self) -> str:
        """Where this Airflow's API and pages are."""
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def password(self) -> str:
        """The password of admin, once an ``export`` has named it."""
        return self._exported["DRS_AIRFLOW_PASSWORD"]

    def follow(self, line: str) -> None:
        """Do what a line of the page says, and wait for what it needs.

        :raises NotAsWritten: when it fails.
        """
        print(f"$ {line}", flush=True)
        if line.startswith(_STAYS):
            self._start(line)
        elif line.startswith("export "):
            self._export(line)
        elif line.startswith("drs run resume"):
            self._until(lambda: self.run(line).returncode == 0, line)
        elif line.startswith("drs run start"):
            self._drill(line)
        else:
            self.expect(line)

    def _drill(self, line: str) -> None:
        """Start a run and wait for it; where Airflow is too busy to answer, try again as anybody would."""
        give_up = time.monotonic() + PATIENCE
        line = f"{line} --timeout {LONGEST_DRILL:.0f}"
        done = self.run(line)
        while done.returncode and _NO_ANSWER in done.stderr and time.monotonic() < give_up:
            print(f"  {done.stderr.strip()}", flush=True)
            if _STARTED in done.stdout + done.stderr:
                line = line.replace("drs run start", "drs run wait").replace(" --wait", "")
            done = self.run(line)
        if done.returncode:
            raise _failed(line, done)

    def expect(self, line: str) -> str:
        """Run a command that must not fail, and return what it says.

        :raises NotAsWritten: with all that it says.
        """
        done = self.run(line)
        if done.returncode:
            raise _failed(line, done)
        folder = re.fullmatch(r"drs init (\S+)", line)
        if folder:
            self._settings = f"{folder[1]}/.env"
        return done.stdout

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in the shell of the page.

        :raises NotAsWritten: when it has not ended in time; then it is ended, with all that it has started.
        """
        shell = subprocess.Popen(
            ["bash", "-c", self._script(line)],
            env=self._env,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its children can be ended with it
        )
        longest = LONGEST_DRILL + GRACE
        try:
            said, complained = shell.communicate(timeout=longest)
        except subprocess.TimeoutExpired as error:
            end_group(shell.pid)
            said, complained = shell.communicate()
            raise NotAsWritten(f"{line}: has not ended after {longest:g} s\n{said}{complained}") from error
        except BaseException:
            end_group(shell.pid)
            shell.communicate()
            raise
        return subprocess.CompletedProcess(line, shell.returncode, said, complained)

    def said(self, name: str) -> str:
        """Return what a command that stays has said so far."""
        log = self._processes.log(name)
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def _script(self, line: str) -> str:
        """Return the line with the settings before it: those of the page's .env, on the ports that are free here."""
        before = ["set -eu"]
        if self._settings:
            before += [f"set -a; . {self._settings}; set +a"]
            port = f":{_DEFAULT_PORTS.simulator}", f":{self.ports.simulator}"
            before += [f'export AIRFLOW_CONN_AWS_DEFAULT="${{AIRFLOW_CONN_AWS_DEFAULT/{port[0]}/{port[1]}}}"']
            before += [f"export DRS_AIRFLOW_URL={self.address}"]
        before += [f"export {name}={shlex.quote(value)}" for name, value in self._exported.items()]
        return "\n".join([*before, line])

    def _start(self, line: str) -> None:
        if line.startswith("drs-simulator"):
            line += f" --port {self.ports.simulator}" + (f" --speed {self._speed:g}" if self._speed else "")
        name = line.split()[0]
        self._processes.start(name, ["bash", "-c", self._script(f"exec {line}")], self._env, self._folder)

    def _export(self, line: str) -> None:
        for pair in shlex.split(line)[1:]:
            name, value = pair.split("=", 1)
            if value == "…":
                self._until(lambda: password_in(self.said("airflow")), "the password of airflow standalone")
                value = password_in(self.said("airflow")) or ""
            self._exported[name] = value

    def _until(self, is_so: Callable[[], object], what: str) -> None:
        give_up = time.monotonic() + PATIENCE
        while not is_so():
            self._processes.hear(1.0)
            if self._processes.exits:
                raise NotAsWritten(f"{', '.join(self._processes.exits)} has ended: see {self._processes.logs}")
            if time.monotonic() > give_up:
                raise NotAsWritten(f"not so after {PATIENCE:.0f} s: {what}\n{self.run('drs run list').stderr}")


def end_group(leader: int) -> None:
    """End a process and all that it has started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _failed(line: str, done: subprocess.CompletedProcess[str]) -> NotAsWritten:
    return NotAsWritten(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def look_around(newcomer: Newcomer) -> list[str]:
    """Return what is not as it should be after the drill, as sentences."""
    found = []
    providers = newcomer.expect("airflow providers list --output json")
    if "airflow-provider-drs" not in {row["package_name"] for row in json.loads(providers)}:
        found.append(f"airflow providers list does not have the package:\n{providers}")
    plugins = newcomer.expect("airflow plugins --output json")
    if "drs" not in {row["name"] for row in json.loads(plugins)}:
        found.append(f"airflow plugins does not have the plugin:\n{plugins}")
    airflow = AirflowApi(newcomer.address, environment.USER, newcomer.password)
    try:
        airflow.log_in()
        found += [f"import error: {error}" for error in airflow.import_errors()]
    finally:
        airflow.close()
    for name in _LOGS:
        found += [f"in the log of {name}: {line}" for line in complaints(newcomer.said(name))]
    return found


def last_lines(said: Callable[[str], str]) -> list[str]:
    """Return how the logs end of what should have stayed."""
    return [f"{name} | {line}" for name in _LOGS for line in said(name).splitlines()[-_LAST_LINES:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the page's first drill; 0: all is as the page says."""
    parser = argparse.ArgumentParser(prog="python -m demo.first_drill", description=__doc__.partition("\n")[0])
    parser.add_argument("--environment", type=Path, required=True, help="a virtual environment with both packages")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder; everything is written to it")
    parser.add_argument("--speed", type=float, help="of the simulator, instead of the page's")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    (folder / "logs").mkdir(parents=True)
    with Processes(folder / "logs") as processes:
        newcomer = Newcomer(options.environment.absolute(), folder, processes, options.speed)
        try:
            for line in commands(PAGE.read_text(encoding="utf-8")):
                newcomer.follow(line)
            wrong = look_around(newcomer)
        except NotAsWritten as error:
            wrong = [str(error), *last_lines(newcomer.said)]
    for sentence in wrong:
        print(f"✕ {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
