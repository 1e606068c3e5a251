"""Killing the processes of a running stack with -9, and starting again what cannot be missed."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.chaos.scenarios import Kill
from demo.guard import descendants, parents_now
from demo.stack import Stack, StackError
from demo.team import REDIS, kin

ORPHANS_LIVE = 20.0
"""Seconds that a killed scheduler's workers go on; then they are ended, for nobody else would."""

DIES_WITHIN = 10.0

TWIN_RESTS = 15.0
"""Seconds after which a killed part is started again that has a twin: so long the other one is alone."""

API_AWAY = 60.0
"""Seconds in which no API server answers."""

NOTHING = "nothing"
"""What is said of a kill that struck nobody."""


class Killer:
    """Kills parts of one stack. What dies is started again at once, as a service manager would; one of two later."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._later: dict[str, float] = {}
        """When parts that have died are started again."""
        self._orphans: list[tuple[float, set[int]]] = []
        self._killed_at: list[float] = []

    def since(self, when: float) -> int:
        """Return how many kills have struck since then (:func:`time.monotonic`)."""
        return sum(at >= when for at in self._killed_at)

    def kill(self, kill: Kill) -> str:
        """Kill; return in words what was hit."""
        if kill.victim in ("task", "worker"):
            said = self._kill_task(kill)
        elif kill.victim == "machine":
            said = self._kill_machine()
        elif kill.victim == "database":
            said = self._kill_database(kill)
        elif kill.victim in ("postgresql", REDIS):
            said = self._kill_service(kill.victim)
        elif kill.victim == "api":
            said = self._take_api_away()
        else:
            said = self._kill_one_of(kill)
        if said != NOTHING:
            self._killed_at.append(time.monotonic())
        return said

    def tend(self) -> None:
        """Start again whatever has died, and end orphans whose time is over."""
        self._stack.processes.hear(0)
        for name in [name for name in self._stack.processes.exits if name in self._stack.parts]:
            if time.monotonic() >= self._later.get(name, 0.0):
                self._start(name)
        now = time.monotonic()
        for deadline, pids in self._orphans:
            if now > deadline:
                parents = parents_now()
                for pid in set(pids).union(*(descendants(pid, parents) for pid in pids)):
                    _kill(pid)
        self._orphans = [(deadline, pids) for deadline, pids in self._orphans if now <= deadline]

    def _kill_task(self, kill: Kill) -> str:
        """Kill a task's process, or with it the worker that supervises it; an idle worker holds the queue's lock."""
        parents = parents_now()
        hosts = self._stack.tasks_below()
        workers = {pid for pid, parent in parents.items() if parent in hosts}
        busy = sorted((parent, pid) for pid, parent in parents.items() if parent in workers)
        if not busy:
            return NOTHING
        worker, task = busy[int(kill.luck * len(busy))]
        if kill.victim == "worker":
            _kill(worker)
        _kill(task)
        return kill.victim

    def _kill_machine(self) -> str:
        """Kill everything at once, all but the simulator, and start it again: nobody hears of anybody's end."""
        pids = [self._stack.processes.pids[name] for name in self._stack.parts]
        parents = parents_now()
        for pid in set(pids).union(*(descendants(pid, parents) for pid in pids)):
            _kill(pid)
        self._orphans.clear()
        for name in self._stack.parts:
            self._await_end(name)
        for name in self._stack.parts:
            self._start(name)
        return "machine"

    def _kill_database(self, kill: Kill) -> str:
        """Kill the process of one of PostgreSQL's connections: it then ends all others, and reads its log again."""
        server = self._stack.processes.pids.get("postgresql")
        parents = parents_now() if server is not None else {}
        serving = sorted(pid for pid in descendants(server or 0, parents) if "127.0.0.1(" in _title(pid))
        if not serving:
            return NOTHING
        _kill(serving[int(kill.luck * len(serving))])
        return kill.victim

    def _kill_service(self, name: str) -> str:
        """Kill PostgreSQL or Redis whole, and start it again: it reads its log."""
        if name not in self._stack.processes.pids:
            return NOTHING
        self._kill_tree(name)
        self._await_end(name)
        self._start(name)
        return name

    def _take_api_away(self) -> str:
        """Kill every API server, and let none come back for a while."""
        names = kin(self._stack.parts, "api-server")
        for name in names:
            self._kill_tree(name)
        for name in names:
            self._await_end(name)
            self._later[name] = time.monotonic() + API_AWAY
        return f"every API server for {API_AWAY:.0f} s"

    def _kill_one_of(self, kill: Kill) -> str:
        """Kill a part, or one of two; the other one is then alone for a while."""
        names = kin(self._stack.parts, kill.victim)
        if not names:
            return NOTHING
        name = names[int(kill.luck * len(names))]
        if len(names) == 1:
            return self._kill_component(name, with_children=kill.victim != "scheduler" or kill.luck < 0.5)
        self._kill_tree(name)
        self._await_end(name)
        self._later[name] = time.monotonic() + TWIN_RESTS
        return name

    def _kill_tree(self, name: str) -> None:
        pid = self._stack.processes.pids[name]
        for each in (pid, *descendants(pid, parents_now())):
            _kill(each)

    def _kill_component(self, name: str, *, with_children: bool) -> str:
        pid = self._stack.processes.pids[name]
        children = descendants(pid, parents_now())
        _kill(pid)
        if with_children:
            for child in children:
                _kill(child)
        else:
            self._orphans.append((time.monotonic() + ORPHANS_LIVE, children))
        self._await_end(name)
        self._start(name)
        return name if with_children else f"{name} alone"

    def _await_end(self, name: str) -> None:
        until = time.monotonic() + DIES_WITHIN
        while name not in self._stack.processes.exits:
            self._stack.processes.hear(0.1)
            if time.monotonic() > until:
                raise StackError(f"{name} (process {self._stack.processes.pids[name]}) survives SIGKILL")

    def _start(self, name: str) -> None:
        stack = self._stack
        stack.processes.exits.pop(name, None)
        self._later.pop(name, None)
        before = stack.processes.pids.get(name)
        stack.begin(name)
        until = time.monotonic() + DIES_WITHIN
        while stack.processes.pids.get(name) == before and time.monotonic() < until:
            stack.processes.hear(0.1)


def _title(pid: int) -> str:
    """Return how a process calls itself; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
