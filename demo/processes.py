"""Processes that cannot be left behind: the near end of the guard's pipe."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from demo.guard import GRACE, adopt_orphans, end_descendants


class GuardDied(RuntimeError):
    """The guard is gone; what it had started has been ended."""


class Processes:
    """Starts named processes through a guard and hears of their ends.

    Use as a context manager; leaving it ends everything that was started, and everything that those started.

    :param logs: the folder that gets `<name>.log` for every process.
    :param keep_open: a file descriptor that the guard holds as long as it lives: the lock of the state folder.
    :param grace: seconds between asking a process to end and ending it.
    """

    def __init__(self, logs: Path, keep_open: int | None = None, grace: float = GRACE) -> None:
        self.logs = logs
        self.grace = grace
        self.pids: dict[str, int] = {}
        self.exits: dict[str, int] = {}
        self._buffer = b""
        adopt_orphans()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=() if keep_open is None else (keep_open,),
        )
        self._orders: IO[bytes] = self._guard.stdin  # type: ignore[assignment]  # a pipe was asked for
        self._events: IO[bytes] = self._guard.stdout  # type: ignore[assignment]  # a pipe was asked for

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def log(self, name: str) -> Path:
        """Return where a process's output goes."""
        return self.logs / f"{name}.log"

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path, ask_with: int = signal.SIGTERM
    ) -> None:
        """Start a process; :attr:`pids` and :attr:`exits` tell the rest.

        :param ask_with: the signal that asks it to end.
        :raises GuardDied: when nothing can be started any more.
        """
        order: dict[str, Any] = {"start": name, "argv": list(argv), "env": dict(env), "cwd": str(cwd)}
        order |= {"log": str(self.log(name)), "ask_with": int(ask_with)}
        try:
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()
        except BrokenPipeError:
            self._give_up()

    def hear(self, seconds: float) -> None:
        """Take in what happened, waiting at most so long for something to happen.

        :raises GuardDied: when the guard was killed.
        """
        readable, _, _ = select.select([self._events], [], [], seconds)
        if not readable:
            return
        piece = os.read(self._events.fileno(), 65536)
        if not piece:
            self._give_up()
        *lines, self._buffer = (self._buffer + piece).split(b"\n")
        for line in lines:
            self._note(json.loads(line))

    def _note(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"event": "started", "name": name, "pid": pid}:
                self.pids[name] = pid
            case {"event": "exited", "name": name, "code": code}:
                self.exits[name] = code

    def _give_up(self) -> None:
        self.end()
        raise GuardDied("the process that guards the demo's processes was killed; everything has been stopped")

    def end(self) -> None:
        """End every process and wait until all are gone. May be called twice."""
        if not self._orders.closed:
            with suppress(BrokenPipeError):  # then the guard is gone, and what it left falls to us
                self._orders.close()
        try:
            self._guard.wait(self.grace + 6)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        if self._guard.returncode != 0:
            end_descendants()
        self._events.close()
