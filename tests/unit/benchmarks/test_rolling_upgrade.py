"""How parts are replaced under a run: one at a time, and a part that does not come back is told in words."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import httpx
import pytest

from benchmarks.chaos import campaign
from benchmarks.chaos.campaign import Drive
from benchmarks.rolling_upgrade import Rolling
from demo.stack import StackError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@dataclass(frozen=True)
class Settings:
    airflow: dict = field(default_factory=dict)


class Airflow(BaseHTTPRequestHandler):
    """Answers what it is told to; everything asked for is kept."""

    jobs, asked = b'{"jobs": []}', []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.jobs)

    def log_message(self, *_):
        pass


@contextmanager
def airflow(jobs):
    handler = type("Told", (Airflow,), {"jobs": jobs, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.asked
    server.shutdown()
    server.server_close()


class Stack:
    """One part that is a process of its own, begun again as the campaign's killer does."""

    def __init__(self, name, address):
        self.name, self.settings = name, Settings()
        self.parts = {name: (name, "--port", address.rpartition(":")[2])}
        self.airflow = SimpleNamespace(address=address, authorization="Bearer x")
        self.begun = []
        self.processes = SimpleNamespace(pids={}, log=lambda name: Path("logs") / f"{name}.log")
        self.begin()

    def begin(self, program="import time; print(flush=True); time.sleep(600)"):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        process.stdout.readline()
        self.begun.append(process)
        self.processes.pids[self.name] = process.pid

    def tend(self):
        if self.begun[-1].poll() is not None:
            self.begin()

    def close(self):
        for process in self.begun:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def stack_of(name, address):
    stack = Stack(name, address)
    try:
        yield stack
    finally:
        stack.close()


def roll(rolling, stack, tend=True):
    for _ in rolling.steps():
        if tend:
            stack.tend()
        time.sleep(0.01)


def test_a_part_is_replaced_once_airflow_has_a_job_of_the_new_one():
    said = []
    with airflow(b'{"jobs": [{"id": 1}]}') as (address, asked), stack_of("scheduler-1", address) as stack:
        roll(rolling := Rolling(stack, Path("/new"), said.append, settles_within=0.1), stack)

        assert rolling.replaced == ["scheduler-1"]
        assert [process.poll() for process in stack.begun] == [-signal.SIGTERM, None]
        assert stack.settings.airflow["AIRFLOW__CORE__DAGS_FOLDER"] == "/new/dags"
        assert asked[0].startswith("/api/v2/jobs?job_type=SchedulerJob&is_alive=true&start_date_gte=20")
        assert said[0] == "  scheduler-1 is told to stop, with 10 s to do so"


def test_a_part_that_is_never_well_fails_in_words():
    said = []
    with airflow(b'{"jobs": []}') as (address, _), stack_of("triggerer-2", address) as stack:
        with pytest.raises(
            StackError, match=r"^triggerer-2 was replaced and is not well after 0 s: there is not a living"
        ):
            roll(Rolling(stack, Path("/new"), said.append, settles_within=0, well_within=0.3), stack)

        assert said[-1].startswith("  triggerer-2 has begun again; waiting for a living TriggererJob that began after ")


def test_a_part_that_nobody_begins_again_fails_in_words(monkeypatch):
    monkeypatch.setattr("benchmarks.rolling_upgrade.ENDS_WITHIN", 0.2)
    with airflow(b"{}") as (address, _), stack_of("api-server-1", address) as stack:
        pid = stack.processes.pids["api-server-1"]
        with pytest.raises(StackError, match=rf"^api-server-1 \(process {pid}\) was stopped, and nobody has begun"):
            roll(Rolling(stack, Path("/new"), lambda _: None, well_within=0.2), stack, tend=False)


def test_what_does_not_stop_is_killed_with_its_children(monkeypatch):
    monkeypatch.setattr("benchmarks.rolling_upgrade.WORKER_ENDS_WITHIN", 0.2)
    parent = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE); "
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(600)"
    )
    with airflow(b"{}") as (address, _), stack_of("celery-worker-1", address) as stack:
        process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
        child = int(process.stdout.readline())
        stack.begun.append(process)
        stack.processes.pids["celery-worker-1"] = process.pid

        roll(Rolling(stack, Path("/new"), lambda _: None, settles_within=0), stack)

        assert process.poll() == -signal.SIGKILL
        until = time.monotonic() + 10
        while _lives(child):
            assert time.monotonic() < until
            time.sleep(0.05)


def _lives(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_an_airflow_that_answers_nothing_ends_the_campaign_in_words(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(campaign, "time", SimpleNamespace(monotonic=lambda: now[0]))
    drive = object.__new__(Drive)
    drive._answered = 0.0
    drive._hear(None)
    now[0] += campaign.SILENT
    drive._hear(httpx.ConnectError("refused"))
    now[0] += 1
    with pytest.raises(
        StackError, match=r"^Airflow's API has answered nothing for 600 s, last ConnectError\('refused'\)$"
    ):
        drive._hear(httpx.ConnectError("refused"))
