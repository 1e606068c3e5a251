"""Runs combinations, one after the other, each in a fork of a process that has imported everything.

Reads rows as JSON, writes one line of JSON for each record. Every run has the simulator as new, and its time.
"""

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.combinations.record import Record, Said, record_of
from benchmarks.combinations.scenario import PLAN, Scenario

_PATIENCE = 400.0
"""Real seconds that one combination may take."""

_LONGEST = timedelta(hours=30).total_seconds()
"""Simulated seconds after which a run that has not ended hangs: no plan of the table takes four hours."""

_BEFORE = timedelta(minutes=10)
"""How far back a run goes whose data is of an instant."""


def main() -> int:
    """Run every row of standard input."""
    import yaml
    from drs_provider.rehearsal.processes import simulator

    import benchmarks.combinations.warm  # noqa: F401  (imported once, before the forks)
    from benchmarks.combinations.surroundings import PlaceOfSimulator
    from benchmarks.whole_account import described

    fork = multiprocessing.get_context("fork")
    operations: tuple[str, ...] = ()
    for given in json.load(sys.stdin):
        scenario = Scenario(given["number"], given["row"])
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="drs-combination-") as folder:
            home = Path(folder)
            (home / "fleet.yaml").write_text(yaml.safe_dump(scenario.fleet()))
            with simulator([home / "fleet.yaml"], faults=None, random_seed=0) as running:
                operations = operations or described(PlaceOfSimulator(running.url, scenario.places[0]))
                child = fork.Process(target=_in_a_process_of_its_own, args=(scenario, running.url, home, operations))
                child.start()
                child.join(_PATIENCE)
                if child.exitcode is None:
                    child.kill()
                    child.join()
            left = home / "record.json"
            words = (home / "said").read_text(errors="replace")[-3000:] if (home / "said").exists() else ""
            record = json.loads(left.read_text()) if left.exists() else asdict(Record(broken=words or "it was killed"))
        print(json.dumps({**given, "record": record, "seconds": time.monotonic() - began}), flush=True)
    return 0


