"""What a run's board costs Airflow's API server while people look at it: 2,000 servers in ten waves, half of them up.

A process of its own has Airflow's real API app over a SQLite database. CPU is that of the whole process: Airflow's
sign-in and its checks of what a viewer may see, the database's client, our page, and the client that asks.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import quote

from drs_provider.rules.launch.results import ServerResult
from drs_provider.rules.run import names
from drs_provider.rules.run.handover import (
    Document,
    Launch,
    PreflightResult,
    ServerResults,
    WaveVerdict,
)
from drs_provider.rules.run.handover.launches import LaunchedJob

from benchmarks import plans

PROJECT: Final = Path(__file__).parents[1]
WAVES, SERVERS_A_WAVE, JOB_SIZE = 10, 200, 100
WAVES_DONE, WAVE_UNDER_WAY = 5, 5
POLLS = 30
POLL_EVERY = 3.0
"""Seconds between two polls of an open page (``board.js``)."""

RUN_ID: Final = "manual__2026-11-22T05:00:00+00:00"
_USER, _PASSWORD = "vera", "viewer-password"


def measure(work: Path) -> dict[str, Any]:
    """Measure in a process of its own; CPU in milliseconds.

    :param work: an empty folder
    """
    command = [sys.executable, "-m", "benchmarks.board", "--in", str(work)]
    done = subprocess.run(command, cwd=PROJECT, env=_environment(work), stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment(work: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "DRS_"))}
    work.mkdir(parents=True, exist_ok=True)
    passwords = work / "passwords.json"
    passwords.write_text(json.dumps({_USER: _PASSWORD}))
    plans.write_of(work, [(SERVERS_A_WAVE, WAVES)])
    return kept | {
        "AIRFLOW_HOME": str(work),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{work}/airflow.db?timeout=60",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of benchmarks, " * 4,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "DRS_SIGNING_KEY": "a key of benchmarks, " * 4,
        "DRS_PLANS_FOLDER": str(work / "plans"),
        "DRS_REPORTS": str(work / "reports"),
    }


def _measured() -> dict[str, Any]:
    """Measure in this process, whose environment has an empty Airflow."""
    run = _RunInAirflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starlette recommends another HTTP client than the one that Airflow brings
        from airflow.api_fastapi.app import create_app
        from fastapi.testclient import TestClient
    with TestClient(create_app(), base_url="http://testserver") as api:
        token = api.post("/auth/token", json={"username": _USER, "password": _PASSWORD}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/drs/runs/{run.dag_id}/{quote(RUN_ID, safe='')}"
        known: dict[str, str] = {}

        def poll(*, with_etag: bool = True) -> Any:
            more = {"If-None-Match": known["etag"]} if with_etag and "etag" in known else {}
            answer = api.get(f"{path}/board", headers=headers | more)
            if answer.status_code not in (200, 304):
                raise RuntimeError(f"the board answers {answer.status_code}: {answer.text}")
            if "etag" in answer.headers:
                known["etag"] = answer.headers["etag"]
            return answer

        first = _cpu_ms(poll)
        size = len(poll(with_etag=False).content)
        page = median(_cpu_ms(lambda: api.get(path, headers=headers)) for _ in range(POLLS))
        crowd = median(_cpu_ms(poll) for _ in range(POLLS))
        whole = median(_cpu_ms(lambda: poll(with_etag=False)) for _ in range(POLLS))
        alone, changed = [], []
        for _ in range(POLLS // 3):
            time.sleep(POLL_EVERY)
            alone.append(_cpu_ms(poll))
        for number in range(POLLS // 3):
            run.change(number)
            time.sleep(POLL_EVERY)
            changed.append(_cpu_ms(poll))
    return {
        "servers": WAVES * SERVERS_A_WAVE,
        "board_kib": round(size / 1024),
        "first_ms": round(first, 1),
        "page_ms": round(page, 1),
        "crowd_ms": round(crowd, 1),
        "crowd_whole_ms": round(whole, 1),
        "alone_ms": round(median(alone), 1),
        "alone_max_ms": round(max(alone), 1),
        "after_change_ms": round(median(changed), 1),
    }


def _cpu_ms(ask: Callable[[], object]) -> float:
    began = time.process_time()
    ask()
    return (time.process_time() - began) * 1000


class _RunInAirflow:
    """A drill whose first waves are done, of which one is launching, and the rest waits."""

    def __init__(self) -> None:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
        from airflow.models.dagbundle import DagBundleModel
        from airflow.utils.db import initdb
        from airflow.utils.session import create_session

        self.dag_id = names.dag_id_of(plans.name(0))
        initdb()
        dags = PROJECT / "dags"
        bag = DagBag(str(dags / "recovery_plans.py"), bundle_path=dags, bundle_name="dags-folder")
        with create_session() as session:
            session.merge(DagBundleModel(name="dags-folder"))
        with create_session() as session:
            sync_bag_to_db(bag, "dags-folder", None, session=session)
        self.began = datetime.now(UTC) - timedelta(minutes=50)
        self._start()
        self._leave_everything()

    def _start(self) -> None:
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        with create_session() as session:
            dag = SerializedDagModel.get_dag(self.dag_id, session=session)
            if dag is None:
                raise RuntimeError(f"Airflow has no DAG {self.dag_id}")
            dag.create_dagrun(
                run_id=RUN_ID,
                run_after=self.began,
                logical_date=self.began,
                data_interval=(self.began, self.began),
                conf={"mode": "drill"},
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                start_date=self.began,
                session=session,
            )

    def _leave_everything(self) -> None:
        self._state(names.PREFLIGHT_TASK, "success")
        self._leave(names.PREFLIGHT_TASK, preflight())
        for number in range(WAVE_UNDER_WAY + 1):
            wave = f"wave-{number}"
            start = next(
                task for task in self._tasks() if names.does(task, names.START) and names.wave_of(task) == wave
            )
            watch = names.wave_task(wave, names.WATCH)
            self._state(start, "success")
            self._leave(start, launch(number, self.began))
            if number < WAVES_DONE:
                results = tuple(result(number, member) for member in range(SERVERS_A_WAVE))
                self._state(watch, "success")
                self._leave(watch, ServerResults(servers=results))
                self._leave(watch, WaveVerdict(verdict="launched", servers=results))
            else:
                self._state(watch, "deferred")

    def change(self, number: int) -> None:
        """Let a task of a later wave come one state further, as happens all the time."""
        self._state(f"wave-{WAVE_UNDER_WAY + 1}.{names.WATCH}", ("scheduled", "queued")[number % 2])

    def _tasks(self) -> list[str]:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            return list(session.scalars(select(TaskInstance.task_id).where(TaskInstance.dag_id == self.dag_id)))

    def _state(self, task_id: str, state: str) -> None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import update

        with create_session() as session:
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.dag_id == self.dag_id, TaskInstance.task_id == task_id)
                .values(state=state, start_date=self.began)
            )

    def _leave(self, task_id: str, document: Document) -> None:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from drs_provider.rules.run.handover.signature import Origin
        from drs_provider.services.signed import keys

        value = keys().seal(document.to_json(), Origin(self.dag_id, RUN_ID, task_id, document.KEY))
        with create_session() as session:
            XComModel.set(
                document.KEY,
                value,
                dag_id=self.dag_id,
                run_id=RUN_ID,
                task_id=task_id,
                serialize=False,
                session=session,
            )


def preflight(waves: int = WAVES, servers: int = SERVERS_A_WAVE) -> PreflightResult:
    """Return what preflight leaves of a chain of so many waves with so many servers each."""
    return PreflightResult.from_json(
        {
            "version": 2,
            "plan": plans.name(0),
            "digest": "d" * 64,
            "checked_at": "2026-11-22T05:00:05+00:00",
            "needs_approval": False,
            "passed": True,
            "mode": "drill",
            "waves": {
                f"wave-{wave}": {
                    "selected": True,
                    "targets": [
                        {
                            "region": plans.REGION,
                            "aws_conn_id": "aws_default",
                            "account": plans.ACCOUNT,
                            "resolved_region": plans.REGION,
                            "servers": [_member(wave, number) for number in range(servers)],
                        }
                    ],
                }
                for wave in range(waves)
            },
            "hourly": {plans.server_id(0, wave, n): 0.1 for wave in range(waves) for n in range(servers)},
            "fingerprints": {
                plans.server_id(0, wave, n): {"hostname": f"h0-{wave}-{n}", "disks": "8", "launch": "f" * 64}
                for wave in range(waves)
                for n in range(servers)
            },
        }
    )


def _member(wave: int, number: int) -> dict[str, object]:
    return {
        "server_id": plans.server_id(0, wave, number),
        "hostname": f"h0-{wave}-{number}",
        "group": f"{plans.name(0)}-{wave}",
        "critical": True,
        "region": plans.REGION,
        "lag": "PT2S",
        "placement": {
            "subnet_id": "subnet-0123456789abcdef0",
            "security_group_ids": ["sg-0123456789abcdef0"],
            "vpc_id": "vpc-0123456789abcdef0",
            "availability_zone": f"{plans.REGION}a",
        },
    }


def launch(wave: int, at: datetime, servers: int = SERVERS_A_WAVE) -> Launch:
    """Return the record of a wave's launch in jobs of at most 100 servers."""
    members = [plans.server_id(0, wave, number) for number in range(servers)]
    jobs = tuple(
        LaunchedJob(
            job_id=f"drsjob-{wave:05d}{first:012d}", servers=tuple(members[first : first + JOB_SIZE]), created_at=at
        )
        for first in range(0, servers, JOB_SIZE)
    )
    return Launch(jobs=jobs, aws_conn_id="aws_default", region=plans.REGION)


def result(wave: int, number: int) -> ServerResult:
    """Return what became of a server that was launched, with the events that a job's log has of one."""
    kinds = ("SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "LAUNCH_END")
    return ServerResult(
        server_id=plans.server_id(0, wave, number),
        hostname=f"h0-{wave}-{number}",
        critical=True,
        status="launched",
        instance_id=f"i-{wave:05d}{number:012d}",
        instance_state="RUNNING",
        point_in_time="2026-11-22T05:00:00+00:00",
        job_id=f"drsjob-{wave:05d}{number // JOB_SIZE * JOB_SIZE:012d}",
        events=tuple({"event": kind, "at": "2026-11-22T05:04:00.123456+00:00"} for kind in kinds),
    )


def main() -> None:
    """Measure and print; without ``--in`` in a folder of its own."""
    parser = argparse.ArgumentParser(prog="benchmarks.board", description=__doc__)
    parser.add_argument("--in", dest="inside", type=Path, help="the folder of an Airflow that the environment names")
    options = parser.parse_args()
    if options.inside:
        sys.stdout.write(json.dumps(_measured()) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="drs-board-") as work:
        sys.stdout.write(json.dumps(measure(Path(work)), indent=2) + "\n")


if __name__ == "__main__":
    main()
