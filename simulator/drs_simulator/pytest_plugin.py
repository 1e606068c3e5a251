"""A pytest fixture that starts the real HTTP server: ``pytest_plugins = ["drs_simulator.pytest_plugin"]``.

    def test_something(start_drs_simulator):
        drs = start_drs_simulator("simulator/fleets/web-shop.yaml", speed=600)
        drs.client("drs").describe_source_servers()
        drs.fault({"do": "throttle", "count": 1})

`drs_simulator` is the same with the fleet of two servers. moto's state is one per process, so only one simulator runs
at a time in a process; every fixture stops its own.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from drs_simulator.fleet import Fleet, parsed, read_fleet
from drs_simulator.running import RunningSimulator

FLEETS = Path(__file__).resolve().parent.parent / "fleets"


class ControlPlaneError(Exception):
    """The control plane refused a request."""


class SimulatorHandle:
    """A running simulator, as tests use it."""

    def __init__(self, url: str, region: str = "us-west-2") -> None:
        self.url = url
        self.region = region

    def client(self, service: str, **more: Any) -> Any:
        """Return a boto3 client that talks to the simulator, without retries unless `config` says otherwise."""
        credentials = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}
        settings = {"region_name": self.region, "config": Config(retries={"total_max_attempts": 1})}
        return boto3.client(service, endpoint_url=self.url, **(credentials | settings | more))  # type: ignore[call-overload,no-any-return,unused-ignore]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control plane, for example ``control("GET", "health")``. Raises ControlPlaneError."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/_simulator/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlPlaneError(json.load(error)["error"]) from None

    def health(self) -> Any:
        """Return ``{"ready": …, "speed": …, "servers": …}``."""
        return self.control("GET", "health")

    def reset(self) -> Any:
        """Go back to the fleet file."""
        return self.control("POST", "reset")

    def calls(self, since: int = 0) -> Any:
        """Return the AWS calls that came in."""
        return self.control("GET", f"calls?since={since}")

    def state(self) -> Any:
        """Return the whole world."""
        return self.control("GET", "state")

    def fault(self, *faults: dict[str, Any]) -> list[str]:
        """Add faults; returns their ids."""
        return self.control("POST", "faults", list(faults))["ids"]

    def no_faults(self, name: str | None = None) -> Any:
        """Take one fault back, or all."""
        return self.control("DELETE", f"faults/{name}" if name else "faults")

    def clock(self, **body: Any) -> Any:
        """Move the clock: ``advance="10m"``, ``freeze=True``, ``speed=600``."""
        return self.control("POST", "clock", body)

    def advance(self, how_long: str | float) -> Any:
        """Let simulated time pass."""
        return self.clock(advance=how_long)


StartSimulator = Callable[..., SimulatorHandle]


def fleet_of(fleet: Fleet | Path | str | dict[str, Any]) -> Fleet:
    """Return a fleet from what a test has of it."""
    match fleet:
        case Fleet():
            return fleet
        case dict():
            return parsed(fleet)
    return read_fleet([Path(fleet)])


@pytest.fixture(scope="module")
def start_drs_simulator() -> Iterator[StartSimulator]:
    """Yield a function that starts a simulator; it replaces the one that it started before."""
    running: list[RunningSimulator] = []

    def stop() -> None:
        while running:
            running.pop().stop()

    def start(fleet: Fleet | Path | str | dict[str, Any] = FLEETS / "hello.yaml", **options: Any) -> SimulatorHandle:
        stop()
        running.append(RunningSimulator(fleet_of(fleet), **options).start())
        return SimulatorHandle(running[-1].url)

    yield start
    stop()


@pytest.fixture
def drs_simulator(start_drs_simulator: StartSimulator) -> SimulatorHandle:
    """A simulator with two servers at speed 600."""
    return start_drs_simulator(speed=600)
