"""``python -m benchmarks.kill_sweep.run``: kill after each single AWS call of each kind of run, and judge the outcome.

Each run has the simulator as new, and its time; the tasks are the product's own, run by Airflow's task runner. What was
let through is done, what the process had not kept yet is lost, and the task is tried again; with ``--elsewhere`` the
whole Airflow is lost, and another one with an empty database goes on.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kill_sweep.kinds import FLEET, KINDS, Kind


@dataclass(frozen=True)
class Judged:
    """One run that was judged; ``struck``: after which call it died; empty: it was let be."""

    kind: str
    at: int | str
    struck: str
    calls: int
    problems: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        how = "BAD" if self.problems else "ok "
        lines = [f"{how} {self.kind:22} {self.struck or 'no kill':55} {self.seconds:5.1f} s"]
        return "\n".join([*lines, *(f"      {problem}" for problem in self.problems)])


def sweep(
    kind: Kind, home: Path, numbers: Sequence[int] = (), *, step: int = 1, writes_only: bool, elsewhere: bool
) -> Iterator[Judged]:
    """Run a kind once in peace, and once for each call that it made then; yield each as it is judged.

    :param numbers: only these calls. A run may make a call less than the one in peace, for what DRS refuses for now is
        asked again by the clock: nothing dies in it then
    """
    import yaml
    from drs_provider.hooks.preload import preload_clients
    from drs_provider.hooks.session import read_once
    from drs_provider.rehearsal.processes import simulator

    read_once()
    preload_clients()
    fleet = home / "fleet.yaml"
    fleet.write_text(yaml.safe_dump(dict(FLEET)))
    with simulator([fleet], faults=None, random_seed=0) as running:
        calm = one_run(kind, running.url, home, 0, writes_only=writes_only, elsewhere=False)
        yield calm
        for at in numbers or range(1, calm.calls + 1, step):
            yield one_run(kind, running.url, home, at, writes_only=writes_only, elsewhere=elsewhere)


def one_run(kind: Kind, url: str, home: Path, at: int | str, *, writes_only: bool, elsewhere: bool) -> Judged:
    """Run a kind once against a simulator as new, with the death after one of its calls, and judge it."""
    from drs_simulator.client import SimulatorHandle

    from benchmarks.kill_sweep.judge import problems
    from benchmarks.kill_sweep.lives import environment, lived
    from benchmarks.kill_sweep.mortal_run import Death

    began = time.monotonic()
    simulator = SimulatorHandle(url)
    simulator.reset()
    shutil.rmtree(home / "reports", ignore_errors=True)
    os.environ |= environment(url, home)
    death = Death(at, writes_only=writes_only)
    record, runs = lived(kind, simulator, home, death, elsewhere=elsewhere)
    wrong = list(problems(kind.expected, record, is_elsewhere=len(runs) > 1))
    if wrong:
        wrong += [f"{name} said: {done.error}" for name, done in runs[-1].records.items() if done.error]
    if isinstance(at, str) and at and not death.struck:
        wrong.append(f"it never called {at}, so nothing was killed")
    return Judged(kind.name, at, death.struck, death.count, tuple(wrong), time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep; 0: every run kept every rule, 1: not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_sweep.run", description=__doc__)
    names = [kind.name for kind in KINDS]
    parser.add_argument("--kind", choices=names, nargs="*", default=names, help="only these kinds of run")
    parser.add_argument("--step", type=int, default=1, help="only every so many-th call (1)")
    parser.add_argument("--only", type=int, nargs="*", default=(), help="only after these calls")
    parser.add_argument("--writes", action="store_true", help="only calls that change something are counted")
    parser.add_argument("--elsewhere", action="store_true", help="another Airflow with an empty database goes on")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    wrong = number = 0
    for kind in KINDS:
        if kind.name not in options.kind:
            continue
        with tempfile.TemporaryDirectory(prefix="drs-kill-sweep-") as folder:
            for judged in sweep(
                kind,
                Path(folder),
                options.only,
                step=options.step,
                writes_only=options.writes,
                elsewhere=options.elsewhere,
            ):
                print(judged, flush=True)
                number, wrong = number + 1, wrong + bool(judged.problems)
    print(f"{number} runs, {wrong} broke a rule")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
