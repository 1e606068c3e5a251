"""What a folder of plans costs Airflow: a whole parse, one task's start, a run of the real DAG processor."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from drs_provider.rules.run.names import SWEEPER_DAG, dag_id_of

from benchmarks import plans
from demo import environment
from demo.environment import Places, Secrets
from demo.ports import Ports
from demo.stack import PROJECT

REPEATS = 3

TASK = ("airflow.sdk.execution_time.task_runner", "airflow.dag_processing.dagbag")
"""What a task's process has imported when it opens the DAG file (Airflow's ``task_runner.parse``)."""

# What is measured is our DAG file; Airflow's own imports come before the clock starts, and so does the rubbish that
# they leave: whether a collection of it falls into our time is chance, and a tenth of a second.
_PARSE = """
import gc, importlib, json, resource, runpy, sys, time
import airflow.sdk
for name in sys.argv[2:]:
    importlib.import_module(name)
gc.collect()
before = time.perf_counter()
found = runpy.run_path(sys.argv[1])
took = time.perf_counter() - before
plans = {dag.dag_id for dag in found.values() if isinstance(dag, airflow.sdk.DAG)} - {SWEEPER}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": took, "dags": len(plans), "peak_mib": peak}))
"""


def measure(count: int, folder: Path, empty_database: Path) -> dict[str, Any]:
    """Measure a folder of so many chains of five waves of six servers.

    :param folder: an empty folder to work in.
    :param empty_database: a SQLite file with Airflow's tables.
    """
    plans_folder, _ = plans.write(folder, count, servers=6)
    places = Places(PROJECT, folder, plans_folder)
    places.airflow.mkdir()
    places.passwords.write_text("{}")
    env = environment.airflow(os.environ, places, Ports(), Secrets("unused", bytes(32)))
    task = env | {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": dag_id_of(plans.name(count // 2))}
    whole = [_parse(env) for _ in range(REPEATS)]
    alone = [_parse(task) for _ in range(REPEATS)]
    real = [_parse(task, *TASK) for _ in range(REPEATS)]
    shutil.copyfile(empty_database, places.airflow / "airflow.db")
    if whole[0]["dags"] != count or alone[0]["dags"] != 1:
        raise RuntimeError(f"{count} plans gave {whole[0]['dags']} DAGs, one of them asked for gave {alone[0]['dags']}")
    return {
        "plans": count,
        "folder_s": _median(whole, "seconds"),
        "folder_peak_mib": _median(whole, "peak_mib"),
        "task_start_s": _median(alone, "seconds"),
        "task_start_after_airflow_s": _median(real, "seconds"),
        **_processor(env, places.airflow / "airflow.db", count),
    }


def _parse(env: dict[str, str], *imported: str) -> dict[str, Any]:
    command = [
        sys.executable,
        "-c",
        _PARSE.replace("SWEEPER", repr(SWEEPER_DAG)),
        str(PROJECT / "dags" / "recovery_plans.py"),
        *imported,
    ]
    env = env | {"PYTHONPATH": str(PROJECT / "plugins")}
    answer = subprocess.run(command, env=env, cwd=PROJECT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _processor(env: dict[str, str], database: Path, count: int) -> dict[str, float]:
    """Run the real DAG processor once over the folder, start-up, serialization and database included."""
    began, used = time.perf_counter(), _cpu()
    command = [sys.executable, "-m", "airflow", "dag-processor", "--num-runs", "1"]
    subprocess.run(command, env=env, cwd=PROJECT, check=True, capture_output=True)
    took = {"processor_wall_s": time.perf_counter() - began, "processor_cpu_s": _cpu() - used}
    with closing(sqlite3.connect(database)) as tables:
        [(stored,)] = tables.execute("select count(*) from serialized_dag where dag_id <> ?", [SWEEPER_DAG])
    if stored != count:
        raise RuntimeError(f"the DAG processor stored {stored} of {count} DAGs; its import errors are in {database}")
    return took


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _median(found: list[dict[str, Any]], key: str) -> float:
    return float(sorted(measured[key] for measured in found)[len(found) // 2])
