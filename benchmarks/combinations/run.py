"""``make combinations``: every pair of the table occurs in some run; each is judged from the simulator's record."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import IO, Any, cast

from benchmarks.combinations.factors import FACTORS, NOT_COVERED, excludes
from benchmarks.combinations.judge import ours, problems, record_from
from benchmarks.combinations.pairs import Pair, Row, cover, pairs_of
from benchmarks.combinations.scenario import Scenario

PLAIN: Row = {factor: values[0] for factor, values in FACTORS.items()}
_FOREIGN = ("AIRFLOW", "_AIRFLOW", "AWS_", "DRS_", "BOTO", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Judged:
    """One combination that was run; ``acted``: its people came to do what they do; ``launched``: something was."""

    number: int
    row: Row
    problems: Sequence[str]
    acted: bool
    launched: bool
    seconds: float
    verdicts: Sequence[str]


def campaign(rows: Sequence[tuple[int, Row]], *, processes: int = 2) -> Iterator[Judged]:
    """Run combinations and judge them, in the order in which they end."""
    done: Queue[Judged | None] = Queue()
    with tempfile.TemporaryDirectory(prefix="drs-combinations-") as home:
        for part in range(processes):
            share = rows[part::processes]
            threading.Thread(target=_work, args=(share, Path(home) / str(part), done), daemon=True).start()
        for _ in range(processes):
            while (judged := done.get()) is not None:
                yield judged


def _work(rows: Sequence[tuple[int, Row]], home: Path, done: "Queue[Judged | None]") -> None:
    home.mkdir()
    given = json.dumps([{"number": number, "row": dict(row)} for number, row in rows])
    with (home / "said").open("w") as said:
        worker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.combinations.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=_environment(home),
        )
        into, out = cast("IO[str]", worker.stdin), cast("IO[str]", worker.stdout)
        into.write(given)
        into.close()
        left = dict(rows)
        for line in out:
            found = json.loads(line)
            left.pop(found["number"])
            done.put(_judged(found))
        worker.wait()
    for number, row in left.items():
        words = (home / "said").read_text()[-2000:]
        done.put(Judged(number, row, [f"the campaign itself broke off: {words}"], False, False, 0.0, ()))
    done.put(None)


def _judged(found: Mapping[str, Any]) -> Judged:
    scenario, record = Scenario(found["number"], found["row"]), record_from(found["record"])
    verdicts = [f"{said.verdict}" for said in record.said if not said.is_gone]
    wrong = problems(scenario, record)
    return Judged(scenario.number, scenario.row, wrong, record.acted, bool(ours(record)), found["seconds"], verdicts)


def _environment(home: Path) -> dict[str, str]:
    """Give an Airflow of its own that keeps no database."""
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    return clean | {
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'never-made.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def differs(row: Row) -> str:
    """Say a combination by what is not plain in it."""
    return " ".join(f"{factor}={value}" for factor, value in row.items() if value != PLAIN[factor]) or "plain"


def summary(judged: Sequence[Judged], of_pairs: int) -> str:
    """Say how much was looked at, and what was found."""
    judged = [each for each in judged if each.seconds]  # the others never began
    had: set[Pair] = {pair for each in judged for pair in pairs_of(each.row, FACTORS)}
    launched: set[Pair] = {pair for each in judged if each.launched for pair in pairs_of(each.row, FACTORS)}
    wrong = [each for each in judged if each.problems]
    return (
        f"{len(judged)} runs, {len(had)} of {of_pairs} pairs, {len(launched)} of them where something was launched; "
        f"people came to act in {sum(each.acted for each in judged)}; {len(wrong)} runs broke a rule"
    )


def main() -> int:
    """Run the campaign; 1: a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=0, help="the first so many; 0: all")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of combinations of this seed")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    found = cover(FACTORS, excludes, arguments.seed)
    rows = list(enumerate(found.rows))
    of_pairs = len({pair for row in found.rows for pair in pairs_of(row, FACTORS)})
    if arguments.only:
        rows = [(number, row) for number, row in rows if number in arguments.only]
    rows = rows[: arguments.runs or None]
    print(f"{len(rows)} of {len(found.rows)} combinations of seed {arguments.seed}; not covered:")
    print("".join(f"  - {what}\n" for what in NOT_COVERED), end="", flush=True)
    judged: list[Judged] = []
    for each in campaign(rows, processes=arguments.processes):
        judged.append(each)
        how = "ok " if not each.problems else "BAD"
        print(f"{how} {each.number:3} {each.seconds:5.1f} s {', '.join(each.verdicts)} | {differs(each.row)}")
        print("".join(f"      {problem}\n" for problem in each.problems), end="", flush=True)
    print(summary(judged, of_pairs))
    return int(any(each.problems for each in judged))


if __name__ == "__main__":
    sys.exit(main())
