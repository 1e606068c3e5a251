"""Drills on the parts of the team deployment (two of each; ``demo.team``) of which one after the other goes.

    python -m benchmarks.high_availability killed [--servers 100]
    python -m benchmarks.high_availability upgraded --old FOLDER [--back] [--servers 12]

``killed``: one of each part is killed with -9 while a drill runs, PostgreSQL and Redis too; a second drill loses the
other one of each. ``upgraded``: every part is stopped in order and started again from another checkout, in the order
of docs/deployment.md, while a drill and a recovery run that were begun by the old one; ``--back``: from this checkout
to the other one. All is judged by the campaign's rules (``benchmarks.chaos.judge``). Exit code 1: one was broken.

Needs what ``make chaos EXECUTOR=celery`` installs.
"""

import argparse
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import httpx
from rich.console import Console

from benchmarks.chaos.campaign import Drive, judged, ready
from benchmarks.chaos.judge import strangers
from benchmarks.chaos.judge_cloud import over_quota
from benchmarks.chaos.scenarios import Kill, Scenario, Server, Victim, Wave, server_id
from benchmarks.rolling_upgrade import Rolling, code_of
from demo.airflow_api import AirflowApi
from demo.environment import USER
from demo.stack import PROJECT, Stack, StackError

FIRST = 990_000_000
"""Seeds of these runs: no campaign has them."""

ORDER: Sequence[Victim] = ("celery-worker", "scheduler", "triggerer", "api-server", "redis", "postgresql")
EVERY = 12.0
"""Seconds between two kills."""


def drill(number: int, servers: int, waves: int, *, kills: Sequence[Kill] = (), mode: str = "drill") -> Scenario:
    """Return a run of so many servers in waves that wait for each other."""
    seed = FIRST + number
    members = [Server(server_id(seed, place), f"h{number}-{place}") for place in range(servers)]
    size = -(-servers // waves)
    chain = tuple(
        Wave(f"w{wave}", tuple(members[wave * size : (wave + 1) * size]), (f"w{wave - 1}",) if wave else ())
        for wave in range(waves)
    )
    return Scenario(seed, "recovery" if mode == "recovery" else "drill", chain, (), tuple(kills))


def one_of_each(luck: float) -> list[Kill]:
    """Return the kills of a drill: one of each part, the first of two (luck 0) or the second."""
    return [Kill(5 + EVERY * number, victim, luck) for number, victim in enumerate(ORDER)]


class Viewer:
    """Somebody who looks at the board of a run through the proxy, twice a second, and asks no second time."""

    def __init__(self, stack: Stack, run: Scenario) -> None:
        self.heard: Counter[str] = Counter()
        self._ends = threading.Event()
        self._stack, self._run = stack, run
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(60)

    def _look(self) -> None:
        airflow = AirflowApi(self._stack.airflow.address, USER, self._stack.password, timeout=60)
        airflow.log_in()
        headers = {"Authorization": airflow.authorization}
        address = f"{airflow.address}/drs/runs/{self._run.dag_id}/{self._run.run_id}/board"
        with httpx.Client(timeout=60, trust_env=False, headers=headers) as client:
            while not self._ends.wait(0.5):
                try:
                    answer = client.get(address)
                except httpx.HTTPError as error:
                    self.heard[type(error).__name__] += 1
                else:
                    self.heard[str(answer.status_code)] += 1
        airflow.close()

    def problems(self) -> list[str]:
        """Return what was no answer; before the run was there it was not found."""
        return [f"the board answered {what} {often} times" for what, often in self.heard.items() if what not in _FINE]


_FINE = ("200", "304", "404")


class Upgrading(Drive):
    """Keeps runs going, and replaces parts under them from the moment when all have launched something."""

    def __init__(self, stack: Stack, runs: int, say: Callable[[str], None], rolling: Rolling) -> None:
        super().__init__(stack, runs, say)
        self._steps = rolling.steps()
        self._begins_at = runs
        self._has_begun = False

    def meanwhile(self) -> None:
        """Replace a part, once every run has a job."""
        if not self._has_begun:
            jobs = [
                job
                for account in self._stack.simulator.state()["accounts"].values()
                for region in account.values()
                for job in region["jobs"].values()
            ]
            self._has_begun = len(jobs) >= self._begins_at
            if self._has_begun:
                self._say("  every run has a job: the parts are replaced now")
            return
        next(self._steps, None)


def killed(servers: int, state: Path, say: Console) -> list[str]:
    """Drill so many servers twice; return every problem."""
    runs = [drill(number, servers, 4, kills=one_of_each(luck)) for number, luck in enumerate((0.0, 0.9))]
    problems: list[str] = []
    for run in runs:
        with ready([run], state, say.print, database="postgresql", executor="celery") as all_set:
            ended = Drive(all_set.stack, 8, say.print).drive([run])
            record = all_set.record()
        problems += [*strangers([run], record), *over_quota(record)]
        problems += [problem for outcome in judged(ended, record) for problem in outcome.problems]
    return problems


def upgraded(old: Path, new: Path, servers: int, state: Path, say: Console) -> list[str]:
    """Begin a drill and a recovery with one checkout, and let them be finished by another; return every problem."""
    runs = [drill(10, servers, 6), drill(11, servers, 6, mode="recovery")]
    with ready(runs, state, say.print, database="postgresql", executor="celery", airflow=code_of(old)) as all_set:
        httpx.post(
            f"{all_set.stack.simulator.address}/_simulator/clock", json={"speed": 25}, trust_env=False
        ).raise_for_status()
        rolling = Rolling(all_set.stack, new, say.print)
        with Viewer(all_set.stack, runs[0]) as viewer:
            ended = Upgrading(all_set.stack, len(runs), say.print, rolling).drive(runs)
        record = all_set.record()
        left = sorted(set(all_set.stack.parts) - set(rolling.replaced))
    problems = [*strangers(runs, record), *over_quota(record)]
    problems += [problem for outcome in judged(ended, record) for problem in outcome.problems]
    problems += viewer.problems()
    say.print(f"the board was asked {viewer.heard.total()} times: {dict(viewer.heard)}")
    say.print(f"replaced under the runs: {', '.join(rolling.replaced)}")
    return problems + ([f"the runs were over before {', '.join(left)} had been replaced"] if left else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.high_availability", description=__doc__)
    parser.add_argument("what", choices=("killed", "upgraded"))
    parser.add_argument("--servers", type=int, help="of each run; 100, and 12 where parts are replaced")
    parser.add_argument("--old", type=Path, help="the other checkout")
    parser.add_argument("--back", action="store_true", help="from this checkout to the other one")
    parser.add_argument("--state", type=Path, default=PROJECT / ".chaos" / "high-availability")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    shutil.rmtree(options.state, ignore_errors=True)
    began = time.monotonic()
    try:
        if options.what == "killed":
            problems = killed(options.servers or 100, options.state, console)
        elif options.old is None:
            parser.error("upgraded needs --old FOLDER")
        else:
            ways = (PROJECT, options.old.resolve()) if options.back else (options.old.resolve(), PROJECT)
            problems = upgraded(ways[0], ways[1], options.servers or 12, options.state, console)
    except StackError as error:
        console.print(str(error))
        return 2
    for problem in problems:
        console.print(f"FAILED: {problem}")
    console.print(f"{len(problems)} problems; {time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
