"""``python -m benchmarks.rehearsals``: rehearse plans, then run them on a real Airflow, and compare.

Both see simulators of the same fleet, faults, seed and speed. What was foretold and measured, the tasks' own times and
the load of the machine go into ``.bench/rehearsals.json``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.deviations import compared
from benchmarks.rehearsal_cases import CASES, Case, write
from benchmarks.run import BENCH, last_call, machine
from demo.run import REPORT, local
from demo.stack import PROJECT, Settings, Stack, StackError

WITHIN = 0.05
SHOP = PROJECT / "simulator" / "fleets" / "web-shop.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, run, compare; 1 when an RTO was foretold worse than it should be, 2 when a stack cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsals", description=__doc__)
    parser.add_argument("--speed", type=float, action="append", help="of the simulators; may be given again (60)")
    parser.add_argument("--only", action="append", help="a case, may be given again; web-shop is one too")
    parser.add_argument("--again", type=int, default=1, help="runs of each case (1)")
    parser.add_argument("--output", type=Path, default=BENCH / "rehearsals.json")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    work = BENCH / "rehearsals"
    found: list[dict[str, Any]] = []
    try:
        for speed in options.speed or [60.0]:
            for _ in range(options.again):
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir(parents=True)
                found += measure(work, speed, options.only, console.print)
    except StackError as error:
        console.print(str(error), style="bold")
        return 2
    finally:
        result = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "runs": found}
        options.output.write_text(json.dumps(result, indent=1, default=str) + "\n", encoding="utf-8")
    worst = max(abs(one["share"]) for run in found for one in run["deviations"] if one["what"].startswith("RTO"))
    console.print(f"\nworst RTO: {worst:.1%}")
    return int(worst > WITHIN)


def measure(work: Path, speed: float, only: Sequence[str] | None, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rehearse and run every case on one stack; a fresh one for each speed, so that no server was launched before."""
    cases = [case for case in CASES if not only or case.name in only]
    plans, fleet = write(work, cases)
    fleets = (fleet,) if cases else ()
    names = [case.name for case in cases]
    if not only or "web-shop" in only:
        shutil.copytree(PROJECT / "plans", plans, dirs_exist_ok=True)
        fleets = (*fleets, SHOP)
        names.append("web-shop")
    found = []
    same_code = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    settings = Settings(state=BENCH / "stack", plans=plans, fleets=fleets, speed=speed, airflow=same_code)
    with Stack(settings, say) as stack:
        for name in names:
            stack.await_dag(f"drs.{name}")
        for name in names:
            case = next((case for case in cases if case.name == name), None)
            found.append(_case(stack, name, case, work))
            say(_in_words(found[-1]))
    return found


def _case(stack: Stack, name: str, case: Case | None, work: Path) -> dict[str, Any]:
    load, speed, fleets = os.getloadavg()[0], stack.settings.speed, stack.settings.fleets
    faults = work / f"faults-{name}.json"
    prediction = rehearse(name, stack.settings.plans, fleets, faults if case and case.faults else None, speed)
    if case and case.faults:
        stack.simulator.add_faults(case.faults_here())
    since = last_call(stack)
    dag_id = f"drs.{name}"
    run_id = stack.airflow.trigger(dag_id, {"mode": "drill", "reason": "a rehearsal that is held to its word"})
    while (run := stack.airflow.run(dag_id, run_id))["state"] not in {"success", "failed"}:
        stack.check(wait=1.0)
    result = stack.airflow.result(dag_id, run_id, REPORT)
    if result is None:
        raise StackError(f"{dag_id} {run_id} left no report; see {stack.places.logs}")
    report = json.loads(local(result["json"]).read_text(encoding="utf-8"))
    seconds = (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()
    return {
        "case": name,
        "speed": speed,
        "load": [load, os.getloadavg()[0]],
        "verdicts": [prediction["verdict"], report["verdict"]],
        "deviations": [
            {"what": one.what, "foretold": one.foretold, "measured": one.measured, "share": one.share, "text": str(one)}
            for one in compared(prediction, report, speed, seconds)
        ],
        "prediction": prediction,
        "report": report,
        "run": run,
        "tasks": stack.airflow.tasks(dag_id, run_id),
        "calls": [
            {key: call[key] for key in ("at", "service", "operation", "region")}
            for call in stack.simulator.calls(since)
        ],
    }


def rehearse(name: str, plans: Path, fleets: Sequence[Path], faults: Path | None, speed: float) -> dict[str, Any]:
    """Rehearse as a person would, in a process of its own; return the JSON."""
    command = [sys.executable, "-m", "drs_provider.cli", "rehearse", name, "--plans", str(plans), "--format", "json"]
    command += [f"--fleet={fleet}" for fleet in fleets] + [f"--speed={speed:g}"]
    command += [f"--faults={faults}"] if faults else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise StackError(f"the rehearsal of {name} failed:\n{done.stderr}")
    prediction: dict[str, Any] = json.loads(done.stdout)
    return prediction


def _in_words(run: dict[str, Any]) -> str:
    before, after = run["load"]
    head = f"\n{run['case']} at speed {run['speed']:g}, load {before:.1f} to {after:.1f}: {' / '.join(run['verdicts'])}"
    title = f"  {'seconds':<28}{'foretold':>10}{'measured':>10}{'':>9}"
    return "\n".join([head, title, *(f"  {one['text']}" for one in run["deviations"])])


if __name__ == "__main__":
    sys.exit(main())
