"""Replacing the parts of a running stack by those of another checkout, one at a time, as docs/deployment.md does."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from demo.guard import descendants, parents_now
from demo.stack import PROJECT, Stack, StackError
from demo.team import WORKER, kin

UPGRADED = ("api-server", "scheduler", "triggerer", WORKER, "dag-processor")
"""In which order parts are replaced: docs/deployment.md."""

JOBS: Final = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}
"""What Airflow's table of jobs calls a part; Celery's workers are not in it."""

SETTLES_WITHIN = 15.0
"""Seconds that a part gets to do its work, once it is well, before the next one goes: in less HAProxy may not have
asked it yet."""

WORKER_ENDS_WITHIN = 120.0
"""What docker-compose.yaml gives a worker to end what it has begun; the others get Docker's ten seconds."""

ENDS_WITHIN = 10.0

WELL_WITHIN = 300.0
"""Seconds after which a part that was started again, and is not well, never will be: a busy machine takes one or two
minutes to start Airflow."""


@dataclass
class Rolling:
    """Replaces the parts of a stack, one at a time, by those of another checkout.

    :ivar say: is told what is waited for.
    :ivar replaced: the names of the parts that were, in their order.
    """

    stack: Stack
    to: Path
    say: Callable[[str], None] = print
    settles_within: float = SETTLES_WITHIN
    well_within: float = WELL_WITHIN
    replaced: list[str] = field(default_factory=list)

    def steps(self) -> Iterator[str]:
        """Replace everything; yield the name of a part while it is waited for.

        :raises StackError: when a part does not come back; the text says what of it was waited for
        """
        self.stack.settings = replace(self.stack.settings, airflow={**self.stack.settings.airflow, **code_of(self.to)})
        for kind in UPGRADED:
            for name in kin(self.stack.parts, kind):
                yield from self._replace(name, kind)
                self.replaced.append(name)

    def _replace(self, name: str, kind: str) -> Iterator[str]:
        asked, clock = datetime.now(UTC), time.monotonic()
        yield from self._stop(name, WORKER_ENDS_WITHIN if kind == WORKER else ENDS_WITHIN)
        stopped = time.monotonic() - clock
        told = ""
        while awaited := self._awaited(name, kind, asked):
            if awaited != told:
                self.say(f"  {name} has begun again; waiting for {awaited}")
                told = awaited
            if time.monotonic() - clock > stopped + self.well_within:
                raise StackError(
                    f"{name} was replaced and is not well after {self.well_within:.0f} s: there is not {awaited}. "
                    f"Its log is {self.stack.processes.log(name)}"
                )
            yield name
        took = time.monotonic() - clock
        self.say(f"  {name}: gone after {stopped:.0f} s, well after {took:.0f} s")
        until = time.monotonic() + self.settles_within
        while time.monotonic() < until:
            yield name

    def _stop(self, name: str, grace: float) -> Iterator[str]:
        """Stop it as Docker does, and wait for the campaign's killer, which begins anew whatever has died."""
        processes = self.stack.processes
        pid = processes.pids[name]
        self.say(f"  {name} is told to stop, with {grace:.0f} s to do so")
        until, gives_up = time.monotonic() + grace, time.monotonic() + grace + self.well_within
        is_killed = False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        while processes.pids[name] == pid:
            now = time.monotonic()
            if now > until and not is_killed:
                self.say(f"  {name} did not stop in {grace:.0f} s and is killed")
                # With a container everything in it ends: a child of the old version must not outlive it.
                for each in (pid, *descendants(pid, parents_now())):
                    with suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)
                is_killed = True
            if now > gives_up:
                raise StackError(f"{name} (process {pid}) was stopped, and nobody has begun it again")
            yield name

    def _awaited(self, name: str, kind: str, since: datetime) -> str:
        """Return in words what of a part is not there yet; empty when it is well, or nobody can tell."""
        if kind == "api-server":
            told = self.stack.parts[name]
            address = f"http://127.0.0.1:{told[told.index('--port') + 1]}/api/v2/version"
            return "" if _answer(address) else f"an answer of {address}"
        if (job := JOBS.get(kind)) is None:
            return ""
        airflow = self.stack.airflow
        found = _answer(
            f"{airflow.address}/api/v2/jobs",
            {"job_type": job, "is_alive": "true", "start_date_gte": since.isoformat()},
            {"Authorization": airflow.authorization},
        )
        if found is None:
            return f"an answer of the proxy to whether there is a living {job}"
        return "" if found.json()["jobs"] else f"a living {job} that began after {since:%H:%M:%S}"


def _answer(
    address: str, query: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> httpx.Response | None:
    try:
        answer = httpx.get(address, params=query, headers=headers, timeout=10, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer if answer.is_success else None


def code_of(checkout: Path) -> dict[str, str]:
    """Return the environment of parts that run a checkout's package, plugin and DAGs."""
    return {
        "PYTHONPATH": f"{checkout / 'plugins'}:{PROJECT / 'simulator'}",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(checkout / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(checkout / "dags"),
    }
