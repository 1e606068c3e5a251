"""The parent of every process of the stack: it starts them, and outlives whoever asked for them by as long as it
takes to end them all.

It reads orders from its standard input, one JSON object a line, and says on its standard output what became of
them. When the input ends, for whatever reason (Ctrl-C, an exception, kill -9 of the program at the other end), it
ends everything below it. Airflow's task supervisors move their children to process groups of their own, so groups
alone do not find everything; on Linux the guard is a subreaper (prctl(2)): what loses its parent falls to the
guard, and the tree below it in /proc is complete.

    {"start": "scheduler", "argv": [...], "env": {...}, "cwd": "...", "log": "...", "ask_with": 15}
    {"event": "started", "name": "scheduler", "pid": 4711}
    {"event": "exited", "name": "scheduler", "code": 1}
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GRACE = 4.0
"""Seconds between asking a process to end and ending it."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ON_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if _ON_LINUX else None


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies; nothing happens outside Linux."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def descendants(of: int, parents: Mapping[int, int]) -> set[int]:
    """Return every process below one, from a table of pid → parent's pid."""
    found: set[int] = set()
    fresh = {of}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def parents_now() -> dict[int, int]:
    """Read pid → parent's pid of every process from /proc; empty where there is no /proc."""
    table = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "pid (name) state ppid ...": a name may hold anything, so the fields are counted from its last bracket.
            table[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we read
    return table


def end_descendants() -> None:
    """Kill everything below this process until nothing is left, and collect it."""
    while True:
        _collect()
        left = descendants(os.getpid(), parents_now())
        if not left:
            return
        for pid in left:
            _signal(os.kill, pid, signal.SIGKILL)
        time.sleep(0.02)


def _signal(send: Any, pid: int, number: int) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # gone already, or no longer ours


def _collect() -> dict[int, int]:
    """Collect the ended children, adopted ones too; return pid → exit code."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


class Guard:
    """The loop: orders in, events out, until the input ends."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._names: dict[int, str] = {}
        # Held on to: of a forgotten child subprocess collects the end itself when it starts the next one.
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._ask_with: dict[int, int] = {}
        self._buffer = b""
        self._asked_to_end = False

    def run(self) -> None:
        """Serve until the input ends or SIGTERM comes, then end everything."""
        # Handlers, not SIG_IGN: an ignored signal stays ignored in the children, a handled one does not.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_asked_to_end", True))
        adopt_orphans()
        try:
            while not self._asked_to_end and self._orders():
                for pid, code in _collect().items():
                    self._say_exit(pid, code)
        finally:
            self._end()

    def _orders(self) -> bool:
        """Carry out what has been asked; answer False at the end of the input."""
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0.1)
        if not readable:
            return True
        piece = os.read(sys.stdin.fileno(), 65536)
        *lines, self._buffer = (self._buffer + piece).split(b"\n")
        for line in lines:
            self._start(json.loads(line))
        return bool(piece)

    def _start(self, order: Mapping[str, Any]) -> None:
        with Path(order["log"]).open("ab") as log:
            child = subprocess.Popen(
                order["argv"],
                env=order["env"],
                cwd=order["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the guard has one thread
            )
        self._names[child.pid] = order["start"]
        self._children[child.pid] = child
        self._ask_with[child.pid] = order["ask_with"]
        _say({"event": "started", "name": order["start"], "pid": child.pid})

    def _say_exit(self, pid: int, code: int) -> None:
        if pid in self._names:  # else an adopted orphan, of which nobody has heard
            self._children.pop(pid).returncode = code
            _say({"event": "exited", "name": self._names.pop(pid), "code": code})

    def _end(self) -> None:
        for pid in self._names:
            _signal(os.killpg, pid, self._ask_with[pid])
        give_up = time.monotonic() + self._grace
        while self._names and time.monotonic() < give_up:
            for pid in _collect():
                self._names.pop(pid, None)
            time.sleep(0.02)
        for pid in self._names:
            _signal(os.killpg, pid, signal.SIGKILL)
        end_descendants()


def _say(event: Mapping[str, Any]) -> None:
    try:
        os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        return  # nobody listens any more: the input will end as well


if __name__ == "__main__":
    Guard(grace=float(sys.argv[1])).run()
