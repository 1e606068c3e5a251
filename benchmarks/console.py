"""What the console costs: 4,000 servers in 6 accounts and 3 Regions, an hour of refreshes, 2,000 runs of 200 plans.

The simulator is a process of its own; the console's app and who asks it share this one, without Airflow's sign-in:
times and memory are those of the inventory, the index of reports and the pages. ``python -m benchmarks.console``
prints them as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import yaml
from drs_provider.api.access import Access, ConsoleAccess
from drs_provider.api.history_sources import HistorySources
from drs_provider.api.sources import ApiSources
from drs_provider.api.v1.history import history_router, reports_router
from drs_provider.plan.loader import Library
from drs_provider.report.store import JSON_NAME, report_parts
from drs_provider.rules.history.row import PastRun
from drs_provider.rules.run.roster import Target
from drs_provider.services.groups.survey import EVERY_DAG
from drs_provider.services.history.index import HistoryIndex
from drs_provider.services.inventory.cache import Inventory
from drs_provider.ui.app import add_history
from drs_provider.ui.console.app import add_console
from drs_simulator.fleet.generator import generate
from fastapi import FastAPI

PROJECT: Final = Path(__file__).parents[1]
SERVERS, ACCOUNTS = 4000, 6
REGIONS: Final = ("us-west-2", "eu-central-1", "ap-southeast-2")
GROUPS = 200
REFRESHES, ASKED = 120, 15
"""Refreshes of an hour, one every 30 s; requests of each kind, of which the median is given."""
RUNS, PLANS, SERVERS_A_RUN = 2000, 200, 20
_BEGAN: Final = datetime(2026, 1, 1, 5, tzinfo=UTC)


def measure(work: Path) -> dict[str, Any]:
    """Measure in a process of its own: milliseconds, MiB and calls.

    :param work: an empty folder
    """
    command = [sys.executable, "-m", "benchmarks.console", "--in", str(work)]
    done = subprocess.run(command, cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_"))}
    # Each account by the access key that the simulator knows it by: its number.
    connections = {
        f"AIRFLOW_CONN_BENCH{number}": json.dumps({"conn_type": "aws", "login": account, "password": "any"})
        for number, account in enumerate(_accounts(), 1)
    }
    return kept | connections | {"AIRFLOW_HOME": tempfile.mkdtemp(prefix="bench-console-")}


def _fleet() -> Mapping[str, Any]:
    return generate(SERVERS, ACCOUNTS, list(REGIONS))


def _accounts() -> list[str]:
    return [str(account["id"]) for account in _fleet()["accounts"]]


@contextmanager
def _simulator(work: Path) -> Iterator[str]:
    fleet = work / "fleet.yaml"
    fleet.write_text(yaml.safe_dump(dict(_fleet())))
    command = [sys.executable, "-m", "drs_simulator", "--port", "0", "--fleet", str(fleet), "--speed", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stdout or ())
        first = next(line for line in lines if "http://" in line)
        yield "http://" + first.split("http://")[1].split()[0].rstrip("/.,")
    finally:
        process.terminate()
        process.wait(20)


class _Records:
    """The runs as Airflow would know them."""

    def __init__(self) -> None:
        self.runs = [
            PastRun(*run, "success", "drill", "ann", "", at, at, at + timedelta(minutes=30)) for run, at in _runs()
        ]

    def records(self, dag_ids: Iterable[str]) -> Sequence[PastRun]:
        return self.runs

    def kept_report(self, dag_id: str, run_id: str) -> None:
        return None


def _runs() -> Iterator[tuple[tuple[str, str], datetime]]:
    for number in range(RUNS):
        at = _BEGAN + timedelta(hours=4 * number)
        yield (f"drs.plan-{number % PLANS:03d}", f"manual__{at.isoformat()}"), at


def _write_reports(folder: Path, servers: Sequence[str]) -> None:
    """Write of every run what of a report the history reads, with servers of the inventory."""
    for number, ((dag_id, run_id), at) in enumerate(_runs()):
        chosen = [servers[(number * SERVERS_A_RUN + place) % len(servers)] for place in range(SERVERS_A_RUN)]
        launched = [
            {"server_id": server, "status": "launched", "launched_at": (at + timedelta(minutes=9)).isoformat()}
            for server in chosen
        ]
        figure = {"target_seconds": 2700.0, "measured_seconds": 1500.0 + number % 600, "outcome": "met"}
        report = {
            "run": {
                "dag_id": dag_id,
                "run_id": run_id,
                "mode": "drill",
                "plan": dag_id.removeprefix("drs."),
                "started_at": at.isoformat(),
            },
            "finished_at": (at + timedelta(minutes=30)).isoformat(),
            "elapsed_seconds": 1800.0,
            "verdict": "passed",
            "verdict_reason": "all servers were launched",
            "objectives": {"rto": figure, "rpo": figure},
            "counts": {"waves": 1, "servers": SERVERS_A_RUN, "launched": SERVERS_A_RUN, "failed": 0, "not_started": 0},
            "cleanup": {"state": "completed"},
            "waves": [{"name": "one", "state": "completed", "servers": launched}],
        }
        place = folder.joinpath(*report_parts(dag_id, run_id))
        place.mkdir(parents=True)
        (place / JSON_NAME).write_text(json.dumps(report))


def _write_groups(plans: Path) -> None:
    plans.mkdir()
    connections = [(number, region) for number in range(1, ACCOUNTS + 1) for region in REGIONS]
    documents = []
    for number in range(GROUPS):
        connection, region = connections[number % len(connections)]
        selected = {"tags": {"App": f"app{number}"}}
        group = {"kind": "ProtectionGroup", "name": f"group-{number}", "region": region, "select": selected}
        documents.append({**group, "aws_conn_id": f"bench{connection}"})
    (plans / "groups.yaml").write_text(yaml.safe_dump_all(documents))


class _Clock:
    now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def _app(work: Path, clock: _Clock) -> tuple[FastAPI, ApiSources, HistoryIndex]:
    from drs_provider.hooks.console import ConsoleHook

    def hook(target: Target) -> ConsoleHook:
        return ConsoleHook(aws_conn_id=target.aws_conn_id, region_name=target.region)

    def nothing() -> None:
        return None

    dags = {EVERY_DAG, *(run[0] for run, _ in _runs())}
    reports = work / "reports"
    index = HistoryIndex(lambda: reports)
    sources = ApiSources(
        access=ConsoleAccess(
            may_read=nothing,
            may_edit_groups=nothing,
            may_edit=lambda: True,
            readable_dags=lambda: dags,
            editable_dags=lambda: dags,
            audit=lambda: lambda _event, _extra: None,
        ),
        inventory=Inventory(hook, clock),
        plans_folder=lambda: work / "plans",
        drawn_library=lambda: lambda _folder: Library(),
        more_accounts=lambda: (),
        may_write=lambda: False,
        now=clock,
        settings_hook=hook,
        past_launches=index.launches,
    )
    access = Access(
        may_read_run=nothing, readable_dags=lambda: dags, may_read_problems=lambda: True, may_read_runs=nothing
    )
    records = _Records()
    history = HistorySources(lambda: records, access, lambda: reports, clock, index)
    app = FastAPI(openapi_url=None)
    add_history(app, history)
    add_console(app, sources, history_router(history), reports_router(history))
    return app, sources, index


def _measure(work: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
        from fastapi.testclient import TestClient

    _write_groups(work / "plans")
    with _simulator(work) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        clock = _Clock()
        app, sources, index = _app(work, clock)
        with TestClient(app) as client:
            cold, _ = _timed(client, "/servers")
            _settle(sources)
            servers = [row.server.server_id for row in sources.latest_survey[-1].rows] if sources.latest_survey else []
            client.get("/servers")
            servers = [row.server.server_id for row in sources.latest_survey[-1].rows]
            _write_reports(work / "reports", servers)
            index._listed_at = None  # noqa: SLF001  (as after 30 s)
            began = time.perf_counter()
            index.launches()
            index.wait(600)
            read = time.perf_counter() - began
            client.get("/servers")
            found = {
                "servers": len(servers),
                "cold_ms": cold,
                "reports_read_s": read,
                "pages": {path: _median(client, path) for path in _PATHS},
            }
            print(json.dumps(found), file=sys.stderr, flush=True)
            found |= _hour(client, sources, clock, address)
    return found


_PATHS: Final = (
    "/servers",
    "/servers?view=never-drilled",
    "/servers?q=app7&sort=-lag_seconds",
    "/api/v1/source-servers?limit=1000",
    "/groups",
    "/history",
    "/history?plan=plan-007",
    "/api/v1/history",
    "/api/v1/history?q=launched&sort=-rto",
    "/api/v1/history/plans",
    "/api/v1/history?format=csv",
)


def _hour(client: Any, sources: ApiSources, clock: _Clock, address: str) -> dict[str, Any]:
    """Refresh 120 times, as somebody who looks for an hour has it done; the memory of this process meanwhile."""
    refreshes = int(os.environ.get("DRS_BENCH_REFRESHES", REFRESHES))
    calls = _calls(address)
    memory = []
    for _ in range(refreshes):
        clock.now += timedelta(seconds=31)
        client.get("/servers")
        _settle(sources)
        client.get("/servers")
        memory.append(_resident())
    asked = _calls(address) - calls
    return {
        "calls_a_refresh": {name: count / refreshes for name, count in asked.items()},
        "memory_mib_after_1_10_20": [memory[0], *memory[9::10]],
    }


def _resident() -> float:
    """Return the MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _settle(sources: ApiSources) -> None:
    """Wait until nobody is being asked any more."""
    while any(asked.is_busy for asked in sources.inventory._asked.values()):  # noqa: SLF001
        time.sleep(0.02)


def _calls(address: str) -> Counter[str]:
    """Count the calls to DRS so far, by operation."""
    found = httpx.get(f"{address}/_simulator/calls", params={"since": 0}, timeout=60, trust_env=False).json()
    calls = found["calls"] if isinstance(found, dict) else found
    return Counter(call["operation"] for call in calls if call["service"] == "drs")


def _timed(client: Any, path: str) -> tuple[float, float]:
    """Ask once; return milliseconds, and those of them in which this process had the CPU."""
    began, worked = time.perf_counter(), time.process_time()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000


def _median(client: Any, path: str) -> dict[str, float]:
    found = [_timed(client, path) for _ in range(ASKED)]
    return {"ms": median(took for took, _ in found), "cpu_ms": median(cpu for _, cpu in found)}


if __name__ == "__main__":
    if "--in" in sys.argv:
        print(json.dumps(_measure(Path(sys.argv[sys.argv.index("--in") + 1]))))
    else:
        with tempfile.TemporaryDirectory(prefix="bench-console-") as folder:
            print(json.dumps(measure(Path(folder)), indent=2))
