"""A pytest fixture that starts the real HTTP server: ``pytest_plugins = ["drs_simulator.pytest_plugin"]``.

    def test_something(start_drs_simulator):
        drs = start_drs_simulator("simulator/fleets/web-shop.yaml", speed=600)
        drs.client("drs").describe_source_servers()
        drs.fault({"do": "throttle", "count": 1})

`drs_simulator` is the same with the fleet of two servers. moto's state is one per process, so only one simulator runs
at a time in a process; every fixture stops its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drs_simulator.client import SimulatorHandle
from drs_simulator.fleet.file import example, fleet_of
from drs_simulator.fleet.model import Fleet
from drs_simulator.server.standalone import RunningSimulator

StartSimulator = Callable[..., SimulatorHandle]


@pytest.fixture(scope="module")
def start_drs_simulator() -> Iterator[StartSimulator]:
    """Yield a function that starts a simulator; it replaces the one that it started before."""
    running: list[RunningSimulator] = []

    def stop() -> None:
        while running:
            running.pop().stop()

    def start(fleet: Fleet | Path | str | dict[str, object] | None = None, **options: Any) -> SimulatorHandle:
        stop()
        chosen = example("hello.yaml") if fleet is None else fleet
        running.append(RunningSimulator(fleet_of(chosen), **options).start())
        return SimulatorHandle(running[-1].url)

    yield start
    stop()


@pytest.fixture
def drs_simulator(start_drs_simulator: StartSimulator) -> SimulatorHandle:
    """A simulator with two servers at speed 600."""
    return start_drs_simulator(speed=600)
