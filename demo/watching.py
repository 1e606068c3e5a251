"""Follow one run from its start to its end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from drs_provider.plan.loader import RunnablePlan

from demo.board import ServerNow, Wave, board, instant
from demo.screen import Header, Screen
from demo.simulator_api import jobs
from demo.stack import Stack, StackError

LOOK_EVERY = 1.0
"""Seconds between two looks at the run."""

PATIENCE = 60.0
"""Seconds for which Airflow or the simulator may be too busy to answer."""

PREFLIGHT_TASK, PREFLIGHT = "preflight.check", "preflight"
"""Where preflight leaves the servers of every wave: task and XCom key."""

OVER = ("success", "failed")


@dataclass
class Watch:
    """A run that is being watched; remembers what does not change any more."""

    stack: Stack
    runnable: RunnablePlan
    run_id: str
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    roster: dict[str, list[str]] = field(default_factory=dict)

    def until_over(self, screen: Screen) -> dict[str, Any]:
        """Show the run until it is over; return it as Airflow's API gives it.

        :raises StackError: when nobody answers for a minute.
        """
        answered_at = time.monotonic()
        while True:
            try:
                run, header, waves = self.look()
            except httpx.HTTPError as error:
                if time.monotonic() - answered_at > PATIENCE:
                    raise StackError(
                        f"no answer for {PATIENCE:.0f} s: {error}; see {self.stack.places.logs}"
                    ) from error
            else:
                answered_at = time.monotonic()
                screen.show(header, waves)
                if run["state"] in OVER:
                    return run
            self.stack.check(wait=LOOK_EVERY)

    def look(self) -> tuple[dict[str, Any], Header, list[Wave]]:
        """Ask Airflow and the simulator once: the run, and how it is shown."""
        plan, airflow = self.runnable.plan, self.stack.airflow
        dag_id = f"drs.{plan.name}"
        run = airflow.run(dag_id, self.run_id)
        began = instant(run["start_date"]) if run["start_date"] else self.asked_at
        now = instant(run["end_date"]) if run["end_date"] else datetime.now(UTC)
        self.roster = self.roster or roster_of(airflow.result(dag_id, self.run_id, PREFLIGHT_TASK, PREFLIGHT))
        servers = [
            ServerNow(server, job.job_id, job.created_at, phase)
            for job in jobs(self.stack.simulator.state())
            if job.created_at >= began
            for server, phase in job.servers.items()
        ]
        names = [wave.name for wave in plan.waves]
        waves = board(names, airflow.tasks(dag_id, self.run_id), self.roster, servers, now)
        return run, Header(dag_id, "drill", now - began, plan.rto, self.stack.settings.speed), waves


def roster_of(preflight: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """Read wave → server ids from what preflight left; empty while it has left nothing."""
    if preflight is None:
        return {}
    return {
        name: [server["server_id"] for target in wave["targets"] for server in target["servers"]]
        for name, wave in preflight["waves"].items()
    }
