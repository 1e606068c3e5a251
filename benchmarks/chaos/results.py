"""What became of runs, one JSON object a line: so that a campaign may be stopped, and goes on where it was."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.campaign import Judged


@dataclass(frozen=True)
class Results:
    """The file of one kind of stack; None: nothing is kept.

    :ivar stack: executor and database; runs on another stack in the same file are left aside.
    """

    file: Path | None
    stack: str

    def seeds(self) -> set[int]:
        """Return the seeds of the runs that have been judged on such a stack."""
        return {int(line["seed"]) for line in self._lines() if line["stack"] == self.stack}

    def add(self, judged: Iterable[Judged]) -> None:
        """Write what became of runs."""
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            for run in judged:
                lines.write(json.dumps({"stack": self.stack, **entry(run)}) + "\n")

    def _lines(self) -> Sequence[dict[str, Any]]:
        if self.file is None or not self.file.exists():
            return ()
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines() if line.strip()]


def entry(run: Judged) -> dict[str, Any]:
    """Return what is kept of a run: enough to run it again, and to count."""
    scenario = run.scenario
    return {
        "seed": scenario.seed,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "mode": scenario.mode,
        "servers": len(scenario.servers),
        "waves": len(scenario.waves),
        "state": run.said.state,
        "verdict": (run.said.report or {}).get("verdict"),
        "waits_for_person": run.said.waits_for_person,
        "seconds": round(run.seconds),
        "killed": list(run.hits),
        "lies": [str(lie["do"]) for lie in scenario.lies],
        "problems": list(run.problems),
        "load": round(os.getloadavg()[1], 1),
    }