def _in_a_process_of_its_own(scenario: Scenario, url: str, home: Path, operations: Sequence[str]) -> None:
    out = os.open(home / "said", os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    record = _recorded(scenario, url, home, operations)
    (home / "record.json").write_text(json.dumps(asdict(record), default=str))
    os._exit(0)


def _recorded(scenario: Scenario, url: str, home: Path, operations: Sequence[str]) -> Record:
    import botocore.endpoint
    from drs_provider.clock import install
    from drs_provider.dag import preflight_check
    from drs_provider.hooks.preload import preload_clients
    from drs_provider.hooks.retries import RetryPolicy
    from drs_provider.hooks.session import read_once
    from drs_provider.rehearsal.engine.clock import RehearsalClock
    from drs_provider.rehearsal.engine.loop import JumpingLoop, RehearsalTime
    from drs_provider.rehearsal.engine.simulator import SimulatorControl
    from drs_simulator.client import SimulatorHandle

    from benchmarks.combinations.surroundings import PlaceOfSimulator, prepare
    from benchmarks.whole_account import account

    os.environ |= _environment(scenario, url, home)
    simulator = SimulatorHandle(url)
    control = SimulatorControl(url)
    control.now()
    vpc = prepare(scenario, simulator)
    silent = {place.account for place in scenario.places[-1:] if scenario.row["cloud"] == "silent_account"}
    lookers = [PlaceOfSimulator(url, place) for place in scenario.places if place.account not in silent]
    throttled = scenario.row["cloud"] == "throttled"
    if throttled:
        simulator.no_faults()
    before = [account(looker, operations) for looker in lookers]
    if throttled:
        simulator.fault(*[{"do": "throttle", "probability": 0.1}])
    began = len(simulator.calls())  # type: ignore[arg-type]
    state: Any = simulator.state()
    clock = RehearsalClock(control.now(), control.advance)
    install(RehearsalTime(clock))
    # The waits before another try of a call are simulated, too, and measured in that time.
    vars(botocore.endpoint)["time"] = SimpleNamespace(sleep=clock.advance)
    cast("dict[str, object]", RetryPolicy.__init__.__kwdefaults__)["clock"] = lambda: clock.elapsed
    if scenario.row["cloud"] == "silent_account":  # it stays silent: the rest of the two hours shows nothing new
        vars(preflight_check)["MAX_WAIT"] = timedelta(minutes=5)
    read_once()
    preload_clients()
    loop = JumpingLoop(clock, control.next_answer_in)
    asyncio.set_event_loop(loop)
    said, acted, problem = loop.run_until_complete(_lived(scenario, clock, home, vpc, lookers[0]))
    loop.close()
    calls = simulator.calls()[began:]  # type: ignore[index]
    simulator.no_faults()
    control.advance(7200)  # what is terminated is forgotten
    after = [account(looker, operations) for looker in lookers]
    now: Any = simulator.state()
    return record_of(said, acted, problem, calls=calls, before=(state, before), after=(now, after))


async def _lived(  # noqa: C901 - what goes on side by side
    scenario: Scenario, clock: Any, home: Path, vpc: str | None, first: Any
) -> tuple[list[Said], bool, str | None]:
    """Let the runs of a scenario take place; return what was said of them, and what went wrong with them."""
    from drs_provider.airflow_internals.task_runner import set_supervisor_comms

    from benchmarks.combinations.people import act, moment, takeover_key
    from benchmarks.combinations.runs import Run, Runs
    from benchmarks.combinations.surroundings import change_template

    conf = scenario.conf
    if scenario.row["data"] == "an_instant":
        conf["point_in_time"] = (clock.now() - _BEFORE).astimezone(UTC).isoformat(timespec="seconds")
    runs, acted, problem = Runs(), False, None
    first_run = Run(_dag(scenario, home, vpc), conf, "manual__first", clock, runs)
    lived = [first_run]

    async def tool() -> None:
        while not first_run.is_over:
            if any(state == "deferred" and name.endswith(".recovery_job") for name, state in first_run.states.items()):
                change_template(first)
                return
            await asyncio.sleep(5)

    async def people() -> None:
        nonlocal acted
        if not await moment(scenario, first_run):
            return
        match scenario.row["action"]:
            case "second_run":
                lived.append(Run(_dag(scenario, home, vpc), conf, "manual__second", clock, runs))
                acted = True
                await lived[-1].run()
            case "takeover":
                first_run.abandon()
                runs.known.clear()
                again = {**conf, "continue_run": takeover_key(first_run)}
                lived.append(Run(_dag(scenario, home, vpc), again, "manual__second", clock, runs))
                acted = True
                await lived[-1].run()
            case _:
                acted = act(scenario, first_run, edited=lambda: _dag(scenario, home, vpc, edited=True))
                if scenario.row["moment"] == "ended":
                    await first_run.run()

    with set_supervisor_comms(runs):
        try:
            async with asyncio.timeout(_LONGEST):
                others = [people()] if scenario.row["moment"] != "ended" else []
                others += [tool()] if scenario.row["cloud"] == "template_tool" else []
                await asyncio.gather(first_run.run(), *others)
                if scenario.row["moment"] == "ended":
                    await people()
        except TimeoutError:
            problem = "it goes on for more than a day"
        except RuntimeError as error:
            problem = str(error)
    gone = first_run if scenario.row["action"] == "takeover" and acted else None
    return [_said(run, home, is_gone=run is gone) for run in lived], acted, problem


def _said(run: Any, home: Path, *, is_gone: bool) -> Said:
    from benchmarks.combinations.runs import ENDED

    reports = [json.loads(found.read_text()) for found in sorted(home.rglob("report.json"))]
    report = next((report for report in reports if report["run"]["run_id"] == run.run_id), None)
    unfinished = {name: str(state) for name, state in run.states.items() if state not in ENDED}
    return Said(
        run_id=run.run_id,
        state=run.state,
        is_gone=is_gone,
        verdict=report and report["verdict"],
        reason=report and report["verdict_reason"],
        report=report,
        unfinished=unfinished,
        errors={name: record.error for name, record in run.records.items() if record.error},
        unanswered=tuple(sorted(run.supervisor.unanswered)),
    )


def _dag(scenario: Scenario, home: Path, vpc: str | None, *, edited: bool = False) -> Any:
    """Write the plan's file, and read it as Airflow would."""
    import yaml
    from drs_provider.dag.factory import build_dag
    from drs_provider.plan.loader import read_folder

    folder = home / "plans"
    folder.mkdir(exist_ok=True)
    documents = scenario.documents(vpc or "vpc-00000000", edited=edited)
    (folder / "shop.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    library = read_folder(folder)
    if PLAN not in library.plans:
        raise LookupError(f"the plan cannot be read: {library.problems}")
    return build_dag(library.plans[PLAN], folder)


def _environment(scenario: Scenario, url: str, home: Path) -> dict[str, str]:
    from benchmarks.combinations.people import INSTALLATION

    def connection(account: str, region: str) -> str:
        extra = {"region_name": region, "endpoint_url": url, "service_config": {"sts": {"endpoint_url": url}}}
        return json.dumps({"conn_type": "aws", "login": account, "password": "secret", "extra": extra})

    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DRS_INSTALLATION": INSTALLATION,
        "DRS_PLANS_FOLDER": str(home / "plans"),
        "DRS_REPORTS": str(home / "reports"),
        "DRS_SIGNING_KEY": "of this campaign",
        **{
            f"AIRFLOW_CONN_{place.conn_id.upper()}": connection(place.account, place.region)
            for place in scenario.places
        },
    }


if __name__ == "__main__":
    sys.exit(main())
