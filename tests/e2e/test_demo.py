"""`make demo` as a person runs it: a real Airflow against the simulator over HTTP, in processes of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from demo.ports import any_port, is_free

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

PROJECT = Path(__file__).parents[2]
NO_CAPACITY = {
    "service": "drs",
    "hostname": "db3",
    "do": "fail_at",
    "event": "CONVERSION_START",
    "error": "InsufficientInstanceCapacity",
}


class Demo:
    """A demo in a folder of its own; what it prints is read line by line."""

    def __init__(self, folder, *options):
        self.mark = f"E2E_TEST={uuid.uuid4().hex}"
        name, value = self.mark.split("=")
        self.port = any_port()
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo.run", "--state", str(folder), "--port", str(self.port), *options],
            cwd=PROJECT,
            env=os.environ | {name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def said(self):
        return "".join(self.lines)

    def read_until(self, text):
        while text not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended before it said {text!r}:\n{self.said}"
            self.lines.append(line)

    def finish(self):
        self.lines += self.process.stdout.readlines()
        return self.process.wait(60)

    def report(self):
        return json.loads(Path(re.search(r"\S+/report\.json", self.said)[0]).read_text())

    def living(self):
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark.encode() in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture
def demo(tmp_path, empty_tables):
    started = []
    state = tmp_path / "state"
    shutil.copytree(empty_tables, state)

    def start(*options):
        started.append(Demo(state, *options))
        return started[-1]

    yield start
    for launch in started:
        for pid in launch.living():
            os.kill(pid, signal.SIGKILL)
        launch.process.stdout.close()
        launch.process.wait(20)
    for made in state.glob("empty-airflow-*.db"):
        shutil.copy(made, empty_tables)


def test_a_drill_that_goes_well_passes_and_leaves_no_instance(demo):
    run = demo("--plan", "hello", "--exit")

    assert run.finish() == 0, run.said
    report = run.report()
    assert report["verdict"] == "passed"
    assert report["counts"]["launched"] == 2
    assert report["cleanup"]["state"] == "completed"
    assert "✓ PASSED: All 2 servers in 2 waves were launched." in run.said
    assert "✓ EC2: 2 instances came during the drill, none of them is left" in run.said
    assert "\x1b" not in run.said, "no control codes where there is no terminal"
    assert run.living() == []
    assert is_free(run.port)


def test_a_database_server_that_fails_fails_the_drill_and_is_named_with_what_it_stopped(demo, tmp_path):
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([NO_CAPACITY]))

    run = demo("--exit", "--faults", str(faults))

    assert run.finish() == 1, run.said
    report = run.report()
    assert report["verdict"] == "failed"
    [failure] = report["failures"]
    assert (failure["hostname"], failure["wave"]) == ("db3", "database")
    assert "InsufficientInstanceCapacity" in failure["reason"]
    assert [wave["wave"] for wave in report["not_started"]] == ["application", "web", "monitoring"]
    assert report["cleanup"]["state"] == "completed"
    assert "✕ FAILED" in run.said
    assert "  ✕ db3 (database): " in run.said
    assert "  - web: 50 servers not started" in run.said
    assert re.search(r"✓ EC2: \d+ instances came during the drill, none of them is left", run.said)
    assert run.living() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param("starting", signal.SIGINT, id="Ctrl-C while starting"),
        pytest.param("0/1 launched", signal.SIGTERM, id="SIGTERM while a wave is launched"),
        pytest.param("0/1 launched", signal.SIGKILL, id="kill -9 while a wave is launched"),
    ],
)
def test_nothing_is_left_after(moment, number, demo):
    run = demo("--plan", "hello")
    run.read_until(moment)

    os.killpg(run.process.pid, number)
    code = run.finish()

    assert code == (-number if number == signal.SIGKILL else 130), run.said
    give_up = time.monotonic() + 30
    while run.living() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert run.living() == []
    assert is_free(run.port)


def test_a_second_demo_in_the_same_folder_is_refused(demo):
    first = demo("--plan", "hello")
    first.read_until("starting")

    second = demo("--plan", "hello")

    assert second.finish() == 2
    assert re.search(
        r"another demo runs in .* \(process \d+\)\. Stop it with Ctrl-C in its terminal: kill -INT \d+", second.said
    )
    os.killpg(first.process.pid, signal.SIGINT)
    assert first.finish() == 130


def test_a_plan_that_does_not_exist_is_refused_at_once(demo):
    run = demo("--plan", "nowhere")

    assert run.finish() == 2
    assert run.said.startswith("there is no usable plan called 'nowhere' in ")
