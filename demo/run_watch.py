"""Follow one run from its start to its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from drs_provider.plan.loader import RunnablePlan
from drs_provider.rules.run.names import dag_id_of
from drs_provider.rules.run.run_view import RunView
from drs_provider.services.airflow_api import AirflowError
from drs_provider.services.airflow_client import AirflowClient, Login
from drs_provider.services.run_control import RunControl

from demo.board import ServerNow, Wave, board
from demo.environment import USER
from demo.screen import Header, Screen
from demo.simulator_api import jobs
from demo.stack import Stack, StackError

LOOK_EVERY = 1.0
"""Seconds between two looks at the run."""

PATIENCE = 60.0
"""Seconds for which Airflow or the simulator may be too busy to answer."""


@dataclass
class Watch:
    """A run that is being watched; remembers what does not change any more."""

    stack: Stack
    runnable: RunnablePlan
    run_id: str
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    control: RunControl = field(init=False)

    def __post_init__(self) -> None:
        airflow = self.stack.airflow
        # A transport of one's own keeps away from proxies: everything is on this machine.
        login = Login(USER, self.stack.password)
        client = AirflowClient(airflow.address, login, httpx.HTTPTransport())
        client.log_in()
        self.control = RunControl(client)

    def until_over(self, screen: Screen, meanwhile: Callable[[RunView], None] = lambda _: None) -> RunView:
        """Show the run until it is over; return it.

        :param meanwhile: what is done at every look, with what was seen
        :raises StackError: when nobody answers for a minute.
        """
        answered_at = time.monotonic()
        while True:
            try:
                run, header, waves = self.look()
            except (httpx.HTTPError, AirflowError) as error:
                if time.monotonic() - answered_at > PATIENCE:
                    raise StackError(
                        f"no answer for {PATIENCE:.0f} s: {error}; see {self.stack.places.logs}"
                    ) from error
            else:
                answered_at = time.monotonic()
                screen.show(header, waves)
                if not run.is_active:
                    return run
                meanwhile(run)
            self.stack.check(wait=LOOK_EVERY)

    def look(self) -> tuple[RunView, Header, list[Wave]]:
        """Ask Airflow and the simulator once: the run, and how it is shown."""
        plan = self.runnable.plan
        run = self.control.look(plan.name, self.run_id)
        began = run.started_at or self.asked_at
        now = run.ended_at or datetime.now(UTC)
        servers = [
            ServerNow(server, job.job_id, job.created_at, phase)
            for job in jobs(self.stack.simulator.state())
            if job.created_at >= began
            for server, phase in job.servers.items()
        ]
        waves = board(run.state, servers, now)
        return run, Header(dag_id_of(plan.name), "drill", now - began, plan.rto, self.stack.settings.speed), waves
