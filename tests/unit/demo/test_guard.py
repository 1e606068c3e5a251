"""The guard leaves nothing behind, whatever happens to whom."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from demo.guard import descendants
from demo.processes import GuardDied, Processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

MARK = "GUARD_TEST"

# A parent that ignores SIGTERM, with a child in a process group of its own and a grandchild in a session of its own.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.setsid()
open(sys.argv[1] + str(os.getpid()), "w").close()
time.sleep(60)
"""

OWNER = """
import os, sys
from pathlib import Path
from demo.processes import Processes
with Processes(Path(sys.argv[1]), grace=0.2) as processes:
    processes.start("stubborn", [sys.executable, "-c", sys.argv[2], sys.argv[1] + "/"], os.environ, Path(sys.argv[1]))
    while True:
        processes.hear(1)
"""


def marked(mark):
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


def wait_until(happened, seconds=20.0):
    give_up = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up, "it has not happened"
        time.sleep(0.02)


@pytest.fixture
def mark():
    mark = uuid.uuid4().hex
    yield mark
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)


def three_are_there(folder):
    return lambda: len([file for file in folder.iterdir() if file.name.isdigit()]) == 3


def hears_signals():
    """Undo what whoever runs the tests may have done: nohup and shells' background jobs ignore these two."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_when_the_owner_is_sent(number, tmp_path, mark):
    project = Path(__file__).parents[3]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), STUBBORN],
        env=os.environ | {MARK: mark, "PYTHONPATH": str(project)},
        stderr=subprocess.DEVNULL,
        preexec_fn=hears_signals,  # noqa: PLW1509  (no other thread of this process does anything meanwhile)
    )
    wait_until(three_are_there(tmp_path))
    assert len(marked(mark)) == 5, "owner, guard, parent, child, grandchild"

    owner.send_signal(number)
    owner.wait(20)

    wait_until(lambda: not marked(mark))


def hear_for_ever(processes):
    while True:
        processes.hear(1)


def test_nothing_is_left_when_the_guard_itself_is_killed(tmp_path, mark):
    with Processes(tmp_path, grace=0.2) as processes:
        processes.start(
            "stubborn", [sys.executable, "-c", STUBBORN, f"{tmp_path}/"], os.environ | {MARK: mark}, tmp_path
        )
        wait_until(three_are_there(tmp_path))

        os.kill(processes._guard.pid, signal.SIGKILL)
        with pytest.raises(GuardDied):
            hear_for_ever(processes)

    wait_until(lambda: not marked(mark))


def test_the_end_of_a_process_is_heard_with_its_exit_code(tmp_path):
    with Processes(tmp_path, grace=0.2) as processes:
        processes.start("short", [sys.executable, "-c", "print('last words'); exit(3)"], os.environ, tmp_path)
        wait_until(lambda: processes.hear(0.1) or processes.exits)

        assert processes.exits == {"short": 3}
        assert processes.log("short").read_text() == "last words\n"


def test_descendants_are_all_below_one_process_and_no_other():
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}

    assert descendants(2, parents) == {3, 4}
    assert descendants(1, parents) == {2, 3, 4, 5, 6}
    assert descendants(6, parents) == set()


def test_the_end_of_everyone_is_told_while_others_are_started(tmp_path):
    """subprocess collects forgotten children itself whenever it starts another one."""
    names = [f"short-{number}" for number in range(30)]
    with Processes(tmp_path) as processes:
        for name in names:
            processes.start(name, ["/bin/true"], os.environ, tmp_path)
        wait_until(lambda: processes.hear(0.1) or len(processes.exits) == len(names))

        assert processes.exits == dict.fromkeys(names, 0)
